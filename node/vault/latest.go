package vault

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"sayso"
)

// latestRows is the latest reading per signal and source of one vehicle and
// epoch, ascending by signal and then by source. It is never changed once it
// is published; a change makes a new one.
type latestRows []Row

const (
	latestBare   = 1 // without the head
	latestFormat = 2
)

// latestSlack is how much the latest values of a vehicle may grow on the shelf.
const latestSlack = 16

// weight is how many vehicles of thirty-two signals the rows stand for in the
// cache.
func (l latestRows) weight() int { return 1 + len(l)/latestUsual }

const latestUsual = 32

func orderLatest(a, b *Row) int {
	if c := cmp.Compare(a.Signal, b.Signal); c != 0 {
		return c
	}
	return bytes.Compare(a.Source[:], b.Source[:])
}

// absent says whether a value is a position that means no position.
func absent(v *sayso.Value) bool {
	return v.Kind == sayso.Position && v.Location.Latitude == 0 && v.Location.Longitude == 0
}

// raise takes readings in that are later than what is there. The slice must be
// the caller's own. Readings that ascend by signal are met without searching.
func (l *latestRows) raise(source sayso.Address, seq uint64, in []sayso.Reading) {
	at := 0
	for i := range in {
		r := &in[i]
		if absent(&r.Value) {
			continue
		}
		row := Row{Signal: r.Signal, Time: r.Time, Source: source, Seq: seq, Value: r.Value}
		if at >= len(*l) || orderLatest(&(*l)[at], &row) != 0 {
			var ok bool
			if at, ok = l.find(&row); !ok {
				*l = slices.Insert(*l, at, row)
				at++
				continue
			}
		}
		if old := &(*l)[at]; row.Time > old.Time || row.Time == old.Time && row.Seq < old.Seq {
			*old = row
		}
		at++
	}
}

func (l *latestRows) find(r *Row) (int, bool) {
	low, high := 0, len(*l)
	for low < high {
		mid := int(uint(low+high) >> 1)
		switch c := orderLatest(&(*l)[mid], r); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// appendLatest writes: format, number and link of the head, the sources, the
// greatest time and sequence, and per row the step of the signal, the number of the source, how much
// earlier and lower it is, and the value.
func appendLatest(b []byte, l lately) []byte {
	b = binary.AppendUvarint(append(b, latestFormat), l.head.number)
	b = append(b, l.head.link[:]...)
	rows := l.rows
	var sources []sayso.Address
	var time sayso.Instant
	var seq uint64
	for i := range rows {
		if !slices.Contains(sources, rows[i].Source) {
			sources = append(sources, rows[i].Source)
		}
		if i == 0 || rows[i].Time > time {
			time = rows[i].Time
		}
		seq = max(seq, rows[i].Seq)
	}
	b = binary.AppendUvarint(b, uint64(len(sources)))
	for _, s := range sources {
		b = append(b, s[:]...)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(time))
	b = binary.LittleEndian.AppendUint64(b, seq)
	b = binary.AppendUvarint(b, uint64(len(rows)))
	signal := sayso.SignalID(0)
	for i := range rows {
		r := &rows[i]
		b = binary.AppendUvarint(b, uint64(r.Signal-signal))
		b = binary.AppendUvarint(b, uint64(slices.Index(sources, r.Source)))
		b = binary.AppendUvarint(b, uint64(time-r.Time))
		b = binary.AppendUvarint(b, seq-r.Seq)
		b = putValue(b, &r.Value)
		signal = r.Signal
	}
	return b
}

// decodeLatest reads them into rows, which are the caller's own.
func decodeLatest(b []byte, rows latestRows) (l lately, err error) {
	r := reader{b: b}
	switch r.byte() {
	case latestBare:
	case latestFormat:
		l.head.number = r.uvarint()
		copy(l.head.link[:], r.take(uint64(len(l.head.link))))
	default:
		return l, errShort
	}
	var few [2]sayso.Address
	sources := few[:0]
	for range r.count(len(sayso.Address{})) {
		sources = append(sources, sayso.Address(r.take(uint64(len(sayso.Address{})))))
	}
	time, seq := sayso.Instant(r.u64()), r.u64()
	n := r.count(6)
	rows = slices.Grow(rows[:0], n)[:n]
	signal := uint64(0)
	for i := range rows {
		signal += r.uvarint()
		source := r.uvarint()
		if signal > 0xffff || source >= uint64(len(sources)) {
			return l, errShort
		}
		row := &rows[i]
		*row = Row{Signal: sayso.SignalID(signal), Source: sources[source]}
		row.Time = time - sayso.Instant(r.uvarint())
		row.Seq = seq - r.uvarint()
		r.value(&row.Value, true)
	}
	if r.bad || len(r.b) != 0 {
		return l, errShort
	}
	l.rows = rows
	return l, nil
}

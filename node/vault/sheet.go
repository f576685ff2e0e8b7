package vault

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"sayso"
	"sayso/node/vault/column"
)

// A deposit of many readings is kept by column: a sheet for each hour and epoch,
// of which there are not too many. It must have a few values of each signal, or
// rows are shorter.
const (
	fewValues  = 4
	mostSheets = 32
)

// columnsFormat is the first byte of a block of readings by column.
const columnsFormat = 2

// sheets are the readings of a deposit by column.
type sheets struct {
	list  []sheet // of which the first used are in use
	used  int
	room  []byte
	whole whole
}

// sheet has the readings of one hour and epoch. The rows of its columns are
// times since the start of the hour.
type sheet struct {
	epoch, hour uint32
	start       sayso.Instant
	at          []uint16 // by signal: one more than the number of the column
	cols        []tableColumn
	shuffled    bool
}

var sheetPool = sync.Pool{New: func() any { return new(sheets) }}

// sheetsOf gives the readings by column, or nil where there are not so many, or
// rows serve better.
func sheetsOf(list []sayso.Reading, many int) *sheets {
	if len(list) < many {
		return nil
	}
	s := sheetPool.Get().(*sheets)
	if s.fill(list, min(many, fewValues)) {
		return s
	}
	s.release()
	return nil
}

func (s *sheets) release() {
	for i := range s.list[:s.used] {
		s.list[i].reset()
	}
	s.used = 0
	if len(s.list) <= 8 && cap(s.room) <= 64<<10 {
		sheetPool.Put(s)
	}
}

func (s *sheets) fill(list []sayso.Reading, few int) bool {
	var in *sheet
	for i := range list {
		r := &list[i]
		if at := r.Time; in == nil || at < in.start || at >= in.start+hour || r.Epoch != in.epoch {
			if in = s.of(r.Epoch, hourOf(at)); in == nil {
				return false
			}
		}
		c := in.column(r.Signal, r.Value.Kind)
		if c.kind != r.Value.Kind {
			return false // two kinds at one time, perhaps
		}
		at := int64(r.Time - in.start)
		if n := len(c.rows); n > 0 && c.rows[n-1] >= at {
			in.shuffled = true
		}
		c.add(at, &r.Value)
	}
	cols := 0
	for i := range s.list[:s.used] {
		cols += len(s.list[i].cols)
	}
	if len(list) < cols*few {
		return false
	}
	for i := range s.list[:s.used] {
		s.list[i].sort()
	}
	slices.SortFunc(s.list[:s.used], func(a, b sheet) int {
		return cmp.Or(cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.hour, b.hour))
	})
	return true
}

// of finds the sheet of an hour, or has one; nil where there are too many.
func (s *sheets) of(epoch, h uint32) *sheet {
	for i := range s.list[:s.used] {
		if x := &s.list[i]; x.hour == h && x.epoch == epoch {
			return x
		}
	}
	if s.used == mostSheets {
		return nil
	}
	if s.used == len(s.list) {
		s.list = append(s.list, sheet{})
	}
	x := &s.list[s.used]
	s.used++
	x.epoch, x.hour, x.start = epoch, h, startOf(h)
	return x
}

func (x *sheet) reset() {
	for i := range x.cols {
		c := &x.cols[i]
		x.at[c.signal] = 0
		clear(c.texts)
	}
	x.cols, x.shuffled = x.cols[:0], false
}

// column finds the column of a signal, or has one of a kind.
func (x *sheet) column(s sayso.SignalID, k sayso.Kind) *tableColumn {
	if int(s) >= len(x.at) {
		x.at = append(x.at, make([]uint16, int(s)+1-len(x.at))...)
	}
	n := &x.at[s]
	if *n == 0 {
		if len(x.cols) == math.MaxUint16 {
			return &tableColumn{} // of no kind
		}
		if len(x.cols) < cap(x.cols) {
			x.cols = x.cols[:len(x.cols)+1]
		} else {
			x.cols = append(x.cols, tableColumn{})
		}
		x.cols[len(x.cols)-1].restart(s, k)
		*n = uint16(len(x.cols))
	}
	return &x.cols[*n-1]
}

// restart makes a column an empty one that has the room of the one it was.
func (c *tableColumn) restart(s sayso.SignalID, k sayso.Kind) {
	c.signal, c.kind, c.gone = s, k, nil
	c.rows, c.numbers, c.texts = c.rows[:0], c.numbers[:0], c.texts[:0]
	for i := range c.fixes {
		c.fixes[i] = c.fixes[i][:0]
	}
}

// sort orders columns by signal, and the values of each by time; of two at one
// time the first given stays.
func (x *sheet) sort() {
	slices.SortFunc(x.cols, func(a, b tableColumn) int { return cmp.Compare(a.signal, b.signal) })
	if !x.shuffled {
		return
	}
	for i := range x.cols {
		x.cols[i].sort()
	}
}

func (c *tableColumn) sort() {
	ordered := true
	for i := 1; i < len(c.rows); i++ {
		ordered = ordered && c.rows[i-1] < c.rows[i]
	}
	if ordered {
		return
	}
	order := make([]int, len(c.rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(c.rows[a], c.rows[b]) })
	out := tableColumn{signal: c.signal, kind: c.kind}
	for i, from := range order {
		if i > 0 && c.rows[from] == c.rows[order[i-1]] {
			continue
		}
		v := c.value(from)
		out.add(c.rows[from], &v)
	}
	*c = out
}

// latest gives the last value of each signal.
func (x *sheet) latest(out []sayso.Reading) []sayso.Reading {
	for i := range x.cols {
		c := &x.cols[i]
		for n := len(c.rows) - 1; n >= 0; n-- {
			if v := c.value(n); !absent(&v) {
				out = append(out, sayso.Reading{Signal: c.signal, Epoch: x.epoch, Time: x.start + sayso.Instant(c.rows[n]), Value: v})
				break
			}
		}
	}
	return out
}

// appendSheet writes a sheet as a block: format, source, and groups of columns
// whose values have the same times: their count, the times since the start of
// the hour in units of their greatest common divisor, and the columns.
func (s *sheets) appendSheet(b []byte, source sayso.Address, x *sheet) []byte {
	b = append(append(b, columnsFormat), source[:]...)
	var room [64]uint16
	group := room[:0]
	groups := uint16(0)
	for i := range x.cols {
		n := slices.IndexFunc(x.cols[:i], func(c tableColumn) bool { return slices.Equal(c.rows, x.cols[i].rows) })
		if n >= 0 {
			group = append(group, group[n])
			continue
		}
		group = append(group, groups)
		groups++
	}
	b = binary.AppendUvarint(b, uint64(groups))
	for g := range groups {
		first := slices.Index(group, g)
		b = s.appendTimes(b, x.cols[first].rows)
		n := 0
		for _, of := range group {
			if of == g {
				n++
			}
		}
		b = binary.AppendUvarint(b, uint64(n))
		signal := sayso.SignalID(0)
		for i := first; i < len(group); i++ {
			if c := &x.cols[i]; group[i] == g {
				b = append(binary.AppendUvarint(b, uint64(c.signal-signal)), byte(c.kind))
				signal = c.signal
				s.room = c.append(s.room[:0])
				b = putBytes(b, s.room)
			}
		}
	}
	return b
}

func (s *sheets) appendTimes(b []byte, times []int64) []byte {
	unit, short := s.whole.inUnits(times, 0)
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(len(times))), uint64(unit))
	s.room = column.AppendInts(s.room[:0], short)
	return putBytes(b, s.room)
}

// encodeReadings writes the readings of a deposit: by column where they are many,
// otherwise row by row.
func (p *pending) encodeReadings(b []byte, d *Deposit, many int) []byte {
	if s := sheetsOf(d.Readings, many); s != nil {
		defer s.release()
		for i := range s.list[:s.used] {
			x := &s.list[i]
			b = p.begin(b, place{kind: kindReadings, epoch: x.epoch, hour: x.hour})
			b = p.end(s.appendSheet(b, d.Envelope.Source, x))
			p.parts[len(p.parts)-1].rows = x.latest(make([]sayso.Reading, 0, len(x.cols)))
		}
		return b
	}
	rows := sortReadings(d.Readings)
	for i := 0; i < len(rows); {
		h, epoch := hourOf(rows[i].Time), rows[i].Epoch
		j := i + 1
		for j < len(rows) && rows[j].Epoch == epoch && hourOf(rows[j].Time) == h {
			j++
		}
		b = p.begin(b, place{kind: kindReadings, epoch: epoch, hour: h})
		b = p.end(appendBlock(b, d.Envelope.Source, h, rows[i:j]))
		p.parts[len(p.parts)-1].rows = rows[i:j]
		i = j
	}
	return b
}

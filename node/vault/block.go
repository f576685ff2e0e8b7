package vault

import (
	"cmp"
	"encoding/binary"
	"slices"

	"sayso"
)

// blockFormat is the first byte of a block of readings.
const blockFormat = 1

// sortReadings orders by epoch, time and signal and drops repetitions of a
// signal at a time: the first one given stays.
func sortReadings(in []sayso.Reading) []sayso.Reading {
	order := func(a, b sayso.Reading) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Time, b.Time), cmp.Compare(a.Signal, b.Signal))
	}
	strictly := true
	for i := 1; i < len(in); i++ {
		if order(in[i-1], in[i]) >= 0 {
			strictly = false
			break
		}
	}
	if strictly {
		return in
	}
	out := slices.Clone(in)
	slices.SortStableFunc(out, order)
	return slices.CompactFunc(out, func(a, b sayso.Reading) bool { return order(a, b) == 0 })
}

// appendBlock writes the readings of one deposit in one hour and epoch, sorted
// by time and signal: format, source, then runs of equal time, each with the
// step of time since the last run (the first since the start of the hour), its
// length, and per reading the step of the signal number and the value.
func appendBlock(b []byte, source sayso.Address, h uint32, rows []sayso.Reading) []byte {
	b = append(b, blockFormat)
	b = append(b, source[:]...)
	b = binary.AppendUvarint(b, uint64(len(rows)))
	last := startOf(h)
	for i := 0; i < len(rows); {
		j := i + 1
		for j < len(rows) && rows[j].Time == rows[i].Time {
			j++
		}
		b = binary.AppendUvarint(b, uint64(rows[i].Time-last))
		b = binary.AppendUvarint(b, uint64(j-i))
		last = rows[i].Time
		signal := sayso.SignalID(0)
		for ; i < j; i++ {
			b = binary.AppendUvarint(b, uint64(rows[i].Signal-signal))
			b = putValue(b, &rows[i].Value)
			signal = rows[i].Signal
		}
	}
	return b
}

// blockSource gives the source of a block.
func blockSource(b []byte) (a sayso.Address, ok bool) {
	if len(b) < 1+len(a) || b[0] != blockFormat && b[0] != columnsFormat {
		return a, false
	}
	return sayso.Address(b[1 : 1+len(a)]), true
}

// signalSet is a set of signals; nil is every signal.
type signalSet []uint64

func signalSetOf(list []sayso.SignalID) signalSet {
	if list == nil {
		return nil
	}
	set := make(signalSet, 1)
	for _, s := range list {
		for int(s>>6) >= len(set) {
			set = append(set, 0)
		}
		set[s>>6] |= 1 << (s & 63)
	}
	return set
}

func (s signalSet) has(id sayso.SignalID) bool {
	return s == nil || int(id>>6) < len(s) && s[id>>6]>>(id&63)&1 == 1
}

// decodeBlock appends the rows of the wanted signals within [from, to), in no
// order.
func decodeBlock(rows []Row, b []byte, h uint32, seq uint64, want signalSet, from, to sayso.Instant) ([]Row, error) {
	source, ok := blockSource(b)
	if !ok {
		return rows, errShort
	}
	if b[0] == columnsFormat {
		return decodeColumns(rows, source, b[1+len(source):], h, seq, want, from, to)
	}
	r := reader{b: b[1+len(source):]}
	left := r.count(3)
	at := startOf(h)
	end := at + hour
	for left > 0 && !r.bad {
		step, run := r.uvarint(), r.uvarint()
		if step >= uint64(hour) || run == 0 || run > uint64(left) {
			return rows, errShort
		}
		if at += sayso.Instant(step); at >= end {
			return rows, errShort
		}
		left -= int(run)
		signal := uint64(0)
		for ; run > 0; run-- {
			if signal += r.uvarint(); signal > 0xffff {
				return rows, errShort
			}
			row := Row{Signal: sayso.SignalID(signal), Time: at, Source: source, Seq: seq}
			wanted := at >= from && at < to && want.has(row.Signal)
			r.value(&row.Value, wanted)
			if wanted {
				rows = append(rows, row)
			}
		}
	}
	if r.bad || len(r.b) != 0 {
		return rows, errShort
	}
	return rows, nil
}

// readingsOf gives the source and the readings of a block, ascending by time and
// signal.
func readingsOf(b []byte, p *place) (source sayso.Address, out []sayso.Reading, err error) {
	rows, err := decodeBlock(nil, b, p.hour, p.seq, nil, minInstant, maxInstant)
	if err != nil || len(rows) == 0 {
		return source, nil, err
	}
	if b[0] == columnsFormat {
		slices.SortFunc(rows, func(a, b Row) int {
			return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Signal, b.Signal))
		})
	}
	out = make([]sayso.Reading, len(rows))
	for i := range rows {
		out[i] = sayso.Reading{Signal: rows[i].Signal, Epoch: p.epoch, Time: rows[i].Time, Value: rows[i].Value}
	}
	return rows[0].Source, out, nil
}

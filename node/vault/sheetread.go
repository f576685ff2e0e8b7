package vault

import (
	"slices"
	"sync"

	"sayso"
	"sayso/node/vault/column"
)

// groupOfColumns is a group of a block by column. Its times are since the start
// of the hour.
type groupOfColumns struct {
	n     int
	unit  int64
	times []byte
	cols  []packedColumn
}

// packedColumn is one column, its values packed.
type packedColumn struct {
	signal sayso.SignalID
	kind   sayso.Kind
	data   []byte
}

// group reads the next group of a block; its columns are kept in g. A group has a
// column at least: the times of one without would be read by nobody.
func (r *reader) group(g *groupOfColumns) bool {
	n, unit := r.uvarint(), r.uvarint()
	g.times, g.cols = r.bytes(), g.cols[:0]
	if n == 0 || n > chunkMost || unit == 0 || unit > uint64(hour) {
		return false
	}
	g.n, g.unit = int(n), int64(unit)
	signal := uint64(0)
	for range r.count(3) {
		signal += r.uvarint()
		kind := sayso.Kind(r.byte())
		data := r.bytes()
		if signal > 0xffff || kind < sayso.Number || kind > sayso.Position {
			return false
		}
		g.cols = append(g.cols, packedColumn{sayso.SignalID(signal), kind, data})
	}
	return !r.bad && len(g.cols) > 0
}

// appendTimes appends the times of a group of an hour.
func (g *groupOfColumns) appendTimes(to []int64, h uint32) ([]int64, error) {
	low := len(to)
	to = slices.Grow(to, g.n)[:low+g.n]
	times := to[low:]
	rest, err := column.Ints(times, g.times)
	if err != nil || len(rest) != 0 {
		return to, errShort
	}
	most, before, start := int64(hour)/g.unit, int64(-1), int64(startOf(h))
	for i, x := range times {
		if x <= before || x > most || x*g.unit >= int64(hour) {
			return to, errShort
		}
		times[i], before = start+x*g.unit, x
	}
	return to, nil
}

// decode reads n values into t, which is reused.
func (p *packedColumn) decode(t *tableColumn, n int, room *[]int64) (err error) {
	t.signal, t.kind = p.signal, p.kind
	b := p.data
	switch p.kind {
	case sayso.Text:
		t.texts = slices.Grow(t.texts[:0], n)[:n]
		*room = slices.Grow((*room)[:0], n)[:n]
		b, err = column.Texts(t.texts, *room, b)
	case sayso.Position:
		for i := range t.fixes {
			t.fixes[i] = slices.Grow(t.fixes[i][:0], n)[:n]
			if b, err = column.Numbers(t.fixes[i], b); err != nil {
				break
			}
		}
	default:
		t.numbers = slices.Grow(t.numbers[:0], n)[:n]
		b, err = column.Numbers(t.numbers, b)
	}
	if err != nil || len(b) != 0 {
		return errShort
	}
	return nil
}

// columnsRoom is room for reading blocks by column.
type columnsRoom struct {
	group groupOfColumns
	times []int64
	whole []int64
	col   tableColumn
}

var columnsPool = sync.Pool{New: func() any { return new(columnsRoom) }}

// decodeColumns appends the rows of the wanted signals within [from, to), column
// by column. b is what follows the source.
func decodeColumns(rows []Row, source sayso.Address, b []byte, h uint32, seq uint64, want signalSet, from, to sayso.Instant) ([]Row, error) {
	room := columnsPool.Get().(*columnsRoom)
	defer columnsPool.Put(room)
	r := reader{b: b}
	for range r.count(4) {
		g := &room.group
		if !r.group(g) {
			return rows, errShort
		}
		room.times = room.times[:0]
		low, high := 0, 0
		for i := range g.cols {
			c := &g.cols[i]
			if !want.has(c.signal) {
				continue
			}
			if len(room.times) == 0 {
				var err error
				if room.times, err = g.appendTimes(room.times, h); err != nil {
					return rows, err
				}
				low, high = within(room.times, from, to)
			}
			if low == high {
				continue
			}
			if err := c.decode(&room.col, g.n, &room.whole); err != nil {
				return rows, err
			}
			for n := low; n < high; n++ {
				rows = append(rows, Row{Signal: c.signal, Time: sayso.Instant(room.times[n]), Source: source, Seq: seq, Value: room.col.value(n)})
			}
			clear(room.col.texts)
		}
	}
	if r.bad || len(r.b) != 0 {
		return rows, errShort
	}
	return rows, nil
}

// tableOfColumns makes a table of a block by column; b is what follows the
// source.
func tableOfColumns(source sayso.Address, b []byte, h uint32, seq uint64) (*table, error) {
	r := reader{b: b}
	t := &table{source: source}
	type part struct {
		times []int64
		first int // of its columns
	}
	var parts []part
	var room []int64
	var g groupOfColumns
	for range r.count(4) {
		if !r.group(&g) {
			return nil, errShort
		}
		times, err := g.appendTimes(nil, h)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{times, len(t.cols)})
		for i := range g.cols {
			var c tableColumn
			if err := g.cols[i].decode(&c, g.n, &room); err != nil {
				return nil, err
			}
			t.cols = append(t.cols, c)
		}
		t.times = union(t.times, times)
	}
	if r.bad || len(r.b) != 0 || len(t.times) == 0 {
		return nil, errShort
	}
	for i, p := range parts {
		end := len(t.cols)
		if i+1 < len(parts) {
			end = parts[i+1].first
		}
		rows := placesOf(p.times, t.times)
		for j := p.first; j < end; j++ {
			t.cols[j].rows = rows
		}
	}
	t.seqs = slices.Repeat([]int64{int64(seq)}, len(t.times))
	t.sort()
	return t, nil
}

// union gives the numbers of two ascending lists, ascending, each once.
func union(a, b []int64) []int64 {
	if len(a) == 0 {
		return b
	}
	i := 0
	for _, x := range b { // are all there already?
		for i < len(a) && a[i] < x {
			i++
		}
		if i == len(a) || a[i] != x {
			i = -1
			break
		}
	}
	if i >= 0 {
		return a
	}
	out := make([]int64, 0, len(a)+len(b)/8+16)
	i = 0
	for _, x := range b {
		for ; i < len(a) && a[i] < x; i++ {
			out = append(out, a[i])
		}
		if i < len(a) && a[i] == x {
			i++
		}
		out = append(out, x)
	}
	return append(out, a[i:]...)
}

// placesOf gives where the numbers of one ascending list are in another that has
// them all.
func placesOf(list, all []int64) []int64 {
	out, at := make([]int64, len(list)), 0
	for i, x := range list {
		for all[at] < x {
			at++
		}
		out[i] = int64(at)
		at++
	}
	return out
}

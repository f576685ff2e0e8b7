package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"sayso"
	"sayso/node/vault/column"
)

// run is a stretch of readings of one signal, or of several, that one chunk or
// the rows of one walker hold.
type run struct {
	first, last sayso.Instant
	w           *walker
	c           *chunk       // nil: rows
	col         *chunkColumn // of a chunk
	rows        []Row
}

// apart puts runs in the order of time and says whether none overlaps another
// and none holds two values of a signal at one time.
func apart(runs []run) bool {
	if len(runs) == 0 {
		return true
	}
	if len(runs) > 1 {
		slices.SortStableFunc(runs, func(a, b run) int { return int(max(-1, min(1, a.first-b.first))) })
	}
	for i := range runs {
		if c := runs[i].c; c != nil && c.flags&chunkRepeats != 0 || i > 0 && runs[i].first <= runs[i-1].last {
			return false
		}
	}
	return true
}

// rowsOfSignal finds the rows of a signal among rows ordered by signal.
func rowsOfSignal(rows []Row, s sayso.SignalID) []Row {
	if len(rows) == 0 {
		return nil
	}
	order := func(r Row, s sayso.SignalID) int { return cmp.Compare(r.Signal, s) }
	low, _ := slices.BinarySearchFunc(rows, s, order)
	high, _ := slices.BinarySearchFunc(rows[low:], s+1, order)
	if s == 0xffff {
		high = len(rows) - low
	}
	return rows[low : low+high]
}

// runsOf finds where a signal is within [from, to).
func runsOf(runs []run, ws []*walker, s sayso.SignalID, from, to sayso.Instant) []run {
	for _, w := range ws {
		for _, c := range w.chunks {
			for i := range c.cols {
				if col := &c.cols[i]; col.signal == s && col.first < to && col.last >= from {
					runs = append(runs, run{first: col.first, last: col.last, w: w, c: c, col: col})
				}
			}
		}
		if rows := rowsOfSignal(w.rows, s); len(rows) > 0 {
			runs = append(runs, run{first: rows[0].Time, last: rows[len(rows)-1].Time, rows: rows, w: w})
		}
	}
	return runs
}

// rowsOfRuns gives the rows of runs of one signal of which some have the same
// times: the lowest sequence counts.
func rowsOfRuns(ctx context.Context, r *Reader, runs []run, from, to sayso.Instant) ([]Row, error) {
	rows, err := r.rows[:0], error(nil)
	for _, w := range r.walkers { // of one sequence the lowest epoch stays
		for i := range runs {
			switch {
			case runs[i].w != w:
			case runs[i].c == nil:
				rows = append(rows, runs[i].rows...)
			default:
				if rows, err = w.appendColumn(ctx, rows, runs[i].c, runs[i].col, from, to); err != nil {
					return nil, err
				}
			}
		}
	}
	r.rows = rows
	return sortRows(rows), nil
}

// ready reads the times of a chunk.
func (w *walker) ready(ctx context.Context, c *chunk) error {
	if c.decoded {
		return nil
	}
	err := w.open(ctx, c)
	if err == nil {
		err = w.damaged(c.readTimes())
	}
	return err
}

func (w *walker) damaged(err error) error {
	if err != nil {
		err = fmt.Errorf("vault: the times of a chunk of vehicle %d: %w", w.own.vehicle, err)
	}
	return err
}

// open opens the part of a chunk that has the times.
func (w *walker) open(ctx context.Context, c *chunk) error {
	if c.opened {
		return nil
	}
	b := c.timesPart
	if b == nil {
		var err error
		if b, err = w.part(ctx, c, partTimesOf); err != nil {
			return err
		}
		// The sets of rows stay packed until somebody wants them.
		c.timesRoom = append(c.timesRoom[:0], b...)
		b = c.timesRoom
	}
	return w.damaged(c.openTimes(b))
}

// data gives the packed values of a column, and the rows they are in.
func (w *walker) data(ctx context.Context, c *chunk, col *chunkColumn) ([]byte, *rowSet, error) {
	if err := w.open(ctx, c); err != nil {
		return nil, nil, err
	}
	s, err := c.set(col)
	if err != nil {
		return nil, nil, err
	}
	b := col.data
	if b == nil {
		b, err = w.part(ctx, c, partOf(col.signal, col.kind))
	}
	return b, s, err
}

// decode reads a column's values into t, which is reused. t.rows is not set.
func (w *walker) decode(ctx context.Context, c *chunk, col *chunkColumn, t *tableColumn) (*rowSet, error) {
	b, s, err := w.data(ctx, c, col)
	if err != nil {
		return nil, err
	}
	t.signal, t.kind = col.signal, col.kind
	switch col.kind {
	case sayso.Text:
		t.texts = slices.Grow(t.texts[:0], col.n)[:col.n]
		w.r.whole = slices.Grow(w.r.whole[:0], col.n)[:col.n]
		b, err = column.Texts(t.texts, w.r.whole, b)
	case sayso.Position:
		for i := range t.fixes {
			t.fixes[i] = slices.Grow(t.fixes[i][:0], col.n)[:col.n]
			if b, err = column.Numbers(t.fixes[i], b); err != nil {
				break
			}
		}
	default:
		t.numbers = slices.Grow(t.numbers[:0], col.n)[:col.n]
		b, err = column.Numbers(t.numbers, b)
	}
	if err == nil && len(b) != 0 {
		err = errShort
	}
	return s, err
}

// appendColumn appends the rows of a column within [from, to).
func (w *walker) appendColumn(ctx context.Context, rows []Row, c *chunk, col *chunkColumn, from, to sayso.Instant) ([]Row, error) {
	if col.gone {
		return rows, nil
	}
	t := w.r.room(0)
	s, err := w.decode(ctx, c, col, t)
	if err != nil {
		return rows, err
	}
	seqs, err := c.sequences()
	if err != nil {
		return rows, err
	}
	if err := w.ready(ctx, c); err != nil {
		return rows, err
	}
	times, list := c.timesOf(s), s.list()
	low, high := within(times, from, to)
	for i := low; i < high; i++ {
		rows = append(rows, Row{Signal: col.signal, Time: sayso.Instant(times[i]), Source: c.source, Seq: uint64(seqs[list[i]]), Value: t.value(i)})
	}
	return rows, nil
}

// room gives the i-th column that a call may decode into.
func (r *Reader) room(i int) *tableColumn {
	for len(r.values) <= i {
		r.values = append(r.values, tableColumn{})
	}
	return &r.values[i]
}

// within gives the part of ascending times that lies in [from, to).
func within(times []int64, from, to sayso.Instant) (low, high int) {
	if len(times) == 0 {
		return 0, 0
	}
	if times[0] < int64(from) {
		low, _ = slices.BinarySearch(times, int64(from))
	}
	high = len(times)
	if times[high-1] >= int64(to) {
		high, _ = slices.BinarySearch(times, int64(to))
	}
	return low, max(low, high)
}

// appendChunk appends the wanted rows of a chunk within [from, to), ascending by
// time and signal.
func (w *walker) appendChunk(ctx context.Context, rows []Row, c *chunk, want signalSet, from, to sayso.Instant) ([]Row, error) {
	type open struct {
		t    *tableColumn
		set  *rowSet
		rows []int64
		next int
	}
	var room [32]open
	list := room[:0]
	for i := range c.cols {
		col := &c.cols[i]
		if col.gone || !want.has(col.signal) {
			continue
		}
		s, err := w.decode(ctx, c, col, w.r.room(len(list)))
		if err != nil {
			return rows, err
		}
		list = append(list, open{set: s})
	}
	if len(list) == 0 {
		return rows, nil
	}
	seqs, err := c.sequences()
	if err != nil {
		return rows, err
	}
	if err := w.ready(ctx, c); err != nil {
		return rows, err
	}
	start := len(rows)
	low, high := within(c.times, from, to)
	for i := range list {
		list[i].t = w.r.room(i) // now that they move no more
		list[i].rows = list[i].set.list()
		list[i].next, _ = slices.BinarySearch(list[i].rows, int64(low))
	}
	for row := low; row < high; row++ {
		for i := range list {
			o := &list[i]
			if o.next >= len(o.rows) || o.rows[o.next] != int64(row) {
				continue
			}
			rows = append(rows, Row{
				Signal: o.t.signal, Time: sayso.Instant(c.times[row]), Source: c.source, Seq: uint64(seqs[row]), Value: o.t.value(o.next),
			})
			o.next++
		}
	}
	if !c.strict {
		rows = append(rows[:start], sortRows(rows[start:])...)
	}
	return rows, nil
}

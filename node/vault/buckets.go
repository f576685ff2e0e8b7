package vault

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"sayso"
	"sayso/internal/cores"
)

const opBuckets = "vault.Buckets"

// Buckets aggregates into intervals, see [Engine].
func (v *Vault) Buckets(ctx context.Context, view View, cols []Column, from, to, interval sayso.Instant) (out []Bucket, err error) {
	if list := piecesOf(cols, from, to, interval); len(list) > 1 {
		var g gathering
		if err := v.eachOfPieces(ctx, view, cols, list, interval, g.add); err != nil {
			return nil, err
		}
		return g.out, nil
	}
	err = v.readOf(ctx, opBuckets, view, func(r *Reader) error {
		out, err = r.Buckets(ctx, view, cols, from, to, interval)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// gathering copies buckets.
type gathering struct {
	out    []Bucket
	values []sayso.Value // of many buckets
	has    []bool
}

func (g *gathering) add(b *Bucket) bool {
	n := len(b.Values)
	if len(g.values) < n {
		room := n * min(max(8, len(g.out)), 1024)
		g.values, g.has = make([]sayso.Value, room), make([]bool, room)
	}
	next := Bucket{Start: b.Start, Values: g.values[:n:n], Has: g.has[:n:n]}
	g.values, g.has = g.values[n:], g.has[n:]
	copy(next.Values, b.Values)
	copy(next.Has, b.Has)
	g.out = append(g.out, next)
	return true
}

// EachBucket gives bucket by bucket, see [Engine].
func (v *Vault) EachBucket(ctx context.Context, view View, cols []Column, from, to, interval sayso.Instant, yield func(*Bucket) bool) error {
	if list := piecesOf(cols, from, to, interval); len(list) > 1 {
		return v.eachOfPieces(ctx, view, cols, list, interval, yield)
	}
	return v.readOf(ctx, opBuckets, view, func(r *Reader) error { return r.EachBucket(ctx, view, cols, from, to, interval, yield) })
}

// A long window is asked in pieces, on all cores, if that needs values and not
// just roll-ups, and its answer is short enough to wait for those who are slower.
const (
	longWindow = 16 * bucketLen
	mostPieced = 1 << 17 // cells
)

// piece is a part of a window.
type piece struct{ from, to sayso.Instant }

// piecesOf cuts a window between intervals; one piece is a window that is not long,
// or of which a column is asked that one goroutine at a time may judge.
func piecesOf(cols []Column, from, to, interval sayso.Instant) (list []piece) {
	first := from
	from, to, ok := clip(from, to)
	length := to - from
	if !ok || first != from || interval < 1 || length < longWindow || length/interval > mostPieced/sayso.Instant(max(1, len(cols))) {
		return nil
	}
	workers := sayso.Instant(cores.Count())
	if workers == 1 || interval >= hour || slices.ContainsFunc(cols, func(c Column) bool { return c.Keep != nil }) {
		return nil
	}
	step := max(length/(2*workers)/interval, 1) * interval
	for ; from < to; from += step {
		list = append(list, piece{from, min(from+step, to)})
	}
	return list
}

// counted are intervals with something in them, as cells.
type counted struct {
	starts []sayso.Instant
	cells  []cell
}

var countedPool = sync.Pool{New: func() any { return new(counted) }}

// release gives the room back.
func (c *counted) release() {
	clear(c.cells)
	countedPool.Put(c)
}

// eachOfPieces gives bucket by bucket of a window in pieces.
func (v *Vault) eachOfPieces(ctx context.Context, view View, cols []Column, list []piece, interval sayso.Instant, yield func(*Bucket) bool) error {
	ask := func(ctx context.Context, r *Reader, i int) (*counted, error) {
		c := countedPool.Get().(*counted)
		c.starts, c.cells = c.starts[:0], c.cells[:0]
		err := r.eachInterval(ctx, view, cols, list[i].from, list[i].to, interval, func(start sayso.Instant, cells []cell) bool {
			c.starts, c.cells = append(c.starts, start), append(c.cells, cells...)
			return true
		})
		return c, err
	}
	var room bucketRoom
	room.begin(cols)
	return inOrder(ctx, v, opBuckets, len(list), ask, func(_ int, c *counted) bool {
		defer c.release()
		for i, start := range c.starts {
			if !yield(room.bucket(start, c.cells[i*len(cols):][:len(cols)])) {
				return false
			}
		}
		return true
	})
}

// Buckets is [Vault.Buckets].
func (r *Reader) Buckets(ctx context.Context, view View, cols []Column, from, to, interval sayso.Instant) (out []Bucket, err error) {
	var g gathering
	err = r.EachBucket(ctx, view, cols, from, to, interval, g.add)
	return g.out, err
}

// EachBucket is [Vault.EachBucket].
func (r *Reader) EachBucket(ctx context.Context, view View, cols []Column, from, to, interval sayso.Instant, yield func(*Bucket) bool) error {
	r.bucket.begin(cols)
	return r.eachInterval(ctx, view, cols, from, to, interval, func(start sayso.Instant, cells []cell) bool {
		return yield(r.bucket.bucket(start, cells))
	})
}

// eachInterval gives the cells of the intervals that have something.
func (r *Reader) eachInterval(ctx context.Context, view View, cols []Column, from, to, interval sayso.Instant, yield func(sayso.Instant, []cell) bool) error {
	if err := checkWindow(opBuckets, from, to, interval); err != nil {
		return err
	}
	from, to, ok := clip(from, to)
	if !ok || len(cols) == 0 {
		return nil
	}
	return r.call(ctx, opBuckets, func() error {
		b := &r.buckets
		b.begin(ctx, cols, from, interval, yield)
		err := r.spans(ctx, view, b.wanted, from, to, true, b.span)
		if err == nil && !b.stopped {
			b.emit(len(b.cells) / len(b.cols))
		}
		b.yield, b.ctx, b.cols = nil, nil, nil
		return err
	})
}

// checkWindow refuses what cannot be answered.
func checkWindow(op string, from, to, interval sayso.Instant) error {
	bad := func(why string) error { return sayso.Fail(sayso.Invalid, op, why) }
	switch {
	case from > to:
		return bad("from timestamp is after to timestamp")
	case interval < 1:
		return bad("interval must be at least 1 microsecond")
	case uint64(to)-uint64(from) > MaxBuckets*uint64(interval) && uint64(interval) < 1<<46:
		return bad("interval too small for the requested window (exceeds the aggregation bucket limit)")
	}
	return nil
}

// bucketing is an aggregation under way, signal by signal within a span. The
// cells are of the intervals that the span touches; the last one may go on in
// the next span.
type bucketing struct {
	ctx      context.Context
	from     sayso.Instant
	interval sayso.Instant
	wanted   signalSet
	cols     []Column
	groups   []asked
	cells    []cell
	base     int64 // number of the first interval in cells
	runs     []run
	spans    []spanOf // of rows, or of values
	cutOf    cutting  // what they are of
	parts    []spanOf // of values
	have     decoded
	plain    []int
	kept     []float64
	yield    func(sayso.Instant, []cell) bool
	stopped  bool
}

// asked is what is asked of one signal: the numbers of its columns that a
// roll-up serves, and of the others.
type asked struct {
	signal        sayso.SignalID
	coarse, exact []int
}

// spanOf is a stretch of values that fall into one interval.
type spanOf struct {
	low, high int
	interval  int64
}

func (b *bucketing) begin(ctx context.Context, cols []Column, from, interval sayso.Instant, yield func(sayso.Instant, []cell) bool) {
	b.ctx, b.cols, b.from, b.interval, b.yield, b.stopped = ctx, cols, from, interval, yield, false
	b.groups, b.cells, b.base = b.groups[:0], b.cells[:0], 0
	signals := make([]sayso.SignalID, len(cols))
	for i := range cols {
		signals[i] = cols[i].Signal
		n := slices.IndexFunc(b.groups, func(g asked) bool { return g.signal == cols[i].Signal })
		if n < 0 {
			n = len(b.groups)
			b.groups = append(b.groups, asked{signal: cols[i].Signal})
		}
		if g := &b.groups[n]; cols[i].Keep == nil && rollable(cols[i].Agg) {
			g.coarse = append(g.coarse, i)
		} else {
			g.exact = append(g.exact, i)
		}
	}
	b.wanted = signalSetOf(signals)
}

// number gives the number of the interval of a time.
func (b *bucketing) number(t sayso.Instant) int64 { return int64((t - b.from) / b.interval) }

// span takes in what the walkers have of [from, to).
func (b *bucketing) span(ws []*walker, from, to sayso.Instant) (bool, error) {
	b.have, b.cutOf = decoded{}, cutting{}
	for per := max(1, mostCells/int64(len(b.cols))); b.interval < bucketLen; {
		end := b.from + sayso.Instant(b.number(from)+per)*b.interval
		if end >= to {
			break
		}
		if more, err := b.piece(ws, from, end); err != nil || !more {
			return false, err
		}
		from = end
	}
	return b.piece(ws, from, to)
}

// mostCells is how many cells there are at a time, if one interval needs no more.
const mostCells = 1 << 15

func (b *bucketing) piece(ws []*walker, from, to sayso.Instant) (bool, error) {
	b.open(b.number(from), b.number(to-1))
	if b.stopped {
		return false, nil
	}
	if err := b.ctx.Err(); err != nil {
		return false, err
	}
	for i := range b.groups {
		if err := b.signal(ws, &b.groups[i], from, to); err != nil {
			return false, err
		}
	}
	return true, nil
}

// open has cells for the intervals from low to high, and gives away those before.
func (b *bucketing) open(low, high int64) {
	cols := len(b.cols)
	have := len(b.cells) / cols
	done := min(have, int(low-b.base))
	b.emit(done)
	left := b.cells[done*cols:]
	n := copy(b.cells, left)
	need := int(high-low+1) * cols
	b.cells = slices.Grow(b.cells[:n], need-n)[:need]
	clear(b.cells[n:])
	b.base = low
}

// emit gives away the first n intervals.
func (b *bucketing) emit(n int) {
	cols := len(b.cols)
	for i := range n {
		cells := b.cells[i*cols:][:cols]
		some := false
		for j := range cells {
			some = some || cells[j].n > 0
		}
		if !some || b.stopped {
			continue
		}
		b.stopped = !b.yield(b.from+sayso.Instant(b.base+int64(i))*b.interval, cells)
	}
}

// bucketRoom is room for one bucket, whose values are used again for the next.
type bucketRoom struct {
	cols []Column
	out  Bucket
}

func (r *bucketRoom) begin(cols []Column) {
	r.cols = cols
	r.out = Bucket{
		Values: slices.Grow(r.out.Values[:0], len(cols))[:len(cols)],
		Has:    slices.Grow(r.out.Has[:0], len(cols))[:len(cols)],
	}
}

// bucket makes a bucket of the cells of an interval.
func (r *bucketRoom) bucket(start sayso.Instant, cells []cell) *Bucket {
	b := &r.out
	b.Start = start
	for j := range cells {
		v, c := &b.Values[j], &cells[j]
		if c.more == nil && c.n > 0 && v.Kind == sayso.Number { // and all but the number is as it must be
			v.Number, b.Has[j] = c.plain(r.cols[j].Agg), true
			continue
		}
		*v, b.Has[j] = c.result(r.cols[j].Agg)
	}
	return b
}

// cell gives the cell of a column and interval.
func (b *bucketing) cell(interval int64, col int) *cell {
	return &b.cells[int(interval-b.base)*len(b.cols)+col]
}

// signal takes in the readings of one signal.
func (b *bucketing) signal(ws []*walker, g *asked, from, to sayso.Instant) error {
	runs := runsOf(b.runs[:0], ws, g.signal, from, to)
	if b.runs = runs; len(runs) == 0 {
		return nil
	}
	if len(runs) > 1 || runs[0].c != nil && runs[0].c.flags&chunkRepeats != 0 {
		if !apart(runs) {
			return b.overlapping(runs, g, from, to)
		}
	}
	for i := range runs {
		if runs[i].c == nil {
			b.rows(between(runs[i].rows, from, to), g)
		} else if err := b.column(&runs[i], g, from, to); err != nil {
			return err
		}
	}
	return nil
}

// overlapping takes in runs of which some have the same times.
func (b *bucketing) overlapping(runs []run, g *asked, from, to sayso.Instant) error {
	rows, err := rowsOfRuns(b.ctx, runs[0].w.r, runs, from, to)
	if err != nil {
		return err
	}
	b.rows(between(rows, from, to), g)
	return b.rolledOnly(runs, g, from, to)
}

// rolledOnly takes in, of runs that overlap, those whose values are gone: in an
// hour all of the source that was first there.
func (b *bucketing) rolledOnly(runs []run, g *asked, from, to sayso.Instant) error {
	type source struct {
		low   uint64
		who   sayso.Address
		hours [bucketHours]stat
		start sayso.Instant
	}
	var list []source
	for i := range runs {
		if c := runs[i].c; c != nil && runs[i].col.gone && runs[i].col.rolled != nil {
			s := source{low: c.low, who: c.source, start: startOfBucket(c.bucket)}
			if err := rollups(runs[i].col.rolled, &s.hours); err != nil {
				return err
			}
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b source) int { return cmp.Compare(a.low, b.low) })
	for h := range bucketHours {
		first := -1
		for i := range list {
			s := &list[i]
			at := s.start + sayso.Instant(h)*hour
			if s.hours[h].n == 0 || first >= 0 && list[first].who != s.who || !b.oneInterval(at, at+hour, from, to) {
				continue
			}
			if first < 0 {
				first = i
			}
			b.coarse(b.number(at), g.coarse, &s.hours[h])
		}
	}
	return nil
}

// between gives the rows, ascending by time, of [from, to).
func between(rows []Row, from, to sayso.Instant) []Row {
	order := func(r Row, t sayso.Instant) int { return cmp.Compare(r.Time, t) }
	low, _ := slices.BinarySearchFunc(rows, from, order)
	high, _ := slices.BinarySearchFunc(rows, to, order)
	return rows[low:high]
}

// rows takes in rows of one signal, ascending by time.
func (b *bucketing) rows(rows []Row, g *asked) {
	for i := range rows {
		interval := b.number(rows[i].Time)
		for _, list := range [...][]int{g.coarse, g.exact} {
			for _, col := range list {
				b.value(interval, col, &rows[i].Value)
			}
		}
	}
}

// value takes in one value for one column.
func (b *bucketing) value(interval int64, col int, v *sayso.Value) {
	c := &b.cols[col]
	if absent(v) || !takes(c.Agg, v.Kind) || c.Keep != nil && !c.Keep(*v) {
		return
	}
	b.cell(interval, col).add(c.Agg, v)
}

// column takes in a column of a chunk: whole hours by their roll-ups, where those
// serve, and the rest value by value.
func (b *bucketing) column(run *run, g *asked, from, to sayso.Instant) error {
	c, col := run.c, run.col
	gone := col.gone
	if len(g.exact) > 0 && !gone {
		if err := b.values(run, g.exact, from, to); err != nil {
			return err
		}
	}
	if len(g.coarse) == 0 {
		return nil
	}
	if col.kind != sayso.Number || col.rolled == nil {
		if gone {
			return nil
		}
		return b.values(run, g.coarse, from, to)
	}
	if b.interval < hour {
		if gone {
			return nil
		}
		return b.values(run, g.coarse, from, to)
	}
	var hours [bucketHours]stat
	if err := rollups(col.rolled, &hours); err != nil {
		return err
	}
	start := startOfBucket(c.bucket)
	for h := 0; h < bucketHours; {
		at := start + sayso.Instant(h)*hour
		if b.oneInterval(at, at+hour, from, to) {
			b.coarse(b.number(at), g.coarse, &hours[h])
			h++
			continue
		}
		some := hours[h].n > 0
		for h++; h < bucketHours && !b.oneInterval(start+sayso.Instant(h)*hour, start+sayso.Instant(h+1)*hour, from, to); h++ {
			some = some || hours[h].n > 0
		}
		low, high := max(at, from), min(start+sayso.Instant(h)*hour, to)
		if !some || gone || low >= high {
			continue
		}
		if err := b.values(run, g.coarse, low, high); err != nil {
			return err
		}
	}
	return nil
}

// oneInterval says whether an hour lies within the window and one interval.
func (b *bucketing) oneInterval(start, end, from, to sayso.Instant) bool {
	return start >= from && end <= to && b.number(start) == b.number(end-1)
}

// coarse takes in what sums up numbers of one interval.
func (b *bucketing) coarse(interval int64, cols []int, s *stat) {
	if s.n == 0 {
		return
	}
	for _, col := range cols {
		b.cell(interval, col).merge(b.cols[col].Agg, s)
	}
}

package vault

import (
	"context"
	"math"
	"slices"

	"sayso"
	"sayso/node/vault/column"
)

const opFrames = "vault.Frames"

// Frames gives numbers as columns, see [Engine].
func (v *Vault) Frames(ctx context.Context, view View, signals []sayso.SignalID, from, to sayso.Instant, yield func(*Frame) bool) error {
	return v.readOf(ctx, opFrames, view, func(r *Reader) error { return r.Frames(ctx, view, signals, from, to, yield) })
}

// Frames is [Vault.Frames].
func (r *Reader) Frames(ctx context.Context, view View, signals []sayso.SignalID, from, to sayso.Instant, yield func(*Frame) bool) error {
	from, to, ok := clip(from, to)
	if !ok || len(signals) == 0 {
		return nil
	}
	f := &r.frames
	f.begin(signals)
	return r.call(ctx, opFrames, func() error {
		return r.spans(ctx, view, signalSetOf(signals), from, to, false, func(ws []*walker, from, to sayso.Instant) (bool, error) {
			return f.span(ctx, r, ws, from, to, yield)
		})
	})
}

// framing is room for one frame.
type framing struct {
	signals []sayso.SignalID
	want    signalSet
	times   []sayso.Instant
	columns [][]float64
	out     Frame
}

func (f *framing) begin(signals []sayso.SignalID) {
	f.signals, f.want = signals, signalSetOf(signals)
	for len(f.columns) < len(signals) {
		f.columns = append(f.columns, nil)
	}
	f.out.Values = slices.Grow(f.out.Values[:0], len(signals))[:len(signals)]
}

// span gives the frames of a span: chunk by chunk, or, where chunks overlap, one
// put together from rows.
func (f *framing) span(ctx context.Context, r *Reader, ws []*walker, from, to sayso.Instant, yield func(*Frame) bool) (bool, error) {
	runs := r.runs[:0]
	for _, w := range ws {
		for _, c := range w.chunks {
			runs = append(runs, run{first: c.first, last: c.last, w: w, c: c})
		}
		if n := len(w.rows); n > 0 {
			runs = append(runs, run{first: w.rows[0].Time, last: w.rows[n-1].Time, rows: w.rows})
		}
	}
	if r.runs = runs; !apart(runs) {
		rows, err := r.rowsOf(ctx, ws, f.want, from, to)
		if err != nil {
			return false, err
		}
		return f.give(f.ofRows(rows), yield), nil
	}
	for i := range runs {
		n, err := 0, error(nil)
		if c := runs[i].c; c == nil {
			n = f.ofRows(runs[i].rows)
		} else if n, err = f.ofChunk(ctx, runs[i].w, c, from, to); err != nil {
			return false, err
		}
		if !f.give(n, yield) {
			return false, nil
		}
	}
	return true, nil
}

// give hands the first n rows of the room over.
func (f *framing) give(n int, yield func(*Frame) bool) bool {
	if n == 0 {
		return true
	}
	f.out.Times = f.times[:n]
	for i := range f.signals {
		f.out.Values[i] = f.columns[i][:n]
	}
	return yield(&f.out)
}

// grow has room for n rows.
func (f *framing) grow(n int) {
	f.times = slices.Grow(f.times[:0], n)[:n]
	for i := range f.signals {
		f.columns[i] = slices.Grow(f.columns[i][:0], n)[:n]
	}
}

// ofRows fills the room from rows ascending by time.
func (f *framing) ofRows(rows []Row) (n int) {
	f.grow(len(rows))
	for i := range rows {
		r := &rows[i]
		if r.Value.Kind != sayso.Number {
			continue
		}
		if n == 0 || f.times[n-1] != r.Time {
			f.times[n] = r.Time
			for j := range f.signals {
				f.columns[j][n] = math.NaN()
			}
			n++
		}
		for j, s := range f.signals {
			if s == r.Signal {
				f.columns[j][n-1] = r.Value.Number
			}
		}
	}
	return n
}

// ofChunk fills the room from a chunk.
func (f *framing) ofChunk(ctx context.Context, w *walker, c *chunk, from, to sayso.Instant) (int, error) {
	if !slices.ContainsFunc(c.cols, func(col chunkColumn) bool { return !col.gone && f.want.has(col.signal) }) {
		return 0, nil
	}
	if err := w.ready(ctx, c); err != nil {
		return 0, err
	}
	if !c.strict {
		rows, err := w.appendChunk(ctx, w.r.rows[:0], c, f.want, from, to)
		w.r.rows = rows
		return f.ofRows(rows), err
	}
	f.grow(c.n)
	full := false
	for j, s := range f.signals {
		all, err := f.column(ctx, w, c, s, f.columns[j])
		if err != nil {
			return 0, err
		}
		full = full || all
	}
	low, high := within(c.times, from, to)
	n := 0
	for row := low; row < high; row++ {
		if !full && f.empty(row) {
			continue
		}
		f.times[n] = sayso.Instant(c.times[row])
		if n != row {
			for j := range f.signals {
				f.columns[j][n] = f.columns[j][row]
			}
		}
		n++
	}
	return n, nil
}

// empty says whether a row of the room has no number.
func (f *framing) empty(row int) bool {
	for j := range f.signals {
		if x := f.columns[j][row]; x == x {
			return false
		}
	}
	return true
}

// column fills one column of the room by the rows of a chunk; all says that it
// has no gap.
func (f *framing) column(ctx context.Context, w *walker, c *chunk, s sayso.SignalID, out []float64) (all bool, err error) {
	n := slices.IndexFunc(c.cols, func(col chunkColumn) bool { return col.signal == s && col.kind == sayso.Number && !col.gone })
	if n < 0 {
		for i := range out {
			out[i] = math.NaN()
		}
		return false, nil
	}
	col := &c.cols[n]
	packed, set, err := w.data(ctx, c, col)
	if err != nil {
		return false, err
	}
	into := out
	if !set.All {
		w.r.numbers = slices.Grow(w.r.numbers[:0], col.n)[:col.n]
		into = w.r.numbers
	}
	rest, err := column.Numbers(into, packed)
	if err != nil || len(rest) != 0 {
		return false, errShort
	}
	if !set.All {
		set.Spread(out, into, math.NaN())
	}
	return set.All, nil
}

package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// Latest gives one row per signal, see [Engine].
func (v *Vault) Latest(ctx context.Context, view View, signals []sayso.SignalID) ([]Row, error) {
	const op = "vault.Latest"
	if err := v.enterView(ctx, op, view.Vehicle); err != nil {
		return nil, err
	}
	defer v.leaveCall()
	want := signalSetOf(signals)
	var out []Row
	for _, epoch := range view.Epochs {
		l, err := v.latestOf(owner{view.Vehicle, epoch})
		rows := l.rows
		if err != nil {
			if errors.Is(err, errErased) {
				continue
			}
			return nil, unreadable(op, err)
		}
		if out == nil {
			out = make([]Row, 0, len(rows))
		}
		for i := range rows {
			r := &rows[i]
			if want.has(r.Signal) && (view.Source == nil || *view.Source == r.Source) {
				out = append(out, *r)
			}
		}
	}
	if len(view.Epochs) > 1 {
		slices.SortStableFunc(out, func(a, b Row) int { return cmp.Compare(a.Signal, b.Signal) })
	}
	kept := out[:0]
	for i := range out {
		last := len(kept) - 1
		switch {
		case last < 0 || kept[last].Signal != out[i].Signal:
			kept = append(kept, out[i])
		case out[i].Time > kept[last].Time || out[i].Time == kept[last].Time && out[i].Seq < kept[last].Seq:
			kept[last] = out[i]
		}
	}
	return kept, nil
}

func unreadable(op string, err error) error {
	var e *sayso.Error
	if errors.As(err, &e) {
		return err
	}
	return &sayso.Error{Op: op, Fault: sayso.Internal, Err: err}
}

// Scan gives rows ascending by time and signal, see [Engine].
func (v *Vault) Scan(ctx context.Context, view View, signals []sayso.SignalID, from, to sayso.Instant, yield func(Row) bool) error {
	return v.readOf(ctx, opScan, view, func(r *Reader) error { return r.Scan(ctx, view, signals, from, to, yield) })
}

const opScan = "vault.Scan"

// Scan is [Vault.Scan].
func (r *Reader) Scan(ctx context.Context, view View, signals []sayso.SignalID, from, to sayso.Instant, yield func(Row) bool) error {
	return r.call(ctx, opScan, func() error {
		return r.scan(ctx, view, signalSetOf(signals), from, to, func(rows []Row) bool {
			for i := range rows {
				if !yield(rows[i]) {
					return false
				}
			}
			return true
		})
	})
}

// scan gives the rows of one span at a time, or of one hour where a span has many,
// in order and without repetitions. The slice is reused.
func (r *Reader) scan(ctx context.Context, view View, want signalSet, from, to sayso.Instant, yield func([]Row) bool) error {
	from, to, ok := clip(from, to)
	if !ok {
		return nil
	}
	return r.spans(ctx, view, want, from, to, false, func(ws []*walker, from, to sayso.Instant) (bool, error) {
		for step := pieceOf(ws, to-from); from < to; from += step {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			rows, err := r.rowsOf(ctx, ws, want, from, min(from+step, to))
			if err != nil || len(rows) > 0 && !yield(rows) {
				return false, err
			}
		}
		return true, nil
	})
}

// manyRows is how many rows are built at once, unless an hour has more.
const manyRows = 1 << 14

// pieceOf is how much of a span is built at once.
func pieceOf(ws []*walker, span sayso.Instant) sayso.Instant {
	n := 0
	for _, w := range ws {
		n += len(w.rows)
		for _, c := range w.chunks {
			n += c.n * len(c.cols)
		}
	}
	if n <= manyRows {
		return span
	}
	return min(span, hour)
}

// rowsOf gives the rows of a span that lie in [from, to).
func (r *Reader) rowsOf(ctx context.Context, ws []*walker, want signalSet, from, to sayso.Instant) ([]Row, error) {
	runs := r.runs[:0]
	for _, w := range ws {
		for _, c := range w.chunks {
			if c.first < to && c.last >= from {
				runs = append(runs, run{first: c.first, last: c.last, w: w, c: c})
			}
		}
		if rows := between(w.rows, from, to); len(rows) > 0 {
			runs = append(runs, run{first: rows[0].Time, last: rows[len(rows)-1].Time, rows: rows})
		}
	}
	r.runs = runs
	if len(runs) == 1 && runs[0].c == nil {
		return runs[0].rows, nil
	}
	// Of one sequence the lowest epoch stays: where runs overlap, rows come in
	// the order of the walkers.
	unordered := slices.Clone(runs)
	fine := apart(runs)
	if !fine {
		runs = unordered
	}
	rows, err := r.rows[:0], error(nil)
	for i := range runs {
		if c := runs[i].c; c == nil {
			rows = append(rows, runs[i].rows...)
		} else if rows, err = runs[i].w.appendChunk(ctx, rows, c, want, from, to); err != nil {
			return nil, err
		}
	}
	if r.rows = rows; !fine {
		rows = sortRows(rows)
	}
	return rows, nil
}

// sortRows orders by time and signal and keeps the lowest sequence of each, of
// one sequence the lowest epoch, in whose order the rows come.
func sortRows(rows []Row) []Row {
	order := func(a, b *Row) int {
		if c := cmp.Compare(a.Time, b.Time); c != 0 {
			return c
		}
		return cmp.Compare(a.Signal, b.Signal)
	}
	sorted := true
	for i := 1; i < len(rows); i++ {
		if order(&rows[i-1], &rows[i]) >= 0 {
			sorted = false
			break
		}
	}
	if sorted {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		if c := order(&a, &b); c != 0 {
			return c
		}
		return cmp.Compare(a.Seq, b.Seq)
	})
	return slices.CompactFunc(rows, func(a, b Row) bool { return order(&a, &b) == 0 })
}

// latestOf gives the published latest values of an owner.
func (v *Vault) latestOf(own owner) (l lately, err error) {
	l, generation, ok := v.latest.get(own)
	if ok {
		return l, nil
	}
	plain, err := v.latestPlain(nil, own)
	if err != nil || len(plain) == 0 {
		return l, err
	}
	if l, err = decodeLatest(plain, nil); err != nil {
		return lately{}, err
	}
	v.latest.offer(own, l, generation)
	return l, nil
}

// latestPlain appends the published latest values of an owner to dst as they are
// written; nothing where there are none.
func (v *Vault) latestPlain(dst []byte, own owner) ([]byte, error) {
	plain, generation, ok := v.shelf.get(dst, own)
	if ok {
		return plain, nil
	}
	key := appendPrefix(make([]byte, 0, prefixLen), kindLatest, own.vehicle, own.epoch)
	sealed, closer, err := v.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return dst, nil
	}
	if err != nil {
		return dst, fmt.Errorf("vault: latest values: %w", err)
	}
	plain, err = v.keys.open(dst, sealed, key, own)
	if err = errors.Join(err, closer.Close()); err != nil {
		return dst, err
	}
	v.shelf.offer(own, plain[len(dst):], generation)
	return plain, nil
}

// forgetLatest has the latest values of an owner be read from the rows again.
func (v *Vault) forgetLatest(own owner) {
	v.shelf.drop(own)
	v.latest.drop(own)
}

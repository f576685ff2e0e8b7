package vault

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// Latest gives one row per signal, see [Engine].
func (v *Vault) Latest(ctx context.Context, view View, signals []sayso.SignalID) ([]Row, error) {
	const op = "vault.Latest"
	if err := v.enterCall(ctx, op); err != nil {
		return nil, err
	}
	defer v.leaveCall()
	want := signalSetOf(signals)
	var out []Row
	for _, epoch := range view.Epochs {
		rows, err := v.latestOf(owner{view.Vehicle, epoch})
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
	return v.hours(ctx, "vault.Scan", view, signalSetOf(signals), from, to, func(rows []Row) bool {
		for i := range rows {
			if !yield(rows[i]) {
				return false
			}
		}
		return true
	})
}

// hours reads hour by hour: it gives the rows of one hour at a time, in order
// and without repetitions. The slice is reused.
func (v *Vault) hours(ctx context.Context, op string, view View, want signalSet, from, to sayso.Instant, yield func([]Row) bool) error {
	if err := v.enterCall(ctx, op); err != nil {
		return err
	}
	defer v.leaveCall()
	from, to = max(from, minInstant), min(to, maxInstant)
	if from >= to {
		return nil
	}
	snap := v.db.NewSnapshot()
	cursors, err := v.cursors(ctx, snap, view, from, to)
	if err == nil {
		err = eachHour(ctx, cursors, want, from, to, yield)
	}
	for _, c := range cursors {
		err = errors.Join(err, c.it.Close())
	}
	if err = errors.Join(err, snap.Close()); err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return cancelled(op, cause)
	}
	return unreadable(op, err)
}

// cursor walks the readings of one epoch.
type cursor struct {
	v      *Vault
	it     *pebble.Iterator
	own    owner
	source *sayso.Address
	tag    uint32 // of source
	plain  []byte
}

// cursors opens one for each epoch, standing at the first row.
func (v *Vault) cursors(ctx context.Context, snap *pebble.Snapshot, view View, from, to sayso.Instant) (list []*cursor, err error) {
	epochs := slices.Compact(slices.Sorted(slices.Values(view.Epochs)))
	for _, epoch := range epochs {
		c := &cursor{v: v, own: owner{view.Vehicle, epoch}, source: view.Source}
		if view.Source != nil {
			k, err := v.keys.current(c.own)
			if err != nil && !errors.Is(err, errErased) {
				return list, err
			}
			if k == nil {
				continue
			}
			if c.tag, err = k.tag(*view.Source); err != nil {
				return list, err
			}
		}
		lower := appendPrefix(nil, kindReadings, view.Vehicle, epoch)
		upper := binary.BigEndian.AppendUint32(slices.Clone(lower), hourOf(to-1)+1)
		lower = binary.BigEndian.AppendUint32(lower, hourOf(from))
		if c.it, err = snap.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper}); err != nil {
			return list, err
		}
		list = append(list, c)
		c.it.First()
	}
	return list, nil
}

// hour is the hour of the row the cursor stands at.
func (c *cursor) hour() (h uint32, ok bool) {
	if !c.it.Valid() {
		return 0, false
	}
	return binary.BigEndian.Uint32(c.it.Key()[prefixLen:]), true
}

// take appends the wanted rows of an hour and moves behind it.
func (c *cursor) take(ctx context.Context, rows []Row, h uint32, want signalSet, from, to sayso.Instant) ([]Row, error) {
	for n := 0; ; n++ {
		if at, ok := c.hour(); !ok || at != h {
			return rows, c.it.Error()
		}
		if n&255 == 255 && ctx.Err() != nil {
			return rows, ctx.Err()
		}
		p, ok := parsePlace(c.it.Key())
		if !ok {
			return rows, fmt.Errorf("vault: a row of vehicle %d has a malformed key", c.own.vehicle)
		}
		if c.source == nil || p.tag == c.tag {
			var err error
			if rows, err = c.decode(rows, &p, want, from, to); err != nil {
				return rows, err
			}
		}
		c.it.Next()
	}
}

func (c *cursor) decode(rows []Row, p *place, want signalSet, from, to sayso.Instant) ([]Row, error) {
	sealed, err := c.it.ValueAndErr()
	if err != nil {
		return rows, err
	}
	c.plain, err = c.v.keys.open(c.plain[:0], sealed, c.it.Key(), c.own)
	if errors.Is(err, errErased) {
		c.plain = nil
		return rows, nil
	}
	if err != nil {
		return rows, err
	}
	if c.source != nil {
		if source, ok := blockSource(c.plain); !ok || source != *c.source {
			return rows, nil
		}
	}
	return decodeBlock(rows, c.plain, p.hour, p.seq, want, from, to)
}

// eachHour merges the cursors.
func eachHour(ctx context.Context, cursors []*cursor, want signalSet, from, to sayso.Instant, yield func([]Row) bool) error {
	var rows []Row
	for {
		next, any := uint32(0), false
		for _, c := range cursors {
			if h, ok := c.hour(); ok && (!any || h < next) {
				next, any = h, true
			}
		}
		if !any {
			for _, c := range cursors {
				if err := c.it.Error(); err != nil {
					return err
				}
			}
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rows = rows[:0]
		for _, c := range cursors {
			if h, ok := c.hour(); !ok || h != next {
				continue
			}
			var err error
			if rows, err = c.take(ctx, rows, next, want, from, to); err != nil {
				return err
			}
		}
		if rows = sortRows(rows); len(rows) > 0 && !yield(rows) {
			return nil
		}
	}
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

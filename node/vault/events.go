package vault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// walk goes through the rows of one kind of an owner whose time is within
// [from, to). The opened bytes are given with the place; they are reused.
func (v *Vault) walk(ctx context.Context, snap *pebble.Snapshot, kind byte, own owner, from, to sayso.Instant,
	yield func(p *place, plain []byte) (bool, error)) error {
	prefix := appendPrefix(nil, kind, own.vehicle, own.epoch)
	it, err := snap.NewIterWithContext(ctx, &pebble.IterOptions{
		LowerBound: putTime(slices.Clone(prefix), from), UpperBound: putTime(slices.Clone(prefix), to),
	})
	if err != nil {
		return err
	}
	var plain []byte
	more := true
	for n, ok := 0, it.First(); ok && more && err == nil; ok = it.Next() {
		if n++; n&255 == 0 && ctx.Err() != nil {
			err = ctx.Err()
			break
		}
		p, fine := parsePlace(it.Key())
		sealed, verr := it.ValueAndErr()
		if !fine || verr != nil {
			err = errors.Join(errShort, verr)
			break
		}
		plain, err = v.keys.open(plain[:0], sealed, it.Key(), own)
		if errors.Is(err, errErased) {
			plain, err = nil, nil
			continue
		}
		if err == nil {
			more, err = yield(&p, plain)
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// reading runs f on a snapshot and gives its error the form that a caller sees.
func (v *Vault) reading(ctx context.Context, op string, f func(*pebble.Snapshot) error) error {
	if err := v.enterCall(ctx, op); err != nil {
		return err
	}
	defer v.leaveCall()
	snap := v.db.NewSnapshot()
	err := errors.Join(f(snap), snap.Close())
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return cancelled(op, cause)
	}
	return unreadable(op, err)
}

// clip bounds a window to the times that can be kept.
func clip(from, to sayso.Instant) (sayso.Instant, sayso.Instant, bool) {
	from, to = max(from, minInstant), min(to, maxInstant)
	return from, to, from < to
}

// Events gives the newest first, see [Engine]. Events are few: a car sends
// some a day, so the window is gathered and sorted.
func (v *Vault) Events(ctx context.Context, view View, from, to sayso.Instant, yield func(EventRow) bool) error {
	from, to, ok := clip(from, to)
	if !ok {
		return nil
	}
	return v.reading(ctx, "vault.Events", func(snap *pebble.Snapshot) error {
		rows, err := v.events(ctx, snap, view, from, to)
		if err != nil {
			return err
		}
		for i := range rows {
			if !yield(rows[i]) {
				break
			}
		}
		return nil
	})
}

func (v *Vault) events(ctx context.Context, snap *pebble.Snapshot, view View, from, to sayso.Instant) (rows []EventRow, err error) {
	for _, epoch := range distinct(view.Epochs) {
		err := v.walk(ctx, snap, kindEvent, owner{view.Vehicle, epoch}, from, to, func(p *place, plain []byte) (bool, error) {
			e, err := getEvent(plain, p)
			if err == nil && (view.Source == nil || *view.Source == e.Source) {
				rows = append(rows, e)
			}
			return true, err
		})
		if err != nil {
			return nil, err
		}
	}
	same := func(a, b *EventRow) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Name, b.Name), bytes.Compare(a.Source[:], b.Source[:]))
	}
	// Within a deposit the first one stays: rows of one key are in that order.
	slices.SortStableFunc(rows, func(a, b EventRow) int { return cmp.Or(same(&a, &b), cmp.Compare(a.Seq, b.Seq)) })
	return slices.CompactFunc(rows, func(a, b EventRow) bool { return same(&a, &b) == 0 }), nil
}

func distinct(epochs []uint32) []uint32 { return slices.Compact(slices.Sorted(slices.Values(epochs))) }

// stored reads a cloud event; not ok means that it is of another source.
func (v *Vault) stored(p *place, plain []byte, source *sayso.Address) (s Stored, ok bool, err error) {
	s, err = getEnvelope(plain)
	s.Seq, s.Epoch = p.seq, p.epoch
	return s, err == nil && (source == nil || *source == s.Envelope.Source), err
}

// places lists the cloud events of a view without opening them.
func (v *Vault) places(ctx context.Context, snap *pebble.Snapshot, view View, from, to sayso.Instant) (list []place, err error) {
	for _, own := range ranges(view, AnyClass) {
		it, err := own.iterator(ctx, snap, from, to)
		if err != nil {
			return nil, err
		}
		for ok := it.First(); ok; ok = it.Next() {
			if p, ok := parsePlace(it.Key()); ok {
				list = append(list, p)
			} else {
				err = errShort
			}
		}
		if err = errors.Join(err, it.Error(), it.Close()); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// fetch reads cloud events one by one.
func (v *Vault) fetch(ctx context.Context, snap *pebble.Snapshot, list []place, source *sayso.Address, yield func(Stored) bool) error {
	for i := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		plain, err := v.get(snap, &list[i])
		if errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return err
		}
		s, ok, err := v.stored(&list[i], plain, source)
		if err != nil {
			return err
		}
		if ok && !yield(s) {
			return nil
		}
	}
	return nil
}

// get opens what is at a place; errErased where nothing is.
func (v *Vault) get(snap *pebble.Snapshot, p *place) ([]byte, error) {
	key := p.append(nil)
	sealed, closer, err := snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, errErased
	}
	if err != nil {
		return nil, err
	}
	plain, err := v.keys.open(nil, sealed, key, owner{p.vehicle, p.epoch})
	return plain, errors.Join(err, closer.Close())
}

// Export gives cloud events in commit order, see [Engine].
func (v *Vault) Export(ctx context.Context, view View, yield func(Stored) bool) error {
	return v.reading(ctx, "vault.Export", func(snap *pebble.Snapshot) error {
		list, err := v.places(ctx, snap, view, minInstant, maxInstant)
		if err != nil {
			return err
		}
		slices.SortFunc(list, func(a, b place) int { return cmp.Compare(a.seq, b.seq) })
		return v.fetch(ctx, snap, list, view.Source, yield)
	})
}

// Follow gives what was committed after a sequence, see [Engine].
func (v *Vault) Follow(ctx context.Context, since uint64, yield func(Entry) bool) error {
	const op = "vault.Follow"
	return v.read(ctx, op, func(r *Reader) error {
		return r.call(ctx, op, func() error { return v.follow(ctx, r, since, yield) })
	})
}

func (v *Vault) follow(ctx context.Context, r *Reader, since uint64, yield func(Entry) bool) error {
	it, err := r.snap.NewIterWithContext(ctx, &pebble.IterOptions{
		LowerBound: seqKey(nil, since+1), UpperBound: []byte{kindSeq + 1},
	})
	if err != nil || since+1 == 0 {
		return err
	}
	u := unpacking{r: r}
	for ok := it.First(); ok; ok = it.Next() {
		e, present, ferr := v.entry(ctx, &u, it.Key(), it.Value())
		if ferr != nil {
			err = ferr
			break
		}
		if present && !yield(e) {
			break
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// entry puts a commit together from its locator.
func (v *Vault) entry(ctx context.Context, u *unpacking, key, locator []byte) (e Entry, present bool, err error) {
	var c commit
	if err := c.parse(key, locator); err != nil {
		return e, false, err
	}
	e.Vehicle = c.vehicle
	for _, p := range c.parts {
		if p.kind == kindErasure {
			continue
		}
		plain, err := v.get(u.r.snap.Snapshot, &p)
		if errors.Is(err, errErased) {
			if p.kind != kindReadings {
				continue
			}
			rows, err := u.readings(ctx, &p)
			if err != nil {
				return e, false, err
			}
			e.Readings = append(e.Readings, rows...)
			present = present || len(rows) > 0
			continue
		}
		if err == nil {
			err = e.take(&p, plain)
		}
		if err != nil {
			return e, false, err
		}
		present = true
	}
	e.Seq = c.seq
	return e, present, nil
}

func (e *Entry) take(p *place, plain []byte) error {
	switch p.kind {
	case kindCloudEvent, kindStatement, kindTombstone:
		s, err := getEnvelope(plain)
		s.Seq, s.Epoch = p.seq, p.epoch
		e.Stored = s
		return err
	case kindReadings:
		_, rows, err := readingsOf(plain, p)
		e.Readings = append(e.Readings, rows...)
		return err
	case kindEvent:
		row, err := getEvent(plain, p)
		e.Events = append(e.Events, row.Event)
		return err
	}
	return errShort
}

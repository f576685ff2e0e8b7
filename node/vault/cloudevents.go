package vault

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// kindOf is the kind under which the envelopes of a class lie.
func kindOf(c Class) byte {
	switch c {
	case Tombstone:
		return kindTombstone
	case Streamed:
		return kindCloudEvent
	}
	return kindStatement
}

// span is where the cloud events of one class of an owner lie.
type span struct {
	kind byte
	owner
}

// ranges are the spans of a view.
func ranges(view View, of Class) (list []span) {
	for _, epoch := range distinct(view.Epochs) {
		for _, c := range []Class{Streamed, Statement, Tombstone} {
			if of&c != 0 {
				list = append(list, span{kindOf(c), owner{view.Vehicle, epoch}})
			}
		}
	}
	return list
}

func (s span) iterator(ctx context.Context, snap *pebble.Snapshot, from, to sayso.Instant) (*pebble.Iterator, error) {
	prefix := appendPrefix(nil, s.kind, s.vehicle, s.epoch)
	return snap.NewIterWithContext(ctx, &pebble.IterOptions{
		LowerBound: putTime(slices.Clone(prefix), from), UpperBound: putTime(slices.Clone(prefix), to),
	})
}

// CloudEvents gives the newest first, see [Engine].
func (v *Vault) CloudEvents(ctx context.Context, view View, from, to sayso.Instant, yield func(Stored) bool) error {
	return v.CloudEventsOf(ctx, view, AnyClass, from, to, yield)
}

// CloudEventsOf gives the newest of some classes first, see [Engine].
func (v *Vault) CloudEventsOf(ctx context.Context, view View, of Class, from, to sayso.Instant, yield func(Stored) bool) error {
	from, to, ok := clip(from, to)
	if !ok {
		return nil
	}
	return v.reading(ctx, "vault.CloudEvents", func(snap *pebble.Snapshot) (err error) {
		var walks []*backward
		defer func() {
			for _, w := range walks {
				err = errors.Join(err, w.it.Close())
			}
		}()
		for _, s := range ranges(view, of) {
			it, err := s.iterator(ctx, snap, from, to)
			if err != nil {
				return err
			}
			w := &backward{it: it}
			walks = append(walks, w)
			if err := w.stand(it.Last()); err != nil {
				return err
			}
		}
		return v.newestFirst(ctx, walks, view.Source, yield)
	})
}

// backward walks the cloud events of a span from the newest to the oldest. Its
// iterator is open until the walk is over.
type backward struct {
	it *pebble.Iterator
	at place
	ok bool // at is one
}

// stand reads where the iterator is.
func (w *backward) stand(there bool) error {
	if w.ok = there; !there {
		return w.it.Error()
	}
	var fine bool
	if w.at, fine = parsePlace(w.it.Key()); !fine {
		return errShort
	}
	return nil
}

// newestFirst merges the walks.
func (v *Vault) newestFirst(ctx context.Context, walks []*backward, source *sayso.Address, yield func(Stored) bool) error {
	var plain []byte
	for n := 1; ; n++ {
		var w *backward
		for _, other := range walks {
			if other.ok && (w == nil || other.at.time > w.at.time || other.at.time == w.at.time && other.at.seq > w.at.seq) {
				w = other
			}
		}
		if w == nil {
			return nil
		}
		if n&255 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		sealed, err := w.it.ValueAndErr()
		if err != nil {
			return err
		}
		plain, err = v.keys.open(plain[:0], sealed, w.it.Key(), owner{w.at.vehicle, w.at.epoch})
		switch {
		case errors.Is(err, errErased):
			plain = nil
		case err != nil:
			return err
		default:
			s, ok, err := v.stored(&w.at, plain, source)
			if err != nil || ok && !yield(s) {
				return err
			}
		}
		if err := w.stand(w.it.Prev()); err != nil {
			return err
		}
	}
}

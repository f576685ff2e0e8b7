package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// retain lets go what the policy says. Chunks go by whole buckets: that of the
// last reading decides.
func (p *packer) retain(ctx context.Context) error {
	now := sayso.At(p.v.cfg.Clock.Now())
	if p.v.cfg.Retain.Readings != nil {
		if err := p.owners(ctx, kindPacked, func(own owner) error { return p.retainReadings(ctx, own, now) }); err != nil {
			return err
		}
	}
	if p.v.cfg.Retain.Messages == nil {
		return nil
	}
	for _, kind := range [...]byte{kindCloudEvent, kindEvent} {
		if err := p.owners(ctx, kind, func(own owner) error { return p.retainMessages(ctx, kind, own, now) }); err != nil {
			return err
		}
	}
	return nil
}

// owners calls f for every vehicle and epoch with rows of a kind.
func (p *packer) owners(ctx context.Context, kind byte, f func(owner) error) error {
	for next := []byte{kind}; next != nil && ctx.Err() == nil && !p.stopped(); {
		own, ok, err := p.firstOwner(ctx, kind, next)
		if err != nil || !ok {
			return err
		}
		if err := f(own); err != nil {
			return fmt.Errorf("vault: retention of vehicle %d: %w", own.vehicle, err)
		}
		next = after(appendPrefix(nil, kind, own.vehicle, own.epoch))
	}
	return ctx.Err()
}

// retainMessages deletes the cloud events or events of an owner that are too old.
func (p *packer) retainMessages(ctx context.Context, kind byte, own owner, now sayso.Instant) (err error) {
	keep := p.v.cfg.Retain.Messages(own.vehicle)
	if keep <= 0 {
		return nil
	}
	p.v.packing.Lock()
	defer p.v.packing.Unlock()
	erased := p.v.erased.Load()
	start, before := appendPrefix(nil, kind, own.vehicle, own.epoch), now-sayso.Instant(keep/time.Microsecond)
	end := putTime(slices.Clone(start), before)
	it, err := p.v.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: start, UpperBound: end})
	if err != nil {
		return err
	}
	some := it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil || !some {
		return err
	}
	batch := p.v.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	if err := batch.DeleteRange(start, end, nil); err != nil {
		return err
	}
	err = p.went(batch, own, func(w *went) {
		if kind == kindEvent {
			w.events = max(w.events, before)
		} else {
			w.messages = max(w.messages, before)
		}
	})
	if err != nil {
		return err
	}
	return p.commit(batch, erased)
}

// What becomes of a column.
const (
	stays = iota
	rolls // the roll-ups stay
	goes
)

// fate decides about a column of a bucket that has ended.
func (p *packer) fate(own owner, col *chunkColumn, age time.Duration) int {
	r := p.v.cfg.Retain.Readings(own.vehicle, col.signal)
	switch {
	case r.Raw <= 0 || age <= r.Raw:
		return stays
	case col.kind != sayso.Number || r.Hourly > 0 && age > max(r.Hourly, r.Raw):
		return goes
	case col.gone:
		return stays
	}
	return rolls
}

// retainReadings goes through the chunks of an owner, one a step.
func (p *packer) retainReadings(ctx context.Context, own owner, now sayso.Instant) error {
	from := minInstant
	for ctx.Err() == nil && !p.stopped() {
		next, more, err := p.retainNext(ctx, own, from, now)
		if err != nil || !more {
			return err
		}
		from = next
	}
	return ctx.Err()
}

// retainNext treats the chunks of the first bucket from a time on in which
// something is to go.
func (p *packer) retainNext(ctx context.Context, own owner, from, now sayso.Instant) (next sayso.Instant, more bool, err error) {
	v := p.v
	v.packing.Lock()
	defer v.packing.Unlock()
	erased := v.erased.Load()
	r := v.reader()
	defer func() { err = errors.Join(err, r.close()) }()
	w := new(walker)
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.begin(ctx, r, View{Vehicle: own.vehicle}, own.epoch, from, maxInstant); err != nil {
		return 0, false, err
	}
	batch := v.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for {
		bucket, _, packed, _ := w.next()
		if !packed {
			return 0, false, w.err()
		}
		next = startOfBucket(bucket) + bucketLen
		if next > now {
			return 0, false, nil
		}
		w.free, w.chunks = append(w.free, w.chunks...), w.chunks[:0]
		if err := w.takeChunks(bucket, nil, minInstant, maxInstant); err != nil {
			return 0, false, err
		}
		all := false
		for _, c := range w.chunks {
			whole, err := p.retainChunk(ctx, w, batch, c, time.Duration(now-next)*time.Microsecond)
			if err != nil && !errors.Is(err, errErased) {
				return 0, false, err
			}
			all = all || whole
		}
		if batch.Empty() {
			continue
		}
		err := p.went(batch, own, func(w *went) {
			if w.values = max(w.values, next); all {
				w.readings = max(w.readings, next)
			}
		})
		if err != nil {
			return 0, false, err
		}
		return next, true, p.commit(batch, erased)
	}
}

// retainChunk writes a chunk again without what is to go; all says that no values
// are left.
func (p *packer) retainChunk(ctx context.Context, w *walker, batch *pebble.Batch, c *chunk, age time.Duration) (all bool, err error) {
	fates := make([]int, len(c.cols))
	for i := range c.cols {
		fates[i] = p.fate(w.own, &c.cols[i], age)
	}
	if !slices.ContainsFunc(fates, func(f int) bool { return f != stays }) {
		return false, nil
	}
	k, err := p.v.keys.bySlot(c.slot)
	if err != nil {
		return false, err
	}
	t, err := w.table(ctx, c)
	if err != nil {
		return false, err
	}
	if err := p.remove(batch, c); err != nil {
		return false, err
	}
	keys := append([]chunkColumn(nil), c.cols...)
	out := &table{source: t.source, times: t.times, seqs: t.seqs}
	for i := range t.cols {
		switch fates[i] {
		case stays:
			out.cols = append(out.cols, t.cols[i])
		case rolls:
			g := keys[i]
			g.data, g.gone = nil, true
			g.rolled, g.n = t.rolled(&t.cols[i])
			out.cols = append(out.cols, tableColumn{signal: g.signal, kind: g.kind, gone: &g})
		}
	}
	if len(out.cols) == 0 {
		return true, nil
	}
	at := c.place
	at.seq = p.v.chunkNumber()
	for _, part := range out.encode(c.bucket, &p.v.cfg.Chunk) {
		at.part = part.part
		if err := p.set(batch, k, &at, part.plain); err != nil {
			return false, err
		}
	}
	return out.flags()&chunkBare != 0, nil
}

// rolled gives the roll-ups of a column of numbers, and how many they are; of two at one time the one
// of the lower sequence.
func (t *table) rolled(c *tableColumn) (b []byte, n int) {
	once := tableColumn{signal: c.signal, kind: c.kind}
	for i, row := range c.rows {
		if n := len(once.rows); n > 0 && t.times[once.rows[n-1]] == t.times[row] {
			continue
		}
		once.rows = append(once.rows, row)
		once.numbers = append(once.numbers, c.numbers[i])
	}
	return appendRollups(nil, t, &once, once.encode()), len(once.rows)
}

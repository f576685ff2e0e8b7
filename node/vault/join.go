package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// join makes one chunk of those of a source that share a bucket, in the whole
// store.
func (p *packer) join(ctx context.Context) error {
	return p.owners(ctx, kindPacked, func(own owner) error { return p.joinOwner(ctx, own) })
}

// firstOwner gives the first owner of rows of a kind from a key on.
func (p *packer) firstOwner(ctx context.Context, kind byte, from []byte) (own owner, ok bool, err error) {
	it, err := p.v.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: from, UpperBound: []byte{kind + 1}})
	if err != nil {
		return own, false, err
	}
	if ok = it.First(); ok {
		at, _ := parsePlace(it.Key())
		own = owner{at.vehicle, at.epoch}
	}
	return own, ok, errors.Join(it.Error(), it.Close())
}

// joinOwner joins the chunks of an owner, a bucket at a time.
func (p *packer) joinOwner(ctx context.Context, own owner) error {
	from := uint32(0)
	for ctx.Err() == nil && !p.stopped() {
		bucket, ok, err := p.joinNext(ctx, own, from)
		if err != nil || !ok {
			return err
		}
		from = bucket + 1
	}
	return ctx.Err()
}

// joinNext joins the chunks of the first bucket from one on that has several.
func (p *packer) joinNext(ctx context.Context, own owner, from uint32) (bucket uint32, ok bool, err error) {
	v := p.v
	v.packing.Lock()
	defer v.packing.Unlock()
	erased := v.erased.Load()
	r := v.reader()
	defer func() { err = errors.Join(err, r.close()) }()
	w := new(walker)
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.begin(ctx, r, View{Vehicle: own.vehicle}, own.epoch, minInstant, maxInstant); err != nil {
		return 0, false, err
	}
	bucket, ok = w.several(from)
	if !ok {
		return 0, false, w.err()
	}
	batch := v.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	start := startOfBucket(bucket)
	if err := w.begin(ctx, r, View{Vehicle: own.vehicle}, own.epoch, start, start+bucketLen); err != nil {
		return 0, false, err
	}
	if err := w.takeChunks(bucket, nil, start, start+bucketLen); err != nil {
		return 0, false, err
	}
	var seen []pile
	for _, c := range slices.Clone(w.chunks) {
		x := pile{bucket: bucket, tag: c.tag, slot: c.slot, source: c.source}
		if slices.ContainsFunc(seen, func(y pile) bool { return x.source == y.source && x.slot == y.slot }) {
			continue
		}
		seen = append(seen, x)
	}
	for i := range seen {
		if err := p.put(ctx, w, batch, &seen[i], nil, true); err != nil && !errors.Is(err, errErased) {
			return 0, false, err
		}
	}
	return bucket, true, p.commit(batch, erased)
}

// several finds the first bucket from one on with more than one chunk.
func (w *walker) several(from uint32) (bucket uint32, ok bool) {
	last, some := uint32(0), false
	for ; w.heads.Valid(); w.heads.Next() {
		b := binary.BigEndian.Uint32(w.heads.Key()[prefixLen+4:])
		if b < from {
			continue
		}
		if some && b == last {
			return b, true
		}
		last, some = b, true
	}
	return 0, false
}

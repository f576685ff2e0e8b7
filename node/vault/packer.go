package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
	"sayso/internal/cores"
)

// A step of the packer reads so many bytes of rows at most. A byte of a block by
// column counts as several: it says as much.
const (
	stepBytes   = 512 << 10
	packedRatio = 4
)

// packer is the goroutine that turns rows into chunks. Nobody waits for it: a
// step reads a snapshot and puts one batch in, which writes the chunks and
// deletes what is in them.
type packer struct {
	v    *Vault
	keys int // that the last sweep has seen
}

// A sweep reads every row that is not packed, and what it reads takes the place of
// what others have in the cache: it pauses so long for each, and the next one rests
// for it.
const (
	sweepPause = 10 * time.Microsecond
	sweepRest  = 50 * time.Microsecond
)

// pack runs until the vault closes.
func (v *Vault) pack() {
	cores.Background()
	defer close(v.packed)
	p := &packer{v: v}
	timer := time.NewTimer(v.cfg.PackEvery)
	defer timer.Stop()
	retain := time.NewTicker(v.cfg.RetainEvery)
	defer retain.Stop()
	for {
		var err error
		select {
		case <-v.stop:
			return
		case <-v.hot.wake:
			err = p.due()
		case <-retain.C:
			err = p.retain(context.Background())
		case <-timer.C:
			p.keys = 0
			if v.hot.swept(p.ended()) {
				err = p.sweep(context.Background(), false)
			}
			timer.Reset(max(v.cfg.PackEvery, time.Duration(p.keys)*sweepRest))
		}
		if err != nil && v.failure() == nil && !p.stopped() {
			v.hot.again()
			v.cfg.Log.Warn("packing readings", "error", err)
		}
	}
}

func (p *packer) stopped() bool {
	select {
	case <-p.v.stop:
		return true
	case <-p.v.dead:
		return true
	default:
		return false
	}
}

// due packs those that have enough.
func (p *packer) due() error {
	var errs []error
	for !p.stopped() {
		own, ok := p.v.hot.take()
		if !ok {
			break
		}
		p.calm()
		if err := p.owner(context.Background(), own, 1<<32-1, false); err != nil && len(errs) < 4 {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// calm lets senders go first while much is waiting to be kept, for a while.
func (p *packer) calm() {
	for range 20 {
		p.v.queue.Lock()
		busy := p.v.queue.bytes > p.v.cfg.QueueBytes/8
		p.v.queue.Unlock()
		if !busy || p.stopped() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// pause waits, unless the vault ends.
func (p *packer) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.v.stop:
	case <-p.v.dead:
	case <-timer.C:
	}
}

// Pack packs every reading that is not packed yet and makes one chunk of those
// that share a bucket. A running vault does so by and by; this is for a store
// that will rest, or be measured.
func (v *Vault) Pack(ctx context.Context) error {
	const op = "vault.Pack"
	if err := v.enterCall(ctx, op); err != nil {
		return err
	}
	defer v.leaveCall()
	err := v.guarded(func() error {
		p := &packer{v: v}
		for _, part := range []func(context.Context) error{
			func(ctx context.Context) error { return p.sweep(ctx, true) }, p.join, p.retain,
		} {
			if err := part(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case v.failure() != nil:
		return v.failure()
	case ctx.Err() != nil:
		return cancelled(op, ctx.Err())
	case err != nil:
		return unreadable(op, err)
	}
	return nil
}

// settled is how long after the end of a bucket its rest is packed.
const settled = 10 * time.Minute

// ended is the last hour whose bucket has ended.
func (p *packer) ended() uint32 {
	return hourOf(startOfBucket(bucketOf(sayso.At(p.v.cfg.Clock.Now().Add(-settled))))) - 1
}

// sweep looks at all rows that are not packed, and packs those of ended buckets,
// and those of vehicles that have enough, or all.
func (p *packer) sweep(ctx context.Context, all bool) error {
	ended := p.ended()
	next, errs := []byte{kindReadings}, []error(nil)
	for next != nil && ctx.Err() == nil && !p.stopped() {
		var list []heap
		var err error
		before := p.keys
		if list, next, err = p.heaps(ctx, next); err != nil {
			return err
		}
		if !all {
			p.pause(time.Duration(p.keys-before) * sweepPause)
		}
		for _, h := range list {
			last := uint32(1<<32 - 1)
			if !all && h.bytes < p.v.cfg.PackBytes {
				if last = ended; h.first > ended {
					continue
				}
			}
			p.calm()
			if err := p.owner(ctx, h.owner, last, all || last == ended); err != nil && len(errs) < 4 {
				errs = append(errs, err)
			}
			if ctx.Err() != nil || p.stopped() {
				break
			}
		}
	}
	return errors.Join(append(errs, ctx.Err())...)
}

// heap is what an owner has in rows.
type heap struct {
	owner
	first uint32 // hour
	bytes int
}

// heaps lists some owners with rows, from a key on, and where to go on.
func (p *packer) heaps(ctx context.Context, from []byte) (list []heap, next []byte, err error) {
	it, err := p.v.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: from, UpperBound: []byte{kindReadings + 1}})
	if err != nil {
		return nil, nil, err
	}
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		at, fine := parsePlace(it.Key())
		if !fine {
			return nil, nil, errors.Join(errShort, it.Close())
		}
		n++
		own := owner{at.vehicle, at.epoch}
		if len(list) == 0 || list[len(list)-1].owner != own {
			if n > 20_000 {
				next = slices.Clone(it.Key())
				break
			}
			list = append(list, heap{owner: own, first: at.hour})
		}
		if h := &list[len(list)-1]; h.bytes < p.v.cfg.PackBytes {
			h.bytes += len(it.Value())
		}
	}
	p.keys += n
	return list, next, errors.Join(it.Error(), it.Close())
}

// owner packs the rows of a vehicle and epoch up to an hour. whole makes one
// chunk of all of a bucket.
func (p *packer) owner(ctx context.Context, own owner, last uint32, whole bool) error {
	start := uint32(0)
	for more := true; more && ctx.Err() == nil && !p.stopped(); {
		var err error
		if start, more, err = p.step(ctx, own, start, last, whole); err != nil {
			return fmt.Errorf("vault: packing vehicle %d: %w", own.vehicle, err)
		}
	}
	return nil
}

// pile is what goes into one chunk: rows of a source in a bucket under one key.
type pile struct {
	bucket uint32
	tag    uint32
	slot   uint32
	source sayso.Address
	table  builder  // of blocks by row
	tables []*table // of those by column
}

// done gives all of it, nil if there is nothing.
func (x *pile) done() *table {
	list := x.tables
	if len(x.table.times) > 0 {
		list = append(list, x.table.done())
	}
	if len(list) == 0 {
		return nil
	}
	return merged(list)
}

// add takes a block in.
func (x *pile) add(plain []byte, at *place) error {
	if plain[0] != columnsFormat {
		return x.table.block(plain, at.hour, at.seq)
	}
	source, _ := blockSource(plain)
	t, err := tableOfColumns(source, plain[1+len(source):], at.hour, at.seq)
	if err == nil {
		x.tables = append(x.tables, t)
	}
	return err
}

// step packs some rows of an owner and says where to go on. Erasures are counted
// before the snapshot is taken and once more before the batch goes in: nothing
// that was erased meanwhile comes back.
func (p *packer) step(ctx context.Context, own owner, start, last uint32, whole bool) (next uint32, more bool, err error) {
	v := p.v
	v.packing.Lock()
	defer v.packing.Unlock()
	if v.full.Load() != 0 {
		v.hot.again()
		return 0, false, nil
	}
	erased := v.erased.Load()
	r := v.reader()
	defer func() { err = errors.Join(err, r.close()) }()
	w := new(walker)
	defer func() { err = errors.Join(err, w.close()) }()
	batch := v.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	if err := w.begin(ctx, r, View{Vehicle: own.vehicle}, own.epoch, minInstant, maxInstant); err != nil {
		return 0, false, err
	}
	if start > 0 {
		w.hot.SeekGE(binary.BigEndian.AppendUint32(appendPrefix(nil, kindReadings, own.vehicle, own.epoch), start))
	}
	piles, next, more, err := p.gather(w, batch, last)
	if err != nil {
		return 0, false, err
	}
	for i := range piles {
		if err := p.fold(ctx, w, batch, &piles[i], whole); err != nil && !errors.Is(err, errErased) {
			return 0, false, err
		}
	}
	return next, more, p.commit(batch, erased)
}

// commit puts a batch in, unless something was erased since.
func (p *packer) commit(batch *pebble.Batch, erased uint64) error {
	if batch.Empty() {
		return nil
	}
	v := p.v
	v.erasing.Lock()
	defer v.erasing.Unlock()
	if v.erased.Load() != erased {
		v.hot.again() // a sweep finds what is left
		return nil
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		v.fail(fmt.Errorf("vault: packing: %w", err))
		return v.failure()
	}
	return nil
}

// gather reads rows into piles and deletes them in the batch.
func (p *packer) gather(w *walker, batch *pebble.Batch, last uint32) (piles []pile, next uint32, more bool, err error) {
	read := 0
	for ; w.hot.Valid(); w.hot.Next() {
		key := w.hot.Key()
		at, ok := parsePlace(key)
		if !ok {
			return nil, 0, false, errShort
		}
		if at.hour > last {
			break
		}
		if read > stepBytes && at.hour != next {
			return piles, at.hour, true, nil
		}
		next = at.hour
		sealed, err := w.hot.ValueAndErr()
		if err != nil {
			return nil, 0, false, err
		}
		read += len(sealed)
		if w.plain, err = w.r.open(w.plain[:0], sealed, key, w.own); errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return nil, 0, false, err
		}
		source, ok := blockSource(w.plain)
		if !ok {
			return nil, 0, false, errShort
		}
		want := pile{bucket: bucketOf(startOf(at.hour)), tag: at.tag, slot: binary.LittleEndian.Uint32(sealed), source: source}
		n := slices.IndexFunc(piles, func(x pile) bool {
			return x.bucket == want.bucket && x.slot == want.slot && x.source == source
		})
		if n < 0 {
			n = len(piles)
			piles = append(piles, want)
		}
		if err := piles[n].add(w.plain, &at); err != nil {
			return nil, 0, false, err
		}
		if w.plain[0] == columnsFormat {
			read += (packedRatio - 1) * len(sealed)
		}
		if err := batch.Delete(key, nil); err != nil {
			return nil, 0, false, err
		}
	}
	return piles, 0, false, w.hot.Error()
}

// fold writes a pile as chunks, together with those chunks of the same source
// and bucket that are not much larger, or overlap it.
func (p *packer) fold(ctx context.Context, w *walker, batch *pebble.Batch, x *pile, whole bool) error {
	t := x.done()
	if t == nil {
		return nil
	}
	return p.put(ctx, w, batch, x, t, whole)
}

func (p *packer) put(ctx context.Context, w *walker, batch *pebble.Batch, x *pile, t *table, whole bool) error {
	k, err := p.v.keys.bySlot(x.slot)
	if err != nil {
		return err
	}
	start := startOfBucket(x.bucket)
	if err := w.begin(ctx, w.r, View{Vehicle: w.own.vehicle}, w.own.epoch, start, start+bucketLen); err != nil {
		return err
	}
	w.free, w.chunks = append(w.free, w.chunks...), w.chunks[:0]
	if err := w.takeChunks(x.bucket, nil, start, start+bucketLen); err != nil {
		return err
	}
	list := p.choose(w.chunks, x, t, whole)
	if t == nil && len(list) < 2 {
		return nil
	}
	var tables []*table
	if t != nil {
		tables = append(tables, t)
	}
	for _, c := range list {
		old, err := w.table(ctx, c)
		if err != nil {
			return err
		}
		tables = append(tables, old)
		if err := p.remove(batch, c); err != nil {
			return err
		}
	}
	for _, piece := range merged(tables).split(p.v.cfg.Chunk.Rows) {
		at := place{kind: kindPacked, vehicle: w.own.vehicle, epoch: w.own.epoch, bucket: x.bucket, tag: x.tag, seq: p.v.chunkNumber()}
		for _, part := range piece.encode(x.bucket, &p.v.cfg.Chunk) {
			at.part = part.part
			if err := p.set(batch, k, &at, part.plain); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose picks the chunks to write anew together with a table, the small ones
// first, so that a reading is written again only a few times. A table that
// overlaps a chunk is put into it.
func (p *packer) choose(chunks []*chunk, x *pile, t *table, whole bool) (list []*chunk) {
	chunks = slices.DeleteFunc(slices.Clone(chunks), func(c *chunk) bool {
		return c.source != x.source || c.slot != x.slot || c.flags&chunkRolled != 0
	})
	slices.SortFunc(chunks, func(a, b *chunk) int { return a.n - b.n })
	total := 0
	if t != nil {
		total = len(t.times)
	}
	for i, c := range chunks {
		overlaps := t != nil && int64(c.first) <= t.times[len(t.times)-1] && int64(c.last) >= t.times[0]
		many := len(chunks)-i >= 4
		if total+c.n <= p.v.cfg.Chunk.Rows && (whole || many || overlaps || c.n <= 2*total) {
			list = append(list, c)
			total += c.n
		}
	}
	return list
}

// set seals a part of a chunk and puts it into the batch.
func (p *packer) set(batch *pebble.Batch, k *dataKey, at *place, plain []byte) error {
	key := at.append(make([]byte, 0, 40))
	sealed := make([]byte, sealOverhead+len(plain))
	copy(sealed[sealHead:], plain)
	if err := p.v.keys.seal(k, sealed, key); err != nil {
		return err
	}
	return batch.Set(key, sealed, nil)
}

// remove deletes all rows of a chunk.
func (p *packer) remove(batch *pebble.Batch, c *chunk) error {
	for _, part := range append(c.ownRows(), partHeadOf) {
		at := c.place
		at.part = part
		if err := batch.Delete(at.append(nil), nil); err != nil {
			return err
		}
	}
	return nil
}

// chunkNumber is never given twice in a store: the opening is in it.
func (v *Vault) chunkNumber() uint64 { return uint64(v.keys.opening)<<32 | uint64(v.chunks.Add(1)) }

// table decodes a chunk.
func (w *walker) table(ctx context.Context, c *chunk) (*table, error) {
	if c.flags&chunkBare != 0 {
		return w.bare(c), nil
	}
	if err := w.ready(ctx, c); err != nil {
		return nil, err
	}
	seqs, err := c.sequences()
	if err != nil {
		return nil, err
	}
	t := &table{source: c.source, times: slices.Clone(c.times), seqs: slices.Clone(seqs)}
	for i := range c.cols {
		var col tableColumn
		if g := c.cols[i]; g.gone {
			g.rolled = slices.Clone(g.rolled)
			t.cols = append(t.cols, tableColumn{signal: g.signal, kind: g.kind, gone: &g})
			continue
		}
		s, err := w.decode(ctx, c, &c.cols[i], &col)
		if err != nil {
			return nil, err
		}
		col.rows = s.AppendTo(make([]int64, 0, s.Len()))
		t.cols = append(t.cols, col)
	}
	return t, nil
}

// bare gives what is left of a chunk without values: a table of its ends.
func (w *walker) bare(c *chunk) *table {
	t := &table{source: c.source, times: []int64{int64(c.first), int64(c.last)}, seqs: []int64{int64(c.low), int64(c.high)}}
	for _, g := range c.cols {
		g.rolled = slices.Clone(g.rolled)
		t.cols = append(t.cols, tableColumn{signal: g.signal, kind: g.kind, gone: &g})
	}
	return t
}

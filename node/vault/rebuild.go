package vault

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// Decoder reads a cloud event again as the doors do; not ok where nothing can be
// read from what is kept of it.
type Decoder func(*Stored) (readings []sayso.Reading, events []sayso.Event, ok bool)

// Rebuilt is what [Vault.Rebuild] has found and done.
type Rebuilt struct {
	Commits   uint64 `json:"commits"`
	Decoded   uint64 `json:"decoded"`   // cloud events that were read again and gave what is kept
	Otherwise uint64 `json:"otherwise"` // that give something else today: what is kept stays
	Silent    uint64 `json:"silent"`    // that brought values which are not in what is kept of them
	Plain     uint64 `json:"plain"`     // that brought no values
	Gone      uint64 `json:"gone"`      // commits whose cloud event has gone with time or is erased
	Lost      uint64 `json:"lost"`      // hours of readings and events of a commit that are missing
	Restored  uint64 `json:"restored"`  // of these, derived again and written
	Rewritten uint64 `json:"rewritten"` // latest values and packed readings with roll-ups that were written again
	Derived
}

// commitsAtOnce is how many commits are read again at a time.
const commitsAtOnce = 4096

// Rebuild reads every cloud event that is kept again, and compares what it brought,
// the latest values, roll-ups and summaries with what is kept and served. With write,
// what is missing or differs is written; nothing may be committed meanwhile. Every
// step goes in whole or not at all, and may be repeated. What has gone with time, or
// is read otherwise today than when it came, is counted and left as it is.
func (v *Vault) Rebuild(ctx context.Context, decode Decoder, write bool, tell func(done, of uint64)) (Rebuilt, error) {
	const op = "vault.Rebuild"
	if err := v.enterCall(ctx, op); err != nil {
		return Rebuilt{}, err
	}
	defer v.leaveCall()
	b := &rebuilding{v: v, ctx: ctx, decode: decode, write: write, packer: &packer{v: v}, heads: make(map[owner]judgedSlot)}
	err := b.commits(tell)
	if err == nil {
		err = b.derived()
	}
	if err == nil {
		var d Derived
		d, err = v.CompareDerived(ctx, nil)
		d.Faults += b.out.Faults
		d.Findings = append(b.out.Findings, d.Findings...)
		b.out.Derived = d
	}
	if err == nil && write {
		err = v.flush(ctx)
	}
	if cause := ctx.Err(); err != nil && cause != nil {
		err = cancelled(op, cause)
	} else if err != nil {
		err = unreadable(op, err)
	}
	return b.out, err
}

// flush has the rows on stable storage.
func (v *Vault) flush(ctx context.Context) error {
	done, err := v.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	case <-v.dead:
		return v.failure()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rebuilding is one rebuilding.
type rebuilding struct {
	v      *Vault
	ctx    context.Context
	decode Decoder
	write  bool
	packer *packer
	out    Rebuilt
	heads  map[owner]judgedSlot // how far the commits of an ownership are numbered, where no head says so

	// Of the present window.
	r       *Reader
	batch   *pebble.Batch
	own     owner
	went    went
	buckets []*openBucket
}

func (b *rebuilding) fault(f Finding) {
	if b.out.Faults++; len(b.out.Findings) < maxFindings {
		b.out.Findings = append(b.out.Findings, f)
	}
}

// commits goes through all commits, some at a time.
func (b *rebuilding) commits(tell func(done, of uint64)) error {
	for from, more := uint64(0), true; more; {
		var err error
		if from, more, err = b.window(from); err != nil {
			return err
		}
		if tell != nil {
			tell(min(from, b.v.Seq()), b.v.Seq())
		}
	}
	return nil
}

// window reads the commits behind a sequence again, by vehicle, and says where to
// go on.
func (b *rebuilding) window(from uint64) (last uint64, more bool, err error) {
	v := b.v
	v.packing.Lock()
	defer v.packing.Unlock()
	erased := v.erased.Load()
	b.r, b.batch, b.own, b.buckets = v.reader(), v.db.NewBatch(), owner{}, nil
	defer func() { err = errors.Join(err, b.r.close(), b.batch.Close()) }()
	list, err := b.list(from)
	if err != nil || len(list) == 0 {
		return from, false, err
	}
	last = list[len(list)-1].seq
	slices.SortStableFunc(list, func(x, y commit) int { return cmp.Compare(x.vehicle, y.vehicle) })
	for i := range list {
		if err := b.ctx.Err(); err != nil {
			return 0, false, err
		}
		if err := b.commit(&list[i]); err != nil {
			return 0, false, err
		}
	}
	return last, true, b.packer.commit(b.batch, erased)
}

// list reads the rows of commits behind a sequence.
func (b *rebuilding) list(from uint64) (list []commit, err error) {
	it, err := b.r.snap.NewIterWithContext(b.ctx, &pebble.IterOptions{LowerBound: seqKey(nil, from+1), UpperBound: after([]byte{kindSeq})})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok && len(list) < commitsAtOnce; ok = it.Next() {
		var c commit
		if err := c.parse(it.Key(), it.Value()); err != nil {
			return nil, errors.Join(err, it.Close())
		}
		if m, ok := c.message(); ok && c.number > 0 && !b.v.keys.destroyed(c.slot) {
			own := owner{c.vehicle, m.epoch}
			h := b.heads[own]
			h.head = h.head.follow(it.Key(), it.Value())
			b.heads[own] = h
		}
		list = append(list, c)
	}
	return list, errors.Join(it.Error(), it.Close())
}

// commit reads one commit again.
func (b *rebuilding) commit(c *commit) error {
	m, ok := c.message()
	if !ok {
		return nil // an erasure
	}
	b.out.Commits++
	values := slices.DeleteFunc(slices.Clone(c.parts), func(p place) bool { return isMessage(p.kind) })
	sealed, err := b.v.get(b.r.snap.Snapshot, &m)
	switch {
	case errors.Is(err, errErased) && b.mayMiss(c, &m):
		b.out.Gone++
		return b.without(c, values, nil)
	case errors.Is(err, errErased):
		b.fault(Finding{Part: "rows", What: fmt.Sprintf("the cloud event of %s, epoch %d, is missing", m.time.Time().Format(time.RFC3339), m.epoch), From: c.seq, To: c.seq, Vehicles: []uint64{c.vehicle}})
		return b.without(c, values, nil)
	case err != nil:
		b.fault(Finding{Part: "rows", What: "the cloud event cannot be read: " + firstLine(err), From: c.seq, To: c.seq, Vehicles: []uint64{c.vehicle}})
		return b.without(c, values, nil)
	}
	s, err := getEnvelope(sealed)
	if err != nil {
		return fmt.Errorf("vault: the cloud event of sequence %d: %w", c.seq, err)
	}
	s.Seq, s.Epoch = c.seq, m.epoch
	if len(values) == 0 {
		b.out.Plain++
		return nil
	}
	again := &decodedAgain{source: s.Envelope.Source}
	again.readings, again.events, ok = b.decode(&s)
	if !ok {
		b.out.Silent++
		return b.without(c, values, nil)
	}
	again.readings = sortReadings(again.readings)
	return b.without(c, values, again)
}

// decodedAgain is what a cloud event gives today.
type decodedAgain struct {
	source   sayso.Address
	readings []sayso.Reading // without epochs
	events   []sayso.Event
}

// hour gives the readings of an hour, as of an ownership.
func (d *decodedAgain) hour(h, epoch uint32) (out []sayso.Reading) {
	for _, r := range d.readings {
		if hourOf(r.Time) == h {
			r.Epoch = epoch
			out = append(out, r)
		}
	}
	return out
}

// without compares the values of a commit with what its cloud event gives today, if
// it gives something, and restores what is missing.
func (b *rebuilding) without(c *commit, values []place, again *decodedAgain) error {
	same, missed, count := again != nil, false, 0
	events := 0
	for i := range values {
		p := &values[i]
		if err := b.enter(owner{p.vehicle, p.epoch}); err != nil {
			return err
		}
		switch p.kind {
		case kindReadings:
			rows, there, err := b.readings(p)
			if err != nil {
				return err
			}
			if there {
				n, fine := b.sameHour(p, rows, again)
				count, same = count+n, same && fine
				continue
			}
		case kindEvent:
			events++
			e, there, err := b.event(p)
			if err != nil {
				return err
			}
			if there {
				same = same && int(p.index) < len(again.events) && sameEvent(&e, &again.events[p.index])
				continue
			}
		}
		if b.mayMiss(c, p) {
			if again != nil {
				count += len(again.hour(p.hour, p.epoch))
			}
			continue
		}
		missed = true
		if err := b.lost(c, p, again); err != nil {
			return err
		}
	}
	switch {
	case again == nil || missed:
	case same && count == len(again.readings) && events == len(again.events):
		b.out.Decoded++
	default:
		b.out.Otherwise++
	}
	return nil
}

// sameHour compares the readings of an hour with what the cloud event gives today,
// and says how many of these they stand for. Some may have gone with time.
func (b *rebuilding) sameHour(p *place, rows []sayso.Reading, again *decodedAgain) (n int, same bool) {
	if again == nil {
		return 0, false
	}
	today := again.hour(p.hour, p.epoch)
	if startOf(p.hour) >= b.went.values {
		return len(rows), slices.Equal(rows, today)
	}
	for i := range rows {
		if !slices.Contains(today, rows[i]) {
			return 0, false
		}
	}
	return len(today), true
}

func sameEvent(a, b *sayso.Event) bool {
	x, y := *a, *b
	x.Epoch, y.Epoch = 0, 0
	return len(x.Tags) == 0 && len(y.Tags) == 0 && x.Name == y.Name && x.Time == y.Time && x.DurationNS == y.DurationNS && x.Metadata == y.Metadata || reflect.DeepEqual(x, y)
}

// enter notes whose parts come now.
func (b *rebuilding) enter(own owner) (err error) {
	if own != b.own {
		b.own, b.buckets = own, nil
		b.went, err = b.v.wentOf(b.r.snap, own)
	}
	return err
}

// mayMiss says whether a part is rightly not there.
func (b *rebuilding) mayMiss(c *commit, p *place) bool {
	own := owner{p.vehicle, p.epoch}
	if b.enter(own) == nil && b.went.has(p) {
		return true
	}
	if m, _ := c.message(); c.number > 0 && m.epoch == p.epoch {
		return b.v.keys.destroyed(c.slot)
	}
	return c.number == 0 && b.v.mayBeGone(p) || b.v.keys.everErased(own)
}

// readings gives the readings of a part, packed or not.
func (b *rebuilding) readings(p *place) (rows []sayso.Reading, there bool, err error) {
	plain, err := b.v.get(b.r.snap.Snapshot, p)
	if err == nil {
		_, rows, err = readingsOf(plain, p)
		return rows, err == nil, err
	}
	if !errors.Is(err, errErased) {
		return nil, false, nil // it cannot be read
	}
	o, err := b.bucket(bucketOf(startOf(p.hour)))
	if err != nil {
		return nil, false, err
	}
	rows = o.readings(p)
	return rows, len(rows) > 0 || o.parts.has(p), nil
}

// event gives the event of a part.
func (b *rebuilding) event(p *place) (e sayso.Event, there bool, err error) {
	plain, err := b.v.get(b.r.snap.Snapshot, p)
	if err != nil {
		return e, false, nil
	}
	row, err := getEvent(plain, p)
	return row.Event, err == nil, err
}

// lost tells of a part that is missing and writes it again, if it can be.
func (b *rebuilding) lost(c *commit, p *place, again *decodedAgain) error {
	b.out.Lost++
	what := "the readings of the hour from " + startOf(p.hour).Time().Format(time.RFC3339)
	var plain []byte
	if p.kind == kindEvent {
		what = "the event of " + p.time.Time().Format(time.RFC3339)
		if again != nil && int(p.index) < len(again.events) && again.events[p.index].Time == p.time {
			plain = putEvent(nil, again.source, &again.events[p.index])
		}
	} else if again != nil {
		if rows := again.hour(p.hour, p.epoch); len(rows) > 0 {
			plain = appendBlock(nil, again.source, p.hour, rows)
		}
	}
	f := Finding{Part: "rows", What: fmt.Sprintf("missing, of epoch %d: %s", p.epoch, what), From: c.seq, To: c.seq, Vehicles: []uint64{p.vehicle}}
	if plain == nil {
		f.What += "; the cloud event does not give them"
	}
	if !b.write || plain == nil {
		b.fault(f)
		return nil
	}
	k, err := b.v.keys.current(owner{p.vehicle, p.epoch})
	if err != nil || k == nil {
		b.fault(f)
		return nil
	}
	b.out.Restored++
	return b.packer.set(b.batch, k, p, plain)
}

// openBucket is what is in the chunks of a bucket.
type openBucket struct {
	own    owner
	number uint32
	tags   map[uint32][]Row // ascending by sequence
	parts  packedParts      // also of those whose values have gone
}

// readings gives what a commit has brought for an hour.
func (o *openBucket) readings(p *place) (out []sayso.Reading) {
	rows := o.tags[p.tag]
	at, _ := slices.BinarySearchFunc(rows, p.seq, func(r Row, seq uint64) int { return cmp.Compare(r.Seq, seq) })
	for ; at < len(rows) && rows[at].Seq == p.seq; at++ {
		if r := &rows[at]; hourOf(r.Time) == p.hour {
			out = append(out, sayso.Reading{Signal: r.Signal, Epoch: p.epoch, Time: r.Time, Value: r.Value})
		}
	}
	slices.SortFunc(out, func(a, b sayso.Reading) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Signal, b.Signal))
	})
	return slices.CompactFunc(out, func(a, b sayso.Reading) bool { return a.Time == b.Time && a.Signal == b.Signal })
}

// bucket opens the chunks of a bucket of the present owner, each alone, so that one
// which cannot be read costs no other. With write, such a one is taken out: what is
// in it is then missing, and written again.
func (b *rebuilding) bucket(number uint32) (*openBucket, error) {
	for _, o := range b.buckets {
		if o.number == number {
			return o, nil
		}
	}
	o := &openBucket{own: b.own, number: number, tags: make(map[uint32][]Row)}
	o.parts.parts = make(map[packedPart]struct{})
	if len(b.buckets) >= 4 {
		b.buckets = slices.Delete(b.buckets, 0, 1)
	}
	b.buckets = append(b.buckets, o)
	err := b.chunks(b.own, number, func(w *walker, c *chunk) error {
		t, err := w.table(b.ctx, c)
		if err == nil {
			err = o.parts.add(b.ctx, w, c)
		}
		if err == nil {
			o.tags[c.tag] = t.appendRows(o.tags[c.tag])
		}
		return err
	})
	for _, rows := range o.tags {
		slices.SortFunc(rows, func(x, y Row) int { return cmp.Compare(x.Seq, y.Seq) })
	}
	return o, err
}

// chunks gives the chunks of a bucket to f. One that cannot be read is told of and,
// with write, taken out.
func (b *rebuilding) chunks(own owner, bucket uint32, f func(*walker, *chunk) error) (err error) {
	from := startOfBucket(bucket)
	w := new(walker)
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.begin(b.ctx, b.r, View{Vehicle: own.vehicle}, own.epoch, from, from+bucketLen); err != nil {
		return err
	}
	for ; w.heads.Valid(); w.heads.Next() {
		c, err := b.open(w, own)
		if errors.Is(err, errErased) {
			continue
		}
		if err == nil {
			err = f(w, c)
		}
		if err == nil {
			continue
		}
		if b.ctx.Err() != nil {
			return err
		}
		at, ok := parsePlace(w.heads.Key())
		if !ok {
			return errShort
		}
		if !b.write {
			b.fault(Finding{Part: "rows", What: fmt.Sprintf("packed readings, epoch %d, six hours from %s: %s", own.epoch, from.Time().Format(time.RFC3339), firstLine(err)), Vehicles: []uint64{own.vehicle}})
			continue
		}
		if err := b.takeOut(w, own, &at, c); err != nil {
			return err
		}
	}
	return w.heads.Error()
}

// open reads the head at which a walker stands.
func (b *rebuilding) open(w *walker, own owner) (*chunk, error) {
	sealed, err := w.heads.ValueAndErr()
	if err != nil {
		return nil, err
	}
	c := new(chunk)
	var ok bool
	if c.place, ok = parsePlace(w.heads.Key()); !ok {
		return nil, errShort
	}
	if c.plain, err = b.r.open(nil, sealed, w.heads.Key(), own); err != nil {
		return nil, err
	}
	c.slot = binary.LittleEndian.Uint32(sealed)
	if err := c.parse(); err != nil {
		return nil, err
	}
	return c, nil
}

// takeOut removes all rows of a chunk that cannot be read. Of one whose head can,
// the roll-ups of values that have gone with time stay.
func (b *rebuilding) takeOut(w *walker, own owner, at *place, c *chunk) error {
	b.out.Rewritten++
	err := b.eachPacked(own, func(p place) error {
		if p.bucket == at.bucket && p.tag == at.tag && p.seq == at.seq {
			return b.batch.Delete(p.append(nil), nil)
		}
		return nil
	})
	if err != nil || c == nil {
		return err
	}
	c.cols = slices.DeleteFunc(slices.Clone(c.cols), func(col chunkColumn) bool { return !col.gone })
	if len(c.cols) == 0 {
		return nil
	}
	return b.put(c, w.bare(c))
}

// put writes a table in place of a chunk.
func (b *rebuilding) put(c *chunk, t *table) error {
	k, err := b.v.keys.bySlot(c.slot)
	if err != nil {
		return err
	}
	at := c.place
	at.seq = b.v.chunkNumber()
	for _, part := range t.encode(c.bucket, &b.v.cfg.Chunk) {
		at.part = part.part
		if err := b.packer.set(b.batch, k, &at, part.plain); err != nil {
			return err
		}
	}
	return nil
}

// eachPacked goes through the keys of the packed rows of an owner.
func (b *rebuilding) eachPacked(own owner, f func(place) error) error {
	start := appendPrefix(nil, kindPacked, own.vehicle, own.epoch)
	it, err := b.r.snap.NewIterWithContext(b.ctx, &pebble.IterOptions{LowerBound: start, UpperBound: after(start)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		p, fine := parsePlace(it.Key())
		if !fine {
			err = errShort
			break
		}
		err = f(p)
	}
	return errors.Join(err, it.Error(), it.Close())
}

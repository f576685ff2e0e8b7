package vault

import (
	"bytes"
	"cmp"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// Reader asks a vault about one state of it, of one goroutine at a time. Only
// Latest tells the present moment.
type Reader struct {
	v       *Vault
	snap    *sharedSnapshot
	walkers []*walker // of the epochs of a view; reused for the next
	opener  opener

	// Room for what a call decodes.
	whole   []int64
	numbers []float64
	values  []tableColumn
	rows    []Row
	runs    []run
	buckets bucketing
	bucket  bucketRoom
	frames  framing
}

var readerPool = sync.Pool{New: func() any { return new(Reader) }}

// reader gives a reader of this moment; close gives it back.
func (v *Vault) reader() *Reader {
	shared := &sharedSnapshot{Snapshot: v.db.NewSnapshot()}
	shared.users.Store(1)
	return v.readerOf(shared)
}

func (v *Vault) readerOf(snap *sharedSnapshot) *Reader {
	r := readerPool.Get().(*Reader)
	r.v, r.snap = v, snap
	return r
}

// sharedSnapshot is closed by the last of its users.
type sharedSnapshot struct {
	*pebble.Snapshot
	users atomic.Int32
}

func (s *sharedSnapshot) release() error {
	if s.users.Add(-1) > 0 {
		return nil
	}
	return s.Close()
}

func (r *Reader) close() error {
	var errs []error
	for _, w := range r.walkers {
		errs = append(errs, w.close())
	}
	errs = append(errs, r.snap.release())
	r.v, r.snap, r.opener, r.bucket.cols = nil, nil, opener{}, nil
	clear(r.rows)
	if cap(r.rows) <= 1<<14 && cap(r.whole) <= 1<<14 {
		readerPool.Put(r)
	}
	return errors.Join(errs...)
}

// call runs f as a call of the vault and gives its error the form that a caller
// sees.
func (r *Reader) call(ctx context.Context, op string, f func() error) error {
	err := f()
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return cancelled(op, cause)
	}
	return unreadable(op, err)
}

// read runs f with a reader.
func (v *Vault) read(ctx context.Context, op string, f func(*Reader) error) error {
	if err := v.enterCall(ctx, op); err != nil {
		return err
	}
	return v.entered(f)
}

// readOf is read for what reads of one vehicle.
func (v *Vault) readOf(ctx context.Context, op string, view View, f func(*Reader) error) error {
	if err := v.enterView(ctx, op, view.Vehicle); err != nil {
		return err
	}
	return v.entered(f)
}

func (v *Vault) entered(f func(*Reader) error) error {
	defer v.leaveCall()
	r := v.reader()
	return errors.Join(f(r), r.close())
}

// opener remembers the key of the last part it opened: parts of one vehicle and
// epoch mostly have the same.
type opener struct {
	own           owner
	slot, opening uint32
	aead          cipher.AEAD
}

// open decrypts a sealed part into dst.
func (r *Reader) open(dst, part, ad []byte, own owner) ([]byte, error) {
	o := &r.opener
	if len(part) < sealOverhead || o.aead == nil || o.own != own || binary.LittleEndian.Uint32(part) != o.slot || binary.BigEndian.Uint32(part[4:]) != o.opening {
		if len(part) < sealOverhead {
			return nil, errShort
		}
		k, err := r.v.keys.bySlot(binary.LittleEndian.Uint32(part))
		if err != nil {
			return nil, err
		}
		if k.owner != own {
			return nil, fmt.Errorf("vault: key slot %d is of another vehicle or epoch", k.slot)
		}
		opening := binary.BigEndian.Uint32(part[4:])
		aead, err := k.aead(r.v.keys, opening)
		if err != nil {
			return nil, err
		}
		*o = opener{own, k.slot, opening, aead}
	}
	out, err := o.aead.Open(dst, part[4:sealHead], part[sealHead:], ad)
	if err != nil {
		return nil, fmt.Errorf("vault: a sealed part of vehicle %d does not open: %w", own.vehicle, err)
	}
	return out, nil
}

// walker goes through the readings of one epoch: chunks, and rows that are not
// packed yet.
type walker struct {
	r      *Reader
	own    owner
	source *sayso.Address
	tag    uint32 // of source
	none   bool   // the source has no key: it has sent nothing
	heads  *pebble.Iterator
	hot    *pebble.Iterator
	parts  []partIter
	key    []byte
	plain  []byte
	body   []byte

	chunks []*chunk // of the present span
	free   []*chunk
	rows   []Row // of the present span
}

// partIter goes through one part of the chunks of an epoch.
type partIter struct {
	part uint32
	it   *pebble.Iterator
	used bool
}

func (w *walker) close() error {
	var errs []error
	for _, it := range [...]*pebble.Iterator{w.heads, w.hot} {
		if it != nil {
			errs = append(errs, it.Close())
		}
	}
	for i := range w.parts {
		errs = append(errs, w.parts[i].it.Close())
	}
	w.heads, w.hot, w.r, w.source = nil, nil, nil, nil
	clear(w.parts)
	w.parts = w.parts[:0]
	clear(w.rows)
	if cap(w.rows) > 1<<14 {
		w.rows = nil
	}
	if len(w.free) > 16 {
		w.free = nil
	}
	return errors.Join(errs...)
}

// begin places a walker at the first readings of an epoch within a window.
func (w *walker) begin(ctx context.Context, r *Reader, view View, epoch uint32, from, to sayso.Instant) error {
	own := owner{view.Vehicle, epoch}
	if w.own != own {
		for i := range w.parts {
			w.parts[i].used = false
		}
	}
	w.r, w.own, w.source, w.none = r, own, view.Source, false
	if view.Source != nil {
		k, err := r.v.keys.current(own)
		if err != nil && !errors.Is(err, errErased) {
			return err
		}
		if w.none = k == nil; w.none {
			return nil
		}
		if w.tag, err = k.tag(w.r.v.keys, *view.Source); err != nil {
			return err
		}
	}
	lower := binary.BigEndian.AppendUint32(appendPrefix(make([]byte, 0, 24), kindPacked, own.vehicle, epoch), partHeadOf)
	upper := binary.BigEndian.AppendUint32(slices.Clone(lower), bucketOf(to-1)+1)
	lower = binary.BigEndian.AppendUint32(lower, bucketOf(from))
	if err := r.bound(ctx, &w.heads, lower, upper); err != nil {
		return err
	}
	w.heads.First()
	lower = appendPrefix(lower[:0], kindReadings, own.vehicle, epoch)
	upper = binary.BigEndian.AppendUint32(append(upper[:0], lower...), hourOf(to-1)+1)
	lower = binary.BigEndian.AppendUint32(lower, hourOf(from))
	if err := r.bound(ctx, &w.hot, lower, upper); err != nil {
		return err
	}
	w.hot.First()
	return nil
}

// bound makes an iterator, or moves one.
func (r *Reader) bound(ctx context.Context, it **pebble.Iterator, lower, upper []byte) (err error) {
	if *it != nil {
		(*it).SetBounds(lower, upper)
		return nil
	}
	*it, err = r.snap.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper, KeyTypes: pebble.IterKeyTypePointsOnly})
	return err
}

// next says where the walker stands: the bucket of the next chunk, and the hour
// of the next row that is not packed.
func (w *walker) next() (bucket, h uint32, packed, hot bool) {
	if w.none {
		return
	}
	if packed = w.heads.Valid(); packed {
		bucket = binary.BigEndian.Uint32(w.heads.Key()[prefixLen+4:])
	}
	if hot = w.hot.Valid(); hot {
		h = binary.BigEndian.Uint32(w.hot.Key()[prefixLen:])
	}
	return
}

func (w *walker) err() error {
	if w.none {
		return nil
	}
	return errors.Join(w.heads.Error(), w.hot.Error())
}

// takeChunks opens the heads of a bucket that hold what is asked.
func (w *walker) takeChunks(bucket uint32, want signalSet, from, to sayso.Instant) error {
	for ; w.heads.Valid(); w.heads.Next() {
		key := w.heads.Key()
		p, ok := parsePlace(key)
		if !ok {
			return fmt.Errorf("vault: a row of vehicle %d has a malformed key", w.own.vehicle)
		}
		if p.bucket != bucket {
			break
		}
		if w.source != nil && p.tag != w.tag {
			continue
		}
		sealed, err := w.heads.ValueAndErr()
		if err != nil {
			return err
		}
		c := w.chunk()
		c.place = p
		c.plain, err = w.r.open(c.plain[:0], sealed, key, w.own)
		if errors.Is(err, errErased) {
			w.free = append(w.free, c)
			continue
		}
		if err != nil {
			return err
		}
		c.slot = binary.LittleEndian.Uint32(sealed)
		if err := c.parse(); err != nil {
			return fmt.Errorf("vault: a chunk of vehicle %d: %w", w.own.vehicle, err)
		}
		if w.source != nil && *w.source != c.source || c.last < from || c.first >= to || !c.has(want) {
			w.free = append(w.free, c)
			continue
		}
		w.chunks = append(w.chunks, c)
	}
	return w.heads.Error()
}

func (w *walker) chunk() *chunk {
	if n := len(w.free); n > 0 {
		c := w.free[n-1]
		w.free = w.free[:n-1]
		return c
	}
	return new(chunk)
}

// has says whether a chunk has a wanted signal.
func (c *chunk) has(want signalSet) bool {
	if want == nil {
		return true
	}
	for i := range c.cols {
		if want.has(c.cols[i].signal) {
			return true
		}
	}
	return false
}

// takeHot appends the rows that are not packed up to an hour.
func (w *walker) takeHot(ctx context.Context, last uint32, want signalSet, from, to sayso.Instant) error {
	for n := 0; w.hot.Valid(); w.hot.Next() {
		key := w.hot.Key()
		p, ok := parsePlace(key)
		if !ok {
			return fmt.Errorf("vault: a row of vehicle %d has a malformed key", w.own.vehicle)
		}
		if p.hour > last {
			return nil
		}
		if n++; n&255 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if w.source != nil && p.tag != w.tag {
			continue
		}
		sealed, err := w.hot.ValueAndErr()
		if err != nil {
			return err
		}
		if w.plain, err = w.r.open(w.plain[:0], sealed, key, w.own); errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return err
		}
		if w.source != nil {
			if source, ok := blockSource(w.plain); !ok || source != *w.source {
				continue
			}
		}
		if w.rows, err = decodeBlock(w.rows, w.plain, p.hour, p.seq, want, from, to); err != nil {
			return err
		}
	}
	return w.hot.Error()
}

// part gives a part of a chunk that has a row of its own. The bytes are good
// until the next call.
func (w *walker) part(ctx context.Context, c *chunk, part uint32) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := c.place
	p.part = part
	w.key = p.append(w.key[:0])
	it, err := w.partIter(ctx, part)
	if err != nil {
		return nil, err
	}
	// The next chunk of a walk is mostly the next row.
	found := it.Valid() && (bytes.Equal(it.Key(), w.key) || it.Next() && bytes.Equal(it.Key(), w.key))
	if !found && (!it.SeekGE(w.key) || !bytes.Equal(it.Key(), w.key)) {
		if err := it.Error(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("vault: a part of a chunk of vehicle %d is missing", w.own.vehicle)
	}
	sealed, err := it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	w.body, err = w.r.open(w.body[:0], sealed, w.key, w.own)
	return w.body, err
}

func (w *walker) partIter(ctx context.Context, part uint32) (*pebble.Iterator, error) {
	n := slices.IndexFunc(w.parts, func(p partIter) bool { return p.part == part })
	if n < 0 {
		n = len(w.parts)
		if n >= 64 { // and wide questions share iterators
			n = int(part) % 64
			w.parts[n].part, w.parts[n].used = part, false
		} else {
			w.parts = append(w.parts, partIter{part: part})
		}
	}
	p := &w.parts[n]
	if !p.used {
		lower := binary.BigEndian.AppendUint32(appendPrefix(make([]byte, 0, 20), kindPacked, w.own.vehicle, w.own.epoch), part)
		if err := w.r.bound(ctx, &p.it, lower, after(lower)); err != nil {
			return nil, err
		}
		p.used = true
	}
	return p.it, nil
}

// spans walks a view in the order of time, span by span: six hours where a chunk
// is, an hour where none is. f finds what is in the span with the walkers.
func (r *Reader) spans(ctx context.Context, view View, want signalSet, from, to sayso.Instant, bySignal bool, f func(ws []*walker, from, to sayso.Instant) (bool, error)) error {
	epochs := view.Epochs
	if len(epochs) > 1 {
		epochs = distinct(epochs)
	}
	for len(r.walkers) < len(epochs) {
		r.walkers = append(r.walkers, new(walker))
	}
	ws := r.walkers[:len(epochs)]
	for i, epoch := range epochs {
		if err := ws[i].begin(ctx, r, view, epoch, from, to); err != nil {
			return err
		}
	}
	for {
		bucket, h, packed, any := firstOf(ws)
		if !any {
			for _, w := range ws {
				if err := w.err(); err != nil {
					return err
				}
			}
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		start, end := startOf(h), startOf(h)+hour
		if packed {
			start = startOfBucket(bucket)
			end = start + bucketLen
		}
		start, end = max(start, from), min(end, to)
		some := false
		for _, w := range ws {
			if err := w.take(ctx, bucket, packed, end, want, from, to, bySignal); err != nil {
				return err
			}
			some = some || len(w.chunks) > 0 || len(w.rows) > 0
		}
		if !some {
			continue
		}
		if more, err := f(ws, start, end); err != nil || !more {
			return err
		}
	}
}

// firstOf gives the earliest bucket with a chunk, if packed, or else the earliest
// hour with rows.
func firstOf(ws []*walker) (bucket, h uint32, packed, any bool) {
	hot := false
	for _, w := range ws {
		b, x, p, q := w.next()
		if p && (!packed || b < bucket) {
			bucket, packed = b, true
		}
		if q && (!hot || x < h) {
			h, hot = x, true
		}
	}
	if hot && packed && startOf(h) < startOfBucket(bucket) {
		packed = false
	}
	return bucket, h, packed, packed || hot
}

// take reads what is in a span. Rows are ordered by signal and time, or by time
// and signal, without repetitions.
func (w *walker) take(ctx context.Context, bucket uint32, packed bool, end sayso.Instant, want signalSet, from, to sayso.Instant, bySignal bool) error {
	w.free = append(w.free, w.chunks...)
	w.chunks, w.rows = w.chunks[:0], w.rows[:0]
	if w.none {
		return nil
	}
	if packed {
		if err := w.takeChunks(bucket, want, from, to); err != nil {
			return err
		}
	}
	if err := w.takeHot(ctx, hourOf(end-1), want, from, to); err != nil {
		return err
	}
	if bySignal {
		w.rows = sortBySignal(w.rows)
	} else {
		w.rows = sortRows(w.rows)
	}
	return nil
}

// sortBySignal orders by signal and time and keeps the lowest sequence of each.
func sortBySignal(rows []Row) []Row {
	if len(rows) < 2 {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Signal, b.Signal), cmp.Compare(a.Time, b.Time), cmp.Compare(a.Seq, b.Seq))
	})
	return slices.CompactFunc(rows, func(a, b Row) bool { return a.Signal == b.Signal && a.Time == b.Time })
}

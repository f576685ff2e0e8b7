package vault

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// derived goes through the ownerships and derives latest values and roll-ups again
// from the readings.
func (b *rebuilding) derived() error {
	for _, view := range b.v.keys.owners() {
		for _, epoch := range view.Epochs {
			if err := b.owner(owner{view.Vehicle, epoch}); err != nil {
				return fmt.Errorf("vault: rebuilding vehicle %d: %w", view.Vehicle, err)
			}
		}
	}
	return nil
}

// signalSource is what a latest value is of.
type signalSource struct {
	signal sayso.SignalID
	source sayso.Address
}

// rederiving is one ownership.
type rederiving struct {
	*rebuilding
	own    owner
	latest latestRows
	gone   map[signalSource]sayso.Instant // the last time whose value has gone
}

// owner derives what there is of an ownership.
func (b *rebuilding) owner(own owner) (err error) {
	v := b.v
	v.packing.Lock()
	defer v.packing.Unlock()
	erased := v.erased.Load()
	b.r, b.batch, b.own, b.buckets = v.reader(), v.db.NewBatch(), owner{}, nil
	defer func() { err = errors.Join(err, b.r.close(), b.batch.Close()) }()
	if err := b.enter(own); err != nil {
		return err
	}
	d := &rederiving{rebuilding: b, own: own, gone: make(map[signalSource]sayso.Instant)}
	for _, step := range []func() error{d.packed, d.hot, d.compare} {
		if err := step(); err != nil {
			if errors.Is(err, errErased) {
				return nil
			}
			return err
		}
	}
	if err := b.packer.commit(b.batch, erased); err != nil {
		return err
	}
	v.forgetLatest(own)
	return nil
}

// packed goes through the chunks, and the rows that have lost theirs.
func (d *rederiving) packed() error {
	type id struct {
		bucket, tag uint32
		chunk       uint64
	}
	heads := make(map[id]bool)
	var buckets []uint32
	err := d.eachPacked(d.own, func(p place) error {
		of := id{p.bucket, p.tag, p.seq}
		switch {
		case p.part == partHeadOf:
			heads[of] = true
			if len(buckets) == 0 || buckets[len(buckets)-1] != p.bucket {
				buckets = append(buckets, p.bucket)
			}
		case !heads[of] && d.write:
			d.out.Rewritten++
			return d.batch.Delete(p.append(nil), nil)
		case !heads[of]:
			d.fault(Finding{Part: "rows", What: fmt.Sprintf("a column of packed readings, epoch %d, has no head", p.epoch), Vehicles: []uint64{p.vehicle}})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, bucket := range buckets {
		if err := d.chunks(d.own, bucket, d.chunk); err != nil {
			return err
		}
	}
	return nil
}

// chunk takes the latest values of a chunk and compares its counts and roll-ups.
func (d *rederiving) chunk(w *walker, c *chunk) error {
	t, err := w.table(d.ctx, c)
	if err != nil {
		return err
	}
	whole := true
	for i := range t.cols {
		col, have := &t.cols[i], &c.cols[i]
		if col.gone != nil {
			s := signalSource{have.signal, c.source}
			d.gone[s] = max(d.gone[s], have.last)
			continue
		}
		d.raise(t, col)
		whole = whole && have.n == len(col.rows) && int64(have.first) == t.times[col.rows[0]] && int64(have.last) == t.times[col.rows[len(col.rows)-1]] && sameRollups(t, col, have.rolled)
	}
	if whole {
		return nil
	}
	if !d.write {
		d.fault(Finding{Part: "derived", What: fmt.Sprintf("counts or roll-ups of packed readings, epoch %d, from %s are not those of their values", d.own.epoch, c.first.Time().Format("2006-01-02T15:04Z")), Vehicles: []uint64{d.own.vehicle}})
		return nil
	}
	d.out.Rewritten++
	if err := d.packer.remove(d.batch, c); err != nil {
		return err
	}
	return d.put(c, t)
}

// raise takes the latest value of a column.
func (d *rederiving) raise(t *table, col *tableColumn) {
	n := len(col.rows) - 1
	for ; n >= 0; n-- {
		if v := col.value(n); !absent(&v) {
			break
		}
	}
	for i := n; i >= 0 && t.times[col.rows[i]] == t.times[col.rows[n]]; i-- {
		row := col.rows[i]
		d.latest.raise(t.source, uint64(t.seqs[row]), []sayso.Reading{{Signal: col.signal, Time: sayso.Instant(t.times[row]), Value: col.value(i)}})
	}
}

// sameRollups compares roll-ups with the values.
func sameRollups(t *table, col *tableColumn, rolled []byte) bool {
	if rolled == nil {
		return true
	}
	var have, want [bucketHours]stat
	if rollups(rolled, &have) != nil || rollups(appendRollups(nil, t, col, col.encode()), &want) != nil {
		return false
	}
	for h := range want {
		a, b := have[h], want[h]
		if !near(a.sum, b.sum) {
			return false
		}
		if a.sum, b.sum = 0, 0; a != b {
			return false
		}
	}
	return true
}

// hot takes the latest values of what is not packed.
func (d *rederiving) hot() error {
	start := appendPrefix(nil, kindReadings, d.own.vehicle, d.own.epoch)
	it, err := d.r.snap.NewIterWithContext(d.ctx, &pebble.IterOptions{LowerBound: start, UpperBound: after(start)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		p, fine := parsePlace(it.Key())
		sealed, verr := it.ValueAndErr()
		if err = verr; err == nil && !fine {
			err = errShort
		}
		var plain []byte
		if err == nil {
			plain, err = d.r.open(nil, sealed, it.Key(), d.own)
		}
		if errors.Is(err, errErased) {
			err = nil
			continue
		}
		if err == nil {
			var source sayso.Address
			var rows []sayso.Reading
			if source, rows, err = readingsOf(plain, &p); err == nil {
				d.latest.raise(source, p.seq, rows)
			}
		}
	}
	return errors.Join(err, it.Error(), it.Close())
}

// compare compares the latest values, at the moment of the readings, and writes what
// differs. Values whose readings have gone stay.
func (d *rederiving) compare() error {
	key := appendPrefix(nil, kindLatest, d.own.vehicle, d.own.epoch)
	have, there, err := d.served(key)
	if err != nil {
		d.different("the latest values of epoch %d cannot be read: %s", d.own.epoch, firstLine(err))
		have.head = d.heads[d.own].head
	} else if have.head.number == 0 {
		have.head = d.heads[d.own].head
	}
	for _, r := range have.rows {
		if d.mayKeep(&r) {
			d.latest.raise(r.Source, r.Seq, []sayso.Reading{{Signal: r.Signal, Time: r.Time, Value: r.Value}})
		}
	}
	if err == nil {
		if slices.Equal(have.rows, d.latest) && (there || have.head.number == 0) {
			return nil
		}
		if d.tell(have.rows); !there {
			d.different("the latest values of epoch %d are missing", d.own.epoch)
		}
	}
	if !d.write {
		return nil
	}
	k, err := d.v.keys.current(d.own)
	if err != nil || k == nil {
		return err
	}
	d.out.Rewritten++
	return d.packer.set(d.batch, k, &place{kind: kindLatest, vehicle: d.own.vehicle, epoch: d.own.epoch}, appendLatest(nil, lately{d.latest, have.head}))
}

// served reads the latest values as they are in the rows.
func (d *rederiving) served(key []byte) (l lately, there bool, err error) {
	sealed, closer, err := d.r.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return l, false, nil
	}
	if err != nil {
		return l, false, err
	}
	plain, err := d.v.keys.open(nil, sealed, key, d.own)
	if err = errors.Join(err, closer.Close()); err != nil {
		return l, false, err
	}
	l, err = decodeLatest(plain, nil)
	return l, true, err
}

// mayKeep says whether the reading of a latest value may have gone with time.
func (d *rederiving) mayKeep(r *Row) bool {
	last, some := d.gone[signalSource{r.Signal, r.Source}]
	return r.Time < d.went.values || some && r.Time <= last
}

// tell tells of latest values that differ.
func (d *rederiving) tell(have latestRows) {
	for i := range d.latest {
		r := &d.latest[i]
		if n, ok := have.find(r); !ok || have[n] != *r {
			d.different("the latest value of signal %d, epoch %d, is not %+v", r.Signal, d.own.epoch, r)
		}
	}
	for i := range have {
		if _, ok := d.latest.find(&have[i]); !ok {
			d.different("the latest value of signal %d, epoch %d, comes from no reading", have[i].Signal, d.own.epoch)
		}
	}
}

// different is a finding about what is derived, unless it is mended.
func (d *rederiving) different(format string, a ...any) {
	if !d.write {
		d.fault(Finding{Part: "derived", What: fmt.Sprintf(format, a...), Vehicles: []uint64{d.own.vehicle}})
	}
}

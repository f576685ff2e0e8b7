package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// sealedKinds are the kinds whose values are sealed under vehicle and epoch.
var sealedKinds = dataKinds[:]

// seqSet are the commits whose idempotency keys were read, a bit for each sequence
// from one on up to another.
type seqSet struct {
	from, to uint64
	bits     []uint64
}

func (k *seqSet) set(seq uint64) {
	if seq < k.from || seq > k.to {
		return
	}
	n := seq - k.from
	for n>>6 >= uint64(len(k.bits)) {
		k.bits = append(k.bits, make([]uint64, min(n>>6+1, max(64, uint64(len(k.bits)))))...)
	}
	k.bits[n>>6] |= 1 << (n & 63)
}

// lacks says whether the key of a commit must have been read, and was not.
func (k *seqSet) lacks(seq uint64) bool {
	if seq < k.from || seq > k.to {
		return false
	}
	n := seq - k.from
	return n>>6 >= uint64(len(k.bits)) || k.bits[n>>6]>>(n&63)&1 == 0
}

// rows reads all rows of every kind, each kind on a snapshot of its own, so that
// none is held for the hours that a slow reading takes.
func (c *verifying) rows() error {
	c.known = seqSet{from: c.v.whole, to: c.v.seq.Load()}
	kinds := append(slices.Clone(sealedKinds), kindKey, kindMeta)
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		check := c.plainRow
		if slices.Contains(sealedKinds, kind) {
			check = c.sealedRow
		}
		if err := c.kind(kind, check); err != nil {
			return err
		}
	}
	return nil
}

// kind reads the rows of a kind. Where a block of them cannot be read, it goes on
// behind that block and tells between which rows it lies.
func (c *verifying) kind(kind byte, check func(key, value []byte)) error {
	end := after([]byte{kind})
	start, step := []byte{kind}, uint64(1)
	var broken *Finding
	for start != nil {
		last, err := c.walk(start, end, func(key, value []byte) {
			if broken != nil {
				broken.What += " to " + describe(key)
				c.fault(*broken)
				broken, step = nil, 1
			}
			check(key, value)
		})
		if err == nil {
			break
		}
		if c.ctx.Err() != nil || c.v.failure() != nil {
			return err
		}
		if last == nil {
			last = start
		}
		if broken == nil {
			broken = &Finding{Part: "rows", What: fmt.Sprintf("%s cannot be read (%s): from %s", kindNames[kind], firstLine(err), describe(last))}
		}
		start = c.skip(kind, last, &step, broken)
	}
	if broken != nil {
		broken.What += " to the end"
		c.fault(*broken)
	}
	return nil
}

// walk reads from a key on and answers the last key that it could read, and the
// error that ended it.
func (c *verifying) walk(start, end []byte, row func(key, value []byte)) (last []byte, err error) {
	snap := c.v.db.NewSnapshot()
	defer func() { err = errors.Join(err, snap.Close()) }()
	it, err := snap.NewIterWithContext(c.ctx, &pebble.IterOptions{LowerBound: start, UpperBound: end})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return last, err
		}
		row(it.Key(), value)
		last = append(last[:0], it.Key()...)
		c.out.Rows[kindNames[last[0]]]++
		if err := c.read(len(last) + len(value)); err != nil {
			return last, err
		}
	}
	return last, nil
}

// skip is where to go on behind rows that cannot be read: further on by steps that
// double, because whoever reads a damaged block pays for Pebble's search for the
// bit that turned. It notes whose rows are passed over.
func (c *verifying) skip(kind byte, last []byte, step *uint64, f *Finding) []byte {
	by := *step
	*step *= 2
	if !slices.Contains(sealedKinds, kind) {
		key := append(slices.Clone(last), make([]byte, 8)...)[:9]
		n := binary.BigEndian.Uint64(key[1:])
		if n > math.MaxUint64-by {
			return nil
		}
		binary.BigEndian.PutUint64(key[1:], n+by)
		return key
	}
	at := 0
	if len(last) >= prefixLen {
		own := owner{binary.BigEndian.Uint64(last[1:]), binary.BigEndian.Uint32(last[9:])}
		at, _ = slices.BinarySearchFunc(c.owners, own, compareOwners)
		f.note(own.vehicle)
	}
	for ; by > 0 && at < len(c.owners); by-- {
		f.note(c.owners[at].vehicle)
		at++
	}
	if at >= len(c.owners) {
		return nil
	}
	next := c.owners[at]
	return appendPrefix(nil, kind, next.vehicle, next.epoch)
}

// note adds a vehicle.
func (f *Finding) note(vehicle uint64) {
	if n := len(f.Vehicles); n < maxFindings && (n == 0 || f.Vehicles[n-1] != vehicle) {
		f.Vehicles = append(f.Vehicles, vehicle)
	}
}

// describe names a row by what its key says.
func describe(key []byte) string {
	p, ok := parsePlace(key)
	switch {
	case ok && p.kind == kindReadings:
		return fmt.Sprintf("vehicle %d epoch %d hour %s", p.vehicle, p.epoch, startOf(p.hour).Time().Format(time.RFC3339))
	case ok && p.time != 0:
		return fmt.Sprintf("vehicle %d epoch %d time %s", p.vehicle, p.epoch, p.time.Time().Format(time.RFC3339))
	case len(key) >= prefixLen && slices.Contains(sealedKinds, key[0]):
		return fmt.Sprintf("vehicle %d epoch %d", binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint32(key[9:]))
	case len(key) == 9 && key[0] == kindSeq:
		return fmt.Sprintf("sequence %d", binary.BigEndian.Uint64(key[1:]))
	case len(key) == 1:
		return "the beginning"
	}
	return fmt.Sprintf("key %x", key)
}

// sealedRow opens a row with its key.
func (c *verifying) sealedRow(key, value []byte) {
	if len(key) < prefixLen {
		c.fault(Finding{Part: "rows", What: fmt.Sprintf("a malformed key %x", key)})
		return
	}
	own := owner{binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint32(key[9:])}
	var err error
	c.plain, err = c.v.keys.open(c.plain[:0], value, key, own)
	switch {
	case errors.Is(err, errErased):
		c.out.Erased++
	case err != nil:
		c.fault(Finding{Part: "rows", What: fmt.Sprintf("%s, %s: %v", kindNames[key[0]], describe(key), err), Vehicles: []uint64{own.vehicle}})
	}
	if err != nil {
		c.plain = nil
	} else if key[0] == kindPacked {
		c.packedRow(key, c.plain)
	}
}

// plainRow judges the form of a row that is not sealed.
func (c *verifying) plainRow(key, value []byte) {
	if key[0] != kindKey {
		return
	}
	if len(key) != 17 || len(value) != 24 {
		c.fault(Finding{Part: "rows", What: "malformed: " + describe(key)})
		return
	}
	c.known.set(binary.BigEndian.Uint64(value))
}

// mayBeGone says whether the policy lets a cloud event of that time go.
func (v *Vault) mayBeGone(p *place) bool {
	if v.cfg.Retain.Messages == nil {
		return false
	}
	kept := v.cfg.Retain.Messages(p.vehicle)
	return kept > 0 && p.time < sayso.At(v.cfg.Clock.Now().Add(-kept))
}

// everErased says whether a key of an owner was destroyed.
func (r *keyring) everErased(o owner) bool {
	b, err := r.content()
	if err != nil {
		return true
	}
	for n := range len(b) / slotSize {
		if s, ok := decodeSlot(b[n*slotSize:][:slotSize]); ok && s.kind == slotErased && s.owner == o {
			return true
		}
	}
	return false
}

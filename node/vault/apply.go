package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// applying is the batch of one group: what Pebble and the cache get when all
// its records are in.
type applying struct {
	v       *Vault
	batch   *pebble.Batch
	rows    []row
	room    []byte // the rows' keys, and the values that are in no frame
	touched map[owner]*touchedLatest
	free    []*touchedLatest
	erased  map[owner][]uint32 // key slots to destroy
	keyed   []keyed
	key     []byte
	value   []byte
	plain   []byte
}

// row is what comes into the batch. No two of a group have the same key.
type row struct{ key, value []byte }

// touchedLatest are latest values that the group changes.
type touchedLatest struct {
	lately
	slot  uint32 // the key that seals them
	hot   int    // bytes of readings
	first uint32 // their first hour
	plain []byte // as written
}

func (v *Vault) newApplying() *applying {
	return &applying{v: v, touched: make(map[owner]*touchedLatest), erased: make(map[owner][]uint32)}
}

// begin starts a group.
func (a *applying) begin() {
	a.batch = a.v.db.NewBatch()
	a.room = a.room[:0]
	for _, t := range a.touched {
		a.free = append(a.free, t)
	}
	clear(a.touched)
	clear(a.erased)
	a.keyed = a.keyed[:0]
}

// set puts a row in. The value must stay as it is until the group is committed.
func (a *applying) set(key, value []byte) {
	a.rows = append(a.rows, row{a.copied(key), value})
}

// copied is a copy that stays until the next group.
func (a *applying) copied(b []byte) []byte {
	at := len(a.room)
	a.room = append(a.room, b...)
	return a.room[at:len(a.room):len(a.room)]
}

// sorted puts the rows so far into the batch in the order of their keys, in
// which Pebble finds the place of each near that of the one before.
func (a *applying) sorted() error {
	slices.SortFunc(a.rows, func(x, y row) int { return bytes.Compare(x.key, y.key) })
	for i := range a.rows {
		if err := a.batch.Set(a.rows[i].key, a.rows[i].value, nil); err != nil {
			return err
		}
	}
	clear(a.rows)
	a.rows = a.rows[:0]
	return nil
}

// add takes a record in. It is the same in normal work and in recovery; it
// depends on nothing but the record and what is applied already.
func (a *applying) add(rec *record) error {
	if rec.kind == frameErase {
		return a.erase(rec)
	}
	locator := binary.BigEndian.AppendUint64(a.value[:0], rec.vehicle)
	message := -1
	for i := range rec.parts {
		p := &rec.parts[i]
		if len(p.sealed) < sealOverhead {
			return errShort
		}
		locator = appendPart(locator, &p.place)
		p.slot = binary.LittleEndian.Uint32(p.sealed)
		if isMessage(p.kind) {
			message = i
		}
		if a.v.keys.destroyed(p.slot) {
			continue // its erasure follows in the log
		}
		if p.kind == kindReadings {
			if err := a.raise(p); err != nil {
				return err
			}
		}
		a.key = p.append(a.key[:0])
		a.set(a.key, p.sealed)
	}
	a.key = seqKey(a.key[:0], rec.seq)
	if rec.number == 0 { // of an earlier program, in recovery
		a.v.whole = max(a.v.whole, rec.seq+1)
	}
	if rec.number > 0 && message >= 0 {
		p := &rec.parts[message]
		locator = binary.BigEndian.AppendUint64(locator, rec.number)
		locator = binary.BigEndian.AppendUint32(locator, p.slot)
		if err := a.number(rec, p, locator); err != nil {
			return err
		}
	}
	a.set(a.key, a.copied(locator))
	a.keyed = append(a.keyed, keyed{rec.key, keptBody{rec.seq, rec.body}})
	a.key = idemKey(a.key[:0], rec.key)
	a.value = append(binary.BigEndian.AppendUint64(locator[:0], rec.seq), rec.body[:]...)
	a.set(a.key, a.copied(a.value))
	return nil
}

// touch gives what is held of the owner of a part, to be changed.
func (a *applying) touch(p *part) (*touchedLatest, error) {
	own := owner{p.vehicle, p.epoch}
	t := a.touched[own]
	if t == nil {
		t = a.untouched()
		if _, gone := a.erased[own]; !gone {
			var err error
			if a.plain, err = a.v.latestPlain(a.plain[:0], own); err != nil && !errors.Is(err, errErased) {
				return nil, err
			}
			if err == nil && len(a.plain) > 0 {
				if t.lately, err = decodeLatest(a.plain, t.rows); err != nil {
					return nil, err
				}
			}
		}
		a.touched[own] = t
	}
	t.slot = p.slot
	return t, nil
}

// untouched is one of which nothing is known, made of one that is not needed any
// more.
func (a *applying) untouched() *touchedLatest {
	n := len(a.free) - 1
	if n < 0 {
		return new(touchedLatest)
	}
	t := a.free[n]
	a.free = a.free[:n]
	clear(t.rows) // of texts
	*t = touchedLatest{lately: lately{rows: t.rows[:0]}}
	return t
}

// number takes the row of a commit, whose key is at hand, into the head of the
// owner of its cloud event.
func (a *applying) number(rec *record, message *part, row []byte) error {
	if a.v.keys.destroyed(message.slot) {
		return nil
	}
	t, err := a.touch(message)
	if err != nil {
		return err
	}
	if rec.number != t.head.number+1 {
		return lossOf(rec.seq, rec.seq, "sequence %d is number %d of vehicle %d, ownership %d, and follows number %d", rec.seq, rec.number, message.vehicle, message.epoch, t.head.number)
	}
	t.head = t.head.follow(a.key, row)
	return nil
}

// raise takes the readings of a part into the latest values.
func (a *applying) raise(p *part) error {
	t, err := a.touch(p)
	if err != nil {
		return err
	}
	own := owner{p.vehicle, p.epoch}
	if t.hot == 0 || p.hour < t.first {
		t.first = p.hour
	}
	t.hot += len(p.sealed)
	if p.rows == nil {
		a.key = p.append(a.key[:0])
		plain, err := a.v.keys.open(nil, p.sealed, a.key, own)
		if err != nil {
			return err
		}
		if p.source, p.rows, err = readingsOf(plain, &p.place); err != nil {
			return err
		}
	}
	t.rows.raise(p.source, p.seq, p.rows)
	return nil
}

// erase forgets what the group and the engine have of an owner. Its row says that
// the sequence is an erasure.
func (a *applying) erase(rec *record) error {
	a.value = binary.BigEndian.AppendUint64(a.value[:0], rec.vehicle)
	a.value = appendPart(a.value, &place{kind: kindErasure, epoch: rec.epoch})
	a.key = seqKey(a.key[:0], rec.seq)
	a.set(a.key, a.copied(a.value))
	if err := a.sorted(); err != nil {
		return err
	}
	delete(a.touched, rec.owner)
	a.erased[rec.owner] = append(a.erased[rec.owner], rec.slots...)
	for _, kind := range dataKinds {
		start := appendPrefix(nil, kind, rec.vehicle, rec.epoch)
		if err := a.batch.DeleteRange(start, after(start), nil); err != nil {
			return err
		}
	}
	return nil
}

// commit destroys the keys of the erased, puts the batch in with the position
// it belongs to, and publishes the latest values.
func (a *applying) commit(at position) error {
	for own, slots := range a.erased {
		if err := a.v.keys.destroy(own, slots); err != nil {
			return err
		}
	}
	for own, t := range a.touched {
		p := place{kind: kindLatest, vehicle: own.vehicle, epoch: own.epoch}
		a.key = p.append(a.key[:0])
		a.value = appendLatest(append(a.value[:0], make([]byte, sealHead)...), t.lately)
		t.plain = a.copied(a.value[sealHead:])
		a.value = append(a.value, make([]byte, sealTail)...)
		k, err := a.v.keys.bySlot(t.slot)
		if err != nil {
			return err
		}
		if err := a.v.keys.seal(k, a.value, a.key); err != nil {
			return err
		}
		a.set(a.key, a.copied(a.value))
	}
	if err := a.sorted(); err != nil {
		return err
	}
	a.value = encodeApplied(a.value[:0], at)
	if err := a.batch.Set(metaApplied, a.value, nil); err != nil {
		return err
	}
	if err := a.put(); err != nil {
		return fmt.Errorf("vault: applying sequence %d: %w", at.seq, err)
	}
	a.v.recent.add(a.keyed)
	for own := range a.erased {
		a.v.forgetLatest(own)
		select {
		case a.v.purges <- own:
		default: // Pebble drops what a range deletion covers by itself, later
		}
	}
	for own, t := range a.touched {
		a.v.shelf.put(own, t.plain)
		a.v.latest.drop(own) // after it: who decodes what was there before cannot keep it
		if t.hot > 0 {
			a.v.hot.note(own, t.hot, t.first)
		}
	}
	return a.batch.Close()
}

// put makes the batch visible. No chunk goes in at the same time as an erasure:
// one that was made of what is erased must not follow it.
func (a *applying) put() error {
	if len(a.erased) == 0 {
		return a.batch.Commit(pebble.NoSync)
	}
	a.v.erasing.Lock()
	defer a.v.erasing.Unlock()
	defer a.v.erased.Add(1)
	return a.batch.Commit(pebble.NoSync)
}

func encodeApplied(b []byte, p position) []byte {
	b = binary.BigEndian.AppendUint64(b, p.seq)
	b = binary.BigEndian.AppendUint64(b, p.group)
	return append(b, p.link[:]...)
}

func decodeApplied(b []byte) (p position, err error) {
	if len(b) != 48 {
		return p, errShort
	}
	p.seq, p.group = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	copy(p.link[:], b[16:])
	return p, nil
}

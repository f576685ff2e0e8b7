package vault

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// judging is what a verification knows of the commits: every sequence has a row,
// the commits under a key are numbered without a gap up to the head, and every
// part of them is there. Parts are looked for by vehicle, some commits at a time.
type judging struct {
	*verifying
	at     uint64 // the last sequence
	slots  []judgedSlot
	parts  []judgedPart
	gaps   []Finding
	broken []Finding // of vehicles, by which the gaps are named
}

// judgedSlot is how far the commits under a key are read.
type judgedSlot struct {
	head
	seq    uint64 // of the last
	owner  owner
	broken bool // told
	headed bool // the head was seen
}

// judgedPart is a part to be looked for, and the key of the commit's cloud event.
type judgedPart struct {
	place
	slot     uint32
	numbered bool
	own      bool // sealed with that key
}

// judgedAtOnce is how many parts are looked for at a time.
const judgedAtOnce = 1 << 16

// commits reads the rows of all commits and judges them.
func (c *verifying) commits() error {
	j := &judging{verifying: c, at: c.v.whole - 1}
	var trouble error
	row := func(key, value []byte) {
		if err := j.row(key, value); err != nil {
			trouble = errors.Join(trouble, err)
		}
	}
	err := c.kind(kindSeq, row)
	if err = errors.Join(err, trouble, j.find()); err != nil {
		return err
	}
	return j.heads(row)
}

// row judges the row of a commit.
func (j *judging) row(key, value []byte) error {
	var c commit
	if err := c.parse(key, value); err != nil {
		j.fault(Finding{Part: "rows", What: "malformed: " + describe(key)})
		return nil
	}
	j.gap(c.seq - 1)
	j.at = max(j.at, c.seq)
	m, some := c.message()
	switch {
	case c.number > 0 && some:
		if j.number(&c, &m, key, value); j.known.lacks(c.seq) {
			j.fault(Finding{Part: "rows", What: fmt.Sprintf("the idempotency key of the commit of vehicle %d is missing", c.vehicle), From: c.seq, To: c.seq, Vehicles: []uint64{c.vehicle}})
		}
	case len(c.parts) == 1 && c.parts[0].kind == kindErasure:
		return nil
	case c.seq >= j.v.whole || !some:
		j.fault(Finding{Part: "rows", What: fmt.Sprintf("the commit of vehicle %d has no number", c.vehicle), From: c.seq, To: c.seq, Vehicles: []uint64{c.vehicle}})
		return nil
	}
	for _, p := range c.parts {
		if c.number > 0 || isMessage(p.kind) {
			j.parts = append(j.parts, judgedPart{p, c.slot, c.number > 0, p.epoch == m.epoch})
		}
	}
	if len(j.parts) >= judgedAtOnce {
		return j.find()
	}
	return nil
}

// gap notes that the sequences behind the last one up to another have no rows.
func (j *judging) gap(to uint64) {
	if from := j.at + 1; from <= to && to < 1<<63 && len(j.gaps) < maxFindings {
		j.gaps = append(j.gaps, Finding{Part: "rows", What: "commits are missing", From: from, To: to})
	}
}

// slot is what is known of a key.
func (j *judging) slot(n uint32, own owner) *judgedSlot {
	for int(n) >= len(j.slots) {
		j.slots = append(j.slots, make([]judgedSlot, max(64, len(j.slots)/4))...)
	}
	s := &j.slots[n]
	if s.owner == (owner{}) {
		s.owner = own
	}
	return s
}

// number judges the number of a commit.
func (j *judging) number(c *commit, m *place, key, value []byte) {
	own := owner{c.vehicle, m.epoch}
	if c.slot >= j.v.keys.slots() {
		j.lost(own, fmt.Sprintf("the commit names slot %d of the key file, which is not there", c.slot), c.seq, c.seq)
		return
	}
	s := j.slot(c.slot, own)
	want := s.head.number + 1
	switch {
	case s.owner != own:
		j.lost(own, fmt.Sprintf("the commit is under a key of vehicle %d, ownership %d", s.owner.vehicle, s.owner.epoch), c.seq, c.seq)
		return
	case c.number > want:
		j.lost(own, fmt.Sprintf("numbers %d to %d of vehicle %d, ownership %d, are missing", want, c.number-1, own.vehicle, own.epoch), s.seq+1, c.seq-1)
		s.broken = true
	case c.number < want:
		j.lost(own, fmt.Sprintf("number %d of vehicle %d, ownership %d, occurs again behind number %d", c.number, own.vehicle, own.epoch, want-1), c.seq, c.seq)
		s.broken = true
		return
	}
	s.head, s.seq = s.head.follow(key, value), c.seq
	s.head.number = c.number
}

// lost is a finding about the commits of an ownership.
func (j *judging) lost(own owner, what string, from, to uint64) {
	f := Finding{Part: "rows", What: what, From: from, To: to, Vehicles: []uint64{own.vehicle}}
	j.broken = append(j.broken, f)
	j.fault(f)
}

// heads compares the commits with the heads that are sealed with the latest
// values, at one moment.
func (j *judging) heads(row func(key, value []byte)) (err error) {
	snap := j.v.db.NewSnapshot()
	defer func() { err = errors.Join(err, snap.Close()) }()
	it, err := snap.NewIterWithContext(j.ctx, &pebble.IterOptions{LowerBound: seqKey(nil, j.at+1), UpperBound: after([]byte{kindSeq})})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		row(it.Key(), it.Value())
	}
	_ = it.Error() // what cannot be read is a gap
	if err := errors.Join(it.Close(), j.find(), j.end(snap)); err != nil {
		return err
	}
	it, err = snap.NewIterWithContext(j.ctx, &pebble.IterOptions{LowerBound: []byte{kindLatest}, UpperBound: after([]byte{kindLatest})})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		j.head(it.Key(), it.Value())
	}
	unread := it.Error() != nil // and named already
	if err := it.Close(); err != nil && !unread {
		return err
	}
	for n := range j.slots {
		if s := &j.slots[n]; s.number > 0 && !s.headed && !s.broken && !unread && !j.v.keys.destroyed(uint32(n)) {
			j.lost(s.owner, fmt.Sprintf("the latest values of vehicle %d, ownership %d, and how far its commits are numbered, are missing", s.owner.vehicle, s.owner.epoch), s.seq, s.seq)
		}
	}
	return j.name()
}

// end looks whether the commits go on up to the last one.
func (j *judging) end(snap *pebble.Snapshot) error {
	p, err := appliedIn(snap)
	if err != nil || p.seq == 0 {
		return err
	}
	j.gap(p.seq)
	j.at = max(j.at, p.seq)
	return nil
}

// head compares a head with what was read.
func (j *judging) head(key, value []byte) {
	if len(key) != prefixLen || len(value) < sealOverhead {
		return
	}
	own := owner{binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint32(key[9:])}
	plain, err := j.v.keys.open(nil, value, key, own)
	if err != nil { // erased, or named already
		if n := binary.LittleEndian.Uint32(value); n < j.v.keys.slots() {
			j.slot(n, own).headed = true
		}
		return
	}
	l, err := decodeLatest(plain, nil)
	if err != nil {
		j.lost(own, fmt.Sprintf("the latest values of vehicle %d, ownership %d, cannot be read", own.vehicle, own.epoch), 0, 0)
		return
	}
	s := j.slot(binary.LittleEndian.Uint32(value), own)
	s.headed = true
	switch {
	case s.broken:
	case s.number < l.head.number:
		j.lost(own, fmt.Sprintf("numbers %d to %d of vehicle %d, ownership %d, are missing", s.number+1, l.head.number, own.vehicle, own.epoch), s.seq+1, j.at)
	case s.number > l.head.number:
		j.lost(own, fmt.Sprintf("the commits of vehicle %d, ownership %d, are numbered to %d, the head of them to %d", own.vehicle, own.epoch, s.number, l.head.number), s.seq, s.seq)
	case s.link != l.head.link:
		j.lost(own, fmt.Sprintf("the rows of the commits of vehicle %d, ownership %d, are not those that were written", own.vehicle, own.epoch), 1, s.seq)
	}
}

// name tells of the gaps, with the vehicles that miss something there; if none
// does, with those that have a key and no commits.
func (j *judging) name() error {
	if len(j.gaps) == 0 {
		return nil
	}
	var none []uint64
	for _, own := range j.owners {
		k, err := j.v.keys.current(own)
		if err == nil && k != nil && own != house && (int(k.slot) >= len(j.slots) || j.slots[k.slot].number == 0) {
			none = append(none, own.vehicle)
		}
	}
	for _, f := range j.gaps {
		for _, b := range j.broken {
			if b.From <= f.To && b.To >= f.From && !slices.Contains(f.Vehicles, b.Vehicles[0]) {
				f.note(b.Vehicles[0])
			}
		}
		if len(f.Vehicles) == 0 {
			f.Vehicles = slices.Compact(none)
		}
		j.fault(f)
	}
	return nil
}

// find looks for the parts that were read, by vehicle, at one moment.
func (j *judging) find() (err error) {
	if len(j.parts) == 0 {
		return j.ctx.Err()
	}
	slices.SortFunc(j.parts, func(a, b judgedPart) int {
		return cmp.Or(cmp.Compare(a.vehicle, b.vehicle), cmp.Compare(a.epoch, b.epoch), cmp.Compare(a.kind, b.kind), cmp.Compare(a.hour, b.hour), cmp.Compare(a.seq, b.seq))
	})
	r := j.v.reader()
	defer func() { err = errors.Join(err, r.close()) }()
	look := &looking{judging: j, r: r}
	for i := range j.parts {
		if err := look.part(&j.parts[i]); err != nil {
			return err
		}
		if i&1023 == 0 && j.ctx.Err() != nil {
			return j.ctx.Err()
		}
	}
	look.tell()
	j.parts = j.parts[:0]
	return nil
}

// looking looks for parts on a snapshot.
type looking struct {
	*judging
	r      *Reader
	own    owner
	went   went
	bucket uint32
	opened bool // the chunks of the bucket are in held
	held   packedParts
	lost   Finding // of readings, in the bucket
	count  int
}

// part looks for one part.
func (l *looking) part(p *judgedPart) error {
	if own := (owner{p.vehicle, p.epoch}); own != l.own {
		l.tell()
		var err error
		if l.went, err = l.v.wentOf(l.r.snap, own); err != nil {
			l.fault(Finding{Part: "rows", What: fmt.Sprintf("what went with time of vehicle %d, ownership %d: %v", own.vehicle, own.epoch, firstLine(err)), Vehicles: []uint64{own.vehicle}})
		}
		l.own, l.opened = own, false
	}
	there, err := l.r.has(p.place.append(nil))
	if there || err != nil { // what cannot be read is named where rows are read
		return nil
	}
	if p.kind == kindReadings && !l.went.has(&p.place) {
		return l.packed(p)
	}
	if l.mayMiss(p) {
		return nil
	}
	what := "cloud event"
	if p.kind == kindEvent {
		what = "event"
	}
	l.fault(Finding{Part: "rows", What: fmt.Sprintf("the %s of %s, epoch %d, is missing", what, p.time.Time().Format(time.RFC3339), p.epoch), From: p.seq, To: p.seq, Vehicles: []uint64{p.vehicle}})
	return nil
}

// mayMiss says whether a part is rightly not there.
func (l *looking) mayMiss(p *judgedPart) bool {
	own := owner{p.vehicle, p.epoch}
	switch {
	case l.went.has(&p.place):
		return true
	case p.numbered && p.own:
		return l.v.keys.destroyed(p.slot)
	case p.numbered:
		return l.erased[own] || l.v.keys.everErased(own)
	}
	return l.erased[own] || l.v.mayBeGone(&p.place) || l.v.keys.everErased(own)
}

// packed looks for readings among the chunks.
func (l *looking) packed(p *judgedPart) error {
	if b := bucketOf(startOf(p.hour)); !l.opened || b != l.bucket {
		l.tell()
		l.bucket, l.opened = b, true
		if err := l.held.open(l.ctx, l.r, l.own, b); err != nil {
			if l.ctx.Err() != nil {
				return err
			}
			l.fault(Finding{Part: "rows", What: fmt.Sprintf("packed readings of vehicle %d, ownership %d, six hours from %s: %s", l.own.vehicle, l.own.epoch, startOfBucket(b).Time().Format(time.RFC3339), firstLine(err)), Vehicles: []uint64{l.own.vehicle}})
		}
	}
	if l.held.has(&p.place) || l.mayMiss(p) {
		return nil
	}
	if l.count++; l.count == 1 {
		l.lost = Finding{Part: "rows", From: p.seq, To: p.seq, Vehicles: []uint64{p.vehicle}}
	}
	l.lost.From, l.lost.To = min(l.lost.From, p.seq), max(l.lost.To, p.seq)
	return nil
}

// tell tells of the readings that are missing in a bucket.
func (l *looking) tell() {
	if l.count > 0 {
		l.lost.What = fmt.Sprintf("the readings of %d hours of commits are missing, epoch %d, in the six hours from %s", l.count, l.own.epoch, startOfBucket(l.bucket).Time().Format(time.RFC3339))
		l.fault(l.lost)
	}
	l.count, l.lost = 0, Finding{}
}

// has says whether there is a row.
func (r *Reader) has(key []byte) (bool, error) {
	_, closer, err := r.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, closer.Close()
}

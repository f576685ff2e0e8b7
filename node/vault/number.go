package vault

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// head says how far the commits of an ownership are numbered: from 1 under each
// of its keys, in the order of the log. link is half of the SHA-256 of the link
// before it and the row of the commit. The head is sealed with the latest values,
// so that nobody who has only the disk can take a commit out, put one in or
// change its row without breaking the numbers or the link.
type head struct {
	number uint64
	link   [16]byte
}

// follow is the head behind one more commit, whose row is key and value.
func (h head) follow(key, value []byte) head {
	var room [256]byte
	b := append(append(append(room[:0], h.link[:]...), key...), value...)
	sum := sha256.Sum256(b)
	return head{h.number + 1, [16]byte(sum[:16])}
}

// numbered is the highest number that was given under each key, by its slot, plus
// one; 0 where that is not known. It is the writer's.
type numbered []uint64

// number numbers one more commit under a key. Of keys that were there before this
// opening the rows know how far they are.
func (r *keyring) number(k *dataKey) (uint64, error) {
	for int(k.slot) >= len(r.numbers) {
		r.numbers = append(r.numbers, make([]uint64, max(64, len(r.numbers)/8))...)
	}
	n := &r.numbers[k.slot]
	if *n == 0 {
		if *n = 1; k.slot < r.opening {
			last, err := r.numberedTo(k.owner)
			if err != nil {
				return 0, err
			}
			*n += last
		}
	}
	*n++
	return *n - 1, nil
}

// numberedTo is how far the commits of an ownership are numbered in the rows.
func (v *Vault) numberedTo(own owner) (uint64, error) {
	l, err := v.latestOf(own)
	return l.head.number, err
}

// commit is the row of a commit: where its parts are, the key that sealed its
// cloud event, and its number under that key. Commits that earlier programs kept
// have no number; an erasure has one part that says what it erased.
type commit struct {
	seq     uint64
	vehicle uint64
	parts   []place
	number  uint64
	slot    uint32
}

// commitTail is the length of number and slot.
const commitTail = 8 + 4

// appendPart appends a part to the row of a commit.
func appendPart(b []byte, p *place) []byte {
	b = append(b, p.kind)
	b = binary.BigEndian.AppendUint32(b, p.epoch)
	return binary.BigEndian.AppendUint64(b, p.where())
}

// partLen is the length of a part in the row of a commit.
const partLen = 1 + 4 + 8

// parse reads the row of a commit, reusing its slice.
func (c *commit) parse(key, value []byte) error {
	tail := (len(value) - 8) % partLen
	if len(key) != 9 || len(value) < 8 || tail != 0 && tail != commitTail {
		return fmt.Errorf("vault: malformed locator: %w", errShort)
	}
	*c = commit{seq: binary.BigEndian.Uint64(key[1:]), vehicle: binary.BigEndian.Uint64(value), parts: c.parts[:0]}
	b := value[8 : len(value)-tail]
	events := uint16(0)
	for ; len(b) > 0; b = b[partLen:] {
		p := place{kind: b[0], vehicle: c.vehicle, epoch: binary.BigEndian.Uint32(b[1:]), seq: c.seq}
		if p.setWhere(binary.BigEndian.Uint64(b[5:])); p.kind == kindEvent {
			p.index = events
			events++
		}
		c.parts = append(c.parts, p)
	}
	if tail > 0 {
		b = value[len(value)-tail:]
		c.number, c.slot = binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])
	}
	return nil
}

// isMessage says whether a kind of rows is of cloud events.
func isMessage(kind byte) bool {
	return kind == kindCloudEvent || kind == kindStatement || kind == kindTombstone
}

// message is the part that is the cloud event.
func (c *commit) message() (p place, ok bool) {
	for _, p := range c.parts {
		if isMessage(p.kind) {
			return p, true
		}
	}
	return p, false
}

// lately is what is held decoded of an ownership.
type lately struct {
	rows latestRows
	head head
}

func (l lately) weight() int { return l.rows.weight() }

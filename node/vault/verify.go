package vault

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// Finding is something that is missing or altered.
type Finding struct {
	Part     string   `json:"part"` // log, keys, checkpoint, rows
	What     string   `json:"what"` // with the exact place
	From     uint64   `json:"fromSequence,omitempty"`
	To       uint64   `json:"toSequence,omitempty"`
	Vehicles []uint64 `json:"vehicles,omitempty"` // whose data it concerns, as far as that can be told
}

// String is a finding in one line.
func (f *Finding) String() string {
	s := f.Part + ": " + f.What
	if f.To > 0 {
		s += fmt.Sprintf("; sequences %d to %d", f.From, f.To)
	}
	if len(f.Vehicles) > 0 {
		s += fmt.Sprintf("; vehicles %v", f.Vehicles)
	}
	return s
}

// firstLine is what an error says before it goes into details.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// Verified is what [Vault.Verify] has read.
type Verified struct {
	Sequence uint64            `json:"sequence"` // up to which it was read
	Segments int               `json:"logSegments"`
	Groups   uint64            `json:"logGroups"`
	Records  uint64            `json:"logRecords"`
	Keys     int               `json:"keySlots"`
	Rows     map[string]uint64 `json:"rows"`   // by kind
	Bytes    uint64            `json:"bytes"`  // of rows and log
	Erased   uint64            `json:"erased"` // rows whose key is destroyed
	Faults   uint64            `json:"faults"` // all of them, also those that are not listed
	Findings []Finding         `json:"findings,omitempty"`
}

// maxFindings is how many findings are listed, and vehicles of one.
const maxFindings = 1000

// kindNames are the kinds of rows as figures name them.
var kindNames = map[byte]string{
	kindReadings: "readings", kindPacked: "packed", kindCloudEvent: "cloudEvents", kindStatement: "statements", kindTombstone: "tombstones", kindEvent: "events",
	kindLatest: "latest", kindWent: "wentWithTime", kindKey: "idempotencyKeys", kindSeq: "commits", kindMeta: "meta",
}

// Verify reads everything that is kept: the chain of the log, the checkpoint, the
// slots of the key file, and every row, each opened with its key; it looks whether
// the commits of every ownership are numbered without a gap up to its head, and
// whether all that they brought is there, packed or not. It reads at most rate bytes in a second
// (0: as fast as it can) and calls tell, if given, with how many bytes it has
// read. What is missing or altered is no error but a finding.
func (v *Vault) Verify(ctx context.Context, rate int64, tell func(read uint64)) (Verified, error) {
	const op = "vault.Verify"
	if err := v.enterCall(ctx, op); err != nil {
		return Verified{}, err
	}
	defer v.leaveCall()
	c := &verifying{v: v, ctx: ctx, rate: rate, tell: tell, out: Verified{Rows: make(map[string]uint64)}}
	for _, step := range []func() error{c.checkpoint, c.keys, c.log, c.rows, c.commits} {
		if err := step(); err != nil {
			if cause := ctx.Err(); cause != nil {
				err = cancelled(op, cause)
			}
			return c.out, err
		}
	}
	v.know(c.out.Findings)
	return c.out, nil
}

// verifying is one verification.
type verifying struct {
	v      *Vault
	ctx    context.Context
	rate   int64
	tell   func(uint64)
	paced  uint64
	out    Verified
	owners []owner // that have or had a key, ascending
	erased map[owner]bool
	plain  []byte
	known  seqSet
}

func (c *verifying) fault(f Finding) {
	c.out.Faults++
	if len(c.out.Findings) < maxFindings {
		c.out.Findings = append(c.out.Findings, f)
	}
}

// read counts bytes, tells of them and slows down.
func (c *verifying) read(bytes int) error {
	c.out.Bytes += uint64(bytes)
	const step = 1 << 20
	if c.out.Bytes < c.paced+step {
		return nil
	}
	n := c.out.Bytes - c.paced
	c.paced = c.out.Bytes
	if c.tell != nil {
		c.tell(c.out.Bytes)
	}
	if c.rate <= 0 {
		return c.ctx.Err()
	}
	wait := time.NewTimer(time.Duration(float64(n) / float64(c.rate) * float64(time.Second)))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-c.v.leaving:
		return sayso.Fail(sayso.Busy, "vault.Verify", "the vault closes")
	}
}

// checkpoint looks for a valid slot.
func (c *verifying) checkpoint() error {
	f, err := c.v.cfg.FS.Open(c.v.cfg.FS.PathJoin(c.v.cfg.Dir, "checkpoint"))
	if err != nil {
		c.fault(Finding{Part: "checkpoint", What: err.Error()})
		return nil
	}
	b, err := readAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		c.fault(Finding{Part: "checkpoint", What: err.Error()})
		return nil
	}
	valid := 0
	for at := 0; at+checkpointSize <= len(b); at += checkpointSlot {
		if _, ok := decodeCheckpoint(b[at:]); ok {
			valid++
		}
	}
	if valid == 0 {
		c.fault(Finding{Part: "checkpoint", What: "neither slot is valid"})
	}
	return nil
}

// keys reads every slot of the key file and unwraps every key.
func (c *verifying) keys() error {
	r := c.v.keys
	b, err := r.content()
	if err != nil {
		return err
	}
	c.erased = make(map[owner]bool)
	seen := make(map[owner]bool)
	c.out.Keys = len(b) / slotSize
	for n := range c.out.Keys {
		s, ok := decodeSlot(b[n*slotSize:][:slotSize])
		if !ok {
			c.fault(Finding{Part: "keys", What: fmt.Sprintf("slot %d of the key file is damaged", n), Vehicles: r.vehiclesOf(uint32(n))})
			continue
		}
		switch s.kind {
		case slotErased:
			c.erased[s.owner], seen[s.owner] = true, true
		case slotKey:
			seen[s.owner] = true
			if _, err := r.root.Unwrap(s.body, r.slotAD(uint32(n), s.owner)); err != nil {
				c.fault(Finding{Part: "keys", What: fmt.Sprintf("the key in slot %d, epoch %d, does not unwrap", n, s.owner.epoch), Vehicles: []uint64{s.owner.vehicle}})
			}
		}
		if err := c.read(slotSize); err != nil {
			return err
		}
	}
	for o := range seen {
		c.owners = append(c.owners, o)
	}
	slices.SortFunc(c.owners, compareOwners)
	return nil
}

func compareOwners(a, b owner) int {
	return cmp.Or(cmp.Compare(a.vehicle, b.vehicle), cmp.Compare(a.epoch, b.epoch))
}

// vehiclesOf is whose key is in a slot, as far as memory knows it.
func (r *keyring) vehiclesOf(n uint32) (list []uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for o, slot := range r.live {
		if slot == n {
			list = append(list, o.vehicle)
		}
	}
	return list
}

// log walks the chain from the first segment to where the log ended when the
// walk began.
func (c *verifying) log() error {
	v := c.v
	v.trimming.Lock()
	defer v.trimming.Unlock()
	end := *v.end.Load()
	var p position
	first := v.journal.first(end.segment)
	for n := first; n <= end.segment; n++ {
		b, err := v.journal.content(n)
		if err != nil {
			c.inLog(err.Error(), p.seq+1, end.seq)
			return c.ctx.Err()
		}
		at, to, err := walkSegment(b, n, end.group, func(g *group) {
			c.out.Groups++
			c.out.Records += uint64(len(g.records))
		})
		c.out.Segments++
		last := v.journal.lastOf(n, end)
		switch {
		case err != nil:
			c.inLog(err.Error(), p.seq+1, last)
		case n > first && headOf(b) != p:
			c.inLog(fmt.Sprintf("segment %d does not follow the one before it", n), p.seq+1, last)
		case to.seq != last || n == end.segment && to != end.position:
			c.inLog(fmt.Sprintf("segment %d is damaged from byte %d on", n, at), to.seq+1, last)
		}
		p = to
		if err := c.read(len(b)); err != nil {
			return err
		}
	}
	c.out.Sequence = end.seq
	return nil
}

// inLog is a finding about a range of sequences.
func (c *verifying) inLog(what string, from, to uint64) {
	c.fault(Finding{Part: "log", What: what, From: from, To: to, Vehicles: c.vehicles(from, to)})
}

// headOf is where a segment begins; nowhere if its head is damaged.
func headOf(b []byte) position {
	_, p, _ := decodeHead(b)
	return p
}

// first is the oldest segment on disk that is known.
func (j *journal) first(active uint64) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.closed {
		if s.lastSeq > 0 {
			return s.number
		}
	}
	return active
}

// lastOf is the last sequence of a segment.
func (j *journal) lastOf(n uint64, end logEnd) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.closed {
		if s.number == n {
			return s.lastSeq
		}
	}
	return end.seq
}

// vehicles are those that committed something under a range of sequences.
func (c *verifying) vehicles(from, to uint64) (list []uint64) {
	it, err := c.v.db.NewIter(&pebble.IterOptions{LowerBound: seqKey(nil, from), UpperBound: after(seqKey(nil, to))})
	if err != nil {
		return nil
	}
	defer it.Close()
	seen := make(map[uint64]bool)
	for ok := it.First(); ok && len(seen) < maxFindings; ok = it.Next() {
		if b, err := it.ValueAndErr(); err == nil && len(b) >= 8 {
			seen[binary.BigEndian.Uint64(b)] = true
		}
	}
	for n := range seen {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}

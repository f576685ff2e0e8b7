package vault

import (
	"context"
	"sync"
	"time"

	"sayso/internal/cores"
)

// An acknowledgement needs the log alone. The rows follow: what was kept goes in
// together with what is kept within a moment, since a large batch costs less per
// record than many small ones, and of the latest values of a vehicle only the
// last are written. Whoever reads of it in between has the moment end, and waits. What is
// acknowledged only when it is in the rows has it end as well: erasures, and all
// that comes while the rows cannot be written in time.
const (
	applyAfter   = 5 * time.Millisecond // the moment
	applyRecords = 512
	groupsAhead  = 8 // groups that may be kept while others go into the rows

	// So many layers of flushed rows begin a compaction, and at so many Pebble takes
	// nothing in.
	mergeLevels = 8
	stopLevels  = 40
)

// show hands a group on to the rows.
func (v *Vault) show(g groupOut) {
	v.ahead.Add(int64(g.bytes))
	v.groups <- g
}

// flows says whether a group of so many bytes will come into the rows in any case,
// so that it can be acknowledged before: what is ahead of the rows fits into their
// write buffers, even if none can be written to a full disk. It belongs to write.
func (v *Vault) flows(bytes int) bool {
	buffer := v.cfg.MemTableBytes
	most := (v.cfg.buffers() - 2) * buffer
	if v.unseen += uint64(bytes); v.unseen > buffer/4 || v.buffers > most {
		m := v.db.Metrics()
		v.unseen, v.buffers = 0, m.MemTable.Size
		v.piled.Store(m.MemTable.Size > 3*buffer || m.Levels[0].Sublevels > 2*mergeLevels)
	}
	return v.full.Load() == 0 && v.buffers <= most && uint64(v.ahead.Load())+uint64(bytes) <= buffer/2
}

// background begins a flush or a compaction, each of which has a goroutine of its
// own: nobody waits for it, unless so much has piled up that acknowledgements soon
// will.
func (v *Vault) background() {
	if !v.piled.Load() {
		cores.Background()
	}
}

// see waits until everything up to a sequence is in the rows.
func (v *Vault) see(ctx context.Context, op string, seq uint64) error {
	for v.seq.Load() < seq {
		changed := v.Changed()
		if v.seq.Load() >= seq {
			return nil
		}
		v.hurry()
		select {
		case <-changed:
		case <-v.dead:
			return v.failure()
		case <-ctx.Done():
			return cancelled(op, ctx.Err())
		}
	}
	return nil
}

// behind are the vehicles of which something is kept that is not in the rows yet,
// with the last sequence of each. What reads of one vehicle waits for that alone:
// of many vehicles hardly any is among them.
type behind struct {
	sync.Mutex
	last map[uint64]uint64
}

// add notes what is kept, before it is acknowledged.
func (b *behind) add(list []*pending) {
	b.Lock()
	defer b.Unlock()
	for _, p := range list {
		b.last[p.owner.vehicle] = p.seq
	}
}

// remove notes that it is in the rows.
func (b *behind) remove(list []*pending) {
	b.Lock()
	defer b.Unlock()
	for _, p := range list {
		if b.last[p.owner.vehicle] == p.seq {
			delete(b.last, p.owner.vehicle)
		}
	}
}

// of is the sequence up to which the rows must be for a vehicle, 0 where they are.
func (b *behind) of(vehicle uint64) uint64 {
	b.Lock()
	defer b.Unlock()
	return b.last[vehicle]
}

// hurry has what is kept go into the rows at once.
func (v *Vault) hurry() {
	select {
	case v.hurries <- struct{}{}:
	default: // somebody did
	}
}

// apply is the goroutine that puts groups into the rows, in their order.
func (v *Vault) apply() {
	defer close(v.applied)
	a := v.newApplying()
	var rec record
	var batch []groupOut
	for {
		if batch = v.collect(batch[:0]); len(batch) == 0 {
			return
		}
		err := v.failure()
		if err == nil {
			if err = a.groups(batch, &rec); err != nil {
				v.fail(err)
				err = v.failure()
			}
		}
		if err == nil {
			v.seq.Store(batch[len(batch)-1].at.seq)
		}
		for _, g := range batch {
			v.ahead.Add(-int64(g.bytes))
			v.shown(&g, err)
		}
		clear(batch)
		if err == nil {
			v.announce()
		}
	}
}

// collect waits for a group and takes what follows in a moment; nothing if there
// will be none.
func (v *Vault) collect(batch []groupOut) []groupOut {
	records, bytes := 0, 0
	take := func(g groupOut) {
		batch = append(batch, g)
		records, bytes = records+len(g.list), bytes+g.bytes
	}
	g, ok := <-v.groups
	if !ok {
		return batch
	}
	take(g)
	moment := time.NewTimer(applyAfter)
	defer moment.Stop()
	for over := !g.answered; records < applyRecords && bytes < groupBytes; over = over || !g.answered {
		if over {
			select {
			case g, ok = <-v.groups: // is there already
			default:
				return batch
			}
		} else {
			select {
			case g, ok = <-v.groups:
			case <-moment.C:
				over = true
				continue
			case <-v.hurries:
				over = true
				continue
			}
		}
		if !ok {
			return batch
		}
		take(g)
	}
	return batch
}

// shown ends the way of records that are in the rows, or of which only the next
// start will know: those of a vault that has failed.
func (v *Vault) shown(g *groupOut, err error) {
	v.behind.remove(g.list)
	for _, p := range g.list {
		v.forget(p)
	}
	if !g.answered {
		v.acknowledge(g, err)
	}
	if err == nil {
		v.stats.deposits.Add(uint64(len(g.list)))
	}
}

// groups applies the records of groups as they are in the log.
func (a *applying) groups(batch []groupOut, rec *record) error {
	a.begin()
	for _, g := range batch {
		for _, p := range g.list {
			f, _, ok := parseFrame(*p.buf)
			if !ok {
				return errShort
			}
			if err := rec.parse(&f); err != nil {
				return err
			}
			for i := range rec.parts {
				rec.parts[i].rows, rec.parts[i].source = p.parts[i].rows, p.source
			}
			if err := a.add(rec); err != nil {
				return err
			}
		}
	}
	return a.commit(batch[len(batch)-1].at)
}

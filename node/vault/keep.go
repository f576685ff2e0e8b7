package vault

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// maxClosed is how many full segments may wait for Pebble to flush by itself
// before it is asked to; it bounds the replay of the next start.
const maxClosed = 4

// keep is the goroutine that prepares the next segment, writes checkpoints,
// trims the log and watches the free space.
func (v *Vault) keep() {
	defer close(v.kept)
	tick := time.NewTicker(v.cfg.CheckpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-tick.C:
			v.watchSpace()
			v.housekeep(v.checkpoint)
			v.housekeep(v.takeBallast)
		case <-v.kicks:
		case own := <-v.purges:
			v.housekeep(func() error { return v.purge(own) })
		}
		v.housekeep(v.prepare)
	}
}

// housekeep does one chore; its failure is the vault's.
func (v *Vault) housekeep(chore func() error) {
	if v.failure() != nil {
		return
	}
	if err := chore(); err != nil {
		v.fail(err)
	}
}

// purge rewrites the files that hold what was erased. Its keys are destroyed
// already; this gives the space back and leaves nothing to keys that may leak.
func (v *Vault) purge(own owner) error {
	for _, kind := range dataKinds {
		start := appendPrefix(nil, kind, own.vehicle, own.epoch)
		err := v.db.Compact(context.Background(), start, after(start), false)
		switch {
		case vfs.IsNoSpaceError(err):
			v.setFull(fullEngine, true)
			return nil
		case err != nil:
			return fmt.Errorf("vault: purging: %w", err)
		}
	}
	return nil
}

// prepare has the next segment and free key slots ready, or notes that there is
// no space for them.
func (v *Vault) prepare() error {
	return errors.Join(v.prepared(fullSegment, v.journal.prepare()), v.prepared(fullKeys, v.keys.room(slotsAhead)))
}

// prepared takes a want of space for an answer.
func (v *Vault) prepared(why uint32, err error) error {
	if errors.Is(err, errNoSpace) {
		v.setFull(why, true)
		return nil
	}
	if err == nil {
		v.setFull(why, false)
	}
	return err
}

// checkpoint promises to the next start what is there now, and removes the
// segments that it does not need.
func (v *Vault) checkpoint() error {
	durable, err := v.durable()
	if err != nil {
		return err
	}
	slots := v.keys.slots()
	end := *v.end.Load()
	first := v.journal.oldest(durable.seq, end.segment)
	next := checkpoint{durable: durable.seq, end: end.position, first: first, slots: slots, generation: v.check.last.generation}
	if next != v.check.last {
		if err := v.check.write(next); err != nil {
			return err
		}
	}
	v.stats.durable.Store(durable.seq)
	v.recent.flushed(durable.seq)
	if v.trimming.TryLock() { // otherwise the next checkpoint does it
		err := v.journal.trim(first)
		v.trimming.Unlock()
		if err != nil {
			return err
		}
	}
	if v.journal.segments() > maxClosed+1 {
		if _, err := v.db.AsyncFlush(); err != nil {
			return err
		}
	}
	return nil
}

// durable is how far the engine is on stable storage.
func (v *Vault) durable() (p position, err error) {
	it, err := v.db.NewIter(&pebble.IterOptions{
		LowerBound: metaApplied, UpperBound: after(metaApplied), OnlyReadGuaranteedDurable: true,
	})
	if err != nil {
		return p, err
	}
	if it.First() {
		p, err = decodeApplied(it.Value())
	}
	return p, errors.Join(err, it.Error(), it.Close())
}

// watchSpace compares the free space with the mark.
func (v *Vault) watchSpace() {
	use, err := v.cfg.FS.GetDiskUsage(v.cfg.Dir)
	if err != nil || use.TotalBytes == 0 {
		return // the file system does not say
	}
	mark := v.cfg.MinFreeBytes
	if mark == 0 {
		mark = max(use.TotalBytes/20, 2<<30)
	}
	v.setFull(fullMark, use.AvailBytes < mark)
}

// counters are what Stats reads.
type counters struct {
	groups, deposits, duplicates, conflicts, busy, full, logBytes, durable, scrubs atomic.Uint64
}

// Stats are figures for metrics.
type Stats struct {
	Seq        uint64 // commits that every read sees
	Durable    uint64 // commits that need no replay
	Groups     uint64 // groups written by this process
	Records    uint64 // records written by this process
	Duplicates uint64 // deposits that were there already
	Conflicts  uint64 // deposits with a known key and another body
	Busy       uint64 // deposits refused for want of time
	Refused    uint64 // deposits refused for want of space
	LogBytes   uint64 // bytes of log written by this process
	Segments   int    // log segments on disk
	Waiting    int64  // bytes not yet kept
	DataKeys   uint32 // slots of the key file
	DiskBytes  uint64 // size of the engine's files
	Cached     int    // vehicles whose latest values are in memory
	Full       bool
	Failed     bool
}

// Stats gives the figures of this moment.
func (v *Vault) Stats() Stats {
	v.queue.Lock()
	waiting := v.queue.bytes
	v.queue.Unlock()
	s := Stats{
		Seq: v.Seq(), Durable: v.stats.durable.Load(), Groups: v.stats.groups.Load(),
		Records: v.stats.deposits.Load(), Duplicates: v.stats.duplicates.Load(),
		Conflicts: v.stats.conflicts.Load(), Busy: v.stats.busy.Load(), Refused: v.stats.full.Load(),
		LogBytes: v.stats.logBytes.Load(), Segments: v.journal.segments(), Waiting: waiting,
		DataKeys: v.keys.slots(), Cached: v.shelf.len(),
		Full: v.full.Load() != 0, Failed: v.failure() != nil,
	}
	if v.enterWrite(context.Background(), "vault.Stats") == nil {
		s.DiskBytes = v.db.Metrics().DiskSpaceUsage()
		v.leaveCall()
	}
	return s
}

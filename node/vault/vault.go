package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// Vault is the engine on disk. Its methods may be called from any goroutine.
//
// Four goroutines do the work: write makes groups of the log, apply puts them
// into Pebble, keep prepares segments and writes checkpoints, pack makes chunks
// of readings. Locks, in the
// order in which they may be held together: life, queue, flight, keyring.io,
// keyring.mu, the caches' own.
type Vault struct {
	cfg      Config
	db       *pebble.DB
	keys     *keyring
	journal  *journal // write's
	check    *checkpointFile
	lock     func() error // gives the directory free
	whole    uint64       // the sequence from which on every sequence has a row, and every deposit a number
	unmarked bool         // the rows do not say so yet
	latest   *lru[owner, lately]
	shelf    *shelf // of latest values as they are written

	life struct { // of calls under way; before every other lock
		sync.Mutex
		closed bool
		calls  sync.WaitGroup
	}
	queue struct {
		sync.Mutex
		list   []*pending
		bytes  int64 // of everything not finished
		closed bool
	}
	wake   chan struct{}
	groups chan groupOut

	recent   recent
	flight   sync.Mutex
	inflight map[[16]byte]*pending

	hot     *hotSet       // readings that are not packed
	packing sync.Mutex    // held while a chunk is made
	erasing sync.Mutex    // held while an erasure or a chunk goes into the rows; within packing
	erased  atomic.Uint64 // erasures that are in the rows
	chunks  atomic.Uint32 // chunks made in this opening
	packed  chan struct{} // closed when pack has ended

	purges   chan owner    // what was erased, for keep to remove from the files
	keptUpTo atomic.Uint64 // on stable storage, and acknowledged
	seq      atomic.Uint64 // in the rows
	ahead    atomic.Int64  // bytes of the log that are kept and not in the rows
	unseen   uint64        // write's: bytes since it looked at the write buffers of the rows
	buffers  uint64        // write's: what they were then
	piled    atomic.Bool   // flushes and compactions are behind
	hurries  chan struct{} // somebody waits for the rows
	behind   behind
	end      atomic.Pointer[logEnd]
	failed   atomic.Pointer[error]
	dead     chan struct{} // closed when the vault has failed
	full     atomic.Uint32
	changed  atomic.Pointer[chan struct{}]

	applied  chan struct{} // closed when apply has ended
	kicks    chan struct{}
	leaving  chan struct{} // closed when Close begins
	pressed  atomic.Int32  // how often Pebble had no space since
	stop     chan struct{}
	kept     chan struct{} // closed when keep has ended
	closing  sync.Once
	closeErr error

	ballast  bool       // keep's: it is there
	backing  sync.Mutex // held while a backup is made
	trimming sync.Mutex // held while segments are removed, and while none may be; before every other lock

	damage damage
	stats  counters
}

var _ Engine = (*Vault)(nil)

// logEnd is how far the log is on stable storage, and in which segment.
type logEnd struct {
	position
	segment uint64
}

// Why nothing more is taken in.
const (
	fullSegment = 1 << iota // the next log segment could not be allocated
	fullEngine              // Pebble could not write for want of space
	fullMark                // free space is under the mark
	fullKeys                // the key file could not grow
)

func (v *Vault) setFull(why uint32, full bool) {
	if full {
		if old := v.full.Or(why); old&why == 0 {
			v.cfg.Log.Warn("the vault takes nothing in for want of space", "reason", why)
			v.kick()
		}
		return
	}
	if old := v.full.And(^why); old == why {
		v.cfg.Log.Info("the vault takes in again")
	}
}

func errFull(op string) error { return sayso.Fail(sayso.Full, op, "no space is left to keep it") }

// fail marks the vault as failed for ever: the state of the disk is unknown, and
// only the next start, which reads what is there, can decide.
func (v *Vault) fail(err error) {
	wrapped := error(&sayso.Error{Op: "vault", Fault: sayso.Internal, Message: "the store has failed", Err: err})
	if v.failed.CompareAndSwap(nil, &wrapped) {
		v.cfg.Log.Error("the vault has failed and stops", "error", err)
		close(v.dead)
		go v.cfg.Fatal(err)
	}
}

func (v *Vault) failure() error {
	if p := v.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// enterCall is enterWrite for what reads: it sees all that is kept.
func (v *Vault) enterCall(ctx context.Context, op string) error {
	return v.enterSeeing(ctx, op, v.keptUpTo.Load)
}

// enterView is enterCall for what reads of one vehicle.
func (v *Vault) enterView(ctx context.Context, op string, vehicle uint64) error {
	return v.enterSeeing(ctx, op, func() uint64 { return v.behind.of(vehicle) })
}

func (v *Vault) enterSeeing(ctx context.Context, op string, kept func() uint64) error {
	if err := v.enterWrite(ctx, op); err != nil {
		return err
	}
	if err := v.see(ctx, op, kept()); err != nil {
		v.leaveCall()
		return err
	}
	return nil
}

// enterWrite says why nothing can be asked now; otherwise the call counts as
// under way until leaveCall. Close waits for it.
func (v *Vault) enterWrite(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return cancelled(op, err)
	}
	if err := v.failure(); err != nil {
		return err
	}
	v.life.Lock()
	defer v.life.Unlock()
	if v.life.closed {
		return sayso.Fail(sayso.Busy, op, "the vault is closed")
	}
	v.life.calls.Add(1)
	return nil
}

func (v *Vault) leaveCall() { v.life.calls.Done() }

// Seq is the sequence up to which every read sees all.
func (v *Vault) Seq() uint64 { return v.keptUpTo.Load() }

// Changed gives a channel that is closed when something more is in the rows, which
// is a moment after it was kept unless somebody reads.
func (v *Vault) Changed() <-chan struct{} { return *v.changed.Load() }

// announce closes the channel that Changed gave.
func (v *Vault) announce() {
	next := make(chan struct{})
	close(*v.changed.Swap(&next))
}

// kick makes keep look at once.
func (v *Vault) kick() {
	select {
	case v.kicks <- struct{}{}:
	default:
	}
}

// Close waits for what is under way, makes all of it durable in the engine and
// closes. It may be called again. Of a failed vault it only tells the error.
func (v *Vault) Close() error {
	v.closing.Do(func() { v.closeErr = v.close() })
	return v.closeErr
}

func (v *Vault) close() error {
	v.life.Lock()
	v.life.closed = true
	v.life.Unlock()
	close(v.leaving)
	done := make(chan error, 1)
	go func() { done <- v.shut() }()
	select {
	case err := <-done:
		return errors.Join(err, v.failure())
	case <-v.dead:
		// Pebble may wait for ever for work that has failed. The process is
		// expected to end, and the next start reads what is on disk.
		return errors.Join(v.failure(), v.lock())
	}
}

// shut ends what is under way and closes the parts.
func (v *Vault) shut() error {
	v.life.calls.Wait()
	v.queue.Lock()
	v.queue.closed = true
	v.queue.Unlock()
	select {
	case v.wake <- struct{}{}:
	default:
	}
	<-v.applied
	close(v.stop)
	<-v.kept
	<-v.packed
	if v.failure() != nil {
		return nil // Close has answered
	}
	var errs []error
	if err := v.db.Flush(); err != nil {
		errs = append(errs, fmt.Errorf("vault: flushing: %w", err))
	} else {
		errs = append(errs, v.checkpoint())
	}
	errs = append(errs, v.db.Close(), v.journal.close(), v.check.file.Close(), v.keys.file.Close(), v.lock())
	return errors.Join(errs...)
}

// lockDir makes sure that one process at a time has the directory.
func lockDir(fs vfs.FS, name string) (func() error, error) {
	l, err := fs.Lock(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return l.Close, nil
}

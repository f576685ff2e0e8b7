package vault_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"sayso"
	"sayso/node/vault"
)

// The same key from many senders at once is kept once, and a body that differs
// is refused, whoever comes first.
func TestOneKeyAtTheSameTime(t *testing.T) {
	v := open(t, config(t, vfs.NewMem()))
	ctx := context.Background()
	for round := range 50 {
		var mu sync.Mutex
		kept, duplicates, conflicts := 0, 0, 0
		bodies := make(map[byte]bool)
		seqs := make(map[uint64]bool)
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				m := newMsg(1, 1, 1, fmt.Sprint("round", round)).number(5, 1, start+sayso.Instant(round), float64(n%2))
				m.Body = [32]byte{byte(n % 2)}
				k, err := v.Commit(ctx, m.Deposit)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case sayso.FaultOf(err) == sayso.Conflict:
					conflicts++
					return
				case err != nil:
					t.Error(err)
				case k.Duplicate:
					duplicates++
				default:
					kept++
				}
				bodies[byte(n%2)], seqs[k.Seq] = true, true
			})
		}
		wg.Wait()
		if kept != 1 || duplicates != 3 || conflicts != 4 || len(bodies) != 1 || len(seqs) != 1 {
			t.Fatalf("kept %d, duplicates %d, conflicts %d, bodies %v, sequences %v", kept, duplicates, conflicts, bodies, seqs)
		}
	}
	if v.Seq() != 50 {
		t.Errorf("50 keys gave %d commits", v.Seq())
	}
	check(t, v.Close())
}

// stall holds every sync of the log until it is let go.
func stall(fs vfs.FS) (slow vfs.FS, hold, release func()) {
	var gate sync.RWMutex
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			gate.RLock()
			defer gate.RUnlock()
		}
		return nil
	})), gate.Lock, gate.Unlock
}

// While the disk stands still, senders are told to come again: first those for
// whom there is no room to wait, and the others in time.
func TestAStalledDiskIsBusy(t *testing.T) {
	fs, hold, release := stall(vfs.NewMem())
	cfg := config(t, fs)
	cfg.CommitTimeout, cfg.QueueBytes = 100*time.Millisecond, 20<<10
	v := open(t, cfg)
	ctx := context.Background()
	for { // makes the data key
		if _, err := v.Commit(ctx, newMsg(1, 1, 1, "first").Deposit); err == nil {
			break
		} else if sayso.FaultOf(err) != sayso.Busy {
			t.Fatal(err)
		}
	}
	hold()
	var wg sync.WaitGroup
	var mu sync.Mutex
	texts := make(map[string]int)
	for n := range 60 {
		wg.Go(func() {
			_, err := v.Commit(ctx, newMsg(1, 1, 1, fmt.Sprint(n)).number(5, 1, start, 1).Deposit)
			if sayso.FaultOf(err) != sayso.Busy {
				t.Errorf("with a stalled disk: %v", err)
			}
			mu.Lock()
			texts[sayso.MessageOf(err)]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(texts) != 2 {
		t.Errorf("answers %v", texts)
	}
	if got := v.Seq(); got != 1 {
		t.Errorf("sequence %d is visible before it is on stable storage", got)
	}
	release()
	// Sending again is safe, whether the first try was kept or not.
	for n := range 60 {
		var err error
		for range 100 {
			if _, err = v.Commit(ctx, newMsg(1, 1, 1, fmt.Sprint(n)).number(5, 1, start, 1).Deposit); sayso.FaultOf(err) != sayso.Busy {
				break
			}
		}
		check(t, err)
	}
	if got := v.Seq(); got != 61 {
		t.Errorf("61 messages gave %d commits", got)
	}
	if s := v.Stats(); s.Waiting != 0 || s.Busy == 0 {
		t.Errorf("stats %+v", s)
	}
	check(t, v.Close())
}

func TestASenderMayGoAway(t *testing.T) {
	fs, hold, release := stall(vfs.NewMem())
	v := open(t, config(t, fs))
	newMsg(1, 1, 1, "first").keep(t, v)
	hold()
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error)
	go func() {
		_, err := v.Commit(ctx, newMsg(1, 1, 1, "second").Deposit)
		got <- err
	}()
	cancel()
	if err := <-got; sayso.FaultOf(err) != sayso.Cancelled {
		t.Errorf("cancelled: %v", err)
	}
	release()
	check(t, v.Close())
}

// A follower that waits for Changed and then follows misses nothing.
func TestFollowSeesEverything(t *testing.T) {
	v := open(t, config(t, vfs.NewMem()))
	const n = 300
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		seen := uint64(0)
		for seen < n {
			changed := v.Changed()
			err := v.Follow(ctx, seen, func(e vault.Entry) bool {
				if e.Seq != seen+1 || len(e.Readings) != 1 || e.Readings[0].Value.Number != float64(e.Vehicle) {
					t.Errorf("behind %d came %+v", seen, e)
				}
				seen = e.Seq
				return true
			})
			if err != nil {
				done <- err
				return
			}
			if seen < n {
				select {
				case <-changed:
				case <-ctx.Done():
				}
			}
		}
		done <- nil
	}()
	var wg sync.WaitGroup
	for car := range 3 {
		wg.Go(func() {
			for i := range n / 3 {
				newMsg(uint64(car), 1, 1, fmt.Sprint(i)).number(5, 1, start+sayso.Instant(i), float64(car)).keep(t, v)
			}
		})
	}
	wg.Wait()
	check(t, <-done)
	check(t, v.Close())
}

// Reads run beside commits, erasures and their own cancellation.
func TestReadersBesideWriters(t *testing.T) {
	v := open(t, config(t, vfs.NewMem()))
	ctx := context.Background()
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				last := sayso.Instant(0)
				for _, r := range scan(t, v, view(1, 1), nil, 0, ever) {
					if r.Time <= last {
						t.Errorf("row at %d behind %d", r.Time, last)
					}
					last = r.Time
				}
				latest(t, v, view(2, 1), nil)
				if _, err := v.Summary(ctx, view(1, 1)); err != nil {
					t.Error(err)
				}
				v.Stats()
			}
		})
	}
	for car := uint64(1); car <= 2; car++ {
		writers.Go(func() {
			for i := range 150 {
				m := newMsg(car, 1, 1, fmt.Sprint(i)).number(5, 1, start+sayso.Instant(i)*second, 1)
				m.keep(t, v)
				if got := latest(t, v, view(car, 1), nil); len(got) != 1 || got[0].Time != start+sayso.Instant(i)*second {
					t.Errorf("behind its ack message %d reads %+v", i, got)
				}
				if car == 2 && i%40 == 39 {
					check(t, v.Erase(ctx, 2, 1))
					if got := latest(t, v, view(2, 1), nil); len(got) != 0 {
						t.Errorf("behind the erasure: %+v", got)
					}
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	check(t, v.Close())
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	v := open(t, config(t, vfs.NewMem()))
	newMsg(1, 1, 1, "a").number(5, 1, start, 1).keep(t, v)
	check(t, v.Close())
	check(t, v.Close())
}

// An erasure that shares a group of the log with deposits before and behind it
// takes the former and leaves the latter.
func TestEraseAmidAGroup(t *testing.T) {
	base := vfs.NewCrashableMem()
	var armed atomic.Bool
	var left *vfs.MemFS // as the power left it behind the log and before the key was destroyed
	writes := 0
	tap := errorfs.Wrap(base, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && op.Kind == errorfs.OpFileWriteAt && strings.HasSuffix(op.Path, "keys") {
			if writes++; writes == 2 { // the first is the new key
				left = base.CrashClone(vfs.CrashCloneCfg{})
			}
		}
		return nil
	}))
	fs, hold, release := stall(tap)
	cfg := config(t, fs)
	v := open(t, cfg)
	ctx := context.Background()
	newMsg(1, 1, 1, "old").number(5, 1, start, 1).keep(t, v)
	newMsg(2, 1, 1, "other").number(5, 1, start, 1).keep(t, v)
	hold()
	var wg sync.WaitGroup
	queue := func(f func() error) { // returns when f waits in the queue
		waiting := v.Stats().Waiting
		wg.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
		for v.Stats().Waiting == waiting {
			time.Sleep(time.Millisecond)
		}
	}
	commit := func(m *msg) func() error {
		return func() error {
			_, err := v.Commit(ctx, m.Deposit)
			return err
		}
	}
	queue(commit(newMsg(2, 1, 1, "first").number(6, 1, start, 1)))
	time.Sleep(20 * time.Millisecond) // the writer is in the sync of that one now
	queue(commit(newMsg(1, 1, 1, "before").number(7, 1, start, 1)))
	queue(func() error { return v.Erase(ctx, 1, 1) })
	queue(commit(newMsg(1, 1, 1, "behind").number(8, 1, start+second, 2)))
	groups := v.Stats().Groups
	armed.Store(true)
	release()
	wg.Wait()
	if n := v.Stats().Groups - groups; n != 2 {
		t.Errorf("%d groups, want one for the first and one for the rest", n)
	}
	look := func(when string) {
		if got := brief(latest(t, v, view(1, 1), nil)); got != "[8 +1 s1 2] " {
			t.Errorf("%s: latest %s", when, got)
		}
		if got := brief(scan(t, v, view(1, 1), nil, 0, ever)); got != "[8 +1 s1 2] " {
			t.Errorf("%s: rows %s", when, got)
		}
		if got := len(latest(t, v, view(2, 1), nil)); got != 2 {
			t.Errorf("%s: the other vehicle has %d latest values", when, got)
		}
	}
	look("running")
	check(t, v.Close())
	v = open(t, cfg)
	look("opened again")
	check(t, v.Close())
	v = open(t, config(t, left))
	look("after a power cut")
	newMsg(1, 1, 1, "later").number(9, 1, start+2*second, 3).keep(t, v)
	if got := brief(scan(t, v, from(view(1, 1), 1), nil, 0, ever)); got != "[8 +1 s1 2] [9 +2 s1 3] " {
		t.Errorf("rows of the source after a power cut: %s", got)
	}
	check(t, v.Close())
}

package vault

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestKnownUnreadable sends again what is kept while one read of the rows fails.
// Whatever read it is, no message counts as new: it is known, or it is refused
// and known the next time.
func TestKnownUnreadable(t *testing.T) {
	ctx := context.Background()
	mem := vfs.NewCrashableMem()
	cfg := testConfig(t, mem)
	cfg.Fatal = func(error) {} // where Pebble's own read is the one
	var list [1500]*Deposit
	for i := range list {
		list[i] = deposit(uint64(i%3), fmt.Sprint("m", i), minInstant)
	}
	v := testOpen(t, cfg)
	seqs := make([]uint64, len(list))
	for i, r := range sendAll(t, v, list[:]) {
		if r.err != nil || r.Duplicate {
			t.Fatalf("%+v", r)
		}
		seqs[i] = r.Seq
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for n := int64(1); n <= 8; n++ {
		var reads atomic.Int64
		reads.Store(-1 << 40)
		cfg.FS = errorfs.Wrap(mem.CrashClone(vfs.CrashCloneCfg{}), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileReadAt && reads.Add(1) == n {
				return syscall.EIO
			}
			return nil
		}))
		v := testOpen(t, cfg)
		reads.Store(0)
		for i, r := range sendAll(t, v, list[:]) {
			if r.err != nil && v.failure() == nil {
				refused++
				r.Kept, r.err = v.Commit(ctx, list[i])
			}
			if r.err == nil && (!r.Duplicate || r.Seq != seqs[i]) || r.err != nil && v.failure() == nil {
				t.Fatalf("read %d fails: message %d: %+v, want the duplicate of %d", n, i, r, seqs[i])
			}
		}
		if err := v.Close(); err != nil && v.failure() == nil {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("no read failed")
	}
}

type result struct {
	Kept
	err error
}

// sendAll sends deposits so that they share groups.
func sendAll(t *testing.T, v *Vault, list []*Deposit) []result {
	t.Helper()
	results := make([]result, len(list))
	waits := make([]func(context.Context) (Kept, error), len(list))
	for i, d := range list {
		if waits[i], results[i].err = v.Begin(context.Background(), d); results[i].err != nil && v.failure() == nil {
			t.Fatal(results[i].err)
		}
	}
	for i, wait := range waits {
		if wait != nil {
			results[i].Kept, results[i].err = wait(context.Background())
		}
	}
	return results
}

// Whether a key is in no table yet, in both places or in the tables alone, what is
// sent again is known; and what the tables have is not held in memory for ever.
func TestKnownBeforeAndBehindTheTables(t *testing.T) {
	v := testOpen(t, testConfig(t, vfs.NewMem()))
	kept := map[int]uint64{}
	for round := range 4 {
		list := make([]*Deposit, 100)
		for i := range list {
			list[i] = deposit(uint64(i%7), fmt.Sprint("m", 100*round+i), minInstant)
		}
		for i, r := range sendAll(t, v, list) {
			if kept[100*round+i] = r.Seq; r.err != nil || r.Duplicate {
				t.Fatalf("%+v", r)
			}
		}
		for n, seq := range kept { // the first hundreds are in tables by now
			r, err := v.Commit(t.Context(), deposit(uint64(n%100%7), fmt.Sprint("m", n), minInstant))
			if err != nil || !r.Duplicate || r.Seq != seq {
				t.Fatalf("round %d, message %d: %+v, %v, want the duplicate of %d", round, n, r, err, seq)
			}
		}
		if err := v.db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "keys that the tables have to leave the memory", func() bool {
		v.recent.mu.Lock()
		defer v.recent.mu.Unlock()
		return len(v.recent.now)+len(v.recent.then) == 0
	})
	if r, err := v.Commit(t.Context(), deposit(1, "m1", minInstant)); err != nil || !r.Duplicate {
		t.Errorf("%+v, %v", r, err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

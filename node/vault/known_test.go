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
	const messages = 40
	mem := vfs.NewMem()
	cfg := testConfig(t, mem)
	v := testOpen(t, cfg)
	seqs := make([]uint64, messages)
	message := func(i int) *Deposit { return deposit(uint64(i%3), fmt.Sprint("m", i), minInstant) }
	for i := range messages {
		k, err := v.Commit(ctx, message(i))
		if err != nil {
			t.Fatal(err)
		}
		seqs[i] = k.Seq
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for n := int64(1); n <= 8; n++ {
		var reads atomic.Int64
		reads.Store(-1 << 40)
		cfg.FS = errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileReadAt && reads.Add(1) == n {
				return syscall.EIO
			}
			return nil
		}))
		v := testOpen(t, cfg)
		reads.Store(0)
		waits := make([]func(context.Context) (Kept, error), messages)
		for i := range waits {
			var err error
			if waits[i], err = v.Begin(ctx, message(i)); err != nil {
				t.Fatal(err)
			}
		}
		for i, wait := range waits {
			k, err := wait(ctx)
			if err != nil {
				refused++
				k, err = v.Commit(ctx, message(i))
			}
			if err != nil || !k.Duplicate || k.Seq != seqs[i] {
				t.Fatalf("read %d fails: message %d: %+v, %v, want the duplicate of %d", n, i, k, err, seqs[i])
			}
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("no read failed")
	}
}

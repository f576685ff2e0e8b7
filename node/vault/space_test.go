package vault_test

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"sayso"
	"sayso/node/vault"
)

// TestFullDiskIsRefusedAndPasses has no space for one thing at a time. Senders
// are refused, what is there is read, and with space again the vault goes on
// without a restart.
func TestFullDiskIsRefusedAndPasses(t *testing.T) {
	for _, c := range []struct {
		name string
		no   func(errorfs.Op) bool
	}{
		{"segments", func(op errorfs.Op) bool {
			return path.Base(op.Path) == "next" && op.Kind == errorfs.OpFilePreallocate
		}},
		{"keys", func(op errorfs.Op) bool {
			return path.Base(op.Path) == "keys" && op.Kind == errorfs.OpFileWriteAt && op.Offset >= 128*128
		}},
		{"tables", func(op errorfs.Op) bool {
			return strings.HasSuffix(op.Path, ".sst") && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite)
		}},
	} {
		t.Run(c.name, func(t *testing.T) { fullDisk(t, c.no) })
	}
}

func fullDisk(t *testing.T, no func(errorfs.Op) bool) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && no(op) {
			return syscall.ENOSPC
		}
		return nil
	}))
	cfg := config(t, fs)
	cfg.SegmentBytes, cfg.MemTableBytes, cfg.CommitTimeout = 8<<10, 32<<10, 200*time.Millisecond
	v := open(t, cfg)
	full.Store(true)
	ctx := context.Background()
	acked := make(map[string]uint64)
	var cars []*sender
	var err error
	for n := 0; n < 4000 && (err == nil || sayso.FaultOf(err) == sayso.Busy); n++ {
		if n%2 == 0 && err == nil { // a new car needs a key
			cars = append(cars, &sender{vehicle: uint64(len(cars) + 1)})
		}
		s := cars[len(cars)-1]
		m := s.message()
		var k vault.Kept
		if k, err = v.Commit(ctx, m.Deposit); err == nil {
			acked[m.Envelope.ID] = k.Seq
			s.next++
		}
	}
	if sayso.FaultOf(err) != sayso.Full {
		t.Fatalf("%d commits without space, then: %v", len(acked), err)
	}
	if got := scan(t, v, view(1, 1), []sayso.SignalID{5}, 0, ever); len(got) == 0 {
		t.Error("nothing can be read on a full disk")
	}
	full.Store(false)
	untilTaken(t, v, cars[0].message())
	audit(t, v, cars, acked)
	check(t, v.Close())
}

// untilTaken sends a message until it is kept.
func untilTaken(t *testing.T, v *vault.Vault, m *msg) {
	t.Helper()
	for deadline := time.NewTimer(10 * time.Second); ; {
		_, err := v.Commit(t.Context(), m.Deposit)
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("with space again: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestClosingOnAFullDisk does not wait for space, and the next start has all.
func TestClosingOnAFullDisk(t *testing.T) {
	var full atomic.Bool
	mem := vfs.NewMem()
	fs := errorfs.Wrap(lockless{mem}, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && strings.Contains(op.Path, "/rows/") && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite) {
			return syscall.ENOSPC
		}
		return nil
	}))
	cfg := config(t, fs)
	cfg.Fatal = func(error) {}
	v := open(t, cfg)
	s := &sender{vehicle: 1}
	acked := &acks{seqs: make(map[string]uint64)}
	send(t, v, []*sender{s}, acked, 20, 0, func() {})
	full.Store(true)
	if err := v.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("closing on a full disk: %v", err)
	}
	// For what is left of the first one, which a process would not be, the disk
	// stays full until the end.
	v = open(t, config(t, lockless{mem}))
	audit(t, v, []*sender{s}, acked.seqs)
	check(t, v.Close())
	full.Store(false)
}

// TestGroupsFitTheirSegment has more waiting than a segment holds. No group may
// go beyond the end of its file: a full disk would be met in a commit.
func TestGroupsFitTheirSegment(t *testing.T) {
	const size = 8 << 10
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".log") && strings.Contains(op.Path, "/log/") {
			time.Sleep(5 * time.Millisecond) // so that the others wait
		}
		return nil
	}))
	cfg := config(t, fs)
	cfg.SegmentBytes = size
	v := open(t, cfg)
	var waits []func(context.Context) (vault.Kept, error)
	s := &sender{vehicle: 1}
	for range 300 {
		wait, err := v.Begin(t.Context(), s.message().Deposit)
		check(t, err)
		waits = append(waits, wait)
		s.next++
	}
	for _, wait := range waits {
		_, err := wait(t.Context())
		check(t, err)
	}
	eachFile(t, fs, "data/vault/log", func(name string, content []byte) {
		if len(content) > size {
			t.Errorf("%s has %d bytes, a segment %d", name, len(content), size)
		}
	})
	check(t, v.Close())
}

// TestManyNewCarsOnAFullDisk has more new cars in line than there are slots for
// keys, and no space for more: they are refused, and the vault goes on.
func TestManyNewCarsOnAFullDisk(t *testing.T) {
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && path.Base(op.Path) == "keys" && op.Kind == errorfs.OpFileWriteAt && op.Offset >= 128*128 {
			return syscall.ENOSPC
		}
		return nil
	}))
	v := open(t, config(t, fs))
	full.Store(true)
	var waits []func(context.Context) (vault.Kept, error)
	refused := 0
	for n := range 400 {
		wait, err := v.Begin(t.Context(), (&sender{vehicle: uint64(n + 1)}).message().Deposit)
		if err != nil {
			refused++
			continue
		}
		waits = append(waits, wait)
	}
	for _, wait := range waits {
		_, err := wait(t.Context())
		switch {
		case err == nil:
		case sayso.FaultOf(err) == sayso.Full:
			refused++
		default:
			t.Fatal(err)
		}
	}
	if refused == 0 {
		t.Error("400 new cars found keys")
	}
	full.Store(false)
	untilTaken(t, v, (&sender{vehicle: 500}).message())
	check(t, v.Close())
}

package vault_test

import (
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"sayso/node/vault"
)

func powerCut(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0, RNG: rand.New(rand.NewPCG(1, 1))})
}

// lockless lets a store be opened that a vault which has failed, as a process
// that has died, still holds.
type lockless struct{ vfs.FS }

func (lockless) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// unsyncedGroup is a store whose last group was written, while its sync failed,
// so that its sender was told of an error and the process ended.
func unsyncedGroup(t *testing.T, fs vfs.FS) *sender {
	t.Helper()
	var armed atomic.Bool
	cfg := config(t, errorfs.Wrap(lockless{fs}, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && op.Kind == errorfs.OpFileSyncData && path.Dir(op.Path) == "data/vault/log" {
			return syscall.EIO
		}
		return nil
	})))
	cfg.Fatal = func(error) {}
	v := open(t, cfg)
	s := &sender{vehicle: 1}
	for range 3 {
		_, err := v.Commit(t.Context(), s.message().Deposit)
		check(t, err)
		s.next++
	}
	armed.Store(true)
	if _, err := v.Commit(t.Context(), s.message().Deposit); err == nil {
		t.Fatal("a commit whose sync failed was acknowledged")
	}
	if v.Close() == nil {
		t.Fatal("a failed vault closes as if nothing were")
	}
	return s
}

// TestWhatWasReadFromMemoryIsMadeDurable starts a process again while the system
// lives, with a group in the system's memory that is not on the disk. The sender
// repeats it and is told that it is there. Then the power goes.
func TestWhatWasReadFromMemoryIsMadeDurable(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := unsyncedGroup(t, fs)
	v := open(t, config(t, lockless{fs}))
	k, err := v.Commit(t.Context(), s.message().Deposit)
	if err != nil || k.Seq != 4 {
		t.Fatalf("the repetition is answered %+v, %v", k, err)
	}
	left := powerCut(fs)
	check(t, v.Close())
	v = open(t, config(t, left))
	audit(t, v, []*sender{s}, map[string]uint64{s.message().Envelope.ID: k.Seq})
	check(t, v.Close())
}

// forgetful is a disk of a system that, after a sync has failed, takes the pages
// for written: a later sync does not write them, and only what is written again
// reaches the disk. Linux does so.
type forgetful struct {
	vfs.FS
	mu    sync.Mutex
	clean map[string][]byte // what is on the disk, by name, of files whose sync has failed
}

type forgetfulFile struct {
	vfs.File
	fs   *forgetful
	name string
}

func (f *forgetful) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return forgetfulFile{file, f, name}, err
}

// WriteAt notes what is written after the failure: it does reach the disk.
func (f forgetfulFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if disk := f.fs.clean[f.name]; disk != nil {
		copy(disk[off:], p)
	}
	return f.File.WriteAt(p, off)
}

// TestAFailedSyncIsNotBelievedTwice is the same on a system that takes the pages
// of a failed sync for written.
func TestAFailedSyncIsNotBelievedTwice(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s := unsyncedGroup(t, mem)
	log := find(t, mem, "data/vault/log", "*.log")
	durable := readFile(t, powerCut(mem), log)
	if slices.Equal(durable, readFile(t, mem, log)) {
		t.Fatal("the last group is on the disk already")
	}
	fs := &forgetful{FS: mem, clean: map[string][]byte{log: durable}}
	v := open(t, config(t, lockless{fs}))
	k, err := v.Commit(t.Context(), s.message().Deposit)
	if err != nil || k.Seq != 4 {
		t.Fatalf("the repetition is answered %+v, %v", k, err)
	}
	left := powerCut(mem)
	fs.mu.Lock()
	writeFile(t, left, log, fs.clean[log])
	fs.mu.Unlock()
	check(t, v.Close())
	v = open(t, config(t, left))
	audit(t, v, []*sender{s}, map[string]uint64{s.message().Envelope.ID: k.Seq})
	check(t, v.Close())
}

// TestFoldersOfAFailedStartAreDurable fails each sync of the first start. The
// second start finds the folders and must not take them for durable.
func TestFoldersOfAFailedStartAreDurable(t *testing.T) {
	for n := int64(1); ; n++ {
		fs := vfs.NewCrashableMem()
		var syncs atomic.Int64
		cfg := config(t, errorfs.Wrap(lockless{fs}, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileSync && !strings.Contains(op.Path, "rows/") && syncs.Add(1) == n {
				return syscall.EIO
			}
			return nil
		})))
		cfg.Fatal = func(error) {}
		v, err := vault.Open(cfg)
		if err == nil {
			err := v.Close()
			if syncs.Load() >= n { // not one of opening
				continue
			}
			if check(t, err); n < 8 {
				t.Errorf("a first start syncs %d times", n-1)
			}
			return
		}
		v = open(t, config(t, lockless{fs}))
		s := &sender{vehicle: 1}
		acked := &acks{seqs: make(map[string]uint64)}
		send(t, v, []*sender{s}, acked, 3, 0, func() {})
		left := powerCut(fs)
		check(t, v.Close())
		v = open(t, config(t, left))
		audit(t, v, []*sender{s}, acked.seqs)
		check(t, v.Close())
		if t.Failed() {
			t.Fatalf("sync %d failed", n)
		}
	}
}

// TestAMarkerGoesWhenItsSuccessorIsDurable looks, whenever Pebble removes a
// marker, at what a power cut would leave if the removal survived it.
func TestAMarkerGoesWhenItsSuccessorIsDurable(t *testing.T) {
	fs := vfs.NewCrashableMem()
	check(t, open(t, config(t, fs)).Close())
	removed := 0
	v := open(t, config(t, errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		kind, ok := strings.CutPrefix(path.Base(op.Path), "marker.")
		if op.Kind != errorfs.OpRemove || !ok {
			return nil
		}
		removed++
		kind, _, _ = strings.Cut(kind, ".")
		names, err := powerCut(fs).List(path.Dir(op.Path))
		left := slices.DeleteFunc(names, func(n string) bool {
			return n == path.Base(op.Path) || !strings.HasPrefix(n, "marker."+kind)
		})
		if err != nil || len(left) == 0 {
			t.Errorf("%s goes, and no other is durable (%v)", op.Path, err)
		}
		return nil
	}))))
	check(t, v.Close())
	if removed == 0 {
		t.Error("no marker was removed")
	}
}

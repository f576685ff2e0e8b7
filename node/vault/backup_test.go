package vault_test

import (
	"context"
	"fmt"
	"io"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso/node/vault"
)

// backupOf makes a backup into another file system.
func backupOf(t testing.TB, v *vault.Vault) (*vfs.MemFS, uint64) {
	t.Helper()
	to := vfs.NewCrashableMem()
	seq, err := v.Backup(t.Context(), func(name string, r io.Reader) error {
		b, err := io.ReadAll(r)
		check(t, err)
		name = path.Join("data/vault", name)
		check(t, to.MkdirAll(path.Dir(name), 0o700))
		writeFile(t, to, name, b)
		return nil
	})
	check(t, err)
	return to, seq
}

// TestBackupsUnderLoad makes backups one after the other while cars send and
// owners erase. Each opens as a store of its own and has everything up to its
// sequence, and nothing behind it.
func TestBackupsUnderLoad(t *testing.T) {
	cfg := config(t, vfs.NewMem())
	cfg.SegmentBytes, cfg.MemTableBytes = 32<<10, 64<<10
	v := open(t, cfg)
	cars := []*sender{{vehicle: 1}, {vehicle: 2}, {vehicle: 3}}
	acked := &acks{seqs: make(map[string]uint64)}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, s := range cars {
		wg.Go(func() {
			for ctx.Err() == nil {
				m := s.message()
				k, err := v.Commit(context.Background(), m.Deposit)
				if err != nil {
					t.Error(err)
					return
				}
				s.next++
				acked.Lock()
				acked.seqs[m.Envelope.ID] = k.Seq
				acked.Unlock()
			}
		})
	}
	wg.Go(func() { // another car, which is erased again and again
		for n := 0; ctx.Err() == nil; n++ {
			_, err := v.Commit(context.Background(), newMsg(9, 1, 9, fmt.Sprint("erased", n)).number(5, 1, start, 1).Deposit)
			if err == nil && n%7 == 0 {
				err = v.Erase(context.Background(), 9, 1)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	type backup struct {
		fs  *vfs.MemFS
		seq uint64
	}
	var made []backup
	for range 12 {
		before := v.Seq()
		for before < 200*uint64(len(made)+1) {
			time.Sleep(time.Millisecond)
			before = v.Seq()
		}
		fs, seq := backupOf(t, v)
		if seq < before {
			t.Errorf("a backup reaches up to %d, %d was acknowledged before it", seq, before)
		}
		made = append(made, backup{fs, seq})
	}
	stop()
	wg.Wait()
	for n, b := range made {
		copied, err := vault.Open(config(t, b.fs))
		if err != nil {
			t.Fatalf("backup %d: %v", n, err)
		}
		if copied.Seq() != b.seq {
			t.Errorf("backup %d reaches up to %d, it says %d", n, copied.Seq(), b.seq)
		}
		holds(t, copied, acked.seqs, b.seq)
		keep(t, copied, fmt.Sprint("after backup ", n))
		check(t, copied.Close())
	}
	holds(t, v, acked.seqs, v.Seq())
	check(t, v.Close())
}

// holds compares a store with what was acknowledged up to a sequence. What was
// erased is not in acked.
func holds(t *testing.T, v *vault.Vault, acked map[string]uint64, upTo uint64) {
	t.Helper()
	have := map[string]uint64{}
	check(t, v.Follow(t.Context(), 0, func(e vault.Entry) bool {
		have[e.Envelope.ID] = e.Seq
		if want, ok := acked[e.Envelope.ID]; ok && len(e.Readings) != 2 || !ok && e.Vehicle != 9 {
			t.Errorf("%s with sequence %d: acknowledged as %d, %d readings", e.Envelope.ID, e.Seq, want, len(e.Readings))
		}
		return true
	}))
	due := 0
	for id, seq := range acked {
		if seq > upTo {
			continue
		}
		if due++; have[id] != seq {
			t.Errorf("%s was acked as %d and is %d", id, seq, have[id])
		}
	}
	if due == 0 {
		t.Error("nothing was acknowledged up to", upTo)
	}
}

// keep looks whether a store takes something in.
func keep(t testing.TB, v *vault.Vault, id string) {
	t.Helper()
	newMsg(77, 1, 7, id).number(5, 1, start, 7).keep(t, v)
	if got := brief(scan(t, v, view(77, 1), nil, 0, ever)); got == "" {
		t.Errorf("%s: what was kept cannot be read", id)
	}
}

// TestBackupOfAnEmptyStore opens as one.
func TestBackupOfAnEmptyStore(t *testing.T) {
	v := open(t, config(t, vfs.NewMem()))
	fs, seq := backupOf(t, v)
	if seq != 0 {
		t.Errorf("sequence %d", seq)
	}
	check(t, v.Close())
	v = open(t, config(t, fs))
	keep(t, v, "first")
	check(t, v.Close())
}

// TestABackupLeavesNothingBehind: neither a folder of its own, nor one that a
// crash left.
func TestABackupLeavesNothingBehind(t *testing.T) {
	fs := vfs.NewMem()
	v := open(t, config(t, fs))
	keep(t, v, "x")
	backupOf(t, v)
	if _, err := fs.Stat("data/vault/copy"); err == nil {
		t.Error("the folder of the copy is still there")
	}
	check(t, v.Close())
	check(t, fs.MkdirAll("data/vault/copy", 0o700))
	writeFile(t, fs, "data/vault/copy/000001.sst", []byte("left"))
	check(t, open(t, config(t, fs)).Close())
	if _, err := fs.Stat("data/vault/copy"); err == nil {
		t.Error("what a crash left is still there")
	}
}

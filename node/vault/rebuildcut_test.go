package vault

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestPowerCutsWhileRebuilding damages what is derived, in another way each time, and
// cuts the power at an operation of the rebuilding that writes it again. The store
// opens, every cloud event is there, a further rebuilding completes, and then all is
// as it was, with nothing for a verification or a comparison to find.
func TestPowerCutsWhileRebuilding(t *testing.T) {
	mem := vfs.NewCrashableMem()
	cfg := rebuildConfig(t, mem)
	v := rebuildStore(t, cfg)
	want, sent, seq := everything(t, v), exported(t, v), v.Seq()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	met := 0
	for n := range uint64(12) {
		rng := rand.New(rand.NewPCG(n, 20))
		fs := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
		damageDerived(t, fs, cfg, rng)
		left, struck := rebuildCut(t, fs, cfg, rng)
		if struck {
			met++
		}
		cfg.FS = left
		v := testOpen(t, cfg)
		if got := exported(t, v); !slices.Equal(got, sent) || v.Seq() != seq {
			t.Fatalf("cut %d: %d cloud events of %d, sequence %d of %d", n, len(got), len(sent), v.Seq(), seq)
		}
		if got, err := v.Rebuild(t.Context(), says, true, nil); err != nil || got.Faults > 0 {
			t.Fatalf("cut %d: rebuilt once more: %+v, %v", n, got, err)
		}
		for range 2 { // opened again, too
			if !slices.Equal(everything(t, v), want) {
				t.Fatalf("cut %d: the answers are not those from before the damage", n)
			}
			verified, err := v.Verify(t.Context(), 0, nil)
			if err != nil || verified.Faults > 0 {
				t.Fatalf("cut %d: verified: %+v, %v", n, verified.Findings, err)
			}
			got, err := v.Rebuild(t.Context(), says, false, nil)
			if err != nil || got.Faults+got.Lost > 0 {
				t.Fatalf("cut %d: compared: %+v, %v", n, got, err)
			}
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			v = testOpen(t, cfg)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if met < 4 {
		t.Errorf("%d of 12 cuts met the rebuilding", met)
	}
}

// exported is every cloud event of the store, by its number.
func exported(t *testing.T, v *Vault) (out []string) {
	t.Helper()
	for car := uint64(1); car <= 3; car++ {
		if err := v.Export(t.Context(), View{Vehicle: car, Epochs: []uint32{1, 2}}, func(s Stored) bool {
			out = append(out, s.Envelope.ID+string(s.Envelope.Data))
			return true
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// damageDerived takes some rows that are derived out of a closed store, and alters
// some packed ones.
func damageDerived(t *testing.T, fs vfs.FS, cfg Config, rng *rand.Rand) {
	t.Helper()
	cfg.FS = fs
	v := testOpen(t, cfg)
	for _, kind := range []byte{kindReadings, kindPacked, kindEvent, kindLatest} {
		for _, key := range keysOf(t, v, kind, 3) {
			var err error
			switch rng.IntN(4) {
			case 0, 1:
				err = v.db.Delete(key, pebble.NoSync)
			case 2:
				if kind == kindPacked {
					err = v.db.Set(key, []byte{1, 2, 3}, pebble.NoSync)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// rebuildCut rebuilds a store and gives what a cut of the power at one of the
// operations that write leaves, with some of what was not synced.
func rebuildCut(t *testing.T, fs *vfs.MemFS, cfg Config, rng *rand.Rand) (left *vfs.MemFS, struck bool) {
	t.Helper()
	var mu sync.Mutex
	var armed atomic.Bool
	writes, at, percent := 0, 1+rng.IntN(24), []int{0, 0, 30, 70, 100}[rng.IntN(5)]
	cut := func() {
		left = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
	}
	cfg.FS, cfg.MemTableBytes = errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if mu.Lock(); armed.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			if writes++; writes == at {
				cut()
			}
		}
		mu.Unlock()
		return nil
	})), 64<<10
	v := testOpen(t, cfg)
	armed.Store(true)
	got, err := v.Rebuild(t.Context(), says, true, nil)
	if err != nil || got.Faults > 0 {
		t.Fatalf("rebuilt: %+v, %v", got, err)
	}
	mu.Lock()
	armed.Store(false)
	if struck = left != nil; !struck {
		cut()
	}
	mu.Unlock()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return left, struck
}

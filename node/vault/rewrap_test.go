package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso/internal/rootkey"
	"sayso/node/vault"
)

func rootKey(t testing.TB, n byte) *rootkey.Key {
	t.Helper()
	k, err := rootkey.New([32]byte{n})
	check(t, err)
	return k
}

// manyKeys is a closed store with keys of many vehicles and owners, some of them
// erased.
func manyKeys(t testing.TB) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	v := open(t, config(t, fs))
	for car := uint64(1); car <= 12; car++ {
		for epoch := uint32(1); epoch <= 2; epoch++ {
			newMsg(car, epoch, 1, fmt.Sprint("m", epoch)).number(5, epoch, start, float64(car)).keep(t, v)
		}
	}
	check(t, v.Erase(t.Context(), 3, 1))
	check(t, v.Close())
	return fs
}

// wrappings are the wrapped keys in a key file.
func wrappings(b []byte) (list [][]byte) {
	for at := 0; at+128 <= len(b); at += 128 {
		if b[at] == 2 {
			list = append(list, bytes.Clone(b[at+16:at+16+int(b[at+1])]))
		}
	}
	return list
}

// opensWhole says whether a store opens under a root key, with everything in it.
func opensWhole(t testing.TB, fs vfs.FS, root vault.RootKey) (bool, error) {
	t.Helper()
	cfg := config(t, fs)
	cfg.RootKey = root
	v, err := vault.Open(cfg)
	if err != nil {
		return false, err
	}
	for car := uint64(1); car <= 12; car++ {
		for epoch := uint32(1); epoch <= 2; epoch++ {
			want := 1
			if car == 3 && epoch == 1 {
				want = 0
			}
			if got := latest(t, v, view(car, epoch), nil); len(got) != want || want == 1 && got[0].Value.Number != float64(car) {
				t.Errorf("car %d epoch %d: %+v", car, epoch, got)
			}
		}
	}
	verified, err := v.Verify(t.Context(), 0, nil)
	check(t, err)
	if verified.Faults > 0 {
		t.Errorf("%+v", verified.Findings)
	}
	keep(t, v, "after")
	check(t, v.Close())
	return true, nil
}

// TestRewrap puts a store under another root key: the new one opens it, the old
// one does not, no old wrapping is in any file, and the rows are what they were.
func TestRewrap(t *testing.T) {
	fs := manyKeys(t)
	before := wrappings(readFile(t, fs, "data/vault/keys"))
	if len(before) < 23 {
		t.Fatalf("%d keys", len(before))
	}
	rows := map[string][]byte{}
	eachFile(t, fs, "data/vault/rows", func(name string, b []byte) { rows[name] = b })
	if err := vault.Rewrap(fs, "data/vault", rootKey(t, 8), rootKey(t, 9)); !errors.Is(err, vault.ErrOtherRootKey) {
		t.Errorf("with a wrong root key: %v", err)
	}
	check(t, vault.Rewrap(fs, "data/vault", rootKey(t, 7), rootKey(t, 9)))
	check(t, vault.Rewrap(fs, "data/vault", rootKey(t, 7), rootKey(t, 9))) // again is nothing
	eachFile(t, fs, "data/vault/rows", func(name string, b []byte) {
		if !bytes.Equal(rows[name], b) {
			t.Errorf("%s has changed", name)
		}
	})
	eachFile(t, fs, "data", func(name string, b []byte) {
		for _, w := range before {
			if bytes.Contains(b, w) {
				t.Errorf("%s holds an old wrapping", name)
			}
		}
	})
	if ok, _ := opensWhole(t, fs, rootKey(t, 7)); ok {
		t.Error("the old root key still opens it")
	}
	if ok, err := opensWhole(t, fs, rootKey(t, 9)); !ok {
		t.Error("the new root key does not open it:", err)
	}
}

// TestRewrapNeedsTheStoreForItself: a running node is not pulled from under.
func TestRewrapNeedsTheStoreForItself(t *testing.T) {
	fs := vfs.NewMem()
	v := open(t, config(t, fs))
	if err := vault.Rewrap(fs, "data/vault", rootKey(t, 7), rootKey(t, 9)); err == nil {
		t.Error("rewrapped while it is open")
	}
	check(t, v.Close())
}

// TestPowerCutsWhileRewrapping cuts the power at every operation. Either the old
// or the new root key opens everything then; what was told to be done is done; and
// doing it again ends under the new one, with no old wrapping in any file.
func TestPowerCutsWhileRewrapping(t *testing.T) {
	oldOpens, newOpens := 0, 0
	for stop := 1; ; stop++ {
		met := false
		for _, percent := range []int{0, 40, 100} {
			fs := manyKeys(t)
			before := wrappings(readFile(t, fs, "data/vault/keys"))
			rng := rand.New(rand.NewPCG(uint64(stop), uint64(percent)))
			var left *vfs.MemFS
			ops := 0
			check(t, vault.Rewrap(tapFS(lockless{fs}, func() {
				if ops++; ops == stop {
					left = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
				}
			}), "data/vault", rootKey(t, 7), rootKey(t, 9)))
			if left == nil {
				continue
			}
			met = true
			old, oldErr := opensWhole(t, copyOf(left), rootKey(t, 7))
			fresh, newErr := opensWhole(t, copyOf(left), rootKey(t, 9))
			switch {
			case old == fresh:
				t.Errorf("cut %d: the old root key opens it: %v (%v), the new one: %v (%v)", stop, old, oldErr, fresh, newErr)
			case old:
				oldOpens++
			default:
				newOpens++
			}
			check(t, vault.Rewrap(left, "data/vault", rootKey(t, 7), rootKey(t, 9)))
			if ok, err := opensWhole(t, left, rootKey(t, 9)); !ok {
				t.Errorf("cut %d, and again: %v", stop, err)
			}
			eachFile(t, left, "data", func(name string, b []byte) {
				for _, w := range before {
					if bytes.Contains(b, w) {
						t.Errorf("cut %d: %s holds an old wrapping", stop, name)
					}
				}
			})
		}
		if t.Failed() {
			t.Fatalf("cut at operation %d", stop)
		}
		if !met {
			break
		}
	}
	if oldOpens < 3 || newOpens < 3 {
		t.Errorf("%d cuts left the old root key, %d the new one: the cuts miss the change", oldOpens, newOpens)
	}
}

// TestInnerKeyStays: what other parts have sealed opens after a restart and under
// another root key, and only there.
func TestInnerKeyStays(t *testing.T) {
	fs := vfs.NewMem()
	cfg := config(t, fs)
	v := open(t, cfg)
	if _, err := v.Inner(); err == nil {
		t.Error("an inner key that nobody asked for")
	}
	check(t, v.Close())
	cfg.Inner = true
	var sealed []byte
	for n := range 4 {
		if n == 2 {
			check(t, vault.Rewrap(fs, "data/vault", rootKey(t, 7), rootKey(t, 9)))
			cfg.RootKey = rootKey(t, 9)
		}
		v := open(t, cfg)
		k, err := v.Inner()
		check(t, err)
		if n == 0 {
			sealed, err = k.Wrap([]byte("small thing"), []byte("its place"))
			check(t, err)
			keep(t, v, "x")
		}
		if plain, err := k.Unwrap(sealed, []byte("its place")); err != nil || string(plain) != "small thing" {
			t.Errorf("start %d: %q, %v", n, plain, err)
		}
		if _, err := k.Unwrap(sealed, []byte("another place")); err == nil {
			t.Error("it opens in another place")
		}
		check(t, v.Close())
	}
	other := config(t, vfs.NewMem())
	other.Inner = true
	v = open(t, other)
	k, err := v.Inner()
	check(t, err)
	if _, err := k.Unwrap(sealed, []byte("its place")); err == nil {
		t.Error("another store opens it")
	}
	check(t, v.Close())
}

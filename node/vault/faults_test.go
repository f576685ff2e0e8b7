package vault_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"sayso"
	"sayso/internal/rootkey"
	"sayso/node/vault"
)

// tapFS calls f before every operation that writes, one at a time.
func tapFS(fs vfs.FS, f func()) vfs.FS {
	var mu sync.Mutex
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			mu.Lock()
			defer mu.Unlock()
			f()
		}
		return nil
	}))
}

// fault runs a store whose n-th writing operation fails once. It answers what
// was acked, whether the vault stopped, and whether the fault was met at all.
func fault(t *testing.T, fs vfs.FS, n int64, cars []*sender) (acked *acks, stopped, met bool) {
	var ops atomic.Int64
	bad := errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && ops.Add(1) == n {
			return syscall.EIO
		}
		return nil
	}))
	acked = &acks{seqs: make(map[string]uint64)}
	fatal := make(chan error, 1)
	cfg := config(t, bad)
	cfg.SegmentBytes, cfg.MemTableBytes = 8<<10, 32<<10
	cfg.Fatal = func(err error) { fatal <- err }
	v, err := vault.Open(cfg)
	if err != nil {
		return acked, true, ops.Load() >= n
	}
	var wg sync.WaitGroup
	for _, s := range cars {
		wg.Go(func() {
			for range 60 {
				m := s.message()
				k, err := v.Commit(context.Background(), m.Deposit)
				if err != nil {
					return
				}
				s.next++
				acked.Lock()
				acked.seqs[m.Envelope.ID] = k.Seq
				acked.Unlock()
			}
		})
	}
	wg.Wait()
	err = v.Close()
	select {
	case <-fatal:
		stopped = true
	default:
		stopped = err != nil
	}
	return acked, stopped, ops.Load() >= n
}

// TestOneFailedWrite fails one operation in each run, every seventh of all that
// a run does. The vault either stops or was not harmed, and what it had acked
// is there at the next start, whether or not what was not synced survives.
func TestOneFailedWrite(t *testing.T) {
	stops, runs := 0, 0
	for n := int64(1); ; n += 7 {
		fs := vfs.NewCrashableMem()
		cars := []*sender{{vehicle: 1}, {vehicle: 2}, {vehicle: 3}}
		acked, stopped, met := fault(t, fs, n, cars)
		if !met {
			break
		}
		if runs++; stopped {
			stops++
		} else if len(acked.seqs) != 180 {
			t.Errorf("fault %d: the vault went on and acked %d of 180", n, len(acked.seqs))
		}
		for _, percent := range []int{0, 100} {
			left := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 1))})
			v := open(t, config(t, left))
			audit(t, v, cars, acked.seqs)
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if t.Failed() {
			t.Fatalf("fault at operation %d", n)
		}
	}
	t.Logf("%d runs, %d stopped", runs, stops)
	if runs < 20 || stops < runs/2 {
		t.Errorf("%d runs, of which %d stopped: the faults do not reach the vault", runs, stops)
	}
}

// eachFile gives every file of a file system.
func eachFile(t testing.TB, fs vfs.FS, dir string, f func(name string, content []byte)) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		full := path.Join(dir, name)
		info, err := fs.Stat(full)
		switch {
		case errors.Is(err, os.ErrNotExist): // Pebble removes what it does not need any more
		case err != nil:
			t.Fatal(err)
		case info.IsDir():
			eachFile(t, fs, full, f)
		default:
			f(full, readFile(t, fs, full))
		}
	}
}

func readFile(t testing.TB, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t testing.TB, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestNothingReadableOnDisk looks for everything of a deposit in every file.
func TestNothingReadableOnDisk(t *testing.T) {
	fs := vfs.NewMem()
	cfg := config(t, fs)
	v := open(t, cfg)
	lat := 48.137154321987
	m := newMsg(1, 1, 1, "canary-id-4711")
	m.Envelope.Source = sayso.Address([]byte("canary-source-bytes!"))
	m.Envelope.Subject.Address = sayso.Address([]byte("canary-subject-bytes"))
	m.Envelope.Producer.Address = sayso.Address([]byte("canary-producer-addr"))
	m.Envelope.Data = []byte(`{"vin":"WCANARYVIN1234567","note":"canary payload"}`)
	m.Envelope.Tags, m.Envelope.Extras = []string{"canary-tag"}, map[string][]byte{"canaryextra": []byte(`"canary-extra"`)}
	m.Rejected = []sayso.Rejection{{Name: "canaryName", Reason: "canary reason"}}
	m.value(6, start, sayso.TextValue("canary text value"))
	m.value(9, start, sayso.LocationValue(sayso.Location{Latitude: lat, Longitude: lat}))
	m.Events = []sayso.Event{{Name: "canary.harshBraking", Epoch: 1, Time: start, Metadata: `{"canary":"meta"}`, Tags: []string{"canary-event-tag"}}}
	m.keep(t, v)
	needles := [][]byte{
		[]byte("canary"), []byte("CANARY"), []byte(hex.EncodeToString([]byte("canary"))), []byte("harshBraking"),
		binary.LittleEndian.AppendUint64(nil, math.Float64bits(lat)), binary.BigEndian.AppendUint64(nil, math.Float64bits(lat)),
		[]byte(fmt.Sprint(lat)), []byte("dimo.status"),
	}
	look := func(when string) {
		files, size := 0, 0
		eachFile(t, fs, "data", func(name string, content []byte) {
			files, size = files+1, size+len(content)
			for _, n := range needles {
				if bytes.Contains(content, n) || strings.Contains(name, string(n)) {
					t.Errorf("%s: %s holds %q", when, name, n)
				}
			}
		})
		if files < 6 || size < 16<<10 {
			t.Fatalf("%s: looked at %d files of %d bytes", when, files, size)
		}
	}
	look("while open")
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	look("closed")
	v = open(t, cfg)
	rows := latest(t, v, view(1, 1), nil)
	if len(rows) != 2 || rows[0].Value.Text != "canary text value" || rows[1].Value.Location.Latitude != lat {
		t.Errorf("the owner reads %+v", rows)
	}
	look("opened again")
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestErasedKeysAreGone cuts the power at every operation of an erasure. The
// epoch is then erased, or it is not and nobody was told; where it is, no file
// holds its wrapped key, and the other epochs are what they were.
func TestErasedKeysAreGone(t *testing.T) {
	build := func() (*vfs.MemFS, map[uint32][]byte) {
		fs := vfs.NewCrashableMem()
		v := open(t, config(t, fs))
		wrapped := make(map[uint32][]byte)
		for epoch := uint32(1); epoch <= 2; epoch++ {
			newMsg(1, epoch, 1, fmt.Sprint("m", epoch)).number(5, epoch, start+sayso.Instant(epoch)*second, float64(epoch)).keep(t, v)
			keys := readFile(t, fs, "data/vault/keys")
			last := keys[:128]
			for at := 128; at < len(keys) && keys[at] != 0; at += 128 {
				last = keys[at:][:128]
			}
			wrapped[epoch] = bytes.Clone(last[16 : 16+int(last[1])])
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		return fs, wrapped
	}
	erasedSeen, keptSeen := 0, 0
	for stop := 1; stop <= 25; stop++ {
		fs, wrapped := build()
		rng := rand.New(rand.NewPCG(uint64(stop), 3))
		var left *vfs.MemFS
		var armed, told atomic.Bool
		ops, toldThen := 0, false
		v := open(t, config(t, tapFS(fs, func() {
			if !armed.Load() || left != nil {
				return
			}
			if ops++; ops == stop {
				left = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
				toldThen = told.Load()
			}
		})))
		armed.Store(true)
		if err := v.Erase(context.Background(), 1, 1); err != nil {
			t.Fatal(err)
		}
		told.Store(true)
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		armed.Store(false)
		if left == nil {
			left, toldThen = fs, true
		}
		v = open(t, config(t, left))
		rows := brief(scan(t, v, view(1, 1), nil, 0, ever))
		if rows == "" {
			erasedSeen++
			eachFile(t, left, "data", func(name string, content []byte) {
				if bytes.Contains(content, wrapped[1]) {
					t.Errorf("cut %d: %s still holds the key", stop, name)
				}
			})
			if got := latest(t, v, view(1, 1), nil); len(got) != 0 {
				t.Errorf("cut %d: latest of the erased epoch %+v", stop, got)
			}
		} else if keptSeen++; toldThen || rows != "[5 +1 s1 1] " {
			t.Errorf("cut %d: told %v, rows %s", stop, toldThen, rows)
		}
		if got := brief(scan(t, v, view(1, 2), nil, 0, ever)); got != "[5 +2 s1 2] " {
			t.Errorf("cut %d: the other epoch has %s", stop, got)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if erasedSeen < 5 || keptSeen < 1 {
		t.Errorf("%d cuts left the epoch erased, %d whole: the cuts miss the erasure", erasedSeen, keptSeen)
	}
}

// closedStore is a store of two runs, closed.
func closedStore(t *testing.T) (*vfs.MemFS, []*sender, map[string]uint64) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	cfg := config(t, fs)
	cfg.SegmentBytes = 16 << 10
	cars := []*sender{{vehicle: 1}, {vehicle: 2}}
	acked := &acks{seqs: make(map[string]uint64)}
	for range 2 { // so that the second appends to what Pebble has flushed
		v := open(t, cfg)
		send(t, v, cars, acked, 45, 0, func() {})
		check(t, v.Close())
	}
	return fs, cars, acked.seqs
}

// find gives the last file of a directory of a name that matches.
func find(t *testing.T, fs vfs.FS, dir, pattern string) string {
	t.Helper()
	names, err := fs.List(dir)
	check(t, err)
	found := ""
	for _, n := range names {
		if ok, err := path.Match(pattern, n); err == nil && ok && n > found {
			found = n
		}
	}
	return path.Join(dir, found)
}

func copyOf(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
}

// TestShortManifestIsNoticed cuts Pebble's manifest at every 7th byte. Pebble
// takes what is left for all there ever was; the vault must not.
func TestShortManifestIsNoticed(t *testing.T) {
	whole, cars, acked := closedStore(t)
	name := find(t, whole, "data/vault/rows", "MANIFEST-*")
	length := len(readFile(t, whole, name))
	refused := 0
	for cut := 0; cut < length; cut += 7 {
		fs := copyOf(whole)
		writeFile(t, fs, name, readFile(t, fs, name)[:cut])
		cfg := config(t, fs)
		cfg.Fatal = func(error) {}
		v, err := vault.Open(cfg)
		if err != nil {
			refused++
			continue
		}
		audit(t, v, cars, acked)
		check(t, v.Close())
		if t.Failed() {
			t.Fatalf("cut at byte %d of %d", cut, length)
		}
	}
	t.Logf("%d bytes, %d cuts refused", length, refused)
	if refused == 0 {
		t.Error("no cut was refused")
	}
}

// TestDamageIsRefused damages a closed store in ways that must not pass.
func TestDamageIsRefused(t *testing.T) {
	whole, cars, acked := closedStore(t)
	const dir = "data/vault/"
	change := func(fs vfs.FS, name string, f func([]byte) []byte) { writeFile(t, fs, name, f(readFile(t, fs, name))) }
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[at] ^= 1
			return b
		}
	}
	for _, c := range []struct {
		name   string
		damage func(vfs.FS)
		opens  bool
	}{
		{"nothing", func(vfs.FS) {}, true},
		{"a bit of the log", func(fs vfs.FS) { change(fs, find(t, fs, dir+"log", "*.log"), flip(300)) }, false},
		{"the last group of the log", func(fs vfs.FS) {
			change(fs, find(t, fs, dir+"log", "*.log"), func(b []byte) []byte { return flip(len(bytes.TrimRight(b, "\x00")) - 30)(b) })
		}, false},
		{"the head of a segment", func(fs vfs.FS) { change(fs, find(t, fs, dir+"log", "*.log"), flip(20)) }, false},
		{"the log cut short", func(fs vfs.FS) {
			change(fs, find(t, fs, dir+"log", "*.log"), func(b []byte) []byte { return b[:200] })
		}, false},
		{"a segment removed", func(fs vfs.FS) { check(t, fs.Remove(find(t, fs, dir+"log", "*.log"))) }, false},
		{"the log removed", func(fs vfs.FS) { check(t, fs.RemoveAll(dir+"log")) }, false},
		{"the rows removed", func(fs vfs.FS) { check(t, fs.RemoveAll(dir+"rows")) }, false},
		{"the checkpoint removed", func(fs vfs.FS) { check(t, fs.Remove(dir+"checkpoint")) }, false},
		{"both checkpoint slots", func(fs vfs.FS) {
			change(fs, dir+"checkpoint", func(b []byte) []byte { return flip(4096 + 30)(flip(30)(b)) })
		}, false},
		{"the keys removed", func(fs vfs.FS) { check(t, fs.Remove(dir+"keys")) }, false},
		{"a key slot", func(fs vfs.FS) { change(fs, dir+"keys", flip(128*2+40)) }, false},
		{"keys cut off", func(fs vfs.FS) { change(fs, dir+"keys", func(b []byte) []byte { return b[:128*3] }) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := copyOf(whole)
			c.damage(fs)
			cfg := config(t, fs)
			cfg.SegmentBytes = 16 << 10
			cfg.Fatal = func(error) {}
			v, err := vault.Open(cfg)
			if c.opens {
				if err != nil {
					t.Fatal(err)
				}
				audit(t, v, cars, acked)
				check(t, v.Close())
				return
			}
			if err == nil {
				t.Errorf("opened; sequence %d of %d", v.Seq(), len(acked))
				check(t, v.Close())
			} else {
				t.Log(err)
			}
		})
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOneCheckpointSlotIsEnough damages the newer slot.
func TestOneCheckpointSlotIsEnough(t *testing.T) {
	fs := vfs.NewCrashableMem()
	cars := []*sender{{vehicle: 1}}
	acked := &acks{seqs: make(map[string]uint64)}
	v := open(t, config(t, fs))
	send(t, v, cars, acked, 20, 0, func() {})
	check(t, v.Close())
	for _, at := range []int{30, 4096 + 30} {
		left := copyOf(fs)
		b := readFile(t, left, "data/vault/checkpoint")
		b[at] ^= 1
		writeFile(t, left, "data/vault/checkpoint", b)
		v := open(t, config(t, left))
		audit(t, v, cars, acked.seqs)
		check(t, v.Close())
	}
}

// TestAnotherRootKeyIsRefused opens a store with the wrong root key.
func TestAnotherRootKeyIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	cfg := config(t, fs)
	check(t, open(t, cfg).Close())
	k, err := rootkey.New([32]byte{8})
	check(t, err)
	cfg.RootKey = k
	if v, err := vault.Open(cfg); err == nil {
		t.Error("opened with another root key")
		check(t, v.Close())
	}
}

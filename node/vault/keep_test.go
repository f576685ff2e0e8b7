package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// until waits for something that another goroutine does.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func fill(t *testing.T, v *Vault, vehicle uint64, n int) {
	t.Helper()
	for i := range n {
		at := sayso.Instant(1_700_000_000_000_000 + int64(i)*1_000_000)
		d := deposit(vehicle, fmt.Sprint(i), at, sayso.Reading{Signal: 3, Epoch: 1, Time: at, Value: sayso.NumberValue(float64(i))})
		if _, err := v.Commit(context.Background(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// The log is bounded: what Pebble holds durably is trimmed, and what is trimmed
// is not asked for at the next start.
func TestLogIsTrimmed(t *testing.T) {
	cfg := testConfig(t, vfs.NewCrashableMem())
	cfg.SegmentBytes = 8 << 10
	v := testOpen(t, cfg)
	fill(t, v, 1, 600)
	if v.journal.number < 10 {
		t.Fatalf("600 commits made %d segments", v.journal.number)
	}
	until(t, "the log to be trimmed", func() bool { return v.Stats().Segments <= maxClosed+1 && v.Stats().Durable > 0 })
	left := cfg.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 1))})
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	for _, fs := range []vfs.FS{cfg.FS, left} {
		cfg.FS = fs
		v = testOpen(t, cfg)
		n := 0
		err := v.Scan(context.Background(), View{Vehicle: 1, Epochs: []uint32{1}}, nil, minInstant, maxInstant, func(Row) bool { n++; return true })
		if err != nil || n != 600 || v.Seq() != 600 {
			t.Errorf("%d rows of 600, %v", n, err)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What was erased leaves the files, not only the answers.
func TestErasedBytesLeaveTheFiles(t *testing.T) {
	v := testOpen(t, testConfig(t, vfs.NewMem()))
	fill(t, v, 1, 300)
	if err := errors.Join(v.see(t.Context(), "test", v.Seq()), v.db.Flush()); err != nil {
		t.Fatal(err)
	}
	k, err := v.keys.current(owner{1, 1})
	if err != nil {
		t.Fatal(err)
	}
	head := binary.LittleEndian.AppendUint32(nil, k.slot) // what every part sealed with the key begins with
	head = binary.BigEndian.AppendUint32(head, v.keys.opening)
	parts := func() (n int) {
		names, err := v.cfg.FS.List("data/vault/rows")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f, err := v.cfg.FS.Open("data/vault/rows/" + name)
			if err != nil {
				continue // removed meanwhile
			}
			if b, err := readAll(f); err == nil {
				n += bytes.Count(b, head)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if parts() < 600 {
		t.Fatalf("%d parts are in the files before the erasure", parts())
	}
	if err := v.Erase(context.Background(), 1, 1); err != nil {
		t.Fatal(err)
	}
	until(t, "the erased bytes to leave", func() bool { return parts() == 0 })
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// logOf writes groups of one record each and gives the segment and where the
// groups end.
func logOf(t *testing.T, fs vfs.FS, groups int) (b []byte, ends []int) {
	t.Helper()
	if err := fs.MkdirAll("log", 0o700); err != nil {
		t.Fatal(err)
	}
	j := &journal{fs: fs, dir: "log", size: 16 << 10}
	if err := j.rotate(); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(groups) {
		rec := endFrame(append(beginFrame(nil, frameErase, [16]byte{}), make([]byte, 12)...), n+1, n+1)
		if _, err := j.append(rec, 1, n+1); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(j.offset))
	}
	b, err := readAll(j.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	return b, ends
}

// A group that is not whole is the torn end of the log if nothing is behind it,
// and damage if a later group is.
func TestTornEndOrDamage(t *testing.T) {
	fs := vfs.NewMem()
	whole, ends := logOf(t, fs, 6)
	read := func(b []byte) (groups int, after []byte, err error) {
		f, err := fs.OpenReadWrite("log/"+segmentName(1), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		j := &journal{fs: fs, dir: "log", size: 16 << 10}
		err = j.read(1, position{}, func(*group) error { groups++; return nil })
		if j.file != nil {
			if after, _ = readAll(j.file); int(j.offset) != ends[max(groups, 1)-1] && groups > 0 {
				t.Errorf("goes on at %d behind %d groups", j.offset, groups)
			}
		}
		return groups, after, errors.Join(err, j.close())
	}
	last := ends[5] - ends[4]
	for at := ends[4]; at < ends[5]; at++ { // every byte of the last group
		b := append([]byte(nil), whole...)
		b[at] ^= 0x40
		groups, after, err := read(b)
		if err != nil || groups != 5 {
			t.Fatalf("byte %d of the last group: %d groups, %v", at-ends[4], groups, err)
		}
		for _, c := range after[ends[4]:] {
			if c != 0 {
				t.Fatal("the torn group was not wiped")
			}
		}
	}
	for cut := 1; cut < last; cut++ { // the last group without its end
		b := append([]byte(nil), whole...)
		clear(b[ends[5]-cut:])
		if groups, _, err := read(b); err != nil || groups != 5 {
			t.Fatalf("%d bytes missing: %d groups, %v", cut, groups, err)
		}
	}
	var loss *Loss
	for at := ends[2]; at < ends[3]; at++ { // every byte of the fourth group
		b := append([]byte(nil), whole...)
		b[at] ^= 0x40
		if groups, _, err := read(b); !errors.As(err, &loss) || groups != 3 {
			t.Fatalf("byte %d of the fourth group: %d groups, %v", at-ends[2], groups, err)
		}
	}
	b := append([]byte(nil), whole...)
	clear(b[ends[2]:ends[3]]) // a hole
	if _, _, err := read(b); !errors.As(err, &loss) {
		t.Fatalf("a hole: %v", err)
	}
}

// A crash may come when a new data key is on the disk and the erasure before it
// is not. The old key then stays in use, and an erasure takes both.
func TestAKeyTooMany(t *testing.T) {
	cfg := testConfig(t, vfs.NewCrashableMem())
	v := testOpen(t, cfg)
	fill(t, v, 1, 3)
	old := v.keys.retire(owner{1, 1})
	spare, err := v.keys.ensure(owner{1, 1})
	if err == nil {
		err = v.keys.flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	left := cfg.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.FS = left
	v = testOpen(t, cfg)
	source := sayso.Address{1}
	count := func() (n int) {
		view := View{Vehicle: 1, Epochs: []uint32{1}, Source: &source}
		if err := v.Scan(context.Background(), view, nil, minInstant, maxInstant, func(Row) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	fill(t, v, 1, 5) // three of them are there
	if n := count(); n != 5 {
		t.Errorf("%d rows of 5", n)
	}
	if err := v.Erase(context.Background(), 1, 1); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 || len(old) != 1 || !v.keys.destroyed(old[0]) || !v.keys.destroyed(spare.slot) {
		t.Errorf("%d rows behind the erasure; slots %v and %d", n, old, spare.slot)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

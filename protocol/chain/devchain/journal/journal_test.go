package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// payload is the record of that number in the tests: 1 to 40 bytes.
func payload(n uint64) []byte {
	return bytes.Repeat([]byte{byte(n)*7 + 1}, int(n*11%40)+1)
}

// fill appends records up to number end, in segments of about limit bytes.
func fill(t testing.TB, dir string, limit int64, end uint64) {
	t.Helper()
	j, err := open(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for n := j.Len(); n < end; n++ {
		if got, err := j.Append(payload(n)); err != nil || got != n {
			t.Fatalf("append %d: %d, %v", n, got, err)
		}
	}
}

// holds fails unless the journal holds records 0 to end-1 from every start.
func holds(t testing.TB, j *Journal, end uint64) {
	t.Helper()
	if j.Len() != end {
		t.Fatalf("%d records, want %d", j.Len(), end)
	}
	for from := range end + 1 {
		want := from
		err := j.Read(from, func(n uint64, p []byte) error {
			if n != want || !bytes.Equal(p, payload(n)) {
				return fmt.Errorf("record %d is %x, want record %d", n, p, want)
			}
			want++
			return nil
		})
		if err != nil || want != end {
			t.Fatalf("read from %d: got to %d of %d, %v", from, want, end, err)
		}
	}
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestRecordsSurviveReopening(t *testing.T) {
	for _, limit := range []int64{1, 100, 300, SegmentSize} {
		dir := t.TempDir()
		for _, end := range []uint64{0, 1, 2, 9, 30} {
			fill(t, dir, limit, end)
			j, err := open(dir, limit)
			if err != nil {
				t.Fatal(err)
			}
			holds(t, j, end)
			if j.Dropped() != 0 {
				t.Errorf("%d bytes dropped from a sound journal", j.Dropped())
			}
			j.Close()
		}
		if n := len(files(t, dir)); (n == 1) != (limit == SegmentSize) {
			t.Errorf("limit %d: %d segments", limit, n)
		}
	}
}

// A crash can cut the last file anywhere. What was whole before the cut stays, and
// appending goes on from there.
func TestEveryTornEndIsCutOff(t *testing.T) {
	const end = 8
	src := t.TempDir()
	fill(t, src, 120, end)
	names := files(t, src)
	last := names[len(names)-1]
	data, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	var first uint64
	fmt.Sscanf(filepath.Base(last), "%d", &first)
	for cut := range len(data) {
		for _, garbage := range []string{"", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\xff\x01\x00\x00torn"} {
			dir := t.TempDir()
			for _, name := range names {
				b, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if name == last {
					b = append(b[:cut:cut], garbage...)
				}
				if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			whole, size := first, headerSize
			for whole < end && size+recordHead+len(payload(whole)) <= cut {
				size += recordHead + len(payload(whole))
				whole++
			}
			j, err := open(dir, 120)
			if err != nil {
				t.Fatalf("cut at %d, then %q: %v", cut, garbage, err)
			}
			holds(t, j, whole)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			fill(t, dir, 120, end+3)
			if j, err = open(dir, 120); err != nil {
				t.Fatal(err)
			}
			holds(t, j, end+3)
			j.Close()
		}
	}
}

// Every flipped bit before the last record is noticed and never cut off.
func TestDamageInTheMiddleIsRefused(t *testing.T) {
	const end = 5
	src := t.TempDir()
	fill(t, src, SegmentSize, end)
	name := files(t, src)[0]
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lastRecord := len(data) - recordHead - len(payload(end-1))
	for at := range lastRecord {
		bad := bytes.Clone(data)
		bad[at] ^= 0x10
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := open(src, SegmentSize)
		var c *CorruptError
		if !errors.As(err, &c) {
			t.Fatalf("byte %d flipped: %v, want a CorruptError", at, err)
		}
		if c.File != name || !strings.Contains(err.Error(), name) || j != nil {
			t.Fatalf("the error does not name the file: %v", err)
		}
		if kept, err := os.ReadFile(name); err != nil || !bytes.Equal(kept, bad) {
			t.Fatal("a refused file was changed")
		}
	}
}

func TestDamageInAnOldSegmentIsFoundByReading(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, names []string) error{
		"flipped": func(t *testing.T, names []string) error {
			data, err := os.ReadFile(names[1])
			if err != nil {
				return err
			}
			data[len(data)-1] ^= 1
			return os.WriteFile(names[1], data, 0o600)
		},
		"cut": func(t *testing.T, names []string) error {
			info, err := os.Stat(names[1])
			if err != nil {
				return err
			}
			return os.Truncate(names[1], info.Size()-3)
		},
		"removed": func(t *testing.T, names []string) error { return os.Remove(names[1]) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, 100, 20)
			names := files(t, dir)
			if len(names) < 4 {
				t.Fatal("too few segments to damage an old one")
			}
			if err := damage(t, names); err != nil {
				t.Fatal(err)
			}
			j, err := open(dir, 100)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			var c *CorruptError
			if err := j.Read(0, func(uint64, []byte) error { return nil }); !errors.As(err, &c) {
				t.Errorf("reading all: %v, want a CorruptError", err)
			}
			if err := j.Read(j.Len()-1, func(uint64, []byte) error { return nil }); err != nil {
				t.Errorf("reading the end, which is sound: %v", err)
			}
		})
	}
	t.Run("first removed", func(t *testing.T) {
		dir := t.TempDir()
		fill(t, dir, 100, 20)
		if err := os.Remove(files(t, dir)[0]); err != nil {
			t.Fatal(err)
		}
		if j, err := open(dir, 100); err == nil {
			j.Close()
			t.Error("opened without its first segment")
		}
	})
}

func TestFullDiskLeavesTheJournalAsItWas(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, SegmentSize, 2)
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Part of the record reaches the file, then the space is used up.
	j.SetDisk(func(f *os.File, b []byte, off int64) (int, error) {
		n, _ := f.WriteAt(b[:len(b)-1], off)
		return n, syscall.ENOSPC
	}, nil)
	for range 3 {
		if _, err := j.Append(payload(2)); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrClosed) {
			t.Fatalf("append to a full disk: %v", err)
		}
	}
	holds(t, j, 2)
	j.SetDisk((*os.File).WriteAt, nil)
	if n, err := j.Append(payload(2)); n != 2 || err != nil {
		t.Fatalf("append when there is space again: %d, %v", n, err)
	}
	j.Close()
	if j, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if holds(t, j, 3); j.Dropped() != 0 {
		t.Errorf("%d bytes of the failed writes were left", j.Dropped())
	}
}

func TestFailedSyncClosesTheJournal(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, SegmentSize, 2)
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	j.SetDisk(nil, func(*os.File) error { calls++; return os.ErrInvalid })
	for range 3 {
		if _, err := j.Append(payload(2)); !errors.Is(err, ErrClosed) {
			t.Fatalf("append with a failing disk: %v", err)
		}
	}
	if calls != 1 {
		t.Errorf("a failed sync was tried %d times; a second success would mean nothing", calls)
	}
	if j.Len() != 2 {
		t.Errorf("%d records", j.Len())
	}
}

func TestAppendRefusesSizes(t *testing.T) {
	j, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, size := range []int{0, MaxPayload + 1} {
		if _, err := j.Append(make([]byte, size)); err == nil {
			t.Errorf("a record of %d bytes was taken", size)
		}
	}
	if _, err := j.Append(make([]byte, MaxPayload)); err != nil {
		t.Error(err)
	}
	j.Close()
	if _, err := j.Append([]byte{1}); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
}

// The fixture was written by version 1 and must stay readable.
func TestFixture(t *testing.T) {
	data, err := os.ReadFile("testdata/0000000000000000.blocks")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	good, n, err := Scan(data, 0, func(n uint64, p []byte) error {
		got = append(got, fmt.Sprintf("%d=%s", n, p))
		return nil
	})
	want := "0=the origin,1=block one,2=block two"
	if err != nil || n != 3 || good != int64(len(data)) || strings.Join(got, ",") != want {
		t.Errorf("%d records in %d of %d bytes: %v, %v; want %s", n, good, len(data), got, err, want)
	}
	again := appendHeader(nil, 0)
	for i, p := range []string{"the origin", "block one", "block two"} {
		again = appendRecord(again, uint64(i), []byte(p))
	}
	if !bytes.Equal(again, data) {
		t.Errorf("version 1 is written differently now:\n%x\n%x", again, data)
	}
}

// FuzzScan feeds any bytes as a segment. Whatever Scan accepts is a prefix that, written
// again, gives the same bytes; the answer for the prefix alone is the same; and
// a record appended to the prefix is found.
func FuzzScan(f *testing.F) {
	seg := appendHeader(nil, 3)
	for n := uint64(3); n < 6; n++ {
		seg = appendRecord(seg, n, payload(n))
	}
	f.Add(seg, uint64(3))
	f.Add(seg[:len(seg)-2], uint64(3))
	f.Add(append(bytes.Clone(seg), 0, 0, 0, 0), uint64(3))
	bad := bytes.Clone(seg)
	bad[headerSize+recordHead] ^= 1
	f.Add(bad, uint64(3))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, first uint64) {
		if first > 1<<62 {
			first >>= 2
		}
		again := appendHeader(nil, first)
		next := first
		good, n, err := Scan(data, first, func(number uint64, p []byte) error {
			if number != next {
				t.Fatalf("record %d, want %d", number, next)
			}
			next++
			again = appendRecord(again, number, p)
			return nil
		})
		var c *CorruptError
		if errors.As(err, &c) {
			if good != 0 || n != 0 {
				t.Fatal("a corrupt segment has a good part")
			}
			return
		}
		if err != nil || n != next-first {
			t.Fatalf("%d records, %v", n, err)
		}
		if good == 0 {
			if n != 0 {
				t.Fatal("records without a header")
			}
			return
		}
		if !bytes.Equal(again, data[:good]) {
			t.Fatalf("%x read and written again is %x", data[:good], again)
		}
		if g, m, err := Scan(data[:good], first, nil); g != good || m != n || err != nil {
			t.Fatalf("prefix: %d %d %v, want %d %d", g, m, err, good, n)
		}
		longer := appendRecord(bytes.Clone(data[:good]), next, []byte("one more"))
		if g, m, err := Scan(longer, first, nil); g != int64(len(longer)) || m != n+1 || err != nil {
			t.Fatalf("with one more: %d %d %v", g, m, err)
		}
		// The same after whatever was torn: then the torn part is damage in the middle.
		if good < int64(len(data)) {
			if _, _, err := Scan(appendRecord(bytes.Clone(data), next+1, []byte("later")), first, nil); !errors.As(err, &c) {
				t.Fatalf("a later record after a damaged one: %v, want a CorruptError", err)
			}
		}
	})
}

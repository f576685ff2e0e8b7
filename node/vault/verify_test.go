package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// flipIn changes a bit of a file where it is.
func flipIn(t testing.TB, fs vfs.FS, name string, at int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	check(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	check(t, err)
	b[0] ^= 4
	_, err = f.WriteAt(b[:], at)
	check(t, err)
	check(t, f.Close())
}

// TestVerifyFindsNothingInAWholeStore, also of a store with erasures.
func TestVerifyFindsNothingInAWholeStore(t *testing.T) {
	fs, cars, _ := closedStore(t)
	v := open(t, config(t, fs))
	newMsg(9, 1, 1, "erased").number(5, 1, start, 1).keep(t, v)
	check(t, v.Erase(t.Context(), 9, 1))
	read := uint64(0)
	got, err := v.Verify(t.Context(), 0, func(n uint64) { read = n })
	check(t, err)
	if got.Faults != 0 || got.Rows["cloudEvents"] != 180 || got.Rows["readings"]+got.Rows["packed"] == 0 || got.Rows["commits"] != 182 || got.Rows["latest"] != uint64(len(cars)) ||
		got.Groups == 0 || got.Sequence != 182 || got.Bytes < read {
		t.Errorf("%+v", got)
	}
	check(t, v.Close())
}

// TestVerifyNamesWhatIsAltered flips bytes of a store while it is open, and of
// one that is closed and opens all the same.
func TestVerifyNamesWhatIsAltered(t *testing.T) {
	for _, c := range []struct {
		name, dir, pattern string
		at                 func(length int) int
		part               string
	}{
		{"the middle of a segment", "data/vault/log", "*.log", func(int) int { return 500 }, "log"},
		{"the end of the log", "data/vault/log", "*.log", func(n int) int { return n - 40 }, "log"},
		{"the head of a segment", "data/vault/log", "*.log", func(int) int { return 20 }, "log"},
		{"a data key", "data/vault", "keys", func(int) int { return 128*2 + 30 }, "keys"},
		{"a table", "data/vault/rows", "*.sst", func(n int) int { return n / 8 }, "rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := vfs.NewMem()
			cfg := config(t, fs)
			cfg.CacheBytes = 1
			v := open(t, cfg)
			for n := range 60 {
				for car := range uint64(3) {
					newMsg(car+1, 1, 1, fmt.Sprint("m", n)).number(5, 1, start+second*sayso.Instant(n), float64(n)).keep(t, v)
				}
			}
			if c.part == "rows" { // flushed, and in no cache
				check(t, v.Close())
				v = open(t, cfg)
			}
			name := find(t, fs, c.dir, c.pattern)
			if c.part == "rows" { // in a small table, which an early flush leaves, what is read all the time is in the same block
				name = largestTable(t, fs)
			}
			b := readFile(t, fs, name)
			length := len(b)
			if c.part == "log" {
				length = len(strings.TrimRight(string(b), "\x00"))
			}
			flipIn(t, fs, name, int64(c.at(length)))
			got, err := v.Verify(t.Context(), 0, nil)
			check(t, err)
			if got.Faults == 0 || got.Findings[0].Part != c.part {
				t.Fatalf("%+v", got)
			}
			if len(got.Findings[0].Vehicles) == 0 {
				t.Error("no vehicle is named")
			}
			t.Log(got.Findings[0].String())
			v.Close()
		})
	}
}

// TestStatCounts what was kept, and compacting gives back what was erased.
func TestStatCounts(t *testing.T) {
	v := open(t, config(t, vfs.NewMem()))
	for n := range 50 {
		for car := range uint64(4) {
			m := newMsg(car+1, 1, 1, fmt.Sprint("m", n)).number(5, 1, start+second*sayso.Instant(n), float64(n))
			m.Envelope.Time = (start + second*sayso.Instant(n)).Time()
			m.keep(t, v)
		}
	}
	newMsg(1, 2, 1, "other owner").number(5, 2, start, 1).keep(t, v)
	f, err := v.Stat(t.Context(), nil)
	check(t, err)
	if f.Sequence != 201 || f.Vehicles != 4 || f.Ownerships != 5 || f.Rows["cloudEvents"] != 201 || f.Rows["commits"] != 201 || f.Keys.Live != 5 ||
		f.Keys.Openings != 1 || f.LogSegments < 2 || f.Bytes["log"] == 0 || !f.Last.Equal((start + 49*second).Time()) || f.First.After(start.Time()) {
		t.Errorf("%+v", f)
	}
	for car := range uint64(4) {
		check(t, v.Erase(t.Context(), car+1, 1))
	}
	_, after, err := v.Compact(t.Context())
	check(t, err)
	f, err = v.Stat(t.Context(), nil)
	check(t, err)
	if f.Vehicles != 1 || f.Rows["cloudEvents"] != 1 || f.Keys.Erased != 4 || f.Keys.Live != 1 || f.Rows["commits"] != 205 || after == 0 {
		t.Errorf("after erasing: %d bytes, %+v", after, f)
	}
	check(t, v.Close())
}

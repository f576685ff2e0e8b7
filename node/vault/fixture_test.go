package vault_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/node/vault"
)

var update = flag.Bool("update", false, "write the fixture of this format again; only for a new format version, in a new folder")

// fixture is a store of format 1: a closed run, an erasure, and a run that was
// killed, so that rows, keys, checkpoint and a log to be replayed are in it.
const fixture = "testdata/format-1"

const fixtureRows = "[5 +0 s1 1.25] [6 +0 s1 text] [9 +0 s2 48.5] [5 +3600 s1 2] "

// TestFormatOneStaysReadable opens a store that an earlier program wrote.
func TestFormatOneStaysReadable(t *testing.T) {
	if *update {
		writeFixture(t)
	}
	v := open(t, config(t, openFixture(t, fixture)))
	if got := brief(scan(t, v, view(7, 1, 2), nil, 0, ever)); got != fixtureRows {
		t.Errorf("rows %s", got)
	}
	if got := brief(scan(t, v, view(8, 1), nil, 0, ever)); got != "" {
		t.Errorf("the erased vehicle has %s", got)
	}
	seqs := ""
	check(t, v.Follow(t.Context(), 0, func(e vault.Entry) bool {
		seqs += fmt.Sprint(e.Seq, e.Envelope.ID, len(e.Events), " ")
		return true
	}))
	if seqs != "1a1 2b0 5d0 " || v.Seq() != 5 {
		t.Errorf("commits %q, sequence %d", seqs, v.Seq())
	}
	if k, err := v.Commit(t.Context(), newMsg(7, 1, 1, "a").Deposit); err != nil || !k.Duplicate {
		t.Errorf("a repetition gave %+v, %v", k, err)
	}
	check(t, v.Close())
}

// openFixture copies a fixture into memory.
func openFixture(t *testing.T, dir string) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		into := "data/vault/" + filepath.ToSlash(rel)
		if err := fs.MkdirAll(fs.PathDir(into), 0o700); err != nil {
			return err
		}
		writeFile(t, fs, into, b)
		return nil
	})
	check(t, err)
	return fs
}

func writeFixture(t *testing.T) {
	fs := vfs.NewCrashableMem()
	cfg := config(t, fs)
	cfg.SegmentBytes = 4 << 10
	v := open(t, cfg)
	a := newMsg(7, 1, 1, "a").number(5, 1, start, 1.25).value(6, start, sayso.TextValue("text"))
	a.Events = []sayso.Event{{Name: "behavior.harshBraking", Epoch: 1, Time: start}}
	a.keep(t, v)
	newMsg(7, 1, 2, "b").value(9, start, sayso.LocationValue(sayso.Location{Latitude: 48.5, Longitude: 11.5, HDOP: 1})).keep(t, v)
	newMsg(8, 1, 1, "c").number(5, 1, start, 9).keep(t, v)
	check(t, v.Erase(t.Context(), 8, 1))
	check(t, v.Close())
	v = open(t, cfg)
	newMsg(7, 2, 1, "d").number(5, 2, start+hour, 2).keep(t, v)
	killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0, RNG: rand.New(rand.NewPCG(1, 1))})
	check(t, v.Close())
	saveFixture(t, killed, fixture)
}

func saveFixture(t *testing.T, fs vfs.FS, dir string) {
	check(t, os.RemoveAll(dir))
	eachFile(t, fs, "data/vault", func(name string, content []byte) {
		if strings.HasSuffix(name, "lock") || strings.HasSuffix(name, "LOCK") {
			return
		}
		into := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(name, "data/vault/")))
		check(t, os.MkdirAll(filepath.Dir(into), 0o755))
		check(t, os.WriteFile(into, content, 0o644))
	})
}

// TestEarlierFormatsAreNumberedFromNowOn: stores of earlier programs verify whole,
// before and after they have taken something in, also over the next start.
func TestEarlierFormatsAreNumberedFromNowOn(t *testing.T) {
	for _, dir := range []string{"testdata/format-1", "testdata/format-2"} {
		fs := openFixture(t, dir)
		whole := func(v *vault.Vault) {
			t.Helper()
			got, err := v.Verify(t.Context(), 0, nil)
			check(t, err)
			if got.Faults > 0 {
				t.Errorf("%s: %v", dir, got.Findings)
			}
		}
		for life := range 3 {
			v := open(t, config(t, fs))
			whole(v)
			for n := range 3 {
				newMsg(7, 1, 1, fmt.Sprint("new", life, n)).number(5, 1, start+hour*sayso.Instant(10+life), float64(n)).keep(t, v)
			}
			check(t, v.Erase(t.Context(), 7, 2))
			newMsg(7, 2, 1, fmt.Sprint("again", life)).number(5, 2, start+hour*sayso.Instant(20+life), 1).keep(t, v)
			whole(v)
			check(t, v.Close())
		}
	}
}

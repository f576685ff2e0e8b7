package chaos

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/node/vault"
)

var atRest = flag.Int("atrest", 300, "how many files TestDamageAtRest damages")

const restDir = "data/vault"

func restConfig(t testing.TB, fs vfs.FS) vault.Config {
	t.Helper()
	k, err := rootkey.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	return vault.Config{
		FS: fs, Dir: restDir, RootKey: k, Inner: true, Clock: clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		SegmentBytes: 12 << 10, MemTableBytes: 256 << 10, CacheBytes: 1 << 20, CommitTimeout: time.Minute, MinFreeBytes: 1,
		Fatal: func(error) {},
	}
}

// restStore is a closed store with everything in it that there is: readings,
// packed and not, events, statements, erasures, several openings, segments and
// tables. With cloud events of so many bytes that they fill many blocks, damage to a
// table is mostly not in the block that a start reads.
func restStore(t testing.TB, size int) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(7, 7))
	filling := make([]byte, size)
	from := sayso.At(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	for life := range 4 {
		v, err := vault.Open(restConfig(t, fs))
		must(err)
		for n := range 8 {
			for car := uint64(1); car <= 3; car++ {
				at := from + sayso.Instant(life*8+n)*3600*sayso.Instant(1e6)
				for i := range filling {
					filling[i] = byte(rng.IntN(256))
				}
				epoch := uint32(1 + life/2)
				d := &vault.Deposit{Vehicle: car, Epoch: epoch, Envelope: sayso.CloudEvent{
					Type: sayso.TypeStatus, Source: sayso.Address{19: byte(car)}, Subject: sayso.NFT(1, sayso.Address{1}, car),
					ID: fmt.Sprint(life, n), Time: at.Time(), Data: fmt.Appendf(nil, `{"n":%d,"filling":"%x"}`, n, filling),
				}}
				for s := range sayso.SignalID(3) {
					d.Readings = append(d.Readings, sayso.Reading{Signal: s + 1, Epoch: epoch, Time: at, Value: sayso.NumberValue(float64(n) * 1.5)})
				}
				if n == 3 {
					d.Events = []sayso.Event{{Name: "behavior.harshBraking", Epoch: epoch, Time: at}}
					d.Envelope.Type = sayso.TypeAttestation
				}
				_, err := v.Commit(context.Background(), d)
				must(err)
			}
		}
		if life == 2 {
			must(v.Pack(context.Background()))
			must(v.Erase(context.Background(), 2, 1))
			_, _, err := v.Compact(context.Background())
			must(err)
		}
		must(v.Close())
	}
	return fs
}

// restSight is all that a store answers, as a digest; an error is an answer too.
func restSight(v *vault.Vault) (sum [32]byte, err error) {
	ctx, h := context.Background(), sha256.New()
	see := func(x any) bool { fmt.Fprintf(h, "%+v\n", x); return true }
	for car := uint64(1); car <= 3; car++ {
		for _, view := range []vault.View{{Vehicle: car, Epochs: []uint32{1}}, {Vehicle: car, Epochs: []uint32{1, 2}}, {Vehicle: car, Epochs: []uint32{1, 2}, Source: &sayso.Address{19: byte(car)}}} {
			for _, ask := range []func() error{
				func() error { return v.Scan(ctx, view, nil, -ever, ever, func(r vault.Row) bool { return see(r) }) },
				func() error { return v.Events(ctx, view, -ever, ever, func(r vault.EventRow) bool { return see(r) }) },
				func() error { return v.Export(ctx, view, func(s vault.Stored) bool { return see(s) }) },
				func() error { rows, err := v.Latest(ctx, view, nil); see(rows); return err },
				func() error { s, err := v.Summary(ctx, view); see(s); return err },
			} {
				if err := ask(); err != nil {
					return sum, err
				}
			}
		}
	}
	if err := v.Follow(ctx, 0, func(e vault.Entry) bool { return see(e) }); err != nil {
		return sum, err
	}
	see(v.Seq())
	h.Sum(sum[:0])
	return sum, nil
}

// restFiles are the files of a store.
func restFiles(fs vfs.FS, dir string) (list []string) {
	names, err := fs.List(dir)
	must(err)
	for _, n := range names {
		full := path.Join(dir, n)
		info, err := fs.Stat(full)
		must(err)
		switch {
		case info.IsDir():
			list = append(list, restFiles(fs, full)...)
		case n != "lock" && n != "LOCK":
			list = append(list, full)
		}
	}
	slices.Sort(list)
	return list
}

// damageAtRest changes one file and says how.
func damageAtRest(rng *rand.Rand, fs *vfs.MemFS, name string) string {
	b := contentOf(fs, name)
	if len(b) == 0 {
		must(fs.Remove(name))
		return "removed (it was empty)"
	}
	used := len(bytes.TrimRight(b, "\x00"))
	at := rng.IntN(len(b))
	if used > 0 && rng.IntN(5) > 0 {
		at = rng.IntN(used)
	}
	how := ""
	switch rng.IntN(8) {
	case 0:
		must(fs.Remove(name))
		return "removed"
	case 1:
		b, how = b[:at], fmt.Sprintf("cut at byte %d of %d", at, len(b))
	case 2:
		end := min(len(b), at+512)
		if len(bytes.Trim(b[at:end], "\x00")) == 0 {
			b[at]++
		} else {
			clear(b[at:end])
		}
		how = fmt.Sprintf("zeros from byte %d", at)
	default:
		bit := rng.IntN(8)
		b[at] ^= 1 << bit
		how = fmt.Sprintf("bit %d of byte %d turned", bit, at)
	}
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	must(err)
	_, err = f.Write(b)
	must(err)
	must(f.Sync())
	must(f.Close())
	return how
}

// TestDamageAtRest damages one file of a closed store at a time. The damage is
// refused at the start, or named by a verification, or met by whoever reads, or it
// changes nothing of what is answered. It never changes an answer silently.
func TestDamageAtRest(t *testing.T) {
	whole := restStore(t, 1000)
	v, err := vault.Open(restConfig(t, copyOfRest(whole)))
	must(err)
	want, err := restSight(v)
	must(err)
	must(v.Close())
	files := restFiles(whole, restDir)
	counts, kinds := map[string]int{}, map[string]int{}
	for n := range *atRest {
		rng := rand.New(rand.NewPCG(*seed, uint64(n)))
		fs := copyOfRest(whole)
		name := files[rng.IntN(len(files))]
		how := damageAtRest(rng, fs, name)
		outcome := judgeAtRest(t, fs, want)
		counts[outcome]++
		kinds[path.Base(path.Dir(name))]++
		if outcome == "SILENT" {
			t.Errorf("damage %d with seed %d: %s: %s: answers have changed, and nobody was told", n, *seed, name, how)
		}
	}
	t.Logf("%d files damaged (%v): %d refused at the start, %d met by a read, %d named by a verification, %d harmless, %d silent",
		*atRest, kinds, counts["refused"], counts["met"], counts["named"], counts["harmless"], counts["SILENT"])
	if counts["refused"] == 0 || counts["met"]+counts["named"] == 0 {
		t.Error("the damage misses the store")
	}
}

func copyOfRest(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})
}

func judgeAtRest(t *testing.T, fs *vfs.MemFS, want [32]byte) string {
	v, err := vault.Open(restConfig(t, fs))
	if err != nil {
		return "refused"
	}
	defer v.Close()
	got, err := restSight(v)
	if err != nil {
		return "met"
	}
	verified, err := v.Verify(context.Background(), 0, nil)
	switch {
	case err != nil || verified.Faults > 0:
		return "named"
	case got == want:
		return "harmless"
	}
	return "SILENT"
}

// silent takes the row engine's words.
type silent struct{}

func (silent) Infof(string, ...any)           {}
func (silent) Errorf(string, ...any)          {}
func (silent) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// rowsAtRest changes one row of the kind inside the store of a closed vault, as
// somebody does who has the disk: the row engine finds nothing wrong.
func rowsAtRest(rng *rand.Rand, fs *vfs.MemFS, kind byte) string {
	db, err := pebble.Open(restDir+"/rows", &pebble.Options{FS: fs, DisableWAL: true, FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
	must(err)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	must(err)
	var keys, values [][]byte
	for ok := it.First(); ok; ok = it.Next() {
		keys, values = append(keys, slices.Clone(it.Key())), append(values, slices.Clone(it.Value()))
	}
	must(it.Close())
	n := rng.IntN(len(keys))
	key, b, how := keys[n], values[n], ""
	switch at := rng.IntN(len(b)); rng.IntN(6) {
	case 0:
		must(db.Delete(key, pebble.NoSync))
		how = "removed"
	case 1:
		must(db.Set(key, b[:at], pebble.NoSync))
		how = fmt.Sprintf("cut at byte %d of %d", at, len(b))
	case 2: // all that has the number of the chunk, or is of that time
		for i := range keys {
			if bytes.Equal(keys[i][len(keys[i])-8:], key[len(key)-8:]) {
				must(db.Delete(keys[i], pebble.NoSync))
			}
		}
		how = "removed with all of its chunk"
	case 3:
		other := rng.IntN(len(keys))
		must(db.Set(key, values[other], pebble.NoSync))
		if bytes.Equal(values[other], b) {
			return "put in its own place"
		}
		how = "another one put in its place"
	default:
		bit := rng.IntN(8)
		b[at] ^= 1 << bit
		must(db.Set(key, b, pebble.NoSync))
		how = fmt.Sprintf("bit %d of byte %d of %d turned", bit, at, len(b))
	}
	must(db.Flush())
	must(db.Close())
	return fmt.Sprintf("row %x: %s", key, how)
}

// TestAlteredRowsAtRest changes packed readings, and then rows of the other kinds,
// with the checksums of the row engine intact: always refused, met or named, or of
// no effect on any answer.
func TestAlteredRowsAtRest(t *testing.T) {
	whole := restStore(t, 10)
	v, err := vault.Open(restConfig(t, copyOfRest(whole)))
	must(err)
	want, err := restSight(v)
	must(err)
	must(v.Close())
	for _, kind := range []byte("KRCDELSI") {
		counts, tries := map[string]int{}, *atRest/10
		if kind == 'K' {
			tries = *atRest
		}
		for n := range tries {
			rng := rand.New(rand.NewPCG(*seed, uint64(n)<<8|uint64(kind)))
			fs := copyOfRest(whole)
			how := rowsAtRest(rng, fs, kind)
			outcome := judgeAtRest(t, copyOfRest(fs), want)
			if counts[outcome]++; outcome == "SILENT" {
				t.Errorf("damage %d with seed %d: %s: answers have changed, and nobody was told", n, *seed, how)
			}
		}
		t.Logf("%d rows %c altered: %d refused at the start, %d met by a read, %d named by a verification, %d harmless, %d silent",
			tries, kind, counts["refused"], counts["met"], counts["named"], counts["harmless"], counts["SILENT"])
		if kind == 'K' && (counts["met"] == 0 || counts["named"] == 0) {
			t.Error("the damage misses the packed readings")
		}
	}
}

package vault_test

import (
	"flag"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/vault"
	"sayso/node/vault/naive"
)

var updatePacked = flag.Bool("update-packed", false, "write the fixture of packed readings again; only for a new format version, in a new folder")

// packedFixture is a store of rows of format 2, whose readings are packed.
const packedFixture = "testdata/format-2"

// columnsFixtures are stores of rows of formats 3 and 4, whose deposits are kept by
// column, some of them packed. The last is of the present format.
var columnsFixtures = [...]string{"testdata/format-3", "testdata/format-4"}

// manifold are deposits with every kind of value, decimals and others, gaps,
// repetitions, late readings, two sources and two epochs.
func manifold() (list []*msg) {
	texts := []string{"P", "D", "R", "D", "D", ""}
	for n := range 24 {
		m := newMsg(1, uint32(1+n/18), byte(1+n%7/6), fmt.Sprint("m", n))
		for i := range 20 {
			at := start + sayso.Instant(n)*20*60*second + sayso.Instant(i)*60*second
			m.number(5, m.Epoch, at, float64(n*i)/10)
			if i%9 != 0 {
				m.number(6, m.Epoch, at, 1/float64(1+i))
			}
			if i%5 == 1 {
				m.value(7, at, sayso.TextValue(texts[(n+i)%len(texts)]))
			}
			if i%3 == 0 {
				m.value(9, at, sayso.LocationValue(sayso.Location{Latitude: 48 + float64(i)/1e4, Longitude: 11, HDOP: 0.5, Heading: float64(i)}))
			}
		}
		list = append(list, m)
	}
	late := newMsg(1, 1, 1, "late")
	late.number(5, 1, start+90*60*second+second/2, -7).number(5, 1, start, 99).number(8, 1, start-8*24*hour, 4)
	other := newMsg(1, 1, 3, "other")
	other.number(5, 1, start+60*second, 98).number(5, 1, start+61*second, 97)
	return append(list, late, other)
}

// TestPackedFormatStaysReadable opens a store with packed readings that an
// earlier program wrote.
func TestPackedFormatStaysReadable(t *testing.T) {
	v := open(t, config(t, openFixture(t, packedFixture)))
	sameAsNaive(t, v, manifold())
	check(t, v.Close())
}

// TestColumnsFormatStaysReadable opens a store whose deposits are by column that
// an earlier program wrote.
func TestColumnsFormatStaysReadable(t *testing.T) {
	if *updatePacked {
		fs := vfs.NewMem()
		cfg := config(t, fs)
		cfg.SegmentBytes, cfg.PackEvery, cfg.PackBytes, cfg.Chunk.Columns = 16<<10, time.Hour, 1<<20, 1
		v := open(t, cfg)
		for i, m := range manifold() {
			m.keep(t, v)
			if i == 15 {
				check(t, v.Pack(t.Context()))
			}
		}
		check(t, v.Close())
		saveFixture(t, fs, columnsFixtures[len(columnsFixtures)-1])
	}
	for _, dir := range columnsFixtures {
		cfg := config(t, openFixture(t, dir))
		cfg.PackEvery, cfg.PackBytes = time.Hour, 1<<20
		for range 2 { // opened by this program, and once more
			v := open(t, cfg)
			sameAsNaive(t, v, manifold())
			check(t, v.Pack(t.Context()))
			sameAsNaive(t, v, manifold())
			if got, err := v.Verify(t.Context(), 0, nil); err != nil || got.Faults > 0 {
				t.Errorf("%s: %+v, %v", dir, got, err)
			}
			check(t, v.Close())
		}
	}
}

// sameAsNaive compares a vault that holds deposits with the oracle.
func sameAsNaive(t *testing.T, v *vault.Vault, list []*msg) {
	t.Helper()
	n := naive.New(clock.NewManual(start.Time()))
	for _, m := range list {
		m.keep(t, n)
	}
	cols := slices.Clone(rollable)
	for _, c := range rollable {
		cols = append(cols, vault.Column{Signal: 6, Agg: c.Agg}, vault.Column{Signal: 9, Agg: c.Agg}, vault.Column{Signal: 7, Agg: c.Agg})
	}
	cols = append(cols, vault.Column{Signal: 5, Agg: vault.Med}, vault.Column{Signal: 7, Agg: vault.Top}, vault.Column{Signal: 7, Agg: vault.Unique})
	for _, w := range []vault.View{view(1, 1), view(1, 1, 2), from(view(1, 1, 2), 1), from(view(1, 1), 3)} {
		for _, signals := range [][]sayso.SignalID{nil, {5}, {7, 9}} {
			if got, want := scan(t, v, w, signals, -ever, ever), scan(t, n, w, signals, -ever, ever); !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, signals %v: %d rows, the oracle has %d", w, signals, len(got), len(want))
			}
		}
		for _, interval := range []sayso.Instant{600 * second, 90 * 60 * second, 24 * hour} {
			for _, a := range []sayso.Instant{start, start + 17*second} {
				got, want := rounded(buckets(t, v, w, cols, a, a+10*hour, interval)), rounded(buckets(t, n, w, cols, a, a+10*hour, interval))
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%+v, every %d s from %d s on:\n%+v\nthe oracle\n%+v", w, interval/second, (a-start)/second, got, want)
				}
			}
		}
		if got, want := summaryOf(t, v, w), must(n.Summary(t.Context(), w)); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: summary %+v, the oracle has %+v", w, got, want)
		}
	}
	var got, want []vault.Entry
	check(t, v.Follow(t.Context(), 0, func(e vault.Entry) bool { e.KeptAt = 0; got = append(got, e); return true }))
	check(t, n.Follow(t.Context(), 0, func(e vault.Entry) bool { e.KeptAt = 0; want = append(want, e); return true }))
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%d commits, the oracle has %d, or they differ", len(got), len(want))
	}
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// TestPackingChangesNoAnswer compares with the oracle before, between and after
// packing, with chunks of every size.
func TestPackingChangesNoAnswer(t *testing.T) {
	for _, sizes := range []vault.ChunkSizes{{}, {Rows: 7, Inline: 1, Rollup: 1}, {Rows: 100, Inline: 1 << 20, Rollup: 1}, {Inline: 1, Rollup: 1}, {Rows: 90, Rollup: 1, Columns: 1}} {
		cfg := config(t, vfs.NewMem())
		cfg.Chunk, cfg.PackEvery, cfg.PackBytes = sizes, time.Hour, 1<<20
		v := open(t, cfg)
		list := manifold()
		for i, m := range list {
			m.keep(t, v)
			if i%9 == 4 {
				check(t, v.Pack(t.Context()))
			}
		}
		if sizes == (vault.ChunkSizes{}) {
			sameAsNaive(t, v, list)
		}
		check(t, v.Pack(t.Context()))
		sameAsNaive(t, v, list)
		check(t, v.Close())
	}
}

// TestErasedReadingsDoNotComeBackPacked erases while readings are packed.
func TestErasedReadingsDoNotComeBackPacked(t *testing.T) {
	cfg := config(t, vfs.NewMem())
	cfg.PackBytes, cfg.PackEvery = 1, 100*time.Microsecond
	v := open(t, cfg)
	for round := range 60 {
		m := newMsg(1, 1, 1, fmt.Sprint("m", round))
		for i := range sayso.Instant(50) {
			m.number(5, 1, start+sayso.Instant(round)*hour+i*second, float64(i))
		}
		m.keep(t, v)
		newMsg(1, 2, 1, fmt.Sprint("other", round)).number(5, 2, start+sayso.Instant(round)*second, 1).keep(t, v)
		if round%3 == 0 {
			time.Sleep(time.Duration(round) * 30 * time.Microsecond)
		}
		check(t, v.Erase(t.Context(), 1, 1))
		if got := scan(t, v, view(1, 1), nil, -ever, ever); len(got) != 0 {
			t.Fatalf("round %d: %d erased readings are there", round, len(got))
		}
	}
	check(t, v.Pack(t.Context()))
	if got := scan(t, v, view(1, 1), nil, -ever, ever); len(got) != 0 {
		t.Errorf("%d erased readings are there", len(got))
	}
	if got := scan(t, v, view(1, 2), nil, -ever, ever); len(got) != 60 {
		t.Errorf("%d readings of the other epoch", len(got))
	}
	check(t, v.Close())
}

package vault_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/vault"
	"sayso/node/vault/naive"
)

// dense are deposits of many rows: signals that come every time, most times, now
// and then, and in one hour, whole numbers, decimals and others.
func dense(rng *rand.Rand) (list []*msg) {
	for n := range 9 {
		m := newMsg(1, 1, 1, fmt.Sprint("m", n))
		for i := range 240 {
			at := start + sayso.Instant(n*240+i)*10*second
			m.number(1, 1, at, float64(rng.IntN(1000))/10)
			if rng.IntN(20) > 0 {
				m.number(2, 1, at, float64(rng.IntN(3)))
			}
			if rng.IntN(10) == 0 {
				m.number(3, 1, at, 1/float64(1+i))
			}
			if n == 4 {
				m.number(4, 1, at+second, float64(i))
			}
			if rng.IntN(5) == 0 {
				m.value(7, at, sayso.TextValue([]string{"P", "D", "R"}[rng.IntN(3)]))
			}
		}
		list = append(list, m)
	}
	list[3], list[5] = list[5], list[3] // late
	return list
}

// TestWindowsOfChunks asks about windows and intervals of every length of chunks
// of many blocks, and of rows that are not packed.
func TestWindowsOfChunks(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	cfg := config(t, vfs.NewMem())
	cfg.PackEvery, cfg.PackBytes = time.Hour, 1<<30
	v, n := open(t, cfg), naive.New(clock.NewManual(start.Time()))
	for i, m := range dense(rng) {
		m.keep(t, v)
		m.keep(t, n)
		if i == 6 {
			check(t, v.Pack(t.Context()))
		}
	}
	keep := func(v sayso.Value) bool { return v.Number == 0 }
	var cols []vault.Column
	for _, s := range []sayso.SignalID{1, 2, 3, 4} {
		for _, a := range []vault.Agg{vault.Avg, vault.Sum, vault.Min, vault.Max, vault.First, vault.Last, vault.Count, vault.Med} {
			cols = append(cols, vault.Column{Signal: s, Agg: a})
		}
		cols = append(cols, vault.Column{Signal: s, Agg: vault.Count, Keep: keep}, vault.Column{Signal: s, Agg: vault.Last, Keep: keep})
	}
	cols = append(cols, vault.Column{Signal: 7, Agg: vault.Top}, vault.Column{Signal: 7, Agg: vault.Count})
	for range 150 {
		from := start + sayso.Instant(rng.IntN(7*3600))*second - hour/2
		to := from + sayso.Instant(1+rng.IntN([]int{20, 900, 9 * 3600}[rng.IntN(3)]))*second
		interval := []sayso.Instant{10 * second, 60 * second, 600 * second, 1000 * second, hour, 5 * hour}[rng.IntN(6)]
		some := cols
		if rng.IntN(2) == 0 {
			at := rng.IntN(len(cols))
			some = cols[at:min(len(cols), at+1+rng.IntN(4))]
		}
		got, want := rounded(buckets(t, v, view(1, 1), some, from, to, interval)), rounded(buckets(t, n, view(1, 1), some, from, to, interval))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d s from %d s on, every %d s, %d columns:\n%+v\nthe oracle\n%+v", (to-from)/second, (from-start)/second, interval/second, len(some), got, want)
		}
		if got, want := scan(t, v, view(1, 1), nil, from, to), scan(t, n, view(1, 1), nil, from, to); !reflect.DeepEqual(got, want) {
			t.Fatalf("%d s from %d s on: %d rows, the oracle has %d", (to-from)/second, (from-start)/second, len(got), len(want))
		}
	}
	check(t, v.Close())
}

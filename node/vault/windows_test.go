package vault_test

import (
	"context"
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
	for range 60 {
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

// TestLongWindows asks about weeks, which are asked in pieces: nothing is missing
// where pieces meet, and who has enough gets no more.
func TestLongWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	cfg := config(t, vfs.NewMem())
	v, n := open(t, cfg), naive.New(clock.NewManual(start.Time()))
	for i := range 40 {
		m := newMsg(1, uint32(1+i/25), 1, fmt.Sprint("m", i))
		for j := range 60 {
			m.number(5, m.Epoch, start+sayso.Instant(i*60+j)*720*second, float64(rng.IntN(100)))
		}
		m.keep(t, v)
		m.keep(t, n)
	}
	check(t, v.Pack(t.Context()))
	all := []vault.Column{{Signal: 5, Agg: vault.Avg}, {Signal: 5, Agg: vault.Last}, {Signal: 5, Agg: vault.Count, Keep: func(v sayso.Value) bool { return v.Number > 50 }}}
	for round := range 60 {
		cols := all[:2+round%2]
		from := start + sayso.Instant(rng.IntN(6*24*3600))*second - 48*hour
		to := from + sayso.Instant(1+rng.IntN(24*24*3600))*second
		interval := []sayso.Instant{600 * second, 5000 * second, hour, 24 * hour, 1000 * hour}[rng.IntN(5)]
		got, want := rounded(buckets(t, v, view(1, 1, 2), cols, from, to, interval)), rounded(buckets(t, n, view(1, 1, 2), cols, from, to, interval))
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d s from %d s on, every %d s: %d buckets, the oracle has %d, or they differ", (to-from)/second, (from-start)/second, interval/second, len(got), len(want))
		}
		stop, seen := 1+rng.IntN(30), 0
		check(t, v.EachBucket(t.Context(), view(1, 1, 2), cols, from, to, interval, func(b *vault.Bucket) bool {
			if b.Start != want[seen].Start {
				t.Fatalf("bucket %d begins %d s too late", seen, (b.Start-want[seen].Start)/second)
			}
			seen++
			return seen < stop
		}))
		if seen != min(stop, len(want)) {
			t.Fatalf("%d buckets of %d for who wants %d", seen, len(want), stop)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Buckets(ctx, view(1, 1), all[:2], start, start+30*24*hour, 600*second); sayso.FaultOf(err) != sayso.Cancelled {
		t.Errorf("a call that was cancelled gave %v", err)
	}
	check(t, v.Close())
}

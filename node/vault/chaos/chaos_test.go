package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var (
	cuts   = flag.Int("cuts", 1000, "how many times the power goes in TestPowerCuts")
	every  = flag.Int("every", 10, "TestFaults fails each so manieth operation")
	seed   = flag.Uint64("seed", 1, "the seed of the first world")
	images = flag.String("images", "", "where to leave the files of a store that failed")
)

// last is the plan of the last life of a store, which is verified.
const last = "last"

// livesOfAWorld is how many cuts one store survives before another is made.
const livesOfAWorld = 12

// figures are what a run prints.
type figures struct {
	acked, erased, refusals atomic.Int64
	went, rolled, held      atomic.Int64 // seen at starts: what has gone with time; numbers that are in roll-ups only; what must have gone
	mu                      sync.Mutex
	cuts, kills, stops      int
	struck                  map[string]int // plans that were met, by name
	faults                  map[string]int
	opens                   []time.Duration
}

func newFigures() *figures { return &figures{struck: map[string]int{}, faults: map[string]int{}} }

func (f *figures) fault(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[kind]++
}

func (f *figures) opened(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opens = append(f.opens, d)
}

func (f *figures) cut(p *plan, met bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cuts++; p.kill {
		f.kills++
	}
	name := "rest"
	if met {
		name = p.name
	}
	f.struck[name]++
}

func (f *figures) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.Sort(f.opens)
	at := func(p float64) time.Duration {
		if len(f.opens) == 0 {
			return 0
		}
		return f.opens[int(float64(len(f.opens)-1)*p)].Round(10 * time.Microsecond)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d cuts (%d of the process alone), %d acked, %d erasures, %d refused; gone with time %d, of which due %d, in roll-ups %d; lost %d, invented %d, altered %d, out of order %d, erased and there %d, wrong answers %d; reopen p50 %v, p99 %v; struck:",
		f.cuts, f.kills, f.acked.Load(), f.erased.Load(), f.refusals.Load(), f.went.Load(), f.held.Load(), f.rolled.Load(), f.faults[lost], f.faults[invented], f.faults[altered], f.faults[order], f.faults[undead], f.faults[wrong], at(0.5), at(0.99))
	names := make([]string, 0, len(f.struck))
	for n := range f.struck {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, " %s %d", n, f.struck[n])
	}
	return b.String()
}

// targets are the places at which the nemesis cuts.
var targets = []struct {
	name  string
	match func(*disk, op) bool
	most  int // the last operation of the kind that is chosen
}{
	{"any", func(_ *disk, o op) bool { return o.writes() }, 200},
	{"log", func(_ *disk, o op) bool { return o.in("log/") && o.writes() }, 40},
	{"log-sync", func(_ *disk, o op) bool { return o.in("log/") && o.syncs() }, 12},
	{"segment", func(_ *disk, o op) bool {
		return o.base() == "next" && o.writes() || o.base() == "log" && o.syncs()
	}, 24},
	{"keys", func(_ *disk, o op) bool { return o.base() == "keys" && o.writes() }, 6},
	{"checkpoint", func(_ *disk, o op) bool { return o.base() == "checkpoint" && o.writes() }, 8},
	{"trim", func(_ *disk, o op) bool { return o.in("log/") && o.kind == errorfs.OpRemove && o.base() != "next" }, 3},
	{"rows", func(_ *disk, o op) bool { return o.in("rows/") && o.writes() }, 60},
	{"pack", func(d *disk, o op) bool { return d.packing.Load() > 0 && o.writes() }, 16},
	{"erase", func(d *disk, o op) bool { return d.erasing.Load() && o.writes() }, 16},
}

// scheme draws the next plan and the phase in which it is armed.
func scheme(rng *rand.Rand, w *world) (*plan, int) {
	t := targets[rng.IntN(len(targets))]
	p := &plan{name: t.name, at: 1 + rng.IntN(t.most), percent: []int{0, 0, 20, 50, 80, 100}[rng.IntN(6)], kill: rng.IntN(8) == 0}
	p.match = func(o op) bool { return t.match(w.d, o) }
	if rng.IntN(3) == 0 {
		p.tear = rng.Float64()
	}
	phase := []int{opening, running, running, running, running, running, running, closing}[rng.IntN(8)]
	if phase != running {
		p.at = 1 + p.at/2
	}
	return p, phase
}

// TestPowerCuts cuts the power, or kills the process, while cars send, owners
// erase and readers read; while the store is opened, recovers, writes its
// checkpoints, trims its log and closes; and looks at what is left each time.
func TestPowerCuts(t *testing.T) {
	n := *cuts
	if testing.Short() {
		n /= 10
	}
	fig := newFigures()
	var next atomic.Int64
	t.Run("worlds", func(t *testing.T) {
		for worker := range 2 {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for i := next.Add(1) - 1; i*livesOfAWorld < int64(n); i = next.Add(1) - 1 {
					w := newWorld(t, *seed+uint64(i), fig)
					nemesis := rand.New(rand.NewPCG(w.seed, 99))
					for range min(livesOfAWorld, n-int(i)*livesOfAWorld) {
						p, phase := scheme(nemesis, w)
						w.live(p, phase)
					}
					w.live(&plan{name: last, match: func(op) bool { return false }}, running)
					if done := (i + 1) * livesOfAWorld; done/5000 > i*livesOfAWorld/5000 {
						t.Logf("so far: %v", fig)
					}
				}
			})
		}
	})
	t.Log(fig)
	if n < 500 {
		return
	}
	for _, target := range targets {
		if fig.struck[target.name] < n/200 {
			t.Errorf("%d of %d cuts hit %s: the nemesis misses", fig.struck[target.name], n, target.name)
		}
	}
	if fig.went.Load() < int64(n) || fig.held.Load() < int64(n) || fig.rolled.Load() < int64(n) {
		t.Error("retention does not act")
	}
}

// scenario runs a store in which one operation fails, and looks at what the
// next start finds, whether or not what was not synced survives.
func scenario(t *testing.T, fig *figures, p *plan) (met bool) {
	w := newWorld(t, *seed, fig)
	w.steps = 60
	rng := rand.New(rand.NewPCG(*seed, uint64(p.at)))
	p.percent, p.kill = []int{0, 50, 100}[rng.IntN(3)], rng.IntN(3) == 0
	w.live(p, opening)
	met = w.d.met.Load()
	if w.stopped {
		fig.mu.Lock()
		fig.stops++
		fig.mu.Unlock()
	}
	if met {
		w.steps = 4
		w.live(&plan{name: "after", match: func(op) bool { return false }}, running)
		w.live(&plan{name: "after", match: func(op) bool { return false }}, running)
	}
	return met
}

// TestFaults fails one operation of a run, each so manieth of every kind. The
// vault stops or refuses, or was not harmed; nothing it had acked is missing
// at the next start.
func TestFaults(t *testing.T) {
	step := *every
	if testing.Short() {
		step *= 10
	}
	for _, kind := range []struct {
		name  string
		err   error
		match func(op) bool
	}{
		{"write", syscall.EIO, func(o op) bool { return o.writes() && !o.syncs() }},
		{"read", syscall.EIO, func(o op) bool { return !o.writes() }},
		{"sync", syscall.EIO, op.syncs},
		{"space", syscall.ENOSPC, func(o op) bool { return o.writes() && !o.syncs() && o.kind != errorfs.OpRemove }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			fig := newFigures()
			runs := 0
			for n := 1; scenario(t, fig, &plan{name: kind.name, match: kind.match, at: n, err: kind.err}); n += step {
				if runs++; runs%500 == 0 {
					t.Logf("so far: %d runs, %d stopped; %v", runs, fig.stops, fig)
				}
			}
			t.Logf("%d runs, %d stopped; %v", runs, fig.stops, fig)
			if runs < 20/(step/10+1) || fig.stops == 0 {
				t.Errorf("%d runs of which %d stopped: the faults do not reach the vault", runs, fig.stops)
			}
		})
	}
}

package vault_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/vault"
	"sayso/node/vault/naive"
)

// world is a small world in which things collide: few vehicles, epochs,
// sources, signals and times.
type world struct {
	t      *rapid.T
	n      int
	before []*vault.Deposit
}

func (w *world) pick(name string, n int) int { return rapid.IntRange(0, n-1).Draw(w.t, name) }

func (w *world) time() sayso.Instant {
	base := []sayso.Instant{0, start, start + hour - second, start + hour, start - 50*hour, -3 * hour, start + 20*second}
	return base[w.pick("base", len(base))] + sayso.Instant(w.pick("step", 4))*second/2
}

func (w *world) valueOf(s sayso.SignalID) sayso.Value {
	numbers := []float64{0, 1, -2, 0.1, 1.5, 3.14159265358979, 1e300, 21.7, -0.000001}
	switch {
	case s < 4:
		return sayso.NumberValue(numbers[w.pick("number", len(numbers))])
	case s < 6:
		return sayso.TextValue([]string{"", "a", "b", "on,off", "ü"}[w.pick("text", 5)])
	}
	return sayso.LocationValue(sayso.Location{
		Latitude: float64(w.pick("lat", 3)), Longitude: float64(w.pick("lon", 2)), HDOP: numbers[w.pick("hdop", 5)], Heading: 12,
	})
}

func (w *world) epoch() uint32 { return uint32(1 + w.pick("epoch", 3)) }

func (w *world) vehicle() uint64 { return uint64(1 + w.pick("vehicle", 3)) }

func (w *world) deposit() *vault.Deposit {
	if len(w.before) > 0 && w.pick("again", 6) == 0 {
		d := *w.before[w.pick("which", len(w.before))]
		if w.pick("other body", 2) == 0 {
			d.Body = [32]byte{1, 2, 3}
		}
		return &d
	}
	w.n++
	m := newMsg(w.vehicle(), w.epoch(), byte(w.pick("source", 3)), fmt.Sprint("id", w.n))
	m.Envelope.Time = w.time().Time()
	m.Envelope.Type = []string{sayso.TypeStatus, sayso.TypeAttestation, sayso.TypeTombstone}[w.pick("type", 3)]
	m.Backfill = w.pick("backfill", 2) == 0
	for range w.pick("readings", 8) {
		s := sayso.SignalID(1 + w.pick("signal", 7))
		m.Readings = append(m.Readings, sayso.Reading{Signal: s, Epoch: w.epoch(), Time: w.time(), Value: w.valueOf(s)})
	}
	for range w.pick("events", 3) {
		m.Events = append(m.Events, sayso.Event{
			Name: []string{"behavior.harshBraking", "safety.collision"}[w.pick("name", 2)], Epoch: w.epoch(), Time: w.time(),
			DurationNS: uint64(w.pick("duration", 3)),
		})
	}
	w.before = append(w.before, m.Deposit)
	return m.Deposit
}

func (w *world) view() vault.View {
	v := view(w.vehicle())
	for e := range uint32(4) {
		if w.pick("in view", 2) == 0 {
			v.Epochs = append(v.Epochs, e)
		}
	}
	if n := w.pick("source filter", 5); n < 3 {
		v = from(v, byte(n))
	}
	return v
}

func (w *world) signals() []sayso.SignalID {
	if w.pick("all signals", 2) == 0 {
		return nil
	}
	var list []sayso.SignalID
	for range 1 + w.pick("how many", 3) {
		list = append(list, sayso.SignalID(1+w.pick("signal", 8)))
	}
	return list
}

func (w *world) window() (a, b sayso.Instant) {
	a, b = w.time(), w.time()
	switch w.pick("window", 3) {
	case 0:
		return -ever, ever
	case 1:
		return min(a, b), max(a, b)
	}
	return min(a, b), max(a, b) + second
}

func (w *world) columns() (cols []vault.Column) {
	for range 1 + w.pick("columns", 4) {
		c := vault.Column{Signal: sayso.SignalID(1 + w.pick("signal", 7)), Agg: vault.Agg(1 + w.pick("agg", 11))}
		if c.Agg == vault.Rand {
			c.Agg = vault.Last
		}
		if w.pick("filter", 3) == 0 {
			c.Keep = func(v sayso.Value) bool { return v.Number >= 0 && v.Location.Latitude < 2.4 && v.Text != "b" }
		}
		cols = append(cols, c)
	}
	return cols
}

// answers asks an engine everything, with the questions already drawn.
type questions struct {
	view     vault.View
	signals  []sayso.SignalID
	from, to sayso.Instant
	cols     []vault.Column
	interval sayso.Instant
	stop     int
	class    vault.Class
}

func (w *world) questions() questions {
	q := questions{view: w.view(), signals: w.signals(), cols: w.columns()}
	q.from, q.to = w.window()
	q.interval = []sayso.Instant{second, 3 * second, hour, 100 * hour}[w.pick("interval", 4)]
	q.stop = 1 + w.pick("stop", 30)
	q.class = vault.Class(w.pick("class", 8))
	return q
}

func (q questions) ask(t *rapid.T, e vault.Engine) (out []string) {
	ctx := context.Background()
	add := func(what string, v any, err error) {
		if err != nil {
			v = sayso.FaultOf(err)
		}
		out = append(out, fmt.Sprintf("%s: %+v", what, v))
	}
	rows, err := e.Latest(ctx, q.view, q.signals)
	add("latest", rows, err)
	rows = nil
	err = e.Scan(ctx, q.view, q.signals, q.from, q.to, func(r vault.Row) bool { rows = append(rows, r); return len(rows) < q.stop })
	add("scan", rows, err)
	b, err := e.Buckets(ctx, q.view, q.cols, q.from, q.to, q.interval)
	add("buckets", rounded(b), err)
	var each []vault.Bucket
	err = e.EachBucket(ctx, q.view, q.cols, q.from, q.to, q.interval, func(b *vault.Bucket) bool {
		each = append(each, vault.Bucket{Start: b.Start, Values: slices.Clone(b.Values), Has: slices.Clone(b.Has)})
		return len(each) < q.stop
	})
	add("each bucket", rounded(each), err)
	var table []string
	err = e.Frames(ctx, q.view, q.signals, q.from, q.to, func(f *vault.Frame) bool {
		for i, at := range f.Times {
			line := fmt.Sprint(at)
			for j := range f.Values {
				line += fmt.Sprint(" ", f.Values[j][i])
			}
			table = append(table, line)
		}
		return true
	})
	add("frames", table, err)
	var events []vault.EventRow
	err = e.Events(ctx, q.view, q.from, q.to, func(r vault.EventRow) bool { events = append(events, r); return len(events) < q.stop })
	add("events", events, err)
	var stored []string
	keep := func(s vault.Stored) bool { stored = append(stored, fmt.Sprintf("%+v", s)); return len(stored) < q.stop }
	add("cloud events", nil, e.CloudEvents(ctx, q.view, q.from, q.to, keep))
	add("cloud events", stored, nil)
	stored = nil
	add("cloud events of a class", nil, e.CloudEventsOf(ctx, q.view, q.class, q.from, q.to, keep))
	add("cloud events of a class", stored, nil)
	stored = nil
	add("export", nil, e.Export(ctx, q.view, keep))
	add("export", stored, nil)
	sum, err := e.Summary(ctx, q.view)
	add("summary", sum, err)
	var entries []string
	err = e.Follow(ctx, uint64(q.stop), func(en vault.Entry) bool {
		entries = append(entries, fmt.Sprintf("%+v", en))
		return len(entries) < q.stop
	})
	add("follow", entries, err)
	add("seq", e.Seq(), nil)
	return out
}

// rounded leaves out the digits that depend on the order of an addition.
func rounded(list []vault.Bucket) []vault.Bucket {
	for i := range list {
		for j := range list[i].Values {
			v := &list[i].Values[j]
			for _, f := range [...]*float64{&v.Number, &v.Location.Latitude, &v.Location.Longitude, &v.Location.HDOP} {
				*f, _ = strconv.ParseFloat(strconv.FormatFloat(*f, 'g', 12, 64), 64)
			}
		}
	}
	return list
}

// compare fails at the first difference.
func compare(t *rapid.T, got, want []string) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("the vault says\n  %s\nthe oracle\n  %s", got[i], want[i])
		}
	}
}

// TestVaultIsTheNaiveVault sends both the same random deposits, erasures and
// questions, and closes and opens the vault in between, or cuts its power.
func TestVaultIsTheNaiveVault(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		fs := vfs.NewCrashableMem()
		cfg := config(t, fs)
		cfg.SegmentBytes = 8 << 10
		w := &world{t: rt}
		if rapid.Bool().Draw(rt, "packs by itself") {
			cfg.PackBytes, cfg.PackEvery = rapid.IntRange(1, 400).Draw(rt, "pack bytes"), time.Millisecond
		}
		if rapid.Bool().Draw(rt, "small chunks") {
			cfg.Chunk = vault.ChunkSizes{Rows: rapid.IntRange(2, 10).Draw(rt, "rows"), Inline: rapid.IntRange(1, 60).Draw(rt, "inline"), Rollup: 1}
		}
		if rapid.Bool().Draw(rt, "by column") {
			cfg.Chunk.Columns = 1
		}
		now := clock.NewManual(start.Time())
		if cfg.Clock = now; rapid.Bool().Draw(rt, "retention") {
			cfg.Retain = w.policy(rt)
		}
		v := open(t, cfg)
		n := naive.New(now)
		// pack packs all and lets go what the policy says, which a power cut may have
		// brought back.
		pack := func(rt *rapid.T) {
			if err := v.Pack(ctx); err != nil {
				rt.Fatal(err)
			}
			n.Retain(cfg.Retain)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) {
				w.t = rt
				for range 1 + w.pick("burst", 6) {
					d := w.deposit()
					a, aerr := v.Commit(ctx, d)
					b, berr := n.Commit(ctx, d)
					if a != b || sayso.FaultOf(aerr) != sayso.FaultOf(berr) || (aerr == nil) != (berr == nil) {
						rt.Fatalf("commit: %+v, %v; oracle %+v, %v", a, aerr, b, berr)
					}
				}
			},
			"erase": func(rt *rapid.T) {
				w.t = rt
				if w.pick("really", 3) > 0 {
					return
				}
				vehicle, epoch := w.vehicle(), w.epoch()
				if err := v.Erase(ctx, vehicle, epoch); err != nil {
					rt.Fatal(err)
				}
				if err := n.Erase(ctx, vehicle, epoch); err != nil {
					rt.Fatal(err)
				}
			},
			"reopen": func(rt *rapid.T) {
				if err := v.Close(); err != nil {
					rt.Fatal(err)
				}
				var err error
				if v, err = vault.Open(cfg); err != nil {
					rt.Fatal(err)
				}
			},
			"cut": func(rt *rapid.T) {
				seed, percent := rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(0, 100).Draw(rt, "surviving")
				left := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 0))})
				if err := v.Close(); err != nil {
					rt.Fatal(err)
				}
				fs, cfg.FS = left, left
				var err error
				if v, err = vault.Open(cfg); err != nil {
					rt.Fatal(err)
				}
				if cfg.Retain.Readings != nil {
					pack(rt)
				}
			},
			"pack": pack,
			"time passes": func(rt *rapid.T) {
				now.Advance(time.Duration(rapid.IntRange(1, 30).Draw(rt, "hours")) * time.Hour)
			},
			"ask": func(rt *rapid.T) {
				w.t = rt
				q := w.questions()
				compare(rt, q.ask(rt, v), q.ask(rt, n))
			},
		})
		whole(rt, v)
		if err := v.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// whole fails if a verification or the comparison of what is derived finds
// something in a store that nobody has damaged.
func whole(rt *rapid.T, v *vault.Vault) {
	verified, err := v.Verify(context.Background(), 0, nil)
	if err != nil || verified.Faults > 0 {
		rt.Fatalf("verified: %v, %v", verified.Findings, err)
	}
	silent := func(*vault.Stored) ([]sayso.Reading, []sayso.Event, bool) { return nil, nil, false }
	rebuilt, err := v.Rebuild(context.Background(), silent, false, nil)
	if err != nil || rebuilt.Faults > 0 {
		rt.Fatalf("derived: %+v, %v", rebuilt, err)
	}
}

// policy lets readings of some signals go, and messages, each after some hours.
// Hours as such are in tests of their own: the oracle has none.
func (w *world) policy(t *rapid.T) vault.Policy {
	var raw [9]time.Duration
	for i := range raw {
		raw[i] = time.Duration(rapid.IntRange(0, 40).Draw(t, "raw hours")) * time.Hour
	}
	messages := time.Duration(rapid.IntRange(0, 60).Draw(t, "hours of messages")) * time.Hour
	return vault.Policy{
		Readings: func(_ uint64, s sayso.SignalID) vault.Retention { return vault.Retention{Raw: raw[s], Hourly: 1} },
		Messages: func(uint64) time.Duration { return messages },
	}
}

package vault_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/vault"
)

// retained keeps a day of readings of two signals, a text and an event, two
// sources, one of which repeats some times, and moves the clock days ahead.
func retained(t *testing.T, fs vfs.FS, days int, policy vault.Policy) (*vault.Vault, vault.Config, *clock.Manual) {
	cfg := config(t, fs)
	now := clock.NewManual(start.Time())
	cfg.Clock, cfg.Retain, cfg.PackEvery, cfg.RetainEvery = now, policy, time.Hour, time.Hour
	cfg.Chunk.Rows = 8192 // so that all of a bucket is in one chunk
	v := open(t, cfg)
	for n := range 48 {
		m := newMsg(1, 1, 1, fmt.Sprint(n))
		m.Envelope.Time = (start + sayso.Instant(n)*hour/2).Time()
		for i := range sayso.Instant(30) {
			at := start + sayso.Instant(n)*hour/2 + i*60*second
			m.number(5, 1, at, float64(n)+float64(i)/10).number(6, 1, at, 1).value(7, at, sayso.TextValue("x"))
		}
		m.Events = []sayso.Event{{Name: "behavior.harshBraking", Epoch: 1, Time: start + sayso.Instant(n)*hour/2}}
		m.keep(t, v)
		if n%6 == 0 { // a repetition, and a time of its own
			at := start + sayso.Instant(n)*hour/2
			newMsg(1, 1, 1, fmt.Sprint("again", n)).number(5, 1, at, 1e6).number(5, 1, at+second, 3).keep(t, v)
		}
	}
	check(t, v.Pack(t.Context()))
	now.Advance(time.Duration(days) * 24 * time.Hour)
	return v, cfg, now
}

var rollable = []vault.Column{
	{Signal: 5, Agg: vault.Avg}, {Signal: 5, Agg: vault.Sum}, {Signal: 5, Agg: vault.Min}, {Signal: 5, Agg: vault.Max},
	{Signal: 5, Agg: vault.First}, {Signal: 5, Agg: vault.Last}, {Signal: 5, Agg: vault.Count},
}

func TestReadingsGoAndTheirHoursStay(t *testing.T) {
	policy := vault.Policy{
		Readings: func(_ uint64, s sayso.SignalID) vault.Retention {
			switch s {
			case 6:
				return vault.Retention{}
			default:
				return vault.Retention{Raw: 7 * 24 * time.Hour, Hourly: 30 * 24 * time.Hour}
			}
		},
		Messages: func(uint64) time.Duration { return 20 * 24 * time.Hour },
	}
	v, _, now := retained(t, vfs.NewMem(), 3, policy)
	all := view(1, 1)
	ask := func(cols []vault.Column, interval sayso.Instant) []vault.Bucket {
		return rounded(buckets(t, v, all, cols, start-12*hour, start+36*hour, interval))
	}
	hourly, daily, summary := ask(rollable, hour), ask(rollable, 24*hour), summaryOf(t, v, all)
	if len(hourly) != 24 || len(daily) != 2 {
		t.Fatalf("%d hours, %d days", len(hourly), len(daily))
	}
	check(t, v.Pack(t.Context()))
	if got := len(scan(t, v, all, []sayso.SignalID{5}, 0, ever)); got != 48*30+8 {
		t.Errorf("after three days %d readings are there", got)
	}

	now.Advance(6 * 24 * time.Hour)
	check(t, v.Pack(t.Context()))
	if got := scan(t, v, all, []sayso.SignalID{5, 7}, 0, ever); len(got) != 0 {
		t.Errorf("after nine days %d readings are there", len(got))
	}
	if got := scan(t, v, all, []sayso.SignalID{6}, 0, ever); len(got) != 48*30 {
		t.Errorf("of the signal that stays there are %d readings", len(got))
	}
	if got := ask(rollable, hour); !reflect.DeepEqual(got, hourly) {
		t.Errorf("the hours were\n%+v and are\n%+v", hourly, got)
	}
	if got := ask(rollable, 24*hour); !reflect.DeepEqual(got, daily) {
		t.Errorf("the days were\n%+v and are\n%+v", daily, got)
	}
	if got := ask(rollable, hour/2); len(got) != 0 {
		t.Errorf("half hours of what is gone: %+v", got)
	}
	if got := ask([]vault.Column{{Signal: 5, Agg: vault.Med}, {Signal: 5, Agg: vault.Avg, Keep: func(sayso.Value) bool { return true }}, {Signal: 7, Agg: vault.Count}}, hour); len(got) != 0 {
		t.Errorf("what needs the readings gave %+v", got)
	}
	left := summaryOf(t, v, all)
	if want := slices.DeleteFunc(summary.Signals, func(s vault.SignalSummary) bool { return s.Signal == 7 }); !reflect.DeepEqual(left.Signals, want) {
		t.Errorf("the summary was %+v and is %+v", want, left.Signals)
	}
	if got := latest(t, v, all, nil); len(got) != 3 {
		t.Errorf("%d latest values", len(got))
	}

	now.Advance(12 * 24 * time.Hour)
	check(t, v.Pack(t.Context()))
	stored, events := 0, 0
	check(t, v.CloudEvents(t.Context(), all, -ever, ever, func(vault.Stored) bool { stored++; return true }))
	check(t, v.Events(t.Context(), all, -ever, ever, func(vault.EventRow) bool { events++; return true }))
	if stored >= 56 || events >= 48 {
		t.Errorf("after 21 days %d messages and %d events are there", stored, events)
	}
	if k, err := v.Commit(t.Context(), newMsg(1, 1, 1, "0").Deposit); err != nil || !k.Duplicate {
		t.Errorf("a repetition of what went gave %+v, %v", k, err)
	}

	now.Advance(11 * 24 * time.Hour)
	check(t, v.Pack(t.Context()))
	if got := ask(rollable, hour); len(got) != 0 {
		t.Errorf("after 32 days there is %+v", got)
	}
	if got := scan(t, v, all, []sayso.SignalID{6}, 0, ever); len(got) != 48*30 {
		t.Errorf("of the signal that stays there are %d readings", len(got))
	}
	check(t, v.Close())
}

func summaryOf(t *testing.T, v *vault.Vault, w vault.View) vault.Summary {
	t.Helper()
	s, err := v.Summary(t.Context(), w)
	check(t, err)
	return s
}

// TestRetentionSurvivesPowerCuts cuts the power while readings go: an hour is
// there by its readings or by its roll-up, and never twice or not at all.
func TestRetentionSurvivesPowerCuts(t *testing.T) {
	policy := vault.Policy{Readings: func(uint64, sayso.SignalID) vault.Retention { return vault.Retention{Raw: 24 * time.Hour} }}
	mem := vfs.NewCrashableMem()
	v, cfg, _ := retained(t, mem, 0, vault.Policy{})
	want := rounded(buckets(t, v, view(1, 1), rollable, start, start+36*hour, hour))
	check(t, v.Close())
	later := clock.NewManual(start.Time().Add(10 * 24 * time.Hour))
	for n := range uint64(12) {
		fs := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0, RNG: rand.New(rand.NewPCG(n, 1))})
		cfg.FS, cfg.Retain, cfg.Clock, cfg.MemTableBytes = fs, policy, later, 16<<10
		v := open(t, cfg)
		done := make(chan error, 1)
		go func() { done <- v.Pack(t.Context()) }()
		time.Sleep(time.Duration(n) * 300 * time.Microsecond)
		left := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(n * 9), RNG: rand.New(rand.NewPCG(n, 2))})
		check(t, <-done)
		check(t, v.Close())
		cfg.FS = left
		v = open(t, cfg)
		if got := rounded(buckets(t, v, view(1, 1), rollable, start, start+36*hour, hour)); !reflect.DeepEqual(got, want) {
			t.Errorf("cut %d: the hours were\n%+v and are\n%+v", n, want, got)
		}
		check(t, v.Close())
	}
}

package sim

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sayso"
	"sayso/client/device"
	"sayso/internal/clock"
)

// door is a node that can be unreachable or refuse.
type door struct {
	mu    sync.Mutex
	fail  error
	got   map[int][]*said
	tried []time.Time
}

func (d *door) Send(_ context.Context, car int, body []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried = append(d.tried, clock.System{}.Now())
	if d.fail != nil {
		return d.fail
	}
	if d.got == nil {
		d.got = map[int][]*said{}
	}
	var s said
	if err := json.Unmarshal(body, &s); err != nil {
		return err
	}
	d.got[car] = append(d.got[car], &s)
	return nil
}

func (d *door) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

func TestRunnerReportsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := street(t, Config{Seed: 1, Cars: 4}), &door{}
		r := &Runner{Street: s, Sender: d, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), 61*time.Second)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		for i := range s.cars {
			got := d.got[i]
			if len(got) != 13 || got[0].Data.VIN != s.cars[i].VIN {
				t.Fatalf("car %d sent %d events, want its VIN and 12 reports", i, len(got))
			}
			for k := 2; k < len(got); k++ {
				if gap := got[k].Time.Sub(got[k-1].Time); gap != 5*time.Second {
					t.Errorf("car %d: %v between reports", i, gap)
				}
			}
		}
		if st := r.Stats(); st.Sent != 4*13 || st.Refused+st.Dropped != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestRunnerKeepsTheLatestWhileTheNodeIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := street(t, Config{Seed: 1, Cars: 1})
		d := &door{fail: &device.Later{Err: sayso.Fail(sayso.Busy, "test", "away")}}
		r := &Runner{Street: s, Sender: d, Clock: clock.System{}, Log: slog.New(slog.NewTextHandler(&log, nil)), Keep: 10}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		time.Sleep(301 * time.Second) // VIN and 60 reports
		d.set(nil)
		time.Sleep(31 * time.Second) // the longest pause between attempts
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		got := d.got[0]
		// Keep 10; the last of the time away is report 60, at 300 s.
		if len(got) < 10 || !got[9].Time.Equal(got[0].Time.Add(45*time.Second)) {
			t.Fatalf("%d reports arrived, the first at %v", len(got), got[0].Time)
		}
		if st := r.Stats(); st.Dropped < 50 || st.Sent != len(got) {
			t.Errorf("stats %+v", st)
		}
		if n := strings.Count(log.String(), "kind=busy"); n != 1 {
			t.Errorf("the same kind was logged %d times:\n%s", n, log.String())
		}
		if len(d.tried) > 40 {
			t.Errorf("%d attempts in 330 s: no backing off", len(d.tried))
		}
	})
}

func TestRunnerWaitsAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := street(t, Config{Seed: 1, Cars: 1})
		d := &door{fail: &device.Later{After: 20 * time.Second, Err: sayso.Fail(sayso.Busy, "test", "full")}}
		r := &Runner{Street: s, Sender: d, Clock: clock.System{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		ctx, cancel := context.WithTimeout(t.Context(), 65*time.Second)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if len(d.tried) != 4 || d.tried[1].Sub(d.tried[0]) != 20*time.Second {
			t.Errorf("tried at %v", d.tried)
		}
	})
}

func TestRunnerDropsWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := street(t, Config{Seed: 1, Cars: 1})
		d := &door{fail: sayso.Fail(sayso.Denied, "test", "not paired")}
		r := &Runner{Street: s, Sender: d, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), 21*time.Second)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if st := r.Stats(); st.Refused != 5 || st.Failed["denied"] != 5 || len(d.tried) != 5 {
			t.Errorf("stats %+v, %d attempts", st, len(d.tried))
		}
	})
}

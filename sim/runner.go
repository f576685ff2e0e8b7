package sim

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"sayso"
	"sayso/client/device"
	"sayso/internal/clock"
)

// Sender hands one report of a car to a node and returns nil once it is kept.
// A [*device.Later] error asks to try again; any other refuses the report.
type Sender interface {
	Send(ctx context.Context, car int, body []byte) error
}

// Runner drives a street in real time.
type Runner struct {
	Street *Street
	Sender Sender
	Clock  clock.Clock
	Log    *slog.Logger
	Keep   int // unsent reports kept per car, the latest; 0 means 100

	mu    sync.Mutex
	stats Stats
}

// Stats counts what became of reports. Failed counts attempts by kind: the
// fault's name, such as unauthorized, or busy where the node was not able.
type Stats struct {
	Sent, Refused, Dropped int
	Failed                 map[string]int
}

// Stats returns the counts so far.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Failed = maps.Clone(s.Failed)
	return s
}

// Run sends until the context ends; then it returns nil. Each car says its
// VIN first, then reports every Config.Every, the cars one after the other
// within that time.
func (r *Runner) Run(ctx context.Context) error {
	if r.Street == nil || r.Sender == nil || r.Clock == nil || r.Log == nil {
		return sayso.Fail(sayso.Invalid, "sim.Run", "the runner needs a street, a sender, a clock and a log")
	}
	keep := r.Keep
	if keep <= 0 {
		keep = 100
	}
	var wg sync.WaitGroup
	for _, c := range r.Street.cars {
		box := device.NewOutbox(keep, func(ctx context.Context, body []byte) error {
			return r.Sender.Send(ctx, c.Index, body)
		}, r.tell)
		wg.Go(func() { box.Run(ctx) })
		wg.Go(func() { r.drive(ctx, c, box) })
	}
	wg.Wait()
	return nil
}

// drive puts a car's reports into its outbox at their times. Times that have
// passed, because the machine slept, are left out.
func (r *Runner) drive(ctx context.Context, c *Car, box *device.Outbox) {
	every := r.Street.cfg.Every
	shift := (every * time.Duration(c.Index) / time.Duration(len(r.Street.cars))).Truncate(time.Millisecond)
	put := func(body []byte, err error) {
		if err != nil {
			r.tell(device.Refused, err)
			return
		}
		box.Put(body)
	}
	put(c.Fingerprint(r.Clock.Now()))
	var last time.Time
	for {
		now := r.Clock.Now()
		next := now.Add(-shift).Truncate(every).Add(every + shift)
		if next.Equal(last) { // the timer was early by the wall clock
			next = next.Add(every)
		}
		last = next
		if !sleep(ctx, next.Sub(now)) {
			return
		}
		put(c.Report(next))
	}
}

// tell counts an outcome and logs the first of each kind.
func (r *Runner) tell(o device.Outcome, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := ""
	switch o {
	case device.Sent:
		r.stats.Sent++
		return
	case device.Dropped:
		r.stats.Dropped++
		kind = "dropped"
		err = errors.New("the node could not be reached for long; the oldest unsent report was dropped")
	case device.Refused:
		r.stats.Refused++
		kind = sayso.FaultOf(err).String()
	case device.Delayed:
		kind = sayso.FaultOf(err).String()
	}
	if r.stats.Failed == nil {
		r.stats.Failed = map[string]int{}
	}
	if r.stats.Failed[kind]++; r.stats.Failed[kind] == 1 {
		r.Log.Warn("a simulated car's report did not arrive", "kind", kind, "error", err)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

package chaos

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"sayso/internal/clock"
)

func now() time.Time { return clock.System{}.Now() }

// TestFullDisk has no space left from an operation on that needs some, for a
// while. The vault does not open; or it refuses and, once there is space, takes
// in again without a restart; or Pebble could not write its manifest, and it
// stops. Nothing is missing afterwards.
func TestFullDisk(t *testing.T) {
	fig := newFigures()
	runs, passed := 0, 0
	for n := 1; fullDisk(t, fig, n, &passed); n += max(1, *every/2) {
		runs++
	}
	t.Logf("%d runs, %d passed without a restart, %d stopped; %v", runs, passed, fig.stops, fig)
}

// fullDisk is one run; it answers false when it had space to the end.
func fullDisk(t *testing.T, fig *figures, n int, passed *int) bool {
	w := newWorld(t, *seed, fig)
	w.steps, w.patience = 400, 250*time.Millisecond
	p := &plan{name: "full", match: func(o op) bool { return o.grows }, at: n, err: syscall.ENOSPC, stays: true, percent: 50}
	refused, full, freed, ackedThen := fig.refusals.Load(), 0, false, int64(0)
	var deadline time.Time
	w.between = func(step int) {
		switch {
		case !w.d.met.Load():
			if step > 60 {
				w.d.heal()
				w.steps = 0
			}
		case !freed:
			if full++; full > 5 && fig.refusals.Load() > refused {
				freed, ackedThen, deadline = true, fig.acked.Load(), now().Add(10*time.Second)
				w.d.heal()
			}
		case fig.acked.Load() > ackedThen:
			w.steps = 0 // it takes in again
		case now().After(deadline):
			t.Errorf("space at operation %d: still refusing ten seconds after there is space", n)
			w.steps = 0
		}
	}
	w.live(p, opening)
	if !w.d.met.Load() {
		return false
	}
	switch {
	case w.stopped:
		fig.stops++
		if why, _ := w.why.Load().(string); w.opens && !strings.Contains(why, "MANIFEST") {
			t.Errorf("full at %d: stopped; %v", n, w.why.Load())
		}
	case freed:
		*passed++
	}
	w.steps, w.patience, w.between = 4, 20*time.Second, nil
	w.live(&plan{name: "after", match: func(op) bool { return false }}, running)
	return true
}

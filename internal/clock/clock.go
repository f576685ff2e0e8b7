// Package clock is the only place that reads the wall clock, so that every
// decision about time can be driven by a test.
package clock

import (
	"sync"
	"time"
)

// Clock tells the time. Everything that decides by time is given one.
type Clock interface{ Now() time.Time }

// System is the wall clock of the machine, in UTC.
type System struct{}

// Now returns the current wall time in UTC.
func (System) Now() time.Time { return time.Now().UTC() }

// Manual is a clock that moves only when told. It is safe for concurrent use.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual returns a clock that stands at t.
func NewManual(t time.Time) *Manual { return &Manual{now: t.UTC()} }

// Now returns the time the clock was last set to.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Advance moves the clock by d.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

package message

import (
	"fmt"
	"time"

	"sayso"
)

// The bounds of believable times. A device may be offline for weeks, and its
// clock may run a little fast.
const (
	Ahead = 5 * time.Minute
	Back  = 30 * 24 * time.Hour
)

// earliest is where even back-fill ends: before it no car sent anything, and a
// clock that was never set shows such times.
var earliest = sayso.At(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))

// Window says which times are accepted. Now is when the message arrived.
// Backfill accepts what is older than [Back].
type Window struct {
	Now      time.Time
	Backfill bool
}

// bounds are the first and last instant that are accepted.
func (w Window) bounds() (from, to sayso.Instant) {
	from = earliest
	if !w.Backfill {
		from = max(from, sayso.At(w.Now.Add(-Back)))
	}
	return from, sayso.At(w.Now.Add(Ahead))
}

// Check says why a time is not accepted, or nil.
func (w Window) Check(t time.Time) error {
	from, to := w.bounds()
	text := t.UTC().Format(time.RFC3339Nano)
	switch i := sayso.At(t); {
	case i > to:
		return fmt.Errorf("%s is more than %d minutes ahead", text, Ahead/time.Minute)
	case i < earliest:
		return fmt.Errorf("%s is before %s", text, earliest.Time().Format(time.RFC3339))
	case i < from:
		return fmt.Errorf("%s is more than %d days ago; older data goes through back-fill", text, Back/(24*time.Hour))
	}
	return nil
}

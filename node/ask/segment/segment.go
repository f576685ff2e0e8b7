// Package segment finds, in what a vehicle said, the stretches of time in which
// it drove, idled, was refuelled or charged (spec api 4). Its functions are
// pure: readings come in ascending by time, segments go out ascending by start,
// as soon as they are known, so that neither need be in memory as a whole.
package segment

import (
	"iter"
	"time"

	"sayso"
)

// Sample is one value of a signal.
type Sample struct {
	Time  sayso.Instant
	Value float64
}

// Range is a stretch of time, with both its ends.
type Range struct {
	Start, End sayso.Instant
	Ongoing    bool // End is that of the window then
	Before     bool // it had begun when the window did
}

// Seconds is how long a range is, in whole seconds.
func (r Range) Seconds() int64 { return int64((r.End - r.Start) / Second) }

// Query is the window that is searched, and the numbers of the mechanisms.
type Query struct {
	From, To    sayso.Instant
	Now         sayso.Instant
	MaxGap      sayso.Instant
	MinDuration int64 // seconds
	Threshold   int   // rows in a minute
	IdleRPM     float64
	MinRise     float64 // percent
}

// Durations as differences of instants.
const (
	Second = sayso.Instant(time.Second / time.Microsecond)
	Minute = 60 * Second
	Hour   = 60 * Minute
)

// clip cuts a range to the window. What is too short then is left out, unless
// it began before the window and was long enough.
func (q *Query) clip(r Range) (Range, bool) {
	whole := r.Seconds()
	cut := r.Start < q.From
	r.Start, r.End = max(r.Start, q.From), min(r.End, q.To)
	r.Before = r.Start <= q.From
	long := r.Seconds() >= q.MinDuration || cut && whole >= q.MinDuration
	return r, r.End > r.Start && long
}

// merge joins ranges that follow each other within a gap. They come ascending
// by start.
func merge(in iter.Seq[Range], gap sayso.Instant) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		var current Range
		some := false
		for next := range in {
			switch {
			case !some:
				current, some = next, true
			case next.Start-current.End <= gap:
				current.End = max(current.End, next.End)
			default:
				if !yield(current) {
					return
				}
				current = next
			}
		}
		if some {
			yield(current)
		}
	}
}

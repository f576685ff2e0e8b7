package segment

import (
	"iter"

	"sayso"
)

// Row is one reading of any signal.
type Row struct {
	Time   sayso.Instant
	Signal sayso.SignalID
}

// The bounds of a minute of which the cumulated sum takes notice, the usual
// number of readings, and what the sum tolerates.
const (
	fewestRows    = 10
	fewestSignals = 2
	usualRows     = 1.0
	drift         = 0.5
	alarm         = 5.0
)

// Frequency finds drives as minutes with many readings. Rows begin MaxGap
// before the window.
func Frequency(rows iter.Seq[Row], q Query) iter.Seq[Range] {
	return drives(rows, q, func(count, signals int) bool { return count >= q.Threshold && signals >= fewestSignals })
}

// ChangePoint finds drives where the sum of what is more than the usual number
// of readings grows. Rows begin MaxGap before the window.
func ChangePoint(rows iter.Seq[Row], q Query) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		sum := 0.0
		drives(rows, q, func(count, signals int) bool {
			if count < fewestRows || signals < fewestSignals {
				return false
			}
			sum = max(0, sum+float64(count)-usualRows-drift)
			return sum > alarm
		})(yield)
	}
}

// drives joins active minutes. The last drive goes on if it reaches to within a
// gap of the end of the window, and that to within a gap of now.
func drives(rows iter.Seq[Row], q Query, active func(count, signals int) bool) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		give := func(r Range) bool {
			r, ok := q.clip(r)
			return !ok || yield(r)
		}
		var last Range
		some := false
		for r := range merge(minutes(rows, q.To, active), q.MaxGap) {
			if some && !give(last) {
				return
			}
			last, some = r, true
		}
		switch {
		case !some:
		case q.To-last.End <= q.MaxGap && q.Now-q.To <= q.MaxGap:
			r := Range{Start: max(last.Start, q.From), End: q.To, Ongoing: true}
			if r.Before = r.Start <= q.From; r.Seconds() >= q.MinDuration {
				yield(r)
			}
		default:
			give(last)
		}
	}
}

// minutes gives the minutes of the clock that are active, none beyond to.
func minutes(rows iter.Seq[Row], to sayso.Instant, active func(count, signals int) bool) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		seen := map[sayso.SignalID]bool{}
		at, count := sayso.Instant(0), 0
		flush := func() bool {
			ok := count > 0 && active(count, len(seen))
			count = 0
			clear(seen)
			return !ok || yield(Range{Start: at, End: min(at+Minute, to)})
		}
		for r := range rows {
			if start := floor(r.Time, Minute); start != at {
				if !flush() {
					return
				}
				at = start
			}
			count++
			seen[r.Signal] = true
		}
		flush()
	}
}

// floor is the last multiple of a step that is not after a time.
func floor(t, step sayso.Instant) sayso.Instant {
	n := t % step
	if n < 0 {
		n += step
	}
	return t - n
}

package segment

import "iter"

// Idling finds where the engine runs slowly, whether or not the vehicle stands.
// Samples are of the engine's speed and begin MaxGap before the window.
func Idling(rpm iter.Seq[Sample], q Query) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		var run Range
		open := false
		end := func() bool {
			r, ok := q.clip(run)
			ok = ok && open
			open = false
			return !ok || yield(r)
		}
		for s := range rpm {
			switch {
			case s.Value <= 0 || s.Value > q.IdleRPM:
				if !end() {
					return
				}
			case open && s.Time-run.End <= q.MaxGap:
				run.End = s.Time
			default:
				if !end() {
					return
				}
				run, open = Range{Start: s.Time, End: s.Time}, true
			}
		}
		end()
	}
}

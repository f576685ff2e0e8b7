package segment

import (
	"iter"

	"sayso"
)

// Lookback is how far before the window the ignition is looked for.
const Lookback = 30 * 24 * Hour

// Past is what readings before a window say of the ignition.
type Past struct {
	first, last Sample
	some        bool
	change      Sample // the last reading that differs from the one before it
	Changed     bool   // there is one
}

// Add takes the next reading in.
func (p *Past) Add(s Sample) {
	if !p.some {
		p.first, p.some = s, true
	} else if s.Value != p.last.Value {
		p.change, p.Changed = s, true
	}
	p.last = s
}

// After is what readings say that came after others.
func (p Past) After(earlier Past) Past {
	if !earlier.some {
		return p
	}
	out := earlier
	if p.some {
		out.Add(p.first)
		out.last = p.last
	}
	if p.Changed {
		out.change, out.Changed = p.change, true
	}
	return out
}

// Ignition finds drives from ignition on to ignition off. A short off is none.
// Past are the readings of [Lookback] before the window, or of the end of it
// that holds a change; ago is the value before those, 0 for none.
func Ignition(ago float64, past Past, readings iter.Seq[Sample], q Query) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		w := &walk{q: &q, yield: yield, more: true}
		earliest, some, changed, previous := past.first, past.some, past.Changed, ago
		if past.some {
			previous = past.last.Value
		}
		switch {
		case past.Changed:
			w.step(past.change)
		case past.some && past.first.Value != ago:
			changed = true
			w.step(past.first)
		}
		for s := range readings {
			if !some {
				earliest, some = s, true
			}
			if s.Value != previous {
				changed = true
				w.step(s)
			}
			if previous = s.Value; !w.more {
				return
			}
		}
		if !changed && some && previous == 1 {
			w.step(Sample{earliest.Time, 1}) // it has been on all the time
		}
		w.finish()
	}
}

// walk goes from change to change.
type walk struct {
	q          *Query
	yield      func(Range) bool
	more       bool
	open, off  bool
	start, end sayso.Instant // end is the first off, where off is set
}

func (w *walk) step(s Sample) {
	if s.Value != 1 {
		if !w.off {
			w.off, w.end = true, s.Time
		}
		return
	}
	if w.off && s.Time-w.end >= w.q.MaxGap {
		w.close()
	}
	if w.off = false; !w.open {
		w.open, w.start = true, s.Time
	}
}

// close ends the drive at the off, if one is under way.
func (w *walk) close() {
	if w.open && w.more {
		w.give(Range{Start: w.start, End: w.end})
	}
	w.open = false
}

func (w *walk) finish() {
	if w.off {
		w.close()
	}
	if w.open && w.more {
		w.give(Range{Start: w.start, End: w.q.To, Ongoing: true})
	}
}

func (w *walk) give(r Range) {
	r.Before = r.Start < w.q.From
	if r.Seconds() >= w.q.MinDuration {
		w.more = w.yield(r)
	}
}

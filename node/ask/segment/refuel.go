package segment

import (
	"cmp"
	"iter"
	"slices"

	"sayso"
)

// How a level is watched: over five minutes, then up to thirty more for the
// peak, which is where it falls by more than one percent, and is at least
// twenty percent above the trough.
const (
	RefuelBefore = 5 * Minute  // samples that are needed before the window
	RefuelAfter  = 30 * Minute // and after it
	watch        = 5 * Minute
	fall         = 1.0
	leastFuel    = 20.0
)

// Refuel finds where the fuel level rises. Samples are of the level in percent.
func Refuel(level iter.Seq[Sample], q Query) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		t := &tank{q: &q, at: floor(q.From+Minute-1, Minute)}
		for s := range level {
			t.samples = append(t.samples, s)
			t.upTo(s.Time)
		}
		t.upTo(q.To + watch + RefuelAfter)
		slices.SortFunc(t.found, func(a, b Range) int { return cmp.Compare(a.Start, b.Start) })
		for r := range merge(slices.Values(t.found), 0) {
			if r, ok := q.clip(r); ok && !yield(r) {
				return
			}
		}
	}
}

// tank is a level under watch. It holds the samples that later minutes need.
type tank struct {
	q       *Query
	at      sayso.Instant // the minute to look at next
	samples []Sample
	next    int    // of the samples, the first after at
	low     Sample // from which the level only rose up to the last sample before at
	found   []Range
}

// upTo looks at every minute of which all samples are there, those up to a time
// being.
func (t *tank) upTo(now sayso.Instant) {
	for t.at+watch <= t.q.To && t.at+watch+RefuelAfter <= now {
		t.advance()
		if r, ok := t.rise(); ok {
			t.found = append(t.found, r)
		}
		t.at += Minute
	}
	if t.next > 4096 && t.next > len(t.samples)/2 {
		t.samples = append(t.samples[:0], t.samples[t.next-1:]...)
		t.next = 1
	}
}

// advance passes the samples up to the minute.
func (t *tank) advance() {
	for t.next < len(t.samples) && t.samples[t.next].Time <= t.at {
		if t.next == 0 || t.samples[t.next-1].Value >= t.samples[t.next].Value {
			t.low = t.samples[t.next]
		}
		t.next++
	}
}

// rise is the refuelling that begins about the minute, if one does.
func (t *tank) rise() (Range, bool) {
	if t.next == 0 {
		return Range{}, false
	}
	a := t.samples[t.next-1].Value
	i := t.next
	for i < len(t.samples) && t.samples[i].Time <= t.at+watch {
		i++
	}
	b := t.samples[i-1]
	if a < 1e-6 || (b.Value-a)/a*100 <= t.q.MinRise {
		return Range{}, false
	}
	if b.Time == t.at+watch {
		i-- // it is also the first at or after
	}
	peak, ok := t.peak(i)
	if !ok || peak.Time <= t.low.Time || peak.Value-t.low.Value < leastFuel {
		return Range{}, false
	}
	r := Range{Start: max(t.low.Time, t.q.From), End: min(peak.Time, t.q.To)}
	return r, r.Seconds() >= t.q.MinDuration
}

// peak is the highest sample from the i-th on, of equals the last, or the one
// from which the level falls.
func (t *tank) peak(i int) (best Sample, ok bool) {
	due := t.at + watch + RefuelAfter
	for ; i < len(t.samples) && t.samples[i].Time <= due; i++ {
		s := t.samples[i]
		if !ok || s.Value >= best.Value {
			best, ok = s, true
		}
		if i+1 < len(t.samples) && t.samples[i+1].Time <= due && t.samples[i+1].Value < s.Value-fall {
			return s, true
		}
	}
	return best, ok
}

package segment

import "iter"

// How a state of charge is watched: as means of eleven samples, of which there
// must be thirteen; a charge is while the vehicle moved half a kilometre at
// most, and charges within two hours at one place are one.
const (
	span        = 11
	fewest      = 13
	stands      = 0.5
	rechargeGap = 2 * Hour
)

// Rises finds where the smoothed state of charge rises. Samples are of the
// state in percent.
func Rises(charge iter.Seq[Sample], q Query) []Range {
	var w rising
	w.q = &q
	var ring [span]Sample
	n := 0
	for s := range charge {
		ring[n%span] = s
		if n++; n < span {
			continue
		}
		sum := 0.0
		for i := range span {
			sum += ring[(n+i)%span].Value
		}
		w.step(Sample{ring[(n+span/2)%span].Time, sum / span})
	}
	if n < fewest {
		return nil
	}
	w.emit()
	return w.found
}

// rising walks over a curve.
type rising struct {
	q                      *Query
	some, up, down         bool // up: a rise is under way; down: the last step that was one fell
	trough, peak, previous Sample
	found                  []Range
}

func (w *rising) step(s Sample) {
	switch {
	case !w.some:
		w.trough, w.some = s, true
	case s.Value > w.previous.Value:
		if w.down {
			w.trough, w.down = w.previous, false
		}
		w.up, w.peak = true, s
	case s.Value < w.previous.Value:
		w.emit()
		w.down = true
	}
	w.previous = s
}

func (w *rising) emit() {
	r := Range{Start: w.trough.Time, End: w.peak.Time}
	if w.up && w.peak.Value-w.trough.Value >= w.q.MinRise && r.Seconds() >= w.q.MinDuration {
		r.Before = r.Start <= w.q.From
		w.found = append(w.found, r)
	}
	w.up = false
}

// edges are the first and the last value within a range.
type edges struct {
	first, last float64
	some        bool
}

// edgesOf finds them for ranges that ascend.
func edgesOf(ranges []Range, samples iter.Seq[Sample]) []edges {
	out, i := make([]edges, len(ranges)), 0
	for s := range samples {
		for i < len(ranges) && ranges[i].End < s.Time {
			i++
		}
		if i == len(ranges) {
			break
		}
		if e := &out[i]; s.Time >= ranges[i].Start {
			if !e.some {
				e.first, e.some = s.Value, true
			}
			e.last = s.Value
		}
	}
	return out
}

// Recharge keeps of rises those in which the vehicle stood and was charged, and
// joins those that follow each other at one place. Samples are of the state of
// charge, and of the odometer in kilometres.
func Recharge(rises []Range, charge, odometer iter.Seq[Sample]) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		soc, km := edgesOf(rises, charge), edgesOf(rises, odometer)
		var current Range
		var at edges // of the odometer
		some := false
		for i, r := range rises {
			if !soc[i].some || soc[i].first >= soc[i].last || km[i].some && km[i].last-km[i].first > stands {
				continue
			}
			here := at.some && km[i].some && max(km[i].first-at.last, at.last-km[i].first) <= stands
			at = km[i]
			if some && here && r.Start-current.End <= rechargeGap {
				current.End = r.End
				continue
			}
			if some && !yield(current) {
				return
			}
			current, some = r, true
		}
		if some {
			yield(current)
		}
	}
}

package segment

import (
	"math"
	"slices"

	"sayso"
)

// This file says again, as plainly as it can be said over whole lists, what
// section 4 of the interface specification says. It is the oracle of the tests.

func within[T any](list []T, at func(T) sayso.Instant, from, to sayso.Instant) (out []T) {
	for _, x := range list {
		if at(x) >= from && at(x) < to {
			out = append(out, x)
		}
	}
	return out
}

func when(s Sample) sayso.Instant { return s.Time }

func slowClip(r Range, q Query) []Range {
	d0 := (r.End - r.Start) / Second
	clippedStart := false
	if r.Start < q.From {
		r.Start, clippedStart = q.From, true
	}
	if r.End > q.To {
		r.End = q.To
	}
	if r.End <= r.Start {
		return nil
	}
	if d := (r.End - r.Start) / Second; d < sayso.Instant(q.MinDuration) && !(clippedStart && d0 >= sayso.Instant(q.MinDuration)) {
		return nil
	}
	r.Before = r.Start <= q.From
	return []Range{r}
}

func slowMerge(list []Range, gap sayso.Instant) (out []Range) {
	slices.SortStableFunc(list, func(a, b Range) int { return int(a.Start - b.Start) })
	for _, next := range list {
		if n := len(out); n > 0 && next.Start-out[n-1].End <= gap {
			out[n-1].End = max(out[n-1].End, next.End)
		} else {
			out = append(out, next)
		}
	}
	return out
}

func slowIgnition(all []Sample, q Query) (out []Range) {
	in := within(all, when, q.From-30*24*Hour, q.To)
	previous := 0.0
	for _, s := range all {
		if s.Time < q.From-30*24*Hour {
			previous = s.Value
		}
	}
	var before, list []Sample
	for _, s := range in {
		if s.Value != previous {
			if s.Time < q.From {
				before = append(before, s)
			} else {
				list = append(list, s)
			}
		}
		previous = s.Value
	}
	if n := len(before); n > 0 {
		list = append([]Sample{before[n-1]}, list...)
	}
	if len(list) == 0 && len(in) > 0 && in[len(in)-1].Value == 1 {
		list = []Sample{{in[0].Time, 1}}
	}
	var calm []Sample
	for i, s := range list {
		drop := false
		if s.Value != 1 {
			for _, next := range list[i+1:] {
				if next.Value == 1 {
					drop = next.Time-s.Time < q.MaxGap
					break
				}
			}
		}
		if !drop {
			calm = append(calm, s)
		}
	}
	var open *Sample
	add := func(r Range) {
		if r.Before = r.Start < q.From; r.Seconds() >= q.MinDuration {
			out = append(out, r)
		}
	}
	for i, s := range calm {
		switch {
		case s.Value == 1 && open == nil:
			open = &calm[i]
		case s.Value != 1 && open != nil:
			add(Range{Start: open.Time, End: s.Time})
			open = nil
		}
	}
	if open != nil {
		add(Range{Start: open.Time, End: q.To, Ongoing: true})
	}
	return out
}

type minute struct {
	start sayso.Instant
	rows  int
	names map[sayso.SignalID]bool
}

func slowMinutes(all []Row, q Query) (out []minute) {
	for _, r := range within(all, func(r Row) sayso.Instant { return r.Time }, q.From-q.MaxGap, q.To) {
		start := sayso.Instant(math.Floor(float64(r.Time)/float64(Minute))) * Minute
		i := slices.IndexFunc(out, func(m minute) bool { return m.start == start })
		if i < 0 {
			i, out = len(out), append(out, minute{start, 0, map[sayso.SignalID]bool{}})
		}
		out[i].rows++
		out[i].names[r.Signal] = true
	}
	return out
}

func slowDrives(minutes []minute, q Query, active func(minute) bool) (out []Range) {
	var ranges []Range
	for _, m := range minutes {
		if active(m) {
			ranges = append(ranges, Range{Start: m.start, End: min(m.start+Minute, q.To)})
		}
	}
	merged := slowMerge(ranges, q.MaxGap)
	for i, r := range merged {
		if i == len(merged)-1 && q.To-r.End <= q.MaxGap && q.Now-q.To <= q.MaxGap {
			r.Start, r.End, r.Ongoing = max(r.Start, q.From), q.To, true
			if r.Before = r.Start <= q.From; r.Seconds() >= q.MinDuration {
				out = append(out, r)
			}
			continue
		}
		out = append(out, slowClip(r, q)...)
	}
	return out
}

func slowFrequency(all []Row, q Query) []Range {
	return slowDrives(slowMinutes(all, q), q, func(m minute) bool { return m.rows >= q.Threshold && len(m.names) >= 2 })
}

func slowChangePoint(all []Row, q Query) []Range {
	s := 0.0
	return slowDrives(slowMinutes(all, q), q, func(m minute) bool {
		if m.rows < 10 || len(m.names) < 2 {
			return false
		}
		s = math.Max(0, s+float64(m.rows)-1.0-0.5)
		return s > 5.0
	})
}

func slowIdling(all []Sample, q Query) (out []Range) {
	var runs [][]Sample
	closed := true
	for _, s := range within(all, when, q.From-q.MaxGap, q.To) {
		if !(s.Value > 0 && s.Value <= q.IdleRPM) {
			closed = true
			continue
		}
		if n := len(runs); !closed && s.Time-runs[n-1][len(runs[n-1])-1].Time <= q.MaxGap {
			runs[n-1] = append(runs[n-1], s)
		} else {
			runs = append(runs, []Sample{s})
		}
		closed = false
	}
	for _, run := range runs {
		out = append(out, slowClip(Range{Start: run[0].Time, End: run[len(run)-1].Time}, q)...)
	}
	return out
}

func slowRefuel(all []Sample, q Query) (out []Range) {
	in := within(all, when, q.From-5*Minute, q.To+30*Minute)
	if len(in) < 2 {
		return nil
	}
	upTo := func(t sayso.Instant) int { // the last sample at or before
		last := -1
		for i, s := range in {
			if s.Time <= t {
				last = i
			}
		}
		return last
	}
	var found []Range
	for t := sayso.Instant(math.Ceil(float64(q.From)/float64(Minute))) * Minute; t+5*Minute <= q.To; t += Minute {
		i, j := upTo(t), upTo(t+5*Minute)
		a := 0.0
		if i >= 0 {
			a = in[i].Value
		}
		if a < 1e-6 || (in[j].Value-a)/a*100 <= q.MinRise {
			continue
		}
		trough := i
		for trough > 0 && in[trough-1].Value < in[trough].Value {
			trough--
		}
		peak := slowPeak(in, t)
		if peak == nil || peak.Time <= in[trough].Time || peak.Value-in[trough].Value < 20 {
			continue
		}
		r := Range{Start: max(in[trough].Time, q.From), End: min(peak.Time, q.To)}
		if r.Seconds() >= q.MinDuration {
			found = append(found, r)
		}
	}
	for _, r := range slowMerge(found, 0) {
		out = append(out, slowClip(r, q)...)
	}
	return out
}

func slowPeak(in []Sample, t sayso.Instant) (best *Sample) {
	var list []Sample
	for _, s := range in {
		if s.Time >= t+5*Minute && s.Time <= t+35*Minute {
			list = append(list, s)
		}
	}
	for i := range list {
		if best == nil || list[i].Value >= best.Value {
			best = &list[i]
		}
		if i+1 < len(list) && list[i+1].Value < list[i].Value-1 {
			return &list[i]
		}
	}
	return best
}

func slowRecharge(soc, odometer []Sample, q Query) (out []Range) {
	soc, odometer = within(soc, when, q.From, q.To), within(odometer, when, q.From, q.To)
	if len(soc) < 13 {
		return nil
	}
	var smooth []Sample
	for i := 5; i+5 < len(soc); i++ {
		sum := 0.0
		for _, s := range soc[i-5 : i+6] {
			sum += s.Value
		}
		smooth = append(smooth, Sample{soc[i].Time, sum / 11})
	}
	var rises [][2]Sample
	trough, peak, rising, falling := 0, 0, false, false
	for i := 1; i < len(smooth); i++ {
		switch step := smooth[i].Value - smooth[i-1].Value; {
		case step > 0:
			if falling {
				trough = i - 1
			}
			peak, rising, falling = i, true, false
		case step < 0:
			if rising {
				rises = append(rises, [2]Sample{smooth[trough], smooth[peak]})
			}
			rising, falling = false, true
		}
	}
	if rising {
		rises = append(rises, [2]Sample{smooth[trough], smooth[peak]})
	}
	inside := func(list []Sample, r Range) []Sample { return within(list, when, r.Start, r.End+1) }
	for _, rise := range rises {
		r := Range{Start: rise[0].Time, End: rise[1].Time, Before: rise[0].Time <= q.From}
		raw, km := inside(soc, r), inside(odometer, r)
		if rise[1].Value-rise[0].Value < q.MinRise || r.Seconds() < q.MinDuration || raw[0].Value >= raw[len(raw)-1].Value ||
			len(km) > 0 && km[len(km)-1].Value-km[0].Value > 0.5 {
			continue
		}
		if n := len(out); n > 0 && r.Start-out[n-1].End <= 2*Hour {
			if then := inside(odometer, out[n-1]); len(then) > 0 && len(km) > 0 && math.Abs(km[0].Value-then[len(then)-1].Value) <= 0.5 {
				out[n-1].End = r.End
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

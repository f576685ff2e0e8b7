package ask

import (
	"fmt"
	"slices"
	"time"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/node/ask/segment"
)

// mechanism is how segments are found.
type mechanism uint8

const (
	byIgnition mechanism = iota + 1
	byFrequency
	byChangePoint
	idling
	refuel
	recharge
)

// mechanisms by their names in the two dialects.
var mechanisms = map[string]mechanism{
	"ignitionDetection": byIgnition, "frequencyAnalysis": byFrequency, "changePointDetection": byChangePoint,
	"idling": idling, "refuel": refuel, "recharge": recharge,
	"IGNITION_DETECTION": byIgnition, "FREQUENCY_ANALYSIS": byFrequency, "CHANGE_POINT_DETECTION": byChangePoint,
	"IDLING": idling, "REFUEL": refuel, "RECHARGE": recharge,
}

// drives says whether the mechanism finds drives.
func (m mechanism) drives() bool { return m <= byChangePoint }

// passes is how often the window is read to find segments.
func (m mechanism) passes() int64 {
	switch m {
	case idling:
		return 2
	case recharge:
		return 3
	}
	return 1
}

// search is a question for segments under way.
type search struct {
	r *reader
	c *graphql.Call
	m mechanism
	q segment.Query
	// err is what a read ended with; a sequence of readings ends there.
	err  error
	last earlier // the newest position before some time
}

// The bounds of a search. A second over the longest window is let pass.
const (
	maxDays       = 32
	maxSegments   = 200
	maxCandidates = 8 * maxSegments // of idling, of which those where the vehicle moved are left out
	trailing      = 2 * segment.Minute
)

// segments answers the root field of that name.
func (a *answers) segments(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	r, err := a.open(c, f, nil)
	if err != nil {
		return nil, err
	}
	s, err := newSearch(r, c, f.Args)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(f.Args)
	if err != nil {
		return nil, err
	}
	after := never
	if t, ok := graphql.Arg[time.Time](f.Args, "after"); ok {
		after = sayso.At(t)
	}
	ranges, err := s.find(after, limit)
	if err != nil {
		return nil, cause(c, err)
	}
	list := make([]*activity, len(ranges))
	for i, found := range ranges {
		w := stretch{found.Start, found.End}
		if s.m == refuel || s.m == recharge {
			if w.to += trailing; i+1 < len(ranges) {
				w.to = max(found.End, min(w.to, ranges[i+1].Start))
			}
		}
		list[i] = &activity{Range: found, stretch: w}
	}
	if err := s.describe(list, f, "Segment"); err != nil {
		return nil, cause(c, err)
	}
	return graphql.Slice[*activity](list), nil
}

// limitOf reads the number of segments that are asked for.
func limitOf(args graphql.Args) (int, error) {
	limit, ok := graphql.Arg[int64](args, "limit")
	if !ok {
		return 100, nil
	}
	if limit < 1 || limit > maxSegments {
		return 0, invalid(fmt.Sprintf("limit must be between 1 and %d", maxSegments))
	}
	return int(limit), nil
}

// newSearch reads the arguments that segments and days have in common.
func newSearch(r *reader, c *graphql.Call, args graphql.Args) (*search, error) {
	s := &search{r: r, c: c}
	var err error
	if s.m, s.q, err = r.a.settings(args); err != nil {
		return nil, err
	}
	from, _ := graphql.Arg[time.Time](args, "from")
	to, _ := graphql.Arg[time.Time](args, "to")
	return s, s.within(sayso.At(from), sayso.At(to))
}

// within sets the window; nothing is looked for beyond now.
func (s *search) within(from, to sayso.Instant) error {
	s.q.Now = sayso.At(s.r.a.Clock.Now())
	s.q.From, s.q.To = from, min(to, s.q.Now)
	switch {
	case s.q.From > s.q.To:
		return invalid("from time must be before to time")
	case s.q.From == s.q.To:
		return invalid("from and to times cannot be equal")
	case s.q.To-s.q.From > maxDays*24*hour+segment.Second:
		return invalid(fmt.Sprintf("date range exceeds maximum of %d days", maxDays))
	}
	return nil
}

// settings reads the mechanism and its numbers (spec api 4.1). Where a config is
// given, what is not in it has the values of the schema, not those of the
// mechanism.
func (a *answers) settings(args graphql.Args) (mechanism, segment.Query, error) {
	name, _ := graphql.Arg[string](args, "mechanism")
	m := mechanisms[name]
	q := segment.Query{MaxGap: 300 * segment.Second, MinDuration: 240, Threshold: 10, IdleRPM: 1000}
	switch m {
	case refuel:
		q.MinRise = 30
	case recharge:
		q.MinRise, q.MinDuration = 1, 60
	}
	config, _ := graphql.Arg[graphql.Args](args, "config")
	for _, n := range []struct {
		name       string
		least, top int64
		checked    bool
		set        func(int64)
	}{
		{"maxGapSeconds", 60, 3600, true, func(n int64) { q.MaxGap = sayso.Instant(n) * segment.Second }},
		{"minSegmentDurationSeconds", 60, 3600, true, func(n int64) { q.MinDuration = n }},
		{"signalCountThreshold", 1, 3600, true, func(n int64) { q.Threshold = int(n) }},
		{"maxIdleRpm", 300, 3000, m == idling, func(n int64) { q.IdleRPM = float64(n) }},
		{"minIncreasePercent", 1, 100, m == refuel || m == recharge, func(n int64) { q.MinRise = float64(n) }},
	} {
		v, ok := graphql.Arg[int64](config, n.name)
		if !ok {
			continue
		}
		if n.checked && (v < n.least || v > n.top) {
			return m, q, invalid(fmt.Sprintf("%s must be between %d and %d", n.name, n.least, n.top))
		}
		n.set(v)
	}
	return m, q, nil
}

// find gives at most so many segments that start after a time; all for 0.
func (s *search) find(after sayso.Instant, limit int) ([]segment.Range, error) {
	most := limit
	if s.m == idling {
		most = maxCandidates
	}
	var out []segment.Range
	for found := range s.detect() {
		if found.Start <= after {
			continue
		}
		if out = append(out, found); most > 0 && len(out) == most {
			break
		}
	}
	if s.m == idling && s.err == nil && len(out) > 0 {
		out = s.standing(out)
		out = out[:min(len(out), limit)]
	}
	return out, s.err
}

// standing leaves out ranges in which the vehicle moved.
func (s *search) standing(ranges []segment.Range) []segment.Range {
	moved, i := make([]bool, len(ranges)), 0
	for speed := range s.samples(signalSpeed, ranges[0].Start, ranges[len(ranges)-1].End) {
		for i < len(ranges) && ranges[i].End <= speed.Time {
			i++
		}
		if i < len(ranges) && ranges[i].Start <= speed.Time && speed.Value > 0 {
			moved[i] = true
		}
	}
	var out []segment.Range
	for i, r := range ranges {
		if !moved[i] {
			out = append(out, r)
		}
	}
	return slices.Clip(out)
}

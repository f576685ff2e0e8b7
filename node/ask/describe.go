package ask

import (
	"cmp"
	"slices"
	"sort"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/node/ask/segment"
	"sayso/node/vault"
)

// stretch is some time, [from, to).
type stretch struct{ from, to sayso.Instant }

// activity is a segment or a day with its description.
type activity struct {
	segment.Range
	stretch
	first, last *vault.Row // of the positions in the window
	start, end  sayso.Location
	signals     graphql.Slice[aggregate]
	events      graphql.Slice[eventCount]
	count       int   // of a day: its segments
	duration    int64 // of a day: seconds of its segments
}

type aggregate struct {
	name, agg string
	value     float64
}

type eventCount struct {
	name  string
	count int
}

// described is one column of the description: an aggregation of a number.
type described struct{ name, agg string }

// always is what every description has of a mechanism (spec api 4.8).
func (m mechanism) always() []described {
	list := []described{{signalSpeed, "MAX"}, {signalOdometer, "FIRST"}, {signalOdometer, "LAST"}}
	if m != recharge {
		list = append(list, described{signalFuel, "FIRST"}, described{signalFuel, "LAST"})
	}
	if m != idling && m != refuel {
		list = append(list, described{signalCharge, "FIRST"}, described{signalCharge, "LAST"})
	}
	return list
}

// columns are what is described, each once, by name and aggregation. Names that
// are no number are left out.
func (a *answers) columns(m mechanism, args graphql.Args) []described {
	list := m.always()
	requests, _ := graphql.Arg[[]any](args, "signalRequests")
	for _, item := range requests {
		request, _ := item.(graphql.Args)
		name, _ := graphql.Arg[string](request, "name")
		agg, _ := graphql.Arg[string](request, "agg")
		if x := a.access[name]; x != nil && x.signal.Kind == sayso.Number && aggregations[agg] != 0 {
			list = append(list, described{name, agg})
		}
	}
	slices.SortFunc(list, func(a, b described) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.agg, b.agg)) })
	return slices.Compact(list)
}

// describe reads what is selected below f of windows, which ascend and do not
// overlap.
func (s *search) describe(list []*activity, f *graphql.Field, typeName string) error {
	signals := selects(s.c, f, typeName, "signals")
	places := selects(s.c, f, typeName, "start", "end")
	if signals || places {
		if err := s.aggregate(list, f.Args, signals); err != nil {
			return err
		}
	}
	if places && typeName == "Segment" {
		for _, a := range list {
			if err := s.locate(a); err != nil {
				return err
			}
		}
	}
	if selects(s.c, f, typeName, "eventCounts") {
		return s.count(list, f.Args)
	}
	return nil
}

// selects says whether one of some fields is selected below f.
func selects(c *graphql.Call, f *graphql.Field, typeName string, names ...string) bool {
	return slices.ContainsFunc(c.Select(f, typeName), func(below *graphql.Field) bool { return slices.Contains(names, below.Name) })
}

// aggregate reads numbers, where they are wanted, and the first and the last
// position of windows.
func (s *search) aggregate(list []*activity, args graphql.Args, numbers bool) error {
	a := s.r.a
	var plan groups
	fix := a.access[a.fix.Name]
	for slot, agg := range []vault.Agg{vault.First, vault.Last} {
		plan.add(s.r.shared(fix), false, vault.Column{Signal: fix.signal.ID, Agg: agg}, slot)
	}
	var columns []described
	if numbers {
		columns = a.columns(s.m, args)
	}
	for i, c := range columns {
		if x := a.access[c.name]; s.r.shared(x) != nil {
			plan.add(s.r.shared(x), false, vault.Column{Signal: x.signal.ID, Agg: aggregations[c.agg]}, 2+i)
		} else {
			s.c.Fail(s.r.refuse(x))
		}
	}
	for _, act := range list {
		row, err := s.bucket(plan, act.stretch, 2+len(columns))
		if err != nil {
			return err
		}
		if row.Has[0] {
			act.first, act.last = &vault.Row{Value: row.Values[0]}, &vault.Row{Value: row.Values[1]}
		}
		for i, c := range columns {
			if row.Has[2+i] {
				act.signals = append(act.signals, aggregate{c.name, c.agg, row.Values[2+i].Number})
			}
		}
	}
	return nil
}

// bucket aggregates a window as one interval.
func (s *search) bucket(plan groups, w stretch, slots int) (vault.Bucket, error) {
	all := []vault.Bucket{{Start: w.from, Values: make([]sayso.Value, slots), Has: make([]bool, slots)}}
	if w.from >= w.to {
		return all[0], nil
	}
	for _, g := range plan {
		if len(g.epochs) == 0 {
			continue
		}
		part, err := s.r.a.Vault.Buckets(s.c.Context, s.r.view(g.epochs), g.columns, w.from, w.to, w.to-w.from)
		if err != nil {
			return vault.Bucket{}, err
		}
		all = merge(all, part, g.slots, slots)
	}
	return all[0], nil
}

// locate finds where a segment began and ended: at the first and last position
// in it, else at the newest one before it.
func (s *search) locate(a *activity) error {
	if a.first == nil {
		row, err := s.fixBefore(a.from)
		if err != nil {
			return err
		}
		a.first, a.last = row, row
	}
	if a.first != nil {
		a.start, a.end = a.first.Value.Location, a.last.Value.Location
	}
	return nil
}

// count counts the events of windows: of the names that are asked for each one,
// else all that happened.
func (s *search) count(list []*activity, args graphql.Args) error {
	if len(list) == 0 {
		return nil
	}
	var names []string
	requests, _ := graphql.Arg[[]any](args, "eventRequests")
	for _, item := range requests {
		request, _ := item.(graphql.Args)
		if name, ok := graphql.Arg[string](request, "name"); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	counts := make([]map[string]int, len(list))
	err := s.r.a.Vault.Events(s.c.Context, s.r.view(s.r.epochs), list[0].from, list[len(list)-1].to, func(e vault.EventRow) bool {
		i := sort.Search(len(list), func(i int) bool { return list[i].to > e.Time })
		if i < len(list) && list[i].from <= e.Time {
			if counts[i] == nil {
				counts[i] = map[string]int{}
			}
			counts[i][e.Name]++
		}
		return true
	})
	for i, a := range list {
		wanted := names
		if len(names) == 0 {
			for name := range counts[i] {
				wanted = append(wanted, name)
			}
			slices.Sort(wanted)
		}
		for _, name := range wanted {
			a.events = append(a.events, eventCount{name, counts[i][name]})
		}
	}
	return err
}

// placed is a moment with the position at it, as SignalLocation has it.
func placed(at sayso.Instant, l sayso.Location) *vault.Row {
	return &vault.Row{Time: at, Value: sayso.LocationValue(l)}
}

func segmentType() graphql.Fields {
	return graphql.Fields{
		"start": graphql.Of(func(a *activity) any { return placed(a.Start, a.start) }),
		"end": graphql.Of(func(a *activity) any {
			if a.Ongoing {
				return nil
			}
			return placed(a.End, a.end)
		}),
		"duration":           graphql.Of(func(a *activity) any { return a.Seconds() }),
		"isOngoing":          graphql.Of(func(a *activity) any { return a.Ongoing }),
		"startedBeforeRange": graphql.Of(func(a *activity) any { return a.Before }),
		"signals":            graphql.Of(func(a *activity) any { return a.signals }),
		"eventCounts":        graphql.Of(func(a *activity) any { return a.events }),
	}
}

func dayType() graphql.Fields {
	return graphql.Fields{
		"start":        graphql.Of(func(a *activity) any { return placed(a.from, a.start) }),
		"end":          graphql.Of(func(a *activity) any { return placed(a.to, a.end) }),
		"segmentCount": graphql.Of(func(a *activity) any { return a.count }),
		"duration":     graphql.Of(func(a *activity) any { return a.duration }),
		"signals":      graphql.Of(func(a *activity) any { return a.signals }),
		"eventCounts":  graphql.Of(func(a *activity) any { return a.events }),
	}
}

func aggregateType() graphql.Fields {
	return graphql.Fields{
		"name":  graphql.Of(func(a aggregate) any { return a.name }),
		"agg":   graphql.Of(func(a aggregate) any { return a.agg }),
		"value": graphql.Of(func(a aggregate) any { return a.value }),
	}
}

func countType() graphql.Fields {
	return graphql.Fields{
		"name":  graphql.Of(func(e eventCount) any { return e.name }),
		"count": graphql.Of(func(e eventCount) any { return e.count }),
	}
}

package ask

import (
	"net/http"

	"sayso"
	"sayso/node/ask/fetch"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
)

// What a query may cost, as its arguments tell: one for each interval and
// signal that may be in the answer, ten for each hour that must be read, more
// where a filter is long. The limit lets 100,000 intervals of nineteen signals
// through, or the whole history of a vehicle by the month, or two years of all
// signals by the hour.
const (
	maxCost = 2_000_000
	perHour = 10
	// longest is how far back a vehicle is taken to reach: a longer window costs
	// no more, and neither does an answer about all time.
	longest = 10 * 365 * 24 * hour
)

// limits are those of the telemetry dialects.
func limits(l graphql.Limits) graphql.Limits {
	set := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	set(&l.Complexity, 100)
	set(&l.Objects, 5*vault.MaxBuckets)
	if l.Cost == 0 {
		l.Cost = maxCost
	}
	return l
}

// weigh is the cost of a field of the root; what lies below it is in it.
func (a *answers) weigh(c *graphql.Call, typeName string, f *graphql.Field) graphql.Weight {
	if typeName != "Query" {
		return graphql.Weight{Times: 1}
	}
	switch f.Name {
	case "signals":
		return graphql.Weight{Own: a.weighSignals(c, f)}
	case "events":
		return graphql.Weight{Own: weighEvents(f), Times: 1}
	case "segments":
		limit, _ := limitOf(f.Args)
		return graphql.Weight{Own: a.weighSegments(f), Times: int64(limit)}
	case "dailyActivity":
		return graphql.Weight{Own: a.weighDays(f), Times: maxDays}
	case "latestCloudEvent", "cloudEvents", "availableCloudEventTypes", "attestations", "vinVCLatest":
		return fetch.Weigh(f)
	case "dataSummary":
		return graphql.Weight{Own: perHour * int64(longest/hour), Times: 1}
	}
	return graphql.Weight{Own: int64(len(a.list)), Times: 1}
}

func (a *answers) weighSignals(c *graphql.Call, f *graphql.Field) int64 {
	from, to, interval, err := window(f.Args)
	if err != nil {
		return 0 // it is refused without being read
	}
	columns, filters := int64(0), int64(0)
	for _, s := range c.Select(f, "SignalAggregations") {
		if a.access[s.Name] == nil || s.Args == nil {
			continue
		}
		columns++
		if filter, ok := graphql.Arg[graphql.Args](s.Args, "filter"); ok {
			filters += weightOf(filter)
		}
	}
	if columns == 0 {
		return 1
	}
	return int64((to-from+interval-1)/interval)*columns + perHour*hoursOf(from, to)*(1+filters/50)
}

// weighEvents takes an hour to hold a tenth of what readings take.
func weighEvents(f *graphql.Field) int64 {
	from, to, err := span(f.Args)
	if err != nil {
		return 0
	}
	filter, _ := graphql.Arg[graphql.Args](f.Args, "filter")
	return hoursOf(from, to) * (perHour/10 + weightOf(filter)/50)
}

// hoursOf is how many hours a window holds, as far as they cost.
func hoursOf(from, to sayso.Instant) int64 {
	return int64((min(to-from, longest) + hour - 1) / hour)
}

// perDistance is how many comparisons the distance of two places takes as long
// as, at worst.
const perDistance = 100

// weightOf is how many comparisons a filter may make for one value.
func weightOf(filter any) int64 {
	n := int64(1)
	switch v := filter.(type) {
	case graphql.Args:
		for name, e := range v {
			if list, ok := e.([]any); ok && (name == "in" || name == "notIn") && len(list) > 0 {
				n++ // found in a map
				continue
			}
			if name == "inCircle" && e != nil {
				n += perDistance
			}
			n += weightOf(e)
		}
	case []any:
		for _, e := range v {
			n += weightOf(e)
		}
	}
	return n
}

// comparisons is after how many of them a filter looks whether anybody still
// waits for the answer.
const comparisons = 1 << 16

// patient makes a filter let nothing through once the request has ended, so that
// the read ends with it; a filter of many members looks often.
func patient[T any](c *graphql.Call, weight int64, keep func(T) bool) func(T) bool {
	if keep == nil {
		return nil
	}
	made, ended := int64(0), false
	return func(v T) bool {
		if made += weight; made > comparisons {
			made, ended = 0, c.Context.Err() != nil
		}
		return !ended && keep(v)
	}
}

// Key names a caller to the gate: by who asks, or, without a token, by address.
func Key(r *http.Request, caller any) string {
	switch c := caller.(type) {
	case *Session:
		return c.Who.String()
	case *fetch.Caller:
		return c.Who.String()
	}
	return graphql.Remote(r)
}

package ask

import (
	"sayso"
	"sayso/node/ask/graphql"
	"sayso/node/ask/segment"
)

// weighSegments counts the hours that are read to find segments and to describe
// them, and what the descriptions hold.
func (a *answers) weighSegments(f *graphql.Field) int64 {
	from, to, err := span(f.Args)
	limit, err2 := limitOf(f.Args)
	m, _, err3 := a.settings(f.Args)
	if err != nil || err2 != nil || err3 != nil || to-from > maxDays*24*hour+segment.Second {
		return 0
	}
	return weighSearch(m, from, to) + int64(limit)*int64(len(a.columns(m, f.Args)))
}

func (a *answers) weighDays(f *graphql.Field) int64 {
	m, _, err := a.settings(f.Args)
	days, err2 := daysOf(f.Args, a.Clock.Now())
	if err != nil || err2 != nil || !m.drives() {
		return 0
	}
	return weighSearch(m, days[0].from, days[len(days)-1].to) + int64(len(days))*int64(len(a.columns(m, f.Args)))
}

// weighSearch takes the time before a window in which the ignition is looked
// for, mostly not to its end, to hold a fifth of what the window does.
func weighSearch(m mechanism, from, to sayso.Instant) int64 {
	cost := perHour * hoursOf(from, to) * (m.passes() + 1)
	if m == byIgnition {
		cost += perHour / 5 * int64(segment.Lookback/hour)
	}
	return cost
}

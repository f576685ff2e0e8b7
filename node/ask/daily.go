package ask

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // time zones, on machines that have none

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/node/ask/segment"
)

// dailyActivity answers the root field of that name (spec api 4.9).
func (a *answers) dailyActivity(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	r, err := a.open(c, f, nil)
	if err != nil {
		return nil, err
	}
	s := &search{r: r, c: c}
	if s.m, s.q, err = a.settings(f.Args); err != nil {
		return nil, err
	}
	if !s.m.drives() {
		name, _ := graphql.Arg[string](f.Args, "mechanism")
		return nil, invalid("dailyActivity does not accept mechanism " + name)
	}
	days, err := daysOf(f.Args, a.Clock.Now())
	if err != nil {
		return nil, err
	}
	s.q.Now = sayso.At(a.Clock.Now())
	s.q.From, s.q.To = days[0].from, min(days[len(days)-1].to, s.q.Now)
	var drives []segment.Range
	if s.q.From < s.q.To {
		if drives, err = s.find(never, 0); err != nil {
			return nil, cause(c, err)
		}
	}
	list := make([]*activity, len(days))
	for i, d := range days {
		list[i] = &activity{stretch: d}
	}
	if err := s.describe(list, f, "DailyActivity"); err != nil {
		return nil, cause(c, err)
	}
	places := selects(c, f, "DailyActivity", "start", "end")
	for _, d := range list {
		first, last := d.take(drives)
		if !places {
			continue
		}
		if err := s.place(d, first, last); err != nil {
			return nil, cause(c, err)
		}
	}
	return graphql.Slice[*activity](list), nil
}

// daysOf are the days from one date to another in a time zone, from midnight to
// midnight.
func daysOf(args graphql.Args, now time.Time) ([]stretch, error) {
	zone, err := zoneOf(args)
	if err != nil {
		return nil, err
	}
	from, _ := graphql.Arg[time.Time](args, "from")
	to, _ := graphql.Arg[time.Time](args, "to")
	first, last := noonOf(from, zone), noonOf(to, zone)
	count := int64(last.Sub(first)/(24*time.Hour)) + 1
	switch {
	case first.After(last):
		return nil, invalid("from date must be before to date")
	case last.After(noonOf(now, zone)):
		return nil, invalid("to date cannot be in the future")
	case last.Year()-first.Year() > 1 || count > maxDays:
		return nil, invalid(fmt.Sprintf("date range exceeds maximum of %d days", maxDays))
	}
	y, m, d := first.Date()
	midnight := func(n int) sayso.Instant { return sayso.At(dayStart(y, m, d+n, zone)) }
	days := make([]stretch, count)
	for i := range days {
		days[i] = stretch{midnight(i), midnight(i + 1)}
	}
	return days, nil
}

// dayStart is the first moment of a date. Where clocks are put forward at
// midnight, that is not midnight; where they are put back, it is the first one.
func dayStart(year int, month time.Month, day int, zone *time.Location) time.Time {
	date := noonOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), time.UTC)
	t := time.Date(year, month, day, 0, 0, 0, 0, zone).Add(-2 * time.Hour)
	for noonOf(t, zone).Before(date) {
		t = t.Add(15 * time.Minute)
	}
	return t
}

// noonOf is noon, in UTC, of the date that a time has in a zone, so that dates
// can be counted.
func noonOf(t time.Time, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	return time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
}

// zoneOf reads the name of a time zone; UTC without one.
func zoneOf(args graphql.Args) (*time.Location, error) {
	name, _ := graphql.Arg[string](args, "timezone")
	refused := invalid(fmt.Sprintf("invalid timezone %q", name))
	if len(name) > 64 || strings.EqualFold(name, "local") {
		return nil, refused
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, refused
	}
	return zone, nil
}

// take adds the drives in a day to it, and tells the first and the last of them.
func (d *activity) take(drives []segment.Range) (first, last *segment.Range) {
	for i := range drives {
		r := &drives[i]
		if r.Start >= d.to || r.End <= d.from {
			continue
		}
		d.count++
		d.duration += int64((min(r.End, d.to) - max(r.Start, d.from)) / segment.Second)
		if last = r; first == nil {
			first = r
		}
	}
	return first, last
}

// place finds where a day began and ended: where the first drive began and the
// last ended, else the first and last position of the day.
func (s *search) place(d *activity, first, last *segment.Range) error {
	if first == nil {
		return s.locate(d)
	}
	ends := []*activity{{stretch: stretch{first.Start, first.End}}, {stretch: stretch{last.Start, last.End}}}
	if err := s.aggregate(ends, nil, false); err != nil {
		return err
	}
	for _, e := range ends {
		if err := s.locate(e); err != nil {
			return err
		}
	}
	d.start, d.end = ends[0].start, ends[1].end
	return nil
}

package ask

import (
	"slices"
	"time"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
	"sayso/owner/consent"
)

// aggregations by their names in the schema.
var aggregations = map[string]vault.Agg{
	"AVG": vault.Avg, "MED": vault.Med, "MAX": vault.Max, "MIN": vault.Min, "RAND": vault.Rand,
	"FIRST": vault.First, "LAST": vault.Last, "TOP": vault.Top, "UNIQUE": vault.Unique,
}

// group are columns that are read of the same ownerships; masked ones are
// approximate positions.
type group struct {
	epochs  []uint32
	masked  bool
	columns []vault.Column
	slots   []int
}

// groups is a plan of a read.
type groups []group

func (g *groups) add(epochs []uint32, masked bool, c vault.Column, slot int) {
	for i := range *g {
		if (*g)[i].masked == masked && slices.Equal((*g)[i].epochs, epochs) {
			(*g)[i].columns = append((*g)[i].columns, c)
			(*g)[i].slots = append((*g)[i].slots, slot)
			return
		}
	}
	*g = append(*g, group{epochs, masked, []vault.Column{c}, []int{slot}})
}

// nothing is an empty list.
type nothing = graphql.Slice[*vault.Bucket]

// signals answers the root field of that name.
func (a *answers) signals(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	below := c.Select(f, "SignalAggregations")
	r, err := a.open(c, f, below)
	if err != nil {
		return nil, err
	}
	from, to, interval, err := window(f.Args)
	if err != nil {
		return nil, err
	}
	plan, slots, err := r.plan(c, below)
	if err != nil {
		return nil, err
	}
	if slots == 0 && !slices.ContainsFunc(below, func(f *graphql.Field) bool { return f.Refused }) {
		return nothing{}, nil // only timestamps are asked for, and nothing has one
	}
	all := &intervals{r: r, c: c, plan: plan, slots: slots, start: from, from: from, to: to, interval: interval}
	any, err := all.fill()
	if err != nil {
		return nil, err
	}
	a.tell(c, r, below, any)
	if !any {
		return nil, nil
	}
	return all, nil
}

// tell adds one error per refused field, at the first interval; where there is
// no interval, one error for all of them.
func (a *answers) tell(c *graphql.Call, r *reader, below []*graphql.Field, intervals bool) {
	refused := &access{}
	for _, f := range below {
		if !f.Refused {
			continue
		}
		if intervals {
			c.Fail(r.refuse(a.access[f.Name]), 0, f.Key)
		}
		refused = refused.join(a.access[f.Name])
	}
	if !intervals && len(refused.all)+len(refused.one) > 0 {
		c.Fail(r.refuse(refused))
	}
}

// plan gives every signal that may be seen a slot, from 1, and a column.
func (r *reader) plan(c *graphql.Call, below []*graphql.Field) (plan groups, slots int, err error) {
	for _, f := range below {
		x := r.a.access[f.Name]
		if x == nil {
			continue
		}
		sight, epochs := r.see(x)
		if f.Refused = sight == consent.Refuse; f.Refused {
			continue
		}
		if err := f.Err(); err != nil {
			return nil, 0, err
		}
		col := vault.Column{Signal: x.signal.ID}
		name, _ := graphql.Arg[string](f.Args, "agg")
		if col.Agg = aggregations[name]; col.Agg == 0 {
			return nil, 0, invalid("there is no aggregation " + name)
		}
		if filter, ok := graphql.Arg[graphql.Args](f.Args, "filter"); ok {
			keep, err := r.a.keep(x.signal.Kind, filter)
			if err != nil {
				return nil, 0, err
			}
			col.Keep = patient(c, weightOf(filter), keep)
		}
		slots++
		f.Slot = slots
		plan.add(epochs, sight == consent.Mask, col, slots-1)
	}
	return plan, slots, nil
}

// intervals is the answer of signals. It is read in parts while it is written,
// so that a long one is never in memory as a whole. Values and Has of a bucket
// are by slot, from 0.
type intervals struct {
	r         *reader
	c         *graphql.Call
	plan      groups
	slots     int
	start, to sayso.Instant
	from      sayso.Instant // where the next part begins
	interval  sayso.Instant
	part      []vault.Bucket
	next      int
}

// A part has about so many values, but is no shorter than an hour, which the
// vault reads as a whole.
const (
	partValues = 1 << 15
	hour       = sayso.Instant(time.Hour / time.Microsecond)
)

// Next gives the next interval.
func (n *intervals) Next() (any, bool, error) {
	if n.next == len(n.part) {
		if more, err := n.fill(); !more || err != nil {
			return nil, false, err
		}
	}
	n.next++
	return &n.part[n.next-1], true, nil
}

// fill reads on until there is an interval; false means that there is none.
func (n *intervals) fill() (bool, error) {
	n.part, n.next = nil, 0
	count := max(partValues/sayso.Instant(max(1, n.slots)), hour/n.interval)
	for len(n.part) == 0 && n.from < n.to {
		end := n.to
		if (n.to-n.from)/n.interval > count {
			end = n.from + count*n.interval
		}
		part, err := n.aggregate(n.from, end)
		if err != nil {
			return false, cause(n.c, err)
		}
		n.part, n.from = part, end
	}
	return len(n.part) > 0, nil
}

// aggregate reads each group and joins their intervals.
func (n *intervals) aggregate(from, to sayso.Instant) ([]vault.Bucket, error) {
	var all []vault.Bucket
	for _, g := range n.plan {
		part, err := n.group(&g, from, to)
		if err == nil {
			err = n.c.Context.Err() // a filter that was cut short let rows out
		}
		if err != nil {
			return nil, err
		}
		if len(n.plan) == 1 {
			return part, nil // its slots are the columns in order
		}
		all = merge(all, part, g.slots, n.slots)
	}
	return all, nil
}

func (n *intervals) group(g *group, from, to sayso.Instant) ([]vault.Bucket, error) {
	if g.masked {
		return n.quarters(g, from, to)
	}
	return n.r.a.Vault.Buckets(n.c.Context, n.r.view(g.epochs), g.columns, from, to, n.interval)
}

// merge puts intervals of some slots among those that are there.
func merge(all, part []vault.Bucket, into []int, slots int) []vault.Bucket {
	out := make([]vault.Bucket, 0, max(len(all), len(part)))
	for len(all) > 0 || len(part) > 0 {
		var b vault.Bucket
		if len(part) == 0 || len(all) > 0 && all[0].Start <= part[0].Start {
			b, all = all[0], all[1:]
		} else {
			b = vault.Bucket{Start: part[0].Start, Values: make([]sayso.Value, slots), Has: make([]bool, slots)}
		}
		if len(part) > 0 && part[0].Start == b.Start {
			for j, slot := range into {
				b.Values[slot], b.Has[slot] = part[0].Values[j], part[0].Has[j]
			}
			part = part[1:]
		}
		out = append(out, b)
	}
	return out
}

// aggregated answers a signal of an interval.
func aggregated(_ *graphql.Call, parent any, f *graphql.Field) (any, error) {
	b := parent.(*vault.Bucket)
	if !b.Has[f.Slot-1] {
		return nil, nil
	}
	v := &b.Values[f.Slot-1]
	switch v.Kind {
	case sayso.Number:
		return v.Number, nil
	case sayso.Text:
		return v.Text, nil
	}
	return &v.Location, nil
}

// window reads the range and the interval (spec api 3.6).
func window(args graphql.Args) (from, to, interval sayso.Instant, err error) {
	text, _ := graphql.Arg[string](args, "interval")
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, 0, 0, invalid("invalid argument: interval '" + text + "' is not a duration such as 30s, 5m or 1h")
	}
	interval = sayso.Instant(d.Microseconds())
	if interval < 1 {
		return 0, 0, 0, invalid("invalid argument: interval must be at least 1 microsecond")
	}
	if from, to, err = span(args); err != nil {
		return 0, 0, 0, err
	}
	if (to-from+interval-1)/interval > vault.MaxBuckets {
		return 0, 0, 0, invalid("interval too small for the requested window (exceeds the aggregation bucket limit)")
	}
	return from, to, interval, nil
}

// span reads the range of a question.
func span(args graphql.Args) (from, to sayso.Instant, err error) {
	start, _ := graphql.Arg[time.Time](args, "from")
	end, _ := graphql.Arg[time.Time](args, "to")
	if from, to = sayso.At(start), sayso.At(end); from > to {
		return 0, 0, invalid("from timestamp is after to timestamp")
	}
	return from, to, nil
}

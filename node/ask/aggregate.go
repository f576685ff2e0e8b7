package ask

import (
	"cmp"
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

// group are columns that are read of the same ownerships.
type group struct {
	epochs  []uint32
	columns []vault.Column
	slots   []int
}

// groups is a plan of a read.
type groups []group

func (g *groups) add(epochs []uint32, c vault.Column, slot int) {
	for i := range *g {
		if slices.Equal((*g)[i].epochs, epochs) {
			(*g)[i].columns = append((*g)[i].columns, c)
			(*g)[i].slots = append((*g)[i].slots, slot)
			return
		}
	}
	*g = append(*g, group{epochs, []vault.Column{c}, []int{slot}})
}

// buckets is the answer of signals. Values and Has of a bucket are by slot,
// from 0.
type buckets []vault.Bucket

func (b buckets) Len() int     { return len(b) }
func (b buckets) At(i int) any { return &b[i] }

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
		return buckets{}, nil // only timestamps are asked for, and nothing has one
	}
	var all buckets
	if from < to {
		if all, err = r.aggregate(c, plan, slots, from, to, interval); err != nil {
			return nil, cause(c, err)
		}
	}
	a.tell(c, r, below, len(all) > 0)
	if len(all) == 0 {
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
		col := vault.Column{Signal: x.signal.ID}
		name, _ := graphql.Arg[string](f.Args, "agg")
		if col.Agg = aggregations[name]; col.Agg == 0 {
			return nil, 0, invalid("there is no aggregation " + name)
		}
		if sight == consent.Mask {
			col.Signal, col.Coarse = r.a.fix.ID, coarse()
		}
		if filter, ok := graphql.Arg[graphql.Args](f.Args, "filter"); ok {
			if col.Keep, err = r.a.keep(x.signal.Kind, filter); err != nil {
				return nil, 0, err
			}
		}
		slots++
		f.Slot = slots
		plan.add(epochs, col, slots-1)
	}
	return plan, slots, nil
}

// aggregate reads each group and joins their intervals.
func (r *reader) aggregate(c *graphql.Call, plan groups, slots int, from, to, interval sayso.Instant) (buckets, error) {
	var all buckets
	for _, g := range plan {
		part, err := r.a.Vault.Buckets(c.Context, r.view(g.epochs), g.columns, from, to, interval)
		if err != nil {
			return nil, err
		}
		if len(plan) == 1 {
			return part, nil // its slots are the columns in order
		}
		for _, b := range part {
			i, found := slices.BinarySearchFunc(all, b.Start, func(b vault.Bucket, at sayso.Instant) int { return cmp.Compare(b.Start, at) })
			if !found {
				all = slices.Insert(all, i, vault.Bucket{Start: b.Start, Values: make([]sayso.Value, slots), Has: make([]bool, slots)})
			}
			for j, slot := range g.slots {
				all[i].Values[slot], all[i].Has[slot] = b.Values[j], b.Has[j]
			}
		}
	}
	return all, nil
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
	start, _ := graphql.Arg[time.Time](args, "from")
	end, _ := graphql.Arg[time.Time](args, "to")
	from, to = sayso.At(start), sayso.At(end)
	switch {
	case from > to:
		return 0, 0, 0, invalid("from timestamp is after to timestamp")
	case (to-from+interval-1)/interval > vault.MaxBuckets:
		return 0, 0, 0, invalid("interval too small for the requested window (exceeds the aggregation bucket limit)")
	}
	return from, to, interval, nil
}

package vault

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"sayso"
)

// Buckets aggregates into intervals, see [Engine].
func (v *Vault) Buckets(ctx context.Context, view View, cols []Column, from, to, interval sayso.Instant) ([]Bucket, error) {
	const op = "vault.Buckets"
	if err := checkWindow(op, from, to, interval); err != nil {
		return nil, err
	}
	from, to, ok := clip(from, to)
	if !ok || len(cols) == 0 {
		return nil, nil
	}
	b := newBucketing(cols, from, interval)
	err := v.hours(ctx, op, view, b.wanted, from, to, func(rows []Row) bool {
		for i := range rows {
			b.add(&rows[i])
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	b.flush()
	return b.out, nil
}

// checkWindow refuses what cannot be answered.
func checkWindow(op string, from, to, interval sayso.Instant) error {
	bad := func(why string) error { return sayso.Fail(sayso.Invalid, op, why) }
	switch {
	case from > to:
		return bad("from timestamp is after to timestamp")
	case interval < 1:
		return bad("interval must be at least 1 microsecond")
	case uint64(to)-uint64(from) > MaxBuckets*uint64(interval) && uint64(interval) < 1<<46:
		return bad("interval too small for the requested window (exceeds the aggregation bucket limit)")
	}
	return nil
}

// bucketing is an aggregation under way. Rows come ascending by time, so that
// one interval is open at a time.
type bucketing struct {
	from, interval sayso.Instant
	wanted         signalSet
	cols           []Column
	bySignal       map[sayso.SignalID][]int
	cells          []cell
	open           bool
	at             sayso.Instant
	out            []Bucket
}

func newBucketing(cols []Column, from, interval sayso.Instant) *bucketing {
	b := &bucketing{
		from: from, interval: interval, cols: cols,
		cells: make([]cell, len(cols)), bySignal: make(map[sayso.SignalID][]int),
	}
	signals := make([]sayso.SignalID, len(cols))
	for i := range cols {
		signals[i] = cols[i].Signal
		b.bySignal[cols[i].Signal] = append(b.bySignal[cols[i].Signal], i)
		b.cells[i].agg = cols[i].Agg
	}
	b.wanted = signalSetOf(signals)
	return b
}

func (b *bucketing) add(r *Row) {
	for _, i := range b.bySignal[r.Signal] {
		col, value := &b.cols[i], r.Value
		if absent(&value) {
			continue
		}
		if !takes(col.Agg, value.Kind) || col.Keep != nil && !col.Keep(value) {
			continue
		}
		start := b.from + (r.Time-b.from)/b.interval*b.interval
		if !b.open || start != b.at {
			b.flush()
			b.open, b.at = true, start
		}
		b.cells[i].add(value)
	}
}

// flush closes the open interval.
func (b *bucketing) flush() {
	if !b.open {
		return
	}
	out := Bucket{Start: b.at, Values: make([]sayso.Value, len(b.cells)), Has: make([]bool, len(b.cells))}
	for i := range b.cells {
		out.Values[i], out.Has[i] = b.cells[i].result()
		b.cells[i].reset()
	}
	b.out = append(b.out, out)
	b.open = false
}

// takes says whether an aggregation counts values of a kind.
func takes(a Agg, k sayso.Kind) bool {
	switch a {
	case Rand, First, Last, Count:
		return true
	case Avg:
		return k == sayso.Number || k == sayso.Position
	case Med, Max, Min, Sum:
		return k == sayso.Number
	case Top, Unique:
		return k == sayso.Text
	}
	return false
}

// cell is one column of the open interval.
type cell struct {
	agg     Agg
	n       int64
	numbers int64
	sum     float64
	fix     sayso.Location // sums
	pick    sayso.Value
	list    []float64
	texts   map[string]int64
}

func (c *cell) reset() {
	*c = cell{agg: c.agg, list: c.list[:0], texts: c.texts}
	clear(c.texts)
}

func (c *cell) add(v sayso.Value) {
	c.n++
	switch c.agg {
	case Sum:
		c.sum += v.Number
	case Avg:
		if v.Kind == sayso.Number {
			c.numbers++
			c.sum += v.Number
			return
		}
		c.fix.Latitude += v.Location.Latitude
		c.fix.Longitude += v.Location.Longitude
		c.fix.HDOP += v.Location.HDOP
	case Med:
		c.list = append(c.list, v.Number)
	case Max:
		if c.n == 1 || v.Number > c.pick.Number {
			c.pick = v
		}
	case Min:
		if c.n == 1 || v.Number < c.pick.Number {
			c.pick = v
		}
	case First:
		if c.n == 1 {
			c.pick = v
		}
	case Last:
		c.pick = v
	case Rand:
		if rand.Int64N(c.n) == 0 {
			c.pick = v
		}
	case Top, Unique:
		if c.texts == nil {
			c.texts = make(map[string]int64)
		}
		c.texts[v.Text]++
	}
}

func (c *cell) result() (sayso.Value, bool) {
	if c.n == 0 {
		return sayso.Value{}, false
	}
	switch c.agg {
	case Sum:
		return sayso.NumberValue(c.sum), true
	case Count:
		return sayso.NumberValue(float64(c.n)), true
	case Avg:
		if c.numbers > 0 {
			return sayso.NumberValue(c.sum / float64(c.numbers)), true
		}
		n := float64(c.n)
		return sayso.LocationValue(sayso.Location{
			Latitude: c.fix.Latitude / n, Longitude: c.fix.Longitude / n, HDOP: c.fix.HDOP / n,
		}), true
	case Med:
		slices.Sort(c.list)
		m := c.list[len(c.list)/2]
		if len(c.list)%2 == 0 {
			m = (c.list[len(c.list)/2-1] + m) / 2
		}
		return sayso.NumberValue(m), true
	case Top:
		return sayso.TextValue(top(c.texts)), true
	case Unique:
		list := make([]string, 0, len(c.texts))
		for s := range c.texts {
			list = append(list, s)
		}
		slices.Sort(list)
		return sayso.TextValue(strings.Join(list, ",")), true
	}
	return c.pick, true
}

// top is the most frequent text, of equals the smallest.
func top(texts map[string]int64) (best string) {
	most := int64(0)
	for s, n := range texts {
		if n > most || n == most && s < best {
			best, most = s, n
		}
	}
	return best
}

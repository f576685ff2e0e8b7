package vault

import (
	"math/rand/v2"
	"slices"
	"strings"

	"sayso"
)

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

// rollable says whether an aggregation over numbers can be put together from
// sums of parts.
func rollable(a Agg) bool {
	switch a {
	case Avg, Sum, Min, Max, First, Last, Count:
		return true
	}
	return false
}

// What aggregations need of a stretch of numbers, beside its count.
const (
	needSum   = 1
	needRange = 2
	needEnds  = 4
)

func needs(a Agg) int {
	switch a {
	case Avg, Sum:
		return needSum
	case Min, Max:
		return needRange
	case First, Last:
		return needEnds
	}
	return 0
}

// statOfWhole sums up numbers that are whole ones by a scale.
func statOfWhole(ms []int64, scale float64, need int) stat {
	s := stat{n: int64(len(ms))}
	if need&needEnds != 0 {
		s.first, s.last = float64(ms[0])/scale, float64(ms[len(ms)-1])/scale
	}
	if need&needSum != 0 {
		s.sum = float64(sumOf(ms)) / scale
	}
	if need&needRange != 0 {
		low, high := ms[0], ms[0]
		for _, m := range ms {
			low, high = min(low, m), max(high, m)
		}
		s.min, s.max = float64(low)/scale, float64(high)/scale
	}
	return s
}

// sumOf adds up, two at a time.
func sumOf(ms []int64) int64 {
	a, b := int64(0), int64(0)
	for ; len(ms) >= 4; ms = ms[4:] {
		a, b = a+ms[0]+ms[1], b+ms[2]+ms[3]
	}
	for _, m := range ms {
		a += m
	}
	return a + b
}

// cell is one column of an interval. Numbers need no more than a count and a
// number; what else there may be is in more.
type cell struct {
	n      int64 // of all that count
	number float64
	more   *moreCell
}

// moreCell is what other than plain numbers needs.
type moreCell struct {
	numbers int64          // Avg: how many were no positions
	fix     sayso.Location // Avg: sums
	pick    sayso.Value
	list    []float64
	texts   map[string]int64
}

func (c *cell) rest() *moreCell {
	if c.more == nil {
		c.more = &moreCell{numbers: c.n}
	}
	return c.more
}

// merge takes in a stretch of numbers.
func (c *cell) merge(a Agg, s *stat) {
	switch a {
	case Avg, Sum:
		c.number += s.sum
		if c.more != nil {
			c.more.numbers += s.n
		}
	case Max:
		if c.n == 0 || s.max > c.number {
			c.number = s.max
		}
	case Min:
		if c.n == 0 || s.min < c.number {
			c.number = s.min
		}
	case First:
		if c.n == 0 {
			c.number = s.first
		}
	case Last:
		c.number, c.more = s.last, nil
	}
	c.n += s.n
}

// add takes in one value that counts.
func (c *cell) add(a Agg, v *sayso.Value) {
	if v.Kind == sayso.Number && rollable(a) {
		f := v.Number
		c.merge(a, &stat{n: 1, sum: f, min: f, max: f, first: f, last: f})
		return
	}
	switch a {
	case Avg:
		m := c.rest()
		m.fix.Latitude += v.Location.Latitude
		m.fix.Longitude += v.Location.Longitude
		m.fix.HDOP += v.Location.HDOP
	case Med:
		c.rest().list = append(c.rest().list, v.Number)
	case First:
		if c.n == 0 {
			c.rest().pick = *v
		}
	case Last:
		c.rest().pick = *v
	case Rand:
		if rand.Int64N(c.n+1) == 0 {
			c.rest().pick = *v
		}
	case Top, Unique:
		m := c.rest()
		if m.texts == nil {
			m.texts = make(map[string]int64)
		}
		m.texts[v.Text]++
	}
	c.n++
}

// plain is the result where there were only numbers, or of a count.
func (c *cell) plain(a Agg) float64 {
	switch a {
	case Count:
		return float64(c.n)
	case Avg:
		return c.number / float64(c.n)
	}
	return c.number
}

func (c *cell) result(a Agg) (sayso.Value, bool) {
	if c.n == 0 {
		return sayso.Value{}, false
	}
	m := c.more
	if m == nil || a == Count {
		return sayso.NumberValue(c.plain(a)), true
	}
	switch a {
	case Avg:
		if m.numbers > 0 {
			return sayso.NumberValue(c.number / float64(m.numbers)), true
		}
		n := float64(c.n)
		return sayso.LocationValue(sayso.Location{
			Latitude: m.fix.Latitude / n, Longitude: m.fix.Longitude / n, HDOP: m.fix.HDOP / n,
		}), true
	case Med:
		slices.Sort(m.list)
		x := m.list[len(m.list)/2]
		if len(m.list)%2 == 0 {
			x = (m.list[len(m.list)/2-1] + x) / 2
		}
		return sayso.NumberValue(x), true
	case Top:
		return sayso.TextValue(top(m.texts)), true
	case Unique:
		list := make([]string, 0, len(m.texts))
		for s := range m.texts {
			list = append(list, s)
		}
		slices.Sort(list)
		return sayso.TextValue(strings.Join(list, ",")), true
	}
	return m.pick, true
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

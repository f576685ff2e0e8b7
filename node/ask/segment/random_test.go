package segment

import (
	"math/rand/v2"
	"slices"
	"testing"

	"sayso"
)

// dice draws traces whose times and values often lie on the thresholds.
type dice struct{ *rand.Rand }

func (d dice) one(list ...float64) float64 { return list[d.IntN(len(list))] }

// span is a distance between readings.
func (d dice) span(list ...sayso.Instant) sayso.Instant {
	s := list[d.IntN(len(list))]
	switch d.IntN(6) {
	case 0:
		s++
	case 1:
		s = max(1, s-1)
	}
	return s
}

func (d dice) query() Query {
	from := sayso.Instant(d.IntN(4)) * 20 * Second
	q := Query{
		From: from, To: from + d.span(Minute, 4*Minute, 10*Minute, Hour, 5*Hour, 24*Hour),
		MaxGap: []sayso.Instant{60 * Second, 300 * Second, 3600 * Second}[d.IntN(3)], MinDuration: []int64{60, 240, 600}[d.IntN(3)],
		Threshold: []int{1, 3, 10}[d.IntN(3)], IdleRPM: 1000, MinRise: d.one(1, 15, 30),
	}
	q.Now = q.To + []sayso.Instant{0, 0, q.MaxGap, q.MaxGap + 1, Hour}[d.IntN(5)]
	return q
}

// samples goes from start to some time after the window.
func (d dice) samples(q Query, start sayso.Instant, value func(before float64) float64, spans ...sayso.Instant) (out []Sample) {
	v := value(0)
	for t := start + d.span(spans...); t < q.To+Hour && len(out) < 400; t += d.span(spans...) {
		out = append(out, Sample{t, v})
		v = value(v)
	}
	return out
}

func (d dice) rows(q Query) (out []Row) {
	for t := q.From - q.MaxGap - Minute; t < q.To+Minute && len(out) < 900; t += d.span(Second, 6*Second, 7*Second, 30*Second, Minute, 3*Minute, 5*Minute, Hour) {
		for range 1 + d.IntN(12) {
			out = append(out, Row{t + sayso.Instant(d.IntN(2)), sayso.SignalID(d.IntN(3))})
		}
	}
	slices.SortFunc(out, func(a, b Row) int { return int(a.Time - b.Time) })
	return out
}

// Every mechanism gives what the text of the specification gives, on traces that
// are drawn at random.
func TestAsTheTextSays(t *testing.T) {
	const rounds = 4000
	some := map[string]int{}
	for n := range uint64(rounds) {
		d := dice{rand.New(rand.NewPCG(n, 4))}
		q := d.query()
		compare := func(name string, got, want []Range) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Fatalf("round %d: %s of %+v\ngot  %v\nwant %v", n, name, q, got, want)
			}
			if len(want) > 0 {
				some[name]++
			}
		}
		ignition := d.ignition(q)
		compare("ignition", slices.Collect(d.askIgnition(ignition, q)), slowIgnition(ignition, q))
		rows := d.rows(q)
		given := within(rows, func(r Row) sayso.Instant { return r.Time }, q.From-q.MaxGap, q.To)
		compare("frequency", slices.Collect(Frequency(slices.Values(given), q)), slowFrequency(rows, q))
		compare("change point", slices.Collect(ChangePoint(slices.Values(given), q)), slowChangePoint(rows, q))
		rpm := d.samples(q, q.From-q.MaxGap-Hour, func(float64) float64 { return d.one(0, 1, 800, 800, 800, 1000, 1000.5, 3000) }, Second, 20*Second, Minute, q.MaxGap)
		compare("idling", slices.Collect(Idling(slices.Values(within(rpm, when, q.From-q.MaxGap, q.To)), q)), slowIdling(rpm, q))
		level := d.samples(q, q.From-10*Minute, func(v float64) float64 {
			return max(0, min(100, v+d.one(0, 0, 0, -0.5, -1, -1.5, -30, 1, 5, 10, 25, 60)))
		}, 30*Second, Minute, 5*Minute, 30*Minute)
		compare("refuel", slices.Collect(Refuel(slices.Values(within(level, when, q.From-RefuelBefore, q.To+RefuelAfter)), q)), slowRefuel(level, q))
		soc, km := d.charge(q)
		in := within(soc, when, q.From, q.To)
		rises := Rises(slices.Values(in), q)
		compare("recharge", slices.Collect(Recharge(rises, slices.Values(in), slices.Values(within(km, when, q.From, q.To)))), slowRecharge(soc, km, q))
	}
	for _, name := range []string{"ignition", "frequency", "change point", "idling", "refuel", "recharge"} {
		t.Logf("%s: %d of %d rounds found something", name, some[name], rounds)
		if some[name] < rounds/20 {
			t.Errorf("%s is hardly tried", name)
		}
	}
}

func (d dice) ignition(q Query) []Sample {
	start := q.From - []sayso.Instant{0, Minute, Hour, 29 * 24 * Hour, 30 * 24 * Hour, 40 * 24 * Hour}[d.IntN(6)]
	keeps := d.IntN(10)
	out := d.samples(q, start, func(v float64) float64 {
		if d.IntN(10) < keeps {
			return v
		}
		return d.one(0, 1)
	}, 10*Second, Minute, q.MaxGap, 2*q.MaxGap)
	if gap := q.From - 31*24*Hour; d.IntN(4) == 0 {
		out = append([]Sample{{min(gap, start), 1}}, out...)
	}
	return out
}

// askIgnition gives the past in parts, the newest first, until one holds a
// change, as a reader would.
func (d dice) askIgnition(all []Sample, q Query) func(func(Range) bool) {
	start := q.From - Lookback
	var past Past
	for to := q.From; to > start && !past.Changed; {
		from := max(start, to-d.span(Minute, Hour, 24*Hour, 20*24*Hour))
		var part Past
		for _, s := range within(all, when, from, to) {
			part.Add(s)
		}
		past, to = past.After(part), from
	}
	ago := 0.0
	if !past.Changed {
		for _, s := range all {
			if s.Time < start {
				ago = s.Value
			}
		}
	}
	return Ignition(ago, past, slices.Values(within(all, when, q.From, q.To)), q)
}

// charge draws a state of charge that rises for a while and then falls or
// stays, and an odometer that often stands.
func (d dice) charge(q Query) (soc, km []Sample) {
	step, left := 0.0, 0
	soc = d.samples(q, q.From-Minute, func(v float64) float64 {
		if left--; left < 0 {
			step, left = d.one(-1, -0.5, 0, 0, 0.25, 1), 5+d.IntN(30)
		}
		return max(0, min(100, v+step*d.one(0, 1, 1)))
	}, 10*Second, 30*Second, Minute, 10*Minute)
	far := d.one(0, 0, 0, 0.25, 2)
	km = d.samples(q, q.From-Minute, func(v float64) float64 { return v + d.one(0, 0, 0, far) }, Minute, 20*Minute, Hour)
	return soc, km
}

// A consumer that has seen enough ends the search, and reads no further.
func TestSearchEndsEarly(t *testing.T) {
	q := Query{From: 0, To: 1000 * Hour, Now: 2000 * Hour, MaxGap: 60 * Second, MinDuration: 60, Threshold: 1, IdleRPM: 1000}
	read := 0
	on := func(yield func(Sample) bool) {
		for t := sayso.Instant(0); t < q.To; t += 2 * Minute {
			read++
			if !yield(Sample{t, float64(t/(2*Minute)) - 2*float64(t/(4*Minute))}) {
				return
			}
		}
	}
	rows := func(yield func(Row) bool) {
		for t := sayso.Instant(0); t < q.To; t += 4 * Minute {
			read++
			if !yield(Row{t, 1}) || !yield(Row{t + 1, 2}) {
				return
			}
		}
	}
	idle := func(yield func(Sample) bool) {
		for t := sayso.Instant(0); t < q.To; t += 30 * Second {
			read++
			if !yield(Sample{t, float64(int(t/(5*Minute))%2) * 900}) {
				return
			}
		}
	}
	for name, find := range map[string]func(func(Range) bool){
		"ignition": Ignition(0, Past{}, on, q), "frequency": Frequency(rows, q), "idling": Idling(idle, q),
	} {
		read = 0
		found := 0
		for range find {
			if found++; found == 3 {
				break
			}
		}
		if found != 3 || read > 100 {
			t.Errorf("%s: found %d after %d readings", name, found, read)
		}
	}
}

package iot

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"sayso"
)

// Units of time in microseconds.
const (
	minute = sayso.Instant(60_000_000)
	hour   = 60 * minute
	day    = 24 * hour
	window = 10 * minute
)

// Row is a row of an answer: what it is about, the interval that it is about,
// and numbers.
type Row struct {
	Key    string        `json:"k,omitempty"`
	Time   sayso.Instant `json:"t,omitempty"`
	Values [3]float64    `json:"v"`
}

// Question is one of the questions of the data set.
type Question struct {
	Name string // v1, f01 and so on
	Text string
	Of   Subject
}

// Subject is what a question is asked of.
type Subject int

// The subjects.
const (
	OneTruck  Subject = iota
	LongTruck         // one of those that have data of many days
	OneFleet
	AllTrucks
	OneCar
)

// Questions are all of them, in the order in which they are shown.
var Questions = []Question{
	{"v1", "latest value of all signals of one lorry", OneTruck},
	{"v2", "one lorry, 24 h, 3 signals, average per hour", OneTruck},
	{"v3", "one lorry, all days, 3 signals, average per hour", LongTruck},
	{"v4", "trips of one lorry in all days: minutes whose average speed exceeds 1", LongTruck},
	{"v5", "daily activity of one lorry in all days: 10-minute windows with average speed above 1, per day", LongTruck},
	{"c1", "latest value of all signals of one car (compared: numbers and position)", OneCar},
	{"c2", "one car, 24 h, 3 signals, average per hour", OneCar},
	{"f01", "last location of every lorry of a fleet", OneFleet},
	{"f02", "lorries of a fleet with fuel below 10 %", OneFleet},
	{"f03", "lorries of a fleet loaded above 90 %", OneFleet},
	{"f04", "lorries of a fleet with average speed below 1 in the last 10 minutes", OneFleet},
	{"f05", "lorries of a fleet that drove in more than 22 of the last 24 ten-minute windows", OneFleet},
	{"f06", "lorries of a fleet that drove in more than 60 ten-minute windows of the last 24 h", OneFleet},
	{"f07", "average against nominal fuel consumption per fleet, while moving", AllTrucks},
	{"f08", "average daily driving hours per driver", AllTrucks},
	{"f10", "average load per fleet and model", AllTrucks},
	{"f11", "daily activity in hours per fleet and model", AllTrucks},
	{"f12", "breakdowns per model: 10-minute windows turning from working to broken", AllTrucks},
}

// Asked is a question about somebody.
type Asked struct {
	Question
	Vehicle int
	Fleet   string
}

// Ask is the n-th time that a question is asked: each time about another
// vehicle or fleet, the same for every engine.
func (d *Data) Ask(q Question, n int) Asked {
	rnd := rand.New(rand.NewPCG(d.Seed+3, uint64(n)))
	a := Asked{Question: q, Fleet: Fleets[n%len(Fleets)]}
	switch q.Of {
	case OneTruck:
		a.Vehicle = 1 + rnd.IntN(d.Size.Trucks)
	case LongTruck:
		a.Vehicle = 1 + rnd.IntN(max(1, d.Long))
	case OneCar:
		a.Vehicle = d.Size.Trucks + 1 + rnd.IntN(max(1, d.Cars))
	}
	return a
}

// Engine keeps the data set and answers the questions.
type Engine interface {
	// Load keeps all batches. What it returns after can be asked about.
	Load(ctx context.Context, d *Data, batches func(func(*Batch) bool)) error
	// Ask answers; errors.ErrUnsupported is for what an engine cannot answer.
	Ask(ctx context.Context, a Asked) ([]Row, error)
}

// Compare says how an answer differs from another by more than rounding; the
// order of rows does not count.
func Compare(want, got []Row) error {
	order := func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Time, b.Time))
	}
	want, got = slices.Clone(want), slices.Clone(got)
	slices.SortFunc(want, order)
	slices.SortFunc(got, order)
	for i := range max(len(want), len(got)) {
		switch {
		case i == len(want):
			return fmt.Errorf("%d rows instead of %d: %+v is too much", len(got), len(want), got[i])
		case i == len(got):
			return fmt.Errorf("%d rows instead of %d: %+v is missing", len(got), len(want), want[i])
		case order(want[i], got[i]) != 0:
			return fmt.Errorf("%d rows for %d: %+v instead of %+v", len(got), len(want), got[i], want[i])
		}
		for j := range want[i].Values {
			a, b := want[i].Values[j], got[i].Values[j]
			if math.Abs(a-b) > 1e-9*max(1, math.Abs(a), math.Abs(b)) || math.IsNaN(a) != math.IsNaN(b) {
				return fmt.Errorf("%s %s: %v instead of %v", want[i].Key, want[i].Time.Time(), got[i].Values, want[i].Values)
			}
		}
	}
	return nil
}

// perFleetAndModel names a group.
func perFleetAndModel(t Truck) string { return t.Fleet + " " + t.Model }

// means are averages by name and time.
type means map[Row]*[2]float64

func (m means) add(key string, t sayso.Instant, sum, count float64) {
	r := Row{Key: key, Time: t}
	if m[r] == nil {
		m[r] = &[2]float64{}
	}
	m[r][0] += sum
	m[r][1] += count
}

// rows are the sums, divided where the question asks for that.
func (m means) rows(divide bool) (out []Row) {
	for r, s := range m {
		if r.Values[0] = s[0]; divide {
			r.Values[0] = s[0] / s[1]
		}
		out = append(out, r)
	}
	return out
}

// WithNominal puts the nominal consumption of a fleet beside what was measured.
func (d *Data) WithNominal(rows []Row) []Row {
	nominal := d.nominal()
	for i := range rows {
		rows[i].Values[1] = nominal[rows[i].Key]
	}
	return rows
}

// nominal is the average nominal consumption of the lorries of each fleet.
func (d *Data) nominal() map[string]float64 {
	sums, out := map[string][2]float64{}, map[string]float64{}
	for _, t := range d.Trucks {
		s := sums[t.Fleet]
		sums[t.Fleet] = [2]float64{s[0] + t.NominalConsumption, s[1] + 1}
	}
	for f, s := range sums {
		out[f] = s[0] / s[1]
	}
	return out
}

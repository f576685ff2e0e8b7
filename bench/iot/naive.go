package iot

import (
	"context"
	"errors"
	"math"
	"slices"

	"sayso"
)

// Naive keeps rows in memory and answers by looking at each of them: what the
// engines' answers are compared with.
type Naive struct {
	d    *Data
	rows map[int]map[*Table][]naiveRow
}

type naiveRow struct {
	time    sayso.Instant
	numbers []float64
}

// Load keeps all rows.
func (n *Naive) Load(_ context.Context, d *Data, batches func(func(*Batch) bool)) error {
	n.d, n.rows = d, map[int]map[*Table][]naiveRow{}
	for b := range batches {
		if n.rows[b.Vehicle] == nil {
			n.rows[b.Vehicle] = map[*Table][]naiveRow{}
		}
		for _, t := range b.Tables {
			for i, at := range t.Times {
				row := naiveRow{time: at}
				for _, c := range t.Numbers {
					row.numbers = append(row.numbers, c[i])
				}
				n.rows[b.Vehicle][t.Table] = append(n.rows[b.Vehicle][t.Table], row)
			}
		}
	}
	for _, tables := range n.rows {
		for _, rows := range tables {
			slices.SortFunc(rows, func(a, b naiveRow) int { return int(a.time - b.time) })
		}
	}
	return nil
}

// each visits the numbers of some columns in a window of time.
func (n *Naive) each(vehicle int, t *Table, from, to sayso.Instant, visit func(at sayso.Instant, row []float64)) {
	for _, r := range n.rows[vehicle][t] {
		if r.time >= from && r.time < to {
			visit(r.time, r.numbers)
		}
	}
}

// averages are the means of columns by interval.
func (n *Naive) averages(vehicle int, t *Table, columns []int, from, to, interval sayso.Instant) map[sayso.Instant][3]float64 {
	sums := map[sayso.Instant]*[3][2]float64{}
	n.each(vehicle, t, from, to, func(at sayso.Instant, row []float64) {
		start := from + (at-from)/interval*interval
		if sums[start] == nil {
			sums[start] = &[3][2]float64{}
		}
		for i, c := range columns {
			if !math.IsNaN(row[c]) {
				sums[start][i][0] += row[c]
				sums[start][i][1]++
			}
		}
	})
	out := map[sayso.Instant][3]float64{}
	for start, s := range sums {
		var v [3]float64
		for i := range columns {
			if s[i][1] > 0 {
				v[i] = s[i][0] / s[i][1]
			}
		}
		out[start] = v
	}
	return out
}

// last is the latest number of each column.
func (n *Naive) last(vehicle int, t *Table) []float64 {
	out := make([]float64, len(t.Numbers))
	for i := range out {
		out[i] = math.NaN()
	}
	for _, r := range n.rows[vehicle][t] {
		for i, x := range r.numbers {
			if !math.IsNaN(x) {
				out[i] = x
			}
		}
	}
	return out
}

func rowsOf(averages map[sayso.Instant][3]float64) (out []Row) {
	for at, v := range averages {
		out = append(out, Row{Time: at, Values: v})
	}
	return out
}

// moving are the windows whose average speed exceeds 1.
func (n *Naive) moving(truck int, from sayso.Instant) (list []sayso.Instant) {
	for at, v := range n.averages(truck, Readings, []int{3}, from, n.d.End(), window) {
		if v[0] > 1 {
			list = append(list, at)
		}
	}
	return list
}

// Ask answers.
func (n *Naive) Ask(_ context.Context, a Asked) (out []Row, err error) {
	d := n.d
	switch a.Name {
	case "v1":
		return append(named(Readings, n.last(a.Vehicle, Readings)), named(Diagnostics, n.last(a.Vehicle, Diagnostics))...), nil
	case "c1":
		return named(Cars, n.last(a.Vehicle, Cars)), nil
	case "v2":
		return rowsOf(n.averages(a.Vehicle, Readings, []int{3, 6, 2}, d.End()-day, d.End(), hour)), nil
	case "c2":
		return rowsOf(n.averages(a.Vehicle, Cars, []int{2, 3, 14}, d.End()-day, d.End(), hour)), nil
	case "v3":
		return rowsOf(n.averages(a.Vehicle, Readings, []int{3, 6, 2}, d.LongBegin(), d.End(), hour)), nil
	case "v4":
		for at, v := range n.averages(a.Vehicle, Readings, []int{3}, d.LongBegin(), d.End(), minute) {
			if v[0] > 1 {
				out = append(out, Row{Time: at, Values: v})
			}
		}
		return out, nil
	case "v5":
		days := means{}
		for _, at := range n.moving(a.Vehicle, d.LongBegin()) {
			days.add("", d.LongBegin()+(at-d.LongBegin())/day*day, 1, 1)
		}
		return days.rows(false), nil
	}
	if a.Of == AllTrucks {
		return n.all(a)
	}
	return n.fleet(a)
}

func named(t *Table, values []float64) (out []Row) {
	for i, x := range values {
		if !math.IsNaN(x) {
			out = append(out, Row{Key: t.Numbers[i], Values: [3]float64{x}})
		}
	}
	return out
}

// fleet answers what is asked of a fleet, all what is asked of all.
func (n *Naive) fleet(a Asked) (out []Row, err error) {
	d := n.d
	for _, t := range d.Fleet(a.Fleet) {
		readings, diagnostics := n.last(t.ID, Readings), n.last(t.ID, Diagnostics)
		row := Row{Key: t.Name}
		keep := true
		switch a.Name {
		case "f01":
			row.Values = [3]float64{readings[0], readings[1]}
		case "f02":
			row.Values[0], keep = diagnostics[0], diagnostics[0] < 0.1
		case "f03":
			row.Values[0], keep = diagnostics[1], diagnostics[1]/t.LoadCapacity > 0.9
		case "f04":
			v, there := n.averages(t.ID, Readings, []int{3}, d.End()-window, d.End(), window)[d.End()-window]
			row.Values[0], keep = v[0], there && v[0] < 1
		case "f05":
			row.Values[0] = float64(len(n.moving(t.ID, d.End()-4*hour)))
			keep = row.Values[0] > 22
		case "f06":
			row.Values[0] = float64(len(n.moving(t.ID, d.End()-day)))
			keep = row.Values[0] > 60
		default:
			return nil, errors.ErrUnsupported
		}
		if keep {
			out = append(out, row)
		}
	}
	return out, nil
}

func (n *Naive) all(a Asked) (out []Row, err error) {
	d, sums := n.d, means{}
	for _, t := range d.Trucks {
		switch a.Name {
		case "f07":
			for _, v := range n.averages(t.ID, Readings, []int{3, 6}, d.Begin(), d.End(), window) {
				if v[0] > 1 {
					sums.add(t.Fleet, 0, v[1], 1)
				}
			}
		case "f08":
			sums.add(t.Driver, 0, float64(len(n.moving(t.ID, d.Begin())))/6/float64(d.Days), 1)
		case "f10":
			n.each(t.ID, Diagnostics, d.Begin(), d.End(), func(_ sayso.Instant, row []float64) { sums.add(perFleetAndModel(t), 0, row[1], 1) })
		case "f11":
			for _, at := range n.moving(t.ID, d.Begin()) {
				sums.add(perFleetAndModel(t), d.Begin()+(at-d.Begin())/day*day, 1.0/6, 1)
			}
		case "f12":
			if turns := n.breakdowns(t.ID); turns > 0 {
				sums.add(t.Model, 0, turns, 1)
			}
		default:
			return nil, errors.ErrUnsupported
		}
	}
	out = sums.rows(a.Name == "f07" || a.Name == "f10")
	if a.Name == "f07" {
		out = d.WithNominal(out)
	}
	return out, nil
}

// breakdowns counts the windows that are broken, after one that is not.
func (n *Naive) breakdowns(truck int) (turns float64) {
	all, zero := map[sayso.Instant]int{}, map[sayso.Instant]int{}
	n.each(truck, Diagnostics, n.d.Begin(), n.d.End(), func(at sayso.Instant, row []float64) {
		start := n.d.Begin() + (at-n.d.Begin())/window*window
		if all[start]++; row[2] == 0 {
			zero[start]++
		}
	})
	before := true
	for at := n.d.Begin(); at < n.d.End(); at += window {
		if all[at] == 0 {
			continue
		}
		now := 2*zero[at] > all[at]
		if now && !before {
			turns++
		}
		before = now
	}
	return turns
}

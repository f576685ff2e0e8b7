// Package iot is a data set of vehicles and the questions that a fleet asks of
// it: lorries in the shape of the TSBS iot benchmark (two tables a lorry, a row
// of each every ten seconds, some rows missing, some batches late), and cars
// with the signals that a node of this program meets (30 of them, positions and
// texts among them, the slow ones now and then).
//
// [Data.Batches] makes the same batches for the same seed. vault.go asks the
// questions of a vault, naive.go of plain rows in memory; bench/peers has the
// other engines.
package iot

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"time"

	"sayso"
)

// Step is the time between two rows.
const Step = 10 * time.Second

// end is where all data ends.
var end = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// Size is how much data there is. The first Long lorries have LongDays of it,
// the others Days. Cars have Days.
type Size struct {
	Trucks, Days   int
	Long, LongDays int
	Cars           int
}

// Truck is what is known of a lorry beside what it says.
type Truck struct {
	ID                   int // from 1
	Name                 string
	Fleet, Driver, Model string
	LoadCapacity         float64 // kg
	NominalConsumption   float64 // litres an hour
}

// Fleets are the fleets that there are.
var Fleets = [...]string{"East", "North", "South", "West"}

var (
	drivers = [...]string{"Albert", "Andy", "Derek", "Rodney", "Seth", "Trish"}
	models  = [...]struct {
		name              string
		load, consumption float64
	}{{"F-150", 2000, 15}, {"G-2000", 5000, 19}, {"H-2", 1500, 12}}
)

// Table is a table of a vehicle: its columns are numbers first, then texts.
type Table struct {
	Name    string
	Numbers []string
	Texts   []string
}

// The tables.
var (
	Readings    = &Table{Name: "readings", Numbers: []string{"latitude", "longitude", "elevation", "velocity", "heading", "grade", "fuel_consumption"}}
	Diagnostics = &Table{Name: "diagnostics", Numbers: []string{"fuel_state", "current_load", "status"}}
	Cars        = &Table{
		Name: "cars",
		Numbers: []string{"latitude", "longitude",
			"speed", "engine_speed", "throttle", "engine_load", "map", "maf", "torque", "accelerator", "gear", "odometer", "fuel_rate", "yaw",
			"coolant", "oil_temperature", "intake_temperature", "air_temperature", "battery_voltage", "fuel_level", "fuel_used", "oil_pressure", "barometric", "run_time", "tire_fl", "tire_fr", "tire_rl", "tire_rr", "range"},
		Texts: []string{"dtcs", "oil_level"},
	}
	Tables = [...]*Table{Readings, Diagnostics, Cars}
)

// Rows are rows of one table and vehicle, ascending in time, by column. A number
// that is not there is NaN, a text "".
type Rows struct {
	*Table
	Times   []sayso.Instant
	Numbers [][]float64
	Texts   [][]string
}

// Batch is what a vehicle sends at once.
type Batch struct {
	Vehicle int
	Tables  []Rows
}

// Data is a data set.
type Data struct {
	Size
	Seed   uint64
	Trucks []Truck
}

// New is the data set of a size and a seed.
func New(size Size, seed uint64) *Data {
	d := &Data{Size: size, Seed: seed}
	for id := 1; id <= size.Trucks; id++ {
		rnd := rand.New(rand.NewPCG(seed, uint64(id)))
		m := models[rnd.IntN(len(models))]
		d.Trucks = append(d.Trucks, Truck{
			ID: id, Name: fmt.Sprintf("truck_%d", id), Fleet: Fleets[rnd.IntN(len(Fleets))], Driver: drivers[rnd.IntN(len(drivers))],
			Model: m.name, LoadCapacity: m.load, NominalConsumption: m.consumption,
		})
	}
	return d
}

// End is where the data ends, and Begin where that of all vehicles begins.
func (d *Data) End() sayso.Instant { return sayso.At(end) }

// Begin is the first moment of which all lorries have data.
func (d *Data) Begin() sayso.Instant { return d.days(d.Days) }

// LongBegin is the first moment of which the lorries with the most have data.
func (d *Data) LongBegin() sayso.Instant { return d.days(d.LongDays) }

func (d *Data) days(n int) sayso.Instant { return sayso.At(end.AddDate(0, 0, -n)) }

// Vehicles are as many as have data: the lorries first, then the cars.
func (d *Data) Vehicles() int { return d.Size.Trucks + d.Size.Cars }

// Fleet are the lorries of a fleet.
func (d *Data) Fleet(name string) (list []Truck) {
	for _, t := range d.Trucks {
		if t.Fleet == name {
			list = append(list, t)
		}
	}
	return list
}

// batchSteps is how many moments a batch is about: two tables make a thousand
// rows of them.
const batchSteps = 500

// Batches are all rows, in about the order of time: a few batches come late.
func (d *Data) Batches() iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		days := max(d.Days, d.LongDays)
		steps := days * int(24*time.Hour/Step)
		sources := make([]source, d.Vehicles())
		late := map[int][]*Batch{}
		for from := 0; from < steps; from += batchSteps {
			for i := range sources {
				length := d.Days
				if i < d.Long {
					length = d.LongDays
				}
				first := steps - length*int(24*time.Hour/Step)
				if from+batchSteps <= first {
					continue
				}
				if sources[i] == nil {
					sources[i] = d.source(i + 1)
				}
				b := sources[i].batch(d.days(days), max(from, first), min(from+batchSteps, steps))
				if rnd := rand.New(rand.NewPCG(d.Seed+1, uint64(i)<<32|uint64(from))); rnd.IntN(33) == 0 {
					slot := from + (1+rnd.IntN(4))*batchSteps
					late[slot] = append(late[slot], b)
				} else if !yield(b) {
					return
				}
			}
			for _, b := range late[from] {
				if !yield(b) {
					return
				}
			}
			delete(late, from)
		}
		for from := steps / batchSteps * batchSteps; len(late) > 0; from += batchSteps {
			for _, b := range late[from] {
				if !yield(b) {
					return
				}
			}
			delete(late, from)
		}
	}
}

// source is what drives.
type source interface {
	// batch gives the rows of the steps from one to another.
	batch(begin sayso.Instant, from, to int) *Batch
}

func (d *Data) source(vehicle int) source {
	rnd := rand.New(rand.NewPCG(d.Seed+2, uint64(vehicle)))
	if vehicle > d.Size.Trucks {
		return newCar(vehicle, rnd)
	}
	return newLorry(&d.Trucks[vehicle-1], rnd)
}

// missing is the share of rows that never arrive.
const missing = 0.02

// phase is when within the step a vehicle measures: never at the turn of a step,
// so that no engine has to say to which interval the turn belongs.
func phase(vehicle int) sayso.Instant {
	return sayso.Instant((1 + vehicle%9) * int(time.Second/time.Microsecond))
}

func timeOf(begin sayso.Instant, vehicle, step int) sayso.Instant {
	return begin + sayso.Instant(step)*sayso.Instant(Step/time.Microsecond) + phase(vehicle)
}

func newRows(t *Table, n int) Rows {
	r := Rows{Table: t, Times: make([]sayso.Instant, 0, n), Numbers: make([][]float64, len(t.Numbers)), Texts: make([][]string, len(t.Texts))}
	for i := range r.Numbers {
		r.Numbers[i] = make([]float64, 0, n)
	}
	for i := range r.Texts {
		r.Texts[i] = make([]string, 0, n)
	}
	return r
}

// add appends a row.
func (r *Rows) add(t sayso.Instant, numbers []float64, texts ...string) {
	r.Times = append(r.Times, t)
	for i, x := range numbers {
		r.Numbers[i] = append(r.Numbers[i], x)
	}
	for i, s := range texts {
		r.Texts[i] = append(r.Texts[i], s)
	}
}

// Samples is how many values there are.
func (b *Batch) Samples() (n int) {
	for _, r := range b.Tables {
		for _, c := range r.Numbers {
			for _, x := range c {
				if !math.IsNaN(x) {
					n++
				}
			}
		}
		for _, c := range r.Texts {
			for _, s := range c {
				if s != "" {
					n++
				}
			}
		}
	}
	return n
}

// Rows is how many rows there are.
func (b *Batch) Rows() (n int) {
	for _, r := range b.Tables {
		n += len(r.Times)
	}
	return n
}

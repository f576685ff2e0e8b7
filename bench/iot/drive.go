package iot

import (
	"math"
	"math/rand/v2"

	"sayso"
)

// walk is a value that moves by chance within bounds and has so many digits
// behind the point.
type walk struct{ at, step, low, high, unit float64 }

func (w *walk) next(rnd *rand.Rand) float64 {
	w.at = min(max(w.at+rnd.NormFloat64()*w.step, w.low), w.high)
	return w.now()
}

// now is the value as a decimal: the nearest float64 to the digits.
func (w *walk) now() float64 { return math.Round(w.at/w.unit) / math.Round(1/w.unit) }

// What a lorry does.
const (
	parked = iota
	driving
	broken
)

// lorry says what its state makes of its values: standing, it measures the same
// again and again.
type lorry struct {
	*Truck
	rnd   *rand.Rand
	state int
	left  int // steps of the state
	walks [7]walk
	fuel  float64
	load  float64
}

func newLorry(t *Truck, rnd *rand.Rand) *lorry {
	l := &lorry{Truck: t, rnd: rnd, fuel: 0.2 + 0.8*rnd.Float64()}
	l.walks = [...]walk{
		{rnd.Float64()*180 - 90, 0.01, -90, 90, 1e-5},
		{rnd.Float64()*360 - 180, 0.01, -180, 180, 1e-5},
		{rnd.Float64() * 500, 20, 0, 5000, 1},
		{rnd.Float64() * 100, 10, 0, 100, 1},
		{rnd.Float64() * 360, 15, 0, 359, 1},
		{rnd.Float64() * 100, 5, 0, 100, 1},
		{rnd.Float64() * 30, 2, 0, 50, 0.1},
	}
	l.turn(parked)
	return l
}

// turn goes over to a state.
func (l *lorry) turn(state int) {
	hour := 360.0
	switch l.state = state; state {
	case driving:
		l.left = int(hour * (2 + 8*l.rnd.Float64()))
	case parked:
		l.left = int(hour * (0.1 + 1.2*l.rnd.Float64()))
		l.load = math.Round(l.LoadCapacity * l.rnd.Float64())
		if l.fuel < 0.25 && l.rnd.IntN(2) == 0 {
			l.fuel = 1
		}
	case broken:
		l.left = int(hour * (0.3 + 2*l.rnd.Float64()))
	}
}

func (l *lorry) batch(begin sayso.Instant, from, to int) *Batch {
	readings, diagnostics := newRows(Readings, to-from), newRows(Diagnostics, to-from)
	var row [7]float64
	for step := from; step < to; step++ {
		if l.left--; l.left < 0 {
			switch {
			case l.state == driving && l.rnd.IntN(6) == 0:
				l.turn(broken)
			case l.state == driving:
				l.turn(parked)
			default:
				l.turn(driving)
			}
		}
		for i := range l.walks {
			if l.state == driving {
				row[i] = l.walks[i].next(l.rnd)
			} else {
				row[i] = l.walks[i].now()
			}
		}
		status := 0.0
		if l.state == driving {
			l.fuel = max(0.02, l.fuel-0.00008)
		} else {
			row[3], row[6] = 0, 0
		}
		if l.state != broken {
			status = float64(1 + l.ID%5)
		}
		t := timeOf(begin, l.ID, step)
		if l.rnd.Float64() >= missing {
			readings.add(t, row[:])
		}
		if l.rnd.Float64() >= missing {
			diagnostics.add(t, []float64{math.Round(l.fuel*1000) / 1000, l.load, status})
		}
	}
	return &Batch{Vehicle: l.ID, Tables: []Rows{readings, diagnostics}}
}

// car says fast signals every time and the slow ones now and then.
type car struct {
	id    int
	rnd   *rand.Rand
	moves bool
	left  int
	walks []walk // of the numbers
}

// fastNumbers of a car's numbers come every time.
const fastNumbers = 14

func newCar(id int, rnd *rand.Rand) *car {
	c := &car{id: id, rnd: rnd}
	at := func(step, low, high, unit float64) {
		c.walks = append(c.walks, walk{low + (high-low)*rnd.Float64(), step, low, high, unit})
	}
	at(0.002, 35, 60, 1e-6)
	at(0.002, -10, 30, 1e-6)
	at(8, 0, 180, 1)           // speed
	at(200, 700, 5000, 1)      // engine_speed
	at(5, 0, 100, 0.1)         // throttle
	at(5, 0, 100, 0.1)         // engine_load
	at(5, 20, 200, 1)          // map
	at(3, 0, 200, 0.01)        // maf
	at(20, 0, 400, 1)          // torque
	at(5, 0, 100, 1)           // accelerator
	at(0.5, 1, 6, 1)           // gear
	at(0.05, 1000, 200000, 1)  // odometer
	at(0.5, 0, 30, 0.01)       // fuel_rate
	at(0.3, -20, 20, 0.01)     // yaw
	at(0.3, 70, 110, 1)        // coolant
	at(0.3, 70, 130, 1)        // oil_temperature
	at(0.5, 10, 60, 1)         // intake_temperature
	at(0.1, -10, 35, 0.5)      // air_temperature
	at(0.05, 12, 14.6, 0.01)   // battery_voltage
	at(0.1, 5, 100, 0.1)       // fuel_level
	at(0.02, 1000, 9000, 0.01) // fuel_used
	at(5, 100, 500, 1)         // oil_pressure
	at(0.05, 95, 103, 0.1)     // barometric
	at(10, 0, 65535, 1)        // run_time
	for range 4 {
		at(0.2, 200, 260, 1) // tires
	}
	at(0.5, 20, 800, 1) // range
	return c
}

func (c *car) batch(begin sayso.Instant, from, to int) *Batch {
	rows := newRows(Cars, to-from)
	row := make([]float64, len(c.walks))
	for step := from; step < to; step++ {
		if c.left--; c.left < 0 {
			c.moves, c.left = !c.moves, 60+c.rnd.IntN(1500)
		}
		for i := range c.walks {
			switch {
			case i >= fastNumbers && c.rnd.IntN(10) != 0:
				row[i] = math.NaN()
			case c.moves:
				row[i] = c.walks[i].next(c.rnd)
			default:
				row[i] = c.walks[i].now()
			}
		}
		dtcs, oil := "", ""
		if c.rnd.IntN(20) == 0 {
			dtcs = [...]string{"[]", `["P0420"]`, `["P0171","P0300"]`}[c.rnd.IntN(30)/14]
		}
		if c.rnd.IntN(20) == 0 {
			oil = [...]string{"NORMAL", "LOW"}[c.rnd.IntN(20)/19]
		}
		if c.rnd.Float64() >= missing {
			rows.add(timeOf(begin, c.id, step), row, dtcs, oil)
		}
	}
	return &Batch{Vehicle: c.id, Tables: []Rows{rows}}
}

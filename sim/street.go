package sim

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"sayso"
	"sayso/client/device"
)

// Config says which street it is. The same Config gives the same readings.
type Config struct {
	Seed int64
	// Cars is how many there are, 1 to 10,000. The models of the embedded
	// table are used in turn.
	Cars int
	// Since is when the odometers read their first value. It must be the same
	// at every start on one data directory, or distances would jump; the time
	// of the chain's first block serves. Times before it work too, so that a
	// past can be written. Only whole seconds count.
	Since time.Time
	// Every is the time between a car's reports, in whole seconds from 1 s to
	// an hour.
	Every time.Duration
}

// Street is a number of cars in one town.
type Street struct {
	cfg  Config
	cars []*Car
}

// New drives every car's tour once. It takes about 5 ms per car.
func New(cfg Config) (*Street, error) {
	bad := func(why string) (*Street, error) { return nil, sayso.Fail(sayso.Invalid, "sim.New", why) }
	switch {
	case cfg.Cars < 1 || cfg.Cars > 10_000:
		return bad("the number of cars must be 1 to 10000")
	case cfg.Every < time.Second || cfg.Every > time.Hour || cfg.Every%time.Second != 0:
		return bad("the time between reports must be whole seconds, 1 s to 1 h")
	case cfg.Since.IsZero():
		return bad("the beginning of the street is missing")
	}
	town, err := theTown()
	if err != nil {
		return nil, err
	}
	models, err := theModels()
	if err != nil {
		return nil, err
	}
	s := &Street{cfg: cfg, cars: make([]*Car, cfg.Cars)}
	errs := make([]error, cfg.Cars)
	var wg sync.WaitGroup
	for w := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := w; i < cfg.Cars; i += runtime.GOMAXPROCS(0) {
				s.cars[i], errs[i] = newCar(town, models, cfg, i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Cars are the cars of the street; a car's place in the list is its index.
func (s *Street) Cars() []*Car { return s.cars }

// Car is one car. It is safe for concurrent use.
type Car struct {
	Index int
	Model Model
	VIN   string // well-formed, of no real car

	cfg      Config
	tour     *tour
	identity device.Identity
	since    int64   // Unix seconds
	offset   int64   // seconds of the tour that lie before since
	odometer float64 // km at the tour's start, first repetition
	lifetime float64 // litres or kWh used before that

	mu   sync.Mutex
	near state
}

func newCar(t *town, models []Model, cfg Config, i int) (*Car, error) {
	m := &models[i%len(models)]
	tr, err := newTour(t, m, cfg.Seed, i)
	if err != nil {
		return nil, err
	}
	dice := rng(hash(cfg.Seed, int64(i), 77))
	c := &Car{
		Index: i, Model: *m, cfg: cfg, tour: tr, since: cfg.Since.Unix(), near: tr.marks[0],
		// The group decides in which window it may park, see [roundLength].
		offset: int64(dice.below(rounds))*roundLength + int64(i%groups)*windowLength,
		VIN:    m.vin(int(hash(cfg.Seed, int64(i), 78) % 900_000)),
	}
	first := tr.at(int(c.offset), nil)
	c.odometer = m.odometer + float64(i/len(models))*731 - first.dist/1000
	c.lifetime = m.odometer*tr.end.used/tr.end.dist*1000 - first.used
	return c, nil
}

// Name is what the car is called in lists, such as "Toyota RAV4 2018".
func (c *Car) Name() string { return fmt.Sprintf("%s %s %d", c.Model.Make, c.Model.Name, c.Model.Year) }

// Identify sets who the car is on the chain. It must be called before the
// first report and not while one is made.
func (c *Car) Identify(by device.Identity) { c.identity = by }

// moment is a car at a time: its state and the sums over all repetitions.
type moment struct {
	state
	odometer float64 // km
	lifetime float64 // litres or kWh used
}

// at finds the state at a Unix second.
func (c *Car) at(unix int64) moment {
	sum := unix - c.since + c.offset
	n := floorDiv(sum, int64(cycleSeconds))
	t := int(sum - n*int64(cycleSeconds))
	c.mu.Lock()
	c.near = c.tour.at(t, &c.near)
	s := c.near
	c.mu.Unlock()
	end := &c.tour.end
	return moment{
		state:    s,
		odometer: c.odometer + total(n, end.dist, s.dist)/1000,
		lifetime: c.lifetime + total(n, end.used, s.used),
	}
}

// total is n whole tours and a part of one. It adds in integers, so that the
// last second of a tour and the first of the next give the same sum: in
// floating point it could fall by a rounding, and an odometer must not.
func total(n int64, whole, part float64) float64 {
	const units = 1e6
	return float64(n*int64(math.Round(whole*units))+int64(math.Round(part*units))) / units
}

package sim

import "fmt"

// checkpointEvery is how many seconds lie between kept states; from the one
// before, any second of the tour is reached again by stepping.
const checkpointEvery = 600

// tour is one car's repeated drive.
type tour struct {
	driver driver
	marks  []state // at 0, 600, 1200, … s
	end    state
}

// attempts is how many drivers are tried until one gets home, with a full
// tank, before the tour's end. Nearly always the first one does.
const attempts = 50

// newTour drives the tour of car number i of a street with that seed.
func newTour(t *town, m *Model, seed int64, i int) (*tour, error) {
	for try := range attempts {
		d := newDriver(t, m, int64(hash(seed, int64(i), int64(try))))
		first := d.begin()
		end, ok := d.drive(first, nil)
		if !ok {
			continue
		}
		first.coolant, first.oil, first.tyre, first.cells = end.coolant, end.oil, end.tyre, end.cells
		tr := &tour{driver: d}
		tr.end, _ = d.drive(first, func(s *state) { tr.marks = append(tr.marks, *s) })
		return tr, nil
	}
	return nil, fmt.Errorf("sim: %s: no tour in %d attempts comes home in time; choose another seed", m.Definition, attempts)
}

func newDriver(t *town, m *Model, seed int64) driver {
	dice := rng(seed)
	station := t.stations[dice.below(len(t.stations))]
	out := t.nodes[station].out
	d := driver{
		town: t, model: m, seed: seed,
		home:  t.edges[out[dice.below(len(out))]].back,
		pace:  dice.between(0.90, 1.04),
		start: dice.between(1.3, 2.5),
		brake: dice.between(1.6, 2.6),
		rash:  dice.between(0.002, 0.02),
	}
	if m.Electric() {
		d.target, d.low, d.topUp = 0.75*m.Capacity, 0.55*m.Capacity, 16
	} else {
		d.target, d.low, d.topUp = 0.95*m.Capacity, 0.30*m.Capacity, 2
	}
	return d
}

// begin is the state at the start of the tour: at home, about to leave.
func (d *driver) begin() state {
	return state{
		dice: rng(d.seed ^ 0x5eed), edge: d.home, offset: d.town.edges[d.home].length - parkLine,
		parked: true, round: -1, level: d.target,
		coolant: 80, oil: 80, tyre: 5, cells: tourAir + 8,
	}
}

// drive steps through a whole tour and says whether it closes: home in time,
// as full as at the start. Mark is called with the states to keep.
func (d *driver) drive(s state, mark func(*state)) (state, bool) {
	for s.t < cycleSeconds {
		if mark != nil && s.t%checkpointEvery == 0 {
			mark(&s)
		}
		d.step(&s)
	}
	return s, s.parked && s.round == rounds-1 && s.edge == d.home && s.level == d.target
}

// at returns the state at a second of the tour, starting from near if that is
// not later and nearer than the mark before.
func (tr *tour) at(t int, near *state) state {
	s := tr.marks[t/checkpointEvery]
	if near != nil && near.t <= t && near.t > s.t {
		s = *near
	}
	for s.t < t {
		tr.driver.step(&s)
	}
	return s
}

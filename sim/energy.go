package sim

// air is the temperature in °C that the tour assumes around the car. The air
// that is reported follows the time of day and year instead, see [air].
const tourAir = 15

// consume takes this second's energy out of the tank or battery.
func (d *driver) consume(s *state) {
	mean := s.v - s.a/2
	power := d.model.wheelPower(mean, s.a, d.town.edges[s.edge].slope)
	var out float64
	if d.model.Electric() {
		s.flow = d.model.draw(power)
		out = s.flow / 3.6e6
	} else {
		s.flow = d.model.burn(power)
		out = s.flow
	}
	s.used += out
	s.level -= out
}

// fill adds this second's fuel or charge, from 15 s after the stop on.
func (d *driver) fill(s *state) {
	if !s.filling || !d.town.nodes[d.town.edges[s.edge].to].station || s.level >= d.target {
		return
	}
	rate := 0.6 // litres per second
	if d.model.Electric() {
		rate = d.model.charge / 3600
		if full := s.level / d.model.Capacity; full > 0.7 {
			rate *= 1 - 2*(full-0.7)
		}
	}
	s.filled = min(rate, d.target-s.level)
	s.level += s.filled
	s.added += s.filled
	if s.level >= d.target-1e-9 {
		s.level = d.target
	}
}

// warm lets the temperatures follow what the car does.
func (d *driver) warm(s *state) {
	toward := func(t *float64, goal, seconds float64) { *t += (goal - *t) / seconds }
	if s.parked {
		toward(&s.coolant, tourAir, 3600)
		toward(&s.oil, tourAir, 4200)
	} else {
		toward(&s.coolant, 90, 240)
		toward(&s.oil, 98, 600)
	}
	toward(&s.tyre, s.v*0.9, 900)
	heat := 0.0
	switch {
	case s.filled > 0:
		heat = 22
	case !s.parked:
		heat = 11
	}
	toward(&s.cells, tourAir+heat, 1800)
}

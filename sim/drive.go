package sim

import (
	"math"
	"time"
)

// Cycle is how long a car's tour is before it repeats.
const Cycle = 8 * time.Hour

// Times in seconds. A car may stand with its ignition off only in the last
// windowLength seconds of each round; the rounds of the four groups of cars
// are shifted by a window, so that at most one group is parked at a time.
const (
	cycleSeconds = int(Cycle / time.Second)
	roundLength  = 1200
	windowLength = 300
	groups       = roundLength / windowLength
	rounds       = cycleSeconds / roundLength
	shortestStop = 60
	nearHome     = 600 // how long before the last window a driver turns for home
)

// Distances in metres from the end of an edge.
const (
	parkLine = 3.0
	stopLine = 5.0
)

// driver is how one person drives one car.
type driver struct {
	town   *town
	model  *Model
	home   int     // the edge on which the tour ends
	seed   int64   //
	pace   float64 // share of the speed limit
	start  float64 // acceleration, m/s²
	brake  float64 // deceleration, m/s²
	rash   float64 // chance per edge of one careless act
	target float64 // litres or kWh to which it fills up
	low    float64 // litres or kWh below which it looks for a station
	topUp  int     // in that many rounds at the end it fills up at every stop
}

// act is something a driver did that a device reports as an event.
type act uint8

const (
	nothing act = iota
	braked
	braked2 // beyond the harsh level
	accelerated
	cornered
)

// state is everything about a car at a whole second of its tour.
type state struct {
	t      int // seconds since the tour began
	dice   rng
	edge   int     // where it is
	offset float64 // metres along the edge
	ahead  []int   // edges after this one; never changed in place
	v      float64 // m/s
	a      float64 // m/s² during the last second
	dist   float64 // m since the tour began

	parked   bool
	until    int  // when it leaves
	round    int  // the last round whose window it has answered
	stopping bool // on its way to a parking place
	homing   bool // has turned for home
	filling  bool // wants fuel or charge
	careless bool // on this edge
	did      act
	force    float64 // of what it did, m/s²

	level  float64 // litres or kWh
	used   float64 // litres or kWh since the tour began
	added  float64 // litres or kWh in this stop
	flow   float64 // litres per second burned, or W out of the battery
	filled float64 // litres or kWh added in the last second
	onFor  int     // seconds since the ignition was switched on

	coolant, oil, tyre, cells float64 // °C; the tyre's above the air's
}

// step moves the car by one second.
func (d *driver) step(s *state) {
	s.t++
	s.did, s.filled = nothing, 0
	if s.parked && s.t >= s.until && s.t < cycleSeconds {
		s.parked, s.filling, s.onFor, s.added = false, s.filling && s.level < d.target, 0, 0
		d.roam(s)
	}
	if s.parked {
		s.v, s.a, s.flow = 0, 0, 0
		d.fill(s)
	} else {
		s.onFor++
		d.plan(s)
		d.move(s)
		d.consume(s)
	}
	d.warm(s)
}

// plan answers the round's window, turns for home in time, and sees to it
// that there is always a way ahead.
func (d *driver) plan(s *state) {
	round, inRound := s.t/roundLength, s.t%roundLength
	last := round == rounds-1
	open := roundLength - windowLength
	left := roundLength - inRound
	if last && !s.homing && inRound >= open-nearHome {
		s.homing = true
		s.ahead = d.way(s, func(e int) bool { return d.town.edges[e].to == d.town.edges[d.home].to })
	}
	delay := 0
	if !last {
		delay = int(hash(d.seed, int64(round)) % 60)
	}
	switch {
	case inRound >= open+delay && s.round != round:
		s.round, s.stopping = round, true
		s.filling = s.filling || s.level < d.low || rounds-round <= d.topUp && s.level < d.target
		s.ahead = d.way(s, d.stopAt(s, last))
	case s.stopping && !last && left < shortestStop+15:
		s.stopping = false
	}
	if len(s.ahead) == 0 && !s.stopping {
		d.roam(s)
	}
}

// stopAt says where a driver wants to stop now.
func (d *driver) stopAt(s *state, last bool) func(e int) bool {
	to := func(e int) *node { return &d.town.nodes[d.town.edges[e].to] }
	switch {
	case last:
		return func(e int) bool { return e == d.home }
	case s.filling:
		return func(e int) bool { return to(e).station }
	}
	return func(e int) bool { return to(e).place }
}

// roam chooses somewhere to go: anywhere, or near home at the end of the tour.
func (d *driver) roam(s *state) {
	home := &d.town.nodes[d.town.edges[d.home].to]
	for {
		n := s.dice.below(len(d.town.nodes))
		to := &d.town.nodes[n]
		if n == d.town.edges[s.edge].to || s.homing && apart(home, to) > 700 {
			continue
		}
		s.ahead = d.way(s, func(e int) bool { return d.town.edges[e].to == n })
		return
	}
}

// way routes from where the car can still decide: the end of this edge, or of
// the next if this one's end is near.
func (d *driver) way(s *state, goal func(e int) bool) []int {
	room := d.town.edges[s.edge].length - s.offset
	if room > 60 || len(s.ahead) == 0 {
		if s.stopping && room > 10+s.v*s.v/(2*d.brake) && goal(s.edge) {
			return nil
		}
		return d.town.route(s.edge, goal)
	}
	next := s.ahead[0]
	if s.stopping && goal(next) {
		return []int{next}
	}
	return append([]int{next}, d.town.route(next, goal)...)
}

// move decides the speed at the end of this second and drives there.
func (d *driver) move(s *state) {
	v := s.v
	want := d.wish(s)
	s.a = want - v
	s.v = want
	along := (v + want) / 2
	if s.stopping && want == 0 && len(s.ahead) == 0 {
		if rest := d.town.edges[s.edge].length - parkLine - s.offset; rest < 1.5 {
			d.park(s, rest)
			return
		}
	}
	d.judge(s)
	s.dist += along
	s.offset += along
	for e := &d.town.edges[s.edge]; s.offset >= e.length && len(s.ahead) > 0; e = &d.town.edges[s.edge] {
		next := s.ahead[0]
		if s.careless && s.v > 8 && d.town.turn(s.edge, next) > 45 {
			s.did, s.force = cornered, s.v*s.v/14
		}
		s.offset -= e.length
		s.edge, s.ahead = next, s.ahead[1:]
		s.careless = s.dice.float() < d.rash
	}
}

// judge finds the first second of a harsh act.
func (d *driver) judge(s *state) {
	switch {
	case s.a <= -5.8:
		s.did, s.force = braked2, -s.a
	case s.a <= -3.8:
		s.did, s.force = braked, -s.a
	case s.a >= 3.4:
		s.did, s.force = accelerated, s.a
	}
}

// wish is the speed in m/s that the driver wants at the end of this second.
func (d *driver) wish(s *state) float64 {
	edges := d.town.edges
	start, brake := d.start, d.brake
	if s.careless {
		start, brake = 3.9, 4.6
		if hash(d.seed, int64(s.edge))%6 == 0 {
			brake = 6.6
		}
	}
	pace := d.pace * (0.985 + 0.015*wobble(int64(s.t), 15, d.seed))
	v := s.v
	u := min(v+min(start, 50/(v+1)), max(edges[s.edge].limit*pace, v-brake))
	reach := v*v/(2*brake) + 2*v + 10
	at, gap := s.edge, edges[s.edge].length-s.offset
	for i := 0; gap < reach; i++ {
		if i >= len(s.ahead) {
			if s.stopping {
				u = min(u, slowTo(v, 0, gap-parkLine, brake))
			}
			break
		}
		next := s.ahead[i]
		if stop := gap - stopLine; !d.green(at, s.t) && stop >= v*v/(2*brake)+v/2-1 {
			u = min(u, slowTo(v, 0, stop, brake))
			break
		}
		u = min(u, slowTo(v, min(edges[next].limit*pace, d.bend(s, at, next)), gap, brake))
		at, gap = next, gap+edges[next].length
	}
	return max(0, u, v-7)
}

// bend is the speed in m/s at which a driver takes a turn.
func (d *driver) bend(s *state, from, to int) float64 {
	angle := d.town.turn(from, to)
	if angle < 20 {
		return math.Inf(1)
	}
	v := 3.6 + 10*(1-min(angle, 110)/110)
	if s.careless {
		return v * 1.7
	}
	return v
}

// slowTo is the highest speed at the end of a second that begins with speed v
// from which braking still reaches speed u after gap metres:
// (v+x)/2 + (x²-u²)/2b = gap.
func slowTo(v, u, gap, b float64) float64 {
	if u == 0 && gap < 0.6 && v < 1.5 {
		return 0
	}
	root := b*b - 4*(b*v-2*b*gap-u*u)
	if root <= 0 {
		return u
	}
	return max(u, (math.Sqrt(root)-b)/2)
}

// green says whether the light at the end of an edge, if any, lets one pass.
// Lights have a period of a minute: half for each axis, 3 s red for both.
func (d *driver) green(e, t int) bool {
	to := d.town.edges[e].to
	if !d.town.nodes[to].light {
		return true
	}
	phase := (t + 17*to) % 60
	if b := math.Mod(d.town.edges[e].bearing+45, 180); b >= 90 { // east or west
		phase = (phase + 30) % 60
	}
	return phase < 27
}

// park sets the car on its place, rest metres ahead, and decides how long it
// stays: to the end of the window when it fills up or the tour is over.
func (d *driver) park(s *state, rest float64) {
	s.dist += rest
	s.offset += rest
	s.v, s.parked, s.stopping, s.careless = 0, true, false, false
	left := roundLength - s.t%roundLength
	stay := left
	if !s.filling {
		stay = min(left, shortestStop+s.dice.below(windowLength-shortestStop))
	}
	s.until = s.t + stay
	if s.round == rounds-1 {
		s.until = cycleSeconds
	}
}

func apart(a, b *node) float64 {
	return math.Hypot((a.lat-b.lat)*metresPerDegree, (a.lng-b.lng)*metresPerDegree*math.Cos(a.lat*math.Pi/180))
}

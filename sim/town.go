package sim

import (
	"container/heap"
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
)

//go:embed town.csv
var townCSV string

// metresPerDegree is the length of a degree of latitude on a sphere of the
// Earth's mean radius, 6,371,009 m.
const metresPerDegree = 6371009 * math.Pi / 180

// node is a crossing or a bend.
type node struct {
	name     string
	lat, lng float64
	altitude float64 // m
	light    bool
	station  bool // sells fuel and has chargers
	place    bool // somewhere to stop: a station, a school, a shop
	out      []int
}

// edge is one direction of a straight piece of road.
type edge struct {
	street   string
	from, to int
	length   float64 // m
	limit    float64 // m/s
	bearing  float64 // degrees from north
	slope    float64 // rise per metre
	back     int     // the edge of the other direction
}

// town is the road graph. It does not change once read.
type town struct {
	nodes    []node
	edges    []edge
	stations []int
}

// theTown reads the embedded town once.
var theTown = sync.OnceValues(func() (*town, error) { return readTown(townCSV) })

// readTown reads lines `node,id,latitude,longitude,altitude,flags,name` and
// `road,street,limit,id id id…`; every road is two-way.
func readTown(text string) (*town, error) {
	t, ids := &town{}, map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, ",")
		var err error
		switch {
		case f[0] == "node" && len(f) == 7:
			err = t.addNode(f, ids)
		case f[0] == "road" && len(f) == 4:
			err = t.addRoad(f, ids)
		default:
			err = fmt.Errorf("want node with 7 fields or road with 4")
		}
		if err != nil {
			return nil, fmt.Errorf("town line %d: %w", i+1, err)
		}
	}
	for i, n := range t.nodes {
		if len(n.out) < 2 {
			return nil, fmt.Errorf("town: node %d (%s) is a dead end", i, n.name)
		}
		if n.station {
			t.stations = append(t.stations, i)
		}
	}
	if len(t.stations) == 0 {
		return nil, fmt.Errorf("town: there is no station")
	}
	return t, nil
}

func (t *town) addNode(f []string, ids map[string]int) error {
	var v [3]float64
	for i := range v {
		var err error
		if v[i], err = strconv.ParseFloat(f[2+i], 64); err != nil {
			return err
		}
	}
	n := node{name: f[6], lat: v[0], lng: v[1], altitude: v[2], place: !strings.Contains(f[6], " / ")}
	for _, flag := range strings.Fields(f[5]) {
		switch flag {
		case "light":
			n.light = true
		case "station":
			n.station = true
		default:
			return fmt.Errorf("unknown flag %q", flag)
		}
	}
	ids[f[1]] = len(t.nodes)
	t.nodes = append(t.nodes, n)
	return nil
}

func (t *town) addRoad(f []string, ids map[string]int) error {
	limit, err := strconv.ParseFloat(f[2], 64)
	if err != nil || limit <= 0 {
		return fmt.Errorf("bad speed limit %q", f[2])
	}
	last := -1
	for _, id := range strings.Fields(f[3]) {
		n, ok := ids[id]
		if !ok {
			return fmt.Errorf("unknown node %q", id)
		}
		if last >= 0 {
			t.connect(f[1], last, n, limit/3.6)
		}
		last = n
	}
	return nil
}

func (t *town) connect(street string, a, b int, limit float64) {
	i := len(t.edges)
	for k, ends := range [2][2]int{{a, b}, {b, a}} {
		from, to := &t.nodes[ends[0]], &t.nodes[ends[1]]
		north := (to.lat - from.lat) * metresPerDegree
		east := (to.lng - from.lng) * metresPerDegree * math.Cos((from.lat+to.lat)/2*math.Pi/180)
		length := math.Hypot(north, east)
		t.edges = append(t.edges, edge{
			street: street, from: ends[0], to: ends[1], length: length, limit: limit,
			bearing: math.Mod(math.Atan2(east, north)*180/math.Pi+360, 360),
			slope:   (to.altitude - from.altitude) / length,
			back:    i + 1 - k,
		})
		from.out = append(from.out, i+k)
	}
}

// turn is the angle in degrees, 0 to 180, between two edges that follow.
func (t *town) turn(a, b int) float64 {
	d := math.Abs(t.edges[a].bearing - t.edges[b].bearing)
	return min(d, 360-d)
}

// route finds the fastest way from the end of an edge to the nearest edge for
// which goal is true, without turning round at a crossing. It returns the
// edges after the given one up to the goal; nil if there is no way.
func (t *town) route(after int, goal func(e int) bool) []int {
	best := make([]float64, len(t.edges)) // by last edge, so that a detour may come back
	via := make([]int, len(t.edges))
	for i := range best {
		best[i], via[i] = math.Inf(1), -1
	}
	best[after] = 0
	open := &frontier{{edge: after}}
	for open.Len() > 0 {
		at := heap.Pop(open).(reached)
		if at.cost > best[at.edge] {
			continue
		}
		e := &t.edges[at.edge]
		if at.edge != after && goal(at.edge) {
			return unwind(via, after, at.edge)
		}
		for _, next := range t.nodes[e.to].out {
			if next == e.back {
				continue
			}
			n := &t.edges[next]
			cost := at.cost + n.length/n.limit + t.turn(at.edge, next)/30
			if t.nodes[e.to].light {
				cost += 8
			}
			if cost < best[next] {
				best[next], via[next] = cost, at.edge
				heap.Push(open, reached{cost: cost, edge: next})
			}
		}
	}
	return nil
}

// unwind lists the edges from after (exclusive) to last (inclusive).
func unwind(via []int, after, last int) []int {
	n := 0
	for e := last; e != after; e = via[e] {
		n++
	}
	path := make([]int, n)
	for e := last; e != after; e = via[e] {
		n--
		path[n] = e
	}
	return path
}

// reached is an edge at whose end one can be after cost seconds.
type reached struct {
	cost float64
	edge int
}

type frontier []reached

func (f frontier) Len() int { return len(f) }
func (f frontier) Less(i, j int) bool {
	return f[i].cost < f[j].cost || f[i].cost == f[j].cost && f[i].edge < f[j].edge
}
func (f frontier) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *frontier) Push(x any)   { *f = append(*f, x.(reached)) }
func (f *frontier) Pop() any {
	old := *f
	x := old[len(old)-1]
	*f = old[:len(old)-1]
	return x
}

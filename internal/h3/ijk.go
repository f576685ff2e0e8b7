package h3

import "math"

// ijk is a place in the hexagonal grid of a face: steps along three axes that
// are 120 degrees apart. In the normal form none is negative and one is 0.
type ijk struct{ i, j, k int }

func (a ijk) plus(b ijk) ijk  { return ijk{a.i + b.i, a.j + b.j, a.k + b.k} }
func (a ijk) minus(b ijk) ijk { return ijk{a.i - b.i, a.j - b.j, a.k - b.k} }
func (a ijk) times(n int) ijk { return ijk{a.i * n, a.j * n, a.k * n} }

// normal uses that a step along each axis leads back.
func (a ijk) normal() ijk {
	m := min(a.i, a.j, a.k)
	return ijk{a.i - m, a.j - m, a.k - m}
}

// clockwise turns by 60 degrees around the origin, counterclockwise the other
// way.
func (a ijk) clockwise() ijk        { return ijk{a.i + a.j, a.j + a.k, a.k + a.i}.normal() }
func (a ijk) counterclockwise() ijk { return ijk{a.i + a.k, a.j + a.i, a.k + a.j}.normal() }

// twisted says whether the grid of a resolution is turned clockwise against its
// parent's; the resolutions alternate.
func twisted(resolution int) bool { return resolution%2 == 1 }

// up finds the place in the grid one coarser than resolution r.
func (a ijk) up(r int) ijk {
	i, j := float64(a.i-a.k), float64(a.j-a.k)
	if twisted(r) {
		return ijk{int(math.Round((3*i - j) / 7)), int(math.Round((i + 2*j) / 7)), 0}.normal()
	}
	return ijk{int(math.Round((2*i + j) / 7)), int(math.Round((3*j - i) / 7)), 0}.normal()
}

// down finds the place in the grid of resolution r that is the centre of a
// place one coarser.
func (a ijk) down(r int) ijk {
	if twisted(r) {
		return ijk{3*a.i + a.j, 3*a.j + a.k, 3*a.k + a.i}.normal()
	}
	return ijk{3*a.i + a.k, 3*a.j + a.i, 3*a.k + a.j}.normal()
}

// round finds the cell that holds a point given by its parts along the i and j
// axes. It is the rounding of cube coordinates: of three that sum to 0, the one
// that rounding moved most follows from the others.
func round(i, j float64) ijk {
	q, r, s := i-j, j, -i
	rq, rr, rs := math.Round(q), math.Round(r), math.Round(s)
	switch dq, dr, ds := math.Abs(rq-q), math.Abs(rr-r), math.Abs(rs-s); {
	case dq > dr && dq > ds:
		rq = -rr - rs
	case dr > ds:
		rr = -rq - rs
	}
	return ijk{int(rq + rr), int(rr), 0}.normal()
}

// The directions of a step to a neighbour, as they stand in an index.
const (
	dirNone = iota
	dirK
	dirJ
	dirJK
	dirI
	dirIK
	dirIJ
	unused // of finer resolutions
)

// direction finds the direction of a step in any form.
func (a ijk) direction() uint8 {
	a = a.normal()
	return uint8(4*a.i + 2*a.j + a.k)
}

// step goes one cell in a direction.
func (a ijk) step(dir uint8) ijk {
	return a.plus(ijk{int(dir >> 2 & 1), int(dir >> 1 & 1), int(dir & 1)}).normal()
}

// left is each direction turned counter-clockwise by 60 degrees, right the
// other way.
var (
	left  = [8]uint8{dirNone, dirIK, dirJK, dirK, dirIJ, dirI, dirJ, unused}
	right = [8]uint8{dirNone, dirJK, dirIJ, dirJ, dirIK, dirK, dirI, unused}
)

// digits are the directions of an index by resolution; the first is unused.
type digits [resolution + 1]uint8

// leading is the first direction that leads away.
func (d *digits) leading() uint8 {
	for _, x := range d[1:] {
		if x != dirNone {
			return x
		}
	}
	return dirNone
}

// turn turns all directions so many times 60 degrees counter-clockwise.
func (d *digits) turn(times int) {
	table, n := &left, times
	if times < 0 {
		table, n = &right, -times
	}
	for range n {
		for r := range d {
			d[r] = table[d[r]]
		}
	}
}

// index packs a cell: mode 1 in bits 59 to 62, resolution in 52 to 55, number
// of the cell of resolution 0 in 45 to 51, then three bits per resolution, of
// which those that are finer are 7.
func (d *digits) index(cell int) uint64 {
	v := uint64(1)<<59 | resolution<<52 | uint64(cell)<<45 | 1<<(45-3*resolution) - 1
	for r := 1; r <= resolution; r++ {
		v |= uint64(d[r]) << (45 - 3*r)
	}
	return v
}

// parse unpacks an index of resolution 6.
func parse(v uint64) (cell int, d digits, ok bool) {
	cell = int(v >> 45 & 127)
	for r := 1; r <= resolution; r++ {
		d[r] = uint8(v >> (45 - 3*r) & 7)
		if d[r] == unused {
			return 0, d, false
		}
	}
	if cell >= len(baseCells) || d.index(cell) != v || baseCells[cell].pentagon && d.leading() == dirK {
		return 0, d, false
	}
	return cell, d, true
}

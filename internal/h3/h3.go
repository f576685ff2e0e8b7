// Package h3 finds the H3 cell of resolution 6 (about 36 square kilometres)
// that holds a point, and the centre of that cell. It is what the approximate
// location of a vehicle is made of.
//
// The grid is that of H3 (https://h3geo.org): an icosahedron around the Earth,
// a hexagonal grid on each of its faces, made of 122 cells at resolution 0 and
// divided by seven six times. A point is projected on the nearest face from the
// centre of the Earth (gnomonic projection); the address of a cell is the
// number of its cell of resolution 0 and a direction per resolution. The twelve
// corners of the icosahedron are pentagons, which lack one direction.
//
// The code is written from the description of the grid, with vectors in place
// of the spherical trigonometry of the reference; its tables are the
// reference's. Cells and centres are compared with h3-js in the tests.
package h3

import "math"

const (
	resolution = 6
	faces      = 20
	// scale is how many units of resolution 6 make one of resolution 0:
	// 7^(6/2).
	scale = 343
	// unit is the length of the unit of resolution 0 on a face at distance 1.
	unit = 0.38196601125010500003
	// rim is the largest sum of coordinates on a face.
	rim = 2 * scale
)

var sin60 = math.Sqrt(3) / 2

// Cell returns the index of the cell that holds a point. Latitude and longitude
// are in degrees; what is not finite gives 0, which is no cell.
func Cell(lat, lng float64) uint64 {
	if math.IsNaN(lat+lng) || math.IsInf(lat+lng, 0) {
		return 0
	}
	face, at := onFace(fromDegrees(lat, lng))
	return address(face, at)
}

// CellCentre returns the centre of the cell that holds a point, in degrees.
func CellCentre(lat, lng float64) (centreLat, centreLng float64) {
	return Centre(Cell(lat, lng))
}

// Centre returns the centre of a cell of resolution 6, in degrees. For anything
// else the result is NaN.
func Centre(cell uint64) (lat, lng float64) {
	face, at, ok := place(cell)
	if !ok {
		return math.NaN(), math.NaN()
	}
	i, j := float64(at.i-at.k), float64(at.j-at.k)
	const shrink = unit / scale
	return frames[face].point((i-j/2)*shrink, j*sin60*shrink).degrees()
}

// onFace projects a point on the nearest face and finds the cell there.
func onFace(p vector) (face int, at ijk) {
	nearest := -2.0
	for f := range frames {
		if d := p.dot(frames[f].center); d > nearest {
			face, nearest = f, d
		}
	}
	const grow = scale / unit
	x := p.dot(frames[face].x) / nearest * grow
	y := p.dot(frames[face].y) / nearest * grow
	j := y / sin60
	return face, round(x+j/2, j)
}

// address finds the index of a cell of resolution 6 from its place on a face.
func address(face int, at ijk) uint64 {
	var d digits
	for r := resolution; r > 0; r-- {
		parent := at.up(r)
		d[r] = at.minus(parent.down(r)).direction()
		at = parent
	}
	if max(at.i, at.j, at.k) > 2 {
		return 0
	}
	home := places[face][at.i][at.j][at.k]
	base := &baseCells[home.cell]
	if !base.pentagon {
		d.turn(int(home.turns))
		return d.index(int(home.cell))
	}
	if d.leading() == dirK {
		if base.clockwise[0] == face || base.clockwise[1] == face {
			d.turn(-1)
		} else {
			d.turn(1)
		}
	}
	for range home.turns {
		d.turn(1)
		if d.leading() == dirK {
			d.turn(1)
		}
	}
	return d.index(int(home.cell))
}

// place finds where on which face the cell with an index lies.
func place(cell uint64) (face int, at ijk, ok bool) {
	number, d, ok := parse(cell)
	if !ok {
		return 0, at, false
	}
	base := &baseCells[number]
	if base.pentagon && d.leading() == dirIK {
		d.turn(-1)
	}
	face, at = base.face, base.at
	for r := 1; r <= resolution; r++ {
		at = at.down(r).step(d[r])
	}
	if !base.pentagon {
		if base.at != (ijk{}) {
			face, at, _ = cross(face, at, false)
		}
		return face, at, true
	}
	crossed := true
	for skip := d.leading() == dirI; crossed; skip = false {
		face, at, crossed = cross(face, at, skip)
	}
	return face, at, true
}

// cross moves a place that lies beyond the edge of its face to the face where
// it really is. Skip is set for the part of a pentagon that lies next to the
// direction it lacks.
func cross(face int, at ijk, skip bool) (int, ijk, bool) {
	if at.i+at.j+at.k <= rim {
		return face, at, false
	}
	const ij, ki, jk = 0, 1, 2
	edge := ij
	switch {
	case at.k > 0 && at.j > 0:
		edge = jk
	case at.k > 0:
		edge = ki
		if skip {
			corner := ijk{rim, 0, 0}
			at = at.minus(corner).clockwise().plus(corner)
		}
	}
	n := &neighbors[face][edge]
	for range n.turns {
		at = at.counterclockwise()
	}
	return n.face, at.plus(n.move.times(scale)).normal(), true
}

package h3

import "math"

// vector is a point in space; the Earth is the unit sphere.
type vector struct{ x, y, z float64 }

func (a vector) dot(b vector) float64 { return a.x*b.x + a.y*b.y + a.z*b.z }

func (a vector) times(f float64) vector { return vector{a.x * f, a.y * f, a.z * f} }

func (a vector) plus(b vector) vector { return vector{a.x + b.x, a.y + b.y, a.z + b.z} }

func fromRadians(lat, lng float64) vector {
	sinLat, cosLat := math.Sincos(lat)
	sinLng, cosLng := math.Sincos(lng)
	return vector{cosLat * cosLng, cosLat * sinLng, sinLat}
}

func fromDegrees(lat, lng float64) vector {
	return fromRadians(lat*(math.Pi/180), lng*(math.Pi/180))
}

// degrees is the latitude and longitude of the direction of a vector.
func (a vector) degrees() (lat, lng float64) {
	return math.Atan2(a.z, math.Hypot(a.x, a.y)) * (180 / math.Pi), math.Atan2(a.y, a.x) * (180 / math.Pi)
}

// frame is the plane that touches the sphere in the middle of a face: x along
// the i axis of the grid, y to the left of it.
type frame struct{ center, x, y vector }

var frames = makeFrames()

func makeFrames() (list [faces]frame) {
	for f, c := range centers {
		sinLat, cosLat := math.Sincos(c.lat)
		sinLng, cosLng := math.Sincos(c.lng)
		north := vector{-sinLat * cosLng, -sinLat * sinLng, cosLat}
		east := vector{-sinLng, cosLng, 0}
		sin, cos := math.Sincos(c.azimuth)
		list[f] = frame{
			center: fromRadians(c.lat, c.lng),
			x:      north.times(cos).plus(east.times(sin)),
			y:      north.times(sin).plus(east.times(-cos)),
		}
	}
	return list
}

// point is the direction of a point of the plane.
func (f *frame) point(x, y float64) vector {
	return f.center.plus(f.x.times(x)).plus(f.y.times(y))
}

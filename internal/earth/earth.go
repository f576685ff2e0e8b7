// Package earth measures on the Earth as a sphere.
package earth

import "math"

// MeanRadius is that of the Earth, in kilometres (IUGG R1).
const MeanRadius = 6371.0088

// Distance is the length of the great circle between two places given in
// degrees, in kilometres, by the haversine formula.
func Distance(lat1, lng1, lat2, lng2 float64) float64 {
	const radians = math.Pi / 180
	half := func(degrees float64) float64 { s := math.Sin(degrees * radians / 2); return s * s }
	h := half(lat2-lat1) + math.Cos(lat1*radians)*math.Cos(lat2*radians)*half(lng2-lng1)
	return 2 * MeanRadius * math.Asin(math.Min(1, math.Sqrt(h)))
}

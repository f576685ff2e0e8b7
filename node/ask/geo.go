package ask

import (
	"math"

	"sayso/internal/earth"
)

const radians = math.Pi / 180

// sphere is the distance of two places on a sphere, in kilometres.
func sphere(a, b point) float64 { return earth.Distance(a.lat, a.lng, b.lat, b.lng) }

// The WGS 84 ellipsoid: equatorial radius in kilometres, and flattening.
const (
	wgsA = 6378.137
	wgsF = 1 / 298.257223563
	wgsB = wgsA * (1 - wgsF)
)

// ellipsoid is the length of the geodesic between two places on the WGS 84
// ellipsoid, in kilometres, by the inverse formula of Vincenty (1975), which is
// exact to a millimetre. Nearly antipodal places, where it does not converge,
// are measured on the sphere.
func ellipsoid(a, b point) float64 {
	u1 := math.Atan((1 - wgsF) * math.Tan(a.lat*radians))
	u2 := math.Atan((1 - wgsF) * math.Tan(b.lat*radians))
	sinU1, cosU1 := math.Sincos(u1)
	sinU2, cosU2 := math.Sincos(u2)
	l := (b.lng - a.lng) * radians
	lambda := l
	for range 100 {
		sinL, cosL := math.Sincos(lambda)
		sinSigma := math.Hypot(cosU2*sinL, cosU1*sinU2-sinU1*cosU2*cosL)
		if sinSigma == 0 {
			return 0
		}
		cosSigma := sinU1*sinU2 + cosU1*cosU2*cosL
		sigma := math.Atan2(sinSigma, cosSigma)
		sinAlpha := cosU1 * cosU2 * sinL / sinSigma
		cos2Alpha := 1 - sinAlpha*sinAlpha
		cos2M := 0.0
		if cos2Alpha != 0 {
			cos2M = cosSigma - 2*sinU1*sinU2/cos2Alpha
		}
		c := wgsF / 16 * cos2Alpha * (4 + wgsF*(4-3*cos2Alpha))
		last := lambda
		lambda = l + (1-c)*wgsF*sinAlpha*(sigma+c*sinSigma*(cos2M+c*cosSigma*(2*cos2M*cos2M-1)))
		if math.Abs(lambda-last) > 1e-12 {
			continue
		}
		k := cos2Alpha * (wgsA*wgsA - wgsB*wgsB) / (wgsB * wgsB)
		big := 1 + k/16384*(4096+k*(-768+k*(320-175*k)))
		small := k / 1024 * (256 + k*(-128+k*(74-47*k)))
		delta := small * sinSigma * (cos2M + small/4*(cosSigma*(2*cos2M*cos2M-1)-
			small/6*cos2M*(4*sinSigma*sinSigma-3)*(4*cos2M*cos2M-3)))
		return wgsB * big * (sigma - delta)
	}
	return sphere(a, b)
}

// inPolygon says whether a place lies in a polygon drawn on plain longitude and
// latitude: whether a ray from it crosses the border an odd number of times.
func inPolygon(corners []point, p point) bool {
	inside := false
	b := corners[len(corners)-1]
	for _, a := range corners {
		if (a.lat > p.lat) != (b.lat > p.lat) && p.lng < (b.lng-a.lng)*(p.lat-a.lat)/(b.lat-a.lat)+a.lng {
			inside = !inside
		}
		b = a
	}
	return inside
}

package ask

import (
	"math"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/ask/graphql"
)

// keep makes the condition of a filter on values of a kind; nil if it asks for
// nothing.
func (a *answers) keep(kind sayso.Kind, filter graphql.Args) (func(sayso.Value) bool, error) {
	if kind == sayso.Position {
		within, err := locationFilter(a.dialect, filter)
		if err != nil || within == nil {
			return nil, err
		}
		return func(v sayso.Value) bool { return within(point{v.Location.Latitude, v.Location.Longitude}) }, nil
	}
	match := floatFilter(a.dialect, filter)
	if match == nil {
		return nil, nil
	}
	return func(v sayso.Value) bool { return match(v.Number) }, nil
}

// floatFilter reads a SignalFloatFilter; nil if it asks for nothing. Its
// members must all hold. Of the alternatives under or, one must hold as well in
// the token-id dialect, and instead in the subject dialect (spec api 3.6).
func floatFilter(d catalogue.Dialect, filter graphql.Args) func(float64) bool {
	base := floatMembers(filter)
	or := alternatives(filter, func(f graphql.Args) func(float64) bool { return floatFilter(d, f) })
	if d == catalogue.Telemetry && base != nil && or != nil {
		return every([]func(float64) bool{base, some(or)})
	}
	return instead(base, or)
}

// floatMembers are the members other than or.
func floatMembers(filter graphql.Args) func(float64) bool {
	var all []func(float64) bool
	for name, test := range map[string]func(x, y float64) bool{
		"eq":  func(x, y float64) bool { return x == y },
		"neq": func(x, y float64) bool { return x != y },
		"gt":  func(x, y float64) bool { return x > y },
		"lt":  func(x, y float64) bool { return x < y },
		"gte": func(x, y float64) bool { return x >= y },
		"lte": func(x, y float64) bool { return x <= y },
	} {
		if y, ok := graphql.Arg[float64](filter, name); ok {
			all = append(all, func(x float64) bool { return test(x, y) })
		}
	}
	for name, want := range map[string]bool{"in": true, "notIn": false} {
		if list, _ := graphql.Arg[[]any](filter, name); len(list) > 0 {
			members := make(map[float64]bool, len(list))
			for _, item := range list {
				if y, ok := item.(float64); ok {
					members[y] = true
				}
			}
			all = append(all, func(x float64) bool { return members[x] == want })
		}
	}
	return every(all)
}

// point is a place in degrees.
type point struct{ lat, lng float64 }

func (p point) valid() bool {
	return math.Abs(p.lat) <= 90 && math.Abs(p.lng) <= 180
}

func readPoint(a any) point {
	args, _ := a.(graphql.Args)
	lat, _ := graphql.Arg[float64](args, "latitude")
	lng, _ := graphql.Arg[float64](args, "longitude")
	return point{lat, lng}
}

// locationFilter reads a SignalLocationFilter. Polygon and circle must both
// hold. Distances are on the WGS 84 ellipsoid in the token-id dialect and on a
// sphere in the subject dialect (spec api 3.6).
func locationFilter(d catalogue.Dialect, filter graphql.Args) (func(point) bool, error) {
	var tests []func(point) bool
	if list, ok := graphql.Arg[[]any](filter, "inPolygon"); ok {
		if len(list) < 3 {
			return nil, invalid("not enough points in geofence filter")
		}
		corners := make([]point, len(list))
		for i, item := range list {
			if corners[i] = readPoint(item); !corners[i].valid() {
				return nil, invalid("invalid geofence polygon vertex")
			}
		}
		tests = append(tests, func(p point) bool { return inPolygon(corners, p) })
	}
	if circle, ok := graphql.Arg[graphql.Args](filter, "inCircle"); ok {
		centre := readPoint(circle["center"])
		radius, _ := graphql.Arg[float64](circle, "radius")
		switch {
		case !centre.valid():
			return nil, invalid("invalid circle filter location")
		case radius < 0 || math.IsNaN(radius) || math.IsInf(radius, 0):
			return nil, invalid("invalid circle filter radius")
		}
		distance := sphere
		if d == catalogue.Telemetry {
			distance = ellipsoid
		}
		tests = append(tests, func(p point) bool { return distance(centre, p) <= radius })
	}
	return every(tests), nil
}

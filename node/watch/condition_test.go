package watch

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"sayso"
)

func number(f float64) Seen { return Seen{Value: sayso.NumberValue(f)} }

func at(lat, lng float64) Seen {
	return Seen{Value: sayso.LocationValue(sayso.Location{Latitude: lat, Longitude: lng, HDOP: 2})}
}

func TestConditions(t *testing.T) {
	source := sayso.Address{19: 0xab}
	for _, c := range []struct {
		text   string
		now    Seen
		before *Seen
		want   bool
	}{
		{"value > 120", number(121), nil, true},
		{"value > 120.0", number(120), nil, false},
		{"valueNumber >= 1 && !hasPrevious", number(1), nil, true},
		{"value != previousValue && hasPrevious", number(1), &Seen{Value: sayso.NumberValue(0)}, true},
		{"previousValue == 0.0 && previousValueNumber == 0.0", number(1), nil, true},
		{"value < previousValue", number(8), &Seen{Value: sayso.NumberValue(9)}, true},
		{`value == "COMBUSTION"`, Seen{Value: sayso.TextValue("COMBUSTION")}, nil, true},
		{`valueString.startsWith("P0")`, Seen{Value: sayso.TextValue("P0420")}, nil, true},
		{`previousValueString == "" && previousValue == ""`, Seen{Value: sayso.TextValue("x")}, nil, true},
		{"geoDistance(value.latitude, value.longitude, 52.52, 13.405) < 1.0", at(52.521, 13.405), nil, true},
		{"geoDistance(value.latitude, value.longitude, 52.52, 13.405) < 1.0", at(48.1, 11.5), nil, false},
		{"value.hdop == 2.0 && value.hdop >= 2", at(1, 1), nil, true},
		{"previousValue.latitude == 0.0", at(1, 1), nil, true},
		{`source == "` + source.String() + `"`, Seen{Value: sayso.NumberValue(1), Source: source}, nil, true},
		{`source == ""`, number(1), nil, true},
	} {
		cond, err := SignalCondition(c.text, c.now.Value.Kind)
		if err != nil {
			t.Error(err)
			continue
		}
		if got, err := cond.Holds(c.now, c.before); err != nil || got != c.want {
			t.Errorf("%s: %v %v", c.text, got, err)
		}
	}
	event, err := EventCondition(`name == "behavior.harshBraking" && durationNs > 1000000 && metadata.contains("g") && previousName == "" && !hasPrevious`)
	if err != nil {
		t.Fatal(err)
	}
	now := Seen{Name: "behavior.harshBraking", Duration: 2e6, Metadata: `{"g":0.6}`}
	if held, err := event.Holds(now, nil); err != nil || !held {
		t.Error("the event:", held, err)
	}
	if held, err := event.Holds(now, &now); err != nil || held {
		t.Error("the second event:", held, err)
	}
}

// TestBadConditions: what is no condition is refused with the reason, and one
// that costs too much does not hold.
func TestBadConditions(t *testing.T) {
	for _, text := range []string{
		"", "value", "value >", "1", "value > \"x\"", "nobody > 1", "value > 1;", "geoDistance(1.0)", "value.latitude > 1",
		"[1,2,3]", strings.Repeat("value > 1 && ", 1000) + "true", strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500),
	} {
		_, err := SignalCondition(text, sayso.Number)
		if err == nil {
			t.Errorf("%.40q is taken for a condition", text)
		} else if sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	long := "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, a*b*c > 0)))"
	c, err := SignalCondition(long, sayso.Number)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := c.Holds(number(1), nil); held || err == nil {
		t.Error("a costly condition holds:", held, err)
	}
}

// TestDistances compares with distances between places that are known.
func TestDistances(t *testing.T) {
	for _, c := range []struct{ lat1, lng1, lat2, lng2, km float64 }{
		{0, 0, 0, 0, 0}, {0, 0, 0, 180, math.Pi * 6371.0088}, {90, 0, -90, 0, math.Pi * 6371.0088}, {0, 0, 1, 0, math.Pi * 6371.0088 / 180},
		{52.52, 13.405, 48.137, 11.575, 504.2},
	} {
		text := "geoDistance(" + num(c.lat1) + "," + num(c.lng1) + "," + num(c.lat2) + "," + num(c.lng2) + ")"
		low, high := c.km*0.999-1e-6, c.km*1.001+1e-6
		cond, err := SignalCondition(text+" >= "+num(low)+" && "+text+" <= "+num(high), sayso.Number)
		if err != nil {
			t.Fatal(err)
		}
		if held, err := cond.Holds(number(0), nil); err != nil || !held {
			t.Errorf("%s is not %g: %v", text, c.km, err)
		}
	}
}

// num writes a number as CEL reads a double.
func num(f float64) string { return "double(\"" + strconv.FormatFloat(f, 'g', -1, 64) + "\")" }

// FuzzCondition: any text is compiled or refused, without a panic; and the
// comparison of two numbers is that of Go.
func FuzzCondition(f *testing.F) {
	f.Add("value > 1", 1.0, 2.0)
	f.Add("value.latitude > 1 ? true : previousValue < 3", -1.0, 0.0)
	f.Add(`[value].exists(v, v > 1) || "a" in ["b"]`, 1e300, math.Inf(1))
	f.Fuzz(func(t *testing.T, text string, a, b float64) {
		if c, err := SignalCondition(text, sayso.Number); err == nil {
			c.Holds(number(a), &Seen{Value: sayso.NumberValue(b)})
		}
		for op, want := range map[string]bool{"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b} {
			c, err := SignalCondition("value "+op+" previousValue", sayso.Number)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Holds(number(a), &Seen{Value: sayso.NumberValue(b)}); err != nil || got != want {
				t.Fatalf("%v %s %v: %v %v", a, op, b, got, err)
			}
		}
	})
}

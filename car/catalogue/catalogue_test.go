package catalogue

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"sayso"
)

var accept = flag.Bool("accept", false, "write the rendered files instead of comparing with them")

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// golden compares a rendered text with a committed file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *accept {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s differs at line %d (run the test with -accept if it is meant to):\n got %s\nwant %s", file, i+1, g[i], w[i])
		}
	}
	t.Fatalf("%s has %d lines, rendered %d (run the test with -accept if it is meant to)", file, len(w), len(g))
}

func TestLookUps(t *testing.T) {
	c := load(t)
	if n := len(c.Signals()); n != 117 {
		t.Errorf("%d signals, want 117", n)
	}
	if !slices.IsSortedFunc(c.Signals(), func(a, b *Signal) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the list is not sorted by name")
	}
	for _, s := range c.Signals() {
		if c.Signal(s.Name) != s || c.SignalBytes([]byte(s.Name)) != s || c.ByID(s.ID) != s {
			t.Errorf("%s is not found by its name or number", s.Name)
		}
		if s.Description == "" || strings.HasSuffix(s.Description, ".") {
			t.Errorf("%s: the description is empty or ends with a full stop", s.Name)
		}
		if s.Kind == sayso.Number && len(s.Allowed) == 0 && (!s.HasMin || !s.HasMax || s.Min >= s.Max) {
			t.Errorf("%s has no bounds", s.Name)
		}
	}
	if c.Signal("Vehicle.Speed") != nil || c.ByID(0) != nil || c.ByID(65535) != nil {
		t.Error("something is found that does not exist")
	}
	if !c.Signal("isIgnitionOn").Boolean() || c.Signal("speed").Boolean() {
		t.Error("Boolean is wrong")
	}
	if len(c.Events()) != 18 || !c.KnownEvent("behavior.harshBraking") || c.KnownEvent("behavior.harsh") {
		t.Error("the events are wrong")
	}
	if len(c.Permissions()) != 8 {
		t.Error("the permissions are wrong")
	}
}

// TestNamesFollowPaths checks the naming rule of spec api 3.3.
func TestNamesFollowPaths(t *testing.T) {
	for _, s := range load(t).Signals() {
		if s.Computed() {
			continue
		}
		parts := strings.Split(strings.TrimPrefix(s.VSS, "Vehicle."), ".")
		if first := parts[0]; first == strings.ToUpper(first) {
			parts[0] = strings.ToLower(first)
		} else {
			parts[0] = strings.ToLower(first[:1]) + first[1:]
		}
		if want := strings.Join(parts, ""); s.Name != want {
			t.Errorf("%s is called %s, want %s", s.VSS, s.Name, want)
		}
	}
}

// TestWhereabouts checks that nothing that tells where the vehicle is can be
// read with the ordinary permission, and that nothing else asks for more.
func TestWhereabouts(t *testing.T) {
	c := load(t)
	all := sayso.AllPermissions()
	for _, s := range c.Signals() {
		position := strings.HasPrefix(s.Name, "currentLocation")
		if s.Locates() != position {
			t.Errorf("%s: Locates() = %v", s.Name, s.Locates())
		}
		need := sayso.NonLocationHistory
		if position {
			need = sayso.LocationHistory
		}
		if !s.Readable(sayso.PermissionSet(need)) {
			t.Errorf("%s cannot be read with %s", s.Name, need)
		}
		approximate := s.Name == "currentLocationApproximateCoordinates"
		without := all.Without(sayso.PermissionSet(need))
		if s.Readable(without) != approximate {
			t.Errorf("%s without %s: readable = %v", s.Name, need, s.Readable(without))
		}
		if s.Computed() != approximate {
			t.Errorf("%s: Computed() = %v", s.Name, s.Computed())
		}
		if s.Readable(sayso.PermissionSet(sayso.ApproximateLocation)) != approximate {
			t.Errorf("%s is readable with the approximate permission: %v", s.Name, !approximate)
		}
	}
	for _, name := range []string{"currentLocationAltitude", "currentLocationHeading", "currentLocationCoordinates"} {
		if s := c.Signal(name); s == nil || !slices.Equal(s.Need, []sayso.Permission{sayso.LocationHistory}) {
			t.Errorf("%s does not need the location permission alone", name)
		}
	}
}

// TestNumbersStay checks that a number once given stays with its signal. New
// signals are added to the file with -accept; a changed line always fails.
func TestNumbersStay(t *testing.T) {
	const file = "testdata/numbers.txt"
	data, err := os.ReadFile(file)
	if err != nil && !*accept {
		t.Fatal(err)
	}
	c, listed := load(t), map[string]bool{}
	for line := range strings.Lines(string(data)) {
		var id sayso.SignalID
		var name string
		if _, err := fmt.Sscan(line, &id, &name); err != nil {
			t.Fatalf("%s: %q: %v", file, line, err)
		}
		listed[name] = true
		if s := c.ByID(id); s == nil || s.Name != name {
			t.Errorf("number %d was given to %s and is not its any more", id, name)
		}
	}
	add := slices.Clone(c.Signals())
	add = slices.DeleteFunc(add, func(s *Signal) bool { return listed[s.Name] })
	slices.SortFunc(add, func(a, b *Signal) int { return int(a.ID) - int(b.ID) })
	for _, s := range add {
		data = fmt.Appendf(data, "%d %s\n", s.ID, s.Name)
	}
	if len(add) > 0 && !*accept {
		t.Fatalf("%d signals are not in %s; run the test with -accept", len(add), file)
	}
	if len(add) > 0 {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheck(t *testing.T) {
	c := load(t)
	at := func(lat, lng float64) sayso.Value {
		return sayso.LocationValue(sayso.Location{Latitude: lat, Longitude: lng})
	}
	long := strings.Repeat("x", MaxText+1)
	for _, x := range []struct {
		signal string
		value  sayso.Value
		want   string
	}{
		{"speed", sayso.NumberValue(42.5), ""},
		{"speed", sayso.NumberValue(0), ""},
		{"speed", sayso.NumberValue(500), ""},
		{"speed", sayso.NumberValue(-5), "-5 km/h is under 0 km/h"},
		{"speed", sayso.NumberValue(1e308), "1e+308 km/h is over 500 km/h"},
		{"speed", sayso.NumberValue(math.NaN()), "the number is not finite"},
		{"speed", sayso.NumberValue(math.Inf(-1)), "the number is not finite"},
		{"speed", sayso.TextValue("fast"), "want a number, got a text"},
		{"speed", sayso.Value{}, "want a number, got a value without a kind"},
		{"powertrainTransmissionTravelledDistance", sayso.NumberValue(3e7), "30000000 km is over 22000000 km"},
		{"isIgnitionOn", sayso.NumberValue(1), ""},
		{"isIgnitionOn", sayso.NumberValue(2), "2 is not one of 0, 1"},
		{"powertrainType", sayso.TextValue("HYBRID"), ""},
		{"powertrainType", sayso.TextValue("STEAM"), `"STEAM" is not an allowed value`},
		{"powertrainType", sayso.TextValue(""), `"" is not an allowed value`},
		{"powertrainFuelSystemSupportedFuelTypes", sayso.TextValue(`["E85","GASOLINE"]`), ""},
		{"powertrainFuelSystemSupportedFuelTypes", sayso.TextValue(`["E85","COAL"]`), `"COAL" is not an allowed value`},
		{"obdDTCList", sayso.TextValue(`["P0101"]`), ""},
		{"obdDTCList", sayso.TextValue(""), ""},
		{"obdDTCList", sayso.TextValue(long), "the text has 4097 bytes, over 4096"},
		{"obdDTCList", sayso.TextValue("\xff"), "the text is not UTF-8"},
		{"powertrainType", sayso.TextValue(strings.Repeat("ä", 50)), `"` + strings.Repeat("ä", 30) + `…" is not an allowed value`},
		{"currentLocationCoordinates", at(40.1, -73.2), ""},
		{"currentLocationCoordinates", at(-90, 180), ""},
		{"currentLocationCoordinates", at(0, 1e-7), ""},
		{"currentLocationCoordinates", at(0, 0), "(0,0) is what a receiver without a fix sends"},
		{"currentLocationCoordinates", at(95, 0), "latitude 95 is outside -90 to 90"},
		{"currentLocationCoordinates", at(1, -200), "longitude -200 is outside -180 to 180"},
		{"currentLocationCoordinates", at(math.NaN(), 1), "latitude or longitude is not finite"},
		{"currentLocationCoordinates", sayso.LocationValue(sayso.Location{Latitude: 1, HDOP: -1}), "hdop -1 is outside 0 to 100"},
		{"currentLocationCoordinates", sayso.LocationValue(sayso.Location{Latitude: 1, Heading: 361}), "heading 361 is outside 0 to 360"},
		{"currentLocationCoordinates", sayso.NumberValue(1), "want a position, got a number"},
	} {
		got := ""
		if err := c.Signal(x.signal).Check(x.value); err != nil {
			got = err.Error()
		}
		if got != x.want {
			t.Errorf("%s %+v: got %q, want %q", x.signal, x.value, got, x.want)
		}
	}
}

func TestValidEventName(t *testing.T) {
	for name, want := range map[string]bool{
		"behavior.harshBraking": true, "a.b": true, "a1.b2": true, "": false, ".": false, "a": false, "a.": false,
		".b": false, "a.b.c": false, "1a.b": false, "a.1b": false, "a-b.c": false, "a.b ": false, "ä.b": false, "a..b": false,
	} {
		if ValidEventName(name) != want {
			t.Errorf("ValidEventName(%q) is not %v", name, want)
		}
	}
}

func TestWrongDataIsRefused(t *testing.T) {
	const head = "id,name,path,kind,unit,min,max,allowed,permissions,description\n"
	const good = "1,speed,Vehicle.Speed,number,,,,,VEHICLE_NON_LOCATION_DATA,Speed\n"
	const events, permissions = "name,description\n", "number,claim,enum,description\n"
	if _, err := parse([]byte(head+good), []byte(events), []byte(permissions)); err != nil {
		t.Fatal(err)
	}
	for why, x := range map[string][3]string{
		"number twice":       {head + good + "1,a,Vehicle.A,number,,,,,VEHICLE_NON_LOCATION_DATA,A\n", events, permissions},
		"name twice":         {head + good + "2,speed,Vehicle.A,number,,,,,VEHICLE_NON_LOCATION_DATA,A\n", events, permissions},
		"path twice":         {head + good + "2,a,Vehicle.Speed,number,,,,,VEHICLE_NON_LOCATION_DATA,A\n", events, permissions},
		"number 0":           {head + strings.Replace(good, "1", "0", 1), events, permissions},
		"number too large":   {head + strings.Replace(good, "1", "65536", 1), events, permissions},
		"unknown kind":       {head + strings.Replace(good, "number", "bool", 1), events, permissions},
		"bound":              {head + "1,a,b,number,,x,,,VEHICLE_NON_LOCATION_DATA,A\n", events, permissions},
		"allowed":            {head + "1,a,b,number,,,,0|x,VEHICLE_NON_LOCATION_DATA,A\n", events, permissions},
		"unknown permission": {head + "1,a,b,number,,,,,VEHICLE_EVERYTHING,A\n", events, permissions},
		"no permission":      {head + "1,a,b,number,,,,,,A\n", events, permissions},
		"header":             {good, events, permissions},
		"event form":         {head + good, events + "braking,x\n", permissions},
		"event twice":        {head + good, events + "a.b,x\na.b,x\n", permissions},
		"permission number":  {head + good, events, permissions + "2,privilege:GetNonLocationHistory,VEHICLE_NON_LOCATION_DATA,x\n"},
		"row length":         {head + "1,a\n", events, permissions},
	} {
		if _, err := parse([]byte(x[0]), []byte(x[1]), []byte(x[2])); err == nil {
			t.Errorf("%s: accepted", why)
		}
	}
}

func TestDocs(t *testing.T) { golden(t, "../../docs/signals.md", load(t).Docs()) }

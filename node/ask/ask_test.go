package ask

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"sayso"
	"sayso/car/catalogue"
)

func TestAggregations(t *testing.T) {
	w := newWorld(t)
	// speed at 0, 10 and 20 s: 50.5 60.5 (source A) 90.5 (source B); at 70 s: 0
	for _, c := range []struct{ field, want string }{
		{`speed(agg:AVG)`, `67.16666666666667`},
		{`speed(agg:MED)`, `60.5`},
		{`speed(agg:MAX)`, `90.5`},
		{`speed(agg:MIN)`, `50.5`},
		{`speed(agg:FIRST)`, `50.5`},
		{`speed(agg:LAST)`, `90.5`},
		{`powertrainType(agg:FIRST)`, `"ELECTRIC"`},
		{`powertrainType(agg:LAST)`, `"HYBRID"`},
		{`powertrainType(agg:TOP)`, `"HYBRID"`},
		{`powertrainType(agg:UNIQUE)`, `"ELECTRIC,HYBRID"`},
		{`speed(agg:AVG, filter:{gt:50.5})`, `75.5`},
		{`speed(agg:AVG, filter:{gte:50.5, lt:90.5})`, `55.5`},
		{`speed(agg:MAX, filter:{neq:90.5})`, `60.5`},
		{`speed(agg:MIN, filter:{eq:60.5})`, `60.5`},
		{`speed(agg:MIN, filter:{in:[60.5, 90.5]})`, `60.5`},
		{`speed(agg:MAX, filter:{notIn:[60.5, 90.5]})`, `50.5`},
		{`speed(agg:MAX, filter:{in:[], notIn:[], or:[]})`, `90.5`},
		{`speed(agg:MAX, filter:{or:[{eq:50.5},{eq:60.5}]})`, `60.5`},
		{`speed(agg:MAX, filter:{or:[{},{in:[]}]})`, `90.5`},
		{`speed(agg:AVG, filter:{lte:1000})`, `67.16666666666667`},
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			got := w.ask(t, d, "all", `{signals($3, interval:"1m", from:"2026-03-02T10:00:00Z", to:"2026-03-02T10:01:00Z"){timestamp x:`+c.field+`}}`)
			if want := `{"data":{"signals":[{"timestamp":"2026-03-02T10:00:00Z","x":` + c.want + `}]}}`; got != want {
				t.Errorf("%s\ngot  %s\nwant %s", c.field, got, want)
			}
		})
	}
	for range 20 {
		got := w.ask(t, catalogue.Telemetry, "all", `{signals($3, interval:"1m", from:"2026-03-02T10:00:00Z", to:"2026-03-02T10:01:00Z"){a:speed(agg:RAND) b:powertrainType(agg:RAND)}}`)
		var a float64
		var b string
		if _, err := fmt.Sscanf(got, `{"data":{"signals":[{"a":%f,"b":%q}]}}`, &a, &b); err != nil || !slices.Contains([]float64{50.5, 60.5, 90.5}, a) || !slices.Contains([]string{"ELECTRIC", "HYBRID"}, b) {
			t.Fatal(got, err)
		}
	}
}

func TestLocations(t *testing.T) {
	w := newWorld(t)
	// fixes: 10:02:01 (48.137154, 11.576124), 10:07:31 (48.207154, 11.676124), 10:07:32 (0, 0)
	const near = `inCircle:{center:{latitude:48.137154,longitude:11.576124},radius:%v}`
	const both2 = `{"latitude":48.172154000000006,"longitude":11.626124,"hdop":1.1875}`
	const first = `{"latitude":48.137154,"longitude":11.576124,"hdop":0.75}`
	const last = `{"latitude":48.207154,"longitude":11.676124,"hdop":1.625}`
	for _, c := range []struct{ args, want string }{
		{`agg:AVG`, both2},
		{`agg:FIRST`, first},
		{`agg:LAST`, last},
		{`agg:LAST, filter:{` + fmt.Sprintf(near, 1) + `}`, first},
		{`agg:FIRST, filter:{` + fmt.Sprintf(near, 0) + `}`, first},
		{`agg:LAST, filter:{` + fmt.Sprintf(near, 50) + `}`, last},
		{`agg:LAST, filter:{inPolygon:[{latitude:48.1,longitude:11.5},{latitude:48.1,longitude:11.6},{latitude:48.2,longitude:11.6},{latitude:48.2,longitude:11.5}]}`, first},
		{`agg:FIRST, filter:{inPolygon:[{latitude:48.2,longitude:11.6},{latitude:48.3,longitude:11.6},{latitude:48.2,longitude:11.8}]}`, last},
		// polygon and circle must both hold
		{`agg:LAST, filter:{` + fmt.Sprintf(near, 50) + `, inPolygon:[{latitude:48.1,longitude:11.5},{latitude:48.1,longitude:11.6},{latitude:48.2,longitude:11.6},{latitude:48.2,longitude:11.5}]}`, first},
		{`agg:LAST, filter:{}`, last},
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			got := w.ask(t, d, "all", `{signals($3, interval:"1h", from:"2026-03-02T10:00:00Z", to:"2026-03-02T11:00:00Z"){x:currentLocationCoordinates(`+c.args+`){latitude longitude hdop}}}`)
			if want := `{"data":{"signals":[{"x":` + c.want + `}]}}`; got != want {
				t.Errorf("%s\ngot  %s\nwant %s", c.args, got, want)
			}
		})
	}
	for filter, want := range map[string]string{
		`inPolygon:[]`: "not enough points in geofence filter",
		`inPolygon:[{latitude:1,longitude:1},{latitude:2,longitude:2}]`:                           "not enough points in geofence filter",
		`inPolygon:[{latitude:1,longitude:1},{latitude:2,longitude:2},{latitude:91,longitude:2}]`: "invalid geofence polygon vertex",
		`inCircle:{center:{latitude:1,longitude:181},radius:1}`:                                   "invalid circle filter location",
		`inCircle:{center:{latitude:1,longitude:1},radius:-1}`:                                    "invalid circle filter radius",
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			got := w.ask(t, d, "all", `{signals($3, interval:"1h", `+day+`){currentLocationCoordinates(agg:AVG, filter:{`+filter+`}){hdop}}}`)
			if want := `{"errors":[{"message":"` + want + `","path":["signals"],"extensions":{"code":"BAD_REQUEST"}}],"data":{"signals":null}}`; got != want {
				t.Errorf("%s: %s", filter, got)
			}
		})
	}
}

// Alternatives are added conditions in one dialect and exceptions in the other.
func TestAlternativesDifferByDialect(t *testing.T) {
	w := newWorld(t)
	const q = `{signals($3, interval:"1h", from:"2026-03-02T10:00:00Z", to:"2026-03-02T10:01:00Z"){a:speed(agg:AVG, filter:{lt:80, or:[{eq:50.5},{eq:90.5}]}) b:speed(agg:AVG, filter:{lt:55, or:[{gt:80, or:[{eq:90.5},{eq:3}]}]})}}`
	for d, want := range map[catalogue.Dialect]string{
		catalogue.Telemetry: `{"data":{"signals":[{"a":50.5,"b":null}]}}`,
		catalogue.Subject:   `{"data":{"signals":[{"a":67.16666666666667,"b":70.5}]}}`,
	} {
		if got := w.ask(t, d, "all", q); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestIntervals(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ name, args, fields, want string }{
		{"anchored at from", `interval:"30s", from:"2026-03-02T09:59:55Z", to:"2026-03-02T11:00:00Z"`, `timestamp speed(agg:MAX)`,
			`[{"timestamp":"2026-03-02T09:59:55Z","speed":90.5},{"timestamp":"2026-03-02T10:00:55Z","speed":0}]`},
		{"half open", `interval:"1h", from:"2026-03-02T10:00:10Z", to:"2026-03-02T10:00:20Z"`, `speed(agg:MAX)`, `[{"speed":60.5}]`},
		{"a filter removes intervals", `interval:"30s", from:"2026-03-02T10:00:00Z", to:"2026-03-02T11:00:00Z"`, `timestamp speed(agg:MAX, filter:{lt:1})`, `[{"timestamp":"2026-03-02T10:01:00Z","speed":0}]`},
		{"each alias filters alone", `interval:"1m", from:"2026-03-02T10:00:00Z", to:"2026-03-02T11:00:00Z"`, `a:speed(agg:MAX, filter:{lt:1}) b:speed(agg:MAX, filter:{gt:1})`, `[{"a":null,"b":90.5},{"a":0,"b":null}]`},
		{"aliases of one signal", `interval:"1m", from:"2026-03-02T10:00:00Z", to:"2026-03-02T10:01:00Z"`, `min:speed(agg:MIN) max:speed(agg:MAX) __typename`, `[{"min":50.5,"max":90.5,"__typename":"SignalAggregations"}]`},
		{"microseconds", `interval:"1us", from:"2026-03-02T10:00:10Z", to:"2026-03-02T10:00:10.01Z"`, `timestamp speed(agg:MAX)`, `[{"timestamp":"2026-03-02T10:00:10Z","speed":60.5}]`},
		{"nothing kept", `interval:"1h", from:"2025-03-02T10:00:00Z", to:"2025-03-02T11:00:00Z"`, `speed(agg:MAX)`, `null`},
		{"empty range", `interval:"1h", from:"2026-03-02T10:00:00Z", to:"2026-03-02T10:00:00Z"`, `speed(agg:MAX)`, `null`},
		{"no signals", `interval:"1h", from:"2026-03-02T10:00:00Z", to:"2026-03-02T11:00:00Z"`, `timestamp`, `[]`},
		{"one source", `interval:"1h", from:"2026-03-02T10:00:00Z", to:"2026-03-02T11:00:00Z", filter:{source:"did:ethr:137:` + sourceB.String() + `"}`, `a:speed(agg:MAX) b:speed(agg:MIN)`, `[{"a":90.5,"b":90.5}]`},
		{"one source, any case", `interval:"1h", from:"2026-03-02T10:00:00Z", to:"2026-03-02T11:00:00Z", filter:{source:"did:ethr:137:` + sourceB.Lower() + `"}`, `a:speed(agg:MAX)`, `[{"a":90.5}]`},
		{"another source", `interval:"1h", from:"2026-03-02T10:00:00Z", to:"2026-03-02T11:00:00Z", filter:{source:"did:ethr:137:` + testChain.Vehicle.String() + `"}`, `a:speed(agg:MAX)`, `null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, d catalogue.Dialect) {
				got := w.ask(t, d, "all", `{signals($3, `+c.args+`){`+c.fields+`}}`)
				if want := `{"data":{"signals":` + c.want + `}}`; got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		})
	}
	for args, want := range map[string]string{
		`interval:"1d", ` + day:    "invalid argument: interval '1d' is not a duration such as 30s, 5m or 1h",
		`interval:"", ` + day:      "invalid argument: interval '' is not a duration such as 30s, 5m or 1h",
		`interval:"0s", ` + day:    "invalid argument: interval must be at least 1 microsecond",
		`interval:"999ns", ` + day: "invalid argument: interval must be at least 1 microsecond",
		`interval:"-1h", ` + day:   "invalid argument: interval must be at least 1 microsecond",
		`interval:"1h", from:"2026-03-02T10:00:01Z", to:"2026-03-02T10:00:00Z"`: "from timestamp is after to timestamp",
		`interval:"863ms", ` + day:                                                           "interval too small for the requested window (exceeds the aggregation bucket limit)",
		`interval:"1h", filter:{source:"nobody"}, ` + day:                                    "invalid argument: source 'nobody' is not a valid ethr DID",
		`interval:"1h", filter:{source:"did:erc721:137:` + sourceA.String() + `:1"}, ` + day: "invalid argument: source 'did:erc721:137:" + sourceA.String() + ":1' is not a valid ethr DID",
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			got := w.ask(t, d, "all", `{signals($3, `+args+`){speed(agg:MAX)}}`)
			if want := `{"errors":[{"message":"` + want + `","path":["signals"],"extensions":{"code":"BAD_REQUEST"}}],"data":{"signals":null}}`; got != want {
				t.Errorf("%s: %s", args, got)
			}
		})
	}
	if got := w.ask(t, catalogue.Subject, "all", `{signals($3, interval:"864ms", `+day+`){speed(agg:MAX)}}`); !strings.HasPrefix(got, `{"data":{"signals":[{`) {
		t.Errorf("at the limit of intervals: %s", got)
	}
	if got := w.ask(t, catalogue.Subject, "all", `{signals($3, interval:"1h", from:"yesterday", to:"2026-03-02T10:00:00Z"){speed(agg:MAX)}}`); got != `{"errors":[{"message":"time should be RFC3339Nano formatted string","path":["signals","from"],"extensions":{"code":"BAD_REQUEST"}}],"data":{"signals":null}}` {
		t.Error(got)
	}
}

func TestLatest(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ as, query, want string }{
		{"all", `{signalsLatest($3){lastSeen speed{timestamp value} x:speed{value} powertrainType{timestamp value} exteriorAirTemperature{value} currentLocationCoordinates{timestamp value{latitude longitude hdop}}}}`,
			`{"data":{"signalsLatest":{"lastSeen":"2026-03-02T10:07:31Z","speed":{"timestamp":"2026-03-02T10:01:10Z","value":0},"x":{"value":0},"powertrainType":{"timestamp":"2026-03-02T10:00:25Z","value":"HYBRID"},"exteriorAirTemperature":null,"currentLocationCoordinates":{"timestamp":"2026-03-02T10:07:31Z","value":{"latitude":48.207154,"longitude":11.676124,"hdop":1.625}}}}}`},
		{"all", `{signalsLatest($3, filter:{source:"did:ethr:137:` + sourceB.String() + `"}){lastSeen speed{value} powertrainType{value}}}`,
			`{"data":{"signalsLatest":{"lastSeen":"2026-03-02T10:00:20Z","speed":{"value":90.5},"powertrainType":null}}}`},
		// the cell of the first fix of the quarter of an hour, not of the last
		{"approximate", `{signalsLatest($3){lastSeen currentLocationApproximateCoordinates{timestamp value{latitude longitude hdop}}}}`,
			`{"data":{"signalsLatest":{"lastSeen":"2026-03-02T10:00:00Z","currentLocationApproximateCoordinates":{"timestamp":"2026-03-02T10:00:00Z","value":{"latitude":` + cell()[0] + `,"longitude":` + cell()[1] + `,"hdop":0}}}}}`},
		{"anna 4", `{signalsLatest($4){lastSeen speed{value}} signalsSnapshot($4){lastSeen signals{name}} availableSignals($4) dataSummary($4){numberOfSignals availableSignals firstSeen lastSeen signalDataSummary{name} eventDataSummary{name}}}`,
			`{"data":{"signalsLatest":{"lastSeen":null,"speed":null},"signalsSnapshot":{"lastSeen":null,"signals":[]},"availableSignals":null,"dataSummary":{"numberOfSignals":0,"availableSignals":[],"firstSeen":"2026-03-02T12:00:00Z","lastSeen":"1900-01-01T00:00:00Z","signalDataSummary":[],"eventDataSummary":[]}}}`},
		{"nonlocation", `{signalsSnapshot($3){lastSeen signals{name timestamp valueNumber valueString valueLocation{latitude}}} availableSignals($3, filter:{source:"did:ethr:137:` + sourceB.String() + `"})}`,
			`{"data":{"signalsSnapshot":{"lastSeen":"2026-03-02T10:01:10Z","signals":[{"name":"powertrainType","timestamp":"2026-03-02T10:00:25Z","valueNumber":null,"valueString":"HYBRID","valueLocation":null},{"name":"speed","timestamp":"2026-03-02T10:01:10Z","valueNumber":0,"valueString":null,"valueLocation":null}]},"availableSignals":["speed"]}}`},
		{"all", `{dataSummary($3){numberOfSignals firstSeen lastSeen signalDataSummary{name numberOfSignals firstSeen lastSeen} eventDataSummary{name numberOfEvents firstSeen lastSeen}}}`,
			`{"data":{"dataSummary":{"numberOfSignals":12,"firstSeen":"2026-03-02T10:00:00Z","lastSeen":"2026-03-02T10:07:32Z","signalDataSummary":[{"name":"currentLocationAltitude","numberOfSignals":1,"firstSeen":"2026-03-02T10:02:03Z","lastSeen":"2026-03-02T10:02:03Z"},{"name":"currentLocationCoordinates","numberOfSignals":3,"firstSeen":"2026-03-02T10:02:01Z","lastSeen":"2026-03-02T10:07:32Z"},{"name":"currentLocationHeading","numberOfSignals":1,"firstSeen":"2026-03-02T10:02:04Z","lastSeen":"2026-03-02T10:02:04Z"},{"name":"powertrainType","numberOfSignals":3,"firstSeen":"2026-03-02T10:00:05Z","lastSeen":"2026-03-02T10:00:25Z"},{"name":"speed","numberOfSignals":4,"firstSeen":"2026-03-02T10:00:00Z","lastSeen":"2026-03-02T10:01:10Z"}],"eventDataSummary":[{"name":"behavior.harshBraking","numberOfEvents":1,"firstSeen":"2026-03-02T10:08:41Z","lastSeen":"2026-03-02T10:08:41Z"}]}}}`},
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			if got := w.ask(t, d, c.as, c.query); got != c.want {
				t.Errorf("%s asks %s\ngot  %s\nwant %s", c.as, c.query, got, c.want)
			}
		})
	}
}

// Fields may be seen of different ownerships. Of vehicle 5 anna sees everything
// of her own time, and of ben's what he granted her.
func TestOwnerships(t *testing.T) {
	w := newWorld(t)
	both(t, func(t *testing.T, d catalogue.Dialect) {
		got := w.ask(t, d, "anna 5", `{signals($5, interval:"24h", `+always+`){timestamp speed(agg:MAX) currentLocationCoordinates(agg:LAST){latitude} a:currentLocationApproximateCoordinates(agg:LAST){hdop} n:speed(agg:MIN)} signalsLatest($5){lastSeen speed{value} currentLocationCoordinates{value{latitude}}} dataSummary($5){numberOfSignals}}`)
		want := `{"data":{"signals":[{"timestamp":"2026-02-28T00:00:00Z","speed":21.5,"currentLocationCoordinates":{"latitude":52.520008},"a":{"hdop":0},"n":21.5},{"timestamp":"2026-03-02T00:00:00Z","speed":31.5,"currentLocationCoordinates":null,"a":null,"n":31.5}],"signalsLatest":{"lastSeen":"2026-03-02T10:00:00Z","speed":{"value":31.5},"currentLocationCoordinates":{"value":{"latitude":52.520008}}},"dataSummary":{"numberOfSignals":3}}}`
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := w.ask(t, d, "ben 5", `{signals($5, interval:"24h", `+always+`){timestamp speed(agg:MAX)}}`); got != `{"data":{"signals":[{"timestamp":"2026-03-02T00:00:00Z","speed":31.5}]}}` {
			t.Errorf("the owner sees %s", got)
		}
	})
}

// The queries of published clients, as they send them (spec api 12).
func TestQueriesOfClients(t *testing.T) {
	w := newWorld(t)
	const signals = `powertrainTransmissionTravelledDistance { timestamp value } exteriorAirTemperature { timestamp value } speed { timestamp value } powertrainType { timestamp value }`
	const answer = `{"powertrainTransmissionTravelledDistance":null,"exteriorAirTemperature":null,"speed":{"timestamp":"2026-03-02T10:01:10Z","value":0},"powertrainType":{"timestamp":"2026-03-02T10:00:25Z","value":"HYBRID"}}`
	for _, c := range []struct{ query, want string }{
		{`{ SignalsLatest(tokenID: 3) { ` + signals + ` } }`, `{"data":{"SignalsLatest":` + answer + `}}`},
		{`query GetSignalsLatest { signalsLatest(tokenId: 3) { ` + signals + ` } }`, `{"data":{"signalsLatest":` + answer + `}}`},
		// a name in place of the DID of a source chooses nothing
		{`{signals(tokenId:3, interval:"24h", ` + day + `, filter:{source:"autopi"}){speed(agg:MED)}}`, `{"data":{"signals":[{"speed":55.5}]}}`},
	} {
		if got := w.ask(t, catalogue.Telemetry, "all", c.query); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.query, got, c.want)
		}
	}
	if got := w.ask(t, catalogue.Telemetry, "all 4", `{SignalsLatest(tokenID:3){speed{value}}}`); !strings.Contains(got, "token id does not match") {
		t.Error(got)
	}
	if got := w.ask(t, catalogue.Subject, "all", `{SignalsLatest(tokenID:3){speed{value}}}`); !strings.Contains(got, "GRAPHQL_VALIDATION_FAILED") {
		t.Error(got)
	}
}

func TestComplexity(t *testing.T) {
	w := newWorld(t)
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d:speed(agg:MAX)", i)
		}
		return `{signals($3, interval:"24h", ` + day + `){` + b.String() + `}}`
	}
	if got := w.ask(t, catalogue.Telemetry, "all", many(99)); !strings.HasPrefix(got, `{"data":{"signals":[{"a0":90.5,`) {
		t.Errorf("99 aggregations: %.200s", got)
	}
	if got := w.ask(t, catalogue.Telemetry, "all", many(100)); !strings.Contains(got, "COMPLEXITY_LIMIT_EXCEEDED") || !strings.HasSuffix(got, `"data":null}`) {
		t.Errorf("100 aggregations: %.200s", got)
	}
}

func TestDistances(t *testing.T) {
	for _, c := range []struct {
		a, b           point
		ellipsoid, tol float64
	}{
		// Flinders Peak to Buninyong, the worked example of Vincenty's formula
		{point{-37.951033417, 144.424867889}, point{-37.652821139, 143.926495528}, 54.972271, 1e-5},
		{point{0, 0}, point{0, 1}, 111.319491, 1e-5},          // a degree of the equator
		{point{0, 0}, point{1, 0}, 110.574389, 1e-5},          // a degree of a meridian
		{point{48, 11}, point{48, 11}, 0, 0},                  // no distance
		{point{10, 20}, point{-10, -160}, 20015.11, 60},       // antipodes: on the sphere
		{point{90, 0}, point{-90, 0}, 20003.931459, 1e-4},     // pole to pole
		{point{0, 179.5}, point{0, -179.5}, 111.319491, 1e-5}, // across the date line
	} {
		if got := ellipsoid(c.a, c.b); got < c.ellipsoid-c.tol || got > c.ellipsoid+c.tol {
			t.Errorf("%v to %v: %f km, want %f", c.a, c.b, got, c.ellipsoid)
		}
		if got := sphere(c.a, c.b); got < c.ellipsoid*0.994-1e-9 || got > c.ellipsoid*1.006+1e-9 {
			t.Errorf("%v to %v on the sphere: %f km, want about %f", c.a, c.b, got, c.ellipsoid)
		}
	}
	// A radius between the two distances tells the dialects apart.
	a, b := point{0, 0}, point{1, 0}
	e, s := ellipsoid(a, b), sphere(a, b)
	if !(e < s) {
		t.Fatal(e, s)
	}
}

// notServed are the fields of the reference's root that are not in our schema.
var notServed = []string{"vinVCLatest", "attestations", "latestCloudEvent", "cloudEvents", "availableCloudEventTypes"}

// Every type, field and argument that we serve is that of the reference, and
// beyond notServed nothing is missing.
func TestSchemaEqualsReference(t *testing.T) {
	w := newWorld(t)
	for d, file := range map[catalogue.Dialect]string{catalogue.Telemetry: "telemetry", catalogue.Subject: "dq"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "spec", "schema-skeleton-"+file+".json"))
		if err != nil {
			t.Skip("the skeleton of the reference's schema is not beside the repository")
		}
		var reference map[string]struct {
			Kind   string
			Values []string
			Fields map[string]json.RawMessage
		}
		if err := json.Unmarshal(raw, &reference); err != nil {
			t.Fatal(err)
		}
		var differ []string
		for name, def := range w.servers[d].Schema().Types {
			if !def.BuiltIn {
				ref, known := reference[name]
				if !known {
					differ = append(differ, "type "+name)
					continue
				}
				differ = append(differ, compare(name, def, ref.Fields, ref.Values)...)
			}
		}
		slices.Sort(differ)
		if len(differ) > 0 {
			t.Errorf("%s differs:\n%s", file, strings.Join(differ, "\n"))
		}
	}
}

// compare lists where a type differs from its reference.
func compare(name string, def *ast.Definition, fields map[string]json.RawMessage, values []string) (differ []string) {
	for _, f := range def.Fields {
		var want struct {
			Type string
			Args map[string]string
		}
		if def.Kind == ast.InputObject {
			json.Unmarshal(fields[f.Name], &want.Type)
		} else {
			json.Unmarshal(fields[f.Name], &want)
		}
		got, typeName := map[string]string{}, f.Type.String()
		if f.DefaultValue != nil {
			typeName += " = " + f.DefaultValue.String()
		}
		for _, a := range f.Arguments {
			got[a.Name] = a.Type.String()
			if a.DefaultValue != nil {
				got[a.Name] += " = " + a.DefaultValue.String()
			}
		}
		if !strings.HasPrefix(f.Name, "__") && (typeName != want.Type || !maps.Equal(got, want.Args)) {
			differ = append(differ, name+"."+f.Name)
		}
	}
	for f := range fields {
		if def.Fields.ForName(f) == nil && !(name == "Query" && slices.Contains(notServed, f)) {
			differ = append(differ, "missing "+name+"."+f)
		}
	}
	for _, v := range values {
		if def.EnumValues.ForName(v) == nil {
			differ = append(differ, "missing "+name+" "+v)
		}
	}
	if len(def.EnumValues) != len(values) {
		differ = append(differ, "more values of "+name)
	}
	return differ
}

// A schema in which a signal needs no permission, or another one where it is
// aggregated, does not serve.
func TestUnguardedSignalsDoNotServe(t *testing.T) {
	w := newWorld(t)
	for _, change := range []func(*catalogue.Signal){
		func(s *catalogue.Signal) { s.Need = nil },
		func(s *catalogue.Signal) { s.OneOf = []sayso.Permission{sayso.LiveData} },
	} {
		c, err := catalogue.Load()
		if err != nil {
			t.Fatal(err)
		}
		change(c.Signal("speed"))
		if _, err := New(Config{Catalogue: c, Vault: w.vault}, catalogue.Subject); err == nil {
			t.Error("it serves")
		}
	}
}

func TestSlots(t *testing.T) {
	for text, want := range map[string]string{
		"1970-01-01T00:00:00Z": "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z": "1969-12-31T23:45:00Z",
		"2026-03-02T10:14:59.999999Z": "2026-03-02T10:00:00Z", "2026-03-02T10:15:00Z": "2026-03-02T10:15:00Z",
	} {
		at, _ := time.Parse(time.RFC3339Nano, text)
		if got := slotOf(sayso.At(at)).Time().Format(time.RFC3339); got != want {
			t.Errorf("%s is in the slot of %s, want %s", text, got, want)
		}
	}
}

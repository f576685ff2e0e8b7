package ask

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql/introspection"

	"sayso/node/ask/graphql"
)

// What a query costs is in its arguments; what clients of DIMO ask for passes.
func TestCost(t *testing.T) {
	const hours = `from:"2026-03-02T00:00:00Z", to:"2026-03-02T02:00:00Z"`
	names := func(n int, of string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "a%d:%s ", i, of)
		}
		return b.String()
	}
	const allTime = `from:"2016-01-01T00:00:00Z", to:"2026-12-31T00:00:00Z"`
	const week = `from:"2026-03-02T00:00:00Z", to:"2026-03-09T00:00:00Z"`
	w := newWorld(t)
	for _, c := range []struct {
		name, query string
		cost        int // 0: within the limit
	}{
		{"two hours by the minute", `{signals($3, interval:"1m", ` + hours + `){speed(agg:AVG)}}`, 0},
		{"100,000 intervals of a few signals", `{signals($3, interval:"1s", from:"2026-03-01T20:00:00Z", to:"2026-03-02T23:46:40Z"){` + names(5, "speed(agg:AVG)") + `}}`, 0},
		{"a week by the minute of all signals", `{signals($3, interval:"1m", ` + week + `){` + names(98, "speed(agg:AVG)") + `}}`, 0},
		{"ten years by the month of all signals", `{signals($3, interval:"720h", ` + allTime + `){` + names(98, "speed(agg:AVG)") + `}}`, 0},
		{"two years by the hour of all signals", `{signals($3, interval:"1h", from:"2024-03-09T00:00:00Z", to:"2026-03-09T00:00:00Z"){` + names(98, "speed(agg:AVG)") + `}}`, 0},
		{"a geofence over a year", `{signals($3, interval:"24h", from:"2025-03-09T00:00:00Z", to:"2026-03-09T00:00:00Z"){currentLocationCoordinates(agg:FIRST, filter:{inPolygon:[` + strings.Repeat("{latitude:1,longitude:1}", 200) + `]}){latitude}}}`, 0},
		{"a summary", `{dataSummary($3){numberOfSignals}}`, 0},
		{"latest of all", `{signalsLatest($3){` + names(49, "speed{value}") + `}}`, 0},

		{"a month of drives", `{segments($3, from:"2026-02-01T00:00:00Z", to:"2026-03-02T12:00:00Z", mechanism:$ignition, limit:200, signalRequests:[{name:"speed", agg:MED}]){duration}}`, 0},
		{"a month of days", `{dailyActivity($3, from:"2026-02-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$frequency){duration}}`, 0},
		{"fifteen months of charges", `{` + names(15, `segments($3, from:"2026-02-01T00:00:00Z", to:"2026-03-02T12:00:00Z", mechanism:$recharge){duration}`) + `}`, 0},
		{"events of all time", `{events($3, ` + allTime + `){name}}`, 0},

		// 7,200 intervals of 98 signals, three times, and two hours each
		{"three times too much", `{` + strings.ReplaceAll(names(3, "signals($3, interval:\"1s\", "+hours+"){#}"), "#", names(32, "speed(agg:AVG)")) + `}`, 0},
		{"100,000 intervals of too many", `{signals($3, interval:"1s", from:"2026-03-01T20:00:00Z", to:"2026-03-02T23:46:40Z"){` + names(20, "speed(agg:AVG)") + `}}`, 100_000*20 + 10*28},
		{"three summaries", `{` + names(3, "dataSummary($3){numberOfSignals}") + `}`, 3 * 10 * 87600},
		{"ten years are all time", `{` + names(3, "signals($3, interval:\"8760h\", from:\"1900-01-01T00:00:00Z\", to:\"2100-01-01T00:00:00Z\"){speed(agg:AVG)}") + `}`, 3 * (10*87600 + 201)},
	} {
		for d := range w.servers {
			got := w.askSegments(t, d, "all", c.query)
			refused := strings.Contains(got, "COMPLEXITY_LIMIT_EXCEEDED")
			if refused != (c.cost > 0) {
				t.Errorf("%s: %.300s", c.name, got)
			}
			if c.cost == 0 {
				continue
			}
			var cost int
			fmt.Sscanf(got, `{"errors":[{"message":"operation costs %d,`, &cost)
			if cost < c.cost || cost > c.cost+c.cost/1000+200 { // the values of the arguments come on top
				t.Errorf("%s costs %d, want %d", c.name, cost, c.cost)
			}
		}
	}
}

// A caller may ask what a query would cost; then it is told, and nothing is
// read.
func TestEstimates(t *testing.T) {
	f := newFortress(t, 10*time.Second, graphql.GateConfig{})
	a := attack{as: "all", head: [][2]string{{"X-Estimate-Cost", "true"}}, query: `{a:signals($3, interval:"1h", from:"2026-03-02T00:00:00Z", to:"2026-03-02T02:00:00Z"){speed(agg:AVG)} events($3, from:"2026-03-02T00:00:00Z", to:"2026-03-02T02:00:00Z"){name}}`}
	before := f.vault.reads.Load()
	o, err := f.send(a.request(f.URL, "telemetry"))
	want := `{"data":null,"extensions":{"estimatedCredits":0,"message":"the operation costs 33 of at most 2000000 and no credits: this node charges nothing for answers","queryBreakdown":[{"field":"signals","cost":22},{"field":"events","cost":3}]}}`
	if err != nil || o.status != 200 || strings.TrimSpace(string(o.body)) != want || f.vault.reads.Load() != before {
		t.Errorf("%v %s", err, o.body)
	}
	if o, _ := f.send(a.request(f.URL, "subject")); len(o.parsed.Errors) > 0 || o.parsed.Data["a"] == nil {
		t.Errorf("the other dialect knows no such header: %s", o.body)
	}
	a.query = `{nothing}`
	if o, _ := f.send(a.request(f.URL, "telemetry")); o.status != 422 {
		t.Errorf("what is not valid is refused: %d %s", o.status, o.body)
	}
}

// What tools ask for of the schema passes, and is far from the limits.
func TestToolsReadTheSchema(t *testing.T) {
	f := newFortress(t, 10*time.Second, graphql.GateConfig{})
	for _, to := range []string{"telemetry", "subject", "identity"} {
		a := attack{query: introspection.Query}
		o, err := f.send(a.request(f.URL, to))
		if err != nil || o.status != 200 || o.parsed.Errors != nil {
			t.Errorf("%s: %v %.300s", to, err, o.body)
			continue
		}
		objects := strings.Count(string(o.body), "{")
		t.Logf("%s: %d objects, %d KiB", to, objects, len(o.body)>>10)
		if objects > 25_000 {
			t.Errorf("%s: %d objects", to, objects)
		}
	}
}

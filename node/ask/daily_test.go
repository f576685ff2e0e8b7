package ask

import (
	"strings"
	"testing"
	"time"

	"sayso/car/catalogue"
)

const dayFields = `start{timestamp value{latitude longitude hdop}} end{timestamp value{latitude longitude hdop}} segmentCount duration signals{name agg value} eventCounts{name count}`

// A day has what was driven in it; a drive that goes on counts up to now.
func TestDailyActivity(t *testing.T) {
	w := journeys(t)
	const nowhere = `{"latitude":0,"longitude":0,"hdop":0}`
	const today = `{"start":{"timestamp":"2026-03-02T00:00:00Z","value":{"latitude":48.1,"longitude":11.1,"hdop":1.5}},"end":{"timestamp":"2026-03-03T00:00:00Z","value":{"latitude":48.207154,"longitude":11.676124,"hdop":1.625}},"segmentCount":2,"duration":2400,`
	both(t, func(t *testing.T, d catalogue.Dialect) {
		got := w.askSegments(t, d, "all", `{dailyActivity($3, from:"2026-03-01T23:59:59Z", to:"2026-03-02T00:00:00Z", mechanism:$ignition, signalRequests:[{name:"speed", agg:MIN}]){`+dayFields+`}}`)
		want := `{"data":{"dailyActivity":[{"start":{"timestamp":"2026-03-01T00:00:00Z","value":` + nowhere + `},"end":{"timestamp":"2026-03-02T00:00:00Z","value":` + nowhere + `},"segmentCount":0,"duration":0,"signals":[],"eventCounts":[]},` + today +
			`"signals":[{"name":"powertrainFuelSystemRelativeLevel","agg":"FIRST","value":60.5},{"name":"powertrainFuelSystemRelativeLevel","agg":"LAST","value":55.5},{"name":"powertrainTransmissionTravelledDistance","agg":"FIRST","value":1000},` +
			`{"name":"powertrainTransmissionTravelledDistance","agg":"LAST","value":1020.5},{"name":"speed","agg":"MAX","value":99},{"name":"speed","agg":"MIN","value":0}],` +
			`"eventCounts":[{"name":"behavior.harshBraking","count":3},{"name":"safety.collision","count":1},{"name":"security.engineBlock","count":1}]}]}}`
		if got != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
		// a day without drives begins and ends with its own positions
		got = w.askSegments(t, d, "all", `{dailyActivity($3, from:"2026-03-02T05:00:00Z", to:"2026-03-02T06:00:00Z", mechanism:$frequency){segmentCount duration start{value{latitude}} end{value{latitude}}}}`)
		if want := `{"data":{"dailyActivity":[{"segmentCount":0,"duration":0,"start":{"value":{"latitude":48.1}},"end":{"value":{"latitude":48.207154}}}]}}`; got != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
		// events that are asked for are there, also on a day without
		got = w.askSegments(t, d, "all", `{dailyActivity($3, from:"2026-03-01T05:00:00Z", to:"2026-03-02T06:00:00Z", mechanism:$changePoint, eventRequests:[{name:"safety.collision"}]){eventCounts{name count}}}`)
		if want := `{"data":{"dailyActivity":[{"eventCounts":[{"name":"safety.collision","count":0}]},{"eventCounts":[{"name":"safety.collision","count":1}]}]}}`; got != want {
			t.Errorf("\ngot  %s\nwant %s", got, want)
		}
	})
}

// Days are those of the time zone, of 23 to 25 hours; a drive across midnight
// counts in both; a day without a position begins and ends at the last one.
func TestDaysOfTimeZones(t *testing.T) {
	w := newWorld(t)
	utc := func(text string) time.Time {
		moment, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	keepTogether(t, w.vault, 3, []said{
		{at: utc("2025-10-25T21:30:00Z"), signal: "isIgnitionOn", value: 1.0, source: sourceA},
		{at: utc("2025-10-25T21:31:00Z"), signal: "currentLocationCoordinates", value: [3]float64{52.5, 13.5, 1}, source: sourceA},
		{at: utc("2025-10-25T22:15:00Z"), signal: "currentLocationCoordinates", value: [3]float64{52.75, 13.5, 1}, source: sourceA},
		{at: utc("2025-10-25T22:20:00Z"), signal: "isIgnitionOn", value: 0.0, source: sourceA},
	})
	for _, c := range []struct{ from, to, zone, want string }{
		{"2025-10-25T12:00:00Z", "2025-10-27T12:00:00Z", `, timezone:"Europe/Berlin"`, // clocks go back on the 26th
			`2025-10-24T22:00:00Z,2025-10-25T22:00:00Z,1,1800,52.5,52.75 2025-10-25T22:00:00Z,2025-10-26T23:00:00Z,1,1200,52.5,52.75 2025-10-26T23:00:00Z,2025-10-27T23:00:00Z,0,0,52.75,52.75`},
		{"2025-10-25T22:30:00Z", "2025-10-25T22:40:00Z", `, timezone:"Europe/Berlin"`, `2025-10-25T22:00:00Z,2025-10-26T23:00:00Z,1,1200,52.5,52.75`},
		{"2025-10-25T22:30:00Z", "2025-10-25T22:40:00Z", ``, `2025-10-25T00:00:00Z,2025-10-26T00:00:00Z,1,3000,52.5,52.75`},
		{"2025-10-25T22:30:00Z", "2025-10-25T22:40:00Z", `, timezone:""`, `2025-10-25T00:00:00Z,2025-10-26T00:00:00Z,1,3000,52.5,52.75`},
		{"2025-10-25T12:00:00Z", "2025-10-25T12:00:00Z", `, timezone:"Asia/Kathmandu"`, `2025-10-24T18:15:00Z,2025-10-25T18:15:00Z,0,0,0,0`},
		{"2025-03-30T00:30:00Z", "2025-03-30T00:30:00Z", `, timezone:"Europe/Berlin"`, `2025-03-29T23:00:00Z,2025-03-30T22:00:00Z,0,0,0,0`},          // 23 hours
		{"2018-11-04T12:00:00Z", "2018-11-04T12:00:00Z", `, timezone:"America/Sao_Paulo"`, `2018-11-04T03:00:00Z,2018-11-05T02:00:00Z,0,0,0,0`},      // without its first hour
		{"2025-11-02T12:00:00Z", "2025-11-02T12:00:00Z", `, timezone:"America/Havana"`, `2025-11-02T04:00:00Z,2025-11-03T05:00:00Z,0,0,52.75,52.75`}, // with two midnights
		{"2011-12-29T12:00:00Z", "2011-12-31T00:00:00Z", `, timezone:"Pacific/Apia"`, // where the 30th never was
			`2011-12-29T10:00:00Z,2011-12-30T10:00:00Z,0,0,0,0 2011-12-30T10:00:00Z,2011-12-30T10:00:00Z,0,0,0,0 2011-12-30T10:00:00Z,2011-12-31T10:00:00Z,0,0,0,0`},
	} {
		got := w.askSegments(t, catalogue.Telemetry, "all", `{dailyActivity($3, from:"`+c.from+`", to:"`+c.to+`", mechanism:$ignition`+c.zone+`){start{timestamp} end{timestamp} segmentCount duration a:start{value{latitude}} b:end{value{latitude}}}}`)
		var days []string
		for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(got, `{"data":{"dailyActivity":[{`), `}]}}`), `},{"start"`) {
			for _, word := range []string{`"start":{"timestamp":"`, `"end":{"timestamp":"`, `"segmentCount":`, `"duration":`, `"a":{"value":{"latitude":`, `"b":{"value":{"latitude":`, `"}`, `}`, `:{"timestamp":"`} {
				part = strings.ReplaceAll(part, word, "")
			}
			days = append(days, part)
		}
		if strings.Join(days, " ") != c.want {
			t.Errorf("%s to %s%s\ngot  %s\nwant %s\n%s", c.from, c.to, c.zone, strings.Join(days, " "), c.want, got)
		}
	}
}

func TestDailyArguments(t *testing.T) {
	w := newWorld(t)
	for args, want := range map[string]string{
		`from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$idling`:                                  "dailyActivity does not accept mechanism $idling",
		`from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$refuel`:                                  "dailyActivity does not accept mechanism $refuel",
		`from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$recharge`:                                "dailyActivity does not accept mechanism $recharge",
		`from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$ignition, timezone:"Europe/Atlantis"`:    `invalid timezone \"Europe/Atlantis\"`,
		`from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$ignition, timezone:"Local"`:              `invalid timezone \"Local\"`,
		`from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$ignition, timezone:"../../etc/passwd"`:   `invalid timezone \"../../etc/passwd\"`,
		`from:"2026-03-02T00:00:00Z", to:"2026-03-01T23:00:00Z", mechanism:$ignition`:                                "from date must be before to date",
		`from:"2026-03-02T00:00:00Z", to:"2026-03-03T00:00:00Z", mechanism:$ignition`:                                "to date cannot be in the future",
		`from:"2026-03-02T00:00:00Z", to:"2026-03-02T12:00:00Z", mechanism:$ignition, timezone:"Pacific/Kiritimati"`: "to date cannot be in the future",
		`from:"2026-01-01T00:00:00Z", to:"2026-02-02T00:00:00Z", mechanism:$ignition`:                                "date range exceeds maximum of 32 days",
		`from:"0001-01-01T00:00:00Z", to:"2026-02-02T00:00:00Z", mechanism:$ignition`:                                "date range exceeds maximum of 32 days",
		`from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$ignition, config:{maxGapSeconds:1}`:      "maxGapSeconds must be between 60 and 3600",
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			args, want := args, want
			for name, in := range mechanismNames {
				want = strings.ReplaceAll(want, "$"+name, in[d])
			}
			if strings.Contains(args, "Kiritimati") {
				args = strings.ReplaceAll(args, "2026-03-02T12:00:00Z", "2026-03-03T12:00:00Z")
			}
			got := w.askSegments(t, d, "all", `{dailyActivity($3, `+args+`){duration}}`)
			if want := `{"errors":[{"message":"` + want + `","path":["dailyActivity"],"extensions":{"code":"BAD_REQUEST"}}],"data":null}`; got != want {
				t.Errorf("%s\ngot  %s\nwant %s", args, got, want)
			}
		})
	}
	// 32 days, also when one of them has 25 hours; and what is tomorrow here is today elsewhere
	for args, want := range map[string]int{
		`from:"2026-01-01T00:00:00Z", to:"2026-02-01T00:00:00Z"`:                                32,
		`from:"2025-10-10T12:00:00Z", to:"2025-11-10T12:00:00Z", timezone:"Europe/Berlin"`:      32,
		`from:"2026-03-02T11:00:00Z", to:"2026-03-02T11:00:00Z", timezone:"Pacific/Kiritimati"`: 1,
	} {
		got := w.askSegments(t, catalogue.Subject, "all", `{dailyActivity($3, `+args+`, mechanism:$ignition){duration}}`)
		if strings.Count(got, `{"duration":0}`) != want || strings.Contains(got, "errors") {
			t.Errorf("%s: %s", args, got)
		}
	}
}

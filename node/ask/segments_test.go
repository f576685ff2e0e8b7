package ask

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
)

// mechanismNames are those of the two dialects.
var mechanismNames = map[string][2]string{
	"ignition": {"ignitionDetection", "IGNITION_DETECTION"}, "frequency": {"frequencyAnalysis", "FREQUENCY_ANALYSIS"},
	"changePoint": {"changePointDetection", "CHANGE_POINT_DETECTION"}, "idling": {"idling", "IDLING"}, "refuel": {"refuel", "REFUEL"}, "recharge": {"recharge", "RECHARGE"},
}

// askSegments replaces $ignition and its likes by the name of the dialect.
func (w *world) askSegments(t testing.TB, d catalogue.Dialect, as, query string) string {
	t.Helper()
	for name, in := range mechanismNames {
		query = strings.ReplaceAll(query, "$"+name, in[d])
	}
	return w.ask(t, d, as, query)
}

// journeys makes vehicle 3 drive twice on 2026-03-02 in ben's time, the second
// time until now, and once in anna's.
func journeys(t testing.TB) *world {
	w := newWorld(t)
	told := func(clock, signal string, value any) said {
		return said{at: at(clock), signal: signal, value: value, source: sourceA}
	}
	keepTogether(t, w.vault, 3, []said{
		told("08:00:00", "isIgnitionOn", 1.0), told("08:00:30", "speed", 40.0), told("08:15:00", "speed", 88.25), told("08:29:00", "speed", 0.0),
		told("08:30:00", "speed", 99.0), // not in the drive, which ends here
		told("08:01:00", "powertrainTransmissionTravelledDistance", 1000.0), told("08:29:00", "powertrainTransmissionTravelledDistance", 1020.5),
		told("08:00:00", "powertrainFuelSystemRelativeLevel", 60.5), told("08:29:59", "powertrainFuelSystemRelativeLevel", 55.5),
		told("08:02:00", "currentLocationCoordinates", [3]float64{48.1, 11.1, 1.5}), told("08:28:00", "currentLocationCoordinates", [3]float64{48.2, 11.2, 0.5}),
		told("08:01:00", "currentLocationCoordinates", [3]float64{0, 0, 9}), told("08:30:00", "currentLocationCoordinates", [3]float64{49, 12, 0}),
		told("08:30:00", "isIgnitionOn", 0.0), told("11:50:00", "isIgnitionOn", 1.0),
		{at: sold.Add(-2 * time.Hour), signal: "isIgnitionOn", value: 1.0, source: sourceA, epoch: 1},
		{at: sold.Add(-2 * time.Hour), signal: "currentLocationCoordinates", value: [3]float64{51.5, 9.5, 1}, source: sourceA, epoch: 1},
		{at: sold.Add(-time.Hour), signal: "isIgnitionOn", value: 0.0, source: sourceA, epoch: 1},
		{at: sold.Add(-time.Minute), signal: "isIgnitionOn", value: 1.0, source: sourceA, epoch: 1},
	})
	occur(t, w, sourceB,
		sayso.Event{Name: "behavior.harshBraking", Epoch: 2, Time: sayso.At(at("08:00:00"))},
		sayso.Event{Name: "behavior.harshBraking", Epoch: 2, Time: sayso.At(at("08:20:00"))},
		sayso.Event{Name: "safety.collision", Epoch: 2, Time: sayso.At(at("08:12:00"))},
		sayso.Event{Name: "security.engineBlock", Epoch: 2, Time: sayso.At(at("08:30:00"))},
	)
	return w
}

const (
	segmentFields = `{start{timestamp value{latitude longitude hdop}} end{timestamp value{latitude longitude hdop}} duration isOngoing startedBeforeRange signals{name agg value} eventCounts{name count}}`
	theDay        = `from:"2026-03-02T07:00:00Z", to:"2026-03-02T13:00:00Z"`

	firstDrive = `{"start":{"timestamp":"2026-03-02T08:00:00Z","value":{"latitude":48.1,"longitude":11.1,"hdop":1.5}},"end":{"timestamp":"2026-03-02T08:30:00Z","value":{"latitude":48.2,"longitude":11.2,"hdop":0.5}},` +
		`"duration":1800,"isOngoing":false,"startedBeforeRange":false,"signals":[{"name":"powertrainFuelSystemRelativeLevel","agg":"FIRST","value":60.5},{"name":"powertrainFuelSystemRelativeLevel","agg":"LAST","value":55.5},` +
		`{"name":"powertrainTransmissionTravelledDistance","agg":"FIRST","value":1000},{"name":"powertrainTransmissionTravelledDistance","agg":"LAST","value":1020.5},{"name":"speed","agg":"MAX","value":88.25}],` +
		`"eventCounts":[{"name":"behavior.harshBraking","count":2},{"name":"safety.collision","count":1}]}`
	// without a position of its own, it began where the vehicle was last
	secondDrive = `{"start":{"timestamp":"2026-03-02T11:50:00Z","value":{"latitude":48.207154,"longitude":11.676124,"hdop":1.625}},"end":null,"duration":600,"isOngoing":true,"startedBeforeRange":false,"signals":[],"eventCounts":[]}`
)

func TestSegments(t *testing.T) {
	w := journeys(t)
	both(t, func(t *testing.T, d catalogue.Dialect) {
		for _, c := range []struct{ as, args, want string }{
			{"ben", theDay + `, mechanism:$ignition`, firstDrive + "," + secondDrive},
			{"all", theDay + `, mechanism:$ignition, limit:1`, firstDrive},
			{"all", theDay + `, mechanism:$ignition, limit:1, after:"2026-03-02T08:00:00Z"`, secondDrive},
			{"all", theDay + `, mechanism:$ignition, after:"2026-03-02T11:50:00Z"`, ``},
			{"all", `from:"2026-03-02T08:10:00Z", to:"2026-03-02T11:00:00Z", mechanism:$ignition`, strings.Replace(firstDrive, `"startedBeforeRange":false`, `"startedBeforeRange":true`, 1)},
			{"all", theDay + `, mechanism:$ignition, config:{minSegmentDurationSeconds:1801}`, ``},
			{"all", theDay + `, mechanism:$ignition, config:{maxGapSeconds:60, minSegmentDurationSeconds:null}`, firstDrive + "," + secondDrive},
			{"all", theDay + `, mechanism:$frequency`, ``},
			{"all", theDay + `, mechanism:$changePoint`, ``},
			{"all", theDay + `, mechanism:$idling`, ``},
			{"all", theDay + `, mechanism:$refuel`, ``},
			{"all", theDay + `, mechanism:$recharge`, ``},
			// anna's time is anna's: neither its readings nor its positions are seen
			{"all", `from:"2026-02-28T00:00:00Z", to:"2026-03-02T07:00:00Z", mechanism:$ignition`, ``},
		} {
			got := w.askSegments(t, d, c.as, `{segments($3, `+c.args+`)`+segmentFields+`}`)
			if want := `{"data":{"segments":[` + c.want + `]}}`; got != want {
				t.Errorf("%s\ngot  %s\nwant %s", c.args, got, want)
			}
		}
	})
	// anna sees her own, of which the last goes on: she heard no end
	got := w.askSegments(t, catalogue.Subject, "anna", `{segments($3, from:"2026-02-28T00:00:00Z", to:"2026-03-01T01:00:00Z", mechanism:$ignition){start{timestamp value{latitude}} duration isOngoing}}`)
	if want := `{"data":{"segments":[{"start":{"timestamp":"2026-02-28T22:00:00Z","value":{"latitude":51.5}},"duration":3600,"isOngoing":false},{"start":{"timestamp":"2026-02-28T23:59:00Z","value":{"latitude":52.520008}},"duration":3660,"isOngoing":true}]}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Requests add to the description; events are those asked for, also none.
func TestSegmentRequests(t *testing.T) {
	w := journeys(t)
	both(t, func(t *testing.T, d catalogue.Dialect) {
		for args, want := range map[string]string{
			`signalRequests:[{name:"speed", agg:AVG}, {name:"speed", agg:MAX}, {name:"speed", agg:MED}, {name:"speed", agg:MIN}]`: `"signals":[#{"name":"speed","agg":"AVG","value":42.75},{"name":"speed","agg":"MAX","value":88.25},{"name":"speed","agg":"MED","value":40},{"name":"speed","agg":"MIN","value":0}]`,
			// what is no number, or is not known, or was not said, is left out
			`signalRequests:[{name:"powertrainType", agg:LAST}, {name:"currentLocationCoordinates", agg:LAST}, {name:"currentLocationApproximateCoordinates", agg:LAST}, {name:"nothing", agg:LAST}, {name:"obdRunTime", agg:LAST}]`: `"signals":[#{"name":"speed","agg":"MAX","value":88.25}]`,
			`signalRequests:[]`: `"signals":[#{"name":"speed","agg":"MAX","value":88.25}]`,
			`signalRequests:[{name:"isIgnitionOn", agg:FIRST}]`:                                       `"signals":[{"name":"isIgnitionOn","agg":"FIRST","value":1},#{"name":"speed","agg":"MAX","value":88.25}]`,
			`eventRequests:[{name:"safety.collision"},{name:"trip.start"},{name:"safety.collision"}]`: `"eventCounts":[{"name":"safety.collision","count":1},{"name":"trip.start","count":0}]`,
			`eventRequests:[{name:"x"}]`:                                                              `"eventCounts":[{"name":"x","count":0}]`,
			`eventRequests:[]`:                                                                        `"eventCounts":[{"name":"behavior.harshBraking","count":2},{"name":"safety.collision","count":1}]`,
		} {
			want = strings.Replace(want, "#", `{"name":"powertrainFuelSystemRelativeLevel","agg":"FIRST","value":60.5},{"name":"powertrainFuelSystemRelativeLevel","agg":"LAST","value":55.5},{"name":"powertrainTransmissionTravelledDistance","agg":"FIRST","value":1000},{"name":"powertrainTransmissionTravelledDistance","agg":"LAST","value":1020.5},`, 1)
			field := "signals{name agg value}"
			if strings.HasPrefix(args, "event") {
				field = "eventCounts{name count}"
			}
			got := w.askSegments(t, d, "all", `{segments($3, `+theDay+`, limit:1, mechanism:$ignition, `+args+`){`+field+`}}`)
			if want := `{"data":{"segments":[{` + want + `}]}}`; got != want {
				t.Errorf("%s\ngot  %s\nwant %s", args, got, want)
			}
		}
	})
}

// Each mechanism has its own default signals, and reads its own readings.
func TestMechanisms(t *testing.T) {
	w := newWorld(t)
	var list []said
	told := func(minute float64, signal string, value float64) {
		list = append(list, said{at: at("02:00:00").Add(time.Duration(minute * float64(time.Minute))), signal: signal, value: value, source: sourceA})
	}
	const rpm, fuel, soc, km = "powertrainCombustionEngineSpeed", "powertrainFuelSystemRelativeLevel", "powertrainTractionBatteryStateOfChargeCurrent", "powertrainTransmissionTravelledDistance"
	for m := range 20 { // idles for 19 minutes, moves in the last of the second run
		told(float64(m), rpm, 800)
		told(float64(40+m), rpm, 800)
	}
	told(5, "speed", 0)
	told(19, "speed", 30) // at the end of the first run, not in it
	told(58.5, "speed", 3)
	for m := range 6 { // twelve rows a minute, of two signals, then two hours of nothing
		for s := range 6 {
			told(80+float64(m)+float64(s)/10, "speed", float64(20+m))
			told(80+float64(m)+float64(s)/10, "angularVelocityYaw", 1)
		}
	}
	for m := range 30 {
		told(100+float64(m), soc, 40+float64(m))
		told(100+float64(m), fuel, map[bool]float64{false: 20, true: 80}[m > 15])
	}
	told(101, km, 500)
	told(129, km, 500.25)
	slices.SortFunc(list, func(a, b said) int { return a.at.Compare(b.at) })
	keepTogether(t, w.vault, 3, list)
	both(t, func(t *testing.T, d catalogue.Dialect) {
		for mechanism, want := range map[string]string{
			"frequency":   `03:20:00-03:26:00 360 speed MAX 25`,
			"changePoint": `03:20:00-03:26:00 360 speed MAX 25`,
			"idling":      `02:00:00-02:19:00 1140 speed MAX 0`,
			// the level is 20 until 15 minutes and 80 from 16 to 29; it has risen five minutes after the 11th
			"refuel":   `03:51:00-04:09:00 1080 powertrainFuelSystemRelativeLevel FIRST 20 powertrainFuelSystemRelativeLevel LAST 80 powertrainTransmissionTravelledDistance FIRST 500.25 powertrainTransmissionTravelledDistance LAST 500.25`,
			"recharge": `03:45:00-04:04:00 1140 powertrainTractionBatteryStateOfChargeCurrent FIRST 45 powertrainTractionBatteryStateOfChargeCurrent LAST 65`,
		} {
			got := w.askSegments(t, d, "all", `{segments($3, from:"2026-03-02T01:00:00Z", to:"2026-03-02T09:00:00Z", mechanism:$`+mechanism+`){start{timestamp} end{timestamp} duration signals{name agg value}}}`)
			var out struct {
				Data struct {
					Segments []struct {
						Start, End struct{ Timestamp string }
						Duration   int
						Signals    []struct {
							Name, Agg string
							Value     float64
						}
					}
				}
			}
			if err := json.Unmarshal([]byte(got), &out); err != nil || len(out.Data.Segments) != 1 {
				t.Fatalf("%s: %s", mechanism, got)
			}
			s := out.Data.Segments[0]
			line := fmt.Sprintf("%s-%s %d", s.Start.Timestamp[11:19], s.End.Timestamp[11:19], s.Duration)
			for _, v := range s.Signals {
				line += fmt.Sprintf(" %s %s %g", v.Name, v.Agg, v.Value)
			}
			if line != want {
				t.Errorf("%s\ngot  %s\nwant %s", mechanism, line, want)
			}
		}
	})
}

// Arguments out of their bounds are refused before anything is read.
func TestSegmentArguments(t *testing.T) {
	w := newWorld(t)
	v := &counting{Vault: w.vault}
	for _, d := range dialects {
		w.servers[d] = serve(t, w.registry, v, d)
	}
	for args, want := range map[string]string{
		`from:"2026-03-02T08:00:00Z", to:"2026-03-02T07:00:00Z", mechanism:$ignition`: "from time must be before to time",
		`from:"2026-03-02T08:00:00Z", to:"2026-03-02T08:00:00Z", mechanism:$ignition`: "from and to times cannot be equal",
		`from:"2026-03-02T13:00:00Z", to:"2026-03-02T14:00:00Z", mechanism:$ignition`: "from time must be before to time", // to is now
		`from:"2026-01-01T00:00:00Z", to:"2026-02-02T00:00:02Z", mechanism:$ignition`: "date range exceeds maximum of 32 days",
		theDay + `, mechanism:$ignition, limit:0`:                                     "limit must be between 1 and 200",
		theDay + `, mechanism:$ignition, limit:201`:                                   "limit must be between 1 and 200",
		theDay + `, mechanism:$ignition, limit:-1`:                                    "limit must be between 1 and 200",
		theDay + `, mechanism:$ignition, config:{maxGapSeconds:59}`:                   "maxGapSeconds must be between 60 and 3600",
		theDay + `, mechanism:$refuel, config:{maxGapSeconds:3601}`:                   "maxGapSeconds must be between 60 and 3600",
		theDay + `, mechanism:$ignition, config:{minSegmentDurationSeconds:59}`:       "minSegmentDurationSeconds must be between 60 and 3600",
		theDay + `, mechanism:$ignition, config:{signalCountThreshold:0}`:             "signalCountThreshold must be between 1 and 3600",
		theDay + `, mechanism:$frequency, config:{signalCountThreshold:3601}`:         "signalCountThreshold must be between 1 and 3600",
		theDay + `, mechanism:$idling, config:{maxIdleRpm:299}`:                       "maxIdleRpm must be between 300 and 3000",
		theDay + `, mechanism:$idling, config:{maxIdleRpm:3001}`:                      "maxIdleRpm must be between 300 and 3000",
		theDay + `, mechanism:$refuel, config:{minIncreasePercent:0}`:                 "minIncreasePercent must be between 1 and 100",
		theDay + `, mechanism:$recharge, config:{minIncreasePercent:101}`:             "minIncreasePercent must be between 1 and 100",
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			got := w.askSegments(t, d, "all", `{segments($3, `+args+`){duration}}`)
			if want := `{"errors":[{"message":"` + want + `","path":["segments"],"extensions":{"code":"BAD_REQUEST"}}],"data":null}`; got != want {
				t.Errorf("%s\ngot  %s\nwant %s", args, got, want)
			}
		})
	}
	if v.reads.Load() > 0 {
		t.Errorf("%d reads", v.reads.Load())
	}
	// what is not of the mechanism is not checked; the bounds themselves, and a second over, pass
	for _, args := range []string{
		theDay + `, mechanism:$ignition, config:{maxIdleRpm:1, minIncreasePercent:1000}`,
		theDay + `, mechanism:$idling, limit:200, config:{maxIdleRpm:300, maxGapSeconds:3600, minSegmentDurationSeconds:60, signalCountThreshold:3600}`,
		`from:"2026-01-01T00:00:00Z", to:"2026-02-02T00:00:01Z", mechanism:$ignition`,
	} {
		if got := w.askSegments(t, catalogue.Subject, "all", `{segments($3, `+args+`){duration}}`); got != `{"data":{"segments":[]}}` {
			t.Errorf("%s: %s", args, got)
		}
	}
}

// A config that is given has the values of the schema for what is not in it;
// without one, refuelling and charging have their own.
func TestSegmentDefaults(t *testing.T) {
	w := newWorld(t)
	var list []said
	for m := range 40 {
		when := at("02:00:00").Add(time.Duration(m) * time.Minute)
		list = append(list,
			said{at: when, signal: "powertrainTractionBatteryStateOfChargeCurrent", value: 50 + min(2, float64(m)/10), source: sourceA},
			said{at: when, signal: "powertrainFuelSystemRelativeLevel", value: map[bool]float64{false: 75, true: 96}[m > 20], source: sourceA})
	}
	keepTogether(t, w.vault, 3, list)
	for args, want := range map[string]string{
		`mechanism:$recharge`:                                `[{"duration":1200}]`, // a rise of two percent
		`mechanism:$recharge, config:{}`:                     `[]`,                  // of less than fifteen
		`mechanism:$recharge, config:{minIncreasePercent:1}`: `[{"duration":1200}]`,
		`mechanism:$refuel`:                                  `[]`, // 28 percent of what was there
		`mechanism:$refuel, config:{}`:                       `[{"duration":1380}]`,
		`mechanism:$refuel, config:null`:                     `[]`,
	} {
		got := w.askSegments(t, catalogue.Subject, "all", `{segments($3, from:"2026-03-02T01:00:00Z", to:"2026-03-02T03:00:00Z", `+args+`){duration}}`)
		if got != `{"data":{"segments":`+want+`}}` {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}

// Segments and days tell how and where somebody drove: whoever lacks one of the
// two permissions is told nothing.
func TestSegmentsNeedBothPermissions(t *testing.T) {
	w := journeys(t)
	secrets := []string{"08:00", "08:30", "11:50", "48.", "11.1", "1800", "600", "88.25", "harsh", "1020"}
	for as, missing := range map[string]string{
		"nonlocation": "GetLocationHistory", "location": "GetNonLocationHistory", "approximate": "GetNonLocationHistory", "both": "GetLocationHistory",
		"raw": "GetNonLocationHistory", "stranger": "GetNonLocationHistory", "expired": "GetNonLocationHistory", "revoked": "GetNonLocationHistory",
		"all 3 1,8": "GetLocationHistory", "all 3 4": "GetNonLocationHistory", "ben 3 1": "GetLocationHistory",
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			for _, query := range []string{
				`{segments($3, ` + theDay + `, mechanism:$ignition)` + segmentFields + `}`,
				`{dailyActivity($3, from:"2026-03-01T00:00:00Z", to:"2026-03-02T00:00:00Z", mechanism:$ignition){` + dayFields + `}}`,
			} {
				got := w.askSegments(t, d, as, query)
				if !strings.Contains(got, "missing required privilege") || !strings.Contains(got, "privilege:"+missing) || !strings.HasSuffix(got, `"data":null}`) {
					t.Errorf("%s: %s", as, got)
				}
				for _, secret := range secrets {
					if strings.Contains(strings.Split(got, `"extensions"`)[0], secret) {
						t.Errorf("%s is told %s: %s", as, secret, got)
					}
				}
			}
		})
	}
	for _, as := range []string{"all 4", ""} {
		if got := w.askSegments(t, catalogue.Telemetry, as, `{segments($3, `+theDay+`, mechanism:$ignition){duration}}`); !strings.Contains(got, "unauthorized") || !strings.HasSuffix(got, `"data":null}`) {
			t.Errorf("%q: %s", as, got)
		}
	}
	revoke(t, w, "all")
	if got := w.askSegments(t, catalogue.Telemetry, "all", `{segments($3, `+theDay+`, mechanism:$ignition){duration}}`); !strings.HasSuffix(got, `"data":null}`) {
		t.Error(got)
	}
}

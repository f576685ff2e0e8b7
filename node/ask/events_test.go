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

// occur keeps events of vehicle 3, each as its own deposit.
func occur(t testing.TB, w *world, source sayso.Address, list ...sayso.Event) {
	t.Helper()
	for _, e := range list {
		commit(t, w.vault, 3, fmt.Sprint("event ", e.Name, e.Time, source), []said{{at: e.Time.Time(), signal: "lowVoltageBatteryCurrentVoltage", value: 12.0, source: source, epoch: e.Epoch}}, source, []sayso.Event{e})
	}
}

// eventWorld has five events of ben's time and one of anna's.
func eventWorld(t *testing.T) *world {
	w := newWorld(t) // behavior.harshBraking of source A at 10:08:41
	occur(t, w, sourceA,
		sayso.Event{Name: "behavior.harshCornering", Epoch: 2, Time: sayso.At(at("10:10:00")), DurationNS: 1_500_000_000, Metadata: `{"counterValue":3}`, Tags: []string{"a", "b"}},
		sayso.Event{Name: "safety.collision", Epoch: 2, Time: sayso.At(at("10:20:00")), Tags: []string{"b", "c"}},
		sayso.Event{Name: "behavior.harshBraking", Epoch: 1, Time: sayso.At(sold.Add(-time.Minute)), Tags: []string{"a"}},
	)
	occur(t, w, sourceB,
		sayso.Event{Name: "safety.collision", Epoch: 2, Time: sayso.At(at("10:20:00"))},
		sayso.Event{Name: "security.engineBlock", Epoch: 2, Time: sayso.At(at("11:00:00")), Tags: []string{"c"}},
	)
	return w
}

// Events come newest first, of [from, to), of the ownerships that are seen, and
// have what was said.
func TestEvents(t *testing.T) {
	w := eventWorld(t)
	both(t, func(t *testing.T, d catalogue.Dialect) {
		for _, c := range []struct{ as, args, want string }{
			{"all", `from:"2026-03-02T10:08:41Z", to:"2026-03-02T10:20:00Z"`,
				`[{"timestamp":"2026-03-02T10:10:00Z","name":"behavior.harshCornering","source":"` + sourceA.String() + `","durationNs":1500000000,"metadata":"{\"counterValue\":3}"},` +
					`{"timestamp":"2026-03-02T10:08:41Z","name":"behavior.harshBraking","source":"` + sourceA.String() + `","durationNs":0,"metadata":null}]`},
			{"anna", always, `[{"timestamp":"2026-02-28T23:59:00Z","name":"behavior.harshBraking","source":"` + sourceA.String() + `","durationNs":0,"metadata":null}]`},
			{"all", `from:"2026-03-02T10:08:41Z", to:"2026-03-02T10:08:41Z"`, `null`},
			{"all", `from:"2026-03-02T10:09:00Z", to:"2026-03-02T10:10:00Z"`, `null`},
		} {
			got := w.ask(t, d, c.as, `{events($3, `+c.args+`){timestamp name source durationNs metadata}}`)
			if want := `{"data":{"events":` + c.want + `}}`; got != want {
				t.Errorf("%s\ngot  %s\nwant %s", c.args, got, want)
			}
		}
		if got := w.ask(t, d, "all", `{events($3, from:"2026-03-02T10:00:00Z", to:"2026-03-01T10:00:00Z"){name}}`); !strings.Contains(got, "from timestamp is after to timestamp") || !strings.HasSuffix(got, `"data":{"events":null}}`) {
			t.Error(got)
		}
	})
}

// Filters choose; in both dialects an alternative is instead of the rest.
func TestEventFilters(t *testing.T) {
	w := eventWorld(t)
	// by minute: 08 harshBraking, 10 harshCornering ab, 20 collision bc, 20b collision, 00b engineBlock c
	for filter, want := range map[string]string{
		``:                                      "08 10 20 20b 00b",
		`{}`:                                    "08 10 20 20b 00b",
		`{name:{eq:"safety.collision"}}`:        "20 20b",
		`{name:{neq:"safety.collision"}}`:       "08 10 00b",
		`{name:{neq:"whatever it is"}}`:         "08 10 20 20b 00b",
		`{name:{startsWith:"behavior."}}`:       "08 10",
		`{name:{startsWith:"behavior.harshB"}}`: "08",
		`{name:{in:["safety.collision","security.engineBlock"]}}`: "20 20b 00b",
		`{name:{in:[]}}`: "08 10 20 20b 00b",
		`{name:{notIn:["safety.collision","none"]}}`:                                             "08 10 00b",
		`{name:{startsWith:"behavior.", neq:"behavior.harshBraking"}}`:                           "10",
		`{name:{eq:"behavior.harshBraking", or:[{eq:"security.engineBlock"}]}}`:                  "08 00b",
		`{name:{or:[{eq:"behavior.harshBraking"},{startsWith:"security."},{}]}}`:                 "08 00b",
		`{source:{eq:"` + sourceB.String() + `"}}`:                                               "20b 00b",
		`{source:{eq:"` + strings.ToLower(sourceB.String()) + `"}}`:                              "20b 00b",
		`{source:{eq:"did:ethr:137:` + sourceB.String() + `"}}`:                                  "20b 00b",
		`{source:{notIn:["` + sourceB.String() + `"]}}`:                                          "08 10 20",
		`{source:{eq:"tesla"}}`:                                                                  "",
		`{tags:{containsAny:["a","c"]}}`:                                                         "10 20 00b",
		`{tags:{containsAll:["b","c"]}}`:                                                         "20",
		`{tags:{notContainsAny:["a","b"]}}`:                                                      "08 20b 00b",
		`{tags:{notContainsAll:["b","c"]}}`:                                                      "08 10 20b 00b",
		`{tags:{containsAll:["a","b"], or:[{containsAll:["c"]}]}}`:                               "10 20 00b",
		`{tags:{containsAll:[]}}`:                                                                "08 10 20 20b 00b",
		`{name:{startsWith:"safety."}, tags:{containsAny:["c"]}}`:                                "20",
		`{name:{startsWith:"safety."}, source:{eq:"` + sourceB.String() + `"}}`:                  "20b",
		`{name:{eq:null}, tags:null}`:                                                            "08 10 20 20b 00b",
		`{name:{eq:"safety.collision", or:[{or:[{eq:"behavior.harshBraking"}]}]}, tags:{or:[]}}`: "08 20 20b",
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			if filter != "" && filter[0] == '{' {
				filter = ", filter:" + filter
			}
			got := w.ask(t, d, "all", `{events($3, `+day+filter+`){timestamp source}}`)
			var out struct {
				Data struct {
					Events []struct{ Timestamp, Source string }
				}
				Errors []any
			}
			if err := json.Unmarshal([]byte(got), &out); err != nil || out.Errors != nil {
				t.Fatal(filter, got)
			}
			var found []string
			for _, e := range slices.Backward(out.Data.Events) {
				name := e.Timestamp[14:16]
				if e.Source == sourceB.String() {
					name += "b"
				}
				found = append(found, name)
			}
			if strings.Join(found, " ") != want && strings.Join(found, " ") != strings.Replace(want, "20 20b", "20b 20", 1) {
				t.Errorf("%s: got %q, want %q", filter, found, want)
			}
		})
	}
}

// Names that no event can have are refused.
func TestEventNames(t *testing.T) {
	w := newWorld(t)
	for filter, bad := range map[string]string{
		`{eq:"harshBraking"}`:                  "harshBraking",
		`{eq:"behavior."}`:                     "behavior.",
		`{in:["safety.collision","a.b.c"]}`:    "a.b.c",
		`{in:["1a.b"]}`:                        "1a.b",
		`{startsWith:"behavior"}`:              "behavior",
		`{startsWith:""}`:                      "",
		`{startsWith:".x"}`:                    ".x",
		`{startsWith:"a b."}`:                  "a b.",
		`{or:[{or:[{startsWith:"%"}]}]}`:       "%",
		`{eq:"a.b", or:[{eq:"a.b"},{eq:"c"}]}`: "c",
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			got := w.ask(t, d, "all", `{events($3, `+day+`, filter:{name:`+filter+`}){name}}`)
			want := `{"errors":[{"message":"invalid argument: event name '` + bad + `' does not match namespace pattern (e.g. 'behavior.harshBraking')","path":["events"],"extensions":{"code":"BAD_REQUEST"}}],"data":{"events":null}}`
			if got != want {
				t.Errorf("%s: %s", filter, got)
			}
		})
	}
}

// Events tell how and where somebody drove: both permissions are needed.
func TestEventsNeedBothPermissions(t *testing.T) {
	w := eventWorld(t)
	for as, missing := range map[string]string{
		"nonlocation": "GetLocationHistory", "location": "GetNonLocationHistory", "approximate": "GetNonLocationHistory",
		"both": "GetLocationHistory", "raw": "GetNonLocationHistory", "stranger": "GetNonLocationHistory", "all 3 1,8": "GetLocationHistory",
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			got := w.ask(t, d, as, `{events($3, `+always+`){timestamp name}}`)
			if !strings.Contains(got, "missing required privilege") || !strings.Contains(got, "privilege:"+missing) || !strings.HasSuffix(got, `"data":{"events":null}}`) {
				t.Errorf("%s: %s", as, got)
			}
			for _, secret := range []string{"harsh", "collision", "10:08", "10:20"} {
				if strings.Contains(got, secret) {
					t.Errorf("%s is told %s: %s", as, secret, got)
				}
			}
		})
	}
}

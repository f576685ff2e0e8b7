package ask

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/clock"
	"sayso/internal/h3"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// Every question that could tell something, as one query.
var questions = []struct{ name, query string }{
	{"latest", `{signalsLatest($3){lastSeen speed{timestamp value} powertrainType{value} currentLocationCoordinates{timestamp value{latitude longitude hdop}} currentLocationAltitude{timestamp value} currentLocationHeading{timestamp value} currentLocationApproximateCoordinates{timestamp value{latitude longitude hdop}}}}`},
	{"last seen", `{signalsLatest($3){lastSeen}}`},
	{"snapshot", `{signalsSnapshot($3){lastSeen signals{name timestamp valueNumber valueString valueLocation{latitude longitude hdop}}}}`},
	{"available", `{availableSignals($3)}`},
	{"summary", `{dataSummary($3){numberOfSignals availableSignals firstSeen lastSeen signalDataSummary{name numberOfSignals firstSeen lastSeen} eventDataSummary{name numberOfEvents firstSeen lastSeen}}}`},
	{"signals", `{signals($3, interval: "1s", ` + day + `){timestamp speed(agg:MAX) powertrainType(agg:UNIQUE) currentLocationCoordinates(agg:AVG){latitude longitude hdop} currentLocationAltitude(agg:AVG) currentLocationHeading(agg:AVG) currentLocationApproximateCoordinates(agg:LAST){latitude longitude hdop}}}`},
	{"signals of all time", `{signals($3, interval: "24h", ` + always + `){timestamp speed(agg:MIN) p:powertrainType(agg:TOP) currentLocationCoordinates(agg:FIRST){latitude longitude hdop} a:currentLocationAltitude(agg:LAST)}}`},
	{"events", `{events($3, ` + always + `){timestamp name source durationNs metadata}}`},
	{"filtered positions", `{signals($3, interval: "1s", ` + day + `){timestamp currentLocationCoordinates(agg:FIRST, filter:{inCircle:{center:{latitude:48.137154,longitude:11.576124},radius:1}}){latitude}}}`},
}

// What tells something, by who may know it.
var (
	nonLocation = []string{"50.5", "60.5", "90.5", "ELECTRIC", "HYBRID", "10:00:20", "10:01:10"}
	exact       = []string{"48.137", "11.576", "48.207", "11.676", "521.125", "77.125", "0.75", "1.625", "10:02:03", "10:02:04"}
	placeNames  = []string{`"name":"currentLocationAltitude"`, `"name":"currentLocationHeading"`, `"name":"currentLocationCoordinates"`}
	exactTimes  = []string{"10:02:01", "10:07:31", "10:07:32"}
	events      = []string{"harshBraking", "10:08:41"}
	annas       = []string{"11.25", "52.52", "13.40", "2026-02-28"}
)

func cell() []string {
	lat, lng := h3.CellCentre(48.137154, 11.576124)
	return []string{fmt.Sprint(lat), fmt.Sprint(lng)}
}

func join2(lists ...[]string) (out []string) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// What a caller must see in the answers to all questions together, and what no
// answer may contain.
func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t)
	none := join2(nonLocation, exact, placeNames, exactTimes, events, annas, cell(), []string{"10:0"})
	for _, c := range []struct {
		as               string
		must, mustNot    []string
		refusedAltogther bool
	}{
		{"ben", join2(nonLocation[:6], exact[:4], events, cell()), annas, false},
		{"all", join2(nonLocation[:6], exact[:4], events, cell()), annas, false},
		{"nonlocation", nonLocation, join2(exact, placeNames, exactTimes, events, annas, cell(), []string{"10:02", "10:07", "10:08"}), false},
		{"location", join2(exact[:4], exactTimes[:2], cell()), join2(nonLocation, []string{`"name":"speed"`}, events, annas), false},
		{"approximate", join2(cell(), []string{"10:00:00Z"}), join2(nonLocation, exact, placeNames, []string{`"name":"speed"`}, events, annas), false},
		{"both", join2(nonLocation, cell()), join2(exact, placeNames, events, annas), false},
		{"anna", annas[:1], join2(nonLocation, exact, exactTimes, events, cell(), []string{"2026-03-02T1"}), false},
		{"expired", nil, none, true},
		{"revoked", nil, none, true},
		{"stranger", nil, none, true},
		{"raw", nil, none, false},
		// a token that carries less than the grant
		{"all 3 1", nonLocation, join2(exact, exactTimes, events, annas, cell()), false},
		{"all 3 8", cell(), join2(nonLocation, exact, events, annas), false},
		{"ben 3 8", cell(), join2(nonLocation, exact, events, annas), false},
		{"all 3 7", nil, none, false},
		{"all 3 2", nil, none, true},
		{"ben 3 2", nil, none, false},
		// a token that carries more than the grant
		{"nonlocation 3 1,3,4,8", nonLocation, join2(exact, exactTimes, events, annas, cell()), false},
		// a token of another vehicle, and none
		{"all 4", nil, none, true},
		{"", nil, none, true},
		// a login of an owner, without a vehicle
		{"ben 0", nonLocation[:6], annas, false},
		{"stranger 0", nil, none, true},
	} {
		t.Run(c.as, func(t *testing.T) {
			both(t, func(t *testing.T, d catalogue.Dialect) {
				var together strings.Builder
				for _, q := range questions {
					got := w.ask(t, d, c.as, q.query)
					data := got[strings.Index(got, `"data":`):]
					together.WriteString(data)
					for _, secret := range c.mustNot {
						if strings.Contains(data, secret) {
							t.Errorf("%s tells %s: %s", q.name, secret, data)
						}
					}
					if c.refusedAltogther && (!strings.HasPrefix(got, `{"errors":`) || !strings.HasSuffix(data, ":null}}")) {
						t.Errorf("%s is not refused: %s", q.name, got)
					}
				}
				for _, known := range c.must {
					if !strings.Contains(together.String(), known) {
						t.Errorf("no answer tells %s: %s", known, together.String())
					}
				}
			})
		})
	}
}

// Names, counts and last times speak only of what values would show.
func TestListsHideWhatValuesHide(t *testing.T) {
	w := newWorld(t)
	const location = `["currentLocationAltitude","currentLocationCoordinates","currentLocationHeading"]`
	const rest = `["powertrainType","speed"]`
	const all = `["currentLocationAltitude","currentLocationCoordinates","currentLocationHeading","powertrainType","speed"]`
	for _, c := range []struct{ as, names, count, lastSeen, summaryLast, snapshot string }{
		{"ben", all, "12", `"2026-03-02T10:07:31Z"`, `"2026-03-02T10:07:32Z"`, `{"name":"currentLocationAltitude"},{"name":"currentLocationApproximateCoordinates"},{"name":"currentLocationCoordinates"},{"name":"currentLocationHeading"},{"name":"powertrainType"},{"name":"speed"}`},
		{"nonlocation", rest, "7", `"2026-03-02T10:01:10Z"`, `"2026-03-02T10:01:10Z"`, `{"name":"powertrainType"},{"name":"speed"}`},
		{"location", location, "5", `"2026-03-02T10:07:31Z"`, `"2026-03-02T10:07:32Z"`, `{"name":"currentLocationAltitude"},{"name":"currentLocationApproximateCoordinates"},{"name":"currentLocationCoordinates"},{"name":"currentLocationHeading"}`},
		{"approximate", "null", "0", `"2026-03-02T10:00:00Z"`, `"1900-01-01T00:00:00Z"`, `{"name":"currentLocationApproximateCoordinates"}`},
		{"both", rest, "7", `"2026-03-02T10:01:10Z"`, `"2026-03-02T10:01:10Z"`, `{"name":"currentLocationApproximateCoordinates"},{"name":"powertrainType"},{"name":"speed"}`},
		{"raw", "null", "0", "null", `"1900-01-01T00:00:00Z"`, ``},
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			got := w.ask(t, d, c.as, `{availableSignals($3) dataSummary($3){numberOfSignals lastSeen} signalsLatest($3){lastSeen} signalsSnapshot($3){lastSeen signals{name}}}`)
			want := `{"data":{"availableSignals":` + c.names + `,"dataSummary":{"numberOfSignals":` + c.count + `,"lastSeen":` + c.summaryLast + `},"signalsLatest":{"lastSeen":` + c.lastSeen + `},"signalsSnapshot":{"lastSeen":` + c.lastSeen + `,"signals":[` + c.snapshot + `]}}}`
			if got != want {
				t.Errorf("%s\ngot  %s\nwant %s", c.as, got, want)
			}
		})
	}
}

// Errors name what is missing, why, and the command that asks for it.
func TestRefusalsSayHow(t *testing.T) {
	w := newWorld(t)
	to := func(name string) string { return who(name).String() }
	const speed, place = `{signalsLatest($3){speed{value}}}`, `{signalsLatest($3){speed{value} currentLocationAltitude{value}}}`
	type ext struct {
		Code    string
		Missing []string
		Reason  string
		Ask     string
	}
	for _, c := range []struct {
		as, query, path string
		messages        [2]string
		want            ext
	}{
		{"nonlocation", place, `["signalsLatest","currentLocationAltitude"]`,
			[2]string{"unauthorized: missing required privilege(s) privilege:GetLocationHistory", "unauthorized: missing required privilege privilege:GetLocationHistory"},
			ext{"FORBIDDEN", []string{"privilege:GetLocationHistory"}, "the owner's grant does not include it", "sayso grant --vehicle 3 --to " + to("nonlocation") + " --permissions GetNonLocationHistory,GetLocationHistory"}},
		{"all 3 1", place, `["signalsLatest","currentLocationAltitude"]`,
			[2]string{"unauthorized: missing required privilege(s) privilege:GetLocationHistory", "unauthorized: missing required privilege privilege:GetLocationHistory"},
			ext{"FORBIDDEN", []string{"privilege:GetLocationHistory"}, "the token was issued without it; exchange a new one that asks for it", ""}},
		{"nonlocation", `{signalsLatest($3){currentLocationApproximateCoordinates{timestamp}}}`, `["signalsLatest","currentLocationApproximateCoordinates"]`,
			[2]string{"unauthorized: requires at least one of the following privileges [privilege:GetApproximateLocation privilege:GetLocationHistory]", "unauthorized: requires at least one of the following privileges [privilege:GetApproximateLocation privilege:GetLocationHistory]"},
			ext{"FORBIDDEN", []string{"privilege:GetApproximateLocation"}, "the owner's grant does not include it", "sayso grant --vehicle 3 --to " + to("nonlocation") + " --permissions GetNonLocationHistory,GetApproximateLocation"}},
		{"expired", speed, `["signalsLatest"]`,
			[2]string{"unauthorized: missing required privilege(s) privilege:GetNonLocationHistory", "unauthorized: missing required privilege privilege:GetNonLocationHistory"},
			ext{"FORBIDDEN", []string{"privilege:GetNonLocationHistory"}, "the owner's grant has expired", "sayso grant --vehicle 3 --to " + to("expired") + " --permissions GetNonLocationHistory"}},
		{"stranger", place, `["signalsLatest"]`,
			[2]string{"unauthorized: missing required privilege(s) privilege:GetNonLocationHistory, privilege:GetLocationHistory", "unauthorized: missing required privilege privilege:GetNonLocationHistory, privilege:GetLocationHistory"},
			ext{"FORBIDDEN", []string{"privilege:GetNonLocationHistory", "privilege:GetLocationHistory"}, "the owner has not shared this vehicle with the caller", "sayso grant --vehicle 3 --to " + to("stranger") + " --permissions GetNonLocationHistory,GetLocationHistory"}},
		{"revoked", `{availableSignals($3)}`, `["availableSignals"]`,
			[2]string{"unauthorized: missing required privilege(s) privilege:GetNonLocationHistory", "unauthorized: missing required privilege privilege:GetNonLocationHistory"},
			ext{"FORBIDDEN", []string{"privilege:GetNonLocationHistory"}, "the owner has not shared this vehicle with the caller", "sayso grant --vehicle 3 --to " + to("revoked") + " --permissions GetNonLocationHistory"}},
		{"nonlocation", `{signals($3, interval:"1h", ` + day + `){speed(agg:AVG) a:currentLocationAltitude(agg:AVG)}}`, `["signals",0,"a"]`,
			[2]string{"unauthorized: missing required privilege(s) privilege:GetLocationHistory", "unauthorized: missing required privilege privilege:GetLocationHistory"},
			ext{"FORBIDDEN", []string{"privilege:GetLocationHistory"}, "the owner's grant does not include it", "sayso grant --vehicle 3 --to " + to("nonlocation") + " --permissions GetNonLocationHistory,GetLocationHistory"}},
		{"nonlocation", `{signals($3, interval:"1h", ` + day + `){timestamp currentLocationAltitude(agg:AVG) currentLocationHeading(agg:AVG)}}`, `["signals"]`,
			[2]string{"unauthorized: missing required privilege(s) privilege:GetLocationHistory", "unauthorized: missing required privilege privilege:GetLocationHistory"},
			ext{"FORBIDDEN", []string{"privilege:GetLocationHistory"}, "the owner's grant does not include it", "sayso grant --vehicle 3 --to " + to("nonlocation") + " --permissions GetNonLocationHistory,GetLocationHistory"}},
		{"stranger 0", `{availableSignals($9)}`, `["availableSignals"]`,
			[2]string{"unauthorized: missing required privilege(s) privilege:GetNonLocationHistory", "unauthorized: missing required privilege privilege:GetNonLocationHistory"},
			ext{"FORBIDDEN", []string{"privilege:GetNonLocationHistory"}, "there is no such vehicle", ""}},
	} {
		both(t, func(t *testing.T, d catalogue.Dialect) {
			var out struct {
				Errors []struct {
					Message    string
					Path       json.RawMessage
					Extensions ext
				}
			}
			got := w.ask(t, d, c.as, c.query)
			if err := json.Unmarshal([]byte(got), &out); err != nil || len(out.Errors) != 1 {
				t.Fatalf("%s: %s", c.as, got)
			}
			e := out.Errors[0]
			if e.Message != c.messages[d] || string(e.Path) != c.path || fmt.Sprint(e.Extensions) != fmt.Sprint(c.want) {
				t.Errorf("%s asks %s\ngot  %s\nwant %s %s %+v", c.as, c.query, got, c.messages[d], c.path, c.want)
			}
		})
	}
}

// A revocation acts on the next read, under the same token.
func TestRevocationActsAtOnce(t *testing.T) {
	w := newWorld(t)
	const q = `{signalsLatest($3){speed{value}}}`
	if got := w.ask(t, catalogue.Telemetry, "all", q); got != `{"data":{"signalsLatest":{"speed":{"value":0}}}}` {
		t.Fatal(got)
	}
	revoke(t, w, "all")
	if got := w.ask(t, catalogue.Telemetry, "all", q); !strings.HasSuffix(got, `"data":{"signalsLatest":null}}`) {
		t.Error(got)
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		d         catalogue.Dialect
		as, query string
		want      string
	}{
		{catalogue.Telemetry, "", `{availableSignals($3)}`, `{"errors":[{"message":"unauthorized: jwt missing","path":["availableSignals"],"extensions":{"code":"UNAUTHORIZED"}}],"data":{"availableSignals":null}}`},
		{catalogue.Subject, "", `{availableSignals($3)}`, `{"errors":[{"message":"unauthorized: jwt missing","path":["availableSignals"],"extensions":{"code":"UNAUTHORIZED"}}],"data":{"availableSignals":null}}`},
		{catalogue.Telemetry, "bad", `{availableSignals($3)}`, `{"message":"JWT is invalid."}`},
		{catalogue.Telemetry, "all 4", `{availableSignals($3)}`, `{"errors":[{"message":"unauthorized: unauthorized: token id does not match","path":["availableSignals"],"extensions":{"code":"FORBIDDEN"}}],"data":{"availableSignals":null}}`},
		{catalogue.Telemetry, "all 3", `{availableSignals(tokenId:-3)}`, `{"errors":[{"message":"unauthorized: unauthorized: token id does not match","path":["availableSignals"],"extensions":{"code":"FORBIDDEN"}}],"data":{"availableSignals":null}}`},
		{catalogue.Subject, "all 4", `{availableSignals($3)}`, `{"errors":[{"message":"unauthorized: DID in query does not match token claim","path":["availableSignals"],"extensions":{"code":"FORBIDDEN"}}],"data":{"availableSignals":null}}`},
		{catalogue.Subject, "all", `{availableSignals(subject:"x")}`, `{"errors":[{"message":"unauthorized: DID in query does not match token claim","path":["availableSignals"],"extensions":{"code":"FORBIDDEN"}}],"data":{"availableSignals":null}}`},
		{catalogue.Subject, "ben 0", `{availableSignals(subject:"did:erc721:1:` + testChain.Vehicle.String() + `:3")}`, `{"errors":[{"message":"unauthorized: the DID in the query is not of a vehicle of this node","path":["availableSignals"],"extensions":{"code":"FORBIDDEN"}}],"data":{"availableSignals":null}}`},
		// the case of the address in a DID does not matter
		{catalogue.Subject, "nonlocation", `{availableSignals(subject:"did:erc721:137:` + testChain.Vehicle.Lower() + `:3")}`, `{"data":{"availableSignals":["powertrainType","speed"]}}`},
		// introspection needs no token
		{catalogue.Subject, "", `{__type(name:"SignalFloat"){name}}`, `{"data":{"__type":{"name":"SignalFloat"}}}`},
	} {
		if got := w.ask(t, c.d, c.as, c.query); got != c.want {
			t.Errorf("%q asks %s\ngot  %s\nwant %s", c.as, c.query, got, c.want)
		}
	}
}

// A token for the token of another contract reads nothing.
func TestTokenOfAnotherContract(t *testing.T) {
	w := newWorld(t)
	other := sayso.NFT(137, sayso.Address{9}, 3)
	for d, want := range map[catalogue.Dialect]string{
		catalogue.Telemetry: "unauthorized: unauthorized: contract in claim is " + other.Address.String() + " instead of the required " + testChain.Vehicle.String(),
		catalogue.Subject:   "unauthorized: DID in query does not match token claim",
	} {
		s, err := New(Config{Catalogue: loaded, Vault: w.vault, Chain: testChain, Clock: clock.NewManual(testNow), Authorise: func(*http.Request) (*Session, error) {
			s, err := session(w.registry, "ben")
			s.Asset = &other
			return s, err
		}}, d)
		if err != nil {
			t.Fatal(err)
		}
		w.servers[d] = s
		if got := w.ask(t, d, "", `{availableSignals($3)}`); !strings.HasPrefix(got, `{"errors":[{"message":"`+want+`"`) || !strings.HasSuffix(got, `"data":{"availableSignals":null}}`) {
			t.Error(got)
		}
	}
}

// Without sight of the chain nobody reads, and is told to come back; a grant
// that is not final yet is not asked for again.
func TestWithoutSightOfTheChain(t *testing.T) {
	w := newWorld(t)
	w.registry.Looked(testNow.Add(-2 * registry.Horizon))
	both(t, func(t *testing.T, d catalogue.Dialect) {
		want := `{"errors":[{"message":"` + string(consent.ChainStale) + `","path":["availableSignals"],"extensions":{"code":"SERVICE_UNAVAILABLE"}}],"data":{"availableSignals":null}}`
		if got := w.ask(t, d, "ben", `{availableSignals($3)}`); got != want {
			t.Error(got)
		}
	})
	r := &reader{a: &answers{}, session: &Session{}, granted: consent.Verdict{Reason: consent.NotFinal}}
	_, extensions := (&answers{}).explain(r.refuse(&access{all: []sayso.Permission{1}}))
	if extensions["reason"] != string(consent.NotFinal) || extensions["ask"] != nil {
		t.Error(extensions)
	}
}

// broken is a vault that cannot answer.
type broken struct {
	Vault
	wait bool
}

func (b broken) Latest(c ctx, _ vault.View, _ []sayso.SignalID) ([]vault.Row, error) {
	if b.wait {
		<-c.Done()
		return nil, sayso.Fail(sayso.Cancelled, "vault.Latest", "the request ended")
	}
	return nil, errors.New("page 7 of file x")
}

// What went wrong inside stays inside; a read that takes too long ends.
func TestFailures(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		d    catalogue.Dialect
		wait bool
		want string
	}{
		{catalogue.Telemetry, false, `{"message":"failed to query db","path":["availableSignals"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}`},
		{catalogue.Subject, false, `{"message":"failed to query db","path":["availableSignals"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}`},
		{catalogue.Telemetry, true, `{"message":"` + graphql.DeadlineMessage + `","path":["availableSignals"],"extensions":{"code":"BAD_REQUEST"}}`},
		{catalogue.Subject, true, `{"message":"` + graphql.DeadlineMessage + `","path":["availableSignals"],"extensions":{"code":"SERVICE_UNAVAILABLE"}}`},
	} {
		s := serve(t, w.registry, broken{wait: c.wait}, c.d)
		ended, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		q := url.Values{"query": {"{availableSignals(" + subject(c.d, 3) + ")}"}}
		r := httptest.NewRequest("GET", "/?"+q.Encode(), nil).WithContext(ended)
		r.Header.Set("Authorization", "ben")
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		if want := `{"errors":[` + c.want + `],"data":{"availableSignals":null}}`; rec.Body.String() != want {
			t.Errorf("got  %s\nwant %s", rec.Body, want)
		}
	}
}

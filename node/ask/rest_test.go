package ask

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/ask/graphql"
)

// restOf serves the answers without GraphQL of a world.
func restOf(t testing.TB, w *world, v Vault) http.Handler {
	t.Helper()
	handlers, err := NewREST(Config{
		Catalogue: loaded, Vault: v, Chain: testChain, Clock: clock.NewManual(testNow), Gate: graphql.NewGate(graphql.GateConfig{}),
		Authorise: func(r *http.Request) (*Session, error) { return session(w.registry, r.Header.Get("Authorization")) },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, h := range handlers {
		mux.Handle(pattern, h)
	}
	return mux
}

func get(h http.Handler, as, method, path string) (int, string) {
	r := httptest.NewRequest(method, path, nil)
	r.Header.Set("Authorization", as)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

// A trip is a drive that has ended, of all time that is seen, the latest first.
func TestTrips(t *testing.T) {
	w := journeys(t)
	h := restOf(t, w, w.vault)
	for as, want := range map[string]string{
		// one position at two minutes and one at 28: there was none for long
		"all":  `{"trips":[{"id":"3-1772438400000000","start":{"time":"2026-03-02T08:00:00Z","location":{"latitude":48.1,"longitude":11.1},"estimatedLocation":null},"end":{"time":"2026-03-02T08:30:00Z","location":{"latitude":48.2,"longitude":11.2}},"droppedData":true}],"totalPages":1,"currentPage":1}`,
		"anna": `{"trips":[{"id":"3-1772316000000000","start":{"time":"2026-02-28T22:00:00Z","location":{"latitude":51.5,"longitude":9.5},"estimatedLocation":null},"end":{"time":"2026-02-28T23:00:00Z","location":{"latitude":51.5,"longitude":9.5}},"droppedData":true}],"totalPages":1,"currentPage":1}`,
	} {
		if code, got := get(h, as, "GET", "/v1/vehicle/3/trips"); code != 200 || got != want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", as, code, got, want)
		}
	}
	// what a published client sends beside the page is not minded
	if code, got := get(h, "all", "GET", "/v1/vehicle/3/trips?page=2&tokenId=3&headers[Authorization]=x"); code != 200 || got != `{"trips":[],"totalPages":1,"currentPage":2}` {
		t.Errorf("%d %s", code, got)
	}
}

// Pages have a hundred trips; what has no position is estimated.
func TestTripPages(t *testing.T) {
	w := newWorld(t)
	begin := at("00:00:00").Add(-time.Hour * 4)
	list := []said{{at: begin.Add(-time.Hour), signal: "currentLocationCoordinates", value: [3]float64{47.5, 10.5, 1}, source: sourceA}}
	for n := range 101 { // five minutes each, with five between
		start := begin.Add(time.Duration(n*10)*time.Minute - 2*time.Hour)
		list = append(list,
			said{at: start, signal: "isIgnitionOn", value: 1.0, source: sourceA},
			said{at: start.Add(5 * time.Minute), signal: "isIgnitionOn", value: 0.0, source: sourceA})
	}
	keepTogether(t, w.vault, 3, list)
	h := restOf(t, w, w.vault)
	_, first := get(h, "all", "GET", "/v1/vehicle/3/trips?page=1")
	_, second := get(h, "all", "GET", "/v1/vehicle/3/trips?page=2")
	if strings.Count(first, `"id"`) != 100 || strings.Count(second, `"id"`) != 1 || !strings.HasSuffix(first, `"totalPages":2,"currentPage":1}`) {
		t.Fatalf("%d and %d trips: %s", strings.Count(first, `"id"`), strings.Count(second, `"id"`), second)
	}
	last := begin.Add(1000*time.Minute - 2*time.Hour)
	if want := fmt.Sprintf(`{"trips":[{"id":"3-%d","start":{"time":%q,`, last.UnixMicro(), last.Format(time.RFC3339)); !strings.HasPrefix(first, want) {
		t.Errorf("got %.200s, want %s", first, want)
	}
	if oldest := begin.Add(-2 * time.Hour).Format(time.RFC3339); !strings.Contains(second, `"time":"`+oldest+`","location":null,"estimatedLocation":null},"end":{"time":`) || !strings.Contains(first, `"estimatedLocation":{"latitude":47.5,"longitude":10.5}`) {
		t.Errorf("%s\n%.300s", second, first)
	}
}

// Who may not see the drives of a vehicle is told neither trips nor values, in
// the words that clients know.
func TestRESTNeedsTheRights(t *testing.T) {
	w := journeys(t)
	v := &counting{Vault: w.vault}
	h := restOf(t, w, v)
	const trips, values = "/v1/vehicle/3/trips", "/v2/vehicles/3/valuations"
	for _, c := range []struct {
		as, path string
		code     int
		says     string
	}{
		{"", trips, 400, "Missing or malformed JWT"},
		{"bad", trips, 401, "JWT is invalid."},
		{"nonlocation", trips, 401, "Unauthorized! Token does not contain required privileges"},
		{"location", trips, 401, "Unauthorized! Token does not contain required privileges"},
		{"both", trips, 401, "Unauthorized! Token does not contain required privileges"},
		{"approximate", trips, 401, "Unauthorized! Token does not contain required privileges"},
		{"stranger", trips, 401, "the owner has not shared this vehicle"},
		{"expired", trips, 401, "the owner's grant has expired"},
		{"all 3 1", trips, 401, "exchange a new one"},
		{"all 4", trips, 401, "Unauthorized! mismatch token Id provided"},
		{"all", "/v1/vehicle/4/trips", 401, "Unauthorized! mismatch token Id provided"},
		{"all", "/v1/vehicle/x/trips", 400, "must be a whole number"},
		{"all", "/v1/vehicle/-3/trips", 400, "must be a whole number"},
		{"all", "/v1/vehicle/99999999999999999999/trips", 400, "must be a whole number"},
		{"all", trips + "?page=0", 400, "page must be a number from 1 on"},
		{"all", trips + "?page=x", 400, "page must be a number from 1 on"},
		{"all", trips + "?page=9223372036854775807", 400, "page must be a number from 1 on"},
		{"location", values, 401, "Unauthorized! Token does not contain required privileges"},
		{"stranger", values, 401, "Unauthorized! Token does not contain required privileges"},
		{"", values, 400, "Missing or malformed JWT"},
	} {
		code, got := get(h, c.as, "GET", c.path)
		if code != c.code || !strings.Contains(got, c.says) || !strings.Contains(got, fmt.Sprintf(`"code":%d`, c.code)) {
			t.Errorf("%s asks %s: %d %s", c.as, c.path, code, got)
		}
		for _, secret := range []string{"08:00", "48.", "11.1", "2026-"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s is told %s: %s", c.as, secret, got)
			}
		}
	}
	if v.reads.Load() > 0 {
		t.Errorf("%d reads", v.reads.Load())
	}
	revoke(t, w, "all")
	if code, got := get(h, "all", "GET", trips); code != 401 {
		t.Errorf("after the revocation: %d %s", code, got)
	}
}

// Nothing is known of prices, which is said.
func TestValuations(t *testing.T) {
	w := newWorld(t)
	h := restOf(t, w, w.vault)
	for _, c := range [][2]string{{"GET", "valuations"}, {"GET", "offers"}, {"GET", "instant-offer"}, {"POST", "instant-offer"}} {
		list := map[bool]string{true: "valuationSets", false: "offerSets"}[c[1] == "valuations"]
		code, got := get(h, "nonlocation", c[0], "/v2/vehicles/3/"+c[1])
		if code != 200 || !strings.Contains(got, `"`+list+`":[]`) || !strings.Contains(got, unpriced) {
			t.Errorf("%v: %d %s", c, code, got)
		}
	}
}

// More at once than there are places for is turned away.
func TestRESTTakesPlaces(t *testing.T) {
	gate := graphql.NewGate(graphql.GateConfig{All: 2, Each: 1, Heavy: 1})
	w := newWorld(t)
	done, err := gate.Costly(t.Context(), who("all").String())
	if err != nil {
		t.Fatal(err)
	}
	handlers, err := NewREST(Config{
		Catalogue: loaded, Vault: w.vault, Chain: testChain, Clock: clock.NewManual(testNow), Gate: gate,
		Authorise: func(r *http.Request) (*Session, error) { return session(w.registry, r.Header.Get("Authorization")) },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/vehicle/{tokenId}/trips", handlers["GET /v1/vehicle/{tokenId}/trips"])
	if code, got := get(mux, "all", "GET", "/v1/vehicle/3/trips"); code != sayso.Busy.Status() {
		t.Errorf("%d %s", code, got)
	}
	done()
	if code, got := get(mux, "all", "GET", "/v1/vehicle/3/trips"); code != 200 {
		t.Errorf("%d %s", code, got)
	}
}

package front_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"sayso"
	"sayso/car/catalogue"
)

// bearing adds a token to requests.
type bearing struct {
	token string
	next  http.RoundTripper
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r = r.Clone(r.Context()); b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// agent connects to the tools over HTTP.
func (w *world) agent(token string) *sdk.ClientSession {
	w.t.Helper()
	client := sdk.NewClient(&sdk.Implementation{Name: "agent", Version: "1"}, nil)
	c, err := client.Connect(w.t.Context(), &sdk.StreamableClientTransport{
		Endpoint: w.server.URL + "/mcp", HTTPClient: &http.Client{Transport: bearing{token, w.server.Client().Transport}}, DisableStandaloneSSE: true,
	}, nil)
	w.must(err)
	w.t.Cleanup(func() { c.Close() })
	return c
}

func (w *world) tool(c *sdk.ClientSession, name string, args map[string]any) string {
	w.t.Helper()
	text, _ := w.toolRefuses(c, name, args)
	return text
}

// toolRefuses also says whether a tool answered that it failed.
func (w *world) toolRefuses(c *sdk.ClientSession, name string, args map[string]any) (text string, refused bool) {
	w.t.Helper()
	res, err := c.CallTool(w.t.Context(), &sdk.CallToolParams{Name: name, Arguments: args})
	w.must(err)
	return res.Content[0].(*sdk.TextContent).Text, res.IsError
}

// TestToolsShowWhatQueriesShow has an app call tools in every state of its grant,
// with the token of its sign-in, and looks for what a query would not show it.
func TestToolsShowWhatQueriesShow(t *testing.T) {
	w, p := newWorld(t), readPolicy(t)
	cat, err := catalogue.Load()
	w.must(err)
	d := w.speak(cat, p, car)
	span := map[string]any{"from": "2026-03-02T05:00:00Z", "to": "2026-03-02T12:00:00Z"}
	with := func(extra map[string]any) map[string]any {
		args := map[string]any{"tokenId": car}
		for k, v := range extra {
			args[k] = v
		}
		return args
	}
	calls, seen := 0, 0
	for _, state := range []string{"none", "active", "expired", "revoked", "sold", "licence-revoked", "signer-removed"} {
		for _, set := range []sayso.Permissions{sayso.PermissionSet(sayso.NonLocationHistory), sayso.PermissionSet(sayso.LocationHistory), sayso.PermissionSet(sayso.ApproximateLocation), everything} {
			w.play(row{who: "app", state: state}, set)
			c := w.agent(w.login("app"))
			var text strings.Builder
			for name, args := range map[string]map[string]any{
				"telemetry_get_signals_snapshot": with(nil), "telemetry_get_available_signals": with(nil), "telemetry_get_data_summary": with(nil),
				"telemetry_get_events":         with(span),
				"telemetry_get_latest_signals": with(map[string]any{"signalNames": []any{"speed", "currentLocationCoordinates", "obdEngineLoad"}}),
				"telemetry_query":              with(map[string]any{"query": fmt.Sprintf(`{signalsLatest(tokenId: %d) { speed { value } currentLocationCoordinates { value { latitude } } }}`, car)}),
				"dq_get_signals_snapshot":      {"subject": carDID(car)},
				"dq_list_cloud_events":         {"subject": carDID(car)},
				"fetch_list_indexes":           {"did": carDID(car)},
			} {
				text.WriteString(w.tool(c, name, args) + "\n")
				calls++
			}
			may := state == "active"
			for _, s := range d.said {
				class := p.class(s.signal.Name)
				right := sayso.NonLocationHistory
				if class != "other" {
					right = sayso.LocationHistory
				}
				v, ok := s.value.(string)
				if !ok {
					v = s.value.(map[string]any)["latitude"].(string)
				}
				found := strings.Contains(text.String(), v)
				if found {
					seen++
				}
				if found && (!may || s.ownership != 2 || !set.Has(right)) {
					t.Errorf("%s with %v shows %s of ownership %d: %s", state, set.List(), s.signal.Name, s.ownership, v)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("nothing was seen at all")
	}
	t.Logf("%d calls; %d values seen by those who may", calls, seen)
}

// TestToolsWithoutAToken answer what is public, and refuse the rest.
func TestToolsWithoutAToken(t *testing.T) {
	w, p := newWorld(t), readPolicy(t)
	cat, err := catalogue.Load()
	w.must(err)
	secrets := w.speak(cat, p, car).secrets()
	c := w.agent("")
	if text := w.tool(c, "identity_get_vehicle", map[string]any{"tokenId": car}); !strings.Contains(text, account("owner").String()) {
		t.Error("the owner of a vehicle is not told:", text)
	}
	for name, args := range map[string]map[string]any{
		"telemetry_get_signals_snapshot": {"tokenId": car}, "dq_get_signals_snapshot": {"subject": carDID(car)}, "dq_list_cloud_events": {"subject": carDID(car)},
		"fetch_list_indexes": {"did": carDID(car)}, "telemetry_get_vin_credential": {"tokenId": car}, "telemetry_get_attestations": {"tokenId": car},
	} {
		if text := w.tool(c, name, args); leaks(text, secrets) != nil || !strings.Contains(text, "rror") {
			t.Errorf("%s: %s", name, short(text))
		}
	}
}

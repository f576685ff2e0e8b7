package front_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sayso/car/catalogue"
	"sayso/internal/mutant"
	"sayso/owner/registry"
	"sayso/owner/token"
)

// TestMutantsOnEveryListener takes every mutant of both tokens to the ways in
// that ask for one: none passes, and the tokens they are made from do.
func TestMutantsOnEveryListener(t *testing.T) {
	w := newWorld(t)
	w.fold(func(tx *registry.Tx) { tx.PutGrant(grant(car, "app", everything, registry.Forever, tx.Block.Number)) })
	w.final()
	vehicle, _ := w.exchange("app", car, everything)
	cat, err := catalogue.Load()
	w.must(err)
	secrets := w.speak(cat, readPolicy(t), car).secrets()
	if text := w.tool(w.agent(vehicle), "telemetry_get_signals_snapshot", map[string]any{"tokenId": car}); leaks(text, secrets) == nil {
		t.Fatalf("the genuine token shows nothing by a tool: %.300s", text)
	}
	ways := map[string][][3]string{
		token.VehicleKeys: {
			{"GET", fmt.Sprintf("/v1/vehicle/%d/trips", car)}, {"POST", fmt.Sprintf("/v2/attestation/vin/%d", car)}, {"GET", fmt.Sprintf("/v2/vehicles/%d/valuations", car)},
			{"GRPC", "ListCloudEvents", "{}"}, {"GRPC", "GetLatestIndex", "{}"},
		},
		token.DeveloperKeys: {
			{"GET", "/v1/webhooks"}, {"GET", fmt.Sprintf("/v1/vehicles/%d/refused", car)}, {"DELETE", fmt.Sprintf("/v1/vehicles/%d/data", car)},
			{"GET", fmt.Sprintf("/v1/vehicles/%d/erasures", car)}, {"POST", "/v1/tokens/exchange", "{}"}, {"GRPC", "AccessCheck", "{}"},
			{"POST", "/agents", "{}"}, {"GET", "/agents/x/history"},
		},
	}
	total := 0
	for keys, raw := range map[string]string{token.VehicleKeys: vehicle, token.DeveloperKeys: w.login("app")} {
		for class, crowd := range mutant.New(t, raw, filepath.Join(w.keys, keys+".pem")).All(w.clock.Now()) {
			for name, bad := range crowd {
				if strings.ContainsAny(bad, "\n\r\x00") || len(bad) > 1<<16 || strings.TrimSpace(bad) == raw {
					continue // such a header cannot be sent, or is the token
				}
				if keys == token.DeveloperKeys && strings.Contains(name, "aud") {
					continue // its audience is the client that signed in, whichever that is
				}
				total++
				if text, refused := w.toolRefuses(w.agent(bad), "telemetry_get_signals_snapshot", map[string]any{"tokenId": car}); !refused && !strings.Contains(text, "UNAUTHORIZED") || leaks(text, secrets) != nil {
					t.Errorf("a tool with %s %s: %.300s", class, name, text)
				}
				for _, way := range ways[keys] {
					if way[0] == "GRPC" {
						if got, err := w.rpc(way[1], bad, way[2]); err == nil {
							t.Errorf("%s with %s %s: %s", way[1], class, name, got)
						}
					} else if status, body := w.call(way[0], way[1], bad, "application/json", way[2]); status != 400 && status != 401 {
						t.Errorf("%v with %s %s: %d %.200s", way, class, name, status, body)
					}
				}
			}
		}
	}
	if status, body := w.call("GET", "/v1/webhooks", w.login("app"), "", ""); status != 200 {
		t.Errorf("the genuine token: %d %s", status, body)
	}
	if total < 200 {
		t.Errorf("only %d mutants", total)
	}
	t.Logf("%d mutants, none passed", total)
}

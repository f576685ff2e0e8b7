package front_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/vault"
	"sayso/node/watch"
)

// ear is a target of webhooks.
type ear struct {
	mu   sync.Mutex
	told []string // "what ownership"
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Data struct {
			Signal *struct {
				Name  string
				Value any
			}
			Event *struct{ Metadata string }
		}
	}
	body, _ := io.ReadAll(r.Body)
	if string(body) == `{"verification": "test"}` {
		io.WriteString(w, "secret")
		return
	}
	json.Unmarshal(body, &m)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch s := m.Data.Signal; {
	case s == nil:
		e.told = append(e.told, "event "+m.Data.Event.Metadata)
	case s.Name == "speed":
		e.told = append(e.told, fmt.Sprintf("speed %v", s.Value))
	default:
		e.told = append(e.told, fmt.Sprintf("position %v", s.Value.(map[string]any)["hdop"]))
	}
}

// TestWebhooksTellWhatThePolicyAllows plays every state of an app, with every
// set of permissions, while the car speaks of each ownership, and compares what
// the app's webhooks are told with the policy.
func TestWebhooksTellWhatThePolicyAllows(t *testing.T) {
	w, p := newWorld(t), readPolicy(t)
	cat, err := catalogue.Load()
	w.must(err)
	ear := &ear{}
	target := httptest.NewServer(ear)
	t.Cleanup(target.Close)
	u, err := url.Parse(target.URL)
	w.must(err)
	w.listen(u.Host)
	w.play(row{who: "app", state: "active"}, everything)
	for metric, service := range map[string]string{"vss.speed": "signals", "vss.currentLocationCoordinates": "signals", "behavior.harshBraking": "events"} {
		w.webhook("app", target.URL, service, metric)
	}
	cells, sent := 0, 0
	for _, r := range p.who {
		if r.who != "app" || strings.HasPrefix(r.state, "document") {
			continue
		}
		for _, set := range p.subsets() {
			sc := w.play(r, set)
			values := r.values
			if r.state == "other-vehicle" || r.state == "other-audience" {
				values = []cell{{2, true}} // those are faults of a token, and webhooks have none
			}
			by := func(column string) [4]string { return p.seen(values, column, sc.grant, everything) }
			other, location, events := by("other"), by("location"), by("events")
			var want []string
			for ownership := 1; ownership <= 3; ownership++ {
				sent++
				w.must(w.cry(cat, ownership, sent))
				for what, seen := range map[string]bool{"speed": other[ownership] == "x", "position": location[ownership] == "x", "event": events[ownership] == "x"} {
					if seen {
						want = append(want, fmt.Sprintf("%s %d", what, ownership))
					}
					cells++
				}
			}
			w.webhooksSettle()
			ear.mu.Lock()
			got := ear.told
			ear.told = nil
			ear.mu.Unlock()
			if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("%s %s with %v: told %q, not %q", r.who, r.state, set.List(), got, want)
			}
		}
	}
	t.Logf("%d cells, told as the policy says", cells)
}

// webhook makes one that listens to the car under any condition.
func (w *world) webhook(app, target, service, metric string) string {
	w.t.Helper()
	in, _ := json.Marshal(map[string]any{"service": service, "metricName": metric, "condition": "true", "targetURL": target, "verificationToken": "secret", "coolDownPeriod": 0})
	status, body := w.call("POST", "/v1/webhooks", w.login(app), "application/json", string(in))
	var out struct{ ID string }
	if json.Unmarshal([]byte(body), &out); status != http.StatusCreated {
		w.t.Fatalf("%s: %d %s", metric, status, body)
	}
	status, body = w.call("POST", "/v1/webhooks/"+out.ID+"/subscribe/"+carDID(car), w.login(app), "", "")
	if status != http.StatusCreated {
		w.t.Fatalf("%s: %d %s", metric, status, body)
	}
	return out.ID
}

// cry has the car say something of an ownership that names it.
func (w *world) cry(cat *catalogue.Catalogue, ownership, n int) error {
	at := bought[ownership].Add(time.Duration(n) * time.Millisecond)
	epoch := uint32(ownership)
	d := &vault.Deposit{Vehicle: car, Epoch: epoch, Body: [32]byte{byte(n), byte(n >> 8)}, Envelope: sayso.CloudEvent{
		Type: sayso.TypeStatus, Source: account("device"), Subject: sayso.NFT(testChain.ID, testChain.Vehicle, car), ID: fmt.Sprint("cry ", n), Time: at, Data: []byte(`{}`),
	}}
	d.Readings = []sayso.Reading{
		{Signal: cat.Signal("speed").ID, Epoch: epoch, Time: sayso.At(at), Value: sayso.NumberValue(float64(ownership))},
		{Signal: cat.Signal("currentLocationCoordinates").ID, Epoch: epoch, Time: sayso.At(at), Value: sayso.LocationValue(sayso.Location{Latitude: 1, HDOP: float64(ownership)})},
	}
	d.Events = []sayso.Event{{Name: "behavior.harshBraking", Epoch: epoch, Time: sayso.At(at), Metadata: fmt.Sprint(ownership)}}
	_, err := w.vault.Commit(w.t.Context(), d)
	return err
}

// TestWebhooksOfOthers: nobody sees or changes a webhook but its licence, and
// only a licence has any.
func TestWebhooksOfOthers(t *testing.T) {
	w := newWorld(t)
	ear := &ear{}
	target := httptest.NewServer(ear)
	t.Cleanup(target.Close)
	u, err := url.Parse(target.URL)
	w.must(err)
	w.listen(u.Host)
	w.play(row{who: "app", state: "active"}, everything)
	id := w.webhook("app", target.URL, "signals", "vss.speed")
	paths := []string{
		"GET /v1/webhooks/" + id, "PUT /v1/webhooks/" + id, "DELETE /v1/webhooks/" + id, "POST /v1/webhooks/" + id + "/subscribe/" + carDID(car),
		"POST /v1/webhooks/" + id + "/subscribe/all", "POST /v1/webhooks/" + id + "/subscribe/list", "DELETE /v1/webhooks/" + id + "/unsubscribe/" + carDID(car),
		"DELETE /v1/webhooks/" + id + "/unsubscribe/all", "DELETE /v1/webhooks/" + id + "/unsubscribe/list",
	}
	body := fmt.Sprintf(`{"assetDIDs":[%q],"description":"mine"}`, carDID(car))
	for _, path := range paths {
		method, path, _ := strings.Cut(path, " ")
		for who, want := range map[string]int{"": 401, "owner": 403, "device": 403, "other-app": 404} {
			bearer := ""
			if who != "" {
				bearer = w.login(who)
			}
			if status, answer := w.call(method, path, bearer, "application/json", body); status != want || strings.Contains(answer, "speed") {
				t.Errorf("%s %s as %q: %d %s", method, path, who, status, answer)
			}
		}
	}
	for _, path := range []string{"/v1/webhooks", "/v1/webhooks/vehicles/" + carDID(car)} {
		if status, answer := w.call("GET", path, w.login("other-app"), "", ""); status != 200 || strings.TrimSpace(answer) != "[]" {
			t.Errorf("%s tells another licence: %d %s", path, status, answer)
		}
	}
	if status, answer := w.call("GET", "/v1/webhooks", w.login("app"), "", ""); status != 200 || !strings.Contains(answer, id) || strings.Contains(answer, "secret") {
		t.Errorf("its own licence is told: %d %s", status, answer)
	}
}

// openWebhooks adds the webhooks to a world.
func (w *world) openWebhooks(root watch.RootKey) {
	w.t.Helper()
	var err error
	w.reach, err = watch.NewReach(nil)
	w.must(err)
	w.webhooks, err = w.front.Webhooks(watch.Config{Path: filepath.Join(w.t.TempDir(), "webhooks.db"), RootKey: root, Reach: w.reach})
	w.must(err)
	w.t.Cleanup(func() { w.must(w.webhooks.Close()) })
}

// listen runs the webhooks, and lets them reach a host.
func (w *world) listen(host string) {
	w.t.Helper()
	w.must(w.reach.Allow(host))
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.webhooks.Run(ctx)
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// webhooksSettle waits until everything kept was looked at and told.
func (w *world) webhooksSettle() {
	w.t.Helper()
	for w.webhooks.Reached() < w.vault.Seq() {
		time.Sleep(time.Millisecond)
	}
}

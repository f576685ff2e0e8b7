package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"sayso"
)

// firing is a delivery that waits for its target.
type firing struct {
	occurrence
	id    string
	fired time.Time
}

// deliverAll tells the target of one webhook, one firing after the other.
func (e *Engine) deliverAll(ctx context.Context, w *watched) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		for {
			e.mu.Lock()
			var next *firing
			if len(w.waiting) > 0 && w.Status == Enabled {
				next = w.waiting[0]
			}
			hook, wanted := w.Hook, next != nil && w.subs[next.vehicle] != nil
			e.mu.Unlock()
			if next == nil {
				break
			}
			outcome := revoked
			if wanted {
				outcome = e.deliver(ctx, &hook, next)
			}
			if ctx.Err() != nil {
				return // what was under way is fired after the next start
			}
			e.count(outcome)
			if err := e.settle(w, next, outcome); err != nil {
				e.cfg.Log.Error("what became of a webhook cannot be written", "webhook", hook.ID, "error", err)
			}
		}
	}
}

// The outcomes of a delivery.
const (
	delivered = "delivered"
	refused   = "refused" // by the target, or it could not be reached
	revoked   = "revoked" // the right or the subscription ended while the firing waited
)

// deliver tells a target, unless its licence may not know any more.
func (e *Engine) deliver(ctx context.Context, h *Hook, f *firing) string {
	if !e.allowed(h.Caller, &f.occurrence) {
		return revoked
	}
	body, err := json.Marshal(e.message(h, f))
	if err != nil {
		e.cfg.Log.Error("a webhook cannot be written", "webhook", h.ID, "error", err)
		return refused
	}
	answer, err := e.cfg.Reach.Post(ctx, h.Target, map[string]string{"User-Agent": agent}, body)
	switch {
	case err != nil:
		e.cfg.Log.Info("a webhook was not delivered", "webhook", h.ID, "error", err)
		return refused
	case answer.Status < 200 || answer.Status >= 300:
		e.cfg.Log.Info("a webhook was refused", "webhook", h.ID, "status", answer.Status)
		return refused
	}
	return delivered
}

// settle takes a firing from the line and counts failures.
func (e *Engine) settle(w *watched, f *firing, outcome string) error {
	e.admin.Lock()
	defer e.admin.Unlock()
	e.mu.Lock()
	if e.hooks[w.ID] != w {
		e.mu.Unlock()
		return nil // deleted meanwhile
	}
	w.waiting = w.waiting[1:]
	w.done = f.mark
	before := w.Hook
	switch outcome {
	case delivered:
		w.Failures = 0
	case refused:
		if w.Failures++; w.Failures >= maxFailures {
			w.Status, w.waiting = Failed, nil
			e.reindex()
			e.cfg.Log.Warn("a webhook rests: its target failed too often in a row", "webhook", w.ID, "failures", w.Failures)
		}
	}
	hook, done := w.Hook, w.done
	e.mu.Unlock()
	err := e.store.delivered(hook.ID, done, f.vehicle, f.fired)
	if err == nil && hook != before {
		err = e.store.put(&hook, done)
	}
	return err
}

// agent is what DIMO's receivers may look for, and who it is.
const agent = "DIMO-Webhook/1.0 (compatible; Sayso)"

// message is the body of a delivery: a CloudEvent (spec api 9.6).
type message struct {
	ID              string  `json:"id"`
	Source          string  `json:"source"`
	Producer        string  `json:"producer"`
	SpecVersion     string  `json:"specversion"`
	Subject         string  `json:"subject"`
	Time            string  `json:"time"`
	Type            string  `json:"type"`
	DataContentType string  `json:"datacontenttype"`
	DataVersion     string  `json:"dataversion"`
	Data            payload `json:"data"`
}

type payload struct {
	Service   string       `json:"service"`
	Metric    string       `json:"metricName"`
	Hook      string       `json:"webhookId"`
	HookName  string       `json:"webhookName"`
	Asset     string       `json:"assetDID"`
	Condition string       `json:"condition"`
	Signal    *signalData  `json:"signal,omitempty"`
	Event     *eventDetail `json:"event,omitempty"`
}

type signalData struct {
	Name     string `json:"name"`
	Unit     string `json:"unit,omitempty"`
	Time     string `json:"timestamp"`
	Source   string `json:"source,omitempty"`
	Producer string `json:"producer,omitempty"`
	Type     string `json:"valueType"`
	Value    any    `json:"value"`
}

type eventDetail struct {
	Name     string `json:"name"`
	Time     string `json:"timestamp"`
	Source   string `json:"source,omitempty"`
	Producer string `json:"producer,omitempty"`
	Duration uint64 `json:"durationNs"`
	Metadata string `json:"metadata,omitempty"`
}

func (e *Engine) message(h *Hook, f *firing) message {
	asset := sayso.NFT(e.cfg.Chain.ID, e.cfg.Chain.Vehicle, f.vehicle).String()
	m := message{
		ID: f.id, Source: "vehicle-triggers-api", Producer: h.ID, SpecVersion: "1.0", Subject: asset,
		Time: f.fired.Format(time.RFC3339Nano), Type: "dimo.trigger", DataContentType: "application/json", DataVersion: h.Service + "/v1.0",
		Data: payload{Service: h.Service, Metric: h.Metric, Hook: h.ID, HookName: h.Name, Asset: asset, Condition: h.Condition},
	}
	at, producer := f.time.Time().Format(time.RFC3339Nano), ""
	if f.producer.Method != "" {
		producer = f.producer.String()
	}
	if f.signal == nil {
		m.Data.Event = &eventDetail{f.Name, at, sourceText(f.Source), producer, f.Duration, f.Metadata}
		return m
	}
	m.Data.Signal = &signalData{f.signal.Name, f.signal.Unit, at, sourceText(f.Source), producer, valueType(f.signal.Kind), plain(f.Value)}
	return m
}

// valueType names the kind of a value as the interface does (spec api 9.2).
func valueType(k sayso.Kind) string {
	switch k {
	case sayso.Text:
		return "string"
	case sayso.Position:
		return "vss.Location"
	}
	return "float64"
}

// verify asks a target to prove that it wants to be one (spec api 9.3).
func (e *Engine) verify(ctx context.Context, target, token string) error {
	bad := func(text string) error { return sayso.Fail(sayso.Invalid, "watch.verify", text) }
	if err := e.cfg.Reach.Check(target); err != nil {
		return err
	}
	answer, err := e.cfg.Reach.Post(ctx, target, map[string]string{"User-Agent": agent}, []byte(`{"verification": "test"}`))
	switch {
	case err != nil:
		return bad(fmt.Sprintf("Target URL cannot be reached: %v", err))
	case answer.Status != http.StatusOK:
		return bad(fmt.Sprintf("Target URL did not return status 200 (got %d)", answer.Status))
	case !sameToken(answer.Body, token):
		return bad("Target URL did not answer with the verification token")
	}
	return nil
}

package watch

import (
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
)

// The services: what a webhook listens to.
const (
	Signals = "signals"
	Events  = "events"
)

// metricPrefix is in front of the name of a signal where a webhook names it.
const metricPrefix = "vss."

// The states of a webhook.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
	Failed   = "failed" // its target refused too often in a row
)

// maxFailures is after how many deliveries in a row that failed a webhook
// becomes [Failed].
const maxFailures = 10

// Caller is a licence, by its client id, and the key that speaks for it; the
// zero address where it signs as a contract.
type Caller struct {
	Licence sayso.Address `json:"licence"`
	Signer  sayso.Address `json:"signer"`
}

// Hook is a webhook of a licence (spec api 9.2). It ends with the key that made
// or changed it last, so that a key that was stolen leaves nothing behind.
type Hook struct {
	Caller
	ID           string    `json:"id"`
	Service      string    `json:"service"`
	Metric       string    `json:"metricName"`
	Condition    string    `json:"condition"`
	Target       string    `json:"targetURL"`
	CoolDown     int64     `json:"coolDownPeriod"` // seconds
	Status       string    `json:"status"`
	Description  string    `json:"description"`
	Name         string    `json:"displayName"`
	Created      time.Time `json:"createdAt"`
	Updated      time.Time `json:"updatedAt"`
	Failures     int       `json:"failureCount"` // in a row
	Verification string    `json:"verificationToken"`
}

// Subscription is a vehicle that a webhook listens to.
type Subscription struct {
	Hook    string
	Vehicle uint64
	Created time.Time
	Fired   time.Time // zero: never
}

// key is what a hook listens to.
type key struct {
	vehicle uint64
	metric  string // as [Hook.Metric]
}

// metric resolves a service and a metric name; the signal is nil for events.
func metric(cat *catalogue.Catalogue, service, name string) (string, *catalogue.Signal, error) {
	bad := func(text string) (string, *catalogue.Signal, error) {
		return "", nil, sayso.Fail(sayso.Invalid, "watch.metric", text)
	}
	switch service {
	case Signals:
		s := cat.Signal(strings.TrimPrefix(name, metricPrefix))
		if s == nil || s.Computed() {
			return bad("invalid metric name: there is no signal " + name + "; GET /v1/webhooks/signals lists them")
		}
		return metricPrefix + s.Name, s, nil
	case Events:
		if !catalogue.ValidEventName(name) {
			return bad("invalid metric name: no event can be called " + name)
		}
		return name, nil, nil
	}
	return bad("invalid service " + service + ": signals or events")
}

// service reads a service, older spellings too.
func service(text string) string { return strings.TrimPrefix(text, "telemetry.") }

// condition compiles what a hook asks.
func (h *Hook) condition(cat *catalogue.Catalogue) (*Condition, *catalogue.Signal, error) {
	_, s, err := metric(cat, h.Service, h.Metric)
	if err != nil {
		return nil, nil, err
	}
	if s == nil {
		c, err := EventCondition(h.Condition)
		return c, nil, err
	}
	c, err := SignalCondition(h.Condition, s.Kind)
	return c, s, err
}

// Package ask answers what vehicles said, in the two GraphQL dialects that
// clients of DIMO know (spec api 3): on /telemetry/query a vehicle is a token
// id, on /query the DID of its token. The schema is rendered from
// car/catalogue; node/ask/graphql serves it; the values come from node/vault.
//
// Who may see what is decided by owner/consent when a field of the root is
// answered, from the permissions in the directives of the signals. What is
// refused is not read: it makes no intervals, does not count, and is in no list.
//
// An approximate position is the centre of the H3 cell, of resolution 6, of the
// first position in each quarter of an hour. It has the time at which that
// quarter begins, and neither precision nor heading.
package ask

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/clock"
	"sayso/node/ask/fetch"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
	"sayso/owner/consent"
	"sayso/owner/registry"
	"sayso/owner/token"
)

// Vault is what is read from; [vault.Engine] has it.
type Vault interface {
	Latest(ctx context.Context, v vault.View, signals []sayso.SignalID) ([]vault.Row, error)
	Scan(ctx context.Context, v vault.View, signals []sayso.SignalID, from, to sayso.Instant, yield func(vault.Row) bool) error
	Buckets(ctx context.Context, v vault.View, cols []vault.Column, from, to, interval sayso.Instant) ([]vault.Bucket, error)
	Events(ctx context.Context, v vault.View, from, to sayso.Instant, yield func(vault.EventRow) bool) error
	Summary(ctx context.Context, v vault.View) (vault.Summary, error)
	fetch.Vault
}

// Session is who asks in one request, as a token or a login proves it.
type Session struct {
	Who    sayso.Address
	Asset  *sayso.DID        // the vehicle that the token is for; nil: any
	Claims sayso.Permissions // what the token carries; all for an owner's own login
	// Decide is [consent.Decide] for Who at this moment.
	Decide func(vehicle uint64) consent.Verdict
	Token  *token.Vehicle // what proves it, for links to payloads; nil where nothing does
}

// Config is what [New] needs; all but Gate, Limits and Log must be given.
type Config struct {
	Catalogue *catalogue.Catalogue
	Vault     Vault
	Chain     registry.ChainInfo
	Clock     clock.Clock
	Issuer    sayso.Address // source of the credentials that this node signs
	// Devices and Link are those of [fetch.Reader].
	Devices fetch.Devices
	Link    func(*fetch.Caller, fetch.Place) string
	// Authorise finds who asks: nil without a token; an error of kind
	// Unauthorized where the token is not valid.
	Authorise func(*http.Request) (*Session, error)
	Gate      *graphql.Gate  // may be shared with other servers; one of its own by default
	Limits    graphql.Limits // what is zero is chosen here
	Log       *slog.Logger
}

// answers holds the functions of one dialect.
type answers struct {
	Config
	dialect catalogue.Dialect
	raw     *fetch.Reader      // of cloud events as they were received
	access  map[string]*access // of the signals, by name
	list    []*access          // the same, by name
	roots   map[string]*access // of the fields of the root that need permissions
	fix     *catalogue.Signal  // the exact position, of which the approximate one is made
}

// hidden is the name under which a published client asks for the latest
// signals (spec api 12.1).
const hidden = `extend type Query { SignalsLatest(tokenID: Int!): SignalCollection @requiresVehicleToken }`

// New builds the handler of a dialect.
func New(cfg Config, d catalogue.Dialect) (*graphql.Server, error) {
	_, s, err := build(cfg, d)
	return s, err
}

func build(cfg Config, d catalogue.Dialect) (*answers, *graphql.Server, error) {
	a := &answers{Config: cfg, dialect: d, raw: &fetch.Reader{Vault: cfg.Vault, Chain: cfg.Chain, Devices: cfg.Devices, Link: cfg.Link}}
	types := map[string]graphql.Fields{
		"Query":                   a.query(),
		"SignalAggregations":      {"timestamp": graphql.Of(func(b *vault.Bucket) any { return b.Start.Time() })},
		"SignalCollection":        {"lastSeen": graphql.Of(func(l *latest) any { return moment(l.lastSeen) })},
		"Location":                location(),
		"SignalFloat":             latestSignal(func(v *sayso.Value) any { return v.Number }),
		"SignalString":            latestSignal(func(v *sayso.Value) any { return v.Text }),
		"SignalLocation":          latestSignal(func(v *sayso.Value) any { return &v.Location }),
		"SignalsSnapshotResponse": snapshot(),
		"LatestSignal":            snapshotSignal(),
		"DataSummary":             a.summary(),
		"SignalDataSummary":       signalSummary(),
		"EventDataSummary":        eventSummary(),
		"Event":                   event(),
		"Segment":                 segmentType(),
		"DailyActivity":           dayType(),
		"SignalAggregationValue":  aggregateType(),
		"EventCount":              countType(),
	}
	for _, s := range cfg.Catalogue.Signals() {
		types["SignalAggregations"][s.Name] = aggregated
		types["SignalCollection"][s.Name] = latestOf
		if s.Kind == sayso.Position && !s.Computed() {
			a.fix = s
		}
	}
	if a.fix == nil {
		return nil, nil, errors.New("the catalogue has no position")
	}
	config := graphql.Config{
		SDL:       cfg.Catalogue.SDL(d),
		Types:     types,
		Scalars:   map[string]graphql.Scalar{"Time": readTime, "Uint64": readNumber, "Address": readAddress, "JSON": fetch.ReadJSON},
		Guards:    a.guards(),
		Limits:    limits(cfg.Limits),
		Weigh:     a.weigh,
		Estimates: d == catalogue.Telemetry,
		Gate:      cfg.Gate,
		Key:       Key,
		Authorise: a.authorise,
		Explain:   a.explain,
		Log:       cfg.Log,
	}
	if d == catalogue.Telemetry {
		config.Hidden = hidden
		types["Query"]["SignalsLatest"] = a.signalsLatest
		types["Query"]["vinVCLatest"], types["VINVC"] = a.vinVCLatest, vinVC()
		types["Query"]["attestations"], types["Attestation"] = a.attestations, attestation()
	} else {
		maps.Copy(types, fetch.Fields())
		maps.Copy(types["Query"], a.cloudEvents())
	}
	s, err := graphql.New(config)
	if err != nil {
		return nil, nil, err
	}
	if err := a.bind(s.Schema()); err != nil {
		return nil, nil, err
	}
	return a, s, a.parts()
}

func (a *answers) query() graphql.Fields {
	return graphql.Fields{
		"signals":          a.signals,
		"signalsLatest":    a.signalsLatest,
		"signalsSnapshot":  a.signalsSnapshot,
		"availableSignals": a.availableSignals,
		"dataSummary":      a.dataSummary,
		"events":           a.events,
		"segments":         a.segments,
		"dailyActivity":    a.dailyActivity,
	}
}

// authorise keeps a missing session apart from a nil interface.
func (a *answers) authorise(r *http.Request) (any, error) {
	s, err := a.Config.Authorise(r)
	if err != nil || s == nil {
		return nil, err
	}
	return s, nil
}

// explain gives errors the form of the dialect (spec api 2).
func (a *answers) explain(err error) (string, map[string]any) {
	var r *refusal
	var raw *fetch.Refusal
	switch {
	case errors.As(err, &r):
		return r.message, r.extensions
	case errors.As(err, &raw):
		return fetch.Explain(err)
	case errors.Is(err, context.DeadlineExceeded) && a.dialect == catalogue.Telemetry:
		return graphql.DeadlineMessage, map[string]any{"code": sayso.Invalid.Code()}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return graphql.Explain(err)
	case sayso.FaultOf(err) == sayso.Internal:
		return "failed to query db", map[string]any{"code": sayso.Internal.Code()}
	}
	return graphql.Explain(err)
}

// cause is the error of a read; where the request has ended, that it has.
func cause(c *graphql.Call, err error) error {
	if ended := c.Context.Err(); ended != nil {
		return ended
	}
	return err
}

func readTime(in any) (any, error) {
	s, _ := in.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return nil, invalid("time should be RFC3339Nano formatted string")
	}
	return t, nil
}

func readNumber(in any) (any, error) {
	if n, ok := in.(int64); ok && n >= 0 {
		return uint64(n), nil
	}
	return nil, invalid("not a whole number")
}

func invalid(message string) error { return sayso.Fail(sayso.Invalid, "ask", message) }

// moment is null where there is no time.
func moment(i sayso.Instant) any {
	if i == never {
		return nil
	}
	return i.Time()
}

// never is before every reading.
const never = sayso.Instant(-1 << 63)

func location() graphql.Fields {
	return graphql.Fields{
		"latitude":  graphql.Of(func(l *sayso.Location) any { return l.Latitude }),
		"longitude": graphql.Of(func(l *sayso.Location) any { return l.Longitude }),
		"hdop":      graphql.Of(func(l *sayso.Location) any { return l.HDOP }),
	}
}

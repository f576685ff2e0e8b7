package fetch

import (
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
)

// schema is that of the service of its own (spec api 5.2).
//
//go:embed schema.graphql
var schema string

// MaxInline is the longest payload that stands in an answer; of a longer one
// there is a link.
const MaxInline = 1 << 20

// MaxPayloads bounds the payloads of one field.
const MaxPayloads = 16 << 20

// Costs of a field: to look for events, and to count all of them.
const (
	costLook  = 6_000 // so that it waits for its turn
	costCount = 20_000
)

// Config is what [New] needs.
type Config struct {
	Reader    *Reader
	Authorise func(*http.Request) (*Caller, error)
	Gate      *graphql.Gate
	Key       func(r *http.Request, caller any) string
	Log       *slog.Logger
}

// New builds the handler of /fetch/query.
func New(cfg Config) (*graphql.Server, error) {
	a := &answers{cfg.Reader}
	types := Fields()
	types["Query"] = graphql.Fields{
		"latestIndex": a.latestIndex, "indexes": a.indexes,
		"latestCloudEvent": a.latest, "cloudEvents": a.list, "availableCloudEventTypes": a.types,
	}
	types["CloudEventIndex"] = graphql.Fields{
		"header":   graphql.Of(func(e *event) any { return e }),
		"indexKey": graphql.Of(func(e *event) any { return IndexKey(&e.Envelope) }),
	}
	return graphql.New(graphql.Config{
		SDL: schema, Types: types,
		Scalars: map[string]graphql.Scalar{"Time": ReadTime, "JSON": ReadJSON},
		Limits:  graphql.Limits{Complexity: 100, Cost: 1_000_000},
		Weigh: func(_ *graphql.Call, typeName string, f *graphql.Field) graphql.Weight {
			if typeName != "Query" {
				return graphql.Weight{Times: 1}
			}
			return Weigh(f)
		},
		Authorise: func(r *http.Request) (any, error) {
			c, err := cfg.Authorise(r)
			if err != nil || c == nil {
				return nil, err
			}
			return c, nil
		},
		Explain: Explain, Gate: cfg.Gate, Key: cfg.Key, Log: cfg.Log,
	})
}

// Weigh is the cost of a field of the root.
func Weigh(f *graphql.Field) graphql.Weight {
	if f.Name == "availableCloudEventTypes" {
		return graphql.Weight{Own: costCount}
	}
	limit, _ := graphql.Arg[int64](f.Args, "limit")
	return graphql.Weight{Own: costLook + int64(Clamp(limit))}
}

// ReadTime reads an argument of type Time.
func ReadTime(in any) (any, error) {
	s, _ := in.(string)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return nil, sayso.Fail(sayso.Invalid, "fetch", "time should be RFC3339Nano formatted string")
	}
	return t, nil
}

// ReadJSON reads an argument of type JSON, of which there is none.
func ReadJSON(in any) (any, error) { return in, nil }

// event is an event in an answer.
type event struct {
	vault.Stored
	link string // of a payload that does not stand in the answer
}

// Fields are the functions of the types that both services have.
func Fields() map[string]graphql.Fields {
	text := func(of func(*sayso.CloudEvent) string) graphql.Func {
		return graphql.Of(func(e *event) any { return of(&e.Envelope) })
	}
	optional := func(of func(*sayso.CloudEvent) string) graphql.Func {
		return graphql.Of(func(e *event) any {
			if s := of(&e.Envelope); s != "" {
				return s
			}
			return nil
		})
	}
	return map[string]graphql.Fields{
		"CloudEvent": {
			"header":     graphql.Of(func(e *event) any { return e }),
			"data":       graphql.Of(data),
			"dataBase64": graphql.Of(dataBase64),
			"dataUrl": graphql.Of(func(e *event) any {
				if e.link == "" {
					return nil
				}
				return e.link
			}),
		},
		"CloudEventHeader": {
			"specversion":     text(func(*sayso.CloudEvent) string { return "1.0" }),
			"type":            text(func(e *sayso.CloudEvent) string { return e.Type }),
			"source":          text(func(e *sayso.CloudEvent) string { return e.Source.String() }),
			"subject":         text(func(e *sayso.CloudEvent) string { return did(e.Subject) }),
			"id":              text(func(e *sayso.CloudEvent) string { return e.ID }),
			"time":            graphql.Of(func(e *event) any { return e.Envelope.Time }),
			"datacontenttype": optional(func(e *sayso.CloudEvent) string { return e.DataContentType }),
			"dataschema":      optional(func(e *sayso.CloudEvent) string { return e.DataSchema }),
			"dataversion":     optional(func(e *sayso.CloudEvent) string { return e.DataVersion }),
			"producer":        text(func(e *sayso.CloudEvent) string { return did(e.Producer) }),
			"signature":       optional(func(e *sayso.CloudEvent) string { return e.Signature }),
			"raweventid":      optional(func(e *sayso.CloudEvent) string { return e.RawEventID }),
			"tags":            graphql.Of(func(e *event) any { return graphql.Slice[string](e.Envelope.Tags) }),
		},
		"CloudEventTypeSummary": {
			"type":      graphql.Of(func(c Counted) any { return c.Type }),
			"count":     graphql.Of(func(c Counted) any { return c.Count }),
			"firstSeen": graphql.Of(func(c Counted) any { return c.First }),
			"lastSeen":  graphql.Of(func(c Counted) any { return c.Last }),
		},
	}
}

// data is the payload as JSON, byte for byte.
func data(e *event) any {
	if e.link != "" || e.Envelope.Base64 || !json.Valid(e.Envelope.Data) {
		return nil
	}
	return json.RawMessage(e.Envelope.Data)
}

func dataBase64(e *event) any {
	if e.link != "" || !e.Envelope.Base64 {
		return nil
	}
	return base64.StdEncoding.EncodeToString(e.Envelope.Data)
}

// answers are the functions of the service of its own.
type answers struct{ *Reader }

// ask reads the arguments and decides.
func (r *Reader) ask(c *graphql.Call, caller *Caller, f *graphql.Field, subject string) (question, error) {
	text, _ := graphql.Arg[string](f.Args, subject)
	s, err := r.Find(caller, text)
	if err != nil {
		return question{}, err
	}
	q := question{Query: queryOf(f), caller: caller, r: r, c: c}
	q.Subject = s
	q.verdict, err = r.Open(caller, s)
	return q, err
}

func (a *answers) ask(c *graphql.Call, f *graphql.Field) (question, error) {
	caller, _ := c.Caller.(*Caller)
	q, err := a.Reader.ask(c, caller, f, "did")
	q.Tombstones = true
	return q, err
}

func (a *answers) latest(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	q, err := a.ask(c, f)
	if err != nil {
		return nil, err
	}
	return q.latest()
}

func (a *answers) list(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	q, err := a.ask(c, f)
	if err != nil {
		return nil, err
	}
	return q.list()
}

func (a *answers) types(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	q, err := a.ask(c, f)
	if err != nil {
		return nil, err
	}
	return q.types()
}

// An index tells the header, so it is answered as the event without its payload.
func (a *answers) latestIndex(c *graphql.Call, parent any, f *graphql.Field) (any, error) {
	return a.latest(c, parent, f)
}

func (a *answers) indexes(c *graphql.Call, parent any, f *graphql.Field) (any, error) {
	return a.list(c, parent, f)
}

// Latest answers latestCloudEvent of /query, which names a subject.
func (r *Reader) Latest(c *graphql.Call, caller *Caller, f *graphql.Field) (any, error) {
	q, err := r.ask(c, caller, f, "subject")
	if err != nil {
		return nil, err
	}
	e, err := q.latest()
	if e == nil && err == nil {
		return nil, sayso.Fail(sayso.NotFound, "fetch", "not found")
	}
	return e, err
}

// Events answers cloudEvents of /query.
func (r *Reader) Events(c *graphql.Call, caller *Caller, f *graphql.Field) (any, error) {
	q, err := r.ask(c, caller, f, "subject")
	if err != nil {
		return nil, err
	}
	return q.list()
}

// EventTypes answers availableCloudEventTypes of /query.
func (r *Reader) EventTypes(c *graphql.Call, caller *Caller, f *graphql.Field) (any, error) {
	q, err := r.ask(c, caller, f, "subject")
	if err != nil {
		return nil, err
	}
	return q.types()
}

// queryOf reads the arguments of a field.
func queryOf(f *graphql.Field) Query {
	q := Query{Bytes: MaxPayloads}
	limit, _ := graphql.Arg[int64](f.Args, "limit")
	q.Limit = Clamp(limit)
	q.Deleted, _ = graphql.Arg[bool](f.Args, "includeDeleted")
	filter, _ := graphql.Arg[graphql.Args](f.Args, "filter")
	q.After, _ = graphql.Arg[time.Time](filter, "after")
	q.Before, _ = graphql.Arg[time.Time](filter, "before")
	q.Classes, q.Match = filterOf(filter)
	return q
}

// filterOf reads a CloudEventFilter: what is given must all hold; type and types
// are one list.
func filterOf(filter graphql.Args) (vault.Class, func(*sayso.CloudEvent) bool) {
	var types []string
	if t, ok := graphql.Arg[string](filter, "type"); ok {
		types = append(types, t)
	}
	list, _ := graphql.Arg[[]any](filter, "types")
	for _, t := range list {
		if t, ok := t.(string); ok {
			types = append(types, t)
		}
	}
	id, byID := graphql.Arg[string](filter, "id")
	version, byVersion := graphql.Arg[string](filter, "dataversion")
	source, bySource := graphql.Arg[string](filter, "source")
	producer, byProducer := graphql.Arg[string](filter, "producer")
	source, producer = AddressText(source), DIDText(producer)
	return classes(types), func(e *sayso.CloudEvent) bool {
		return (types == nil || slices.Contains(types, e.Type)) && (!byID || id == e.ID) && (!byVersion || version == e.DataVersion) &&
			(!bySource || source == e.Source.String()) && (!byProducer || producer == did(e.Producer))
	}
}

// classes are those to look at for some types; 0 for all.
func classes(types []string) (of vault.Class) {
	for _, t := range types {
		of |= vault.ClassOf(t)
	}
	return of
}

// AddressText brings an address, or its did:ethr, to the form of sources.
func AddressText(s string) string {
	if d, err := sayso.ParseDID(s); err == nil && d.Method == sayso.MethodEthr {
		return d.Address.String()
	}
	if a, err := sayso.ParseAddress(s); err == nil {
		return a.String()
	}
	return s
}

// DIDText brings a DID to the form in which it is answered.
func DIDText(s string) string {
	if d, err := sayso.ParseDID(s); err == nil {
		return d.String()
	}
	return s
}

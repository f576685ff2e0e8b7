package ask

import (
	"encoding/json"
	"time"

	"sayso"
	"sayso/car/dialect"
	"sayso/node/ask/fetch"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
	"sayso/owner/attest"
)

// vinCredential is an answer of vinVCLatest.
type vinCredential struct {
	attest.VIN
	vehicle uint64
	raw     string
}

// vinVCLatest answers the root field of that name: the newest credential of this
// node, of the ownerships whose identification number the caller may know.
func (a *answers) vinVCLatest(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	r, err := a.open(c, f, nil)
	if err != nil {
		return nil, err
	}
	found, err := a.raw.Newest(c.Context, r.vehicle, r.epochs, func(e *sayso.CloudEvent) bool {
		return e.Type == sayso.TypeAttestation && e.DataVersion == attest.VINVersion && e.Source == a.Issuer
	})
	if err != nil || found == nil {
		return nil, cause(c, err)
	}
	out := &vinCredential{vehicle: r.vehicle, raw: string(dialect.Encode(found.Envelope))}
	if err := json.Unmarshal(found.Envelope.Data, &out.VIN); err != nil {
		return nil, err
	}
	return out, nil
}

func vinVC() graphql.Fields {
	text := func(of func(*vinCredential) string) graphql.Func {
		return graphql.Of(func(v *vinCredential) any { return orNull(of(v)) })
	}
	return graphql.Fields{
		"vehicleTokenId":         graphql.Of(func(v *vinCredential) any { return v.vehicle }),
		"vin":                    text(func(v *vinCredential) string { return v.Subject.VIN }),
		"recordedBy":             text(func(v *vinCredential) string { return v.Subject.RecordedBy }),
		"recordedAt":             graphql.Of(func(v *vinCredential) any { return v.Subject.RecordedAt }),
		"countryCode":            text(func(v *vinCredential) string { return v.Subject.CountryCode }),
		"vehicleContractAddress": text(func(v *vinCredential) string { return v.Subject.Contract }),
		"validFrom":              graphql.Of(func(v *vinCredential) any { return v.ValidFrom }),
		"validTo":                graphql.Of(func(v *vinCredential) any { return v.ValidTo }),
		"rawVC":                  graphql.Of(func(v *vinCredential) any { return v.raw }),
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// attested is an answer of attestations.
type attested struct {
	vehicle uint64
	vault.Stored
}

// attestations answers the root field of that name.
func (a *answers) attestations(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	subject, given := graphql.Arg[string](f.Args, "subject")
	if id, ok := graphql.Arg[int64](f.Args, "tokenId"); ok == given || ok && id < 0 {
		return nil, invalid("invalid argument: exactly one of tokenId and subject names the vehicle")
	} else if ok {
		subject = sayso.NFT(a.Chain.ID, a.Chain.Vehicle, uint64(id)).String()
	}
	caller := a.caller(c)
	s, err := a.raw.Find(caller, subject)
	if err != nil {
		return nil, err
	}
	verdict, err := a.raw.Open(caller, s)
	if err != nil {
		return nil, err
	}
	q := attestationQuery(f)
	q.Subject = s
	list, err := a.raw.List(c.Context, verdict, q)
	if err != nil {
		return nil, cause(c, err)
	}
	out := make(graphql.Slice[*attested], len(list))
	for i := range list {
		out[i] = &attested{s.Vehicle, list[i]}
	}
	return out, nil
}

// attestationQuery reads an AttestationFilter.
func attestationQuery(f *graphql.Field) fetch.Query {
	filter, _ := graphql.Arg[graphql.Args](f.Args, "filter")
	q := fetch.Query{Classes: vault.Statement, Limit: 10, Bytes: fetch.MaxPayloads}
	if n, ok := graphql.Arg[int64](filter, "limit"); ok {
		q.Limit = fetch.Clamp(n)
	}
	q.After, _ = graphql.Arg[time.Time](filter, "after")
	for _, name := range []string{"before", "cursor"} {
		if t, ok := graphql.Arg[time.Time](filter, name); ok && (q.Before.IsZero() || t.Before(q.Before)) {
			q.Before = t
		}
	}
	id, byID := graphql.Arg[string](filter, "id")
	version, byVersion := graphql.Arg[string](filter, "dataVersion")
	producer, byProducer := graphql.Arg[string](filter, "producer")
	source, bySource := graphql.Arg[sayso.Address](filter, "source")
	tags := func([]string) bool { return true }
	if given, ok := graphql.Arg[graphql.Args](filter, "tags"); ok {
		if test := listFilter(given); test != nil {
			tags = test
		}
	}
	producer = fetch.DIDText(producer)
	q.Match = func(e *sayso.CloudEvent) bool {
		return e.Type == sayso.TypeAttestation && (!byID || id == e.ID) && (!byVersion || version == e.DataVersion) &&
			(!byProducer || producer == e.Producer.String()) && (!bySource || source == e.Source) && tags(e.Tags)
	}
	return q
}

func attestation() graphql.Fields {
	return graphql.Fields{
		"id":             graphql.Of(func(a *attested) any { return a.Envelope.ID }),
		"vehicleTokenId": graphql.Of(func(a *attested) any { return a.vehicle }),
		"time":           graphql.Of(func(a *attested) any { return a.Envelope.Time }),
		"attestation":    graphql.Of(func(a *attested) any { return string(attest.Payload(&a.Envelope)) }),
		"type":           graphql.Of(func(a *attested) any { return a.Envelope.Type }),
		"source":         graphql.Of(func(a *attested) any { return a.Envelope.Source }),
		"dataVersion":    graphql.Of(func(a *attested) any { return a.Envelope.DataVersion }),
		"producer": graphql.Of(func(a *attested) any {
			if a.Envelope.Producer.Method == "" {
				return nil
			}
			return a.Envelope.Producer
		}),
		"signature": graphql.Of(func(a *attested) any { return a.Envelope.Signature }),
		"tags":      graphql.Of(func(a *attested) any { return graphql.Slice[string](a.Envelope.Tags) }),
	}
}

func readAddress(in any) (any, error) {
	s, _ := in.(string)
	a, err := sayso.ParseAddress(s)
	if err != nil {
		return nil, invalid("not a valid hex address")
	}
	return a, nil
}

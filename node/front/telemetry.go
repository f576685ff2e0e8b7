package front

import (
	"net/http"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/ask"
	"sayso/node/ask/fetch"
	"sayso/node/ask/graphql"
	"sayso/owner/consent"
	"sayso/owner/token"
)

// telemetry answers about vehicles in both dialects.
func (f *Front) telemetry(cat *catalogue.Catalogue, tokens *token.Verifier[token.Vehicle], gate *graphql.Gate) error {
	cfg := ask.Config{
		Catalogue: cat, Vault: f.cfg.Vault, Chain: f.cfg.Registry.Chain(), Clock: f.cfg.Clock, Gate: gate, Log: f.cfg.Log,
		Authorise: func(r *http.Request) (*ask.Session, error) { return f.session(r, tokens) },
		Issuer:    f.issuer.Address(), Devices: f.cfg.Registry,
	}
	reader := &fetch.Reader{Vault: cfg.Vault, Chain: cfg.Chain, Devices: cfg.Devices}
	f.links(reader, gate)
	cfg.Link = reader.Link
	for path, dialect := range map[string]catalogue.Dialect{"/telemetry/query": catalogue.Telemetry, "/query": catalogue.Subject} {
		server, err := ask.New(cfg, dialect)
		if err != nil {
			return err
		}
		f.Handle(path, server)
	}
	if err := f.rest(cfg); err != nil {
		return err
	}
	return f.fetch(cat, tokens, gate, reader)
}

// session is who asks, as the vehicle token of a request proves it. What the
// owner allows is decided again at every read, for the token's grantee.
func (f *Front) session(r *http.Request, tokens *token.Verifier[token.Vehicle]) (*ask.Session, error) {
	raw, err := token.Bearer(r.Header.Get("Authorization"))
	if err != nil || raw == "" {
		return nil, err
	}
	claims, err := tokens.Verify(raw, token.Audience, f.cfg.Clock.Now())
	if err != nil {
		return nil, err
	}
	return f.sessionOf(claims)
}

// sessionOf is the session that the claims of a vehicle token open.
func (f *Front) sessionOf(claims *token.Vehicle) (*ask.Session, error) {
	asset, err := sayso.ParseDID(claims.Asset)
	if err != nil {
		return nil, &sayso.Error{Op: "front.session", Fault: sayso.Unauthorized, Message: "the token names no vehicle", Err: err}
	}
	only := &asset
	if asset.Method == sayso.MethodEthr {
		only = nil // every vehicle of the account, which is decided for each
	}
	return &ask.Session{
		Who: claims.Grantee, Asset: only, Claims: claims.Set(), Token: claims,
		Decide: func(vehicle uint64) consent.Verdict {
			if !f.licensed(claims) {
				return consent.Verdict{Vehicle: vehicle, Reason: consent.NotShared}
			}
			if only == nil {
				return consent.Under(f.state, claims.Grantee, asset.Address, vehicle, f.cfg.Clock.Now()).LimitEvents(claims.Filters())
			}
			return consent.Decide(f.state, claims.Grantee, vehicle, f.cfg.Clock.Now()).LimitEvents(claims.Filters())
		},
	}, nil
}

// licensed says whether the licences behind a token still stand: the one that
// it was issued to, and the grantee, if that is one, with the key that signed in.
func (f *Front) licensed(claims *token.Vehicle) bool {
	if token.Revoked(f.cfg.Registry, claims.Grantee) || !token.Speaks(f.cfg.Registry, claims.Grantee, claims.Signer, f.cfg.Clock.Now()) {
		return false
	}
	if claims.Subject == token.DriverClient {
		return true
	}
	id, err := sayso.ParseAddress(claims.Subject)
	if err != nil {
		return false
	}
	l, ok := f.cfg.Registry.LicenceByClient(id)
	return ok && !l.Revoked
}

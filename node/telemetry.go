package node

import (
	"net/http"
	"path/filepath"

	"sayso"
	"sayso/car/catalogue"
	"sayso/internal/rootkey"
	"sayso/node/ask"
	"sayso/node/vault"
	"sayso/owner/consent"
	"sayso/owner/token"
)

// telemetry answers about vehicles in both dialects.
func (n *Node) telemetry(mux *http.ServeMux, cat *catalogue.Catalogue, tokens *token.Verifier[token.Vehicle]) error {
	cfg := ask.Config{
		Catalogue: cat, Vault: n.Vault, Chain: n.Registry.Chain(), Clock: n.Clock, Log: n.Log,
		Authorise: func(r *http.Request) (*ask.Session, error) { return n.session(r, tokens) },
	}
	for path, dialect := range map[string]catalogue.Dialect{"/telemetry/query": catalogue.Telemetry, "/query": catalogue.Subject} {
		server, err := ask.New(cfg, dialect)
		if err != nil {
			return err
		}
		mux.Handle(path, server)
	}
	return nil
}

// session is who asks, as the vehicle token of a request proves it. What the
// owner allows is decided again at every read, for the token's grantee.
func (n *Node) session(r *http.Request, tokens *token.Verifier[token.Vehicle]) (*ask.Session, error) {
	raw, err := token.Bearer(r.Header.Get("Authorization"))
	if err != nil || raw == "" {
		return nil, err
	}
	claims, err := tokens.Verify(raw, token.Audience, n.Clock.Now())
	if err != nil {
		return nil, err
	}
	asset, err := sayso.ParseDID(claims.Asset)
	if err != nil {
		return nil, &sayso.Error{Op: "node.session", Fault: sayso.Unauthorized, Message: "the token names no vehicle", Err: err}
	}
	return &ask.Session{
		Who: claims.Grantee, Asset: &asset, Claims: claims.Set(),
		Decide: func(vehicle uint64) consent.Verdict {
			if !n.licensed(claims) {
				return consent.Verdict{Vehicle: vehicle, Reason: consent.NotShared}
			}
			return consent.Decide(n.Registry, claims.Grantee, vehicle, n.Clock.Now())
		},
	}, nil
}

// licensed says whether the licence that a token was issued to still stands.
func (n *Node) licensed(claims *token.Vehicle) bool {
	if claims.Subject == token.DriverClient {
		return true
	}
	id, err := sayso.ParseAddress(claims.Subject)
	if err != nil {
		return false
	}
	l, ok := n.Registry.LicenceByClient(id)
	return ok && !l.Revoked
}

// rootKey opens the key that the vault's keys are sealed with: from a
// passphrase where one is given, else from a file outside the data folder.
func (n *Node) rootKey() (vault.RootKey, error) {
	if n.Config.Passphrase != "" {
		return rootkey.FromPassphrase([]byte(n.Config.Passphrase), filepath.Join(n.Config.Data, "passphrase.salt"))
	}
	path := n.Config.RootKey
	if path == "" {
		path = filepath.Join(n.Config.Keys, "root.key")
	}
	return rootkey.FromFile(path)
}

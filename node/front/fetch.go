package front

import (
	"net/http"
	"path/filepath"
	"slices"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/ask"
	"sayso/node/ask/fetch"
	"sayso/node/ask/graphql"
	"sayso/node/rpc"
	"sayso/node/vouch"
	"sayso/owner/attest"
	"sayso/owner/consent"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

// openIssuer opens the key with which the node signs credentials, making it where
// there is none.
func (f *Front) openIssuer() error {
	key, err := chain.LoadOrCreateKey(filepath.Join(f.cfg.Keys, "attest.key"))
	if err != nil {
		return err
	}
	f.issuer = &attest.Issuer{Key: key, Chain: f.cfg.Registry.Chain().ID}
	return nil
}

// fetch answers about cloud events as they were received, and attests.
func (f *Front) fetch(cat *catalogue.Catalogue, tokens *token.Verifier[token.Vehicle], gate *graphql.Gate, reader *fetch.Reader) error {
	caller := func(r *http.Request) (*fetch.Caller, error) {
		s, err := f.session(r, tokens)
		return s.Caller(), err
	}
	server, err := fetch.New(fetch.Config{Reader: reader, Authorise: caller, Gate: gate, Key: ask.Key, Log: f.cfg.Log})
	if err != nil {
		return err
	}
	f.Handle("/fetch/query", server)
	who := func(r *http.Request) (sayso.Address, error) { return f.caller(r, f.callers) }
	f.Handle(fetch.RefusedPath, reader.Refused(who, f.owns))
	f.rpc(reader, caller, who, gate)
	return vouch.Routes(f, &vouch.Service{
		Vault: f.cfg.Vault, Registry: f.cfg.Registry, Catalogue: cat, Raw: reader, Issuer: f.issuer, Clock: f.cfg.Clock,
	}, f.cfg.BaseURL, caller)
}

// links has the reader answer long payloads by link, and serves what is behind
// the links.
func (f *Front) links(reader *fetch.Reader, gate *graphql.Gate) {
	l := fetch.NewLinks(fetch.Links{
		Reader: reader, Clock: f.cfg.Clock, Base: f.cfg.BaseURL, Turn: gate.Costly,
		Caller: func(claims *token.Vehicle) (*fetch.Caller, error) {
			s, err := f.sessionOf(claims)
			return s.Caller(), err
		},
	})
	reader.Link = l.Link
	f.Handle("GET "+fetch.PayloadPath+"{link}", l)
}

// owns says of which ownerships of a vehicle somebody is the owner, and whether
// somebody is a device that is or was in it.
func (f *Front) owns(who sayso.Address, vehicle uint64) (own, all []uint32, sends bool, err error) {
	verdict := consent.Decide(f.state, who, vehicle, f.cfg.Clock.Now())
	if verdict.Reason == consent.ChainStale {
		return nil, nil, false, sayso.Fail(sayso.Busy, "front.owns", string(verdict.Reason))
	}
	if d, ok := f.cfg.Registry.DeviceByAddress(who); ok {
		sends = slices.ContainsFunc(d.Pairings, func(p registry.Pairing) bool { return p.Vehicle == vehicle })
	}
	if v, ok := f.cfg.Registry.Vehicle(vehicle); ok && sends {
		for e := uint32(1); e <= v.Epoch(); e++ {
			all = append(all, e)
		}
	}
	return verdict.Own(), all, sends, nil
}

// rpc answers in gRPC.
func (f *Front) rpc(reader *fetch.Reader, caller func(*http.Request) (*fetch.Caller, error), who func(*http.Request) (sayso.Address, error), gate *graphql.Gate) {
	rpc.Routes(f, rpc.Config{
		Reader: reader, Chain: f.cfg.Registry.Chain(), Aliases: f.cfg.Aliases, Caller: caller, Account: who, Turn: gate.Costly,
		Decide: func(who sayso.Address, vehicle uint64) consent.Verdict {
			return consent.Decide(f.state, who, vehicle, f.cfg.Clock.Now())
		},
		Owner: func(vehicle uint64) sayso.Address {
			v, _ := f.cfg.Registry.Vehicle(vehicle)
			return v.Owner()
		},
	})
}

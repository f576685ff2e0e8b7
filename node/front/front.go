// Package front is what a node shows over HTTP of a registry and a vault: the
// sign-in and the exchange of tokens, the answers about vehicles in both
// dialects, who is who, and the door of the devices. It needs no chain, so that
// tests drive the very handlers that a node serves.
package front

import (
	"context"
	"log/slog"
	"net/http"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/door"
	"sayso/internal/clock"
	"sayso/node/ask/graphql"
	"sayso/node/ask/identity"
	"sayso/node/erasure"
	"sayso/node/vault"
	"sayso/owner/attest"
	"sayso/owner/consent"
	"sayso/owner/document/shelf"
	"sayso/owner/registry"
	"sayso/owner/token"
)

// Where the two issuers live on the node's own host.
const (
	developerIssuer = "/auth"
	vehicleIssuer   = "/auth-roles-rights"
)

// Config is what [New] needs; all but Aliases, Contract, Documents and Erasures must be
// given.
type Config struct {
	Registry *registry.Registry
	Vault    *vault.Vault
	Clock    clock.Clock
	Log      *slog.Logger
	Keys     string          // folder of the token keys
	BaseURL  string          // of this node, without a trailing slash
	MaxBody  int64           // largest message of a device, in bytes
	Aliases  []sayso.Address // contracts that stand for the vehicle contract
	// Contract asks a contract account whether it approves a signature.
	Contract func(ctx context.Context, account common.Address, digest common.Hash, sig []byte) bool
	Count    func(outcome string) // notes what became of a message of a device
	Devices  Devices
	// Documents are those behind grants; without them the records on chain alone
	// count.
	Documents *shelf.Shelf
	// Erasures lets owners have their data erased; without it nobody can. Certifier
	// has the keys of the certificates.
	Erasures  *erasure.Ledger
	Certifier *token.Issuer
}

// Front is the handler. More can be added to it with Handle.
type Front struct {
	cfg      Config
	mux      *http.ServeMux
	state    state
	hosts    hosts
	patterns []string

	// Door is that of the devices, which other transports share.
	Door    *door.Door
	callers *token.Verifier[token.Developer]
	issuer  *attest.Issuer // of credentials
}

// New opens the keys of the issuers, making them where there are none, and
// builds everything that answers.
func New(cfg Config) (*Front, error) {
	cat, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	developers, err := token.OpenIssuer(cfg.Keys, token.DeveloperKeys, cfg.BaseURL+developerIssuer)
	if err != nil {
		return nil, err
	}
	vehicles, err := token.OpenIssuer(cfg.Keys, token.VehicleKeys, cfg.BaseURL+vehicleIssuer)
	if err != nil {
		return nil, err
	}
	developers.Clock, vehicles.Clock, vehicles.Term = cfg.Clock, cfg.Clock, token.VehicleTerm
	f := &Front{cfg: cfg, mux: http.NewServeMux(), state: cfg.Registry}
	if cfg.Documents != nil {
		f.state = shelf.State{Registry: cfg.Registry, Shelf: cfg.Documents}
	}
	if err := f.openIssuer(); err != nil {
		return nil, err
	}
	f.hosts = hosts{next: f.mux, developers: developers, vehicles: vehicles}
	callers := token.NewDeveloperVerifier(developers)
	f.callers = callers
	signIn := &token.SignIn{Issuer: developers, State: cfg.Registry, Clock: cfg.Clock, Home: cfg.BaseURL, Contract: cfg.Contract}
	token.Routes(f, signIn, f.exchange(vehicles, callers), [2]string{developerIssuer, vehicleIssuer})

	gate := graphql.NewGate(graphql.GateConfig{})
	id, err := identity.New(identity.Config{Registry: cfg.Registry, Clock: cfg.Clock, BaseURL: cfg.BaseURL, Gate: gate, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	f.Handle("/identity/query", id)
	f.definitions()
	if err := f.telemetry(cat, token.NewVehicleVerifier(vehicles), gate); err != nil {
		return nil, err
	}
	if err := f.agents(cat); err != nil {
		return nil, err
	}
	f.Door = f.door(cat, callers)
	f.equip(f.Door)
	f.Handle("POST "+door.Path, f.Door)
	caller := func(r *http.Request) (sayso.Address, error) { return f.caller(r, callers) }
	if cfg.Documents != nil {
		shelf.Routes(f, cfg.Documents, caller)
	}
	if cfg.Erasures != nil {
		erasure.Routes(f, cfg.Erasures, http.HandlerFunc(cfg.Certifier.ServeKeys), caller)
	}
	return f, nil
}

// state is what tokens are issued and reads are decided from.
type state interface {
	token.State
	consent.State
}

// caller is the account that the developer token of a request names; nobody, the
// zero address, where there is no token.
func (f *Front) caller(r *http.Request, callers *token.Verifier[token.Developer]) (sayso.Address, error) {
	who, _, err := f.developer(r, callers)
	return who, err
}

// developer is the same, with the token.
func (f *Front) developer(r *http.Request, callers *token.Verifier[token.Developer]) (sayso.Address, *token.Developer, error) {
	raw, err := token.Bearer(r.Header.Get("Authorization"))
	if err != nil || raw == "" {
		return sayso.Address{}, nil, err
	}
	c, err := callers.Verify(raw, "", f.cfg.Clock.Now())
	if err != nil || c.Address == nil || token.Revoked(f.cfg.Registry, *c.Address) || !token.Speaks(f.cfg.Registry, *c.Address, c.Signer, f.cfg.Clock.Now()) {
		return sayso.Address{}, nil, err
	}
	return *c.Address, c, nil
}

// Handle adds a handler for a pattern of [http.ServeMux].
func (f *Front) Handle(pattern string, h http.Handler) {
	f.patterns = append(f.patterns, pattern)
	f.mux.Handle(pattern, h)
}

// Patterns are those that something answers, in ascending order.
func (f *Front) Patterns() []string { return slices.Sorted(slices.Values(f.patterns)) }

// ServeHTTP answers by the host and the path of a request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.hosts.ServeHTTP(w, r) }

// exchange trades developer tokens for vehicle tokens.
func (f *Front) exchange(vehicles *token.Issuer, callers *token.Verifier[token.Developer]) *token.Exchange {
	info := f.cfg.Registry.Chain()
	x := &token.Exchange{
		Issuer: vehicles, Callers: callers, State: f.state, Clock: f.cfg.Clock,
		Chain: info.ID, Vehicle: info.Vehicle, Aliases: f.cfg.Aliases,
	}
	if f.cfg.Documents != nil {
		x.Fetch = f.cfg.Documents.Fetch
	}
	return x
}

// door is the way in for devices.
func (f *Front) door(cat *catalogue.Catalogue, callers *token.Verifier[token.Developer]) *door.Door {
	return &door.Door{
		Catalogue: cat, State: f.cfg.Registry, Clock: f.cfg.Clock, Chain: f.cfg.Registry.Chain(), MaxBody: f.cfg.MaxBody,
		Count: f.cfg.Count,
		Device: func(raw string) (sayso.Address, error) {
			c, err := callers.Verify(raw, token.DeviceClient, f.cfg.Clock.Now())
			if err != nil {
				return sayso.Address{}, err
			}
			if c.Address == nil {
				return sayso.Address{}, sayso.Fail(sayso.Unauthorized, "door", "the token names no device")
			}
			return *c.Address, nil
		},
		Keep: func(ctx context.Context, p *door.Parcel) (bool, error) {
			d := vault.Deposit(*p)
			kept, err := f.cfg.Vault.Commit(ctx, &d)
			return kept.Duplicate, err
		},
	}
}

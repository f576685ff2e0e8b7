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
	"sayso/node/ask/identity"
	"sayso/node/vault"
	"sayso/owner/registry"
	"sayso/owner/token"
)

// Where the two issuers live on the node's own host.
const (
	developerIssuer = "/auth"
	vehicleIssuer   = "/auth-roles-rights"
)

// Config is what [New] needs; all but Aliases and Contract must be given.
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
}

// Front is the handler. More can be added to it with Handle.
type Front struct {
	cfg      Config
	mux      *http.ServeMux
	hosts    hosts
	patterns []string
}

// New opens the keys of the issuers, making them where there are none, and
// builds everything that answers.
func New(cfg Config) (*Front, error) {
	cat, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	developers, err := token.OpenIssuer(cfg.Keys, "developer-tokens", cfg.BaseURL+developerIssuer)
	if err != nil {
		return nil, err
	}
	vehicles, err := token.OpenIssuer(cfg.Keys, "vehicle-tokens", cfg.BaseURL+vehicleIssuer)
	if err != nil {
		return nil, err
	}
	f := &Front{cfg: cfg, mux: http.NewServeMux()}
	f.hosts = hosts{next: f.mux, developers: developers, vehicles: vehicles}
	callers := token.NewDeveloperVerifier(developers)
	signIn := &token.SignIn{Issuer: developers, State: cfg.Registry, Clock: cfg.Clock, Home: cfg.BaseURL, Contract: cfg.Contract}
	token.Routes(f, signIn, f.exchange(vehicles, callers), [2]string{developerIssuer, vehicleIssuer})

	id, err := identity.New(identity.Config{Registry: cfg.Registry, Clock: cfg.Clock, BaseURL: cfg.BaseURL, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	f.Handle("/identity/query", id)
	if err := f.telemetry(cat, token.NewVehicleVerifier(vehicles)); err != nil {
		return nil, err
	}
	f.Handle("POST "+door.Path, f.door(cat, callers))
	return f, nil
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
	return &token.Exchange{
		Issuer: vehicles, Callers: callers, State: f.cfg.Registry, Clock: f.cfg.Clock,
		Chain: info.ID, Vehicle: info.Vehicle, Aliases: f.cfg.Aliases,
	}
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

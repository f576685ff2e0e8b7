package node

import (
	"context"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/door"
	"sayso/node/ask/identity"
	"sayso/node/vault"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

// Where the two issuers live on the node's own host.
const (
	developerIssuer = "/auth"
	vehicleIssuer   = "/auth-roles-rights"
)

// sdkVehicles are the vehicle contracts that published SDKs have built in. On
// the node's own chain they stand for its vehicle contract.
var sdkVehicles = []string{"0xbA5738a18d83D41847dfFbDC6101d37C69c9B0cF", "0x45fbCD3ef7361d156e8b16F5538AE36DEdf61Da8"}

// openDoors builds everything that answers.
func (n *Node) openDoors(context.Context) error {
	cat, err := catalogue.Load()
	if err != nil {
		return err
	}
	n.metrics = newMetrics(n)
	developers, err := token.OpenIssuer(n.Config.Keys, "developer-tokens", n.Config.BaseURL()+developerIssuer)
	if err != nil {
		return err
	}
	vehicles, err := token.OpenIssuer(n.Config.Keys, "vehicle-tokens", n.Config.BaseURL()+vehicleIssuer)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	callers := token.NewDeveloperVerifier(developers)
	signIn := &token.SignIn{Issuer: developers, State: n.Registry, Clock: n.Clock, Home: n.Config.BaseURL(), Contract: n.contractSigned}
	token.Routes(mux, signIn, n.exchange(vehicles, callers), [2]string{developerIssuer, vehicleIssuer})

	id, err := identity.New(identity.Config{Registry: n.Registry, Clock: n.Clock, BaseURL: n.Config.BaseURL(), Log: n.Log})
	if err != nil {
		return err
	}
	mux.Handle("/identity/query", id)
	if err := n.telemetry(mux, cat, token.NewVehicleVerifier(vehicles)); err != nil {
		return err
	}
	mux.Handle("POST "+door.Path, n.door(cat, callers))
	mux.HandleFunc("GET /v1/chain", n.serveChain)
	mux.HandleFunc("GET /ready", n.serveReady)
	mux.Handle("GET /metrics", n.metrics)
	mux.HandleFunc("/", n.serveRest)

	n.server = &http.Server{
		Handler:           &hosts{next: mux, developers: developers, vehicles: vehicles},
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	n.closers = append(n.closers, n.server.Close)
	return nil
}

// exchange trades developer tokens for vehicle tokens.
func (n *Node) exchange(vehicles *token.Issuer, callers *token.Verifier[token.Developer]) *token.Exchange {
	info := n.Registry.Chain()
	x := &token.Exchange{Issuer: vehicles, Callers: callers, State: n.Registry, Clock: n.Clock, Chain: info.ID, Vehicle: info.Vehicle}
	if n.Config.ownChain() {
		for _, s := range sdkVehicles {
			if a, err := sayso.ParseAddress(s); err == nil {
				x.Aliases = append(x.Aliases, a)
			}
		}
	}
	return x
}

// contractSigned asks a contract account whether a signature is its own.
func (n *Node) contractSigned(ctx context.Context, account common.Address, digest common.Hash, sig []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ok, err := chain.IsValidSignature(ctx, n.Client, account, digest, sig)
	return err == nil && ok
}

// door is the way in for devices.
func (n *Node) door(cat *catalogue.Catalogue, callers *token.Verifier[token.Developer]) *door.Door {
	return &door.Door{
		Catalogue: cat, State: n.Registry, Clock: n.Clock, Chain: n.Registry.Chain(), MaxBody: n.Config.MaxBody,
		Count: n.metrics.door,
		Device: func(raw string) (sayso.Address, error) {
			c, err := callers.Verify(raw, token.DeviceClient, n.Clock.Now())
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
			kept, err := n.Vault.Commit(ctx, &d)
			return kept.Duplicate, err
		},
	}
}

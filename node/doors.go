package node

import (
	"context"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/node/front"
	"sayso/protocol/chain"
	"sayso/protocol/relay"
)

// sdkVehicles are the vehicle contracts that published SDKs have built in. On
// the node's own chain they stand for its vehicle contract.
var sdkVehicles = []string{"0xbA5738a18d83D41847dfFbDC6101d37C69c9B0cF", "0x45fbCD3ef7361d156e8b16F5538AE36DEdf61Da8"}

// openDoors builds everything that answers.
func (n *Node) openDoors(context.Context) error {
	n.metrics = newMetrics(n)
	rules, err := n.deviceRules()
	if err != nil {
		return err
	}
	f, err := front.New(front.Config{
		Registry: n.Registry, Vault: n.Vault, Clock: n.Clock, Log: n.Log,
		Keys: n.Config.Keys, BaseURL: n.Config.BaseURL(), MaxBody: n.Config.MaxBody,
		Aliases: n.aliases(), Contract: n.contractSigned, Count: n.metrics.door, Devices: rules,
		Documents: n.Documents, Erasures: n.Erasures, Certifier: n.certifier,
	})
	if err != nil {
		return err
	}
	if err := n.openRelay(f); err != nil {
		return err
	}
	if err := n.openWebhooks(f); err != nil {
		return err
	}
	f.Handle("GET /v1/chain", http.HandlerFunc(n.serveChain))
	f.Handle("GET /ready", http.HandlerFunc(n.serveReady))
	f.Handle("GET /metrics", n.metrics)
	f.Handle("/", http.HandlerFunc(n.serveRest))

	n.intake = f.Door
	both := new(http.Protocols) // gRPC comes in clear HTTP/2
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	n.server = &http.Server{
		Protocols:         both,
		Handler:           f,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	n.closers = append(n.closers, n.server.Close)
	return n.openMQTT(f)
}

// openRelay brings signed calls of people's accounts to the chain at the
// operator's cost, where there are such accounts and the operator pays.
func (n *Node) openRelay(f *front.Front) error {
	accounts := n.Registry.Chain().Accounts
	if accounts.IsZero() || n.Config.RelayGas == 0 {
		return nil
	}
	r, err := relay.New(relay.Config{
		Sender: chain.NewSender(n.Client, n.Operator), Accounts: common.Address(accounts),
		PerAccount: n.Config.RelayGas, Total: n.Config.RelayTotal, Clock: n.Clock,
	})
	if err != nil {
		return err
	}
	f.Handle("POST /v1/relay", r)
	return nil
}

// aliases are the contracts that stand for the vehicle contract.
func (n *Node) aliases() (list []sayso.Address) {
	if !n.Config.ownChain() {
		return nil
	}
	for _, s := range sdkVehicles {
		if a, err := sayso.ParseAddress(s); err == nil {
			list = append(list, a)
		}
	}
	return list
}

// contractSigned asks a contract account whether a signature is its own. Of several
// endpoints two must say so.
func (n *Node) contractSigned(ctx context.Context, account common.Address, digest common.Hash, sig []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	said := make(chan bool, len(n.Clients))
	for _, c := range n.Clients {
		go func() {
			ok, err := chain.IsValidSignature(ctx, c, account, digest, sig)
			said <- err == nil && ok
		}()
	}
	needed := min(2, len(n.Clients))
	for range n.Clients {
		if <-said {
			needed--
		}
		if needed == 0 {
			return true
		}
	}
	return false
}

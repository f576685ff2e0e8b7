package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/durable"
	"sayso/owner/registry"
	"sayso/protocol/abi"
	"sayso/protocol/chain"
	"sayso/protocol/chain/devchain"
	"sayso/protocol/follow"
)

// backdate is how far in the past a new chain begins: room for the blocks of
// the set-up, each of which must be a second later than the one before.
const backdate = 2 * time.Minute

// lead is how far block time may run ahead of the clock when blocks come
// quickly. It is small because a purchase or a pairing counts from its block's
// time, and a reading of the next moment must fall behind it.
const lead = time.Second

// openChain connects to the chain that is followed, or starts the node's own.
func (n *Node) openChain(ctx context.Context) error {
	if !n.Config.ownChain() {
		for _, url := range n.Config.endpoints() {
			client, err := chain.Dial(ctx, url)
			if err != nil {
				return err
			}
			n.Clients = append(n.Clients, client)
			n.closers = append(n.closers, func() error { client.Close(); return nil })
		}
		n.Client = n.Clients[0]
		return nil
	}
	own, err := devchain.Open(devchain.Config{
		Dir: filepath.Join(n.Config.Data, "chain"), Listen: n.Config.ChainListen, ListenSetting: "--chain-listen",
		Origins: []string{n.Config.BaseURL()}, Heartbeat: n.Config.Heartbeat, Backdate: backdate, MaxLead: lead,
		Alloc: []common.Address{n.Operator.Address()}, Clock: clock.System{}, Log: n.Log,
	})
	if err != nil {
		return err
	}
	n.own = own
	n.closers = append(n.closers, own.Close)
	n.Client = chain.New(own.Client(), "the node's own chain")
	n.Clients = []*chain.Client{n.Client}
	return nil
}

// told is the chain as all endpoints tell it.
func (n *Node) told() follow.Chain {
	if len(n.Clients) == 1 {
		return n.Client
	}
	var all follow.Agreed
	for _, c := range n.Clients {
		all = append(all, c)
	}
	return all
}

// catchUp is how long a start waits for the chain to be read. What is left is
// read while the node answers.
const catchUp = 10 * time.Second

// firstLook reads the chain before the doors open, so that a node whose chain is
// there and is short knows it from its first answer on.
func (n *Node) firstLook(ctx context.Context) {
	if n.own == nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(ctx, catchUp)
		defer cancel()
	}
	switch err := n.follower.Step(ctx); {
	case errors.Is(err, context.DeadlineExceeded):
		n.Log.Info("the chain is still being read; reads of data are refused until that is done")
	case err != nil:
		n.Log.Warn("the chain cannot be read yet; reads of data are refused until it can", "error", err)
	}
}

// ChainURL is where wallets reach the chain.
func (n *Node) ChainURL() string {
	if n.own != nil {
		return n.own.Endpoint()
	}
	return n.Config.endpoints()[0]
}

// contracts finds the addresses of the protocol on the chain. On the node's own
// chain they are deployed at the first start.
func (n *Node) contracts(ctx context.Context) (registry.ChainInfo, error) {
	path := n.Config.Contracts
	if n.Config.Network != "" {
		known, err := follow.NetworkNamed(n.Config.Network)
		if err != nil {
			return known.Chain, err
		}
		return known.Chain, n.isChain(ctx, known.Chain.ID, "--network "+n.Config.Network)
	}
	if n.Config.ownChain() {
		path = filepath.Join(n.Config.Data, "contracts.json")
	}
	var info registry.ChainInfo
	body, err := os.ReadFile(path)
	switch {
	case n.Config.ownChain() && errors.Is(err, fs.ErrNotExist):
		return n.deploy(ctx, path)
	case err != nil:
		return info, err
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return info, fmt.Errorf("%s: %w", path, err)
	}
	return info, n.isChain(ctx, info.ID, path)
}

// isChain checks that the chain is the one that contracts are on.
func (n *Node) isChain(ctx context.Context, want uint64, contracts string) error {
	id, err := n.Client.ChainID(ctx)
	if _, missing := os.Stat(n.registryFile()); err != nil && missing == nil {
		return nil // the follower checks it when the chain is back
	}
	if err != nil {
		return err
	}
	if !id.IsUint64() || id.Uint64() != want {
		return fmt.Errorf("%s is for chain %d, but %s is chain %s: look at --rpc", contracts, want, n.Client.Name(), id)
	}
	return nil
}

// confirmations is how many blocks lie on top of one that is final.
func (n *Node) confirmations() uint64 {
	if n.Config.Confirmations == 0 && n.Config.Network != "" {
		known, _ := follow.NetworkNamed(n.Config.Network) // there is one: the settings are checked
		return known.Confirmations
	}
	return n.Config.Confirmations
}

func (n *Node) deploy(ctx context.Context, path string) (registry.ChainInfo, error) {
	at, err := abi.Deploy(ctx, chain.NewSender(n.Client, n.Operator), n.Operator.Address())
	if err != nil {
		return registry.ChainInfo{}, fmt.Errorf("deploying the contracts: %w", err)
	}
	info := registry.ChainInfo{
		ID: n.own.ChainID(), Registry: sayso.Address(at.Registry), Vehicle: sayso.Address(at.Vehicle),
		Manufacturer: sayso.Address(at.Manufacturer), AftermarketDevice: sayso.Address(at.AftermarketDevice),
		Grants: sayso.Address(at.Grants), DevLicense: sayso.Address(at.DevLicense), Templates: sayso.Address(at.Templates),
		Accounts: sayso.Address(at.Accounts), SyntheticDevice: sayso.Address(at.SyntheticDevice),
		Connections: sayso.Address(at.Connections), StorageNodes: sayso.Address(at.StorageNodes),
	}
	body, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return info, err
	}
	return info, durable.WriteFile(path, append(body, '\n'), 0o644)
}

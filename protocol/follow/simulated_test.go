package follow

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/ethclient/simulated"
	"github.com/ethereum/go-ethereum/node"

	"sayso"
	"sayso/owner/consent"
	"sayso/owner/registry"
	"sayso/protocol/abi"
	"sayso/protocol/chain"
	"sayso/protocol/wallet"
)

// realChain is go-ethereum's simulated chain with the contracts on it.
type realChain struct {
	t       testing.TB
	backend *simulated.Backend
	client  *chain.Client
	at      registry.ChainInfo
	keys    []*chain.Key // the operator, then the others
}

func newRealChain(t testing.TB, people int) *realChain {
	t.Helper()
	c := &realChain{t: t}
	alloc := types.GenesisAlloc{}
	for range people {
		k, err := chain.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		c.keys = append(c.keys, k)
		alloc[k.Address()] = types.Account{Balance: new(big.Int).Lsh(big.NewInt(1), 80)}
	}
	c.backend = simulated.NewBackend(alloc, func(_ *node.Config, conf *ethconfig.Config) {
		rules := *conf.Genesis.Config
		rules.BogotaTime, rules.AmsterdamTime = nil, nil // they price new storage as no chain we run on does
		conf.Genesis.Config = &rules
	})
	t.Cleanup(func() { c.backend.Close() })
	inside := reflect.ValueOf(c.backend.Client()).FieldByName("Client") // it hides the connection that it has
	c.client = chain.New(inside.Interface().(*ethclient.Client).Client(), "the simulated chain")
	c.sealing(func(ctx context.Context) error {
		at, err := abi.Deploy(ctx, chain.NewSender(c.client, c.keys[0]), c.keys[0].Address())
		c.at = registry.ChainInfo{
			ID: 1337, Registry: sayso.Address(at.Registry), Vehicle: sayso.Address(at.Vehicle), Manufacturer: sayso.Address(at.Manufacturer),
			AftermarketDevice: sayso.Address(at.AftermarketDevice), Grants: sayso.Address(at.Grants), DevLicense: sayso.Address(at.DevLicense),
		}
		return err
	})
	return c
}

// sealing makes blocks while do sends transactions and waits for them.
func (c *realChain) sealing(do func(context.Context) error) {
	c.t.Helper()
	done := make(chan error, 1)
	go func() { done <- do(c.t.Context()) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				c.t.Fatal(err)
			}
			return
		case <-time.After(time.Millisecond):
			c.backend.Commit()
		}
	}
}

// deeds are random things that people do to a few vehicles; what the contracts
// refuse is left out.
func (c *realChain) deeds(rnd *rand.Rand, count int) {
	c.t.Helper()
	var wallets []*wallet.Wallet
	for _, k := range c.keys {
		w, err := wallet.Open(c.client, k, c.at) // anew after each fork: nonces went back
		if err != nil {
			c.t.Fatal(err)
		}
		wallets = append(wallets, w)
	}
	c.sealing(func(ctx context.Context) error {
		for range count {
			c.deed(ctx, rnd, wallets)
		}
		return nil
	})
}

func (c *realChain) deed(ctx context.Context, rnd *rand.Rand, wallets []*wallet.Wallet) error {
	who, other := wallets[rnd.IntN(len(wallets))], wallets[rnd.IntN(len(wallets))].Address()
	id := 1 + rnd.Uint64N(4)
	switch rnd.IntN(8) {
	case 0:
		_, err := wallets[0].MintVehicle(ctx, wallet.Car{Manufacturer: 1, Owner: other, Definition: "ford_fiesta_2020", Make: "Ford", Model: "Fiesta", Year: 2020})
		return err
	case 1:
		return who.TransferVehicle(ctx, id, other)
	case 2:
		key, err := chain.NewKey()
		if err != nil {
			return err
		}
		ids, err := wallets[0].RegisterDevices(ctx, 1, []sayso.Address{sayso.Address(key.Address())})
		if err != nil {
			return err
		}
		if err := who.ClaimDevice(ctx, ids[0], key); err != nil {
			return err
		}
		return who.PairDevice(ctx, ids[0], id)
	case 3:
		return who.UnpairDevice(ctx, id, id)
	case 4:
		return who.Grant(ctx, id, other, sayso.Permissions{}, time.Unix(0, 0), "")
	default:
		return who.Grant(ctx, id, other, sayso.PermissionSet(sayso.NonLocationHistory, sayso.LocationHistory), time.Time{}, "")
	}
}

// everything is what a registry answers about all its vehicles and the people.
func (c *realChain) everything(f fixture) string {
	facts, err := f.Dump()
	if err != nil {
		c.t.Fatal(err)
	}
	for v := range f.Vehicles(registry.VehicleFilter{}) {
		for _, k := range c.keys {
			facts += fmt.Sprintln(v.ID, consent.Decide(f, sayso.Address(k.Address()), v.ID, f.cfg.Clock.Now()))
		}
	}
	return facts
}

// On the real contracts, with real transactions: after forks of any depth the
// registry is the one that is built from the chain as it is.
func TestForksOfTheRealContracts(t *testing.T) {
	c := newRealChain(t, 4)
	rnd := rand.New(rand.NewPCG(11, uint64(*forks)))
	open := func(confirmations uint64) fixture {
		f := follow(t, c.client, func(of *registry.Config, cfg *Config) {
			of.Chain, of.Confirmations, cfg.Start = c.at, confirmations, 0
		})
		head, err := c.client.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.wall.Advance(time.Unix(int64(head.Time), 0).Sub(f.wall.Now()))
		f.step(t)
		return f
	}
	operator, err := wallet.Open(c.client, c.keys[0], c.at)
	if err != nil {
		t.Fatal(err)
	}
	c.sealing(func(ctx context.Context) error {
		_, err := operator.MintManufacturers(ctx, operator.Address(), []string{"Ford"})
		return err
	})
	base, err := c.client.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.deeds(rnd, 20)
	at := []fixture{open(0), open(7)}
	made := max(8, *forks/10)
	vehicles := 0
	for i := range made {
		head, err := c.client.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.client.HeaderByNumber(t.Context(), max(base.Number, head.Number-1-rnd.Uint64N(min(60, head.Number))))
		if err != nil {
			t.Fatal(err)
		}
		c.backend.Rollback()
		if err := c.backend.Fork(common.Hash(back.Hash)); err != nil {
			t.Fatal(err)
		}
		c.deeds(rnd, 4)
		// Each block is a second later than the one before. The new branch ends near
		// the time of the old one, or it would stand still to a node with confirmations.
		now := chain.Block{}
		for now.Time+30 < head.Time || rnd.IntN(3) > 0 {
			c.backend.Commit()
			if now, err = c.client.Head(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for k, f := range at {
			f.wall.Advance(max(0, time.Duration(int64(now.Time)-f.wall.Now().Unix())*time.Second))
			f.step(t)
			want := open([]uint64{0, 7}[k])
			if got, want := c.everything(f), c.everything(want); got != want {
				t.Fatalf("fork %d from block %d to %d:\n%s\nwant\n%s", i, head.Number, back.Number, got, want)
			}
			want.Close()
		}
		for range at[0].Vehicles(registry.VehicleFilter{}) {
			vehicles++
		}
	}
	if vehicles < made {
		t.Errorf("%d vehicles in %d forks: there was next to nothing to compare", vehicles, made)
	}
	t.Logf("%d forks", made)
}

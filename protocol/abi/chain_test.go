package abi_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient/simulated"
	"github.com/ethereum/go-ethereum/node"

	"sayso/protocol/abi"
)

// person is a key with its address.
type person struct {
	key  *ecdsa.PrivateKey
	addr common.Address
}

// chain is go-ethereum's simulated chain with the protocol on it.
type chain struct {
	t       *testing.T
	backend *simulated.Backend
	id      *big.Int
	admin   person
	creates []*types.Receipt
	abi     *abi.Contracts
	at      abi.Addresses
}

// newPerson derives a key from a name, so that runs are equal.
func newPerson(t *testing.T, name string) person {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return person{key, crypto.PubkeyToAddress(key.PublicKey)}
}

// newChain starts a chain where the named people have ether, and deploys.
func newChain(t *testing.T, people ...person) *chain {
	t.Helper()
	admin := newPerson(t, "admin")
	alloc := types.GenesisAlloc{}
	for _, p := range append(people, admin) {
		alloc[p.addr] = types.Account{Balance: new(big.Int).Lsh(big.NewInt(1), 80)}
	}
	c := &chain{t: t, backend: simulated.NewBackend(alloc, todaysRules), admin: admin}
	t.Cleanup(func() { _ = c.backend.Close() })
	var err error
	if c.id, err = c.backend.Client().ChainID(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.abi, err = abi.Load(); err != nil {
		t.Fatal(err)
	}
	if c.at, err = abi.Deploy(t.Context(), c, admin.addr); err != nil {
		t.Fatal(err)
	}
	return c
}

// todaysRules leaves out the forks that the simulated chain is ahead with: they price
// new storage several times higher, on no chain we run on.
func todaysRules(_ *node.Config, conf *ethconfig.Config) {
	rules := *conf.Genesis.Config
	rules.BogotaTime, rules.AmsterdamTime = nil, nil
	conf.Genesis.Config = &rules
}

// Create implements abi.Deployer with the admin's key.
func (c *chain) Create(ctx context.Context, initCode []byte) (common.Address, error) {
	r, err := c.transact(ctx, c.admin, nil, initCode)
	if err != nil {
		return common.Address{}, err
	}
	c.creates = append(c.creates, r)
	return r.ContractAddress, nil
}

// Call implements abi.Deployer with the admin's key.
func (c *chain) Call(ctx context.Context, to common.Address, data []byte) error {
	_, err := c.transact(ctx, c.admin, &to, data)
	return err
}

// transact signs, sends, mines and waits; a revert is an error with its data.
func (c *chain) transact(ctx context.Context, from person, to *common.Address, data []byte) (*types.Receipt, error) {
	client := c.backend.Client()
	nonce, err := client.PendingNonceAt(ctx, from.addr)
	if err != nil {
		return nil, err
	}
	gas, err := client.EstimateGas(ctx, ethereum.CallMsg{From: from.addr, To: to, Data: data})
	if err != nil {
		return nil, c.explain(err)
	}
	tx, err := types.SignNewTx(from.key, types.LatestSignerForChainID(c.id), &types.DynamicFeeTx{
		ChainID: c.id, Nonce: nonce, GasFeeCap: big.NewInt(1e10), GasTipCap: big.NewInt(1e9),
		Gas: gas, To: to, Data: data,
	})
	if err != nil {
		return nil, err
	}
	if err := client.SendTransaction(ctx, tx); err != nil {
		return nil, err
	}
	c.backend.Commit()
	r, err := client.TransactionReceipt(ctx, tx.Hash())
	// The node indexes transactions after mining, in the background.
	for tries := 0; err != nil && tries < 1000; tries++ {
		time.Sleep(time.Millisecond)
		r, err = client.TransactionReceipt(ctx, tx.Hash())
	}
	if err != nil {
		return nil, err
	}
	if r.Status != types.ReceiptStatusSuccessful {
		return nil, errors.New("transaction failed")
	}
	return r, nil
}

// explain appends the name of the contract error to a revert.
func (c *chain) explain(err error) error {
	var withData interface{ ErrorData() any }
	if !errors.As(err, &withData) {
		return err
	}
	text, _ := withData.ErrorData().(string)
	data := common.FromHex(text)
	if len(data) < 4 {
		return err
	}
	for _, k := range c.kinds() {
		for _, e := range k.ABI.Errors {
			if string(e.ID[:4]) == string(data[:4]) {
				return errors.New(err.Error() + ": " + e.Name)
			}
		}
	}
	return err
}

// kinds are the contracts whose errors and events a test meets.
func (c *chain) kinds() map[common.Address]abi.Contract {
	return map[common.Address]abi.Contract{
		c.at.AccessManager:     c.abi.AccessManager,
		c.at.Grants:            c.abi.Grants,
		c.at.Registry:          c.abi.Registry,
		c.at.Manufacturer:      c.abi.Manufacturer,
		c.at.Vehicle:           c.abi.Vehicle,
		c.at.AftermarketDevice: c.abi.AftermarketDevice,
		c.at.DevLicense:        c.abi.DevLicense,
		c.at.SyntheticDevice:   c.abi.SyntheticDevice,
		c.at.Connections:       c.abi.Connections,
		c.at.StorageNodes:      c.abi.StorageNodes,
		c.at.Templates:         c.abi.Templates,
		c.at.Accounts:          c.abi.Accounts,
		c.at.LicenseAccount:    c.abi.LicenseAccount,
		c.at.Genesis:           c.abi.Genesis,
	}
}

// do sends a call that must succeed.
func (c *chain) do(from person, to common.Address, fn string, args ...any) *types.Receipt {
	c.t.Helper()
	data, err := c.kinds()[to].Pack(fn, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := c.transact(c.t.Context(), from, &to, data)
	if err != nil {
		c.t.Fatalf("%s: %v", fn, err)
	}
	return r
}

// refuse sends a call that must revert with the named error.
func (c *chain) refuse(want string, from person, to common.Address, fn string, args ...any) {
	c.t.Helper()
	data, err := c.kinds()[to].Pack(fn, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	_, err = c.transact(c.t.Context(), from, &to, data)
	if err == nil || !strings.Contains(err.Error(), want) {
		c.t.Fatalf("%s: got %v, want a revert with %s", fn, err, want)
	}
}

// view calls a view and gives its first result.
func (c *chain) view(to common.Address, fn string, args ...any) any {
	c.t.Helper()
	return c.viewAs(c.kinds()[to], to, fn, args...)
}

func (c *chain) viewAs(kind abi.Contract, to common.Address, fn string, args ...any) any {
	c.t.Helper()
	data, err := kind.Pack(fn, args...)
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := c.backend.Client().CallContract(c.t.Context(), ethereum.CallMsg{To: &to, Data: data}, nil)
	if err != nil {
		c.t.Fatalf("%s: %v", fn, c.explain(err))
	}
	out, err := kind.Unpack(fn, answer)
	if err != nil {
		c.t.Fatal(err)
	}
	return out[0]
}

// sign signs a digest as contracts expect it: 65 bytes, v 27 or 28.
func (c *chain) sign(p person, digest common.Hash) []byte {
	c.t.Helper()
	sig, err := crypto.Sign(digest.Bytes(), p.key)
	if err != nil {
		c.t.Fatal(err)
	}
	sig[64] += 27
	return sig
}

// events names the events of a receipt in order.
func (c *chain) events(r *types.Receipt) []string {
	c.t.Helper()
	var names []string
	for _, l := range r.Logs {
		kind := c.kinds()[l.Address]
		e, err := kind.ABI.EventByID(l.Topics[0])
		if err != nil {
			c.t.Fatal(err)
		}
		names = append(names, e.RawName)
	}
	return names
}

// Package wallet is what owners, makers and apps do on the chain: each verb is
// one transaction, signed with the key of whoever does it.
package wallet

import (
	"context"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"

	gethabi "github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/owner/registry"
	"sayso/protocol/abi"
	"sayso/protocol/chain"
)

// Wallet acts for one key on one chain.
type Wallet struct {
	key       *chain.Key
	sender    *chain.Sender
	contracts *abi.Contracts
	at        registry.ChainInfo

	block atomic.Uint64
}

// Block is the highest block that one of the wallet's transactions is in.
func (w *Wallet) Block() uint64 { return w.block.Load() }

// Open makes a wallet over a connection to the chain.
func Open(c *chain.Client, key *chain.Key, at registry.ChainInfo) (*Wallet, error) {
	contracts, err := abi.Load()
	if err != nil {
		return nil, err
	}
	var abis []gethabi.ABI
	for _, c := range []abi.Contract{contracts.Registry, contracts.Grants, contracts.Vehicle, contracts.Manufacturer, contracts.AftermarketDevice, contracts.DevLicense, contracts.Templates} {
		abis = append(abis, c.ABI)
	}
	return &Wallet{key: key, sender: chain.NewSender(c, key, abis...), contracts: contracts, at: at}, nil
}

// Address is the account that acts.
func (w *Wallet) Address() sayso.Address { return sayso.Address(w.key.Address()) }

// do calls a contract's function as a transaction.
func (w *Wallet) do(ctx context.Context, c abi.Contract, at sayso.Address, fn string, args ...any) (*types.Receipt, error) {
	data, err := c.Pack(fn, args...)
	if err != nil {
		return nil, err
	}
	to := common.Address(at)
	receipt, err := w.sender.Send(ctx, &to, data, nil)
	if err != nil {
		return nil, &sayso.Error{Op: fn, Fault: sayso.Invalid, Message: fmt.Sprintf("%s as %s: %v", fn, w.Address(), err), Err: err}
	}
	w.saw(receipt)
	return receipt, nil
}

func (w *Wallet) saw(r *types.Receipt) {
	for {
		was := w.block.Load()
		if r.BlockNumber == nil || r.BlockNumber.Uint64() <= was || w.block.CompareAndSwap(was, r.BlockNumber.Uint64()) {
			return
		}
	}
}

// found decodes the events of one name in a receipt, in order.
func found(c abi.Contract, name string, receipt *types.Receipt) ([]map[string]any, error) {
	event, ok := c.ABI.Events[name]
	if !ok {
		return nil, fmt.Errorf("wallet: %s has no event %s", c.Name, name)
	}
	var indexed gethabi.Arguments
	for _, a := range event.Inputs {
		if a.Indexed {
			indexed = append(indexed, a)
		}
	}
	var out []map[string]any
	for _, l := range receipt.Logs {
		if len(l.Topics) == 0 || l.Topics[0] != event.ID {
			continue
		}
		args := map[string]any{}
		if err := gethabi.ParseTopicsIntoMap(args, indexed, l.Topics[1:]); err != nil {
			return nil, err
		}
		if err := event.Inputs.NonIndexed().UnpackIntoMap(args, l.Data); err != nil {
			return nil, err
		}
		out = append(out, args)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("wallet: transaction %s emitted no %s", receipt.TxHash, name)
	}
	return out, nil
}

// ids are the token ids that the events of one name carry.
func ids(c abi.Contract, event, arg string, receipt *types.Receipt) ([]uint64, error) {
	list, err := found(c, event, receipt)
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, args := range list {
		n, ok := args[arg].(*big.Int)
		if !ok || !n.IsUint64() {
			return nil, fmt.Errorf("wallet: %s has no token id %s", event, arg)
		}
		out = append(out, n.Uint64())
	}
	return out, nil
}

func number(id uint64) *big.Int { return new(big.Int).SetUint64(id) }

// MintManufacturers registers manufacturers by name for one owner; only the
// network's operator may.
func (w *Wallet) MintManufacturers(ctx context.Context, owner sayso.Address, names []string) ([]uint64, error) {
	receipt, err := w.do(ctx, w.contracts.Registry, w.at.Registry, "mintManufacturerBatch", common.Address(owner), names)
	if err != nil {
		return nil, err
	}
	return ids(w.contracts.Registry, "ManufacturerNodeMinted", "tokenId", receipt)
}

// Car is a vehicle to be minted.
type Car struct {
	Manufacturer uint64
	Owner        sayso.Address
	Definition   string // device definition id, such as toyota_rav4_2018
	Make, Model  string
	Year         int
}

// MintVehicle gives a car an identity.
func (w *Wallet) MintVehicle(ctx context.Context, c Car) (uint64, error) {
	attributes := []abi.AttributeInfoPair{{Attribute: "Make", Info: c.Make}, {Attribute: "Model", Info: c.Model}, {Attribute: "Year", Info: fmt.Sprint(c.Year)}}
	receipt, err := w.do(ctx, w.contracts.Registry, w.at.Registry,
		"mintVehicleWithDeviceDefinition(uint256,address,string,(string,string)[])",
		number(c.Manufacturer), common.Address(c.Owner), c.Definition, attributes)
	if err != nil {
		return 0, err
	}
	list, err := ids(w.contracts.Registry, "VehicleNodeMintedWithDeviceDefinition", "vehicleId", receipt)
	if err != nil {
		return 0, err
	}
	return list[0], nil
}

// TransferVehicle gives a vehicle to another owner. Every grant on it ends.
func (w *Wallet) TransferVehicle(ctx context.Context, vehicle uint64, to sayso.Address) error {
	_, err := w.do(ctx, w.contracts.Vehicle, w.at.Vehicle, "transferFrom", common.Address(w.Address()), common.Address(to), number(vehicle))
	return err
}

// RegisterDevices registers the keys of devices for a manufacturer; only its
// owner may.
func (w *Wallet) RegisterDevices(ctx context.Context, manufacturer uint64, keys []sayso.Address) ([]uint64, error) {
	var infos []abi.AftermarketDeviceInfos
	for _, k := range keys {
		infos = append(infos, abi.AftermarketDeviceInfos{Addr: common.Address(k), AttrInfoPairs: []abi.AttributeInfoPair{}})
	}
	receipt, err := w.do(ctx, w.contracts.Registry, w.at.Registry, "mintAftermarketDeviceByManufacturerBatch", number(manufacturer), infos)
	if err != nil {
		return nil, err
	}
	return ids(w.contracts.Registry, "AftermarketDeviceNodeMinted", "tokenId", receipt)
}

// ClaimDevice makes the wallet the owner of a registered device, whose key
// consents.
func (w *Wallet) ClaimDevice(ctx context.Context, device uint64, key *chain.Key) error {
	digest := abi.ClaimDigest(number(w.at.ID), common.Address(w.at.Registry), number(device), w.key.Address())
	sig, err := key.Sign(digest)
	if err != nil {
		return err
	}
	_, err = w.do(ctx, w.contracts.Registry, w.at.Registry, "claimAftermarketDevice", number(device), sig)
	return err
}

// PairDevice puts a device into a vehicle; the wallet must own both.
func (w *Wallet) PairDevice(ctx context.Context, device, vehicle uint64) error {
	_, err := w.do(ctx, w.contracts.Registry, w.at.Registry, "pairAftermarketDevice", number(device), number(vehicle))
	return err
}

// UnpairDevice takes a device out of its vehicle.
func (w *Wallet) UnpairDevice(ctx context.Context, device, vehicle uint64) error {
	_, err := w.do(ctx, w.contracts.Registry, w.at.Registry, "unpairAftermarketDevice", number(device), number(vehicle))
	return err
}

// Grant sets what a grantee may do with a vehicle until a time; the zero time
// means for ever, no permissions revoke. Source is the document behind it, such
// as ipfs://<CID>, or empty.
func (w *Wallet) Grant(ctx context.Context, vehicle uint64, grantee sayso.Address, set sayso.Permissions, until time.Time, source string) error {
	return w.GrantUnder(ctx, vehicle, grantee, set, until, "", source)
}

// NewApp issues a developer licence with one signer and one redirect URI, and
// returns its number and client id.
func (w *Wallet) NewApp(ctx context.Context, alias string, signer sayso.Address, redirect string) (uint64, sayso.Address, error) {
	receipt, err := w.do(ctx, w.contracts.DevLicense, w.at.DevLicense, "issueInDc(string)", alias)
	if err != nil {
		return 0, sayso.Address{}, err
	}
	list, err := found(w.contracts.DevLicense, "Issued", receipt)
	if err != nil {
		return 0, sayso.Address{}, err
	}
	id, _ := list[0]["tokenId"].(*big.Int)
	client, _ := list[0]["clientId"].(common.Address)
	if id == nil || !id.IsUint64() {
		return 0, sayso.Address{}, fmt.Errorf("wallet: the licence has no token id")
	}
	if _, err = w.do(ctx, w.contracts.DevLicense, w.at.DevLicense, "enableSigner", id, common.Address(signer)); err != nil {
		return 0, sayso.Address{}, err
	}
	_, err = w.do(ctx, w.contracts.DevLicense, w.at.DevLicense, "setRedirectUri", id, true, redirect)
	return id.Uint64(), sayso.Address(client), err
}

// Fund sends ether, in wei, so that another account can pay for transactions.
func (w *Wallet) Fund(ctx context.Context, to sayso.Address, wei *big.Int) error {
	a := common.Address(to)
	receipt, err := w.sender.Send(ctx, &a, nil, wei)
	if err == nil {
		w.saw(receipt)
	}
	return err
}

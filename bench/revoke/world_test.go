package revoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/client"
	"sayso/client/device"
	"sayso/internal/clock"
	"sayso/node"
	"sayso/owner/token"
	"sayso/protocol/abi"
	"sayso/protocol/chain"
	"sayso/protocol/wallet"
)

// How many trials share a round: vehicles times grantees. Their transactions
// share blocks, and each reads on its own.
const (
	vehicles = 10
	grantees = 10
)

// canary is the reading that no refused read may show.
const canary = "88.1875"

// world is a node with its own chain, vehicles with a reading each, and
// accounts that may be granted to.
type world struct {
	node     *node.Node
	api      *client.Client
	operator *wallet.Wallet // owns the vehicles; idle once they are there
	vehicles []uint64
	grantees []*grantee

	contracts *abi.Contracts
}

type grantee struct {
	address   sayso.Address
	developer string // token
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	ctx := t.Context()
	n, err := node.Open(ctx, node.Config{
		Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys"), HTTP: "127.0.0.1:0", MQTT: "off", ChainListen: "127.0.0.1:0",
		Heartbeat: time.Second, MaxBody: 1 << 20, MemoryMB: 64,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, n.Close()); err != nil {
			t.Error(err)
		}
	})
	w := &world{node: n, api: client.New(n.Config.BaseURL())}
	w.operator = must[*wallet.Wallet](t)(wallet.Open(n.Client, n.Operator, n.Registry.Chain()))
	w.settle(t)
	w.contracts = must[*abi.Contracts](t)(abi.Load())
	return w
}

// settle mints the vehicles, puts a reading into each, and signs the grantees
// in.
func (w *world) settle(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	maker := must[[]uint64](t)(w.operator.MintManufacturers(ctx, w.operator.Address(), []string{"Maker"}))[0]
	var keys []*chain.Key
	var devices []uint64
	for range vehicles {
		key := must[*chain.Key](t)(chain.NewKey())
		id := must[[]uint64](t)(w.operator.RegisterDevices(ctx, maker, []sayso.Address{sayso.Address(key.Address())}))[0]
		car := must[uint64](t)(w.operator.MintVehicle(ctx, wallet.Car{
			Manufacturer: maker, Owner: w.operator.Address(), Definition: "maker_car_2020", Make: "Maker", Model: "Car", Year: 2020,
		}))
		if err := errors.Join(w.operator.ClaimDevice(ctx, id, key), w.operator.PairDevice(ctx, id, car)); err != nil {
			t.Fatal(err)
		}
		w.vehicles = append(w.vehicles, car)
		keys, devices = append(keys, key), append(devices, id)
	}
	if err := errors.Join(w.node.Settle(ctx), w.api.Await(ctx, w.operator.Block())); err != nil {
		t.Fatal(err)
	}
	for i, car := range w.vehicles {
		w.report(t, keys[i], car, devices[i])
	}
	at := must[client.Chain](t)(w.api.Chain(ctx))
	for range grantees {
		key := must[*chain.Key](t)(chain.NewKey())
		who := &grantee{address: sayso.Address(key.Address())}
		who.developer = must[string](t)(w.api.SignIn(ctx, token.DriverClient, at.Home, who.address, key))
		w.grantees = append(w.grantees, who)
	}
}

// report sends the canary as a device that signs.
func (w *world) report(t *testing.T, key *chain.Key, car, id uint64) {
	t.Helper()
	now, at := clock.System{}.Now(), w.node.Registry.Chain()
	body := must[[]byte](t)(device.Report{Time: now, Signals: []device.Signal{{Name: "speed", Time: now, Value: sayso.NumberValue(88.1875)}}}.Body(device.Identity{
		Subject: didOf(at, car), Producer: sayso.NFT(at.ID, at.AftermarketDevice, id), Source: sayso.Address(key.Address()),
		Sign: func(digest [32]byte) ([]byte, error) { return key.Sign(digest) },
	}))
	if _, err := w.api.Post(t.Context(), "/v1/devices/events", "", nil, body); err != nil {
		t.Fatal(err)
	}
}

// trials are one round's: every grantee on every vehicle, each by one of the
// ways to read.
func (w *world) trials(t *testing.T) (list []*trial) {
	t.Helper()
	for _, v := range w.vehicles {
		for _, g := range w.grantees {
			r := &trial{vehicle: v, grantee: g}
			switch len(list) % 3 {
			case 0:
				r.read = w.asks("/query", fmt.Sprintf(`{ signalsLatest(subject: %q) { speed { value } } }`, w.did(v)))
			case 1:
				r.read = w.asks("/telemetry/query", fmt.Sprintf(`{ signalsLatest(tokenId: %d) { speed { value } } }`, v))
			case 2:
				r.read = w.trades(g.developer, v)
			}
			list = append(list, r)
		}
	}
	return list
}

// What a transaction of a trial may cost.
const gas = 400_000

var (
	tip    = big.NewInt(1e9)
	feeCap = big.NewInt(100e9)
)

// set writes the grants of a round, all at once, and tells each trial's block.
// The gas is not estimated: estimating runs each call on this machine, which
// would measure that instead.
func (w *world) set(ctx context.Context, round []*trial, set sayso.Permissions, until time.Time) (blocks []uint64, err error) {
	at, c := w.node.Registry.Chain(), w.node.Client
	grants, id := common.Address(at.Grants), new(big.Int).SetUint64(at.ID)
	nonce, err := c.Nonce(ctx, w.node.Operator.Address())
	if err != nil {
		return nil, err
	}
	var sent []common.Hash
	for i, r := range round {
		data, err := w.contracts.Grants.Pack("setPermissions(address,uint256,address,uint256,uint256,uint256,string)",
			common.Address(at.Vehicle), new(big.Int).SetUint64(r.vehicle), common.Address(r.grantee.address), set.Bits(), big.NewInt(until.Unix()), new(big.Int), "")
		if err != nil {
			return nil, err
		}
		tx, err := w.node.Operator.SignTx(types.NewTx(&types.DynamicFeeTx{
			ChainID: id, Nonce: nonce + uint64(i), GasTipCap: tip, GasFeeCap: feeCap, Gas: gas, To: &grants, Data: data,
		}), id)
		if err != nil {
			return nil, err
		}
		if err := c.SendRaw(ctx, tx); err != nil {
			return nil, err
		}
		sent = append(sent, tx.Hash())
	}
	for _, hash := range sent {
		block, err := w.included(ctx, hash)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, block)
	}
	return blocks, nil
}

// included waits for a transaction and tells its block.
func (w *world) included(ctx context.Context, tx common.Hash) (uint64, error) {
	for {
		receipt, err := w.node.Client.Receipt(ctx, tx)
		switch {
		case err == nil && receipt.Status != types.ReceiptStatusSuccessful:
			return 0, fmt.Errorf("transaction %s failed", tx)
		case err == nil:
			return receipt.BlockNumber.Uint64(), nil
		case sayso.FaultOf(err) != sayso.NotFound:
			return 0, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

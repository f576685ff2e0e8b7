// Package relay brings to the chain what people's accounts have signed, and pays
// for it with the operator's key, up to a quota of gas for each account and for
// all of them in a day.
//
// Nothing is decided here: an account checks its passkey's signature itself. A call
// that the chain would refuse is found out beforehand by simulation and costs
// neither gas nor quota.
package relay

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/internal/clock"
	"sayso/protocol/abi"
	"sayso/protocol/chain"
)

// createGas is what making an account takes at most; it costs about 90,000.
const createGas = 150_000

// An account's code is a minimal proxy (EIP-1167) and the signers it began with:
// two words and an address, each of 32 bytes.
const (
	proxySize = 45
	argsSize  = 96
)

// Config says who pays and how much.
type Config struct {
	Sender   *chain.Sender  // the operator's; its errors are decoded with the ABIs it was made with
	Accounts common.Address // the factory of people's accounts
	// PerAccount and Total bound the gas of a UTC day; 0 is no bound. They are counted
	// in memory: a restart begins the day anew.
	PerAccount uint64
	Total      uint64
	Clock      clock.Clock
}

// Relay pays for signed calls. It is safe for concurrent use.
type Relay struct {
	cfg       Config
	contracts *abi.Contracts

	mu    sync.Mutex
	day   int64 // days since 1970
	used  map[common.Address]uint64
	total uint64
}

// New makes a Relay.
func New(cfg Config) (*Relay, error) {
	contracts, err := abi.Load()
	if err != nil {
		return nil, err
	}
	return &Relay{cfg: cfg, contracts: contracts, used: map[common.Address]uint64{}}, nil
}

// Signers are whom a new account begins with: the passkey's public key (P-256) and
// the second signer, zero for none.
type Signers struct {
	QX     common.Hash    `json:"qx"`
	QY     common.Hash    `json:"qy"`
	Second common.Address `json:"second"`
}

// Execute is a call of an account as its passkey signed it.
type Execute struct {
	Account   common.Address `json:"account"`
	Calls     []Call         `json:"calls"`
	Nonce     *hexutil.Big   `json:"nonce"`
	Deadline  *hexutil.Big   `json:"deadline"` // unix seconds
	Signature hexutil.Bytes  `json:"signature"`
}

// Call is one of the calls; no value is none.
type Call struct {
	Target common.Address `json:"target"`
	Value  *hexutil.Big   `json:"value,omitempty"`
	Data   hexutil.Bytes  `json:"data"`
}

// Done is a transaction in a block.
type Done struct {
	Account common.Address `json:"account"`
	Tx      common.Hash    `json:"tx,omitzero"` // zero when there was nothing to do
	Block   uint64         `json:"block,omitempty"`
	Gas     uint64         `json:"gas"`
}

// Create makes the account of these signers and tells where it is; one that exists
// is left as it is and costs nothing.
func (r *Relay) Create(ctx context.Context, s Signers) (Done, error) {
	ask, err := r.contracts.Accounts.Pack("accountOf", s.QX, s.QY, s.Second)
	if err != nil {
		return Done{}, err
	}
	client := r.cfg.Sender.Client()
	answer, err := client.Call(ctx, r.cfg.Accounts, ask)
	if err != nil {
		return Done{}, err
	}
	done := Done{Account: common.BytesToAddress(answer)}
	code, err := client.CodeAt(ctx, done.Account)
	if err != nil || len(code) > 0 {
		return done, err
	}
	data, err := r.contracts.Accounts.Pack("createAccount", s.QX, s.QY, s.Second)
	if err != nil {
		return done, err
	}
	return r.pay(ctx, done.Account, r.cfg.Accounts, data, createGas)
}

// Execute brings a signed call and waits until it is in a block.
func (r *Relay) Execute(ctx context.Context, e Execute) (Done, error) {
	const op = "relay.Execute"
	if e.Nonce == nil || e.Deadline == nil || len(e.Calls) == 0 {
		return Done{}, sayso.Fail(sayso.Invalid, op, "a call needs account, calls, nonce, deadline and signature")
	}
	ours, err := r.isAccount(ctx, e.Account)
	if err != nil {
		return Done{}, err
	}
	if !ours {
		return Done{}, sayso.Fail(sayso.NotFound, op, fmt.Sprintf("%s is not an account made by %s", e.Account, r.cfg.Accounts))
	}
	calls := make([]abi.Call, len(e.Calls))
	for i, c := range e.Calls {
		calls[i] = abi.Call{Target: c.Target, Value: new(big.Int), Data: c.Data}
		if c.Value != nil {
			calls[i].Value = c.Value.ToInt()
		}
	}
	data, err := r.contracts.Account.Pack("execute", calls, e.Nonce.ToInt(), e.Deadline.ToInt(), []byte(e.Signature))
	if err != nil {
		return Done{}, err
	}
	gas, err := r.simulate(ctx, e.Account, data)
	if err != nil {
		return Done{}, err
	}
	return r.pay(ctx, e.Account, e.Account, data, gas)
}

// isAccount tells whether an address is an account of our factory: a clone says
// which signers it began with, and the factory where the account of those is. A
// contract of another make is refused, since the operator would pay for whatever it
// does.
func (r *Relay) isAccount(ctx context.Context, account common.Address) (bool, error) {
	client := r.cfg.Sender.Client()
	code, err := client.CodeAt(ctx, account)
	if err != nil || len(code) != proxySize+argsSize {
		return false, err
	}
	args := code[proxySize:]
	ask, err := r.contracts.Accounts.Pack("accountOf", [32]byte(args[:32]), [32]byte(args[32:64]), common.BytesToAddress(args[64:]))
	if err != nil {
		return false, err
	}
	answer, err := client.Call(ctx, r.cfg.Accounts, ask)
	return common.BytesToAddress(answer) == account, err
}

// simulate runs a call without sending it and tells what it would cost.
func (r *Relay) simulate(ctx context.Context, to common.Address, data []byte) (uint64, error) {
	var gas hexutil.Uint64
	ctx, cancel := context.WithTimeout(ctx, chain.CallTimeout)
	defer cancel()
	msg := ethereum.CallMsg{From: r.cfg.Sender.Address(), To: &to, Data: data}
	if _, err := r.cfg.Sender.Client().CallMsg(ctx, msg, nil); err != nil {
		return 0, r.refusal(err)
	}
	err := r.cfg.Sender.Client().RPC().CallContext(ctx, &gas, "eth_estimateGas", map[string]any{
		"from": msg.From, "to": to, "data": hexutil.Bytes(data),
	})
	if err != nil {
		return 0, &sayso.Error{Op: "relay.simulate", Fault: sayso.Busy, Message: "the chain did not tell what the call costs", Err: err}
	}
	return uint64(gas), nil
}

// refusal says why an account refused, by the name of the contract's error.
func (r *Relay) refusal(err error) error {
	var revert *chain.RevertError
	if !errors.As(err, &revert) {
		return err
	}
	c := r.contracts
	known := chain.DecodeRevert(revert.Data, c.Account.ABI, c.Accounts.ABI, c.Registry.ABI, c.Grants.ABI, c.Vehicle.ABI)
	if inner, ok := innerRevert(known); ok {
		known = chain.DecodeRevert(inner, c.Account.ABI, c.Registry.ABI, c.Grants.ABI, c.Vehicle.ABI, c.DevLicense.ABI)
	}
	return &sayso.Error{Op: "relay", Fault: sayso.Invalid, Message: "the chain would refuse it: " + known.Text, Err: known}
}

// innerRevert is what the called contract said, inside ExecutionFailed.
func innerRevert(e *chain.RevertError) ([]byte, bool) {
	if e.Name != "ExecutionFailed" || len(e.Args) != 2 {
		return nil, false
	}
	data, ok := e.Args[1].([]byte)
	return data, ok && len(data) > 0
}

// pay reserves the quota, sends, and gives back what was not used.
func (r *Relay) pay(ctx context.Context, account, to common.Address, data []byte, gas uint64) (Done, error) {
	day, err := r.reserve(account, gas)
	if err != nil {
		return Done{}, err
	}
	receipt, err := r.cfg.Sender.Send(ctx, &to, data, nil)
	var spent uint64
	switch {
	case receipt != nil:
		spent = receipt.GasUsed
	case ctx.Err() != nil:
		spent = gas // it may still be included
	}
	r.settle(day, account, gas, spent)
	if err != nil {
		return Done{}, r.refusal(err)
	}
	return done(account, receipt), nil
}

func done(account common.Address, receipt *types.Receipt) Done {
	return Done{Account: account, Tx: receipt.TxHash, Block: receipt.BlockNumber.Uint64(), Gas: receipt.GasUsed}
}

// reserve takes gas from today's quotas.
func (r *Relay) reserve(account common.Address, gas uint64) (day int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Clock.Now()
	if day = now.Unix() / int64(24*time.Hour/time.Second); day != r.day {
		r.day, r.total, r.used = day, 0, map[common.Address]uint64{}
	}
	const text = "the %s quota of %d gas a day is used up; send the call from a wallet of your own, or come back tomorrow"
	if r.cfg.PerAccount > 0 && r.used[account]+gas > r.cfg.PerAccount {
		return day, sayso.Fail(sayso.Busy, "relay", fmt.Sprintf(text, "account's", r.cfg.PerAccount))
	}
	if r.cfg.Total > 0 && r.total+gas > r.cfg.Total {
		return day, sayso.Fail(sayso.Busy, "relay", fmt.Sprintf(text, "operator's", r.cfg.Total))
	}
	r.used[account] += gas
	r.total += gas
	return day, nil
}

// settle puts what was used in the place of what was reserved, unless the day is over.
func (r *Relay) settle(day int64, account common.Address, reserved, used uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if day == r.day {
		r.used[account] += used - reserved
		r.total += used - reserved
	}
}

// Used is the gas paid today, for one account and for all.
func (r *Relay) Used(account common.Address) (one, all uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used[account], r.total
}

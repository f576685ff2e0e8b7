package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"sayso"
)

// maxTxGas is the most gas one transaction may ask for (EIP-7825).
const maxTxGas = 1 << 24

// sendAttempts bounds how often a transaction is signed anew because the nonce
// was taken, or handed over again because the connection failed.
const sendAttempts = 5

// Sender sends the transactions of one key and waits for them. Any number of
// goroutines may use it at once: nonces are given out one after the other, and
// waiting transactions share blocks. One key should have one Sender; if another
// process uses the key as well, nonces that were taken are tried anew.
type Sender struct {
	client *Client
	key    *Key
	abis   []abi.ABI

	mu      sync.Mutex // held while a nonce is given out and its transaction handed over
	chainID *big.Int
	next    uint64
	known   bool // next is right as far as we know

	receipts waiter
}

// NewSender makes a Sender. The ABIs are searched for the custom errors of
// transactions that revert.
func NewSender(c *Client, k *Key, abis ...abi.ABI) *Sender {
	return &Sender{client: c, key: k, abis: abis, receipts: waiter{client: c}}
}

// Address is the account that sends.
func (s *Sender) Address() common.Address { return s.key.Address() }

// Client is the chain it sends to.
func (s *Sender) Client() *Client { return s.client }

// Send sends a transaction (to nil: a contract creation; value nil: none) and
// waits until it is in a block. A call that would revert is not sent, and one that
// reverts in its block is returned with its receipt: both are a *RevertError. If
// ctx ends first, the error names the transaction, which may still be included.
func (s *Sender) Send(ctx context.Context, to *common.Address, data []byte, value *big.Int) (*types.Receipt, error) {
	if value == nil {
		value = new(big.Int)
	}
	gas, err := s.estimate(ctx, to, data, value)
	if err != nil {
		return nil, err
	}
	tx, err := s.hand(ctx, to, data, value, gas)
	if err != nil {
		return nil, err
	}
	receipt, err := s.receipts.wait(ctx, tx, s.Address())
	if err != nil {
		// Nobody hands this transaction over again. Should the node forget it, the next
		// one must take its nonce, or all later ones wait for it forever.
		s.mu.Lock()
		s.known = false
		s.mu.Unlock()
		return nil, err
	}
	if receipt.Status != types.ReceiptStatusSuccessful {
		return receipt, s.reason(ctx, receipt, to, data, value, gas)
	}
	return receipt, nil
}

// Create deploys a contract and returns its address.
func (s *Sender) Create(ctx context.Context, initCode []byte) (common.Address, error) {
	r, err := s.Send(ctx, nil, initCode, nil)
	if err != nil {
		return common.Address{}, err
	}
	return r.ContractAddress, nil
}

// Call runs a contract's function as a transaction and waits for it.
func (s *Sender) Call(ctx context.Context, to common.Address, data []byte) error {
	_, err := s.Send(ctx, &to, data, nil)
	return err
}

// estimate asks for the gas and adds a quarter, because what the transaction
// costs can change with those that come before it.
func (s *Sender) estimate(ctx context.Context, to *common.Address, data []byte, value *big.Int) (uint64, error) {
	cctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	gas, err := s.client.eth.EstimateGas(cctx, ethereum.CallMsg{From: s.Address(), To: to, Data: data, Value: value})
	if err != nil {
		if r := revertOf(err); r != nil {
			return 0, s.decoded(r)
		}
		return 0, s.client.fail("eth_estimateGas", err)
	}
	return max(gas, min(gas+gas/4+10_000, maxTxGas)), nil
}

func (s *Sender) decoded(r *RevertError) error {
	if len(r.Data) > 0 {
		return DecodeRevert(r.Data, s.abis...)
	}
	return r
}

// hand gives the transaction the next nonce and hands it to the node.
func (s *Sender) hand(ctx context.Context, to *common.Address, data []byte, value *big.Int, gas uint64) (*types.Transaction, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chainID == nil {
		id, err := s.client.ChainID(ctx)
		if err != nil {
			return nil, err
		}
		s.chainID = id
	}
	tip, feeCap, err := s.fees(ctx)
	if err != nil {
		return nil, err
	}
	var last error
	for range sendAttempts {
		if !s.known {
			if s.next, err = s.client.Nonce(ctx, s.Address()); err != nil {
				return nil, err
			}
			s.known = true
		}
		tx, err := s.key.SignTx(types.NewTx(&types.DynamicFeeTx{ChainID: s.chainID, Nonce: s.next,
			GasTipCap: tip, GasFeeCap: feeCap, Gas: gas, To: to, Value: value, Data: data}), s.chainID)
		if err != nil {
			return nil, err
		}
		err = s.submit(ctx, tx)
		if err == nil {
			s.next++
			return tx, nil
		}
		s.known = false
		if !nonceTaken(err) {
			return nil, err
		}
		last = err
	}
	return nil, last
}

// submit hands one signed transaction over, again if the connection failed: the
// same bytes twice are one transaction.
func (s *Sender) submit(ctx context.Context, tx *types.Transaction) error {
	var err error
	for range sendAttempts {
		err = s.client.SendRaw(ctx, tx)
		var answer rpc.Error
		if errors.As(err, &answer) && strings.Contains(answer.Error(), "already known") {
			return nil
		}
		if err == nil || errors.As(err, &answer) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// nonceTaken recognises a nonce that another transaction of the key has used or
// waits with. Nodes have no code for it, only these words.
func nonceTaken(err error) bool {
	var answer rpc.Error
	if !errors.As(err, &answer) {
		return false
	}
	text := answer.Error()
	return strings.Contains(text, "nonce too low") || strings.Contains(text, "underpriced")
}

// fees offers the tip the node suggests and twice the base fee, enough for six
// full blocks to come before.
func (s *Sender) fees(ctx context.Context) (tip, feeCap *big.Int, err error) {
	var suggested hexutil.Big
	if err := s.client.do(ctx, &suggested, "eth_maxPriorityFeePerGas"); err != nil {
		return nil, nil, err
	}
	var head struct {
		BaseFee hexutil.Big `json:"baseFeePerGas"`
	}
	if err := s.client.do(ctx, &head, "eth_getBlockByNumber", "latest", false); err != nil {
		return nil, nil, err
	}
	tip, feeCap = suggested.ToInt(), new(big.Int).Lsh(head.BaseFee.ToInt(), 1)
	return tip, feeCap.Add(feeCap, tip), nil
}

// reason finds out why a transaction failed in its block, by running it again on
// the block before.
func (s *Sender) reason(ctx context.Context, r *types.Receipt, to *common.Address, data []byte, value *big.Int, gas uint64) error {
	failed := func(text string) error {
		return fmt.Errorf("transaction %s in block %d: %w", r.TxHash, r.BlockNumber, &RevertError{Text: text})
	}
	if r.GasUsed >= gas {
		return failed("out of gas")
	}
	before, err := s.client.HeaderByHash(ctx, r.BlockHash)
	if err == nil {
		_, err = s.client.CallMsg(ctx, ethereum.CallMsg{From: s.Address(), To: to, Data: data, Value: value, Gas: gas}, &before.Parent)
	}
	var revert *RevertError
	if errors.As(err, &revert) {
		return fmt.Errorf("transaction %s in block %d: %w", r.TxHash, r.BlockNumber, s.decoded(revert))
	}
	return failed("without a reason that could be found")
}

// lost says that a nonce was used by another transaction.
func lost(tx *types.Transaction) error {
	return &sayso.Error{Op: "chain.Send", Fault: sayso.Conflict, Subject: tx.Hash().Hex(),
		Message: fmt.Sprintf("another transaction took nonce %d of this key; give each process its own key", tx.Nonce())}
}

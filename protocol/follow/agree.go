package follow

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/protocol/chain"
)

// lag is how far, in block time, one endpoint may be behind another: a
// revocation is seen when the last of them has it.
const lag = 30 * time.Second

// Agreed is a chain as several endpoints tell it with one voice. Where they
// differ it fails, and what failed is tried again at the next look.
type Agreed []Chain

// split is a disagreement.
func split(format string, args ...any) error {
	return sayso.Fail(sayso.Busy, "follow", "the chain nodes do not agree: "+fmt.Sprintf(format, args...))
}

// ChainID is the id that all state.
func (a Agreed) ChainID(ctx context.Context) (*big.Int, error) {
	id, err := a[0].ChainID(ctx)
	for _, c := range a[1:] {
		if err != nil {
			return nil, err
		}
		var other *big.Int
		if other, err = c.ChainID(ctx); err == nil && other.Cmp(id) != 0 {
			err = split("they are of chains %s and %s", id, other)
		}
	}
	return id, err
}

// Head is the newest block that all have.
func (a Agreed) Head(ctx context.Context) (chain.Block, error) {
	low, high := chain.Block{}, chain.Block{}
	for i, c := range a {
		b, err := c.Head(ctx)
		if err != nil {
			return b, err
		}
		if i == 0 || b.Number < low.Number {
			low = b
		}
		if i == 0 || b.Number > high.Number {
			high = b
		}
	}
	if high.Time > low.Time+uint64(lag/time.Second) {
		return low, split("one is at block %d and another at block %d, %d s later", low.Number, high.Number, high.Time-low.Time)
	}
	return low, a.same(ctx, low)
}

// same checks that all have a block.
func (a Agreed) same(ctx context.Context, b chain.Block) error {
	for _, c := range a {
		other, err := c.HeaderByNumber(ctx, b.Number)
		if err == nil && other.Hash != b.Hash {
			err = split("block %d is %s to one and %s to another", b.Number, b.Hash, other.Hash)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// HeaderByNumber is the block that all have at a number.
func (a Agreed) HeaderByNumber(ctx context.Context, number uint64) (chain.Block, error) {
	b, err := a[0].HeaderByNumber(ctx, number)
	if err == nil {
		err = a[1:].same(ctx, b)
	}
	return b, err
}

// Headers are those of the first endpoint. Each is hashed into the next, so it
// is enough that all have the last one.
func (a Agreed) Headers(ctx context.Context, first, last uint64) ([]chain.Block, error) {
	list, err := a[0].Headers(ctx, first, last)
	if err == nil && len(list) > 0 {
		err = a[1:].same(ctx, list[len(list)-1])
	}
	return list, err
}

// BlockLogs are those of the first endpoint that can prove them.
func (a Agreed) BlockLogs(ctx context.Context, blocks []chain.Block) ([][]types.Log, error) {
	var failed error
	for _, c := range a {
		logs, err := c.BlockLogs(ctx, blocks)
		if err == nil {
			return logs, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

// Logs are those of all endpoints together: what one leaves out another names.
func (a Agreed) Logs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error) {
	var out []types.Log
	for _, c := range a {
		logs, err := c.Logs(ctx, q)
		if err != nil {
			return nil, err
		}
		out = append(out, logs...)
	}
	return out, nil
}

// HasCode is what all say of an account.
func (a Agreed) HasCode(ctx context.Context, account common.Address, number uint64) (bool, error) {
	there, err := a[0].HasCode(ctx, account, number)
	for _, c := range a[1:] {
		if err != nil {
			return false, err
		}
		var other bool
		if other, err = c.HasCode(ctx, account, number); err == nil && other != there {
			err = split("%s is a contract at block %d to one of them only", account, number)
		}
	}
	return there, err
}

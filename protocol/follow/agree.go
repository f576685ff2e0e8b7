package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/protocol/chain"
)

const (
	// lag is how far, in block time, one of two endpoints may be behind the other:
	// a revocation is seen when both have it.
	lag = 30 * time.Second
	// patience is how long an endpoint is waited for before the next one is asked
	// as well, or before the others' answers have to do.
	patience = time.Second
)

// Agreed is a chain as several endpoints tell it with one voice: what two of them
// say alike. Where no two do it fails, and is tried again at the next look.
type Agreed []Chain

// split is a disagreement.
func split(format string, args ...any) error {
	return sayso.Fail(sayso.Busy, "follow", "the chain nodes do not agree: "+fmt.Sprintf(format, args...))
}

// answer is what one endpoint said.
type answer[T any] struct {
	of    int
	value T
	err   error
}

// askAll asks every endpoint at once. The channel has room for all answers.
func askAll[T any](ctx context.Context, a Agreed, ask func(context.Context, Chain) (T, error)) <-chan answer[T] {
	out := make(chan answer[T], len(a))
	for i, c := range a {
		go func() {
			v, err := ask(ctx, c)
			out <- answer[T]{i, v, err}
		}()
	}
	return out
}

// two is the first answer that two endpoints give alike.
func two[T any](ctx context.Context, a Agreed, what string, ask func(context.Context, Chain) (T, error), same func(T, T) bool) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var said []T
	var failed error
	answers := askAll(ctx, a, ask)
	for range a {
		one := <-answers
		if one.err != nil {
			failed = errors.Join(failed, one.err)
			continue
		}
		for _, other := range said {
			if same(other, one.value) {
				return one.value, nil
			}
		}
		said = append(said, one.value)
	}
	var none T
	if len(said) > 1 {
		failed = errors.Join(split("each tells another %s", what), failed)
	}
	return none, failed
}

// first is the first good answer. An endpoint is asked when the one before it has
// failed or keeps silent.
func first[T any](ctx context.Context, a Agreed, ask func(context.Context, Chain) (T, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer[T], len(a))
	var failed error
	for asked, open := 0, 0; asked < len(a) || open > 0; {
		var silent <-chan time.Time
		if asked < len(a) {
			go func(i int) {
				v, err := ask(ctx, a[i])
				answers <- answer[T]{i, v, err}
			}(asked)
			asked, open = asked+1, open+1
			silent = time.After(patience)
		}
		select {
		case one := <-answers:
			if one.err == nil {
				return one.value, nil
			}
			failed, open = errors.Join(failed, one.err), open-1
		case <-silent:
		}
	}
	var none T
	return none, failed
}

// ChainID is the id that two state.
func (a Agreed) ChainID(ctx context.Context) (*big.Int, error) {
	return two(ctx, a, "chain id", func(ctx context.Context, c Chain) (*big.Int, error) { return c.ChainID(ctx) },
		func(x, y *big.Int) bool { return x.Cmp(y) == 0 })
}

// Head is the newest block that two have.
func (a Agreed) Head(ctx context.Context) (chain.Block, error) {
	heads, err := a.heads(ctx)
	if err != nil {
		return chain.Block{}, err
	}
	high := heads[0]
	for _, b := range heads {
		agreed := 0
		for _, other := range heads {
			if other.Hash == b.Hash {
				agreed++
			}
		}
		if agreed < 2 && !a.confirm(ctx, b) {
			continue
		}
		if len(a) == 2 && high.Time > b.Time+uint64(lag/time.Second) {
			return b, split("one is at block %d and the other at block %d, %d s later", b.Number, high.Number, high.Time-b.Time)
		}
		return b, nil
	}
	return high, split("no two have the same block at %d", heads[len(heads)-1].Number)
}

// heads are the heads of those that answer, highest first: of all, or of those
// that do so within patience after two.
func (a Agreed) heads(ctx context.Context) ([]chain.Block, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var heads []chain.Block
	var failed error
	answers := askAll(ctx, a, func(ctx context.Context, c Chain) (chain.Block, error) { return c.Head(ctx) })
	var late <-chan time.Time
	for range a {
		select {
		case one := <-answers:
			if one.err != nil {
				failed = errors.Join(failed, one.err)
				continue
			}
			if heads = append(heads, one.value); len(heads) == 2 {
				late = time.After(patience)
			}
			continue
		case <-late:
		}
		break
	}
	if len(heads) < 2 {
		return nil, failed
	}
	slices.SortFunc(heads, func(x, y chain.Block) int { return cmp.Compare(y.Number, x.Number) })
	return heads, nil
}

// confirm says whether two have a block.
func (a Agreed) confirm(ctx context.Context, b chain.Block) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	both, err := a.HeaderByNumber(ctx, b.Number)
	return err == nil && both.Hash == b.Hash
}

// HeaderByNumber is the block that two have at a number.
func (a Agreed) HeaderByNumber(ctx context.Context, number uint64) (chain.Block, error) {
	return two(ctx, a, fmt.Sprintf("block %d", number), func(ctx context.Context, c Chain) (chain.Block, error) { return c.HeaderByNumber(ctx, number) },
		func(x, y chain.Block) bool { return x.Hash == y.Hash })
}

// Headers are those of one endpoint. Each is hashed into the next, so it is
// enough that two have the last one.
func (a Agreed) Headers(ctx context.Context, from, to uint64) ([]chain.Block, error) {
	end, err := a.HeaderByNumber(ctx, to)
	if err != nil || from == to {
		return []chain.Block{end}, err
	}
	return first(ctx, a, func(ctx context.Context, c Chain) ([]chain.Block, error) {
		list, err := c.Headers(ctx, from, to)
		if err == nil && (len(list) == 0 || list[len(list)-1].Hash != end.Hash) {
			err = split("one has another block %d than two others", to)
		}
		return list, err
	})
}

// BlockLogs are those of an endpoint that can prove them.
func (a Agreed) BlockLogs(ctx context.Context, blocks []chain.Block) ([][]types.Log, error) {
	return first(ctx, a, func(ctx context.Context, c Chain) ([][]types.Log, error) { return c.BlockLogs(ctx, blocks) })
}

// Logs are those of two endpoints or more together: what one leaves out another
// names.
func (a Agreed) Logs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var out []types.Log
	var failed error
	good := 0
	answers := askAll(ctx, a, func(ctx context.Context, c Chain) ([]types.Log, error) { return c.Logs(ctx, q) })
	for range a {
		one := <-answers
		if one.err != nil {
			failed = errors.Join(failed, one.err)
			continue
		}
		out, good = append(out, one.value...), good+1
	}
	if good < 2 {
		return nil, failed
	}
	return out, nil
}

// HasCode is what two say of an account.
func (a Agreed) HasCode(ctx context.Context, account common.Address, number uint64) (bool, error) {
	return two(ctx, a, fmt.Sprintf("code of %s at block %d", account, number),
		func(ctx context.Context, c Chain) (bool, error) { return c.HasCode(ctx, account, number) },
		func(x, y bool) bool { return x == y })
}

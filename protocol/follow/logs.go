package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"sayso/owner/registry"
	"sayso/protocol/chain"
)

// crowd is how many of a bloom's 2,048 bits may be set for it to tell much: up
// to here one block in some twenty-five seems to have events of ours and has none.
const crowd = 512

// contract is a contract with the bloom bits of its address and of the events
// that it may emit.
type contract struct {
	address common.Address
	bits    types.Bloom
	topics  []types.Bloom
}

func contractsOf(decoders map[place]decoder) []contract {
	by := map[common.Address]*contract{}
	for at := range decoders {
		c := by[at.contract]
		if c == nil {
			c = &contract{address: at.contract}
			c.bits.Add(at.contract.Bytes())
			by[at.contract] = c
		}
		var topic types.Bloom
		topic.Add(at.topic.Bytes())
		c.topics = append(c.topics, topic)
	}
	var out []contract
	for _, c := range by {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b contract) int { return a.address.Cmp(b.address) })
	return out
}

// has says whether all bits of a part are set.
func has(bloom, part *types.Bloom) bool {
	for i, b := range part {
		if bloom[i]&b != b {
			return false
		}
	}
	return true
}

// may says whether a block can have events of ours: a bloom is wrong only in
// saying that it can.
func (f *Follower) may(bloom *types.Bloom) bool {
	for i := range f.contracts {
		c := &f.contracts[i]
		if has(bloom, &c.bits) && slices.ContainsFunc(c.topics, func(topic types.Bloom) bool { return has(bloom, &topic) }) {
			return true
		}
	}
	return false
}

func crowded(bloom *types.Bloom) bool {
	n := 0
	for _, b := range bloom {
		n += bits.OnesCount8(b)
	}
	return n > crowd
}

// logs reads the logs of blocks that follow each other. A block whose bloom
// excludes our events has none; of any other the receipts prove which it has.
// Only of old blocks that are too crowded for their blooms to tell anything is
// the endpoint asked first which of them have events at all.
func (f *Follower) logs(ctx context.Context, blocks []chain.Block, head uint64) ([][]types.Log, error) {
	var prove, old []int
	for i := range blocks {
		b := &blocks[i]
		switch {
		case !f.may(&b.Bloom):
		case b.Number+registry.Depth < head && crowded(&b.Bloom):
			old = append(old, i)
		default:
			prove = append(prove, i)
		}
	}
	if len(old) > 0 {
		named, err := f.named(ctx, blocks, blocks[old[0]].Number, blocks[old[len(old)-1]].Number)
		if err != nil {
			return nil, err
		}
		for _, i := range old {
			if named[blocks[i].Hash] {
				prove = append(prove, i)
			}
		}
	}
	out := make([][]types.Log, len(blocks))
	if len(prove) == 0 {
		return out, nil
	}
	slices.Sort(prove)
	asked := make([]chain.Block, 0, len(prove))
	for _, i := range prove {
		asked = append(asked, blocks[i])
	}
	proven, err := f.cfg.Chain.BlockLogs(ctx, asked)
	if err != nil {
		return nil, err
	}
	for k, i := range prove {
		out[i] = proven[k]
		slices.SortStableFunc(out[i], func(a, b types.Log) int { return cmp.Compare(a.Index, b.Index) })
	}
	return out, nil
}

// named asks which blocks between two numbers have logs of our contracts.
func (f *Follower) named(ctx context.Context, blocks []chain.Block, from, to uint64) (map[common.Hash]bool, error) {
	var at []common.Address
	for _, c := range f.contracts {
		at = append(at, c.address)
	}
	logs, err := f.cfg.Chain.Logs(ctx, ethereum.FilterQuery{FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(to), Addresses: at})
	if answer := rpc.Error(nil); err != nil && errors.As(err, &answer) && from < to {
		return f.halves(ctx, blocks, from, to) // endpoints bound how much one answer may hold
	}
	if err != nil {
		return nil, err
	}
	out := map[common.Hash]bool{}
	for _, l := range logs {
		if l.BlockNumber < from || l.BlockNumber > to || blocks[l.BlockNumber-blocks[0].Number].Hash != l.BlockHash {
			return nil, fmt.Errorf("follow: a log of block %d (%s) is of none of the blocks that were asked about", l.BlockNumber, l.BlockHash)
		}
		out[l.BlockHash] = true
	}
	return out, nil
}

func (f *Follower) halves(ctx context.Context, blocks []chain.Block, from, to uint64) (map[common.Hash]bool, error) {
	middle := from + (to-from)/2
	out, err := f.named(ctx, blocks, from, middle)
	if err != nil {
		return nil, err
	}
	upper, err := f.named(ctx, blocks, middle+1, to)
	for h := range upper {
		out[h] = true
	}
	return out, err
}

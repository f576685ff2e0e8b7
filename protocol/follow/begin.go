package follow

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"sayso"
	"sayso/protocol/chain"
)

// identify checks that the chain is the one that the registry was made from, by
// its id and by its block 0. The first look pins block 0.
func (f *Follower) identify(ctx context.Context) error {
	f.sure = false
	id, err := f.cfg.Chain.ChainID(ctx)
	if err != nil {
		return err
	}
	if want := f.cfg.Registry.Chain().ID; !id.IsUint64() || id.Uint64() != want {
		return fmt.Errorf("follow: the chain node is of chain %s, the contracts are on chain %d: look at --rpc and --contracts", id, want)
	}
	genesis, err := f.cfg.Chain.HeaderByNumber(ctx, 0)
	if err != nil {
		return err
	}
	pinned, ok, err := f.cfg.Registry.Genesis()
	if err == nil && !ok {
		err = f.cfg.Registry.PinGenesis(genesis.Hash)
		pinned = genesis.Hash
	}
	if err != nil {
		return err
	}
	if pinned != [32]byte(genesis.Hash) {
		return fmt.Errorf("follow: block 0 of this chain is %s, and %s was made from the chain of %x: look at --rpc; if the chain was begun anew, remove that file", genesis.Hash, f.cfg.Registry.Path(), pinned)
	}
	f.sure = true
	return nil
}

// start is the first block to read: the configured one, or else the one in which
// the first of the contracts appeared.
func (f *Follower) start(ctx context.Context, head chain.Block) (uint64, error) {
	if f.cfg.Start > 0 {
		return f.cfg.Start, nil
	}
	before := head.Number + 1 // the lowest block so far that has one, head + 1 for none
	for _, c := range f.contracts {
		if before == 0 {
			break
		}
		there, err := f.hasCode(ctx, c.address, before-1)
		if err == nil && there {
			before, err = f.appeared(ctx, c.address, before-1)
		}
		if err != nil {
			return 0, err
		}
	}
	if before > head.Number {
		return 0, fmt.Errorf("follow: none of the contracts is on chain %d at block %d: look at --contracts", f.cfg.Registry.Chain().ID, head.Number)
	}
	f.cfg.Log.Info("found the first block of the contracts", "block", before)
	return before, nil
}

// appeared is the lowest block, up to one that has it, with a contract's code.
func (f *Follower) appeared(ctx context.Context, contract common.Address, hi uint64) (uint64, error) {
	lo := uint64(0)
	for lo < hi {
		middle := lo + (hi-lo)/2
		there, err := f.hasCode(ctx, contract, middle)
		if err != nil {
			return 0, err
		}
		if there {
			hi = middle
		} else {
			lo = middle + 1
		}
	}
	return lo, nil
}

func (f *Follower) hasCode(ctx context.Context, contract common.Address, number uint64) (bool, error) {
	there, err := f.cfg.Chain.HasCode(ctx, contract, number)
	if answer := rpc.Error(nil); errors.As(err, &answer) {
		return false, &sayso.Error{Op: "follow", Fault: sayso.Invalid, Err: err,
			Message: fmt.Sprintf("the chain node does not tell what was at block %d (%v), so that the first block of the contracts cannot be found: give it with --start-block, the block in which they were deployed or any before", number, answer)}
	}
	return there, err
}

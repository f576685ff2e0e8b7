// Package follow folds the chain's blocks into the registry: it reads headers
// and logs, checks that each block follows the last, decodes the events that
// its table names, and on a fork takes blocks back to the common one.
package follow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso/owner/registry"
	"sayso/protocol/chain"
)

// Chain is the view of a chain that the follower needs; [chain.Client] is one.
type Chain interface {
	Head(ctx context.Context) (chain.Block, error)
	HeaderByNumber(ctx context.Context, number uint64) (chain.Block, error)
	Logs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error)
}

// Config says what to follow and into which registry.
type Config struct {
	Chain    Chain
	Registry *registry.Registry
	Clock    *registry.Clock
	Start    uint64        // first block to read when the registry is empty
	Every    time.Duration // between looks at the chain
	Log      *slog.Logger
}

// Follower is one reader of one chain.
type Follower struct {
	cfg       Config
	decoders  map[place]decoder
	addresses []common.Address
	settled   bool // has stood on the remote head since the start
}

// New prepares a follower.
func New(cfg Config) (*Follower, error) {
	info := cfg.Registry.Chain()
	d, err := decoders(info, table(info))
	if err != nil {
		return nil, err
	}
	f := &Follower{cfg: cfg, decoders: d}
	for at := range d {
		if !slices.Contains(f.addresses, at.contract) {
			f.addresses = append(f.addresses, at.contract)
		}
	}
	slices.SortFunc(f.addresses, common.Address.Cmp)
	return f, nil
}

// Run follows until the context ends. A failed look is logged and tried again;
// the registry's horizon decides what that means for readers.
func (f *Follower) Run(ctx context.Context) error {
	tick := time.NewTicker(f.cfg.Every)
	defer tick.Stop()
	failing := ""
	for {
		err := f.Step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && err.Error() != failing:
			failing = err.Error()
			f.cfg.Log.Warn("cannot follow the chain; trying again", "error", err)
		case err == nil && failing != "":
			failing = ""
			f.cfg.Log.Info("following the chain again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Step reads the chain up to its present head. It returns when the registry
// stands on that head.
func (f *Follower) Step(ctx context.Context) error {
	for {
		remote, err := f.cfg.Chain.Head(ctx)
		if err != nil {
			return err
		}
		done, err := f.converge(ctx, remote)
		if err != nil {
			return err
		}
		if done {
			f.settled = true
			f.cfg.Registry.Looked(f.cfg.Clock.Now())
			return f.cfg.Clock.Mark()
		}
	}
}

// converge moves the registry one block nearer to the remote head: back where
// its own head is not on the remote chain, else forward.
func (f *Follower) converge(ctx context.Context, remote chain.Block) (done bool, err error) {
	local, begun := f.cfg.Registry.Head()
	if !begun {
		if remote.Number < f.cfg.Start {
			return true, nil
		}
		return false, f.fold(ctx, f.cfg.Start)
	}
	if local.Number == remote.Number && local.Hash == remote.Hash {
		return true, nil
	}
	if local.Number >= remote.Number {
		return false, f.behind(ctx, remote, local)
	}
	err = f.fold(ctx, local.Number+1)
	if errors.Is(err, registry.ErrFork) {
		return false, f.unwind(ctx, remote, local)
	}
	return false, err
}

// behind handles a remote head that is not above ours. Another block at that
// height is a fork. Our own block is a chain that lags, as one behind a load
// balancer does: to take blocks back would bring revoked grants to life, so
// only a start may do it.
func (f *Follower) behind(ctx context.Context, remote chain.Block, local registry.Block) error {
	ours, ok, err := f.cfg.Registry.At(remote.Number)
	if err != nil {
		return err
	}
	if f.settled && ok && ours.Hash == remote.Hash {
		return fmt.Errorf("follow: the chain's head went back from block %d to %d", local.Number, remote.Number)
	}
	return f.unwind(ctx, remote, local)
}

// fold reads one block and its logs and adds them.
func (f *Follower) fold(ctx context.Context, number uint64) error {
	b, err := f.cfg.Chain.HeaderByNumber(ctx, number)
	if err != nil {
		return err
	}
	hash := common.Hash(b.Hash)
	logs, err := f.cfg.Chain.Logs(ctx, ethereum.FilterQuery{BlockHash: &hash, Addresses: f.addresses})
	if err != nil {
		return err
	}
	slices.SortStableFunc(logs, func(a, b types.Log) int { return cmp.Compare(a.Index, b.Index) })
	return f.cfg.Registry.Fold(position(b), func(tx *registry.Tx) error {
		for i := range logs {
			if err := f.apply(tx, &logs[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// apply folds one log. What does not decode or is about nothing we keep is
// said in the log and passed over: one odd event must not stop the index.
func (f *Follower) apply(tx *registry.Tx, l *types.Log) error {
	if len(l.Topics) == 0 || l.Removed {
		return nil
	}
	d, ok := f.decoders[place{l.Address, l.Topics[0]}]
	if !ok {
		return nil
	}
	a, err := d.decode(l)
	if err == nil {
		err = d.fold(tx, a)
	}
	var skip errSkip
	if err != nil && (a == nil || errors.As(err, &skip)) {
		f.cfg.Log.Warn("passed over an event", "event", d.name, "block", l.BlockNumber, "index", l.Index, "why", err)
		return nil
	}
	return err
}

// unwind takes the registry back to the highest of its blocks that the remote
// chain has too.
func (f *Follower) unwind(ctx context.Context, remote chain.Block, local registry.Block) error {
	for number := min(local.Number, remote.Number); ; number-- {
		ours, ok, err := f.cfg.Registry.At(number)
		if err != nil {
			return err
		}
		if !ok && number < f.cfg.Start {
			f.cfg.Log.Warn("the chain is another one from its first block; indexing again", "start", f.cfg.Start)
			return f.cfg.Registry.Unwind(0)
		}
		if !ok {
			return fmt.Errorf("follow: the chain forked more than %d blocks deep: remove the registry file to index again", registry.Depth)
		}
		theirs, err := f.cfg.Chain.HeaderByNumber(ctx, number)
		if err != nil {
			return err
		}
		if [32]byte(theirs.Hash) == ours.Hash {
			f.cfg.Log.Warn("the chain forked; taking blocks back", "from", local.Number, "to", number)
			return f.cfg.Registry.Unwind(number)
		}
		if number == 0 {
			return f.cfg.Registry.Unwind(0)
		}
	}
}

func position(b chain.Block) registry.Block {
	return registry.Block{Number: b.Number, Hash: b.Hash, Parent: b.Parent, Time: int64(b.Time)}
}

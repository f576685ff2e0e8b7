package follow

import (
	"context"
	"fmt"

	"sayso/owner/registry"
	"sayso/protocol/chain"
)

// behind handles a remote head that is not above ours. Another block at that
// height is a fork. Our own block is an endpoint that lags, as one behind a load
// balancer does: to take blocks back would bring revoked grants to life.
func (f *Follower) behind(ctx context.Context, remote chain.Block, local registry.Block) error {
	ours, ok, err := f.cfg.Registry.At(remote.Number)
	switch {
	case err != nil:
		return err
	case !ok || ours.Hash == remote.Hash:
		return fmt.Errorf("follow: the chain's head went back from block %d to %d; waiting for what comes after it", local.Number, remote.Number)
	}
	return f.fork(ctx, remote, local)
}

// fork goes back to the highest of our blocks that the remote chain has too, and
// forward on its branch, in one move.
func (f *Follower) fork(ctx context.Context, remote chain.Block, local registry.Block) error {
	if err := f.identify(ctx); err != nil {
		return err
	}
	at, found, err := f.common(ctx, min(local.Number, remote.Number))
	if err != nil {
		return err
	}
	if found {
		f.cfg.Log.Warn("the chain forked; taking blocks back", "from", local.Number, "to", at)
		return f.advance(ctx, registry.Move{Back: true, To: at}, at+1, remote)
	}
	first, _, err := f.cfg.Registry.First()
	if err != nil {
		return err
	}
	if at >= first {
		return fmt.Errorf("follow: the chain forked more than %d blocks deep, below block %d: stop the node, remove %s and start it again, and the chain is indexed from its beginning", registry.Depth, at+1, f.cfg.Registry.Path())
	}
	start, err := f.start(ctx, remote)
	if err != nil {
		return err
	}
	f.cfg.Log.Warn("the chain forked below the first block that was read; indexing again", "from", start)
	return f.advance(ctx, registry.Move{Back: true}, start, remote)
}

// common finds the highest of our blocks, not above top, that the remote chain
// has too. Where it has none of those that are kept, it is the number below.
func (f *Follower) common(ctx context.Context, top uint64) (number uint64, found bool, err error) {
	for hi, size := top, uint64(1); ; size = min(4*size, 64) {
		lo := hi + 1 - min(size, hi+1)
		theirs, err := f.cfg.Chain.Headers(ctx, lo, hi)
		if err != nil {
			return 0, false, err
		}
		for i := len(theirs) - 1; i >= 0; i-- {
			number = lo + uint64(i)
			ours, ok, err := f.cfg.Registry.At(number)
			if err != nil || !ok {
				return number, false, err
			}
			if ours.Hash == theirs[i].Hash {
				return number, true, nil
			}
		}
		if lo == 0 {
			return 0, false, fmt.Errorf("follow: block 0 is another one: this is not the chain that was followed before")
		}
		hi = lo - 1
	}
}

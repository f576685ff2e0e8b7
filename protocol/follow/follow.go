// Package follow folds the chain's blocks into the registry: it reads headers,
// checks that each block follows the last, takes the logs from receipts that the
// header proves, decodes the events that its table names, and on a fork goes
// back to the common block.
//
// An endpoint can still lie by making up whole blocks, headers and receipts
// alike; only a second one tells ([Agreed]). What it cannot do is leave out,
// alter, repeat or invent a log of a block whose hash is right. DESIGN.md lists
// what is believed and why.
package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso/owner/registry"
	"sayso/protocol/chain"
)

const (
	// stride is the most blocks that one move of the registry takes.
	stride = 1000
	// ahead is how far a block may be stamped ahead of this machine's clock.
	ahead = time.Minute
	// stall is how old the head of a chain may be whose blocks need
	// confirmations. Such a chain makes blocks all the time; a chain on which
	// grants count at once may make them on demand, and an old head says nothing.
	stall = registry.Horizon
	// tell is how often a long way to the head is told of.
	tell = 5 * time.Second
)

// Chain is the view of a chain that the follower needs; [chain.Client] is one.
type Chain interface {
	ChainID(ctx context.Context) (*big.Int, error)
	Head(ctx context.Context) (chain.Block, error)
	HeaderByNumber(ctx context.Context, number uint64) (chain.Block, error)
	Headers(ctx context.Context, first, last uint64) ([]chain.Block, error)
	BlockLogs(ctx context.Context, blocks []chain.Block) ([][]types.Log, error)
	Logs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error)
	HasCode(ctx context.Context, account common.Address, number uint64) (bool, error)
}

// Config says what to follow and into which registry.
type Config struct {
	Chain    Chain
	Registry *registry.Registry
	Clock    *registry.Clock
	Start    uint64        // first block to read when the registry is empty; 0 is the one in which the first contract appeared
	Every    time.Duration // between looks at the chain
	Log      *slog.Logger
}

// Follower is one reader of one chain.
type Follower struct {
	cfg       Config
	decoders  map[place]decoder
	contracts []contract
	sure      bool // that this is our chain, since the last failure
	trouble   atomic.Value

	began time.Time // of the way to the head, zero when there is none
	from  uint64    // where it began
	told  time.Time
}

// New prepares a follower.
func New(cfg Config) (*Follower, error) {
	info := cfg.Registry.Chain()
	d, err := decoders(info, table(info))
	if err != nil {
		return nil, err
	}
	return &Follower{cfg: cfg, decoders: d, contracts: contractsOf(d)}, nil
}

// Run follows until the context ends. A failed look is logged and tried again;
// the registry's horizon decides what that means for readers.
func (f *Follower) Run(ctx context.Context) error {
	tick := time.NewTicker(f.cfg.Every)
	defer tick.Stop()
	failing := f.Trouble()
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

// Trouble is why the last look at the chain failed; empty if it did not.
func (f *Follower) Trouble() string {
	text, _ := f.trouble.Load().(string)
	return text
}

// Step reads the chain up to its present head. It returns when the registry
// stands on that head. After an error the registry stands on some block of the
// chain as it was told before.
func (f *Follower) Step(ctx context.Context) error {
	err := f.step(ctx)
	if err != nil {
		f.sure = false
		f.trouble.Store(err.Error())
		return err
	}
	f.trouble.Store("")
	return nil
}

func (f *Follower) step(ctx context.Context) error {
	for {
		asked := f.cfg.Clock.Now()
		remote, err := f.cfg.Chain.Head(ctx)
		if err == nil && !f.sure {
			err = f.identify(ctx)
		}
		if err == nil {
			err = f.timely(remote)
		}
		if err != nil {
			return err
		}
		done, err := f.converge(ctx, remote)
		if err != nil {
			return err
		}
		if done {
			f.began = time.Time{}
			f.cfg.Registry.Looked(f.lookedAt(asked, remote))
			return f.cfg.Clock.Mark()
		}
	}
}

// lookedAt is the time up to which a look at a head tells what stands: when it
// was asked for. Where blocks come all the time, it is the head's own time.
func (f *Follower) lookedAt(asked time.Time, head chain.Block) time.Time {
	if at := stamp(head); f.cfg.Registry.Confirmations() > 0 && at.Before(asked) {
		return at
	}
	return asked
}

// converge moves the registry nearer to the remote head: back where its own head
// is not on the remote chain, and forward.
func (f *Follower) converge(ctx context.Context, remote chain.Block) (done bool, err error) {
	local, begun := f.cfg.Registry.Head()
	switch {
	case begun && local.Hash == [32]byte(remote.Hash):
		return true, nil
	case begun && local.Number >= remote.Number:
		return false, f.behind(ctx, remote, local)
	case begun:
		return false, f.forward(ctx, remote, local)
	}
	start, err := f.start(ctx, remote)
	if err != nil || remote.Number < start {
		return err == nil, err
	}
	return false, f.advance(ctx, registry.Move{}, start, remote)
}

// forward reads on after our head, or finds that it is not on the chain.
func (f *Follower) forward(ctx context.Context, remote chain.Block, local registry.Block) error {
	err := f.advance(ctx, registry.Move{}, local.Number+1, remote)
	if errors.Is(err, registry.ErrFork) {
		return f.fork(ctx, remote, local)
	}
	return err
}

// advance moves the registry over blocks from a number on, up to the remote
// head or a stride.
func (f *Follower) advance(ctx context.Context, move registry.Move, from uint64, remote chain.Block) error {
	blocks, err := f.blocks(ctx, from, remote)
	if err != nil {
		return err
	}
	if local, begun := f.cfg.Registry.Head(); !move.Back && begun && [32]byte(blocks[0].Parent) != local.Hash {
		return fmt.Errorf("%w: block %d", registry.ErrFork, from) // before the logs are asked for
	}
	logs, err := f.logs(ctx, blocks, remote.Number)
	if err != nil {
		return err
	}
	last := blocks[len(blocks)-1].Number
	if move.Back && last < remote.Number {
		// The rest of the branch may revoke what the lost one revoked.
		f.cfg.Registry.Blind()
	}
	for _, b := range blocks {
		move.Blocks = append(move.Blocks, registry.Block{Number: b.Number, Hash: b.Hash, Parent: b.Parent, Time: int64(b.Time)})
	}
	err = f.cfg.Registry.Move(move, func(tx *registry.Tx) error {
		list := logs[tx.Block.Number-from]
		for i := range list {
			if err := f.apply(tx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		f.progress(last, remote.Number)
	}
	return err
}

// blocks reads the headers from a number on, at most a stride, and checks that
// they are a chain that leads to the remote head.
func (f *Follower) blocks(ctx context.Context, from uint64, remote chain.Block) ([]chain.Block, error) {
	last := min(remote.Number, from+stride-1)
	blocks, err := f.cfg.Chain.Headers(ctx, from, last)
	if err != nil {
		return nil, err
	}
	if want := int(last - from + 1); len(blocks) != want {
		return nil, fmt.Errorf("follow: %d headers where %d were asked for", len(blocks), want)
	}
	for i, b := range blocks {
		if b.Number != from+uint64(i) || i > 0 && b.Parent != blocks[i-1].Hash {
			return nil, fmt.Errorf("follow: block %d does not follow block %d", b.Number, from+uint64(i)-1)
		}
		if b.Number == remote.Number && b.Hash != remote.Hash {
			return nil, fmt.Errorf("follow: block %d is two blocks, %s and %s: the chain forked while it was read, or the chain node lies", b.Number, remote.Hash, b.Hash)
		}
		if err := f.early(b); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// early refuses a block from the future. It would let every grant expire for
// good, since the time of decisions never goes back.
func (f *Follower) early(b chain.Block) error {
	if now := f.cfg.Clock.Wall(); stamp(b).After(now.Add(ahead)) {
		return fmt.Errorf("follow: block %d is stamped %s and it is %s here: look at this machine's clock", b.Number, stamp(b).Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return nil
}

// timely refuses a head whose time cannot be that of a chain that goes on.
func (f *Follower) timely(head chain.Block) error {
	if f.cfg.Registry.Confirmations() > 0 && f.cfg.Clock.Wall().Sub(stamp(head)) > stall {
		return fmt.Errorf("follow: the newest block, %d, is of %s: the chain stands still, or the chain node does not keep up with it", head.Number, stamp(head).Format(time.RFC3339))
	}
	return f.early(head)
}

// stamp is a block's time; what is beyond reason is the year 36812.
func stamp(b chain.Block) time.Time { return time.Unix(int64(min(b.Time, 1<<40)), 0).UTC() }

// progress tells of a long way to the head.
func (f *Follower) progress(at, head uint64) {
	now := f.cfg.Clock.Now()
	if f.began.IsZero() {
		f.began, f.from, f.told = now, at, now
	}
	if now.Sub(f.told) < tell {
		return
	}
	f.told = now
	rate := float64(at-min(at, f.from)) / now.Sub(f.began).Seconds()
	left := "now"
	if at < head && rate > 0 {
		left = time.Duration(float64(head-at) / rate * float64(time.Second)).Round(time.Second).String()
	}
	f.cfg.Log.Info("reading the chain", "block", at, "of", head, "blocks/s", int(rate), "left", left)
}

// apply folds one log. What does not decode or is about nothing we keep is
// said in the log and passed over: one odd event must not stop the index.
func (f *Follower) apply(tx *registry.Tx, l *types.Log) error {
	if len(l.Topics) == 0 || l.Removed {
		return nil
	}
	d, ok := f.decoders[place{l.Address, l.Topics[0], len(l.Topics)}]
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

package devchain

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/miner"

	"sayso/protocol/chain/devchain/journal"
)

// loop makes the blocks. It is the only goroutine that does.
func (c *Chain) loop() {
	defer close(c.stopped)
	events := make(chan core.NewTxsEvent, 64)
	sub := c.eth.TxPool().SubscribeTransactions(events, true)
	defer sub.Unsubscribe()
	go c.listen(events, sub.Err())

	m := &maker{Chain: c, settled: c.cfg.Backdate == 0 || c.eth.BlockChain().CurrentBlock().Number.Sign() > 0}
	period := min(max(c.cfg.Heartbeat/8, 20*time.Millisecond), time.Second)
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-c.quit:
			return
		case <-c.wake:
			err = m.makeAll()
		case <-tick.C:
			m.idle += period
			// What an earlier attempt left: no space, the pace, a transaction that did not fit.
			if waiting, _ := c.eth.TxPool().Stats(); waiting > 0 {
				err = m.makeAll()
			}
			if err == nil {
				err = m.heartbeat()
			}
		case reply := <-c.settle:
			m.settled = true
			err = m.make(true)
			reply <- err
		}
		if err != nil && !m.passing(err) {
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
			c.cfg.Log.Error("the chain has stopped", "err", err)
			return
		}
	}
}

// listen turns pool events into at most one waiting wake-up. It never blocks the
// pool: the loop waits for the pool, so the pool must not wait for the loop.
func (c *Chain) listen(events <-chan core.NewTxsEvent, ended <-chan error) {
	for {
		select {
		case <-events:
			select {
			case c.wake <- struct{}{}:
			default:
			}
		case <-ended:
			return
		}
	}
}

// maker is the state of the loop.
type maker struct {
	*Chain
	settled bool          // block time follows the clock
	idle    time.Duration // since the last block, counted in ticks: clocks can be set back
	warned  bool
}

// errNotKept marks a block that could not be journalled and was dropped, so that
// everything is as before.
var errNotKept = errors.New("block not kept")

// passing tells whether the loop may try again later.
func (m *maker) passing(err error) bool {
	if !errors.Is(err, errNotKept) {
		return false
	}
	if !m.warned {
		m.cfg.Log.Error("the chain makes no blocks until its journal can be written", "err", err)
	}
	m.warned = true
	return true
}

// makeAll makes blocks while transactions wait and each block takes some. A
// transaction that no block can take stays in the pool and is tried once a tick.
func (m *maker) makeAll() error {
	for {
		select {
		case <-m.quit:
			return nil
		default:
		}
		// The pool follows the head on a goroutine of its own; wait until it has.
		if err := m.eth.TxPool().Sync(); err != nil {
			return err
		}
		if waiting, _ := m.eth.TxPool().Stats(); waiting == 0 {
			return nil
		}
		if m.tooFast() {
			return nil
		}
		before := m.eth.BlockChain().CurrentBlock().Hash()
		if err := m.make(false); err != nil {
			return err
		}
		if m.eth.BlockChain().CurrentBlock().Hash() == before {
			return nil
		}
	}
}

// heartbeat makes an empty block if the head is older than the heartbeat.
func (m *maker) heartbeat() error {
	head := time.Unix(int64(m.eth.BlockChain().CurrentBlock().Time), 0)
	if m.cfg.Clock.Now().Sub(head) < m.cfg.Heartbeat {
		return nil
	}
	if !m.settled && m.idle < m.cfg.Heartbeat {
		return nil
	}
	m.settled = true
	return m.make(true)
}

// tooFast tells that the head is so far ahead of the clock that blocks must not come
// more often than once a second.
func (m *maker) tooFast() bool {
	head := time.Unix(int64(m.eth.BlockChain().CurrentBlock().Time), 0)
	return head.Sub(m.cfg.Clock.Now()) >= m.cfg.MaxLead && m.idle < time.Second
}

// make makes one block: build it from the pool, journal it, and only then insert it,
// which makes it visible. The insertion is the function that start-up uses. Without
// transactions there is a block only if empty says so.
func (m *maker) make(empty bool) error {
	parent := m.eth.BlockChain().CurrentBlock()
	t := uint64(max(m.cfg.Clock.Now().Unix(), 0))
	if t <= parent.Time || !m.settled {
		t = parent.Time + 1
	}
	args := &miner.BuildPayloadArgs{Parent: parent.Hash(), Timestamp: t,
		Withdrawals: types.Withdrawals{}, BeaconRoot: new(common.Hash)}
	rand.Read(args.Random[:]) // never fails
	// Despite its name, this is go-ethereum's way to build a block synchronously; with
	// no list of transactions it fills the block from the pool.
	block, _, err := m.eth.Miner().BuildTestingPayload(args, nil, false, []byte("sayso"))
	if err != nil {
		return fmt.Errorf("build block %d: %w", parent.Number.Uint64()+1, err)
	}
	if len(block.Transactions()) == 0 && !empty {
		return nil
	}
	if err := m.keep(block); err != nil {
		if errors.Is(err, journal.ErrClosed) {
			return err
		}
		return fmt.Errorf("%w: %w", errNotKept, err)
	}
	m.warned = false
	// Kept. Whoever asks from here on may see the block.
	if _, err := m.eth.BlockChain().InsertChain(types.Blocks{block}); err != nil {
		return fmt.Errorf("insert block %d: %w", block.NumberU64(), err)
	}
	m.eth.BlockChain().SetSafe(block.Header())
	m.idle = 0
	return nil
}

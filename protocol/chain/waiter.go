package chain

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// Receipts are asked for quickly at first, because the embedded chain answers
// within milliseconds, then ever more slowly up to pollSlowest. A transaction
// without a receipt is handed to the node again every resend, and at once when the
// node was away: it forgets its waiting transactions when it restarts.
const (
	pollFastest = 2 * time.Millisecond
	pollSlowest = time.Second
	resend      = 3 * time.Second
	batchSize   = 100
)

// waiter waits for receipts: one goroutine asks for all transactions that wait,
// and ends when none does.
type waiter struct {
	client *Client

	mu      sync.Mutex
	waiting map[common.Hash]*pending
	running bool
}

type pending struct {
	tx   *types.Transaction
	from common.Address
	done chan result // buffered
	age  time.Duration
	pace time.Duration
	sent time.Duration // age at which it was handed over last
	away bool          // the node could not be asked
}

type result struct {
	receipt *types.Receipt
	err     error
}

// wait returns the receipt of tx, or the error of ctx.
func (w *waiter) wait(ctx context.Context, tx *types.Transaction, from common.Address) (*types.Receipt, error) {
	p := &pending{tx: tx, from: from, done: make(chan result, 1), pace: pollFastest}
	w.mu.Lock()
	if w.waiting == nil {
		w.waiting = make(map[common.Hash]*pending)
	}
	w.waiting[tx.Hash()] = p
	if !w.running {
		w.running = true
		go w.poll()
	}
	w.mu.Unlock()
	select {
	case r := <-p.done:
		return r.receipt, r.err
	case <-ctx.Done():
		w.mu.Lock()
		delete(w.waiting, tx.Hash())
		w.mu.Unlock()
		return nil, w.client.fail("Send", fmt.Errorf("transaction %s was sent and is not in a block yet: %w", tx.Hash(), context.Cause(ctx)))
	}
}

// poll asks until nothing waits. The youngest transaction sets the pace.
func (w *waiter) poll() {
	for {
		pace := pollSlowest
		w.mu.Lock()
		if len(w.waiting) == 0 {
			w.running = false
			w.mu.Unlock()
			return
		}
		for _, p := range w.waiting {
			pace = min(pace, p.pace)
		}
		w.mu.Unlock()
		time.Sleep(pace)

		w.mu.Lock()
		all := make([]*pending, 0, len(w.waiting))
		for _, p := range w.waiting {
			p.age += pace
			p.pace = min(pollSlowest, p.pace+p.age/8)
			all = append(all, p)
		}
		w.mu.Unlock()
		for len(all) > 0 {
			n := min(batchSize, len(all))
			w.ask(all[:n])
			all = all[n:]
		}
	}
}

// ask asks for the receipts of some transactions in one batch.
func (w *waiter) ask(some []*pending) {
	ctx, cancel := context.WithTimeout(context.Background(), CallTimeout)
	defer cancel()
	batch := make([]rpc.BatchElem, len(some))
	receipts := make([]*types.Receipt, len(some))
	for i, p := range some {
		batch[i] = rpc.BatchElem{Method: "eth_getTransactionReceipt", Args: []any{p.tx.Hash()}, Result: &receipts[i]}
	}
	if err := w.client.rpc.BatchCallContext(ctx, batch); err != nil {
		for _, p := range some {
			p.away = true
		}
		return // go on asking until the callers give up
	}
	for i, p := range some {
		switch {
		case batch[i].Error != nil:
		case receipts[i] != nil:
			w.finish(p, result{receipt: receipts[i]})
		case p.away || p.age-p.sent >= resend:
			p.away, p.sent = false, p.age
			w.again(ctx, p)
		}
	}
}

// again hands a transaction over anew. If its nonce is used up and it still has
// no receipt, another transaction took its place.
func (w *waiter) again(ctx context.Context, p *pending) {
	if err := w.client.SendRaw(ctx, p.tx); err == nil || !nonceTaken(err) {
		return
	}
	used, err := w.client.nonce(ctx, p.from, "latest")
	if err != nil || used <= p.tx.Nonce() {
		return
	}
	var receipt *types.Receipt
	if err := w.client.do(ctx, &receipt, "eth_getTransactionReceipt", hexutil.Encode(p.tx.Hash().Bytes())); err != nil {
		return
	}
	if receipt != nil {
		w.finish(p, result{receipt: receipt})
		return
	}
	w.finish(p, result{err: lost(p.tx)})
}

func (w *waiter) finish(p *pending, r result) {
	w.mu.Lock()
	delete(w.waiting, p.tx.Hash())
	w.mu.Unlock()
	p.done <- r
}

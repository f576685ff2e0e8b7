package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/trie"

	"sayso/protocol/chain"
)

// fakeBlock is a block with true roots, blooms and hash.
type fakeBlock struct {
	header   *types.Header
	receipts types.Receipts
}

// fakeChain is a list of blocks that can be cut and grown. It is a [Chain] by
// itself, and a node with JSON-RPC through [serve].
type fakeChain struct {
	mu     sync.Mutex
	blocks []*fakeBlock
	all    map[common.Hash]*fakeBlock // lost ones too
	every  uint64                     // seconds between blocks
	born   uint64                     // block in which the contracts appeared
	old    uint64                     // below this one no state is kept
	calls  map[string]int
}

func newFakeChain() *fakeChain {
	c := &fakeChain{all: map[common.Hash]*fakeBlock{}, every: 1, calls: map[string]int{}}
	c.add(&types.Header{Number: new(big.Int), Difficulty: new(big.Int), Time: 1000, Extra: []byte("genesis")}, nil)
	return c
}

func (c *fakeChain) add(h *types.Header, receipts types.Receipts) {
	h.ReceiptHash = types.DeriveSha(receipts, trie.NewStackTrie(nil))
	h.Bloom = types.MergeBloom(receipts)
	b := &fakeBlock{h, receipts}
	c.blocks = append(c.blocks, b)
	c.all[h.Hash()] = b
}

// grow adds a block with logs, the first in a transaction of its own. Blocks of
// another salt are other blocks.
func (c *fakeChain) grow(salt byte, logs ...types.Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	parent := c.blocks[len(c.blocks)-1].header
	h := &types.Header{
		ParentHash: parent.Hash(), Number: new(big.Int).Add(parent.Number, common.Big1), Difficulty: new(big.Int),
		Time: parent.Time + c.every, Extra: []byte{salt}, BaseFee: big.NewInt(7),
	}
	var receipts types.Receipts
	for len(logs) > 0 {
		n := 1
		if len(receipts) > 0 {
			n = len(logs)
		}
		r := &types.Receipt{Type: 2, Status: 1, CumulativeGasUsed: uint64(21000 * (len(receipts) + 1)), TxHash: common.Hash{byte(len(receipts)), salt}, BlockNumber: h.Number}
		for i := range logs[:n] {
			r.Logs = append(r.Logs, &logs[i])
		}
		r.Bloom = types.CreateBloom(r)
		receipts, logs = append(receipts, r), logs[n:]
	}
	c.add(h, receipts)
}

// cut takes away every block above a number.
func (c *fakeChain) cut(number int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blocks = c.blocks[:number+1]
}

// copy is a chain of its own with the same blocks.
func (c *fakeChain) copy() *fakeChain {
	return &fakeChain{blocks: slices.Clone(c.blocks), all: c.all, every: c.every, born: c.born, old: c.old, calls: map[string]int{}}
}

func (c *fakeChain) at(n uint64) (*fakeBlock, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n >= uint64(len(c.blocks)) {
		return nil, ethereum.NotFound
	}
	return c.blocks[n], nil
}

func (c *fakeChain) head() *fakeBlock {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks[len(c.blocks)-1]
}

func (c *fakeChain) count(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[method]++
}

func (b *fakeBlock) block() chain.Block {
	h := b.header
	return chain.Block{Number: h.Number.Uint64(), Hash: h.Hash(), Parent: h.ParentHash, Time: h.Time, Receipts: h.ReceiptHash, Bloom: h.Bloom}
}

// logs are a block's logs with their places filled in.
func (b *fakeBlock) logs() (out []types.Log) {
	for i, r := range b.receipts {
		for _, l := range r.Logs {
			log := *l
			log.BlockNumber, log.BlockHash, log.TxIndex, log.Index = b.header.Number.Uint64(), b.header.Hash(), uint(i), uint(len(out))
			out = append(out, log)
		}
	}
	return out
}

func (c *fakeChain) ChainID(context.Context) (*big.Int, error) {
	return new(big.Int).SetUint64(info.ID), nil
}

func (c *fakeChain) Head(context.Context) (chain.Block, error) { return c.head().block(), nil }

func (c *fakeChain) HeaderByNumber(_ context.Context, n uint64) (chain.Block, error) {
	b, err := c.at(n)
	if err != nil {
		return chain.Block{}, err
	}
	return b.block(), nil
}

func (c *fakeChain) Headers(ctx context.Context, first, last uint64) (out []chain.Block, err error) {
	for n := first; n <= last && err == nil; n++ {
		var b chain.Block
		b, err = c.HeaderByNumber(ctx, n)
		out = append(out, b)
	}
	return out, err
}

func (c *fakeChain) BlockLogs(_ context.Context, blocks []chain.Block) (out [][]types.Log, err error) {
	for _, b := range blocks {
		c.count("receipts")
		out = append(out, c.all[b.Hash].logs())
	}
	return out, nil
}

func (c *fakeChain) Logs(_ context.Context, q ethereum.FilterQuery) (out []types.Log, err error) {
	c.count("logs")
	for n := q.FromBlock.Uint64(); n <= q.ToBlock.Uint64(); n++ {
		b, err := c.at(n)
		if err != nil {
			return nil, err
		}
		for _, l := range b.logs() {
			if slices.Contains(q.Addresses, l.Address) {
				out = append(out, l)
			}
		}
	}
	return out, nil
}

func (c *fakeChain) HasCode(_ context.Context, _ common.Address, n uint64) (bool, error) {
	c.count("code")
	if n < c.old {
		return false, rpcError("missing trie node")
	}
	return n >= c.born, nil
}

// rpcError is an answer of a node that is an error.
type rpcError string

func (e rpcError) Error() string  { return string(e) }
func (e rpcError) ErrorCode() int { return -32000 }

// call is one call of JSON-RPC, with the answer that a lie may change.
type call struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`

	result any
	err    *callError
}

type callError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (q *call) text(i int) (s string) {
	if i < len(q.Params) {
		json.Unmarshal(q.Params[i], &s)
	}
	return s
}

// answer fills in what an honest node says.
func (c *fakeChain) answer(q *call) {
	q.result, q.err = nil, nil
	var b *fakeBlock
	switch q.Method {
	case "eth_chainId":
		q.result = hexutil.Uint64(info.ID)
	case "eth_getBlockByNumber":
		if b = c.head(); q.text(0) != "latest" {
			n, _ := hexutil.DecodeUint64(q.text(0))
			b, _ = c.at(n)
		}
		q.result = blockText(b)
	case "eth_getBlockByHash":
		q.result = blockText(c.all[common.HexToHash(q.text(0))])
	case "eth_getBlockReceipts":
		if b = c.all[common.HexToHash(q.text(0))]; b != nil {
			q.result = slices.Clone(b.receipts)
		}
	case "eth_getCode":
		n, err := hexutil.DecodeUint64(q.text(1))
		there, failed := c.HasCode(context.Background(), common.Address{}, n)
		switch {
		case err != nil || failed != nil:
			q.err = &callError{-32000, "missing trie node"}
		case there:
			q.result = "0x60"
		default:
			q.result = "0x"
		}
	default:
		q.err = &callError{-32601, "the method " + q.Method + " does not exist"}
	}
}

// blockText is a header as nodes give it; nil is null.
func blockText(b *fakeBlock) any {
	if b == nil {
		return nil
	}
	body, err := json.Marshal(b.header)
	if err != nil {
		panic(err)
	}
	fields := map[string]any{}
	json.Unmarshal(body, &fields)
	fields["hash"] = b.header.Hash()
	return fields
}

// door is how a node answers over HTTP: it may change the answers of calls, or
// take the request over, which it tells by true.
type door interface {
	lie(q *call)
	takes(w http.ResponseWriter, r *http.Request, body []byte) bool
}

// serve puts the chain behind JSON-RPC over HTTP and opens a client to it.
func (c *fakeChain) serve(t testing.TB, d door) *chain.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || d != nil && d.takes(w, r, body) {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		one := func(q *call) string {
			c.answer(q)
			if d != nil {
				d.lie(q)
			}
			member, v := "result", q.result
			if q.err != nil {
				member, v = "error", q.err
			}
			text, err := json.Marshal(v)
			if err != nil {
				panic(err)
			}
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,%q:%s}`, q.ID, member, text)
		}
		var q call
		if json.Unmarshal(body, &q) == nil {
			io.WriteString(w, one(&q))
			return
		}
		var many []call
		json.Unmarshal(body, &many)
		io.WriteString(w, "[")
		for i := range many {
			if i > 0 {
				io.WriteString(w, ",")
			}
			io.WriteString(w, one(&many[i]))
		}
		io.WriteString(w, "]")
	}))
	t.Cleanup(srv.Close)
	client, err := chain.Dial(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

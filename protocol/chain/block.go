package chain

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"sayso"
)

// Block is what a follower needs of a block header. It was read from a header
// whose fields hash to Hash; so whoever knows the hash is right, knows that the
// rest is.
type Block struct {
	Number   uint64
	Hash     common.Hash
	Parent   common.Hash
	Time     uint64      // seconds since 1970
	Receipts common.Hash // root of the receipts, which [Client.BlockLogs] proves logs with
	Bloom    types.Bloom // what contracts and topics its logs can have
}

// maxBatch is how many calls go into one request; many providers take no more.
const maxBatch = 100

// Head is the newest block.
func (c *Client) Head(ctx context.Context) (Block, error) {
	return c.block(ctx, "eth_getBlockByNumber", "latest")
}

// HeaderByNumber is the canonical block of that number. A number above the head
// is sayso.NotFound.
func (c *Client) HeaderByNumber(ctx context.Context, number uint64) (Block, error) {
	b, err := c.block(ctx, "eth_getBlockByNumber", hexutil.EncodeUint64(number))
	if err == nil && b.Number != number {
		err = c.lie("eth_getBlockByNumber", "it answered with block %d when asked for block %d", b.Number, number)
	}
	return b, err
}

// HeaderByHash is the block with that hash, canonical or not.
func (c *Client) HeaderByHash(ctx context.Context, hash common.Hash) (Block, error) {
	b, err := c.block(ctx, "eth_getBlockByHash", hash)
	if err == nil && b.Hash != hash {
		err = c.lie("eth_getBlockByHash", "it answered with block %s when asked for block %s", b.Hash, hash)
	}
	return b, err
}

func (c *Client) block(ctx context.Context, method string, which any) (Block, error) {
	var raw json.RawMessage
	if err := c.do(ctx, &raw, method, which, false); err != nil {
		return Block{}, err
	}
	return c.header(method, raw)
}

// Headers are the canonical blocks of the numbers from first to last, each the
// parent of the next.
func (c *Client) Headers(ctx context.Context, first, last uint64) ([]Block, error) {
	const method = "eth_getBlockByNumber"
	if first == last {
		b, err := c.HeaderByNumber(ctx, first)
		return []Block{b}, err
	}
	var out []Block
	for n := first; n <= last; {
		var batch []rpc.BatchElem
		for ; n <= last && len(batch) < maxBatch; n++ {
			batch = append(batch, rpc.BatchElem{Method: method, Args: []any{hexutil.EncodeUint64(n), false}, Result: new(json.RawMessage)})
		}
		if err := c.doAll(ctx, method, batch); err != nil {
			return nil, err
		}
		for _, e := range batch {
			b, err := c.header(method, *e.Result.(*json.RawMessage))
			if err != nil {
				return nil, err
			}
			if want := first + uint64(len(out)); b.Number != want {
				return nil, c.lie(method, "it answered with block %d when asked for block %d", b.Number, want)
			}
			if k := len(out); k > 0 && b.Parent != out[k-1].Hash {
				return nil, c.lie(method, "block %d does not follow the block %d that it gave", b.Number, b.Number-1)
			}
			out = append(out, b)
		}
	}
	return out, nil
}

// header reads a header and checks that its fields hash to its hash.
func (c *Client) header(method string, raw json.RawMessage) (Block, error) {
	var stated *struct {
		Number *hexutil.Uint64 `json:"number"`
		Hash   *common.Hash    `json:"hash"`
	}
	if err := json.Unmarshal(raw, &stated); err != nil {
		return Block{}, c.lie(method, "its block is malformed: %v", err)
	}
	if stated == nil || stated.Number == nil || stated.Hash == nil {
		return Block{}, c.fail(method, ethereum.NotFound)
	}
	var h types.Header
	if err := json.Unmarshal(raw, &h); err != nil {
		return Block{}, c.lie(method, "the header of block %d is malformed: %v", *stated.Number, err)
	}
	if got := h.Hash(); got != *stated.Hash {
		return Block{}, c.lie(method, "the header of block %d hashes to %s, not to %s as stated: either it is wrong, or this chain has headers that this version does not know", h.Number, got, stated.Hash)
	}
	return Block{Number: h.Number.Uint64(), Hash: *stated.Hash, Parent: h.ParentHash, Time: h.Time, Receipts: h.ReceiptHash, Bloom: h.Bloom}, nil
}

// lie is an answer that cannot be true.
func (c *Client) lie(method, format string, args ...any) error {
	return &sayso.Error{Op: "chain." + method, Fault: sayso.Busy, Subject: c.name,
		Message: "the answers of the chain node do not agree: " + fmt.Sprintf(format, args...)}
}

// doAll makes many calls in one request.
func (c *Client) doAll(ctx context.Context, method string, batch []rpc.BatchElem) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if err := c.rpc.BatchCallContext(ctx, batch); err != nil {
		return c.fail(method, err)
	}
	for _, e := range batch {
		if e.Error != nil {
			return c.fail(method, e.Error)
		}
	}
	return nil
}

package chain

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/ethereum/go-ethereum/rpc"
)

// receipt is the part of a receipt that the root of a block's receipts proves.
type receipt struct {
	Type              hexutil.Uint64 `json:"type"`
	Status            hexutil.Uint64 `json:"status"`
	PostState         hexutil.Bytes  `json:"root"` // instead of a status before Byzantium
	CumulativeGasUsed hexutil.Uint64 `json:"cumulativeGasUsed"`
	Bloom             types.Bloom    `json:"logsBloom"`
	Logs              []struct {
		Address common.Address `json:"address"`
		Topics  []common.Hash  `json:"topics"`
		Data    hexutil.Bytes  `json:"data"`
	} `json:"logs"`
}

// BlockLogs are all logs of each block, in order, proven: the receipts that the
// node gives for a block have the root that the block states. Of a log only
// what the root proves is taken from the node; block, transaction number and
// index follow from the place.
func (c *Client) BlockLogs(ctx context.Context, blocks []Block) ([][]types.Log, error) {
	const method = "eth_getBlockReceipts"
	out := make([][]types.Log, 0, len(blocks))
	for len(out) < len(blocks) {
		part := blocks[len(out):min(len(out)+maxBatch, len(blocks))]
		var batch []rpc.BatchElem
		for _, b := range part {
			batch = append(batch, rpc.BatchElem{Method: method, Args: []any{b.Hash}, Result: new([]receipt)})
		}
		err := c.doAll(ctx, method, batch)
		if unknownMethod(err) {
			err = c.receiptsOneByOne(ctx, part, batch)
		}
		if err != nil {
			return nil, err
		}
		for i, b := range part {
			logs, err := c.prove(b, *batch[i].Result.(*[]receipt))
			if err != nil {
				return nil, err
			}
			out = append(out, logs)
		}
	}
	return out, nil
}

// unknownMethod says that a node does not know a method at all.
func unknownMethod(err error) bool {
	var answer rpc.Error
	return errors.As(err, &answer) && answer.ErrorCode() == -32601
}

// receiptsOneByOne asks for the receipts of transactions, for nodes that do not
// give those of a block.
func (c *Client) receiptsOneByOne(ctx context.Context, blocks []Block, out []rpc.BatchElem) error {
	for i, b := range blocks {
		var body *struct {
			Transactions []common.Hash `json:"transactions"`
		}
		if err := c.do(ctx, &body, "eth_getBlockByHash", b.Hash, false); err != nil {
			return err
		}
		list := out[i].Result.(*[]receipt)
		for body != nil && len(*list) < len(body.Transactions) {
			var batch []rpc.BatchElem
			for _, tx := range body.Transactions[len(*list):min(len(*list)+maxBatch, len(body.Transactions))] {
				batch = append(batch, rpc.BatchElem{Method: "eth_getTransactionReceipt", Args: []any{tx}, Result: new(receipt)})
			}
			if err := c.doAll(ctx, "eth_getTransactionReceipt", batch); err != nil {
				return err
			}
			for _, e := range batch {
				*list = append(*list, *e.Result.(*receipt))
			}
		}
	}
	return nil
}

// prove checks receipts against the block's root and takes the logs out.
func (c *Client) prove(b Block, list []receipt) ([]types.Log, error) {
	if root := receiptsRoot(list); root != b.Receipts {
		// Polygon appended, until the end of 2025, a receipt of its own doing that
		// is no part of the root.
		if n := len(list) - 1; n < 0 || receiptsRoot(list[:n]) != b.Receipts {
			return nil, c.lie("eth_getBlockReceipts", "the %d receipts it gave for block %d have the root %s, the block has %s", len(list), b.Number, root, b.Receipts)
		}
		list = list[:len(list)-1]
	}
	var logs []types.Log
	for i, r := range list {
		for _, l := range r.Logs {
			logs = append(logs, types.Log{
				Address: l.Address, Topics: l.Topics, Data: l.Data,
				BlockNumber: b.Number, BlockHash: b.Hash, BlockTimestamp: b.Time, TxIndex: uint(i), Index: uint(len(logs)),
			})
		}
	}
	return logs, nil
}

// encode is the form of a receipt in the trie (Yellow Paper 4.4.1, EIP-2718).
func (r receipt) encode() []byte {
	type log struct {
		Address common.Address
		Topics  []common.Hash
		Data    []byte
	}
	status := []byte(r.PostState)
	if len(status) == 0 && r.Status != 0 {
		status = []byte{1}
	}
	logs := make([]log, len(r.Logs))
	for i, l := range r.Logs {
		logs[i] = log{l.Address, l.Topics, l.Data}
	}
	body, err := rlp.EncodeToBytes([]any{status, uint64(r.CumulativeGasUsed), r.Bloom, logs})
	if err != nil {
		panic("BUG: a receipt that cannot be encoded: " + err.Error())
	}
	if r.Type != 0 {
		body = append([]byte{byte(r.Type)}, body...)
	}
	return body
}

func receiptsRoot(list []receipt) common.Hash {
	values := make([][]byte, len(list))
	for i, r := range list {
		values[i] = r.encode()
	}
	return listRoot(values)
}

// UnmarshalJSON refuses a receipt that is null: an empty one must not pass for
// the receipt of a transaction.
func (r *receipt) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return errors.New("a receipt is null")
	}
	type plain receipt
	return json.Unmarshal(data, (*plain)(r))
}

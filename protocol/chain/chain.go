// Package chain speaks to an EVM chain: reading blocks and logs, calling
// contracts, sending transactions, signing and checking signatures. It works
// alike on the embedded chain (in the process), over HTTP and over WebSocket,
// and links go-ethereum's client packages only; the embedded chain itself is
// protocol/chain/devchain.
package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"sayso"
)

// CallTimeout bounds one RPC call whose context has no earlier deadline.
const CallTimeout = 20 * time.Second

// Client reads a chain. It is safe for concurrent use.
type Client struct {
	rpc  *rpc.Client
	eth  *ethclient.Client
	name string
}

// Dial connects to an http(s):// or ws(s):// JSON-RPC endpoint.
func Dial(ctx context.Context, rawURL string) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	c, err := rpc.DialOptions(ctx, rawURL, rpc.WithHTTPClient(&http.Client{Transport: capped{http.DefaultTransport}}))
	if err != nil {
		return nil, (&Client{name: displayURL(rawURL)}).fail("dial", err)
	}
	return New(c, rawURL), nil
}

// maxAnswer is the most that one answer over HTTP may hold. The receipts of a
// full block take some 2 MB.
const maxAnswer = 64 << 20

// capped ends answers that are too long, so that an endpoint cannot fill the
// memory within the time that a call has.
type capped struct{ next http.RoundTripper }

func (t capped) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

// New wraps an RPC connection. The name, usually its URL, appears in errors
// without user, path and query, which often hold a provider's key.
func New(c *rpc.Client, name string) *Client {
	return &Client{rpc: c, eth: ethclient.NewClient(c), name: displayURL(name)}
}

func displayURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		if err == nil && u.Scheme == "" {
			return raw
		}
		return "(chain RPC)"
	}
	return u.Scheme + "://" + u.Host
}

// Name is the endpoint as errors show it.
func (c *Client) Name() string { return c.name }

// RPC is the connection underneath.
func (c *Client) RPC() *rpc.Client { return c.rpc }

// Close ends the connection.
func (c *Client) Close() { c.rpc.Close() }

// fail names the endpoint and what can be done. An answer of the node (a JSON-RPC
// error) is kept as the cause; a failed connection is sayso.Busy.
func (c *Client) fail(method string, err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err // the URL may hold a provider's key
	}
	e := &sayso.Error{Op: "chain." + method, Fault: sayso.Busy, Subject: c.name, Err: err}
	var answer rpc.Error
	var status rpc.HTTPError
	switch {
	case errors.Is(err, ethereum.NotFound):
		e.Fault, e.Message = sayso.NotFound, "the chain node has no such block or transaction"
	case errors.Is(err, context.Canceled):
		e.Fault, e.Message = sayso.Cancelled, "the call to the chain was cancelled"
	case errors.Is(err, context.DeadlineExceeded):
		e.Message = "the chain node did not answer in time"
	case errors.As(err, &status):
		e.Message = fmt.Sprintf("the chain node answered HTTP %d; check the URL and its access key", status.StatusCode)
	case errors.As(err, &answer):
		e.Message = "the chain node refused the call"
	default:
		e.Message = "the chain node cannot be reached; check that it runs and that the chain URL is right"
	}
	return e
}

// do calls one RPC method with a deadline.
func (c *Client) do(ctx context.Context, out any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	if err := c.rpc.CallContext(ctx, out, method, args...); err != nil {
		return c.fail(method, err)
	}
	return nil
}

// ChainID is the EIP-155 chain id.
func (c *Client) ChainID(ctx context.Context) (*big.Int, error) {
	var id hexutil.Big
	err := c.do(ctx, &id, "eth_chainId")
	return id.ToInt(), err
}

// Logs are the logs of one block (by hash) or of a range, filtered by address
// and topics, in chain order.
func (c *Client) Logs(ctx context.Context, q ethereum.FilterQuery) ([]types.Log, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	logs, err := c.eth.FilterLogs(ctx, q)
	if err != nil {
		return nil, c.fail("eth_getLogs", err)
	}
	return logs, nil
}

// Call runs a contract's function on the newest block without a transaction and
// returns its ABI-encoded result. A revert is a *RevertError.
func (c *Client) Call(ctx context.Context, to common.Address, data []byte) ([]byte, error) {
	return c.CallMsg(ctx, ethereum.CallMsg{To: &to, Data: data}, nil)
}

// CallMsg is Call with sender, value and gas, on the block of that hash or, if
// nil, on the newest. Nodes keep the state of recent blocks only.
func (c *Client) CallMsg(ctx context.Context, msg ethereum.CallMsg, block *common.Hash) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	var out []byte
	var err error
	if block == nil {
		out, err = c.eth.CallContract(ctx, msg, nil)
	} else {
		out, err = c.eth.CallContractAtHash(ctx, msg, *block)
	}
	if err != nil {
		if r := revertOf(err); r != nil {
			return nil, r
		}
		return nil, c.fail("eth_call", err)
	}
	return out, nil
}

// CodeAt is the code of a contract on the newest block; empty for an account
// without code.
func (c *Client) CodeAt(ctx context.Context, account common.Address) ([]byte, error) {
	return c.code(ctx, account, "latest")
}

// HasCode says whether an account was a contract at the end of a block. Nodes
// that do not keep old states refuse that for old blocks.
func (c *Client) HasCode(ctx context.Context, account common.Address, number uint64) (bool, error) {
	code, err := c.code(ctx, account, hexutil.EncodeUint64(number))
	return len(code) > 0, err
}

func (c *Client) code(ctx context.Context, account common.Address, block string) ([]byte, error) {
	var code hexutil.Bytes
	err := c.do(ctx, &code, "eth_getCode", account, block)
	return code, err
}

// Nonce is the nonce of the account's next transaction, pending ones counted.
func (c *Client) Nonce(ctx context.Context, account common.Address) (uint64, error) {
	return c.nonce(ctx, account, "pending")
}

func (c *Client) nonce(ctx context.Context, account common.Address, tag string) (uint64, error) {
	var n hexutil.Uint64
	err := c.do(ctx, &n, "eth_getTransactionCount", account, tag)
	return uint64(n), err
}

// Balance is the account's balance in wei on the newest block.
func (c *Client) Balance(ctx context.Context, account common.Address) (*big.Int, error) {
	var b hexutil.Big
	err := c.do(ctx, &b, "eth_getBalance", account, "latest")
	return b.ToInt(), err
}

// Receipt is the receipt of a transaction in a block; sayso.NotFound while there
// is none.
func (c *Client) Receipt(ctx context.Context, tx common.Hash) (*types.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	r, err := c.eth.TransactionReceipt(ctx, tx)
	var answer rpc.Error
	if errors.As(err, &answer) && strings.Contains(answer.Error(), "indexing is in progress") {
		err = ethereum.NotFound // go-ethereum's answer while it has no blocks, and just after its start
	}
	if err != nil {
		return nil, c.fail("eth_getTransactionReceipt", err)
	}
	return r, nil
}

// SendRaw hands a signed transaction to the node. Its inclusion is not awaited.
func (c *Client) SendRaw(ctx context.Context, tx *types.Transaction) error {
	raw, err := tx.MarshalBinary()
	if err != nil {
		return err
	}
	return c.do(ctx, nil, "eth_sendRawTransaction", hexutil.Encode(raw))
}

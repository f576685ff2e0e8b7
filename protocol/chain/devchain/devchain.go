// Package devchain is the embedded chain: an EVM chain with one block maker, in
// this process, on go-ethereum's node packages. It is the only package that
// imports those (they are heavy to build and to link).
//
// A block is made at once when transactions wait, and every heartbeat when none
// do, so that block.timestamp follows the clock on an idle chain. Each block is in
// the block journal, on the disk, before anybody can see it, its receipts or its
// logs. The journal is the chain; go-ethereum's database is derived from it and is
// rebuilt when it is lost, behind or broken.
package devchain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"

	"sayso"
	"sayso/internal/clock"
	"sayso/protocol/chain/devchain/journal"
)

// Defaults of Config.
const (
	DefaultHeartbeat = 15 * time.Second
	DefaultMaxLead   = 2 * time.Minute
)

// Config says how a chain is opened. Dir, Clock and, for a new chain, Alloc are
// needed.
type Config struct {
	// Dir is the chain's directory: blocks/ is the journal, geth/ is derived.
	Dir string
	// Listen is host:port of the JSON-RPC endpoint (HTTP and WebSocket on the same
	// port; namespaces eth, net, web3). The host must be a loopback address, the
	// port may be 0. Empty: no endpoint.
	Listen string
	// ListenSetting is what errors call the setting behind Listen.
	ListenSetting string
	// Origins are the web origins whose pages may call the endpoint, such as
	// http://localhost:8480. "*" is refused.
	Origins []string
	// Heartbeat is the longest time without a block; 0 is DefaultHeartbeat.
	Heartbeat time.Duration
	// MaxLead bounds how far block time may run ahead of the clock. Each block must be
	// a second later than its parent, so many quick blocks outrun the clock; from
	// this lead on there is one block a second. 0 is DefaultMaxLead.
	MaxLead time.Duration
	// Backdate puts block 0 of a new chain this far into the past. Until Settle or the
	// first heartbeat, blocks then count up one second each and do not outrun the
	// clock: for the many blocks of a first deployment. Nothing may depend on the
	// time of those blocks.
	Backdate time.Duration
	// Alloc are the addresses that own 10^9 ether each in block 0 of a new chain. An
	// existing chain keeps those it was made with.
	Alloc []common.Address
	// ChainID of a new chain; 0 is DefaultChainID. Other than 0, an existing chain
	// must have it.
	ChainID uint64
	Clock   clock.Clock
	Log     *slog.Logger // nil: discarded
}

// Chain is a running embedded chain.
type Chain struct {
	cfg     Config
	log     *logger
	origin  *origin
	stack   *node.Node
	eth     *eth.Ethereum
	journal *journal.Journal
	client  *rpc.Client

	wake    chan struct{} // buffered 1: transactions wait
	settle  chan chan error
	quit    chan struct{}
	stopped chan struct{} // closed when the loop has ended
	once    sync.Once
	closed  error

	mu  sync.Mutex
	err error
}

// Open opens the chain in cfg.Dir, or begins a new one if the directory is empty
// or missing. Missing blocks are inserted from the journal before anybody can ask.
func Open(cfg Config) (*Chain, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Chain{cfg: cfg, log: routeLogs(&cfg), wake: make(chan struct{}, 1), settle: make(chan chan error),
		quit: make(chan struct{}), stopped: make(chan struct{})}
	if err := c.open(); err != nil {
		if c.journal != nil {
			c.journal.Close()
		}
		return nil, &sayso.Error{Op: "devchain.Open", Fault: sayso.FaultOf(err), Subject: cfg.Dir, Err: err}
	}
	return c, nil
}

func (cfg *Config) complete() error {
	bad := func(text string) error { return sayso.Fail(sayso.Invalid, "devchain.Open", text) }
	if cfg.Dir == "" || cfg.Clock == nil {
		return bad("a directory and a clock are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = DefaultHeartbeat
	}
	if cfg.MaxLead == 0 {
		cfg.MaxLead = DefaultMaxLead
	}
	if cfg.Heartbeat < time.Second || cfg.MaxLead < 0 || cfg.Backdate < 0 {
		return bad("the heartbeat must be a second or more, lead and backdate not negative")
	}
	if cfg.ListenSetting == "" {
		cfg.ListenSetting = "the chain's listen address"
	}
	for _, o := range cfg.Origins {
		if o == "*" {
			return bad("an origin of the chain's RPC endpoint must not be *: any web page could then use the chain")
		}
	}
	if cfg.Listen == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return bad(fmt.Sprintf("%s %q is not host:port", cfg.ListenSetting, cfg.Listen))
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return bad(fmt.Sprintf("%s %q: %q is not a port number", cfg.ListenSetting, cfg.Listen, port))
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return bad(fmt.Sprintf("%s %q: the embedded chain listens on loopback only (127.0.0.1, ::1 or localhost)", cfg.ListenSetting, cfg.Listen))
	}
	// Tell a taken port before the database is opened.
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return cfg.portError(err)
	}
	return l.Close()
}

func (cfg *Config) portError(err error) error {
	return &sayso.Error{Op: "devchain.Open", Fault: sayso.Busy, Subject: cfg.Listen,
		Message: fmt.Sprintf("the chain cannot listen on %s; another program may have the port: stop it or change %s", cfg.Listen, cfg.ListenSetting), Err: err}
}

// open goes from the journal to a running chain. The database is derived: if it
// cannot be opened or does not belong to the journal, it is built anew, once.
func (c *Chain) open() error {
	err := c.openEngine()
	if err != nil && errors.Is(err, errDatabase) {
		c.cfg.Log.Warn("the chain's database cannot be used and is rebuilt from the block journal", "err", err)
		for _, name := range []string{filepath.Join(instance, "chaindata"), filepath.Join(instance, "triedb"), noteName} {
			if rerr := os.RemoveAll(filepath.Join(c.cfg.Dir, name)); rerr != nil {
				return errors.Join(err, rerr)
			}
		}
		err = c.openEngine()
	}
	if err != nil {
		return err
	}
	c.client = c.stack.Attach()
	go c.loop()
	return nil
}

// openJournal opens the journal, beginning a new chain in an empty directory. The
// directory's lock is held already.
func (c *Chain) openJournal() error {
	if c.journal != nil {
		return nil
	}
	j, err := journal.Open(filepath.Join(c.cfg.Dir, "blocks"))
	if err != nil {
		return err
	}
	if n := j.Dropped(); n > 0 {
		c.cfg.Log.Warn("cut a torn end off the block journal", "bytes", n, "next_block", j.Len())
	}
	c.journal = j
	if j.Len() == 0 {
		return c.begin()
	}
	stop := errors.New("enough")
	err = j.Read(0, func(_ uint64, payload []byte) (err error) {
		if c.origin, err = parseOrigin(payload); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		return err
	}
	if id := c.cfg.ChainID; id != 0 && id != c.origin.ChainID {
		return fmt.Errorf("the chain in this directory has id %d, not %d; use another directory or the chain's own id", c.origin.ChainID, id)
	}
	return nil
}

// Client is the connection inside the process. Closing it is left to Close.
func (c *Chain) Client() *rpc.Client { return c.client }

// ChainID is the EIP-155 chain id.
func (c *Chain) ChainID() uint64 { return c.origin.ChainID }

// Endpoint is the URL of the JSON-RPC endpoint (ws:// works as well); empty if none.
func (c *Chain) Endpoint() string {
	if c.cfg.Listen == "" {
		return ""
	}
	return c.stack.HTTPEndpoint()
}

// Settle ends the first deployment of a backdated chain: it makes a block with the
// time of the clock and returns when that block is the head.
func (c *Chain) Settle(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case c.settle <- reply:
	case <-c.stopped:
		return errors.Join(errStopped, c.Err())
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errStopped = errors.New("the embedded chain has stopped")

// Done is closed when the chain makes no more blocks: after Close, or after a
// failure that Err names. A failure is final, because what the disk holds is
// unknown: the process should end and start anew.
func (c *Chain) Done() <-chan struct{} { return c.stopped }

// Err is the failure that stopped the chain; nil while it runs and after Close.
func (c *Chain) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close stops the chain and stores what makes the next start quick. Waiting
// transactions are forgotten; their senders hand them over again.
func (c *Chain) Close() error {
	c.once.Do(func() {
		close(c.quit)
		<-c.stopped
		c.client.Close()
		c.closed = errors.Join(c.stack.Close(), c.journal.Close())
	})
	return c.closed
}

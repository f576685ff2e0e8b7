// Package node puts the rooms together: a chain to follow, the registry folded
// from it, the vault, the door, the answers. It is the only package that
// imports everything; [Open], [Node.Run] and [Node.Close] are what the binary
// and the end-to-end tests call.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sayso/car/catalogue"
	"sayso/car/door"
	"sayso/internal/clock"
	"sayso/internal/cores"
	"sayso/internal/express"
	"sayso/node/erasure"
	"sayso/node/vault"
	"sayso/owner/document/shelf"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/chain"
	"sayso/protocol/chain/devchain"
	"sayso/protocol/follow"
)

// How often the follower looks at the chain: the node's own at once, another
// one as often as blocks come.
const (
	lookOwn   = 50 * time.Millisecond
	lookOther = 2 * time.Second
)

// How often everything that is kept is read, and how long a node serves before it
// begins.
const (
	scrubEvery = 24 * time.Hour
	scrubPause = 10 * time.Minute
)

// Node is a running node. Its exported members are for those who open it.
type Node struct {
	Config    Config
	Log       *slog.Logger
	Client    *chain.Client   // of the chain
	Clients   []*chain.Client // of every endpoint of it, Client first
	Operator  *chain.Key
	Registry  *registry.Registry
	Clock     *registry.Clock
	Vault     *vault.Vault
	Documents *shelf.Shelf
	Erasures  *erasure.Ledger

	root      vault.RootKey
	inner     vault.RootKey // seals what is kept beside the vault
	certifier *token.Issuer
	own       *devchain.Chain // nil when another chain is followed
	follower  *follow.Follower
	listener  net.Listener
	server    *http.Server
	lane      *express.Lane // before the server
	intake    http.Handler  // of the lane
	metrics   *metrics
	devices   devices
	ports     []*port

	fatal   chan error
	closers []func() error
	once    sync.Once
	closed  error
}

// Open starts everything but the listening. An error names the setting to
// change where one would help.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Node, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	n := &Node{Config: cfg, Log: log, fatal: make(chan error, 1)}
	for _, step := range []func(context.Context) error{n.listen, n.listenMQTT, n.listenPorts, n.folders, n.openChain, n.openRegistry, n.openVault, n.openOperator, n.openDocuments, n.openErasures, n.openDoors, n.openPorts} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

// listen takes the port first, so that a taken one is told before anything is
// written.
func (n *Node) listen(context.Context) error {
	l, err := net.Listen("tcp", n.Config.HTTP)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w: another program has the port, perhaps another sayso; stop it, or choose another with --http localhost:8481", n.Config.HTTP, err)
	}
	n.listener = l
	n.closers = append(n.closers, func() error { return ignore(l.Close(), net.ErrClosed) })
	if strings.HasSuffix(n.Config.HTTP, ":0") {
		n.Config.HTTP = l.Addr().String()
	}
	return nil
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

func (n *Node) folders(context.Context) error {
	for setting, dir := range map[string]string{"--data": n.Config.Data, "--keys": n.Config.Keys} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("%s: %w", setting, err)
		}
	}
	var err error
	n.Operator, err = chain.LoadOrCreateKey(filepath.Join(n.Config.Keys, "operator.key"))
	return err
}

func (n *Node) registryFile() string { return filepath.Join(n.Config.Data, "registry.db") }

func (n *Node) openRegistry(ctx context.Context) error {
	info, err := n.contracts(ctx)
	if err != nil {
		return err
	}
	n.Registry, err = registry.Open(registry.Config{
		Path: n.registryFile(), Chain: info, Confirmations: n.confirmations(),
	})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.Registry.Close)
	if n.Clock, err = n.Registry.Clock(clock.System{}); err != nil {
		return err
	}
	every, start := lookOther, n.Config.StartBlock
	if n.Config.ownChain() {
		every, start = lookOwn, 1
	}
	n.follower, err = follow.New(follow.Config{
		Chain: n.told(), Registry: n.Registry, Clock: n.Clock, Start: start, Every: every, Log: n.Log,
	})
	if err != nil {
		return err
	}
	n.firstLook(ctx)
	return nil
}

func (n *Node) openVault(context.Context) error {
	root, err := n.Config.OpenRootKey()
	if err != nil {
		return err
	}
	cat, err := catalogue.Load()
	if err != nil {
		return err
	}
	retain, err := n.Config.retention(cat)
	if err != nil {
		return err
	}
	n.root = root
	n.Vault, err = vault.Open(vault.Config{
		Dir: n.Config.VaultDir(), RootKey: root, Inner: true, Clock: n.Clock, Log: n.Log,
		MemoryBytes: n.Config.MemoryMB << 20, Retain: retain, Fatal: n.fail,
	})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.Vault.Close)
	n.inner, err = n.Vault.Inner()
	return err
}

// fail ends the node for a reason after which its state is unknown.
func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

// ErrFatal is wrapped by the error of [Node.Run] when the disk failed: the
// process should exit with code 70 and let the next start decide.
var ErrFatal = errors.New("the state of the disk is unknown")

// scrub reads everything that is kept again and again.
func (n *Node) scrub(ctx context.Context) {
	cores.Background()
	n.Vault.Scrub(ctx, scrubPause, scrubEvery)
}

// Run answers until the context ends, then stops listening and lets requests
// finish.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := n.serveDevices(); err != nil {
		return err
	}
	done := make(chan error, 4)
	go func() { done <- n.follower.Run(ctx) }()
	go n.scrub(ctx)
	n.lane = express.New(n.listener, door.Path, n.intake, n.Log)
	go func() { done <- ignore(n.server.Serve(n.lane), http.ErrServerClosed) }()
	n.servePorts(done)
	var chainEnded <-chan struct{}
	if n.own != nil {
		chainEnded = n.own.Done()
	}
	select {
	case err := <-n.fatal:
		return fmt.Errorf("%w: %w", ErrFatal, err)
	case err := <-done:
		if ctx.Err() == nil && err != nil {
			return err
		}
	case <-chainEnded:
		if ctx.Err() == nil {
			return fmt.Errorf("%w: the node's chain stopped: %w", ErrFatal, n.own.Err())
		}
	case <-ctx.Done():
	}
	stop, stopped := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stopped()
	return errors.Join(n.endRequests(stop), n.stopDevices())
}

// endRequests lets requests finish. A peer that holds one open, or a connection
// without any, does not make a wanted end a failure: it is cut off in the end.
func (n *Node) endRequests(ctx context.Context) error {
	err := errors.Join(n.server.Shutdown(ctx), ignore(n.lane.Drain(ctx), net.ErrClosed), n.endPorts(ctx))
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	n.Log.Warn("connections that did not end in time are cut off")
	return n.server.Close()
}

// Close ends everything in the reverse order of its beginning.
func (n *Node) Close() error {
	n.once.Do(func() {
		for _, c := range slices.Backward(n.closers) {
			n.closed = errors.Join(n.closed, c())
		}
	})
	return n.closed
}

// Settle tells the node's own chain that the set-up is over, so that block time
// follows the clock from here on.
func (n *Node) Settle(ctx context.Context) error {
	if n.own == nil {
		return nil
	}
	return n.own.Settle(ctx)
}

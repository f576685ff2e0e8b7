package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/cores"
	"sayso/internal/heap"
	"sayso/internal/nodump"
	"sayso/node"
	"sayso/protocol/wallet"
	"sayso/sim"
)

// Street are the settings of the simulated cars.
type Street struct {
	Cars  int           `help:"How many simulated cars drive." default:"12"`
	Every time.Duration `help:"How often a simulated car reports." default:"2s"`
}

type runCmd struct {
	node.Config
	Street
}

// Help shows an example.
func (runCmd) Help() string { return "Example: sayso run --cars 30 --http localhost:9000" }

// Run runs a world until it is told to stop.
func (c *runCmd) Run(ctx context.Context) error {
	if c.RPC != "" {
		return sayso.Fail(sayso.Invalid, "run", "run makes a world of its own; to follow the chain of --rpc: sayso serve")
	}
	heap.Tune()
	cores.Spare()
	log := logger(c.LogLevel)
	guard(log)
	n, err := node.Open(ctx, c.Config, log)
	if err != nil {
		return err
	}
	defer n.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()

	drivers := make(chan error, 1)
	street, err := settle(ctx, n, c.Street)
	if err == nil {
		fmt.Print(screen(n, street))
		go func() { drivers <- street.drive(ctx, n, log) }()
		select {
		case err = <-ended:
			cancel()
			<-drivers
			return err
		case err = <-drivers:
		}
	}
	cancel()
	if failed := <-ended; failed != nil {
		return failed
	}
	return ignoreStop(ctx, err)
}

// ignoreStop: being told to stop is no failure.
func ignoreStop(ctx context.Context, err error) error {
	if ctx.Err() != nil && sayso.FaultOf(err) == sayso.Internal {
		return nil
	}
	return err
}

type serveCmd struct {
	node.Config
}

// Help shows an example.
func (serveCmd) Help() string {
	return "Example: sayso serve --rpc https://rpc.example --contracts contracts.json --http 0.0.0.0:8480 --url https://node.example"
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context) error {
	heap.Tune()
	cores.Spare()
	log := logger(c.LogLevel)
	guard(log)
	n, err := node.Open(ctx, c.Config, log)
	if err != nil {
		return err
	}
	defer n.Close()
	if err := n.Settle(ctx); err != nil {
		return err
	}
	fmt.Print(screen(n, nil))
	return n.Run(ctx)
}

// guard keeps what is in memory in the clear out of core dumps.
func guard(log *slog.Logger) {
	if err := nodump.Forbid(); err != nil {
		log.Warn("a core dump of this process would hold data in the clear", "error", err)
	}
}

func logger(level string) *slog.Logger {
	var l slog.Level
	if l.UnmarshalText([]byte(level)) != nil {
		l = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
}

// street is the simulated cars of this node.
type street struct {
	cars  *sim.Street
	owner *wallet.Wallet
	first uint64 // the vehicle of the first car
}

// drive has the cars report until the context ends.
func (s *street) drive(ctx context.Context, n *node.Node, log *slog.Logger) error {
	r := &sim.Runner{Street: s.cars, Sender: s.door(n), Clock: clock.System{}, Log: log}
	return r.Run(ctx)
}

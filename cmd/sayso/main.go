// Command sayso is the whole of Sayso: it runs a world on one machine, serves
// as a node, and has a verb for each thing that owners, makers, apps and
// devices do.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"

	"sayso"
	"sayso/node"
)

// exitDisk is the exit code after which the next start decides what is true.
const exitDisk = 70

type cli struct {
	Settings string `help:"File of settings: a JSON object whose members are the names of the flags of run and serve." type:"path" placeholder:"FILE"`

	Run      runCmd      `cmd:"" default:"withargs" help:"Run a whole world on this machine: a chain, a node and a street of simulated cars."`
	Serve    serveCmd    `cmd:"" help:"Run a node alone, on a chain of its own or on the one of --rpc."`
	Vehicle  vehicleCmd  `cmd:"" help:"Mint, list and transfer vehicles."`
	Device   deviceCmd   `cmd:"" help:"Register devices and pair them with vehicles."`
	App      appCmd      `cmd:"" help:"Make an app: a developer licence with a key."`
	Grant    grantCmd    `cmd:"" help:"Let somebody see a vehicle's data."`
	Revoke   revokeCmd   `cmd:"" help:"End a grant."`
	Ask      askCmd      `cmd:"" help:"Ask about a vehicle, as its owner or as an app."`
	Send     sendCmd     `cmd:"" help:"Send readings as a device."`
	Replay   replayCmd   `cmd:"" help:"Send a recording as a device: a candump log, a CSV or CloudEvents."`
	Document documentCmd `cmd:"" help:"Print the document behind a grant."`
	Template templateCmd `cmd:"" help:"Make and end permission templates."`
	Vault    vaultCmd    `cmd:"" help:"Look after what a node keeps: count, verify, back up, restore."`
	Keys     keysCmd     `cmd:"" help:"Change the keys that tokens are signed with."`
	Doctor   doctorCmd   `cmd:"" help:"Look at a node and explain what is not well, with a command that helps."`
	Config   configCmd   `cmd:"" help:"Show the effective settings and where each came from."`
	MCP      mcpCmd      `cmd:"" name:"mcp" help:"Offer the node's answers to an agent, as tools of the Model Context Protocol."`
	Version  versionCmd  `cmd:"" help:"Show the version."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := start(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// start runs one command line and returns the exit code.
func start(ctx context.Context, args []string) int {
	var c cli
	var origins origins
	parser, err := kong.New(&c,
		kong.Name("sayso"), kong.Description("Cars speak, owners decide. Sayso is compatible with DIMO's public interfaces and not affiliated with DIMO."),
		kong.UsageOnError(), kong.DefaultEnvars("SAYSO"), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&origins),
	)
	if err != nil {
		return fail(err)
	}
	if err := origins.load(settingsFile(args)); err != nil {
		return fail(err)
	}
	if len(origins.file) > 0 {
		err = kong.Resolvers(&origins).Apply(parser)
	}
	if err != nil {
		return fail(err)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sayso: %v\n", err)
		fmt.Fprintf(os.Stderr, "Try `sayso --help`, or a verb with --help for an example.\n")
		return sayso.Invalid.Exit()
	}
	origins.note(parsed)
	return fail(parsed.Run())
}

// fail says what went wrong and gives the exit code that tells programs.
func fail(err error) int {
	if err == nil {
		return 0
	}
	text := err.Error()
	var e *sayso.Error
	if errors.As(err, &e) && e.Fault != sayso.Internal {
		text = sayso.MessageOf(err)
	}
	fmt.Fprintf(os.Stderr, "sayso: %s\n", text)
	if errors.Is(err, node.ErrFatal) {
		return exitDisk
	}
	return sayso.FaultOf(err).Exit()
}

// program is how the user calls this binary, for the examples it prints.
func program() string {
	if path, err := filepath.Rel(".", os.Args[0]); err == nil && filepath.Base(path) != path {
		return "./" + path
	}
	return os.Args[0]
}

// Command million measures whether one machine serves very many cars: each says
// ten signals a minute, each message is kept durably by itself, and meanwhile
// somebody asks about one car after another, as often as is told.
//
//	go run ./bench/million [-vehicles N] [-minutes M] [-rate R] [-queries Q] [-memory-mb M] [-dir DIR]
//
// The way of a message is that of the MQTT door behind its packet: the session
// of a signed-in device takes a place at the gate, has the door of a node
// (package node/front) judge and decode the JSON, and waits until the vault has
// it on stable storage. Not in it are the sockets, and the sign-in of a session:
// the device's address is what the door is handed. The way of a question is that
// of a reader in package node/ask below GraphQL: consent.Decide on the grant of
// the car's owner, and with its verdict a call of the vault: the latest values,
// an hour in intervals of ten minutes, or ten minutes of one signal.
//
// The registry is a fixture: owners, cars, devices, pairings and a grant of each
// car to one app are folded by the registry's own functions, not by a chain. It
// is kept in the folder for the next run. Every car has an owner of three.
//
// Times run from when something was due, not from when it was begun, so that a
// stall counts for everything that it held up, and so does the pacer, which looks
// every millisecond. The load is made by this process,
// on the same CPUs. A latest value older than one that was acknowledged before
// the question ends the run with an error, and so does a message that is not kept.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sayso/internal/cores"
	"sayso/internal/heap"
)

// settings are the command line.
type settings struct {
	vehicles int
	minutes  float64
	rate     float64
	queries  float64
	memory   int64
	dir      string
	every    time.Duration
	profile  string
}

func main() {
	var s settings
	flag.IntVar(&s.vehicles, "vehicles", 1_000_000, "how many cars")
	flag.Float64Var(&s.minutes, "minutes", 30, "how long")
	flag.Float64Var(&s.rate, "rate", 0, "messages per second of all cars together; 0: one a minute of each")
	flag.Float64Var(&s.queries, "queries", 500, "questions per second")
	flag.Int64Var(&s.memory, "memory-mb", 512, "as the setting of a node, whose default this is")
	flag.StringVar(&s.dir, "dir", filepath.Join("bench", "out"), "folder on the disk to measure; results.jsonl goes there too")
	flag.DurationVar(&s.every, "every", 10*time.Second, "how often to print")
	flag.StringVar(&s.profile, "profile", "", "write profiles into this folder: CPU, and the heap at the end")
	flag.Parse()
	if s.rate == 0 {
		s.rate = float64(s.vehicles) / 60
	}
	heap.Tune() // as a node does
	cores.Spare()
	if err := run(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, "million:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "million-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := open(s, dir)
	if err != nil {
		return err
	}
	defer w.close()
	stop, err := profiles(s.profile)
	if err != nil {
		return err
	}
	defer stop()
	return w.measure(ctx, s, filepath.Join(dir, "vault"))
}

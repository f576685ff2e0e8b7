package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"sayso/car/door"
)

// The overload: so many connections fill the door, and ten times as many come,
// each of which sends again at once when it is turned away. The bounds are those of
// a node.
const (
	filling   = 256
	tenfold   = 10 * filling
	underWay  = 256
	forLarge  = 64 << 20
	overTurns = 3
)

// overload measures what is left of the capacity of the door at ten times its
// load, both from the same devices. Turns of both loads follow each other, so that they meet the same other
// work of the machine. Rate, latencies and CPU time are those of what was kept
// under the overload.
func overload(ctx context.Context, dir string, d time.Duration, watch func() (func(), error)) (figure, error) {
	w, err := openWorld(dir, tenfold)
	if err != nil {
		return figure{}, err
	}
	defer w.close()
	gate := door.NewGate(underWay, forLarge)
	w.front.Door.Gate = gate
	senders, err := w.credentials(ctx, false)
	if err != nil {
		return figure{}, err
	}
	begin := time.Now().Add(-time.Hour).Truncate(time.Second)
	first := 0
	turn := func(conns int, lasts time.Duration) (figure, error) {
		first += 100_000 // no two turns have an id in common
		return drive(ctx, task{Address: w.address, Path: door.Path, Lasts: lasts, Begin: begin, First: first, Patient: true, Conns: conns, Senders: senders})
	}
	if _, err := turn(tenfold, d/4); err != nil { // so that every vehicle has its key
		return figure{}, err
	}
	var usual, flood figure
	for range overTurns {
		for _, x := range []struct {
			conns int
			sum   *figure
		}{{filling, &usual}, {tenfold, &flood}} {
			stop := func() {}
			if x.conns == tenfold {
				if stop, err = watch(); err != nil {
					return figure{}, err
				}
			}
			f, err := turn(x.conns, d/overTurns)
			stop()
			if err != nil {
				return figure{}, err
			}
			x.sum.join(f)
		}
	}
	if kept := int(w.vault.Seq()); kept < usual.Events+flood.Events {
		return flood, fmt.Errorf("%d events were acknowledged and %d kept", usual.Events+flood.Events, kept)
	}
	flood.Note = fmt.Sprintf("%.0f%% of the rate of %d connections (%.0f/s, p99 %.1f ms), %.0f%% for the same CPU time of the server (%.1f us); %.0f refusals/s; %d MiB resident",
		100*flood.Rate/usual.Rate, filling, usual.Rate, usual.P99/1e3, 100*usual.CPU/flood.CPU, usual.CPU, flood.Refusals, resident())
	return flood, w.vault.Err()
}

// join adds up turns: sums, mean rates, and the worst of latencies.
func (f *figure) join(g figure) {
	n := float64(f.Events + g.Events)
	mean := func(a, b float64) float64 { return (a*float64(f.Events) + b*float64(g.Events)) / n }
	turns := float64(f.turns)
	f.CPU, f.LoadCPU = mean(f.CPU, g.CPU), mean(f.LoadCPU, g.LoadCPU)
	f.Rate, f.Refusals = (f.Rate*turns+g.Rate)/(turns+1), (f.Refusals*turns+g.Refusals)/(turns+1)
	f.P50, f.P99 = max(f.P50, g.P50), max(f.P99, g.P99)
	f.Events, f.Bytes, f.At = f.Events+g.Events, g.Bytes, g.At
	f.turns++
}

// resident is the memory that this process has, in MiB; 0 where that is not told.
func resident() int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.Atoi(fields[min(1, len(fields)-1)])
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize() >> 20
}

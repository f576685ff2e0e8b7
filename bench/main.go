package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"sayso/internal/cores"
	"sayso/internal/heap"
)

// settings are the command line.
type settings struct {
	seconds float64
	only    string
	conns   int
	dir     string
	profile string
}

func main() {
	var s settings
	flag.Float64Var(&s.seconds, "seconds", 2, "how long each load lasts")
	flag.StringVar(&s.only, "only", "", "measure only what has this in its name; =NAME: what is called so")
	flag.IntVar(&s.conns, "connections", 0, "measure only with so many connections; 0 for all")
	flag.StringVar(&s.dir, "dir", filepath.Join("bench", "out"), "folder on the disk to measure; results.jsonl goes there too")
	flag.StringVar(&s.profile, "profile", "", "write profiles of the door into this folder: CPU, and what was allocated so far")
	generator := flag.Bool("generate", false, "be the load (the program calls itself so)")
	flag.Parse()
	var err error
	if *generator {
		err = generate(os.Stdin, os.Stdout)
	} else {
		heap.Tune() // as a node does
		cores.Spare()
		err = run(context.Background(), s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// others says how busy the machine was before: where it was, rates and
// latencies say little, and CPU time per event is what can be compared.
func others() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "other load unknown"
	}
	return "load average before " + strings.Fields(string(text))[0]
}

// load is one measured load.
type load struct {
	name  string
	conns int
	run   func(ctx context.Context, conns int, d time.Duration) (figure, error)
}

func run(ctx context.Context, s settings) error {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := newReport(filepath.Join(s.dir, "results.jsonl"))
	if err != nil {
		return err
	}
	defer r.close()
	fmt.Printf("%d CPUs, %s/%s, %s; the load generator runs on the same CPUs; disk of %s; %s\n\n",
		runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), s.dir, others())
	d := time.Duration(s.seconds * float64(time.Second))
	for _, l := range loads(dir, s) {
		if !s.wanted(l) {
			continue
		}
		debug.FreeOSMemory()
		f, err := l.run(ctx, l.conns, d)
		if err != nil {
			return fmt.Errorf("%s, %d connections: %w", l.name, l.conns, err)
		}
		f.Name, f.Conns = l.name, l.conns
		if err := r.add(f); err != nil {
			return err
		}
	}
	if strings.Contains("query", s.only) || strings.Contains(s.only, "query") {
		figures, err := queries(ctx, filepath.Join(dir, "queries"), d/4)
		if err != nil {
			return fmt.Errorf("queries: %w", err)
		}
		for _, f := range figures {
			if err := r.add(f); err != nil {
				return err
			}
		}
	}
	r.print()
	return nil
}

func (s *settings) wanted(l load) bool {
	name, whole := strings.CutPrefix(s.only, "=")
	return (s.conns == 0 || s.conns == l.conns) && (l.name == name || !whole && strings.Contains(l.name, name))
}

// loads are the writing loads, each after what it is compared with.
func loads(dir string, s settings) []load {
	fresh := func(name string) string { return filepath.Join(dir, name) }
	bare := bares{dir: dir, best: map[int][2]figure{}}
	list := []load{{name: "sync of 4 KiB", conns: 1, run: func(_ context.Context, _ int, d time.Duration) (figure, error) { return syncs(dir, d) }}}
	for _, n := range []int{1, 32, 256} {
		list = append(list,
			load{"bare log", n, bare.log},
			load{"bare Pebble", n, bare.pebble},
			load{"empty handler", n, emptyHandler},
			load{"door", n, func(ctx context.Context, n int, d time.Duration) (figure, error) {
				return throughDoor(ctx, fresh(fmt.Sprint("door", n)), n, d, false, func() (func(), error) { return profile(s.profile, "door", n) })
			}},
			load{"MQTT door", n, func(ctx context.Context, n int, d time.Duration) (figure, error) {
				return throughMQTT(ctx, fresh(fmt.Sprint("mqtt", n)), n, d, func() (func(), error) { return profile(s.profile, "mqtt", n) })
			}},
		)
	}
	signed := func(ctx context.Context, n int, d time.Duration) (figure, error) {
		return throughDoor(ctx, fresh(fmt.Sprint("signed", n)), n, d, true, func() (func(), error) { return profile("", "", n) })
	}
	return append(list, load{"door, signature per event", 32, signed}, load{"door, signature per event", 256, signed},
		load{"door at ten times its load", tenfold, func(ctx context.Context, _ int, d time.Duration) (figure, error) {
			return overload(ctx, fresh("overload"), d, func() (func(), error) { return profile(s.profile, "overload", tenfold) })
		}})
}

// profile records where the CPU time of this process goes.
func profile(dir, name string, conns int) (stop func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", name, conns)))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
		if f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-allocs-%d.pprof", name, conns))); err == nil {
			pprof.Lookup("allocs").WriteTo(f, 0)
			f.Close()
		}
	}, nil
}

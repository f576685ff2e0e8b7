package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"sayso/bench/iot"
)

// outcome is what the process of an engine found.
type outcome struct {
	Engine    string
	Version   string
	InProcess bool   // the engine shares the process with what loads and asks
	LeftOut   string // why it could not be measured
	Load      loaded
	Questions map[string]asked
}

// loaded is what loading took.
type loaded struct {
	Seconds float64 // until all was taken in
	Settled float64 // until it had the form in which it is asked
	CPU     float64 // seconds, of both
	Disk    float64 // bytes
	Peak    float64 // bytes of memory afterwards, of the loading
	Memory  float64 // bytes after the questions
}

func (l *loaded) rate(samples int) float64 { return float64(samples) / l.Seconds }

// asked is what a question took. Times are in milliseconds.
type asked struct {
	N        int
	P50, P99 float64
	CPU      float64
	Rows     float64     // of an answer, on average
	Answers  [][]iot.Row // the first few
	LeftOut  string
}

// compared is how many answers of each question are compared.
const compared = 4

// beEngine measures an engine and writes the outcome.
func beEngine(ctx context.Context, s settings) error {
	dir, err := os.MkdirTemp(s.dir, "peer-")
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o, err := measure(ctx, s, dir)
	var left errLeftOut
	if errors.As(err, &left) {
		o.LeftOut, err = left.Error(), nil
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(o)
}

func measure(ctx context.Context, s settings, dir string) (o outcome, err error) {
	o = outcome{Engine: s.child, Questions: map[string]asked{}}
	d := iot.New(sizes[s.size], seed)
	p, inProcess, err := openPeer(ctx, s, s.child, dir)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	o.Version, o.InProcess = p.version(), inProcess
	stop, err := profile(s.profile, s.child, "loading")
	if err != nil {
		return o, err
	}
	before, began := p.use().cpu, time.Now()
	if err := p.Load(ctx, d, d.Batches()); err != nil {
		return o, fmt.Errorf("loading: %w", err)
	}
	o.Load.Seconds = time.Since(began).Seconds()
	if err := p.settle(ctx); err != nil {
		return o, fmt.Errorf("settling: %w", err)
	}
	o.Load.Settled = time.Since(began).Seconds()
	use := p.use()
	o.Load.CPU, o.Load.Peak, o.Load.Disk = (use.cpu - before).Seconds(), use.memory, p.disk()
	stop()
	debug.FreeOSMemory()
	if stop, err = profile(s.profile, s.child, "questions"); err != nil {
		return o, err
	}
	for _, q := range iot.Questions {
		if s.ask != "" && !slices.Contains(strings.Split(s.ask, ","), q.Name) {
			continue
		}
		if o.Questions[q.Name], err = ask(ctx, p, d, q, time.Duration(s.seconds*float64(time.Second))); err != nil {
			return o, fmt.Errorf("%s: %w", q.Name, err)
		}
	}
	stop()
	o.Load.Memory = p.use().memory
	return o, nil
}

// ask asks a question again and again, each time about somebody else.
func ask(ctx context.Context, p peer, d *iot.Data, q iot.Question, lasts time.Duration) (a asked, err error) {
	for n := range compared { // these also fill the caches
		rows, err := p.Ask(ctx, d.Ask(q, n))
		if errors.Is(err, errors.ErrUnsupported) {
			return asked{LeftOut: "the engine does not answer this"}, nil
		}
		if err != nil {
			return a, err
		}
		a.Answers = append(a.Answers, rows)
	}
	var times []float64
	total := 0
	before, began := p.use().cpu, time.Now()
	for n := 0; n < 5 || n < 20_000 && time.Since(began) < lasts; n++ {
		at := time.Now()
		rows, err := p.Ask(ctx, d.Ask(q, n))
		if err != nil {
			return a, err
		}
		times = append(times, float64(time.Since(at))/1e6)
		total += len(rows)
	}
	a.N, a.Rows = len(times), float64(total)/float64(len(times))
	a.CPU = (p.use().cpu - before).Seconds() * 1e3 / float64(a.N)
	slices.Sort(times)
	a.P50, a.P99 = times[len(times)/2], times[min(len(times)-1, len(times)*99/100)]
	return a, nil
}

// profile records where the CPU time of the vault goes.
func profile(dir, engine, what string) (stop func(), err error) {
	if dir == "" || engine != "sayso" {
		return func() {}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, what+".pprof"))
	if err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, pprof.StartCPUProfile(f)
}

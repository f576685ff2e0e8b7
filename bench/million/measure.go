package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// result is the line of a run in results.jsonl. Times are in milliseconds.
type result struct {
	At           time.Time `json:"at"`
	Engine       string    `json:"engine"`
	Query        string    `json:"query"`
	Vehicles     int       `json:"vehicles"`
	N            uint64    `json:"n"`
	PerSecond    float64   `json:"per_second"`
	P50          float64   `json:"p50_ms"`
	P99          float64   `json:"p99_ms"`
	Max          float64   `json:"max_ms"`
	WorstP99     float64   `json:"worst_interval_p99_ms"`
	CPU          float64   `json:"cpu_cores"`
	PeakResident float64   `json:"peak_rss_mib"`
	Disk         float64   `json:"disk_mib"`
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// measure runs the load and prints what it does to the machine.
func (w *world) measure(ctx context.Context, s settings, files string) error {
	l, err := newLoad(w, s)
	if err != nil {
		return err
	}
	lasts := time.Duration(s.minutes * float64(time.Minute))
	fmt.Printf("%d CPUs, %s; %d cars, %.0f messages of %d signals and %.0f questions per second for %s; disk of %s\n",
		runtime.NumCPU(), runtime.Version(), s.vehicles, s.rate, len(said), s.queries, lasts, s.dir)
	each := costOfSending()
	fmt.Printf("of the CPU time and memory below, the generator has %.1f us for each message, %.2f cores at this rate, and %.0f MiB\n\n",
		float64(each.Nanoseconds())/1e3, each.Seconds()*s.rate, mib(4*float64(s.vehicles)))
	fmt.Println("   time     acks/s  ack p50 ms   p99   queries/s  query p50 ms   p99   cores  others  RSS MiB  heap MiB  disk MiB  written MiB/s  records a sync  sent again")
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	first := processNow()
	wait := l.start(ctx, s.queries)
	worst := l.watch(ctx, s.every, files)
	wait()
	if err := l.failure(); err != nil {
		return err
	}
	if err := w.vault.Err(); err != nil {
		return err
	}
	return l.summary(s, first, worst, files)
}

// costOfSending is the CPU time that one message costs whoever makes it.
func costOfSending() time.Duration {
	var w writer
	const many = 20_000
	before := processNow()
	for n := range many {
		w.message(uint64(n+1), n, time.UnixMicro(int64(n)))
		party("device", uint64(n+1))
	}
	return (processNow().cpu - before.cpu) / many
}

// watch prints a line now and then until the context ends, and gives the worst
// p99 of any interval of acknowledgements and of answers.
func (l *load) watch(ctx context.Context, every time.Duration, files string) (worst [2]time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	acks, answers, before, at := l.acks.now(), l.answers.now(), processNow(), time.Now()
	groups := l.vault.Stats()
	for {
		select {
		case <-ctx.Done():
			return worst
		case <-tick.C:
		}
		l.registry.Looked(l.clock.Now())
		a, q, p, now, g := l.acks.now(), l.answers.now(), processNow(), time.Now(), l.vault.Stats()
		da, dq, s := a.since(acks), q.since(answers), now.Sub(at).Seconds()
		worst[0], worst[1] = max(worst[0], da.quantile(0.99)), max(worst[1], dq.quantile(0.99))
		fmt.Printf("%6.0f s %10.0f  %10.2f %6.1f %10.0f %12.3f %7.2f %6.2f %6.2f %8.0f %9.0f %9.0f %13.1f %14.0f %11d\n",
			now.Sub(l.begun).Seconds(), float64(da.total())/s, ms(da.quantile(0.5)), ms(da.quantile(0.99)),
			float64(dq.total())/s, ms(dq.quantile(0.5)), ms(dq.quantile(0.99)),
			(p.cpu-before.cpu).Seconds()/s, max(0, (p.busy-before.busy-p.cpu+before.cpu).Seconds()/s), mib(p.resident), mib(lastLive()), mib(sizeOf(files)), mib(p.written-before.written)/s,
			float64(g.Records-groups.Records)/float64(max(1, g.Groups-groups.Groups)), l.resent.Load())
		acks, answers, before, at, groups = a, q, p, now, g
		if l.failure() != nil {
			return worst
		}
	}
}

// summary prints the whole and appends it to results.jsonl.
func (l *load) summary(s settings, first process, worst [2]time.Duration, files string) (err error) {
	p, took := processNow(), time.Since(l.begun).Seconds()
	f, err := os.OpenFile(filepath.Join(s.dir, "results.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Println()
	row := func(name string, c counted, worst time.Duration) error {
		r := result{
			At: time.Now().UTC(), Engine: "sayso", Query: "million: " + name, Vehicles: s.vehicles, N: c.total(), PerSecond: float64(c.total()) / took,
			P50: ms(c.quantile(0.5)), P99: ms(c.quantile(0.99)), Max: ms(c.quantile(1 - 1e-12)), WorstP99: ms(worst),
			CPU: (p.cpu - first.cpu).Seconds() / took, PeakResident: mib(p.peak), Disk: mib(sizeOf(files)),
		}
		fmt.Printf("%-32s %9d, %.0f/s, p50 %.3f ms, p99 %.2f ms, slowest %.1f ms\n", name, r.N, r.PerSecond, r.P50, r.P99, r.Max)
		line, err := json.Marshal(r)
		if err == nil {
			_, err = f.Write(append(line, '\n'))
		}
		return err
	}
	if err := row("acknowledgements", l.acks.now(), worst[0]); err != nil {
		return err
	}
	if err := row("questions", l.answers.now(), worst[1]); err != nil {
		return err
	}
	for i, name := range kinds {
		if err := row("  "+name, l.byKind[i].now(), 0); err != nil {
			return err
		}
	}
	fmt.Printf("worst p99 of an interval: ack %.1f ms, question %.1f ms; %d messages kept, %d turned away and sent again, %d rows and intervals answered; %.2f cores; peak memory %.0f MiB\n",
		ms(worst[0]), ms(worst[1]), l.kept.Load(), l.resent.Load(), l.found.Load(), (p.cpu-first.cpu).Seconds()/took, mib(p.peak))
	return nil
}

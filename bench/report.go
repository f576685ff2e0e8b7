package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// figure is one result. Times are in microseconds. CPU is of this process per
// event, LoadCPU of the load generator.
type figure struct {
	At      time.Time
	Name    string
	Conns   int
	Events  int
	Rate    float64
	P50     float64
	P99     float64
	CPU     float64
	LoadCPU float64
	Bytes   int
	Note    string

	Refusals float64 // per second
	turns    int
}

// record is a figure in results.jsonl, in the form that all programs of bench
// write. Times are in milliseconds.
type record struct {
	Engine      string    `json:"engine"` // sayso, or what it is compared with
	Query       string    `json:"query"`  // what was done
	N           int       `json:"n"`
	P50         float64   `json:"p50_ms"`
	P99         float64   `json:"p99_ms"`
	CPU         float64   `json:"cpu_ms"`
	Rate        float64   `json:"per_second"`
	Connections int       `json:"connections"`
	LoadCPU     float64   `json:"load_cpu_ms,omitempty"`
	Bytes       int       `json:"bytes_per_event,omitempty"`
	Note        string    `json:"note,omitempty"`
	At          time.Time `json:"at"`
}

func (f *figure) record() record {
	engine := "sayso"
	if f.Name == "sync of 4 KiB" || f.Name == "empty handler" || strings.HasPrefix(f.Name, "bare ") {
		engine = f.Name
	}
	return record{
		Engine: engine, Query: f.Name, N: f.Events, P50: f.P50 / 1e3, P99: f.P99 / 1e3, CPU: f.CPU / 1e3, Rate: f.Rate,
		Connections: f.Conns, LoadCPU: f.LoadCPU / 1e3, Bytes: f.Bytes, Note: f.Note, At: f.At,
	}
}

// measured makes a figure of latencies.
func measured(latencies []time.Duration, took time.Duration) figure {
	slices.Sort(latencies)
	at := func(q float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		i := min(len(latencies)-1, int(q*float64(len(latencies))))
		return float64(latencies[i]) / 1e3
	}
	return figure{At: time.Now().UTC(), Events: len(latencies), Rate: float64(len(latencies)) / took.Seconds(), P50: at(0.5), P99: at(0.99)}
}

// cpu is what this process has used so far, or the children that ended.
func cpu(who int) time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (f *figure) spent(d time.Duration) { f.CPU = float64(d) / 1e3 / float64(max(1, f.Events)) }

// report collects figures and writes each at once.
type report struct {
	file *os.File
	list []figure
}

func newReport(path string) (*report, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &report{file: f}, nil
}

func (r *report) close() { r.file.Close() }

func (r *report) add(f figure) error {
	r.list = append(r.list, f)
	fmt.Fprintf(os.Stderr, "  %-28s %4d connections: %9.0f/s\n", f.Name, f.Conns, f.Rate)
	line, err := json.Marshal(f.record())
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(line, '\n'))
	return err
}

// of finds a figure of this run.
func (r *report) of(name string, conns int) (figure, bool) {
	i := slices.IndexFunc(r.list, func(f figure) bool { return f.Name == name && f.Conns == conns })
	if i < 0 {
		return figure{}, false
	}
	return r.list[i], true
}

// print shows the table, with each rate beside those of the same number of
// connections that it stands on.
func (r *report) print() {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "what\tconnections\tper s\tp50 us\tp99 us\tCPU us\tload's CPU us\tof bare log\tof bare Pebble\tof empty handler\t")
	for _, f := range r.list {
		ratio := func(name string) string {
			base, ok := r.of(name, f.Conns)
			if !ok || f.Bytes == 0 || name == f.Name {
				return ""
			}
			return fmt.Sprintf("%.2f", f.Rate/base.Rate)
		}
		optional := func(v float64) string {
			if v == 0 {
				return ""
			}
			return fmt.Sprintf("%.1f", v)
		}
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.1f\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.Conns, f.Rate, f.P50, f.P99,
			optional(f.CPU), optional(f.LoadCPU), ratio("bare log"), ratio("bare Pebble"), ratio("empty handler"), f.Note)
	}
	w.Flush()
}

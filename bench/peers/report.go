package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"sayso/bench/iot"
)

// report is what was found of all engines.
type report struct {
	data    *iot.Data
	samples int
	engines []outcome
}

// compare checks that all engines give the same answers as the first, to as many
// askings of each question.
func (r *report) compare() (err error) {
	for _, q := range iot.Questions {
		for _, o := range r.engines {
			for n, answer := range o.Questions[q.Name].Answers {
				first, ok := r.first(q.Name)
				if !ok {
					continue
				}
				if e := iot.Compare(first.Questions[q.Name].Answers[n], answer); e != nil {
					a := r.data.Ask(q, n)
					err = errors.Join(err, fmt.Errorf("%s of vehicle %d, fleet %s: %s differs from %s: %w", q.Name, a.Vehicle, a.Fleet, o.Engine, first.Engine, e))
				}
			}
		}
	}
	return err
}

// first is the first engine that answered a question.
func (r *report) first(question string) (outcome, bool) {
	for _, o := range r.engines {
		if len(o.Questions[question].Answers) > 0 {
			return o, true
		}
	}
	return outcome{}, false
}

// ratio is how many times faster the first engine is than the best of the others.
func (r *report) ratio(question string) (float64, bool) {
	best, mine := 0.0, r.engines[0].Questions[question].P50
	for _, o := range r.engines[1:] {
		if p := o.Questions[question].P50; p > 0 && (best == 0 || p < best) {
			best = p
		}
	}
	return best / mine, best > 0 && mine > 0
}

func (r *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "loading\t")
	for _, o := range r.engines {
		fmt.Fprintf(w, "%s %s\t", o.Engine, o.Version)
	}
	fmt.Fprintln(w)
	line := func(name, form string, value func(*loaded) float64) {
		fmt.Fprint(w, name, "\t")
		for _, o := range r.engines {
			fmt.Fprintf(w, form+"\t", value(&o.Load))
		}
		fmt.Fprintln(w)
	}
	millions := float64(r.samples) / 1e6
	line("M samples/s taken in", "%.2f", func(l *loaded) float64 { return l.rate(r.samples) / 1e6 })
	line("M samples/s until it can be asked", "%.2f", func(l *loaded) float64 { return millions / l.Settled })
	line("CPU s per M samples", "%.3f", func(l *loaded) float64 { return l.CPU / millions })
	line("bytes per sample", "%.2f", func(l *loaded) float64 { return l.Disk / float64(r.samples) })
	line("memory after loading, MiB", "%.0f", func(l *loaded) float64 { return l.Peak / (1 << 20) })
	line("memory after the questions, MiB", "%.0f", func(l *loaded) float64 { return l.Memory / (1 << 20) })
	w.Flush()
	fmt.Fprintln(out)
	fmt.Fprint(w, "p50 / p99 / CPU in ms\t")
	for _, o := range r.engines {
		fmt.Fprintf(w, "%s\t", o.Engine)
	}
	fmt.Fprintln(w, "best other / first\t")
	for _, q := range iot.Questions {
		if r.engines[0].Questions[q.Name].N == 0 {
			continue
		}
		fmt.Fprintf(w, "%s\t", q.Name)
		for _, o := range r.engines {
			if a := o.Questions[q.Name]; a.N > 0 {
				fmt.Fprintf(w, "%s / %s / %s\t", short(a.P50), short(a.P99), short(a.CPU))
			} else {
				fmt.Fprint(w, "-\t")
			}
		}
		if x, ok := r.ratio(q.Name); ok {
			fmt.Fprintf(w, "%s x\t", short(x))
		} else {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	fmt.Fprintln(out)
	for _, q := range iot.Questions {
		fmt.Fprintf(out, "  %s  %s\n", q.Name, q.Text)
	}
	if len(r.engines) > 1 {
		fmt.Fprintf(out, "\nEvery engine gave the same answers to %d askings of each question.\n", compared)
	}
}

// short writes a number with three digits that count.
func short(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 1:
		return fmt.Sprintf("%.2f", x)
	case x >= 0.1:
		return fmt.Sprintf("%.3f", x)
	}
	return fmt.Sprintf("%.4f", x)
}

// line is a line of results.jsonl.
type line struct {
	Engine    string  `json:"engine"`
	Version   string  `json:"version"`
	Query     string  `json:"query"`
	N         int     `json:"n"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	CPU       float64 `json:"cpu_ms"`
	Rows      float64 `json:"rows"`
	PerSecond float64 `json:"samples_per_s,omitempty"`
	Bytes     float64 `json:"bytes_per_sample,omitempty"`
	CPUPerM   float64 `json:"cpu_s_per_m_samples,omitempty"`
	Memory    float64 `json:"rss_mib,omitempty"`
}

// append adds the results to a file.
func (r *report) append(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	out := json.NewEncoder(f)
	for _, o := range r.engines {
		l := o.Load
		err = errors.Join(err, out.Encode(line{
			Engine: o.Engine, Version: o.Version, Query: "load", N: r.samples, P50: l.Seconds * 1e3, P99: l.Settled * 1e3, CPU: l.CPU * 1e3, Rows: float64(r.samples),
			PerSecond: l.rate(r.samples), Bytes: l.Disk / float64(r.samples), CPUPerM: l.CPU / float64(r.samples) * 1e6, Memory: l.Memory / (1 << 20),
		}))
		for _, q := range iot.Questions {
			if a := o.Questions[q.Name]; a.N > 0 {
				err = errors.Join(err, out.Encode(line{Engine: o.Engine, Version: o.Version, Query: q.Name, N: a.N, P50: a.P50, P99: a.P99, CPU: a.CPU, Rows: a.Rows}))
			}
		}
	}
	return errors.Join(err, f.Close())
}

package main

import (
	"fmt"
	"html"
	"math"
	"strings"

	"sayso/bench/iot"
)

// The colours of the engines, in the order in which they are shown.
var colours = []string{"#0b6e4f", "#c1666b", "#d4a017", "#4a6fa5"}

// picture draws the median of every question on a logarithmic scale, a dot for
// each engine.
func (r *report) picture(size string) string {
	const left, right, top, step = 470, 1080, 70, 26
	low, high := math.Inf(1), math.Inf(-1)
	for _, o := range r.engines {
		for _, a := range o.Questions {
			if a.N > 0 {
				low, high = min(low, math.Log10(a.P50)), max(high, math.Log10(a.P50))
			}
		}
	}
	low, high = math.Floor(low), math.Ceil(high)
	x := func(ms float64) float64 { return left + (math.Log10(ms)-low)/(high-low)*(right-left) }
	bottom := top + step*len(iot.Questions)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 %d" font-family="sans-serif" font-size="12">`+"\n", bottom+100)
	fmt.Fprintf(&b, `<rect width="1200" height="%d" fill="#ffffff"/><text x="20" y="28" font-size="16" font-weight="bold">Median time of an answer, %s data set (%.0f M samples), one client</text>`+"\n", bottom+100, html.EscapeString(size), float64(r.samples)/1e6)
	fmt.Fprintf(&b, `<text x="1180" y="%d" text-anchor="end" fill="#555555">best other / first</text>`+"\n", top-14)
	for e := low; e <= high; e++ {
		at := x(math.Pow(10, e))
		fmt.Fprintf(&b, `<line x1="%.0f" y1="%d" x2="%.0f" y2="%d" stroke="#dddddd"/><text x="%.0f" y="%d" text-anchor="middle" fill="#555555">%s</text>`+"\n", at, top-10, at, bottom, at, bottom+18, decade(e))
	}
	for i, q := range iot.Questions {
		y := top + step*i + step/2
		text := q.Text
		if len(text) > 62 {
			text = text[:60] + "…"
		}
		fmt.Fprintf(&b, `<text x="20" y="%d"><tspan font-weight="bold">%s</tspan>  %s</text><line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#eeeeee"/>`+"\n", y+4, q.Name, html.EscapeString(text), left, y, right, y)
		for k := len(r.engines) - 1; k >= 0; k-- {
			o := r.engines[k]
			if a := o.Questions[q.Name]; a.N > 0 {
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%d" r="6" fill="%s"><title>%s %s: p50 %s ms, p99 %s ms</title></circle>`+"\n", x(a.P50), y, colours[k%len(colours)], o.Engine, q.Name, short(a.P50), short(a.P99))
			}
		}
		if ratio, ok := r.ratio(q.Name); ok {
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" font-weight="bold">%s×</text>`+"\n", 1180, y+4, short(ratio))
		}
	}
	for k, o := range r.engines {
		at := 20 + 290*k
		fmt.Fprintf(&b, `<circle cx="%d" cy="%d" r="6" fill="%s"/><text x="%d" y="%d">%s %s</text><text x="%d" y="%d" fill="#555555">%.2f M samples/s loaded</text><text x="%d" y="%d" fill="#555555">%.2f bytes a sample, %.0f MiB</text>`+"\n",
			at+6, bottom+46, colours[k%len(colours)], at+20, bottom+50, html.EscapeString(o.Engine), html.EscapeString(o.Version), at+20, bottom+66,
			o.Load.rate(r.samples)/1e6, at+20, bottom+82, o.Load.Disk/float64(r.samples), o.Load.Memory/(1<<20))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// decade names a power of ten of a millisecond.
func decade(e float64) string {
	if e < 0 {
		return fmt.Sprintf("%g µs", math.Pow(10, e+3))
	}
	if e >= 3 {
		return fmt.Sprintf("%g s", math.Pow(10, e-3))
	}
	return fmt.Sprintf("%g ms", math.Pow(10, e))
}

package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fastjson"

	"sayso"
	"sayso/bench/iot"
)

// victoria is VictoriaMetrics. Its series are named after table and column, with
// what is known of a lorry as labels.
type victoria struct {
	d       *iot.Data
	dir     string
	program string
	base    string
	server  *exec.Cmd
	client  http.Client
	parser  fastjson.Parser
}

func openVictoria(ctx context.Context, d *iot.Data, dir, program string) (peer, error) {
	if _, err := os.Stat(program); err != nil {
		return nil, errLeftOut{fmt.Errorf("%w: make bench builds it", err)}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	p := &victoria{d: d, dir: dir, program: program, base: "http://" + address}
	p.client.Transport = &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}
	p.server = exec.CommandContext(ctx, program, "-storageDataPath="+filepath.Join(dir, "data"), "-httpListenAddr="+address, "-retentionPeriod=100y",
		"-search.maxPointsPerTimeseries=200000", "-search.maxPointsSubqueryPerTimeseries=200000", "-loggerLevel=ERROR")
	p.server.Stderr = os.Stderr
	if err := p.server.Start(); err != nil {
		return nil, errLeftOut{err}
	}
	for range 100 {
		if _, err = p.get(ctx, "/health", nil); err == nil {
			return p, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, errors.Join(err, p.close())
}

func (p *victoria) get(ctx context.Context, path string, form url.Values) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(r)
}

func (p *victoria) do(r *http.Request) ([]byte, error) {
	res, err := p.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %.300s", res.Status, body)
	}
	return body, err
}

// Load writes Influx lines, some batches in one request.
func (p *victoria) Load(ctx context.Context, d *iot.Data, batches func(func(*iot.Batch) bool)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	list := make(chan []*iot.Batch)
	var wg sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		wg.Go(func() {
			var buf []byte
			for some := range list {
				buf = buf[:0]
				for _, b := range some {
					buf = p.lines(buf, b)
				}
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/write?precision=ms", bytes.NewReader(buf))
				if err == nil {
					_, err = p.do(r)
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	var some []*iot.Batch
	for b := range batches {
		if some = append(some, b); len(some) < 8 {
			continue
		}
		select {
		case list <- some:
			some = nil
			continue
		case <-ctx.Done():
		}
		break
	}
	if ctx.Err() == nil {
		list <- some
	}
	close(list)
	wg.Wait()
	return context.Cause(ctx)
}

// lines writes numbers; VictoriaMetrics keeps no texts.
func (p *victoria) lines(buf []byte, b *iot.Batch) []byte {
	tags := fmt.Sprintf(",car=car_%d ", b.Vehicle)
	if b.Vehicle <= len(p.d.Trucks) {
		t := p.d.Trucks[b.Vehicle-1]
		tags = fmt.Sprintf(",truck=%s,fleet=%s,driver=%s,model=%s ", t.Name, t.Fleet, t.Driver, t.Model)
	}
	for _, t := range b.Tables {
		for i, at := range t.Times {
			buf = append(append(buf, t.Name...), tags...)
			for c, column := range t.Table.Numbers {
				if x := t.Numbers[c][i]; !math.IsNaN(x) {
					buf = append(append(buf, column...), '=')
					buf = append(strconv.AppendFloat(buf, x, 'f', -1, 64), ',')
				}
			}
			buf[len(buf)-1] = ' '
			buf = append(strconv.AppendInt(buf, int64(at)/1000, 10), '\n')
		}
	}
	return buf
}

func (p *victoria) version() string {
	info, err := buildinfo.ReadFile(p.program)
	if err != nil {
		return "unknown"
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

func (p *victoria) settle(ctx context.Context) error {
	for _, path := range []string{"/internal/force_flush", "/internal/force_merge"} {
		if _, err := p.get(ctx, path, nil); err != nil {
			return err
		}
	}
	for { // the merge goes on in the background
		text, err := p.get(ctx, "/metrics", nil)
		if err != nil {
			return err
		}
		if !bytes.Contains(text, []byte(`vm_active_force_merges 1`)) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (p *victoria) use() usage    { return of(p.server.Process.Pid) }
func (p *victoria) disk() float64 { return sizeOf(p.dir) }

func (p *victoria) close() error {
	p.server.Process.Signal(os.Interrupt)
	p.server.Wait() // how it ends does not matter
	return nil
}

const (
	hourly = 3600
	daily  = 24 * hourly
)

// Ask asks in MetricsQL. A window reaches back from its time, and no row lies at
// the turn of one.
func (p *victoria) Ask(ctx context.Context, a iot.Asked) ([]iot.Row, error) {
	truck, fleet := fmt.Sprintf(`truck="truck_%d"`, a.Vehicle), fmt.Sprintf(`fleet=%q`, a.Fleet)
	moving := func(labels, over string) string {
		return "count_over_time((avg_over_time(readings_velocity{" + labels + "}[10m]) > 1)[" + over + ":10m])"
	}
	days := fmt.Sprintf("%dd", p.d.Days)
	switch a.Name {
	case "v1":
		return p.now(ctx, "{"+truck+"}", byColumn)
	case "c1":
		return p.now(ctx, fmt.Sprintf(`last_over_time({car="car_%d"}[1h]) keep_metric_names`, a.Vehicle), byColumn)
	case "v2":
		return p.over(ctx, `avg_over_time({__name__=~"readings_(velocity|fuel_consumption|elevation)",`+truck+`}[1h]) keep_metric_names`, p.d.End()-iotDay, hourly, columns("velocity", "fuel_consumption", "elevation"))
	case "c2":
		return p.over(ctx, fmt.Sprintf(`avg_over_time({__name__=~"cars_(speed|engine_speed|coolant)",car="car_%d"}[1h]) keep_metric_names`, a.Vehicle), p.d.End()-iotDay, hourly, columns("speed", "engine_speed", "coolant"))
	case "v3":
		return p.over(ctx, `avg_over_time({__name__=~"readings_(velocity|fuel_consumption|elevation)",`+truck+`}[1h]) keep_metric_names`, p.d.LongBegin(), hourly, columns("velocity", "fuel_consumption", "elevation"))
	case "v4":
		return p.over(ctx, `avg_over_time(readings_velocity{`+truck+`}[1m]) > 1`, p.d.LongBegin(), 60, byLabels())
	case "v5":
		return p.over(ctx, moving(truck, "1d"), p.d.LongBegin(), daily, byLabels())
	case "f01":
		return p.now(ctx, `{__name__=~"readings_(latitude|longitude)",`+fleet+`}`, func(m *fastjson.Value) (string, int) {
			return label(m, "truck"), index(column(m), "latitude", "longitude")
		})
	case "f02":
		return p.now(ctx, `diagnostics_fuel_state{`+fleet+`} < 0.1`, byLabels("truck"))
	case "f03":
		rows, err := p.now(ctx, `diagnostics_current_load{`+fleet+`}`, byLabels("truck"))
		return p.loaded(rows), err
	case "f04":
		return p.now(ctx, `avg_over_time(readings_velocity{`+fleet+`}[10m]) < 1`, byLabels("truck"))
	case "f05":
		return p.now(ctx, moving(fleet, "4h")+" > 22", byLabels("truck"))
	case "f06":
		return p.now(ctx, moving(fleet, "24h")+" > 60", byLabels("truck"))
	case "f07":
		rows, err := p.now(ctx, `sum by (fleet) (sum_over_time((avg_over_time(readings_fuel_consumption[10m]) and (avg_over_time(readings_velocity[10m]) > 1))[`+days+`:10m])) / sum by (fleet) (`+moving("", days)+`)`, byLabels("fleet"))
		return p.d.WithNominal(rows), err
	case "f08":
		return p.now(ctx, fmt.Sprintf("sum by (driver) (%s) / 6 / %d", moving("", days), p.d.Days), byLabels("driver"))
	case "f10":
		return p.now(ctx, `sum by (fleet, model) (sum_over_time(diagnostics_current_load[`+days+`])) / sum by (fleet, model) (count_over_time(diagnostics_current_load[`+days+`]))`, byLabels("fleet", "model"))
	case "f11":
		return p.over(ctx, "sum by (fleet, model) ("+moving("", "1d")+") / 6", p.d.Begin(), daily, byLabels("fleet", "model"))
	case "f12":
		return p.now(ctx, `sum by (model) (increases_over_time((count_eq_over_time(diagnostics_status[10m], 0) / count_over_time(diagnostics_status[10m]) > bool 0.5)[`+fmt.Sprintf("%dm", 1440*p.d.Days-10)+`:10m])) > 0`, byLabels("model")) // the window before the first is seen as well
	}
	return nil, errors.ErrUnsupported
}

const iotDay = sayso.Instant(24 * time.Hour / time.Microsecond)

// loaded keeps the lorries that are loaded above nine tenths.
func (p *victoria) loaded(rows []iot.Row) (out []iot.Row) {
	capacity := map[string]float64{}
	for _, t := range p.d.Trucks {
		capacity[t.Name] = t.LoadCapacity
	}
	for _, r := range rows {
		if r.Values[0]/capacity[r.Key] > 0.9 {
			out = append(out, r)
		}
	}
	return out
}

// place says which row of the answer a series belongs to, and which number of it.
type place func(metric *fastjson.Value) (key string, value int)

func label(m *fastjson.Value, name string) string { return string(m.GetStringBytes(name)) }

// column is the column that a series has the name of.
func column(m *fastjson.Value) string {
	_, c, _ := strings.Cut(label(m, "__name__"), "_")
	return c
}

func index(name string, names ...string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return 0
}

func byColumn(m *fastjson.Value) (string, int) { return column(m), 0 }

func columns(names ...string) place {
	return func(m *fastjson.Value) (string, int) { return "", index(column(m), names...) }
}

func byLabels(names ...string) place {
	return func(m *fastjson.Value) (string, int) {
		parts := make([]string, len(names))
		for i, n := range names {
			parts[i] = label(m, n)
		}
		return strings.Join(parts, " "), 0
	}
}

func seconds(t sayso.Instant) string { return strconv.FormatInt(int64(t)/1_000_000, 10) }

// now asks at the end of the data.
func (p *victoria) now(ctx context.Context, query string, of place) ([]iot.Row, error) {
	return p.query(ctx, "/api/v1/query", url.Values{"query": {query}, "time": {seconds(p.d.End())}}, 0, of)
}

// over asks for intervals from a moment to the end of the data.
func (p *victoria) over(ctx context.Context, query string, from sayso.Instant, step int, of place) ([]iot.Row, error) {
	interval := sayso.Instant(step) * 1_000_000
	form := url.Values{"query": {query}, "start": {seconds(from + interval)}, "end": {seconds(p.d.End())}, "step": {strconv.Itoa(step)}}
	return p.query(ctx, "/api/v1/query_range", form, interval, of)
}

func (p *victoria) query(ctx context.Context, path string, form url.Values, interval sayso.Instant, of place) ([]iot.Row, error) {
	form.Set("nocache", "1")
	body, err := p.get(ctx, path, form)
	if err != nil {
		return nil, err
	}
	v, err := p.parser.ParseBytes(body)
	if err != nil {
		return nil, err
	}
	type id struct {
		key  string
		time sayso.Instant
	}
	list := v.GetArray("data", "result")
	at := map[id]int{}
	var out []iot.Row
	for _, series := range list {
		key, column := of(series.Get("metric"))
		points := series.GetArray("values")
		if interval == 0 {
			points = []*fastjson.Value{series.Get("value")}
		}
		out = slices.Grow(out, len(points))
		for _, point := range points {
			x, err := strconv.ParseFloat(string(point.GetStringBytes("1")), 64)
			if err != nil {
				return nil, err
			}
			row := iot.Row{Key: key}
			if interval != 0 {
				row.Time = sayso.Instant(point.GetFloat64("0")*1e6) - interval
			}
			i, there := at[id{row.Key, row.Time}]
			if !there {
				i = len(out)
				out = append(out, row)
				if len(list) > 1 { // others may be columns of the same rows
					at[id{row.Key, row.Time}] = i
				}
			}
			out[i].Values[column] = x
		}
	}
	return out, nil
}

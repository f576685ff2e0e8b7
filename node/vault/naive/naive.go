// Package naive is a vault in maps and slices: the oracle with which the tests
// compare the engine. It is slow, keeps everything in memory, and shares no
// code with the engine, only the types of its interface.
package naive

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/vault"
)

// Vault keeps deposits in the order in which they came.
type Vault struct {
	clock clock.Clock
	mu    sync.Mutex
	kept  []*kept
	byKey map[string]*kept
	last  map[lastOf]vault.Row // latest values, which stay when their readings go
	seq   uint64
}

// lastOf is what a latest value is of.
type lastOf struct {
	vehicle uint64
	epoch   uint32
	signal  sayso.SignalID
	source  sayso.Address
}

// kept is a deposit, less what was erased of it.
type kept struct {
	seq      uint64
	vehicle  uint64
	epoch    uint32
	body     [32]byte
	envelope *sayso.CloudEvent // nil: erased
	rejected []sayso.Rejection
	backfill bool
	at       sayso.Instant
	source   sayso.Address
	readings []sayso.Reading
	events   []sayso.Event
}

var _ vault.Engine = (*Vault)(nil)

// New makes an empty vault.
func New(c clock.Clock) *Vault {
	return &Vault{clock: c, byKey: make(map[string]*kept), last: make(map[lastOf]vault.Row)}
}

// Commit keeps a copy of a deposit.
func (n *Vault) Commit(_ context.Context, d *vault.Deposit) (vault.Kept, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := fmt.Sprintf("%x|%s|%q", d.Envelope.Source, d.Envelope.Subject, d.Envelope.ID)
	if k, ok := n.byKey[key]; ok {
		if k.body != d.Body {
			return vault.Kept{}, sayso.Fail(sayso.Conflict, "naive.Commit", "another body")
		}
		return vault.Kept{Seq: k.seq, Duplicate: true}, nil
	}
	n.seq++
	e := d.Envelope
	e.Data = bytes.Clone(e.Data)
	e.Tags = slices.Clone(e.Tags)
	e.Extras = maps.Clone(e.Extras)
	k := &kept{
		seq: n.seq, vehicle: d.Vehicle, epoch: d.Epoch, body: d.Body, envelope: &e, source: e.Source,
		rejected: slices.Clone(d.Rejected), backfill: d.Backfill, at: sayso.At(n.clock.Now()),
		readings: ordered(d.Readings), events: slices.Clone(d.Events),
	}
	n.kept = append(n.kept, k)
	n.byKey[key] = k
	for _, r := range k.readings {
		of := lastOf{k.vehicle, r.Epoch, r.Signal, k.source}
		if had, ok := n.last[of]; !nowhere(r.Value) && (!ok || r.Time > had.Time) {
			n.last[of] = vault.Row{Signal: r.Signal, Time: r.Time, Source: k.source, Seq: k.seq, Value: r.Value}
		}
	}
	return vault.Kept{Seq: k.seq}, nil
}

func sees(v vault.View, epoch uint32, source sayso.Address) bool {
	return slices.Contains(v.Epochs, epoch) && (v.Source == nil || *v.Source == source)
}

// rows lists every reading of a view in commit order, repetitions included.
func (n *Vault) rows(v vault.View) (out []vault.Row) {
	for _, k := range n.kept {
		if k.vehicle != v.Vehicle {
			continue
		}
		for _, r := range k.readings {
			if sees(v, r.Epoch, k.source) {
				out = append(out, vault.Row{Signal: r.Signal, Time: r.Time, Source: k.source, Seq: k.seq, Value: r.Value})
			}
		}
	}
	return out
}

type when struct {
	signal sayso.SignalID
	time   sayso.Instant
}

// distinct lists one row per signal and time, ascending by time and signal.
func (n *Vault) distinct(v vault.View) []vault.Row {
	first := make(map[when]vault.Row)
	for _, r := range n.rows(v) { // commit order: the first one met has the lowest sequence
		if _, ok := first[when{r.Signal, r.Time}]; !ok {
			first[when{r.Signal, r.Time}] = r
		}
	}
	out := slices.Collect(maps.Values(first))
	sort.Slice(out, func(i, j int) bool {
		if out[i].Time != out[j].Time {
			return out[i].Time < out[j].Time
		}
		return out[i].Signal < out[j].Signal
	})
	return out
}

func nowhere(v sayso.Value) bool {
	return v.Kind == sayso.Position && v.Location.Latitude == 0 && v.Location.Longitude == 0
}

// Latest looks at every latest value there is. Of equal ones that of the lowest
// sequence counts, of one sequence that of the lowest epoch.
func (n *Vault) Latest(_ context.Context, v vault.View, signals []sayso.SignalID) ([]vault.Row, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	best := make(map[sayso.SignalID]vault.Row)
	for _, epoch := range slices.Sorted(slices.Values(v.Epochs)) {
		for of, r := range n.last {
			if of.vehicle != v.Vehicle || of.epoch != epoch || !sees(v, epoch, of.source) || signals != nil && !slices.Contains(signals, r.Signal) {
				continue
			}
			if b, ok := best[r.Signal]; !ok || r.Time > b.Time || r.Time == b.Time && r.Seq < b.Seq {
				best[r.Signal] = r
			}
		}
	}
	var out []vault.Row
	for _, s := range slices.Sorted(maps.Keys(best)) {
		out = append(out, best[s])
	}
	return out, nil
}

// Scan filters what there is.
func (n *Vault) Scan(_ context.Context, v vault.View, signals []sayso.SignalID, from, to sayso.Instant, yield func(vault.Row) bool) error {
	n.mu.Lock()
	all := n.distinct(v)
	n.mu.Unlock()
	for _, r := range all {
		if r.Time >= from && r.Time < to && (signals == nil || slices.Contains(signals, r.Signal)) && !yield(r) {
			break
		}
	}
	return nil
}

// Buckets gathers the values of each column and interval, then aggregates.
func (n *Vault) Buckets(_ context.Context, v vault.View, cols []vault.Column, from, to, interval sayso.Instant) ([]vault.Bucket, error) {
	if from > to || interval < 1 || float64(to-from)/float64(interval) > vault.MaxBuckets {
		return nil, sayso.Fail(sayso.Invalid, "naive.Buckets", "the window")
	}
	n.mu.Lock()
	all := n.distinct(v)
	n.mu.Unlock()
	values := make(map[sayso.Instant][][]sayso.Value)
	for i, c := range cols {
		for _, r := range all {
			if r.Signal != c.Signal || r.Time < from || r.Time >= to || nowhere(r.Value) ||
				!suits(c.Agg, r.Value.Kind) || c.Keep != nil && !c.Keep(r.Value) {
				continue
			}
			start := from + (r.Time-from)/interval*interval
			if values[start] == nil {
				values[start] = make([][]sayso.Value, len(cols))
			}
			values[start][i] = append(values[start][i], r.Value)
		}
	}
	var out []vault.Bucket
	for _, start := range slices.Sorted(maps.Keys(values)) {
		b := vault.Bucket{Start: start, Values: make([]sayso.Value, len(cols)), Has: make([]bool, len(cols))}
		for i, list := range values[start] {
			if len(list) > 0 {
				b.Values[i], b.Has[i] = aggregate(cols[i].Agg, list), true
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// EachBucket gives what Buckets gives.
func (n *Vault) EachBucket(ctx context.Context, v vault.View, cols []vault.Column, from, to, interval sayso.Instant, yield func(*vault.Bucket) bool) error {
	all, err := n.Buckets(ctx, v, cols, from, to, interval)
	for i := range all {
		if !yield(&all[i]) {
			break
		}
	}
	return err
}

// Frames makes one frame of each row of the table.
func (n *Vault) Frames(_ context.Context, v vault.View, signals []sayso.SignalID, from, to sayso.Instant, yield func(*vault.Frame) bool) error {
	n.mu.Lock()
	all := n.distinct(v)
	n.mu.Unlock()
	for len(all) > 0 {
		f := &vault.Frame{Times: []sayso.Instant{all[0].Time}, Values: make([][]float64, len(signals))}
		for i := range f.Values {
			f.Values[i] = []float64{math.NaN()}
		}
		any := false
		for ; len(all) > 0 && all[0].Time == f.Times[0]; all = all[1:] {
			for i, s := range signals {
				if s == all[0].Signal && all[0].Value.Kind == sayso.Number {
					f.Values[i][0], any = all[0].Value.Number, true
				}
			}
		}
		if any && f.Times[0] >= from && f.Times[0] < to && !yield(f) {
			break
		}
	}
	return nil
}

func suits(a vault.Agg, k sayso.Kind) bool {
	kinds := map[vault.Agg][]sayso.Kind{
		vault.Avg: {sayso.Number, sayso.Position}, vault.Med: {sayso.Number}, vault.Max: {sayso.Number},
		vault.Min: {sayso.Number}, vault.Sum: {sayso.Number}, vault.Top: {sayso.Text}, vault.Unique: {sayso.Text},
		vault.Rand:  {sayso.Number, sayso.Text, sayso.Position},
		vault.First: {sayso.Number, sayso.Text, sayso.Position},
		vault.Last:  {sayso.Number, sayso.Text, sayso.Position},
		vault.Count: {sayso.Number, sayso.Text, sayso.Position},
	}
	return slices.Contains(kinds[a], k)
}

// aggregate works on the values of an interval in the order of time.
func aggregate(a vault.Agg, list []sayso.Value) sayso.Value {
	var numbers []float64
	counts := make(map[string]int)
	for _, v := range list {
		if v.Kind == sayso.Number {
			numbers = append(numbers, v.Number)
		}
		counts[v.Text]++
	}
	sum := 0.0
	for _, f := range numbers {
		sum += f
	}
	texts := slices.Sorted(maps.Keys(counts))
	switch a {
	case vault.Count:
		return sayso.NumberValue(float64(len(list)))
	case vault.First:
		return list[0]
	case vault.Last:
		return list[len(list)-1]
	case vault.Rand:
		return list[rand.IntN(len(list))]
	case vault.Sum:
		return sayso.NumberValue(sum)
	case vault.Max:
		return sayso.NumberValue(slices.Max(numbers))
	case vault.Min:
		return sayso.NumberValue(slices.Min(numbers))
	case vault.Med:
		sort.Float64s(numbers)
		if n := len(numbers); n%2 == 0 {
			return sayso.NumberValue((numbers[n/2-1] + numbers[n/2]) / 2)
		}
		return sayso.NumberValue(numbers[len(numbers)/2])
	case vault.Unique:
		return sayso.TextValue(strings.Join(texts, ","))
	case vault.Top:
		sort.SliceStable(texts, func(i, j int) bool { return counts[texts[i]] > counts[texts[j]] })
		return sayso.TextValue(texts[0])
	case vault.Avg:
		if len(numbers) > 0 {
			return sayso.NumberValue(sum / float64(len(numbers)))
		}
		return middle(list)
	}
	panic(fmt.Sprintf("BUG: aggregation %d", a))
}

func middle(list []sayso.Value) sayso.Value {
	var l sayso.Location
	for _, v := range list {
		l.Latitude += v.Location.Latitude
		l.Longitude += v.Location.Longitude
		l.HDOP += v.Location.HDOP
	}
	n := float64(len(list))
	return sayso.LocationValue(sayso.Location{Latitude: l.Latitude / n, Longitude: l.Longitude / n, HDOP: l.HDOP / n})
}

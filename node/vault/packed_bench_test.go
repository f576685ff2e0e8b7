package vault

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"sayso"
)

const benchStart = sayso.Instant(1_700_006_400_000_000) // a whole hour

// truck is a vehicle that says ten numbers every ten seconds, of which two in a
// hundred are lost. Signal 4 is its speed.
type truck struct {
	vehicle uint64
	rng     *rand.Rand
	state   [10]float64
}

var truckSteps = [10]struct{ step, low, high, places float64 }{
	{0.001, -90, 90, 1e5}, {0.001, -180, 180, 1e5}, {5, 0, 500, 1}, {10, 0, 100, 1}, {5, 0, 360, 1},
	{5, 0, 100, 1}, {1, 0, 50, 10}, {0.001, 0, 1, 100}, {50, 0, 5000, 1}, {0.01, 0, 1, 1},
}

func newTruck(vehicle uint64) *truck {
	t := &truck{vehicle: vehicle, rng: rand.New(rand.NewPCG(vehicle, 7))}
	for i, s := range truckSteps {
		t.state[i] = s.low + t.rng.Float64()*(s.high-s.low)
	}
	return t
}

// deposit is the next 1,000 rows in one message.
func (t *truck) deposit(n int) *Deposit { return t.some(n, 0.98) }

// some is the next 1,000 rows, with that share of the values.
func (t *truck) some(n int, share float64) *Deposit {
	d := &Deposit{Vehicle: t.vehicle, Epoch: 1, Body: [32]byte{byte(n), byte(n >> 8)}}
	d.Envelope = sayso.CloudEvent{
		Type: sayso.TypeStatus, Source: sayso.Address{1}, Subject: sayso.NFT(137, sayso.Address{9}, t.vehicle),
		ID: fmt.Sprint(n), Time: benchStart.Time(), Data: []byte(`{}`),
	}
	d.Readings = make([]sayso.Reading, 0, 10_000)
	for i := range 1000 {
		at := benchStart + sayso.Instant(n*1000+i)*10_000_000
		for j, s := range truckSteps {
			t.state[j] = min(max(t.state[j]+t.rng.NormFloat64()*s.step, s.low), s.high)
			if t.rng.Float64() >= share {
				continue
			}
			v := sayso.NumberValue(math.Round(t.state[j]*s.places) / s.places)
			d.Readings = append(d.Readings, sayso.Reading{Signal: sayso.SignalID(j + 1), Epoch: 1, Time: at, Value: v})
		}
	}
	return d
}

// BenchmarkBulk keeps messages of 1,000 rows and packs them all.
func BenchmarkBulk(b *testing.B) {
	v := testOpen(b, benchConfig(b))
	const trucks = 16
	const each = 18
	list := make([][]*Deposit, trucks)
	for i := range list {
		t := newTruck(uint64(i + 1))
		for n := range each {
			list[i] = append(list[i], t.deposit(n))
		}
	}
	samples := 0
	for b.Loop() {
		if samples > 0 {
			continue // one turn is enough
		}
		cpu := cpuTime()
		var wg sync.WaitGroup
		for i := range list {
			for _, d := range list[i] {
				samples += len(d.Readings)
			}
			wg.Go(func() {
				for _, d := range list[i] {
					if _, err := v.Commit(b.Context(), d); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(samples)/b.Elapsed().Seconds()/1e6, "Msamples/s")
		b.ReportMetric((cpuTime()-cpu)/float64(samples)*1e6, "CPUs/M,kept")
		if err := v.Pack(b.Context()); err != nil {
			b.Fatal(err)
		}
		if err := v.db.Flush(); err != nil {
			b.Fatal(err)
		}
		if err := v.db.Compact(b.Context(), []byte{0}, []byte{255}, true); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric((cpuTime()-cpu)/float64(samples)*1e6, "CPUs/M,packed")
		packed := bytesOf(b, v, kindPacked)
		b.ReportMetric(float64(packed)/float64(samples), "B/sample")
	}
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSparse says what a value takes where each signal comes now and then,
// by chance.
func BenchmarkSparse(b *testing.B) {
	for _, share := range []float64{0.5, 0.2, 0.1} {
		b.Run(fmt.Sprintf("share=%v", share), func(b *testing.B) {
			v := testOpen(b, benchConfig(b))
			samples := 0
			for b.Loop() {
				if samples > 0 {
					continue // one turn is enough
				}
				for vehicle := range uint64(4) {
					t := newTruck(vehicle + 1)
					for n := range 18 {
						d := t.some(n, share)
						samples += len(d.Readings)
						if _, err := v.Commit(b.Context(), d); err != nil {
							b.Fatal(err)
						}
					}
				}
				if err := v.Pack(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := v.db.Flush(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(bytesOf(b, v, kindPacked))/float64(samples), "B/sample")
			}
			if err := v.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// bytesOf is the size of all keys and values of a kind.
func bytesOf(b testing.TB, v *Vault, kind byte) (n int64) {
	it, err := v.db.NewIter(nil)
	if err != nil {
		b.Fatal(err)
	}
	for ok := it.SeekGE([]byte{kind}); ok && it.Key()[0] == kind; ok = it.Next() {
		n += int64(len(it.Value()))
	}
	if err := it.Close(); err != nil {
		b.Fatal(err)
	}
	size, err := v.db.EstimateDiskUsage([]byte{kind}, []byte{kind + 1})
	if err != nil {
		b.Fatal(err)
	}
	return max(n, int64(size))
}

// BenchmarkPacked asks one truck with 30 days of rows, and 200 with one day.
func BenchmarkPacked(b *testing.B) {
	v := testOpen(b, benchConfig(b))
	keep := func(t *truck, days int) {
		for n := range days * 8640 / 1000 {
			if _, err := v.Commit(b.Context(), t.deposit(n)); err != nil {
				b.Fatal(err)
			}
		}
	}
	keep(newTruck(1), 30)
	for i := range uint64(200) {
		keep(newTruck(i+2), 1)
	}
	if err := v.Pack(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	one := View{Vehicle: 1, Epochs: []uint32{1}}
	avg := func(s ...sayso.SignalID) (cols []Column) {
		for _, id := range s {
			cols = append(cols, Column{Signal: id, Agg: Avg})
		}
		return cols
	}
	days := func(n sayso.Instant) sayso.Instant { return benchStart + n*24*hour }
	ask := func(name string, cols []Column, from, to, interval sayso.Instant) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				err := v.EachBucket(ctx, one, cols, from, to, interval, func(b *Bucket) bool { n++; return true })
				if err != nil || n < int((to-from)/interval)*3/4 {
					b.Fatal(n, err)
				}
			}
		})
	}
	b.Run("v1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if rows, err := v.Latest(ctx, one, nil); err != nil || len(rows) != 10 {
				b.Fatal(len(rows), err)
			}
		}
	})
	ask("v2", avg(4, 6, 7), days(3), days(4), hour)
	ask("v2=odd", avg(4, 6, 7), days(3)+7*60_000_000, days(4)+7*60_000_000, hour)
	ask("v3", avg(4, 6, 7), days(0), days(29), hour)
	ask("v4", avg(4), days(0), days(29), hour/60)
	ask("v5", avg(4), days(0), days(29), hour/6)
	b.Run("v3=Buckets", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Buckets(ctx, one, avg(4, 6, 7), days(0), days(29), hour); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("summary", func(b *testing.B) {
		for b.Loop() {
			if _, err := v.Summary(ctx, one); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("scan=day", func(b *testing.B) {
		for b.Loop() {
			if err := v.Scan(ctx, one, nil, days(1), days(2), func(Row) bool { return true }); err != nil {
				b.Fatal(err)
			}
		}
	})
	benchFleet(b, v)
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchFleet(b *testing.B, v *Vault) {
	ctx := context.Background()
	views := make([]View, 200)
	for i := range views {
		views[i] = View{Vehicle: uint64(i + 2), Epochs: []uint32{1}}
	}
	across := func(name string, ask func(context.Context, *Reader, View) (float64, error)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				if err := Across(ctx, v, views, ask, func(int, float64) bool { n++; return true }); err != nil || n != len(views) {
					b.Fatal(n, err)
				}
			}
		})
	}
	day := benchStart + 24*hour
	across("200=latest", func(ctx context.Context, r *Reader, w View) (float64, error) {
		rows, err := r.Latest(ctx, w, []sayso.SignalID{8})
		return float64(len(rows)), err
	})
	across("200=day-hourly", func(ctx context.Context, r *Reader, w View) (s float64, err error) {
		err = r.EachBucket(ctx, w, []Column{{Signal: 9, Agg: Avg}}, benchStart, day, hour, func(b *Bucket) bool { s += b.Values[0].Number; return true })
		return s, err
	})
	across("200=10min", func(ctx context.Context, r *Reader, w View) (s float64, err error) {
		at := benchStart + 12*hour
		err = r.EachBucket(ctx, w, []Column{{Signal: 4, Agg: Avg}}, at, at+hour/6, hour/6, func(b *Bucket) bool { s += b.Values[0].Number; return true })
		return s, err
	})
	across("200=day-10min", func(ctx context.Context, r *Reader, w View) (s float64, err error) {
		err = r.EachBucket(ctx, w, []Column{{Signal: 4, Agg: Avg}}, benchStart, day, hour/6, func(b *Bucket) bool { s += b.Values[0].Number; return true })
		return s, err
	})
	across("200=day-kept", func(ctx context.Context, r *Reader, w View) (s float64, err error) {
		cols := []Column{{Signal: 10, Agg: Count}, {Signal: 10, Agg: Count, Keep: func(v sayso.Value) bool { return v.Number == 0 }}}
		err = r.EachBucket(ctx, w, cols, benchStart, day, hour/6, func(b *Bucket) bool { s += b.Values[1].Number; return true })
		return s, err
	})
	across("200=day-frames", func(ctx context.Context, r *Reader, w View) (s float64, err error) {
		err = r.Frames(ctx, w, []sayso.SignalID{4, 7}, benchStart, day, func(f *Frame) bool {
			for i, speed := range f.Values[0] {
				if fuel := f.Values[1][i]; speed > 1 && fuel == fuel {
					s += fuel
				}
			}
			return true
		})
		return s, err
	})
}

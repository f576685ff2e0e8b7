package vault

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// benchDeposit is a message of 20 signals with an envelope of about 2.4 KB.
func benchDeposit(vehicle uint64, n int) *Deposit {
	at := sayso.Instant(1_700_000_000_000_000 + int64(n)*10_000_000)
	d := deposit(vehicle, fmt.Sprintf("%d-%d", vehicle, n), at)
	var data strings.Builder
	data.WriteString(`{"signals":[`)
	for i := range 20 {
		value := float64((n*(i+7))%1000) / 10
		if i > 0 {
			data.WriteByte(',')
		}
		fmt.Fprintf(&data, `{"name":"powertrainSignalNumber%d","timestamp":"2026-03-01T12:00:%02d.%06dZ","value":%g,"quality":"measured by the sensor"}`, i, n%60, n%1_000_000, value)
		d.Readings = append(d.Readings, sayso.Reading{Signal: sayso.SignalID(i + 1), Epoch: 1, Time: at, Value: sayso.NumberValue(value)})
	}
	data.WriteString("]}")
	d.Envelope.Data = []byte(data.String())
	return d
}

func benchConfig(b *testing.B) Config {
	cfg := testConfig(b, vfs.Default)
	def := Config{}.withDefaults()
	cfg.Dir, cfg.SegmentBytes, cfg.MemTableBytes, cfg.CacheBytes = b.TempDir(), def.SegmentBytes, def.MemTableBytes, def.CacheBytes
	return cfg
}

// BenchmarkCommit measures durable commits of 20 signals on the disk that
// holds the temporary directory.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			v := testOpen(b, benchConfig(b))
			b.Cleanup(func() {
				if err := v.Close(); err != nil {
					b.Error(err)
				}
			})
			pool := make([]*Deposit, 64)
			for i := range pool {
				pool[i] = benchDeposit(1, i)
			}
			ctx := context.Background()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					for {
						n := int(next.Add(1))
						if n > b.N {
							return
						}
						d := *pool[n%len(pool)]
						d.Vehicle, d.Envelope.ID = uint64(w), fmt.Sprintf("id-%d", n)
						d.Envelope.Subject = sayso.NFT(137, sayso.Address{9}, d.Vehicle)
						d.Readings = append([]sayso.Reading(nil), d.Readings...)
						for i := range d.Readings {
							d.Readings[i].Time += sayso.Instant(n) * 1_000_000
						}
						if _, err := v.Commit(ctx, &d); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			s := v.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(float64(s.Records)/float64(s.Groups), "records/sync")
			b.ReportMetric(float64(s.LogBytes)/float64(s.Records), "logB/record")
		})
	}
}

// benchDay keeps 24 h of one car at 10 s with 20 signals, and 49 other cars
// that send once a minute.
func benchDay(b *testing.B) *Vault {
	v := testOpen(b, benchConfig(b))
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for n := w; n < 8640; n += 32 {
				if _, err := v.Commit(ctx, benchDeposit(1, n)); err != nil {
					b.Error(err)
				}
				if n%6 == 0 {
					if _, err := v.Commit(ctx, benchDeposit(uint64(2+n/6%49), n)); err != nil {
						b.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	return v
}

// BenchmarkRead measures the reads of one car against 24 h of rows that nothing
// has packed yet.
func BenchmarkRead(b *testing.B) {
	v := benchDay(b)
	ctx := context.Background()
	view := View{Vehicle: 1, Epochs: []uint32{1}}
	from := sayso.Instant(1_700_000_000_000_000)
	to := from + 24*hour
	report := func(b *testing.B, rows int) {
		if rows == 0 {
			b.Fatal("no rows")
		}
	}
	b.Run("latest=all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rows, err := v.Latest(ctx, view, nil)
			if err != nil || len(rows) != 20 {
				b.Fatal(len(rows), err)
			}
		}
	})
	b.Run("latest=shelf", func(b *testing.B) {
		for b.Loop() {
			v.latest.drop(owner{1, 1})
			rows, err := v.Latest(ctx, view, nil)
			if err != nil || len(rows) != 20 {
				b.Fatal(len(rows), err)
			}
		}
	})
	b.Run("latest=cold", func(b *testing.B) {
		for b.Loop() {
			v.forgetLatest(owner{1, 1})
			rows, err := v.Latest(ctx, view, nil)
			if err != nil || len(rows) != 20 {
				b.Fatal(len(rows), err)
			}
		}
	})
	cols := []Column{{Signal: 1, Agg: Avg}, {Signal: 7, Agg: Avg}, {Signal: 20, Agg: Avg}}
	b.Run("buckets=24h-3signals", func(b *testing.B) {
		for b.Loop() {
			out, err := v.Buckets(ctx, view, cols, from, to, hour)
			if err != nil {
				b.Fatal(err)
			}
			report(b, len(out))
		}
	})
	b.Run("buckets=1h-3signals", func(b *testing.B) {
		for b.Loop() {
			out, err := v.Buckets(ctx, view, cols, from, from+hour, hour/60)
			if err != nil {
				b.Fatal(err)
			}
			report(b, len(out))
		}
	})
	b.Run("scan=24h-all", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if err := v.Scan(ctx, view, nil, from, to, func(Row) bool { n++; return true }); err != nil {
				b.Fatal(err)
			}
			report(b, n)
		}
	})
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkNewKey measures the look-up of an idempotency key that is not there
// among two million that are.
func BenchmarkNewKey(b *testing.B) {
	v := testOpen(b, benchConfig(b))
	var key [16]byte
	for i := range uint64(2_000_000) {
		binary.BigEndian.PutUint64(key[:], i*0x9e3779b97f4a7c15)
		if err := v.db.Set(idemKey(nil, key), make([]byte, 24), pebble.NoSync); err != nil {
			b.Fatal(err)
		}
	}
	if err := v.db.Compact(context.Background(), []byte{kindKey}, []byte{kindKey + 1}, true); err != nil {
		b.Fatal(err)
	}
	k, err := v.openKnown()
	if err != nil {
		b.Fatal(err)
	}
	p, n := &pending{}, uint64(0)
	for b.Loop() {
		n++
		binary.BigEndian.PutUint64(p.key[:], n*0xbf58476d1ce4e5b9)
		if old, err := k.find(p); old || err != nil {
			b.Fatal(old, err)
		}
	}
	if err := k.close(); err != nil {
		b.Fatal(err)
	}
	if err := v.Close(); err != nil {
		b.Fatal(err)
	}
}

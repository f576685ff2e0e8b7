package vault

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

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

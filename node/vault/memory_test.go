package vault

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

func TestMemoryIsSharedOut(t *testing.T) {
	for _, m := range []int64{16 << 20, 64 << 20, 256 << 20, 4 << 30} {
		c := Config{MemoryBytes: m}.withDefaults()
		sum := c.CacheBytes + 4*int64(c.MemTableBytes) + c.QueueBytes + c.ShelfBytes + int64(c.LatestEntries)*latestCost + int64(c.KeyEntries)*keyCost + int64(c.hotEntries())*hotCost
		if sum > m || sum < m/3 {
			t.Errorf("of %d bytes %d are given out: %+v", m, sum, c)
		}
	}
	if c := (Config{MemoryBytes: 64 << 20, CacheBytes: 5}).withDefaults(); c.CacheBytes != 5 {
		t.Errorf("a size that was given became %d", c.CacheBytes)
	}
}

// TestManyVehiclesStayWithinTheMemory has many more vehicles, each with many more
// signals, than the caches hold.
func TestManyVehiclesStayWithinTheMemory(t *testing.T) {
	const limit = 16 << 20
	cfg := testConfig(t, vfs.NewMem())
	full := Config{MemoryBytes: limit}.withDefaults()
	cfg.MemoryBytes, cfg.CacheBytes, cfg.MemTableBytes, cfg.QueueBytes = limit, full.CacheBytes, full.MemTableBytes, full.QueueBytes
	cfg.ShelfBytes, cfg.LatestEntries, cfg.KeyEntries = full.ShelfBytes, full.LatestEntries, full.KeyEntries
	v := testOpen(t, cfg)
	const vehicles, signals = 1500, 128
	for n := range uint64(vehicles) {
		d := deposit(n+1, fmt.Sprint(n), 1_700_000_000_000_000)
		for s := range sayso.SignalID(signals) {
			d.Readings = append(d.Readings, sayso.Reading{Signal: s + 1, Epoch: 1, Time: 1_700_000_000_000_000, Value: sayso.NumberValue(float64(n))})
		}
		if _, err := v.Commit(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for n := range uint64(vehicles) {
		if rows, err := v.Latest(t.Context(), View{Vehicle: n + 1, Epochs: []uint32{1}}, nil); err != nil || len(rows) != signals {
			t.Fatal(len(rows), err)
		}
	}
	held := (len(v.shelf.blocks)*v.shelf.size + len(v.keys.shelf.blocks)*v.keys.shelf.size) / 3 * 4
	for _, n := range v.latest.items {
		held += cap(n.value.rows) * 112
	}
	if held > limit/3 || v.latest.held > cfg.LatestEntries || len(v.keys.cache.items) > cfg.KeyEntries {
		t.Errorf("the caches hold %d bytes of latest values (weight %d of %d) and %d of %d keys", held, v.latest.held, cfg.LatestEntries, len(v.keys.cache.items), cfg.KeyEntries)
	}
	if len(v.hot.bytes) > cfg.hotEntries() {
		t.Errorf("%d vehicles with rows are counted, %d may be", len(v.hot.bytes), cfg.hotEntries())
	}
	runtime.KeepAlive(v)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

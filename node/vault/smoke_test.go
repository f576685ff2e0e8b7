package vault

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
)

func testKey(t testing.TB) *rootkey.Key {
	t.Helper()
	k, err := rootkey.New([32]byte{42})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testConfig(t testing.TB, fs vfs.FS) Config {
	return Config{
		FS: fs, Dir: "data/vault", RootKey: testKey(t), SegmentBytes: 64 << 10, MemTableBytes: 256 << 10, CacheBytes: 1 << 20,
		Clock:         clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		CommitTimeout: 20 * time.Second, MinFreeBytes: 1,
		Fatal: func(err error) { panic(fmt.Sprintf("fatal: %v", err)) },
	}
}

func testOpen(t testing.TB, cfg Config) *Vault {
	t.Helper()
	v, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func deposit(vehicle uint64, id string, at sayso.Instant, rows ...sayso.Reading) *Deposit {
	return &Deposit{
		Vehicle: vehicle, Epoch: 1, Body: [32]byte{1},
		Envelope: sayso.CloudEvent{
			Type: sayso.TypeStatus, Source: sayso.Address{1}, Subject: sayso.NFT(137, sayso.Address{9}, vehicle),
			ID: id, Time: at.Time(), Data: []byte(`{"n":1}`),
		},
		Readings: rows,
	}
}

func TestSmoke(t *testing.T) {
	fs := vfs.NewCrashableMem()
	cfg := testConfig(t, fs)
	v := testOpen(t, cfg)
	ctx := context.Background()
	for i := range 1000 {
		at := sayso.Instant(1_700_000_000_000_000 + int64(i)*10_000_000)
		d := deposit(7, fmt.Sprint(i), at, sayso.Reading{Signal: 3, Epoch: 1, Time: at, Value: sayso.NumberValue(float64(i) / 10)})
		k, err := v.Commit(ctx, d)
		if err != nil || k.Seq != uint64(i+1) || k.Duplicate {
			t.Fatal(k, err)
		}
		k, err = v.Commit(ctx, d)
		if err != nil || k.Seq != uint64(i+1) || !k.Duplicate {
			t.Fatal(k, err)
		}
	}
	t.Logf("%+v", v.Stats())
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v = testOpen(t, cfg)
	rows, err := v.Latest(ctx, View{Vehicle: 7, Epochs: []uint32{1}}, nil)
	t.Log(rows, err)
	n := 0
	if err := v.Scan(ctx, View{Vehicle: 7, Epochs: []uint32{1}}, nil, minInstant, maxInstant, func(Row) bool { n++; return true }); err != nil || n != 1000 {
		t.Fatal(n, err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

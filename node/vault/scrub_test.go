package vault_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/node/vault"
)

// TestScrubFindsDamageByItself: nobody asks for the damaged data, and still it is
// known, with the vehicles. A read of it is refused, other data are answered.
func TestScrubFindsDamageByItself(t *testing.T) {
	fs := vfs.NewMem()
	cfg := config(t, fs)
	cfg.CacheBytes = 1
	v := open(t, cfg)
	for n := range 200 {
		for car := range uint64(3) {
			m := newMsg(car+1, 1, 1, strings.Repeat("long", 20)+string(rune('a'+n%26))+string(rune('a'+n/26))).number(5, 1, start+second*sayso.Instant(n), float64(n))
			m.Envelope.Time = (start + second*sayso.Instant(n)).Time()
			m.keep(t, v)
		}
	}
	if _, _, err := v.Compact(t.Context()); err != nil { // into one table, by key
		t.Fatal(err)
	}
	check(t, v.Close())
	v = open(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.Scrub(ctx, 10*time.Millisecond, 50*time.Millisecond)
	}()
	wait := func(what string, f func() bool) {
		t.Helper()
		for range 1500 {
			if f() {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatal("never: ", what)
	}
	wait("a whole reading", func() bool { return v.Scrubbed() > 0 })
	if err := v.Damaged(); err != nil {
		t.Fatalf("a whole store: %v", err)
	}
	flipIn(t, fs, largestTable(t, fs), 3000) // cloud events of the first car
	wait("damage", func() bool { return v.Damaged() != nil })
	if text := v.Damaged().Error(); !strings.Contains(text, "vehicles [1") {
		t.Error(text)
	}
	count := func(car uint64) (n int, err error) {
		err = v.Export(t.Context(), view(car, 1), func(s vault.Stored) bool { n++; return true })
		return n, err
	}
	if n, err := count(1); err == nil {
		t.Errorf("%d messages of the damaged car are served as if that were all", n)
	}
	if n, err := count(3); err != nil || n != 200 {
		t.Errorf("of another car: %d messages, %v", n, err)
	}
	keep(t, v, "taken in all the same")
	stop()
	<-ended
	check(t, v.Close())
}

// largestTable is where the cloud events are: smaller ones have what was packed since.
func largestTable(t *testing.T, fs vfs.FS) (name string) {
	t.Helper()
	const dir = "data/vault/rows"
	names, err := fs.List(dir)
	check(t, err)
	most := int64(0)
	for _, n := range names {
		if info, err := fs.Stat(fs.PathJoin(dir, n)); err == nil && strings.HasSuffix(n, ".sst") && info.Size() > most {
			name, most = fs.PathJoin(dir, n), info.Size()
		}
	}
	return name
}

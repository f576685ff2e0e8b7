package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestMachine(t *testing.T) {
	const meminfo = "MemTotal:       24683656 kB\nMemFree:        15097368 kB\n"
	for _, x := range []struct {
		meminfo, group string
		want           int64
	}{
		{meminfo, "", 24683656 << 10},
		{meminfo, "max\n", 24683656 << 10},
		{meminfo, "1073741824\n", 1 << 30},
		{meminfo, "99999999999999\n", 24683656 << 10},
		{"", "1073741824\n", 1 << 30},
		{"", "", 0},
		{"MemTotal: many\n", "-1", 0},
	} {
		if got := machine([]byte(x.meminfo), []byte(x.group)); got != x.want {
			t.Errorf("%q, %q: got %d, want %d", x.meminfo, x.group, got, x.want)
		}
	}
}

// The heap grows by a share of what is live, up to a number of bytes.
func TestPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 300, 1 << 20: 300, 170 << 20: 300, 512 << 20: 100, 1 << 30: 50, 64 << 30: 25} {
		if got := percent(live); got != want {
			t.Errorf("%d MiB live: %d %%, want %d", live>>20, got, want)
		}
	}
}

// A large live heap makes the collector come sooner, and a small one later again.
func TestThePaceFollowsWhatIsLive(t *testing.T) {
	before, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Setenv("GOGC", "")
	t.Cleanup(func() { debug.SetGCPercent(before); debug.SetMemoryLimit(limit) })
	Tune()
	pace := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	await := func(what string, is func() bool) {
		for range 100 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond) // finalizers run on a goroutine of their own
			if is() {
				return
			}
		}
		t.Errorf("%s: %d %%", what, pace())
	}
	held := make([]byte, 400<<20)
	await("with much live", func() bool { return pace() < 200 })
	runtime.KeepAlive(held)
	held = nil
	await("with little live", func() bool { return pace() == Percent })
}

func TestTune(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "1GiB")
	Tune()
	if got := debug.SetGCPercent(100); got != Percent {
		t.Errorf("percent %d, want %d", got, Percent)
	}
	if got := debug.SetMemoryLimit(-1); got != limit {
		t.Errorf("the limit of the environment became %d", got)
	}
	t.Setenv("GOGC", "100")
	t.Setenv("GOMEMLIMIT", "")
	Tune()
	if got := debug.SetGCPercent(100); got != 100 {
		t.Errorf("percent %d beside GOGC", got)
	}
	if got := debug.SetMemoryLimit(-1); got == limit || got <= 0 {
		t.Errorf("no limit was set: %d", got)
	}
}

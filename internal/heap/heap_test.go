package heap

import (
	"runtime/debug"
	"testing"
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

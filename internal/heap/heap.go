// Package heap sets how the garbage collector works in a process that keeps
// what cars say: many short lives above a small heap that stays.
package heap

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

// Percent is how far the heap may grow above what is live, instead of the 100
// of the runtime: it saves a tenth of the CPU time of a kept event, and the live
// heap of a node is small (caches and write buffers of the rows lie outside).
const Percent = 300

// headroom is how many bytes the heap may grow above what is live all the same:
// a registry of a million cars is a live heap of a gigabyte, and four times as
// much would be half the memory of a small machine.
const headroom = 512 << 20

// least is the percentage below which collecting would be most of the work.
const least = 25

// percent is how far the heap may grow above so many live bytes.
func percent(live uint64) int {
	return int(min(Percent, max(least, 100*headroom/max(1, live))))
}

// share of the machine's memory from which on memory counts more than time.
const share = 0.7

// Tune sets the pace of the collector, and a limit derived from the machine
// above which it works harder. GOGC and GOMEMLIMIT, where set, stand.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(Percent)
		follow(Percent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	meminfo, _ := os.ReadFile("/proc/meminfo") // other systems have none
	group, _ := os.ReadFile("/sys/fs/cgroup/memory.max")
	if n := machine(meminfo, group); n > 0 {
		debug.SetMemoryLimit(int64(share * float64(n)))
	}
}

// follow sets the pace anew after each collection, by what it has left: the
// sentinel is garbage of the next one.
func follow(now int) {
	runtime.SetFinalizer(&sentinel{}, func(*sentinel) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		next := percent(live[0].Value.Uint64())
		if 10*max(next-now, now-next) > now { // each change stops the world for a moment
			debug.SetGCPercent(next)
			now = next
		}
		follow(now)
	})
}

// sentinel is an object for the sake of its end. It is not of size zero, or it
// would have none of its own.
type sentinel struct{ _ [16]byte }

// machine is how many bytes this process may have, 0 where that is unknown: the
// machine's memory, or the bound of its control group.
func machine(meminfo, group []byte) int64 {
	total := int64(0)
	if _, rest, ok := bytes.Cut(meminfo, []byte("MemTotal:")); ok {
		if f := bytes.Fields(rest); len(f) > 1 && string(f[1]) == "kB" {
			total = number(f[0]) << 10
		}
	}
	if bound := number(bytes.TrimSpace(group)); bound > 0 && (total == 0 || bound < total) {
		return bound
	}
	return total
}

// number reads a decimal number; anything else, such as the word max, is 0.
func number(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

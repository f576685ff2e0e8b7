// Package heap sets how the garbage collector works in a process that keeps
// what cars say: many short lives above a small heap that stays.
package heap

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

// Percent is how far the heap may grow above what is live, instead of the 100
// of the runtime: it saves a tenth of the CPU time of a kept event, and the live
// heap of a node is small (caches and write buffers of the rows lie outside).
const Percent = 300

// share of the machine's memory from which on memory counts more than time.
const share = 0.7

// Tune sets the pace of the collector, and a limit derived from the machine
// above which it works harder. GOGC and GOMEMLIMIT, where set, stand.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(Percent)
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

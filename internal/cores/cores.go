// Package cores says how many CPUs a process has, and lets a process that keeps
// what cars say use all of them.
package cores

import (
	"os"
	"runtime"
)

var count = runtime.GOMAXPROCS(0)

// Count is how many goroutines can compute at once: the CPUs that the system
// gives this process, or GOMAXPROCS where it is set. Whoever shares work among
// workers asks here, since [Spare] tells the runtime a larger number.
func Count() int { return count }

// blocked is how many goroutines of a node stand in a call of the system most of
// the time: one syncs the log, one writes tables.
const blocked = 2

// Spare gives the runtime a place for each goroutine that is blocked in the
// system. A goroutine in a sync keeps its place until the runtime takes it away,
// which it looks for every 20 µs at best: of two CPUs, one computed nothing for a
// part of each sync. GOMAXPROCS, where set, stands.
func Spare() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(count + blocked)
	}
}

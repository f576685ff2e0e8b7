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

// spare is how many goroutines of a node keep a place without computing: those of
// a flush, a compaction and the packer, see [Background].
const spare = 3

// Spare gives the runtime a place more for each goroutine that waits for the
// system and keeps its place meanwhile. Those in the background do while others
// have the CPU. And one in a sync does until the runtime takes its place away, which
// it looks for every 20 µs at best: of two CPUs, one computed nothing for a part of
// each sync. GOMAXPROCS, where set, stands.
func Spare() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(count + spare)
	}
}

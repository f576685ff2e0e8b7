//go:build !linux

package cores

// Background lets this goroutine run when nobody else wants the CPU, for the rest
// of its life. Systems other than Linux know no priority of threads: nothing
// changes here.
func Background() {}

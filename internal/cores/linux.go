//go:build linux

package cores

import (
	"runtime"
	"syscall"
)

// background is how much nicer work is for which nobody waits: of a CPU that both
// want, the system gives it a tenth.
const background = 10

// Background lets this goroutine run when nobody else wants the CPU, for the rest
// of its life. The thread that has it is its own from here on and ends with it,
// since a process without privileges cannot take back what it has given away.
// Systems other than Linux know no priority of threads: nothing changes there.
func Background() {
	runtime.LockOSThread()
	usual, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0) // 20 - nice, as the system call tells it
	if err != nil {
		return // forbidden: this work is then as important as any
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(20-usual+background, 19))
}

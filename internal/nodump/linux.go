//go:build linux

package nodump

import (
	"fmt"
	"syscall"
)

// setDumpable is PR_SET_DUMPABLE of prctl(2).
const setDumpable = 4

// Forbid forbids core dumps, written to a file or handed to a program, for the
// rest of the process.
func Forbid() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core dumps: %w", err)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0); errno != 0 {
		return fmt.Errorf("forbidding core dumps: %w", errno)
	}
	return nil
}

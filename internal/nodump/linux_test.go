//go:build linux

package nodump

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestForbid lets a process abort that may dump its memory, and one that has
// forbidden it.
func TestForbid(t *testing.T) {
	if how := os.Getenv("NODUMP_TEST"); how != "" {
		syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 1 << 30, Max: 1 << 30})
		if how == "forbid" {
			if err := Forbid(); err != nil {
				os.Exit(3)
			}
		}
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
		select {}
	}
	dumps := func(how string) bool {
		cmd := exec.Command(os.Args[0], "-test.run=TestForbid")
		cmd.Env = append(os.Environ(), "NODUMP_TEST="+how, "GOTRACEBACK=crash")
		cmd.Dir = t.TempDir()
		var ended *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &ended) || !ended.Sys().(syscall.WaitStatus).Signaled() {
			t.Fatalf("%s: %v", how, err)
		}
		return ended.Sys().(syscall.WaitStatus).CoreDump()
	}
	if dumps("forbid") {
		t.Error("the memory was dumped although it was forbidden")
	}
	if !dumps("allow") {
		t.Log("this system writes no core dumps, so the other half shows nothing")
	}
}

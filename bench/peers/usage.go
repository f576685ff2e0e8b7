package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// usage is what processes have used.
type usage struct {
	cpu    time.Duration // so far
	memory float64       // bytes at the moment
}

// own is what this process has used.
func own() (u usage) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	u.memory = status(os.Getpid(), "status", "VmRSS:")
	return u
}

// ticks is how many ticks of process times a second has on Linux.
const ticks = 100

// of is what a server has used: a process, those that it has waited for, and
// those that it has started.
func of(pid int) (u usage) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// Behind the name in brackets: state, parent, and from the 12th on user and
		// system time, and those of the processes waited for.
		text, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(f) < 15 || id != pid && string(f[1]) != strconv.Itoa(pid) {
			continue
		}
		times := 2
		if id == pid {
			times = 4
		}
		for _, t := range f[11 : 11+times] {
			n, _ := strconv.ParseInt(string(t), 10, 64)
			u.cpu += time.Duration(n) * time.Second / ticks
		}
		u.memory += status(id, "smaps_rollup", "Pss:")
	}
	return u
}

// status reads a member in kB of a process and gives bytes; 0 where there is none.
func status(pid int, file, name string) float64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), file))
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(text, []byte("\n"+name))
	if f := bytes.Fields(rest); ok && len(f) > 0 {
		n, _ := strconv.ParseFloat(string(f[0]), 64)
		return n * 1024
	}
	return 0
}

// sizeOf is what the files of a folder take on the disk.
func sizeOf(dir string) (n float64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a file may go while it is looked at
		}
		if info, err := d.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				n += float64(s.Blocks) * 512
			}
		}
		return nil
	})
	return n
}

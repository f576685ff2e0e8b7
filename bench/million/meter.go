package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// histogram counts times by microseconds: exactly below 64, above that in steps
// of at most 1/32.
type histogram struct{ counts [32 * 32]atomic.Uint64 }

func (h *histogram) add(d time.Duration) { h.counts[place(d)].Add(1) }

func place(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 64 {
		return int(us)
	}
	shift := bits.Len64(us) - 6
	return min(32*shift+int(us>>shift), 32*32-1)
}

// upper is the largest time that counts at a place.
func upper(i int) time.Duration {
	if i < 64 {
		return time.Duration(i) * time.Microsecond
	}
	shift := i/32 - 1
	return time.Duration((uint64(i-32*shift)+1)<<shift-1) * time.Microsecond
}

// counted is a histogram at a moment.
type counted [32 * 32]uint64

func (h *histogram) now() (c counted) {
	for i := range h.counts {
		c[i] = h.counts[i].Load()
	}
	return c
}

func (c counted) since(before counted) counted {
	for i := range c {
		c[i] -= before[i]
	}
	return c
}

func (c *counted) total() (n uint64) {
	for _, k := range c {
		n += k
	}
	return n
}

func (c *counted) quantile(q float64) time.Duration {
	left := uint64(q * float64(c.total()))
	for i, k := range c {
		if k > left {
			return upper(i)
		}
		left -= k
	}
	return 0
}

// process is what this process uses.
type process struct {
	cpu      time.Duration // so far
	busy     time.Duration // of all processes of the machine
	resident float64       // bytes
	peak     float64
	written  float64 // bytes handed to the system so far; what it counts as written to disk are whole folios
}

func processNow() (p process) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		p.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	p.busy = busy()
	p.resident = 1024 * field("/proc/self/status", "VmRSS:")
	p.peak = 1024 * field("/proc/self/status", "VmHWM:")
	p.written = field("/proc/self/io", "wchar:")
	return p
}

// busy is what the CPUs of the machine have worked so far, and what others of its
// host had of them.
func busy() (d time.Duration) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := bytes.Cut(text, []byte("\n"))
	for i, f := range bytes.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle, waiting, and guests, which are in the first
			continue
		}
		n, _ := strconv.ParseInt(string(f), 10, 64)
		d += time.Duration(n) * (time.Second / 100) // the unit that Linux shows
	}
	return d
}

// field reads a number behind a name; 0 where the system has none.
func field(file, name string) float64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	_, rest, ok := bytes.Cut(text, []byte(name))
	if f := bytes.Fields(rest); ok && len(f) > 0 {
		n, _ := strconv.ParseFloat(string(f[0]), 64)
		return n
	}
	return 0
}

// liveHeap is what is in use on the heap after a collection.
func liveHeap() float64 {
	runtime.GC()
	return lastLive()
}

// lastLive is what the last collection found in use.
func lastLive() float64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return float64(s[0].Value.Uint64())
}

// sizeOf is what the files of a folder take.
func sizeOf(dir string) (n float64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a file may go while it is looked at
		}
		if info, err := d.Info(); err == nil {
			n += float64(info.Size())
		}
		return nil
	})
	return n
}

func mib(bytes float64) float64 { return bytes / (1 << 20) }

// profiles records where CPU time goes, and the heap at the end.
func profiles(dir string) (stop func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(dir, "million-cpu.pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
		f, err := os.Create(filepath.Join(dir, "million-heap.pprof"))
		if err == nil {
			runtime.GC()
			err = pprof.Lookup("heap").WriteTo(f, 0)
			f.Close()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "million: the profile of the heap:", err)
		}
	}, nil
}

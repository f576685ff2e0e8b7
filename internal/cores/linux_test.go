//go:build linux

package cores

import (
	"syscall"
	"testing"
)

// What is done in the background has a thread of low priority, and nobody who comes
// after it runs there.
func TestBackground(t *testing.T) {
	priority := func() (tid, nice int) {
		n, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
		if err != nil {
			t.Error(err)
		}
		return syscall.Gettid(), 20 - n
	}
	_, usual := priority()
	low := make(chan int)
	go func() {
		Background()
		tid, nice := priority()
		if want := min(19, usual+background); nice != want {
			t.Errorf("nice %d instead of %d", nice, want)
		}
		low <- tid
	}()
	gone := <-low
	for range 100 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if tid, nice := priority(); tid != gone && nice != usual {
				t.Errorf("a thread of nice %d is left", nice)
			}
		}()
		<-done
	}
}

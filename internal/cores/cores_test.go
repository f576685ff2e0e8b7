package cores

import (
	"runtime"
	"testing"
)

// The runtime gets places for those who keep one, and the count stays what it was;
// what the operator sets stands.
func TestSpare(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(was) })
	t.Setenv("GOMAXPROCS", "1")
	Spare()
	if got := runtime.GOMAXPROCS(0); got != was {
		t.Errorf("set by the operator, and yet %d instead of %d", got, was)
	}
	t.Setenv("GOMAXPROCS", "")
	Spare()
	if got := runtime.GOMAXPROCS(0); got != Count()+spare {
		t.Errorf("%d places for %d CPUs", got, Count())
	}
	if Count() != was {
		t.Errorf("%d CPUs instead of %d", Count(), was)
	}
}

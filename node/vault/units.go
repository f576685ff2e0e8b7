package vault

import (
	"slices"
	"sync"
)

// whole is room for whole numbers.
type whole struct{ list []int64 }

var wholePool = sync.Pool{New: func() any { return new(whole) }}

// of gives room for n numbers, which are anything.
func (w *whole) of(n int) []int64 {
	w.list = slices.Grow(w.list[:0], n)[:n]
	return w.list
}

// inUnits gives ascending times since a start in units of their greatest common
// divisor. Those of a device are mostly equal steps, so that few are divided.
func (w *whole) inUnits(times []int64, start int64) (unit int64, list []int64) {
	step, before := int64(0), start
	for _, at := range times {
		if s := at - before; s != step {
			if unit, step = gcd(unit, s), s; unit == 1 {
				break
			}
		}
		before = at
	}
	unit = max(unit, 1)
	list = w.of(len(times))
	step, before = 0, start
	x, steps := int64(0), int64(0) // in units
	for i, at := range times {
		if s := at - before; s != step {
			step, steps = s, s/unit
		}
		x += steps
		list[i], before = x, at
	}
	return unit, list
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

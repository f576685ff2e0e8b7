package registry

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// An ordered set says what a sorted list says, at every size and in every order
// of coming and going.
func TestAnOrderedSetIsASortedList(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var s ordered[uint64]
		var want []uint64
		span := []uint64{10, 1000, 40000}[seed%3]
		for step := range 20000 {
			k := rnd.Uint64N(span)
			if seed >= 3 && step < 10000 {
				k = uint64(step) // counted upwards, as ids are
			}
			i, there := slices.BinarySearch(want, k)
			if s.has(k) != there {
				t.Fatalf("has %d: %v", k, !there)
			}
			if rnd.IntN(3) == 0 && step > 8000 {
				if s.remove(k); there {
					want = slices.Delete(want, i, i+1)
				}
			} else if s.add(k); !there {
				want = slices.Insert(want, i, k)
			}
			if s.len() != len(want) {
				t.Fatalf("%d members, want %d", s.len(), len(want))
			}
			at := rnd.Uint64N(span + 2)
			i, there = slices.BinarySearch(want, at)
			below, ok := s.below(at, true)
			if ok != (i > 0) || ok && below != want[i-1] {
				t.Fatalf("below %d: %d %v", at, below, ok)
			}
			if there {
				i++
			}
			above, ok := s.above(at, true)
			if ok != (i < len(want)) || ok && above != want[i] {
				t.Fatalf("above %d: %d %v", at, above, ok)
			}
		}
		if got := slices.Concat(s.all()...); !slices.Equal(got, want) {
			t.Fatalf("%d members differ from %d", len(got), len(want))
		}
		last, _ := s.below(0, false)
		first, _ := s.above(0, false)
		if last != want[len(want)-1] || first != want[0] {
			t.Fatalf("from %d to %d", first, last)
		}
		for _, k := range want {
			s.remove(k)
		}
		if _, ok := s.below(0, false); ok || s.len() != 0 || len(s.chunks) != 0 {
			t.Fatal("not empty in the end")
		}
	}
}

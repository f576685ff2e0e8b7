package column

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Numbers that ascend come back whatever is asked for first, and are found.
func TestAscendingNumbersAreReadInParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, steps := range [][]int64{{1}, {0, 1}, {0}, {10, 10, 10, 20}, {1, 5000}, {0, 0, 0, 900}} {
		for _, n := range []int{1, 2, 127, 128, 129, 1000} {
			const start, unit = -77_000, 1000
			packed, want := make([]int64, n), make([]int64, n)
			at := int64(3)
			for i := range packed {
				packed[i], want[i] = at, start+at*unit
				at += steps[rng.IntN(len(steps))]
			}
			b := append(AppendInts(nil, packed), "behind"...)
			var a Ascending
			for range 20 {
				rest, err := a.Open(n, b, start, unit, packed[n-1], want[n-1])
				if err != nil || string(rest) != "behind" {
					t.Fatalf("%d numbers: %v, rest %q", n, err, rest)
				}
				clear(a.Values)
				x := want[rng.IntN(n)] + int64(rng.IntN(3)) - 1
				place, err := a.Find(x)
				if first, _ := slices.BinarySearch(want, x); err != nil || place != first {
					t.Fatalf("%d is at %d of %d, found at %d, %v", x, first, n, place, err)
				}
				low := rng.IntN(n)
				if at, err := a.At(low); err != nil || at != want[low] {
					t.Fatalf("place %d of %d has %d, %v, not %d", low, n, at, err, want[low])
				}
				from := max(low, place)
				if at, err := a.From(x, low); err != nil || at != from {
					t.Fatalf("%d is at %d of %d from %d on, found at %d, %v", x, from, n, low, at, err)
				}
				high := low + 1 + rng.IntN(n-low)
				if err := a.Read(low, high); err != nil || !slices.Equal(a.Values[low:high], want[low:high]) {
					t.Fatalf("places %d to %d of %d: %v, %v", low, high, n, a.Values[low:high], err)
				}
			}
			if err := a.Read(0, n); err != nil || !slices.Equal(a.Values, want) {
				t.Fatalf("all %d: %v", n, err)
			}
			if unique := len(slices.Compact(slices.Clone(want))) == n; a.Strict() != unique {
				t.Fatalf("steps %v, %d numbers: strict is %v", steps, n, a.Strict())
			}
		}
	}
}

// What descends, or goes beyond what it may be, is refused.
func TestNumbersThatDescendAreRefused(t *testing.T) {
	down := make([]int64, 300)
	for i := range down {
		down[i] = int64(1000 - i)
	}
	dip := []int64{1, 2, 5, 4, 7}
	far := []int64{1, 2, 3, 1 << 60}
	late := append(slices.Repeat([]int64{9}, 128), 8)
	for _, v := range [][]int64{down, dip, far, late, {-1, 2}, {math.MinInt64, math.MaxInt64}} {
		var a Ascending
		_, err := a.Open(len(v), AppendInts(nil, v), 0, 10, 5000, 50_000)
		if err == nil {
			err = a.Read(0, len(v))
		}
		if err == nil {
			t.Errorf("%v became %v", v[:min(5, len(v))], a.Values)
		}
	}
}

// A part of a vector is what that part of the whole vector is.
func TestPartsOfNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, v := range [][]float64{drive(1), drive(128), drive(700), append(drive(300), 1.0/3, 0.5, 1<<45), slices.Repeat([]float64{4}, 400)} {
		b := AppendNumbers(nil, v)
		for range 200 {
			low := rng.IntN(len(v))
			high := low + 1 + rng.IntN(len(v)-low)
			whole, plain := make([]int64, len(v)), make([]float64, len(v))
			scale, ok, err := ScaledPart(whole, b, low, high)
			if err != nil {
				t.Fatal(err)
			}
			if err := NumbersPart(plain, b, low, high); err != nil {
				t.Fatal(err)
			}
			for i := low; i < high; i++ {
				if !same(plain[i], v[i]) || ok && !same(float64(whole[i])/scale, v[i]) {
					t.Fatalf("place %d of [%d, %d): %v, %d of %v, want %v", i, low, high, plain[i], whole[i], scale, v[i])
				}
			}
		}
	}
}

// Rank counts as one would.
func TestRankCountsRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, share := range []float64{0, 0.1, 0.5, 0.97, 1} {
		var rows []int64
		const of = 500
		for r := range int64(of) {
			if rng.Float64() < share {
				rows = append(rows, r)
			}
		}
		var s Set
		if err := s.Parse(AppendRows(nil, rows, of), of); err != nil {
			t.Fatal(err)
		}
		known := 0
		for row := rng.IntN(3); row <= of; row += rng.IntN(40) {
			want, _ := slices.BinarySearch(rows, int64(row))
			rank := 0
			if rank, known = s.Rank(row, known); rank != want {
				t.Fatalf("%d of %d rows are before %d, not %d", want, len(rows), row, rank)
			}
			if again, _ := s.Rank(row, 0); again != want {
				t.Fatalf("without a hint %d are before %d", again, row)
			}
		}
	}
}

// Rows that are there by chance take about as little as they can.
func TestScatteredRowsAreShort(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for _, share := range []float64{0.02, 0.1, 0.3, 0.9} {
		var rows []int64
		const of = 8192
		for r := range int64(of) {
			if rng.Float64() < share {
				rows = append(rows, r)
			}
		}
		least := -share*math.Log2(share) - (1-share)*math.Log2(1-share) // bits for a row
		if got := float64(8*len(AppendRows(nil, rows, of))) / of; got > 1.05*least+0.02 && got > 1.01 {
			t.Errorf("of %v of the rows %.3f bits are written for each, %.3f are needed", share, got, least)
		}
	}
}

package column

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// vectors are whole numbers of every width and shape.
func vectors() (all [][]int64) {
	rng := rand.New(rand.NewPCG(1, 2))
	all = append(all, nil, []int64{math.MinInt64, math.MaxInt64, 0}, []int64{math.MaxInt64, math.MinInt64})
	for width := range 65 {
		for _, n := range []int{1, 2, 7, 8, 9, 127, 128, 129, 300} {
			a, c := make([]int64, n), make([]int64, n)
			at := int64(rng.Uint64())
			for i := range a {
				a[i] = int64(rng.Uint64() & (1<<width - 1))
				at += a[i] + 10
				c[i] = at
			}
			all = append(all, a, c)
		}
	}
	return all
}

func TestIntsComeBack(t *testing.T) {
	for _, v := range vectors() {
		for _, behind := range []string{"", "xyz", "0123456789abcdefghi"} {
			b := append(AppendInts(nil, v), behind...)
			got := make([]int64, len(v))
			rest, err := Ints(got, b)
			if err != nil || string(rest) != behind || !slices.Equal(got, v) {
				t.Fatalf("%d values, first %v: %v, rest %q", len(v), v[:min(3, len(v))], err, rest)
			}
			if behind == "" {
				for cut := range b {
					if _, err := Ints(got, b[:cut]); err == nil {
						t.Fatalf("%d of %d bytes are enough", cut, len(b))
					}
				}
			}
		}
	}
}

func same(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func TestNumbersComeBackBitByBit(t *testing.T) {
	third := 1.0 / 3
	for name, v := range map[string][]float64{
		"none": nil, "whole": {1, 2, -3}, "decimal": {0.1, 21.7, -0.001, 48.1375123}, "third": {third, 0.5},
		"negative zero": {math.Copysign(0, -1), 1}, "huge": {1e300, 1, 1 << 53, 1<<53 + 2}, "small": {5e-324},
		"wide": {1 << 45, 3}, "first block third": append(slices.Repeat([]float64{0.25}, 128), third),
	} {
		b := AppendNumbers(nil, v)
		got := make([]float64, len(v))
		rest, err := Numbers(got, b)
		if err != nil || len(rest) != 0 || !slices.EqualFunc(got, v, same) {
			t.Errorf("%s: %v became %v, %v", name, v, got, err)
		}
		ms := make([]int64, len(v))
		if scale, _, ok, err := Scaled(ms, b); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if ok {
			for i := range ms {
				if !same(float64(ms[i])/scale, v[i]) {
					t.Errorf("%s: scaled %d of %g for %g", name, ms[i], scale, v[i])
				}
			}
		}
	}
}

func TestExponentIsTheSmallestThatFitsAll(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want byte
	}{
		{[]float64{1, 2}, 0}, {[]float64{1, 2.5}, 1}, {[]float64{0.25, 2.5}, 2}, {[]float64{1.0 / 3, 2.5}, 1 | rawBit},
		{[]float64{1 << 41}, wideBit}, {[]float64{48.1375123}, 7},
	} {
		if b := AppendNumbers(nil, c.v); b[0] != c.want {
			t.Errorf("%v has head %x, want %x", c.v, b[0], c.want)
		}
	}
}

func TestTextsComeBack(t *testing.T) {
	for _, v := range [][]string{nil, {""}, {"a", "b", "a", "", "ü"}, slices.Repeat([]string{"on", "off"}, 200)} {
		b := AppendTexts(nil, v)
		got := make([]string, len(v))
		if rest, err := Texts(got, make([]int64, len(v)), b); err != nil || len(rest) != 0 || !slices.Equal(got, v) {
			t.Errorf("%q became %q, %v", v, got, err)
		}
	}
	if n := len(AppendTexts(nil, slices.Repeat([]string{"P0420"}, 2000))); n > 60 {
		t.Errorf("2,000 equal texts take %d bytes", n)
	}
}

func TestRowsComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, share := range []float64{0, 0.01, 0.2, 0.5, 0.9, 0.98, 1} {
		for _, of := range []int{1, 5, 128, 2160} {
			var rows []int64
			for r := range of {
				if rng.Float64() < share {
					rows = append(rows, int64(r))
				}
			}
			b := AppendRows(nil, rows, of)
			var s Set
			if err := s.Parse(b, of); err != nil || s.Len() != len(rows) || !slices.Equal(s.AppendTo(nil), rows) {
				t.Fatalf("%d of %d rows: %v", len(rows), of, err)
			}
			spread(t, &s, rows)
			if len(b) > 1+(of+7)/8 {
				t.Errorf("%d of %d rows take %d bytes", len(rows), of, len(b))
			}
		}
	}
}

// TestGapsAreReadInBothForms has the rows 2 and 7 of 100, that is gaps of 2 and 4
// in the bits 01 0 and 001 0 with a k of 1, as they are described.
func TestGapsAreReadInBothForms(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want []int64 // nil: malformed
	}{
		{[]byte{4, 2, 1, 0x22}, []int64{2, 7}}, {[]byte{6 | 1<<4, 0x22}, []int64{2, 7}}, {[]byte{6}, []int64{}},
		{[]byte{4, 1, 1, 0x22}, nil}, {[]byte{4, 3, 1, 0x22}, nil}, {[]byte{4 | 1<<4, 2, 1, 0x22}, nil}, {[]byte{8, 0x22}, nil},
		{[]byte{4, 2, 16, 0x22}, nil}, {[]byte{6 | 1<<4, 0x22, 0}, nil}, {[]byte{6, 0}, nil}, {[]byte{6 | 1<<4, 0x82}, nil},
		{[]byte{6 | 15<<4, 0x22, 0xff, 0xff}, nil}, {[]byte{1 << 4}, nil},
	} {
		var s Set
		err := s.Parse(c.b, 100)
		if got := s.AppendTo([]int64{}); (err == nil) != (c.want != nil) || err == nil && !slices.Equal(got, c.want) {
			t.Errorf("%x: rows %v, %v, want %v", c.b, got, err, c.want)
		}
	}
	if b := AppendRows(nil, []int64{2, 7}, 100); len(b) > 3 || b[0]&modeBits != theGaps {
		t.Errorf("two rows of 100 are %x", b)
	}
}

// spread checks what a set picks and where it puts values.
func spread(t *testing.T, s *Set, rows []int64) {
	t.Helper()
	all, out := make([]int64, s.Of), make([]float64, s.Of)
	for i := range all {
		all[i] = int64(i) * 3
	}
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = float64(r) + 0.5
	}
	picked := s.Pick(nil, all)
	s.Spread(out, values, -1)
	for i, r := range rows {
		if picked[i] != r*3 || out[r] != values[i] {
			t.Fatalf("row %d of %d: picked %d, put %v", r, s.Of, picked[i], out[r])
		}
		out[r] = -1
	}
	if i := slices.IndexFunc(out, func(x float64) bool { return x != -1 }); i >= 0 || len(picked) != len(rows) {
		t.Fatalf("row %d of %d is not in the set and has %v; %d picked of %d", i, s.Of, out[max(i, 0)], len(picked), len(rows))
	}
}

// FuzzColumns reads any bytes as everything without harm, and packs what they
// say as values so that it comes back.
func FuzzColumns(f *testing.F) {
	f.Add(uint16(3), AppendInts(nil, []int64{1, 5, 9}))
	f.Add(uint16(2), AppendNumbers(nil, []float64{0.5, 1.0 / 3}))
	f.Add(uint16(2), AppendTexts(nil, []string{"a", "b"}))
	f.Add(uint16(9), AppendRows(nil, []int64{1, 4}, 9))
	f.Add(uint16(100), []byte{theCounted, 2, 1, 0x25})
	f.Add(uint16(100), []byte{notGaps | 1<<gapBitsFrom, 0x25})
	f.Fuzz(func(t *testing.T, n uint16, b []byte) {
		count := int(n % 700)
		ints, numbers, texts := make([]int64, count), make([]float64, count), make([]string, count)
		if rest, err := Ints(ints, b); err == nil && len(rest) > len(b) {
			t.Fatal("more is left than there was")
		}
		_, _, _, _ = Scaled(ints, b)
		_, _ = Texts(texts, ints, b)
		_, _ = Numbers(numbers, b)
		var s Set
		if s.Parse(b, count) == nil {
			rows := s.AppendTo(nil)
			if !ascending(rows, count) || len(rows) != s.Len() {
				t.Fatalf("rows %v of %d", rows, count)
			}
			var again Set
			if err := again.Parse(AppendRows(nil, rows, count), count); err != nil || !slices.Equal(again.AppendTo(nil), rows) {
				t.Fatalf("rows %v of %d became %v, %v", rows, count, again, err)
			}
			spread(t, &s, rows)
		}
		var values []float64
		var words []int64
		for ; len(b) >= 8; b = b[8:] {
			w := binary.LittleEndian.Uint64(b)
			words = append(words, int64(w))
			if x := math.Float64frombits(w); !math.IsNaN(x) {
				values = append(values, x, float64(w%100000)/1000)
			}
		}
		got := make([]float64, len(values))
		if rest, err := Numbers(got, AppendNumbers(nil, values)); err != nil || len(rest) != 0 || !slices.EqualFunc(got, values, same) {
			t.Fatalf("%v became %v, %v", values, got, err)
		}
		back := make([]int64, len(words))
		if rest, err := Ints(back, AppendInts(nil, words)); err != nil || len(rest) != 0 || !slices.Equal(back, words) {
			t.Fatalf("%v became %v, %v", words, back, err)
		}
	})
}

// drive is a speed as a car sends it: every ten seconds, with one decimal.
func drive(n int) []float64 {
	rng := rand.New(rand.NewPCG(5, 6))
	v, out := 50.0, make([]float64, n)
	for i := range out {
		v = min(max(v+rng.NormFloat64(), 0), 100)
		out[i] = math.Round(v*10) / 10
	}
	return out
}

func BenchmarkNumbers(b *testing.B) {
	for _, n := range []int{120, 1024, 2160} {
		v := drive(n)
		packed := AppendNumbers(nil, v)
		each := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/value")
			b.ReportMetric(float64(len(packed))/float64(n), "B/value")
		}
		b.Run(fmt.Sprintf("encode=%d", n), func(b *testing.B) {
			var room []byte
			for b.Loop() {
				room = AppendNumbers(room[:0], v)
			}
			each(b)
		})
		b.Run(fmt.Sprintf("decode=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Numbers(v, packed); err != nil {
					b.Fatal(err)
				}
			}
			each(b)
		})
		b.Run(fmt.Sprintf("scaled=%d", n), func(b *testing.B) {
			ms := make([]int64, n)
			for b.Loop() {
				if _, _, ok, err := Scaled(ms, packed); err != nil || !ok {
					b.Fatal(err)
				}
			}
			each(b)
		})
	}
}

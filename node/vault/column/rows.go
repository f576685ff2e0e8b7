package column

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// How a set of row numbers is written, in the lower half of its first byte. The
// upper half is k of gaps that are not counted.
const (
	allRows     = iota // nothing follows
	theRows            // their count, and the numbers
	notRows            // the count of the others, and their numbers
	rowsBits           // a bit for each
	theCounted         // the count, k, and the gaps; only read
	notCounted         // the same of the others
	theGaps            // the gaps
	notGaps            // the gaps of the others
	modeBits    = 15
	gapBitsFrom = 4
)

// AppendRows packs a set of row numbers, ascending, out of [0, of), in the
// shortest way.
func AppendRows(b []byte, rows []int64, of int) []byte {
	if len(rows) == of {
		return append(b, allRows)
	}
	mode, gaps, list := byte(theRows), byte(theGaps), rows
	if len(rows) > of/2 {
		mode, gaps, list = notRows, notGaps, others(rows, of)
	}
	start := len(b)
	b = binary.AppendUvarint(append(b, mode), uint64(len(list)))
	b = AppendInts(b, list)
	best := len(b) - start
	if k, size := gapsOf(list); 1+size < best {
		b, best = appendGaps(append(b[:start], gaps|byte(k)<<gapBitsFrom), list, k), 1+size
	}
	if best <= 1+(of+7)/8 {
		return b
	}
	b = append(b[:start], rowsBits)
	b = append(b, make([]byte, (of+7)/8)...)
	for _, r := range rows {
		b[start+1+int(r>>3)] |= 1 << (r & 7)
	}
	return b
}

// others are the row numbers that are not in the set.
func others(rows []int64, of int) []int64 {
	out := make([]int64, 0, of-len(rows))
	for r := int64(0); r < int64(of); r++ {
		if len(rows) > 0 && rows[0] == r {
			rows = rows[1:]
		} else {
			out = append(out, r)
		}
	}
	return out
}

// Set is a set of row numbers out of [0, Of), as AppendRows wrote it.
type Set struct {
	Of   int
	All  bool    // Of all rows,
	Not  bool    // or of all but those listed,
	List []int64 // or of these, ascending
}

// Parse reads a set into s, whose list is reused.
func (s *Set) Parse(b []byte, of int) error {
	*s = Set{Of: of, List: s.List[:0]}
	if len(b) == 0 {
		return ErrMalformed
	}
	mode, k, b := b[0]&modeBits, uint(b[0]>>gapBitsFrom), b[1:]
	if k > 0 && mode != theGaps && mode != notGaps {
		return ErrMalformed
	}
	switch mode {
	case allRows:
		s.All = true
		if len(b) != 0 {
			return ErrMalformed
		}
		return nil
	case theRows, notRows:
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(of) {
			return ErrMalformed
		}
		s.Not = mode == notRows
		s.List = slices.Grow(s.List, int(n))[:n]
		rest, err := Ints(s.List, b[size:])
		if err != nil || len(rest) != 0 || !ascending(s.List, of) {
			return ErrMalformed
		}
		return nil
	case rowsBits:
		if len(b) != (of+7)/8 {
			return ErrMalformed
		}
		s.List = appendBits(s.List, b, of)
		return nil
	case theCounted, notCounted:
		s.Not = mode == notCounted
		return s.gaps(appendOfCounted(s.List, b, of))
	case theGaps, notGaps:
		s.Not = mode == notGaps
		return s.gaps(appendOfGaps(s.List, b, k, of))
	}
	return ErrMalformed
}

func (s *Set) gaps(list []int64, ok bool) error {
	if s.List = list; !ok {
		return ErrMalformed
	}
	return nil
}

// appendBits lists the set bits among the first n.
func appendBits(list []int64, b []byte, n int) []int64 {
	for at := 0; at < n; at += 64 {
		w := word(b[at>>3:])
		if n-at < 64 {
			w &= 1<<(n-at) - 1
		}
		for ; w != 0; w &= w - 1 {
			list = append(list, int64(at+bits.TrailingZeros64(w)))
		}
	}
	return list
}

// Rank says how many rows of the set are before a row. skip is how many listed
// ones are known to be before it, and next how many are.
func (s *Set) Rank(row, skip int) (rank, next int) {
	if s.All {
		return row, 0
	}
	if skip == 0 && row > 0 {
		skip, _ = slices.BinarySearch(s.List, int64(row))
	}
	for skip < len(s.List) && s.List[skip] < int64(row) {
		skip++
	}
	if s.Not {
		return row - skip, skip
	}
	return skip, skip
}

// Len is how many rows are in the set.
func (s *Set) Len() int {
	switch {
	case s.All:
		return s.Of
	case s.Not:
		return s.Of - len(s.List)
	}
	return len(s.List)
}

// AppendTo lists the rows.
func (s *Set) AppendTo(dst []int64) []int64 {
	switch {
	case s.All:
		for r := range s.Of {
			dst = append(dst, int64(r))
		}
		return dst
	case s.Not:
		at := int64(0)
		for _, r := range append(s.List, int64(s.Of)) {
			for ; at < r; at++ {
				dst = append(dst, at)
			}
			at = r + 1
		}
		return dst
	}
	return append(dst, s.List...)
}

// Pick appends of each row of the set what all says of it.
func (s *Set) Pick(dst, all []int64) []int64 {
	switch {
	case s.All:
		return append(dst, all[:s.Of]...)
	case s.Not:
		at := int64(0)
		for _, r := range s.List {
			dst = append(dst, all[at:r]...)
			at = r + 1
		}
		return append(dst, all[at:s.Of]...)
	}
	for _, r := range s.List {
		dst = append(dst, all[r])
	}
	return dst
}

// Spread puts the values of the rows of the set where they are among all rows,
// and gap where there are none. The two may not overlap.
func (s *Set) Spread(all, values []float64, gap float64) {
	switch {
	case s.All:
		copy(all, values)
	case s.Not:
		at := int64(0)
		for _, r := range s.List {
			values = values[copy(all[at:r], values):]
			all[r] = gap
			at = r + 1
		}
		copy(all[at:s.Of], values)
	default:
		for i := range all {
			all[i] = gap
		}
		for i, r := range s.List {
			all[r] = values[i]
		}
	}
}

func ascending(rows []int64, of int) bool {
	last := int64(-1)
	for _, r := range rows {
		if r <= last || r >= int64(of) {
			return false
		}
		last = r
	}
	return true
}

package column

import "encoding/binary"

// How a set of row numbers is written.
const (
	allRows  = iota // nothing follows
	theRows         // their count, and the numbers
	notRows         // the count of the others, and their numbers
	rowsBits        // a bit for each
)

// AppendRows packs a set of row numbers, ascending, out of [0, of).
func AppendRows(b []byte, rows []int64, of int) []byte {
	if len(rows) == of {
		return append(b, allRows)
	}
	mode, list := byte(theRows), rows
	if len(rows) > of/2 {
		mode, list = notRows, others(rows, of)
	}
	start := len(b)
	b = binary.AppendUvarint(append(b, mode), uint64(len(list)))
	b = AppendInts(b, list)
	if len(b)-start <= 1+(of+7)/8 {
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

// Rows appends the row numbers that AppendRows wrote to dst; all says that they
// are all of [0, of), and then nothing is appended.
func Rows(dst []int64, b []byte, of int) (rows []int64, all bool, err error) {
	if len(b) == 0 {
		return dst, false, ErrMalformed
	}
	mode, b := b[0], b[1:]
	switch mode {
	case allRows:
		if len(b) != 0 {
			return dst, false, ErrMalformed
		}
		return dst, true, nil
	case theRows, notRows:
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(of) {
			return dst, false, ErrMalformed
		}
		start := len(dst)
		for range n {
			dst = append(dst, 0)
		}
		rest, err := Ints(dst[start:], b[size:])
		if err != nil || len(rest) != 0 || !ascending(dst[start:], of) {
			return dst[:start], false, ErrMalformed
		}
		if mode == notRows {
			dst = append(dst[:start], others(dst[start:], of)...)
		}
		return dst, false, nil
	case rowsBits:
		if len(b) != (of+7)/8 {
			return dst, false, ErrMalformed
		}
		for r := range of {
			if b[r>>3]>>(r&7)&1 == 1 {
				dst = append(dst, int64(r))
			}
		}
		return dst, false, nil
	}
	return dst, false, ErrMalformed
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

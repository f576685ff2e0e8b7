package column

import (
	"encoding/binary"
	"math/bits"
)

// Gaps are row numbers, ascending, each as how many are between it and the one
// before: the part above the low k bits as so many zero bits and a one, then the
// k bits, all the lowest first. Every gap has a one bit, so zero bits that fill up
// the last byte are none. Of rows that are there by chance this is close to the
// least that is possible.
const mostLow = 15 // bits, so that k fits beside the mode

// gapsOf gives the best k for row numbers, and the bytes that they take.
func gapsOf(rows []int64) (k, size int) {
	least := -1
	for low := range mostLow + 1 {
		n, before := len(rows)*(low+1), int64(-1)
		for _, r := range rows {
			n += int((r - before - 1) >> low)
			before = r
		}
		if least >= 0 && n >= least {
			break
		}
		k, least = low, n
	}
	return k, (least + 7) / 8
}

// appendGaps writes the gaps.
func appendGaps(b []byte, rows []int64, k int) []byte {
	p, before := packer{b: b}, int64(-1)
	for _, r := range rows {
		gap := uint64(r - before - 1)
		before = r
		for zeros := gap >> k; ; zeros -= 32 {
			if p.width = uint(min(zeros, 32)); zeros <= 32 {
				p.width++
				p.put(1 << zeros)
				break
			}
			p.put(0)
		}
		if p.width = uint(k); k > 0 {
			p.put(gap & (1<<k - 1))
		}
	}
	return p.end()
}

// packer writes values of any width, the lowest bits first.
type packer struct {
	b     []byte
	width uint
	word  uint64
	used  uint
}

func (p *packer) put(x uint64) {
	p.word |= x << p.used
	if p.used += p.width; p.used < 64 {
		return
	}
	p.b = binary.LittleEndian.AppendUint64(p.b, p.word)
	p.used -= 64
	p.word = x >> (p.width - p.used) // a shift by 64 gives 0
}

func (p *packer) end() []byte {
	for ; p.used > 0; p.used -= min(p.used, 8) {
		p.b = append(p.b, byte(p.word))
		p.word >>= 8
	}
	return p.b
}

// appendOfCounted reads gaps behind their count and k.
func appendOfCounted(list []int64, b []byte, of int) (out []int64, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || len(b) <= size || b[size] > mostLow {
		return list, false
	}
	out, ok = appendOfGaps(list, b[size+1:], uint(b[size]), of)
	return out, ok && uint64(len(out)-len(list)) == n
}

// appendOfGaps reads what appendGaps wrote, of rows out of [0, of).
func appendOfGaps(list []int64, b []byte, k uint, of int) (out []int64, ok bool) {
	row, at, end := int64(-1), 0, 8*len(b)
	for {
		zeros := 0
		for {
			if at >= end {
				return list, zeros < 8
			}
			w := word(b[at>>3:]) >> (at & 7)
			if w != 0 {
				z := bits.TrailingZeros64(w)
				zeros, at = zeros+z, at+z+1
				break
			}
			step := min(64-at&7, end-at)
			zeros, at = zeros+step, at+step
		}
		low := int64(0)
		if k > 0 {
			if at+int(k) > end {
				return list, false
			}
			low = int64(word(b[at>>3:]) >> (at & 7) & (1<<k - 1))
			at += int(k)
		}
		if row += 1 + int64(zeros)<<k + low; row >= int64(of) {
			return list, false
		}
		list = append(list, row)
	}
}

// word reads eight bytes, or what there is of them.
func word(b []byte) (w uint64) {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	for i, x := range b {
		w |= uint64(x) << (8 * i)
	}
	return w
}

// Package column packs vectors of whole numbers, decimals, texts and row
// numbers into bytes, and reads them back exactly. It knows nothing of what
// they mean. docs/formats/vault-columns.md has the bytes.
package column

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
)

// blockLen is how many values share a width.
const blockLen = 128

// The first byte of a block: the width in its low seven bits, or rawBlock for
// eight bytes per value; deltaBit says that steps are packed, not values.
const (
	deltaBit = 0x80
	rawBlock = 0x7f
)

// ErrMalformed is what decoding meets on bytes that no encoder wrote.
var ErrMalformed = errors.New("column: malformed bytes")

// AppendInts packs whole numbers: blocks of 128, each as the distance from its
// smallest value, or as the distance of its steps from the smallest step,
// whichever is shorter.
func AppendInts(b []byte, v []int64) []byte {
	for len(v) > 0 {
		n := min(len(v), blockLen)
		b = appendBlock(b, v[:n])
		v = v[n:]
	}
	return b
}

func appendBlock(b []byte, v []int64) []byte {
	low, high := v[0], v[0]
	lowStep, highStep := int64(math.MaxInt64), int64(math.MinInt64)
	before := v[0]
	for _, x := range v[1:] {
		low, high = min(low, x), max(high, x)
		step := x - before // may wrap, and wraps back
		lowStep, highStep = min(lowStep, step), max(highStep, step)
		before = x
	}
	width := bits.Len64(uint64(high) - uint64(low))
	if len(v) > 2 {
		if steps := bits.Len64(uint64(highStep) - uint64(lowStep)); (len(v)-1)*steps+16 < len(v)*width {
			b = append(b, deltaBit|byte(steps))
			b = putVarint(b, v[0])
			b = putVarint(b, lowStep)
			var room [blockLen]int64
			each := room[:len(v)-1]
			for i := range each {
				each[i] = v[i+1] - v[i]
			}
			return pack(b, each, uint(steps), lowStep)
		}
	}
	b = putVarint(append(b, byte(width)), low)
	return pack(b, v, uint(width), low)
}

// pack writes values of one width, each less base, the lowest bits first.
func pack(b []byte, v []int64, width uint, base int64) []byte {
	if width == 0 {
		return b
	}
	start, size := len(b), (len(v)*int(width)+7)/8
	b = slices.Grow(b, size+8)
	out := b[start : start+size+8]
	word, used := uint64(0), uint(0)
	for _, d := range v {
		x := uint64(d) - uint64(base)
		word |= x << (used & 63)
		if used += width; used < 64 {
			continue
		}
		binary.LittleEndian.PutUint64(out, word)
		out = out[8:]
		used -= 64
		word = x >> (width - used) // a shift by 64 gives 0
	}
	binary.LittleEndian.PutUint64(out, word)
	return b[:start+size]
}

func putVarint(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

func varint(b []byte) (int64, []byte, bool) {
	u, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return int64(u>>1) ^ -int64(u&1), b[n:], true
}

// Ints reads len(dst) numbers that AppendInts wrote and gives what follows.
func Ints(dst []int64, b []byte) (rest []byte, err error) {
	for len(dst) > 0 {
		n := min(len(dst), blockLen)
		if b, err = block(dst[:n], b); err != nil {
			return nil, err
		}
		dst = dst[n:]
	}
	return b, nil
}

// block reads one block.
func block(dst []int64, b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, ErrMalformed
	}
	head := b[0]
	width := uint(head &^ deltaBit)
	base, b, ok := varint(b[1:])
	if !ok || width > 64 {
		return nil, ErrMalformed
	}
	if head&deltaBit == 0 {
		size := (len(dst)*int(width) + 7) / 8
		if size > len(b) {
			return nil, ErrMalformed
		}
		unpack(dst, b, width, base)
		return b[size:], nil
	}
	step, b, ok := varint(b)
	size := ((len(dst)-1)*int(width) + 7) / 8
	if !ok || size > len(b) {
		return nil, ErrMalformed
	}
	dst[0] = base
	unpack(dst[1:], b, width, step)
	for i := 1; i < len(dst); i++ {
		base += dst[i]
		dst[i] = base
	}
	return b[size:], nil
}

// unpack reads values of a width, to each of which base is added. It looks at
// eight bytes at a time where there are so many, also of what follows.
func unpack(dst []int64, b []byte, width uint, base int64) {
	mask := uint64(1)<<width - 1
	i := 0
	switch {
	case width == 0:
		for i := range dst {
			dst[i] = base
		}
		return
	case width <= 8:
		for ; i+8 <= len(dst) && len(b) >= 8; i += 8 {
			w := binary.LittleEndian.Uint64(b)
			d := dst[i : i+8 : i+8]
			d[0] = base + int64(w&mask)
			d[1] = base + int64(w>>width&mask)
			d[2] = base + int64(w>>(2*width)&mask)
			d[3] = base + int64(w>>(3*width)&mask)
			d[4] = base + int64(w>>(4*width)&mask)
			d[5] = base + int64(w>>(5*width)&mask)
			d[6] = base + int64(w>>(6*width)&mask)
			d[7] = base + int64(w>>(7*width)&mask)
			b = b[width:]
		}
	case width <= 16:
		half := width & 1 * 4
		for ; i+8 <= len(dst) && len(b) >= 16; i += 8 {
			w := binary.LittleEndian.Uint64(b)
			x := binary.LittleEndian.Uint64(b[width/2:]) >> half
			d := dst[i : i+8 : i+8]
			d[0] = base + int64(w&mask)
			d[1] = base + int64(w>>width&mask)
			d[2] = base + int64(w>>(2*width)&mask)
			d[3] = base + int64(w>>(3*width)&mask)
			d[4] = base + int64(x&mask)
			d[5] = base + int64(x>>width&mask)
			d[6] = base + int64(x>>(2*width)&mask)
			d[7] = base + int64(x>>(3*width)&mask)
			b = b[width:]
		}
	case width <= 56:
		for at := uint(0); i < len(dst) && at>>3+8 <= uint(len(b)); i++ {
			dst[i] = base + int64(binary.LittleEndian.Uint64(b[at>>3:])>>(at&7)&mask)
			at += width
		}
		b = b[uint(i)*width>>3:]
		tail(dst[i:], b, uint(i)*width&7, width, base)
		return
	}
	tail(dst[i:], b, 0, width, base)
}

// tail reads values near the end of the bytes, or wide ones.
func tail(dst []int64, b []byte, at, width uint, base int64) {
	if len(dst) == 0 {
		return
	}
	if end := at + uint(len(dst))*width; width <= 56 && end <= 128+16 {
		var room [32]byte // so that eight bytes can be looked at everywhere
		copy(room[:], b)
		mask := uint64(1)<<width - 1
		for i := range dst {
			dst[i] = base + int64(binary.LittleEndian.Uint64(room[at>>3:])>>(at&7)&mask)
			at += width
		}
		return
	}
	for i := range dst {
		x := uint64(0)
		for got := uint(0); got < width; {
			take := min(8-at&7, width-got)
			x |= uint64(b[at>>3]>>(at&7)) & (1<<take - 1) << got
			got, at = got+take, at+take
		}
		dst[i] = base + int64(x)
	}
}

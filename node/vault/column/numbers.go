package column

import (
	"encoding/binary"
	"math"
)

// Numbers are written as m / 10^e with one e for all: the smallest with which
// every number comes back bit by bit. Its byte comes first. Where some numbers
// are no such decimals, their block is raw and rawBit is set; wideBit is set
// where an m is so large that sums of them may not fit.
const (
	maxExponent = 9
	rawBit      = 0x80
	wideBit     = 0x40
	exact       = 1 << 53
	wide        = 1 << 40
)

var pow10 = [maxExponent + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// scaled gives m where f is exactly m / p.
func scaled(f, p float64) (int64, bool) {
	x := f * p
	if !(x > -exact && x < exact) {
		return 0, false
	}
	m := int64(math.RoundToEven(x))
	return m, math.Float64bits(float64(m)/p) == math.Float64bits(f)
}

// exponentOf gives the smallest exponent for all decimals among the numbers.
func exponentOf(v []float64) (e int) {
	p := pow10[0]
	for _, f := range v {
		if _, ok := scaled(f, p); ok {
			continue
		}
		for k := e + 1; k <= maxExponent; k++ {
			if _, ok := scaled(f, pow10[k]); ok {
				e, p = k, pow10[k]
				break
			}
		}
	}
	return e
}

// AppendNumbers packs numbers.
func AppendNumbers(b []byte, v []float64) []byte {
	e := exponentOf(v)
	head := len(b)
	b = append(b, byte(e))
	p := pow10[e]
	var ms [blockLen]int64
	for len(v) > 0 {
		n := min(len(v), blockLen)
		ok := true
		for i, f := range v[:n] {
			var fits bool
			if ms[i], fits = scaled(f, p); !fits {
				ok = false
				break
			}
			if ms[i] <= -wide || ms[i] >= wide {
				b[head] |= wideBit
			}
		}
		if ok {
			b = appendBlock(b, ms[:n])
		} else {
			b[head] |= rawBit
			b = append(b, rawBlock)
			for _, f := range v[:n] {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
			}
		}
		v = v[n:]
	}
	return b
}

// Scaled reads len(dst) numbers as whole ones to be divided by scale. It
// answers ok false, and nothing else, where [Numbers] must be used: some are no
// decimals, or their sum might not fit.
func Scaled(dst []int64, b []byte) (scale float64, rest []byte, ok bool, err error) {
	if len(b) == 0 || b[0]&^(rawBit|wideBit) > maxExponent {
		return 0, nil, false, ErrMalformed
	}
	if b[0]&(rawBit|wideBit) != 0 {
		return 0, nil, false, nil
	}
	rest, err = Ints(dst, b[1:])
	return pow10[b[0]], rest, err == nil, err
}

// Numbers reads len(dst) numbers that AppendNumbers wrote and gives what
// follows.
func Numbers(dst []float64, b []byte) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, ErrMalformed
	}
	return numbers(dst, b[0], b[1:])
}

// numbers reads blocks of numbers behind their head.
func numbers(dst []float64, head byte, b []byte) (rest []byte, err error) {
	if head&^(rawBit|wideBit) > maxExponent {
		return nil, ErrMalformed
	}
	p := pow10[head&^(rawBit|wideBit)]
	var ms [blockLen]int64
	for len(dst) > 0 {
		n := min(len(dst), blockLen)
		d := dst[:n]
		if len(b) > 0 && b[0] == rawBlock {
			if b = b[1:]; len(b) < 8*n {
				return nil, ErrMalformed
			}
			for i := range d {
				d[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
			}
			b = b[8*n:]
		} else {
			if b, err = block(ms[:n], b); err != nil {
				return nil, err
			}
			if p == 1 {
				for i := range d {
					d[i] = float64(ms[i])
				}
			} else {
				for i := range d {
					d[i] = float64(ms[i]) / p
				}
			}
		}
		dst = dst[n:]
	}
	return b, nil
}

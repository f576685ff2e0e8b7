package column

import (
	"encoding/binary"
	"math"
	"slices"
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

// sample is of how many numbers the exponent is mostly that of all.
const sample = 16

// AppendNumbers packs numbers.
func AppendNumbers(b []byte, v []float64) []byte {
	head := len(b)
	e := exponentOf(v[:min(len(v), sample)])
	b, ok := appendDecimals(append(b, byte(e)), v, head, false)
	if ok {
		return b
	}
	b, _ = appendDecimals(append(b[:head], byte(exponentOf(v))), v, head, true)
	return b
}

// appendDecimals writes blocks of numbers behind their head. Those that are not
// decimals of its exponent become raw ones, or end it.
func appendDecimals(b []byte, v []float64, head int, raw bool) (_ []byte, all bool) {
	p := pow10[b[head]]
	var ms [blockLen]int64
	for len(v) > 0 {
		n := min(len(v), blockLen)
		some := v[:n]
		at, large := 0, int64(0)
		for i, f := range some {
			m, fits := scaled(f, p)
			if !fits {
				break
			}
			ms[i] = m
			large |= m ^ m>>63
			at++
		}
		if large >= wide-1 && isWide(ms[:at]) {
			b[head] |= wideBit
		}
		switch {
		case at == n:
			b = appendBlock(b, ms[:n])
		case !raw:
			return b, false
		default:
			b[head] |= rawBit
			b = append(b, rawBlock)
			for _, f := range some {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
			}
		}
		v = v[n:]
	}
	return b, true
}

// isWide says whether sums of some numbers may not fit.
func isWide(ms []int64) bool {
	return slices.ContainsFunc(ms, func(m int64) bool { return m <= -wide || m >= wide })
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

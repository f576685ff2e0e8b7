package vault

import (
	"encoding/binary"
	"errors"
	"math"

	"sayso"
)

// errShort is what decoding meets on bytes that are not what was encoded.
var errShort = errors.New("vault: malformed block")

// reader takes values off a byte slice; after the first failure every further
// value is zero and bad stays set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// take gives the next n bytes without copying.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

// bytes gives the next length-prefixed bytes without copying.
func (r *reader) bytes() []byte { return r.take(r.uvarint()) }

func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) u32() uint32 {
	if p := r.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if p := r.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// count reads a number of elements, each of which takes at least min bytes, so
// that malformed input cannot make a decoder allocate more than it deserves.
func (r *reader) count(min int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/min) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func putBytes[T ~[]byte | ~string](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func putVarint(b []byte, v int64) []byte {
	return binary.AppendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

// A number is written as the shortest decimal that gives exactly the same bits
// back: a form byte, then an integer m with the value m / 10^form; or form 15
// and the eight bytes of IEEE 754.
const (
	maxDecimals = 9
	formRaw     = 15
)

var pow10 = [maxDecimals + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// decimalOf finds the form of a number.
func decimalOf(f float64) (m int64, form byte) {
	const limit = 1 << 53
	for k := range pow10 {
		x := f * pow10[k]
		if !(x > -limit && x < limit) {
			break
		}
		m = int64(math.RoundToEven(x))
		if math.Float64bits(float64(m)/pow10[k]) == math.Float64bits(f) {
			return m, byte(k)
		}
	}
	return 0, formRaw
}

// The low four bits of a value's head are the form of its number, the high
// four its kind. A position carries its own four forms.
func putValue(b []byte, v *sayso.Value) []byte {
	switch v.Kind {
	case sayso.Text:
		return putBytes(append(b, byte(v.Kind)<<4), v.Text)
	case sayso.Position:
		b = append(b, byte(v.Kind)<<4)
		for _, f := range [...]float64{v.Location.Latitude, v.Location.Longitude, v.Location.HDOP, v.Location.Heading} {
			m, form := decimalOf(f)
			b = putNumber(append(b, form), f, m, form)
		}
		return b
	default:
		m, form := decimalOf(v.Number)
		return putNumber(append(b, byte(sayso.Number)<<4|form), v.Number, m, form)
	}
}

func putNumber(b []byte, f float64, m int64, form byte) []byte {
	if form == formRaw {
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	return putVarint(b, m)
}

func (r *reader) number(form byte) float64 {
	if form == formRaw {
		return math.Float64frombits(r.u64())
	}
	if form > maxDecimals {
		r.bad = true
		return 0
	}
	m := r.varint()
	if form == 0 {
		return float64(m)
	}
	return float64(m) / pow10[form]
}

// value reads a value; want false skips it without building a string.
func (r *reader) value(v *sayso.Value, want bool) {
	head := r.byte()
	switch sayso.Kind(head >> 4) {
	case sayso.Number:
		v.Kind, v.Number = sayso.Number, r.number(head&15)
	case sayso.Text:
		v.Kind = sayso.Text
		if p := r.bytes(); want {
			v.Text = string(p)
		}
	case sayso.Position:
		v.Kind = sayso.Position
		v.Location.Latitude = r.number(r.byte())
		v.Location.Longitude = r.number(r.byte())
		v.Location.HDOP = r.number(r.byte())
		v.Location.Heading = r.number(r.byte())
	default:
		r.bad = true
	}
}

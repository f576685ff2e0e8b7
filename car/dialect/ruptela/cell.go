package ruptela

import (
	"fmt"

	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

// cell is the value of a field in a message.
type cell struct {
	state  state
	number int64
	value  jsonscan.Value
}

type state uint8

const (
	absent state = iota
	given
	none // the tracker says that there is no value
	bad
)

// read reads a value: hexadecimal digits of a number of at most so many bytes,
// or, for a field without bytes, a number.
func (s slot) read(v jsonscan.Value) cell {
	if s.bytes == 0 {
		n, ok := v.Int()
		switch {
		case v.Missing():
			return cell{state: absent}
		case !ok || v.Kind != jsonscan.Number:
			return cell{state: bad, value: v}
		}
		return cell{state: given, number: n}
	}
	raw, ok := hexadecimal(v)
	top := int64(1) << (8 * s.bytes)
	switch {
	case !ok || raw >= uint64(top):
		return cell{state: bad, value: v}
	case s.signed && int64(raw) >= top/2:
		return cell{state: given, number: int64(raw) - top}
	case !s.signed && int64(raw) == top-1:
		return cell{state: none}
	}
	return cell{state: given, number: int64(raw)}
}

// reason says why a value cannot be read.
func (c *cell) reason(s slot) string {
	if s.bytes == 0 {
		return fmt.Sprintf("want a whole number, got %s", message.Clip(string(c.value.Raw)))
	}
	return notHexadecimal(c.value, s.bytes)
}

func notHexadecimal(v jsonscan.Value, bytes int) string {
	if v.Kind != jsonscan.String {
		return "want a text of hexadecimal digits, got " + v.Kind.String()
	}
	return fmt.Sprintf("%q is not a number of %d bytes in hexadecimal digits", message.Clip(string(v.Raw)), bytes)
}

// place is the name of a field in messages.
func (s slot) place() string {
	if s.bytes == 0 {
		return s.name
	}
	return "OID " + s.name
}

// hexadecimal reads a text of 1 to 16 hexadecimal digits.
func hexadecimal(v jsonscan.Value) (n uint64, ok bool) {
	if v.Kind != jsonscan.String || len(v.Raw) == 0 || len(v.Raw) > 16 {
		return 0, false
	}
	for _, c := range v.Raw {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint64(c)
	}
	return n, true
}

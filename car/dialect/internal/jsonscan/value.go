package jsonscan

import "strconv"

// Value is a value as it stands: a text without quotes and escapes, anything
// else as written. The kind is None where there is none.
type Value struct {
	Kind Kind
	Raw  []byte
}

// Value takes any value.
func (c *Cursor) Value() Value {
	kind := c.Kind()
	if kind == String {
		return Value{kind, c.Text()}
	}
	return Value{kind, c.Skip()}
}

// Take takes any value and keeps it in v if v has none yet: of members with
// the same name the first counts.
func (c *Cursor) Take(v *Value) {
	if next := c.Value(); v.Kind == None {
		*v = next
	}
}

// Missing says that there is no value, or null.
func (v Value) Missing() bool { return v.Kind == None || v.Kind == Null }

// Numeric says whether the value is a number, or a text that is one in the
// syntax of JSON.
func (v Value) Numeric() bool { return v.Kind == Number || v.Kind == String && IsNumber(v.Raw) }

// Float reads a numeric value. It fails where the number is too large.
func (v Value) Float() (float64, error) {
	if n, ok := v.Int(); ok && (n != 0 || v.Raw[0] != '-') {
		return float64(n), nil
	}
	return strconv.ParseFloat(string(v.Raw), 64)
}

// Int reads a numeric value without fraction and exponent of at most 15
// digits.
func (v Value) Int() (n int64, ok bool) {
	digits := v.Raw
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// Cursor starts at the beginning of an object or list that was taken. It was
// checked when it was taken.
func (v Value) Cursor() Cursor { return Cursor{text: v.Raw} }

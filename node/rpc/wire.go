package rpc

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxNesting is how deep the alternatives of a filter may go.
const maxNesting = 5

// errWire says that bytes are not a message of the form that is expected.
var errWire = errors.New("not a message of this form")

// field is one field of a message on the wire: a number, or bytes.
type field struct {
	n    protowire.Number
	kind protowire.Type
	num  uint64
	text []byte
}

// fields reads a message field by field. Unknown ones are passed on too.
func fields(b []byte, each func(f field) error) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errWire
		}
		b = b[size:]
		f := field{n: n, kind: kind}
		switch kind {
		case protowire.BytesType:
			f.text, size = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			f.num, size = protowire.ConsumeVarint(b)
		default:
			size = protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 {
			return errWire
		}
		b = b[size:]
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// is says whether a field has a number and a kind; a field of another kind is
// unknown.
func (f field) is(n protowire.Number, kind protowire.Type) bool { return f.n == n && f.kind == kind }

// sub says whether a field is a message or a text of that number.
func (f field) sub(n protowire.Number) bool { return f.is(n, protowire.BytesType) }

// string reads a text.
func (f field) string(into *string) error {
	if !utf8.Valid(f.text) {
		return fmt.Errorf("field %d is not UTF-8: %w", f.n, errWire)
	}
	*into = string(f.text)
	return nil
}

func (f field) add(to *[]string) error {
	var s string
	err := f.string(&s)
	*to = append(*to, s)
	return err
}

// instant reads a google.protobuf.Timestamp into what is there of it.
func (f field) instant(into *time.Time) error {
	seconds, nanos := int64(0), int64(0)
	if !into.IsZero() {
		seconds, nanos = into.Unix(), int64(into.Nanosecond())
	}
	err := fields(f.text, func(f field) error {
		switch {
		case f.is(1, protowire.VarintType):
			seconds = int64(f.num)
		case f.is(2, protowire.VarintType):
			nanos = int64(int32(f.num))
		}
		return nil
	})
	const first, last = -62_135_596_800, 253_402_300_799 // the years 1 to 9999
	if err == nil && (seconds < first || seconds > last || nanos < 0 || nanos >= 1e9) {
		err = fmt.Errorf("field %d is no time: %w", f.n, errWire)
	}
	*into = time.Unix(seconds, nanos).UTC()
	return err
}

// wrapped reads a google.protobuf.StringValue.
func (f field) wrapped(into *string) error {
	return fields(f.text, func(f field) error {
		if f.sub(1) {
			return f.string(into)
		}
		return nil
	})
}

// out writes a message.
type out []byte

func (b *out) bytes(n protowire.Number, v []byte) {
	*b = protowire.AppendTag(*b, n, protowire.BytesType)
	*b = protowire.AppendBytes(*b, v)
}

// string writes a text unless it is empty.
func (b *out) string(n protowire.Number, s string) {
	if s != "" {
		*b = protowire.AppendTag(*b, n, protowire.BytesType)
		*b = protowire.AppendString(*b, s)
	}
}

func (b *out) number(n protowire.Number, v uint64) {
	if v != 0 {
		*b = protowire.AppendTag(*b, n, protowire.VarintType)
		*b = protowire.AppendVarint(*b, v)
	}
}

// message writes a message that is there, also if it is empty.
func (b *out) message(n protowire.Number, write func(b *out)) {
	var in out
	write(&in)
	b.bytes(n, in)
}

func (b *out) instant(n protowire.Number, t time.Time) {
	b.message(n, func(b *out) {
		b.number(1, uint64(t.Unix()))
		b.number(2, uint64(t.Nanosecond()))
	})
}

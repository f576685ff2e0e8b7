// Package jsonscan reads JSON (RFC 8259) in one pass, without building a tree.
//
// A [Cursor] walks over a text: the caller opens an object or list, asks for
// one member or element after the other, and must take each value before it
// asks for the next. What is skipped is checked as strictly as what is read,
// so that a text without an error at [Cursor.End] is valid JSON as a whole.
// The first error stays; after it every question is answered with nothing.
package jsonscan

import (
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how deep objects and lists may be nested.
const MaxDepth = 32

// Kind is what the next value is.
type Kind uint8

// The kinds. None is the end of the text or a byte that starts no value.
const (
	None Kind = iota
	Object
	Array
	String
	Number
	Bool
	Null
)

// String is the word for a kind in messages.
func (k Kind) String() string {
	return [...]string{"nothing", "an object", "a list", "a text", "a number", "a boolean", "null"}[k]
}

// Cursor is a place in a JSON text. Slices that it returns point into the text
// where they can; nobody may change them.
type Cursor struct {
	text  []byte
	pos   int
	depth int
	fresh bool // just after the bracket that opened
	err   error
}

// New starts at the beginning of a text. The text must be UTF-8.
func New(text []byte) Cursor {
	c := Cursor{text: text}
	if !utf8.Valid(text) {
		c.fail("the text is not UTF-8")
	}
	return c
}

// Err is the first error, in words for the sender.
func (c *Cursor) Err() error { return c.err }

func (c *Cursor) fail(why string) {
	if c.err == nil {
		c.err = fmt.Errorf("not valid JSON at byte %d: %s", c.pos, why)
	}
	c.pos = len(c.text)
}

// peek skips white space and returns the next byte, 0 at the end.
func (c *Cursor) peek() byte {
	if c.pos < len(c.text) && c.text[c.pos] > ' ' {
		return c.text[c.pos]
	}
	return c.peekOverSpace()
}

func (c *Cursor) peekOverSpace() byte {
	for c.pos < len(c.text) {
		switch b := c.text[c.pos]; b {
		case ' ', '\n', '\t', '\r':
			c.pos++
		default:
			return b
		}
	}
	return 0
}

// Kind looks at the next value without taking it.
func (c *Cursor) Kind() Kind {
	switch b := c.peek(); {
	case b == '{':
		return Object
	case b == '[':
		return Array
	case b == '"':
		return String
	case b == '-' || '0' <= b && b <= '9':
		return Number
	case b == 't' || b == 'f':
		return Bool
	case b == 'n':
		return Null
	}
	return None
}

// Open takes the bracket of an object or list, whichever is next, and says
// whether there was one.
func (c *Cursor) Open() bool {
	if b := c.peek(); b != '{' && b != '[' {
		c.fail("want an object or a list")
		return false
	}
	if c.depth == MaxDepth {
		c.fail(fmt.Sprintf("nested deeper than %d", MaxDepth))
		return false
	}
	c.pos++
	c.depth++
	c.fresh = true
	return true
}

// more goes to the next item of a container, or takes its closing bracket.
func (c *Cursor) more(closing byte) bool {
	if c.err != nil {
		return false
	}
	b := c.peek()
	if b == closing {
		c.pos++
		c.depth--
		c.fresh = false
		return false
	}
	if c.fresh {
		c.fresh = false
		return true
	}
	if b != ',' {
		c.fail("want a comma or a closing bracket")
		return false
	}
	c.pos++
	return true
}

// Member takes the name of the next member of the open object. After the last
// one it takes the closing bracket and says false.
func (c *Cursor) Member() (name []byte, ok bool) {
	if !c.more('}') {
		return nil, false
	}
	if c.peek() != '"' {
		c.fail("want the name of a member")
		return nil, false
	}
	name = c.Text()
	if c.peek() != ':' {
		c.fail("want a colon")
		return nil, false
	}
	c.pos++
	return name, true
}

// Element goes to the next element of the open list. After the last one it
// takes the closing bracket and says false.
func (c *Cursor) Element() bool { return c.more(']') }

// Text takes a string and returns it without quotes and escapes.
func (c *Cursor) Text() []byte {
	if c.peek() != '"' {
		c.fail("want a text")
		return nil
	}
	start := c.pos + 1
	i := start + plain(c.text[start:])
	if i == len(c.text) {
		c.pos = i
		c.fail("the text does not end")
		return nil
	}
	if c.text[i] != '"' {
		return c.escapedText(start, i)
	}
	c.pos = i + 1
	return c.text[start:i]
}

// escapedText goes on with a string at its first escape or control character.
func (c *Cursor) escapedText(start, i int) []byte {
	for ; i < len(c.text); i++ {
		switch b := c.text[i]; {
		case b == '"':
			c.pos = i + 1
			return unescape(c.text[start:i])
		case b == '\\':
			n := escape(c.text[i:])
			if n == 0 {
				c.pos = i
				c.fail("unknown escape")
				return nil
			}
			i += n - 1
		case b < ' ':
			c.pos = i
			c.fail("control character in a text")
			return nil
		}
	}
	c.pos = len(c.text)
	c.fail("the text does not end")
	return nil
}

// Digits takes a number and returns it as written.
func (c *Cursor) Digits() []byte {
	c.peek()
	n := numberLen(c.text[c.pos:])
	if n == 0 {
		c.fail("want a number")
		return nil
	}
	d := c.text[c.pos : c.pos+n]
	c.pos += n
	return d
}

// Skip takes any value and returns it as written.
func (c *Cursor) Skip() []byte {
	kind := c.Kind()
	start := c.pos
	switch kind {
	case Object:
		if c.Open() {
			for _, ok := c.Member(); ok; _, ok = c.Member() {
				c.Skip()
			}
		}
	case Array:
		if c.Open() {
			for c.Element() {
				c.Skip()
			}
		}
	case String:
		c.Text()
	case Number:
		c.Digits()
	case Bool, Null:
		c.word()
	default:
		c.fail("want a value")
	}
	if c.err != nil {
		return nil
	}
	return c.text[start:c.pos]
}

func (c *Cursor) word() {
	for _, w := range [...]string{"true", "false", "null"} {
		if len(c.text)-c.pos >= len(w) && string(c.text[c.pos:c.pos+len(w)]) == w {
			c.pos += len(w)
			return
		}
	}
	c.fail("want true, false or null")
}

// End says whether the text ends here and was valid to the end.
func (c *Cursor) End() error {
	if c.err == nil {
		c.peek()
		if c.pos < len(c.text) || c.depth > 0 {
			c.fail("something follows the value")
		}
	}
	return c.err
}

// Valid says why a text is not one JSON value, or nil.
func Valid(text []byte) error {
	c := New(text)
	c.Skip()
	return c.End()
}

package replay

import (
	"math"
	"strconv"
	"strings"
)

// scanner walks through one line of a DBC file; blanks never matter.
type scanner struct {
	text string
	at   int
}

func (c *scanner) blank() {
	for c.at < len(c.text) && (c.text[c.at] == ' ' || c.text[c.at] == '\t') {
		c.at++
	}
}

// word takes what is up to the next blank.
func (c *scanner) word() string {
	c.blank()
	from := c.at
	for c.at < len(c.text) && c.text[c.at] != ' ' && c.text[c.at] != '\t' {
		c.at++
	}
	return c.text[from:c.at]
}

// name takes letters, digits and underscores.
func (c *scanner) name() string {
	c.blank()
	from := c.at
	for c.at < len(c.text) {
		b := c.text[c.at]
		if b != '_' && (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') {
			break
		}
		c.at++
	}
	return c.text[from:c.at]
}

// take takes one character if it is next.
func (c *scanner) take(b byte) bool {
	c.blank()
	if c.at < len(c.text) && c.text[c.at] == b {
		c.at++
		return true
	}
	return false
}

// after takes a character and the finite number that follows.
func (c *scanner) after(b byte) (float64, bool) {
	if !c.take(b) {
		return 0, false
	}
	c.blank()
	from := c.at
	for c.at < len(c.text) && strings.IndexByte("+-.0123456789eE", c.text[c.at]) >= 0 {
		c.at++
	}
	f, err := strconv.ParseFloat(c.text[from:c.at], 64)
	return f, err == nil && !math.IsInf(f, 0)
}

// quoted takes a text in quotes, in which a backslash keeps the next
// character from being special.
func (c *scanner) quoted() (string, bool) {
	if !c.take('"') {
		return "", false
	}
	var b strings.Builder
	for ; c.at < len(c.text); c.at++ {
		switch ch := c.text[c.at]; {
		case ch == '"':
			c.at++
			return b.String(), true
		case ch == '\\' && c.at+1 < len(c.text):
			c.at++
			b.WriteByte(c.text[c.at])
		default:
			b.WriteByte(ch)
		}
	}
	return "", false
}

// done says whether only blanks are left.
func (c *scanner) done() bool {
	c.blank()
	return c.at == len(c.text)
}

func (c *scanner) rest() string { return c.text[c.at:] }

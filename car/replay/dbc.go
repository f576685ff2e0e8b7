package replay

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Table is what a DBC file says about the messages of a bus.
type Table struct {
	Messages []*BusMessage
}

// BusMessage is a `BO_` entry.
type BusMessage struct {
	Number  uint32 // as in the file
	Name    string
	Length  int // bytes
	Signals []*Signal
}

// Signal is an `SG_` entry.
type Signal struct {
	Name     string
	Start    int // bit of the file's numbering, see [Signal.Raw]
	Length   int // bits, 1 to 64
	Little   bool
	Signed   bool
	Float    bool // IEEE 754 of 32 or 64 bits
	Scale    float64
	Offset   float64
	Min, Max float64 // both 0: no range
	Unit     string

	Multiplexor bool     // selects among the others
	Selector    string   // the name of the signal that selects this one; empty if none
	Selected    []Choice // the selector's values with which this one is present
}

// Choice is a range of values, both ends included.
type Choice struct{ From, To uint64 }

// Flags in BusMessage.Number.
const (
	extendedFlag = 0x8000_0000
	pagedFlag    = 0x4000_0000
	noFrame      = 0xc000_0000 // signals that belong to no message
)

// Address says which frames a message comes in. A number with bit 31 has a
// 29-bit identifier. A number with bit 30 alone names a page: the identifier
// is its low 16 bits, and the first byte of the frame must be bits 16 to 23.
// (opendbc's Toyota tables are written so; every such entry agrees with the
// frames recorded from a RAV4.) Numbers above 11 bits without either flag are
// taken for 29-bit identifiers, which many tables forget to flag. Ok is false
// for the number that means no message.
func (m *BusMessage) Address() (id uint32, extended bool, page int, ok bool) {
	switch n := m.Number; {
	case n == noFrame:
		return 0, false, -1, false
	case n&extendedFlag != 0:
		return n & idMask, true, -1, true
	case n&pagedFlag != 0:
		id = n & 0xffff
		return id, id > 0x7ff, int(n >> 16 & 0xff), true
	case n > 0x7ff:
		return n & idMask, true, -1, true
	default:
		return n, false, -1, true
	}
}

// Signal finds a signal by name; nil if there is none.
func (m *BusMessage) Signal(name string) *Signal {
	i := slices.IndexFunc(m.Signals, func(s *Signal) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return m.Signals[i]
}

// Message finds a message by name; nil if there is none.
func (t *Table) Message(name string) *BusMessage {
	i := slices.IndexFunc(t.Messages, func(m *BusMessage) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return t.Messages[i]
}

// byNumber finds a message; nil if there is none.
func (t *Table) byNumber(n uint32) *BusMessage {
	i := slices.IndexFunc(t.Messages, func(m *BusMessage) bool { return m.Number == n })
	if i < 0 {
		return nil
	}
	return t.Messages[i]
}

// ParseDBC reads a DBC table. It is tolerant: entries that play no part in
// decoding are passed over, and an entry that is wrong costs only itself and
// is returned as a problem. The name is that of the file, for the problems.
func ParseDBC(name, text string) (*Table, []Problem) {
	p := &dbcParser{file: name, table: &Table{}}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		p.line = i + 1
		p.scan = scanner{text: strings.TrimRight(lines[i], "\r")}
		keyword := p.scan.word()
		if err := p.entry(keyword); err != nil {
			p.problems = append(p.problems, Problem{File: name, Line: i + 1, Why: keyword + ": " + err.Error()})
		}
		if strings.HasSuffix(keyword, "_") && keyword != "BO_" && keyword != "SG_" && keyword != "NS_" && keyword != "BU_" && keyword != "BS_" {
			i = endOfStatement(lines, i)
		}
	}
	for _, m := range p.table.Messages {
		p.problems = append(p.problems, p.settle(m)...)
	}
	return p.table, p.problems
}

// endOfStatement returns the line on which a text in quotes that begins on
// line i ends. A quote that is never closed ends on its own line.
func endOfStatement(lines []string, i int) int {
	open := false
	for k := i; k < len(lines); k++ {
		for c := 0; c < len(lines[k]); c++ {
			switch lines[k][c] {
			case '\\':
				if open {
					c++
				}
			case '"':
				open = !open
			}
		}
		if !open {
			return k
		}
	}
	return i
}

type dbcParser struct {
	file     string
	line     int
	scan     scanner
	table    *Table
	last     *BusMessage
	skipping bool // inside a message that was wrong
	problems []Problem
}

func (p *dbcParser) entry(keyword string) error {
	switch keyword {
	case "BO_":
		p.last, p.skipping = nil, true
		m, err := p.message()
		if err != nil {
			return err
		}
		p.last, p.skipping = m, false
		p.table.Messages = append(p.table.Messages, m)
	case "SG_":
		if p.skipping {
			return nil // the message was reported
		}
		if p.last == nil {
			return fmt.Errorf("a signal outside a message")
		}
		s, err := p.signal()
		if err != nil {
			return err
		}
		if p.last.Signal(s.Name) != nil {
			return fmt.Errorf("signal %s is there twice", s.Name)
		}
		p.last.Signals = append(p.last.Signals, s)
	case "SIG_VALTYPE_", "SG_MUL_VAL_":
		if p.scan.done() {
			return nil // a line of the list under NS_
		}
		if keyword == "SG_MUL_VAL_" {
			return p.multiplexed()
		}
		return p.valueType()
	}
	return nil
}

// message reads `BO_ number name: length sender`.
func (p *dbcParser) message() (*BusMessage, error) {
	m := &BusMessage{}
	n, err := strconv.ParseUint(p.scan.word(), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("the number of the message is not one of 32 bits")
	}
	m.Number = uint32(n)
	if p.table.byNumber(m.Number) != nil {
		return nil, fmt.Errorf("message number %d is there twice", n)
	}
	m.Name = p.scan.name()
	if m.Name == "" || !p.scan.take(':') {
		return nil, fmt.Errorf("want a name and a colon after the number")
	}
	if m.Length, err = strconv.Atoi(p.scan.word()); err != nil || m.Length < 0 || m.Length > 64 {
		if m.Number == noFrame && err == nil {
			return m, nil
		}
		return nil, fmt.Errorf("message %s: the length is not 0 to 64 bytes", m.Name)
	}
	return m, nil
}

// signal reads `SG_ name [M|m0|m0M]: start|length@order sign (scale,offset) [min|max] "unit" receivers`.
func (p *dbcParser) signal() (*Signal, error) {
	c := &p.scan
	s := &Signal{Name: c.name()}
	if s.Name == "" {
		return nil, fmt.Errorf("want a name")
	}
	bad := func(what string) (*Signal, error) { return nil, fmt.Errorf("signal %s: %s", s.Name, what) }
	if mux := c.name(); mux != "" {
		rest, many := strings.CutSuffix(mux, "M")
		s.Multiplexor = many
		if rest != "" {
			n, err := strconv.ParseUint(strings.TrimPrefix(rest, "m"), 10, 64)
			if err != nil || rest[0] != 'm' {
				return bad(fmt.Sprintf("%q is not a multiplexer mark", mux))
			}
			s.Selected = []Choice{{n, n}}
		}
	}
	start, ok1 := c.after(':')
	length, ok2 := c.after('|')
	if !ok1 || !ok2 || start != math.Trunc(start) || length != math.Trunc(length) || start < 0 || start > 511 || length < 1 || length > 64 {
		return bad("want : start|length with a start of 0 to 511 and 1 to 64 bits")
	}
	s.Start, s.Length = int(start), int(length)
	if !c.take('@') {
		return bad("want @ and the byte order")
	}
	switch {
	case c.take('1'):
		s.Little = true
	case c.take('0'):
	default:
		return bad("the byte order is neither 0 nor 1")
	}
	if s.Signed = c.take('-'); !s.Signed && !c.take('+') {
		return bad("want + or - after the byte order")
	}
	var ok [4]bool
	s.Scale, ok[0] = c.after('(')
	s.Offset, ok[1] = c.after(',')
	ok[1] = c.take(')') && ok[1]
	s.Min, ok[2] = c.after('[')
	s.Max, ok[3] = c.after('|')
	ok[3] = c.take(']') && ok[3]
	if ok != [4]bool{true, true, true, true} {
		return bad("want (scale,offset) [min|max] in finite numbers")
	}
	if s.Scale == 0 {
		return bad("the scale is 0")
	}
	unit, closed := c.quoted()
	if !closed {
		return bad("want the unit in quotes")
	}
	s.Unit = unit
	return s, nil
}

// valueType reads `SIG_VALTYPE_ number signal : 1|2;`.
func (p *dbcParser) valueType() error {
	s, err := p.named()
	if err != nil {
		return err
	}
	p.scan.take(':')
	switch kind := strings.TrimSuffix(p.scan.word(), ";"); {
	case kind == "1" && s.Length == 32, kind == "2" && s.Length == 64:
		s.Float = true
	case kind == "0":
	default:
		return fmt.Errorf("signal %s of %d bits cannot be of type %s", s.Name, s.Length, kind)
	}
	return nil
}

// multiplexed reads `SG_MUL_VAL_ number signal selector 1-1, 3-5;`.
func (p *dbcParser) multiplexed() error {
	s, err := p.named()
	if err != nil {
		return err
	}
	selector := p.scan.name()
	var list []Choice
	for _, r := range strings.Split(strings.TrimSuffix(strings.TrimSpace(p.scan.rest()), ";"), ",") {
		a, b, _ := strings.Cut(strings.TrimSpace(r), "-")
		from, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 64)
		to, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 64)
		if err1 != nil || err2 != nil || from > to {
			return fmt.Errorf("signal %s: %q is not a range", s.Name, r)
		}
		list = append(list, Choice{from, to})
	}
	s.Selector, s.Selected = selector, list
	return nil
}

// named reads a message number and the name of one of its signals.
func (p *dbcParser) named() (*Signal, error) {
	n, err := strconv.ParseUint(p.scan.word(), 10, 32)
	if err != nil {
		return nil, fmt.Errorf("want the number of a message")
	}
	name := p.scan.name()
	if m := p.table.byNumber(uint32(n)); m != nil {
		if s := m.Signal(name); s != nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("there is no signal %s in message %d", name, n)
}

// settle gives every selected signal its selector, and takes out signals
// whose selector does not exist or depends on itself.
func (p *dbcParser) settle(m *BusMessage) (problems []Problem) {
	main := ""
	for _, s := range m.Signals {
		if s.Multiplexor && (main == "" || len(s.Selected) == 0) {
			main = s.Name
		}
	}
	for _, s := range m.Signals {
		if len(s.Selected) > 0 && s.Selector == "" {
			s.Selector = main
		}
	}
	rooted := func(s *Signal) bool {
		for range m.Signals {
			if s.Selector == "" {
				return len(s.Selected) == 0
			}
			if s = m.Signal(s.Selector); s == nil || !s.Multiplexor {
				return false
			}
		}
		return false
	}
	good := make([]*Signal, 0, len(m.Signals))
	for _, s := range m.Signals {
		if rooted(s) {
			good = append(good, s)
			continue
		}
		problems = append(problems, Problem{File: p.file, Why: fmt.Sprintf("signal %s of message %s has no multiplexer", s.Name, m.Name)})
	}
	m.Signals = good
	return problems
}

package replay

import (
	"embed"
	"encoding/csv"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sayso"
	"sayso/car/catalogue"
)

//go:embed maps/*.csv
var mapFiles embed.FS

// rule makes one catalogue signal of signals of one message.
type rule struct {
	signal        string
	about         *catalogue.Signal
	fold          string // mean, sum, min or max; empty for a single one
	args          []*Signal
	scale, offset float64
	min, max      float64
	values        map[float64]float64 // if not nil, the only ones, and what they become
}

// Mapping says how frames become readings: a table's messages and the rules
// of a map that go with it.
type Mapping struct {
	frames map[frameKey][]pageRules
	Rules  int // how many signals can be made
}

type frameKey struct {
	id       uint32
	extended bool
}

// pageRules are the rules of a message; page is -1 for one without pages.
type pageRules struct {
	page    int
	message *BusMessage
	rules   []rule
}

// ParseMap reads a map and ties it to a table. A map is CSV with the header
//
//	signal,expression,unit,scale,offset,min,max,values
//
// and # comments. Signal is a name of the catalogue. Expression is
// MESSAGE.SIGNAL of the table, or mean, sum, min or max over several of one
// message, such as `mean(M.A M.B)`. Unit is the one to arrive at: where the
// table's differs and both are known, the value is converted. Then it is
// multiplied by scale (1 if empty) and offset is added. What is outside min
// to max, or is nothing the catalogue allows, is left out. Values, such as `1=0 2=1`, gives every allowed value and
// what it becomes. Several rules for one signal may stand for several tables.
//
// Partly passes over rules whose message or signal the table does not have;
// otherwise they are problems, as is everything that is wrong.
func ParseMap(name, text string, table *Table, cat *catalogue.Catalogue, partly bool) (*Mapping, []Problem) {
	m := &Mapping{frames: map[frameKey][]pageRules{}}
	var problems []Problem
	r := csv.NewReader(strings.NewReader(text))
	r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace = '#', -1, true
	for first := true; ; first = false {
		row, err := r.Read()
		if row == nil && err != nil {
			if perr, ok := err.(*csv.ParseError); ok {
				problems = append(problems, Problem{File: name, Line: perr.Line, Column: perr.Column, Why: perr.Err.Error()})
				continue
			}
			return m, problems // the end: a string does not fail otherwise
		}
		if first && len(row) > 0 && row[0] == "signal" {
			continue
		}
		if err := m.add(row, table, cat, partly); err != nil {
			line, _ := r.FieldPos(0)
			problems = append(problems, Problem{File: name, Line: line, Why: err.Error()})
		}
	}
}

// add reads one row and files its rule under the frames of its message.
func (m *Mapping) add(row []string, table *Table, cat *catalogue.Catalogue, partly bool) error {
	for len(row) < 8 {
		row = append(row, "")
	}
	for i := range row {
		row[i] = strings.TrimSpace(row[i])
	}
	ru := rule{signal: row[0]}
	if ru.about = cat.Signal(ru.signal); ru.about == nil || ru.about.Kind != sayso.Number {
		return fmt.Errorf("%q is not a number signal of the catalogue", ru.signal)
	}
	message, err := ru.expression(row[1], table)
	if err != nil {
		if partly {
			return nil
		}
		return err
	}
	if err := ru.numbers(row[3:7]); err != nil {
		return err
	}
	if err := ru.convert(row[2]); err != nil {
		return err
	}
	if row[7] != "" {
		if ru.values, err = parseValues(row[7]); err != nil {
			return err
		}
	}
	id, extended, page, ok := message.Address()
	if !ok {
		return fmt.Errorf("message %s comes in no frame", message.Name)
	}
	key := frameKey{id, extended}
	i := slices.IndexFunc(m.frames[key], func(p pageRules) bool { return p.message == message })
	if i < 0 {
		i = len(m.frames[key])
		m.frames[key] = append(m.frames[key], pageRules{page: page, message: message})
	}
	m.frames[key][i].rules = append(m.frames[key][i].rules, ru)
	m.Rules++
	return nil
}

// expression reads MESSAGE.SIGNAL or fold(MESSAGE.SIGNAL MESSAGE.SIGNAL …).
func (r *rule) expression(text string, table *Table) (*BusMessage, error) {
	if fold, inner, ok := strings.Cut(text, "("); ok {
		r.fold = strings.TrimSpace(fold)
		if !slices.Contains([]string{"mean", "sum", "min", "max"}, r.fold) || !strings.HasSuffix(inner, ")") {
			return nil, fmt.Errorf("%q: want mean, sum, min or max and a list in parentheses", text)
		}
		text = strings.TrimSuffix(inner, ")")
	}
	var message *BusMessage
	for _, part := range strings.FieldsFunc(text, func(c rune) bool { return c == ' ' || c == ',' }) {
		of, name, ok := strings.Cut(part, ".")
		if !ok {
			return nil, fmt.Errorf("%q is not MESSAGE.SIGNAL", part)
		}
		m := table.Message(of)
		if m == nil {
			return nil, fmt.Errorf("the table has no message %s", of)
		}
		s := m.Signal(name)
		if s == nil {
			return nil, fmt.Errorf("message %s has no signal %s", of, name)
		}
		if message != nil && m != message {
			return nil, fmt.Errorf("%s and %s come in different frames", message.Name, m.Name)
		}
		message, r.args = m, append(r.args, s)
	}
	if message == nil || len(r.args) > 1 && r.fold == "" {
		return nil, fmt.Errorf("%q names no signal, or several without mean, sum, min or max", text)
	}
	return message, nil
}

// numbers reads scale, offset, min and max.
func (r *rule) numbers(cells []string) error {
	r.scale, r.min, r.max = 1, math.Inf(-1), math.Inf(1)
	for i, p := range []*float64{&r.scale, &r.offset, &r.min, &r.max} {
		if cells[i] == "" {
			continue
		}
		f, err := strconv.ParseFloat(cells[i], 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%q is not a number", cells[i])
		}
		*p = f
	}
	return nil
}

// convert puts the change of unit in front of the rule's own scale and offset.
func (r *rule) convert(unit string) error {
	for _, a := range r.args {
		if a.Unit != r.args[0].Unit {
			return fmt.Errorf("%s and %s have different units", a.Name, r.args[0].Name)
		}
	}
	from, ok1 := units[strings.ToLower(r.args[0].Unit)]
	to, ok2 := units[strings.ToLower(unit)]
	if !ok1 || !ok2 {
		return nil
	}
	if from.of != to.of {
		return fmt.Errorf("%s is in %s, which does not convert to %s", r.args[0].Name, r.args[0].Unit, unit)
	}
	// x·from.scale+from.offset is in the base unit, and so for to.
	scale, offset := from.scale/to.scale, (from.offset-to.offset)/to.scale
	r.offset += r.scale * offset
	r.scale *= scale
	return nil
}

// units are what tables write, with the factor and offset to a base unit.
var units = map[string]struct {
	of            string
	scale, offset float64
}{
	"km/h": {"speed", 1, 0}, "kph": {"speed", 1, 0}, "kmh": {"speed", 1, 0}, "m/s": {"speed", 3.6, 0}, "mph": {"speed", 1.609344, 0},
	"km": {"length", 1, 0}, "m": {"length", 0.001, 0}, "mi": {"length", 1.609344, 0}, "miles": {"length", 1.609344, 0},
	"celsius": {"temperature", 1, 0}, "degc": {"temperature", 1, 0}, "c": {"temperature", 1, 0}, "°c": {"temperature", 1, 0},
	"degf": {"temperature", 5. / 9, -160. / 9}, "f": {"temperature", 5. / 9, -160. / 9}, "k": {"temperature", 1, -273.15},
	"kpa": {"pressure", 1, 0}, "bar": {"pressure", 100, 0}, "psi": {"pressure", 6.894757, 0}, "hpa": {"pressure", 0.1, 0}, "mpa": {"pressure", 1000, 0},
	"v": {"voltage", 1, 0}, "mv": {"voltage", 0.001, 0}, "a": {"current", 1, 0}, "ma": {"current", 0.001, 0},
	"w": {"power", 1, 0}, "kw": {"power", 1000, 0}, "percent": {"share", 1, 0}, "%": {"share", 1, 0},
	"degrees/s": {"turning", 1, 0}, "deg/s": {"turning", 1, 0}, "deg/sec": {"turning", 1, 0}, "rad/s": {"turning", 180 / math.Pi, 0},
	"rpm": {"turns", 1, 0}, "1/min": {"turns", 1, 0}, "nm": {"torque", 1, 0}, "l": {"volume", 1, 0}, "ml": {"volume", 0.001, 0},
}

func parseValues(text string) (map[float64]float64, error) {
	values := map[float64]float64{}
	for _, pair := range strings.Fields(text) {
		a, b, _ := strings.Cut(pair, "=")
		from, err1 := strconv.ParseFloat(a, 64)
		to, err2 := strconv.ParseFloat(b, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%q is not value=value", pair)
		}
		values[from] = to
	}
	return values, nil
}

// DefaultMap ties the embedded map to a table that fits it best: the one with
// the most rules for it. The name is that of the map, empty if none fits.
func DefaultMap(table *Table, cat *catalogue.Catalogue) (m *Mapping, name string) {
	m = &Mapping{}
	files, _ := mapFiles.ReadDir("maps") // embedded: it is there
	for _, f := range files {
		text, _ := mapFiles.ReadFile("maps/" + f.Name())
		if other, _ := ParseMap(f.Name(), string(text), table, cat, true); other.Rules > m.Rules {
			m, name = other, f.Name()
		}
	}
	return m, name
}

// Readings calls got with every value that a frame says.
func (m *Mapping) Readings(f Frame, got func(signal string, v float64)) {
	if f.Remote || f.Error {
		return
	}
	for _, p := range m.frames[frameKey{f.ID, f.Extended}] {
		if p.page >= 0 && (len(f.Data) == 0 || int(f.Data[0]) != p.page) {
			continue
		}
		for i := range p.rules {
			if v, ok := p.rules[i].value(p.message, f.Data); ok {
				got(p.rules[i].signal, v)
			}
		}
	}
}

// value computes a rule; it has none unless all its signals have one.
func (r *rule) value(m *BusMessage, data []byte) (float64, bool) {
	var v float64
	for i, a := range r.args {
		if !m.Present(a, data) {
			return 0, false
		}
		x, ok := a.Value(data)
		if !ok {
			return 0, false
		}
		switch {
		case i == 0:
			v = x
		case r.fold == "min":
			v = min(v, x)
		case r.fold == "max":
			v = max(v, x)
		default:
			v += x
		}
	}
	if r.fold == "mean" {
		v /= float64(len(r.args))
	}
	if r.values != nil {
		to, ok := r.values[v]
		return to, ok && r.about.Check(sayso.NumberValue(to)) == nil
	}
	v = v*r.scale + r.offset
	// A table's scale is seldom a binary fraction: 0.01 km/h times 1234 is
	// 12.340000000000002. Nine decimals say all that a frame holds.
	v = math.Round(v*1e9) / 1e9
	return v, v >= r.min && v <= r.max && r.about.Check(sayso.NumberValue(v)) == nil
}

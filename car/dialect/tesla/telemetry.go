package tesla

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/internal/table"
	"sayso/car/dialect/message"
)

//go:embed telemetry.csv
var telemetryCSV string

// meaning is one signal that a field stands for.
type meaning struct {
	signal string
	factor float64
	rule   func(d *datum) (float64, error) // nil: the number times the factor
	what   what
}

// what is how a field is taken.
type what uint8

const (
	number what = iota
	place
	sum // of several fields of a frame
)

// telemetryFields lists the meanings by number of the field.
var telemetryFields = sync.OnceValues(func() ([][]meaning, error) {
	var all [][]meaning
	err := table.Rows(telemetryCSV, "number,field,signal,factor,rule", func(row []string) error {
		n, err1 := strconv.ParseUint(row[0], 10, 16)
		factor, err2 := strconv.ParseFloat(row[3], 64)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("number or factor is none")
		}
		m := meaning{signal: row[2], factor: factor}
		switch row[4] {
		case "":
		case "sum":
			m.what = sum
		case "location":
			m.what = place
		default:
			if m.rule = ruleOf(row[4]); m.rule == nil {
				return fmt.Errorf("there is no rule %q", row[4])
			}
		}
		for uint64(len(all)) <= n {
			all = append(all, nil)
		}
		all[n] = append(all[n], m)
		return nil
	})
	return all, err
})

// telemetry reads the payloads; each is judged alone.
func telemetry(cat *catalogue.Catalogue, b *message.Builder, c *jsonscan.Cursor) error {
	fields, err := telemetryFields()
	if err != nil {
		return fmt.Errorf("telemetry.csv: %w", err)
	}
	var payloads jsonscan.Value
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		if string(name) == "payloads" {
			c.Take(&payloads)
		} else {
			c.Skip()
		}
	}
	if c.Err() != nil {
		return nil
	}
	if payloads.Kind != jsonscan.Array {
		return invalid("want a list as payloads, got " + payloads.Kind.String())
	}
	t := teller{catalogue: cat, builder: b, fields: fields}
	inner := payloads.Cursor()
	inner.Open()
	for n := 0; inner.Element(); n++ {
		if err := t.payload(inner.Value()); err != nil {
			t.broken++
			b.Reject("payloads["+strconv.Itoa(n)+"]", err.Error())
		} else {
			t.read++
		}
	}
	if t.read == 0 && t.broken > 0 {
		return invalid("none of the payloads can be read: " + b.Message().Rejected[0].Reason)
	}
	b.Kept(t.vin != "" && b.VIN(t.vin), true, false)
	return nil
}

// teller reads payloads into a message.
type teller struct {
	catalogue    *catalogue.Catalogue
	builder      *message.Builder
	fields       [][]meaning
	frame        frame
	raw          []byte
	vin          string
	read, broken int
}

func (t *teller) payload(v jsonscan.Value) (err error) {
	if v.Kind != jsonscan.String {
		return fmt.Errorf("want a text, got %s", v.Kind)
	}
	if t.raw, err = base64.StdEncoding.AppendDecode(t.raw[:0], v.Raw); err != nil {
		return fmt.Errorf("not standard base64")
	}
	f := &t.frame
	f.vin, f.dated = "", false
	if err := f.parse(t.raw); err != nil {
		return err
	}
	switch {
	case f.vin == "" || f.vin == t.vin:
	case t.vin == "":
		t.vin = f.vin
	default:
		return fmt.Errorf("it is about another vehicle, %s and not %s", message.Clip(f.vin), message.Clip(t.vin))
	}
	if len(f.data) == 0 {
		return nil
	}
	if !f.dated {
		return fmt.Errorf("it has no created_at")
	}
	t.tell(f)
	return nil
}

// tell takes the values of a frame. Charging power comes over alternating and
// direct current, of which a car uses one; the other says 0.
func (t *teller) tell(f *frame) {
	var total float64
	var summed *catalogue.Signal
	for i := range f.data {
		d := &f.data[i]
		if d.key >= uint64(len(t.fields)) || d.kind == kindInvalid || d.kind == 0 {
			continue
		}
		for j := range t.fields[d.key] {
			m := &t.fields[d.key][j]
			s := t.catalogue.Signal(m.signal)
			if m.what == place {
				t.place(s, d, f.createdAt)
				continue
			}
			x, err := m.number(d)
			switch {
			case err == errNothing:
			case err != nil:
				t.builder.Refuse(s.Name, f.createdAt, err.Error())
			case m.what == sum:
				total, summed = total+x, s
			default:
				t.builder.Reading(s, f.createdAt, sayso.NumberValue(x))
			}
		}
	}
	if summed != nil {
		t.builder.Reading(summed, f.createdAt, sayso.NumberValue(total))
	}
}

func (m *meaning) number(d *datum) (float64, error) {
	if m.rule != nil {
		return m.rule(d)
	}
	x, err := d.number()
	return x * m.factor, err
}

// number reads a value that is a number in any of its kinds, or a text of one.
func (d *datum) number() (float64, error) {
	switch d.kind {
	case kindInt:
		return float64(int32(d.bits)), nil
	case kindLong:
		return float64(int64(d.bits)), nil
	case kindFloat:
		return float64(math.Float32frombits(uint32(d.bits))), nil
	case kindDouble:
		return math.Float64frombits(d.bits), nil
	case kindText:
		return message.Float(jsonscan.Value{Kind: jsonscan.String, Raw: d.bytes})
	}
	return 0, fmt.Errorf("a value of kind %d is no number", d.kind)
}

// place takes a position: a LocationValue, or a text such as
// (37.41 N, 122.14 W).
func (t *teller) place(s *catalogue.Signal, d *datum, at time.Time) {
	var l sayso.Location
	var err error
	switch d.kind {
	case kindLocation:
		l.Latitude, l.Longitude, err = d.location()
	case kindText:
		l.Latitude, l.Longitude, err = spoken(string(d.bytes))
	default:
		err = fmt.Errorf("a value of kind %d is no position", d.kind)
	}
	if err != nil {
		t.builder.Refuse(s.Name, at, err.Error())
		return
	}
	t.builder.Position(at, l)
}

func spoken(text string) (latitude, longitude float64, err error) {
	inner, ok := strings.CutPrefix(strings.TrimSpace(text), "(")
	inner, closed := strings.CutSuffix(inner, ")")
	north, east, both := strings.Cut(inner, ",")
	latitude, err1 := degrees(north, "N", "S")
	longitude, err2 := degrees(east, "E", "W")
	if !ok || !closed || !both || err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("%q is no position such as (37.41 N, 122.14 W)", message.Clip(text))
	}
	return latitude, longitude, nil
}

// degrees reads a number and the letter of its direction.
func degrees(text, positive, negative string) (float64, error) {
	value, direction, _ := strings.Cut(strings.TrimSpace(text), " ")
	f, err := message.Float(jsonscan.Value{Kind: jsonscan.String, Raw: []byte(value)})
	switch strings.TrimSpace(direction) {
	case positive:
		return f, err
	case negative:
		return -f, err
	}
	return 0, fmt.Errorf("no direction")
}

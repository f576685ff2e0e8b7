// Package named reads the lists of named values that AutoPi and Macaron devices
// send (spec ingest 2.2 and 2.3):
//
//	[{"timestamp": <milliseconds>, "name": "…", "value": …}]
//
// The table names.csv says which name means which signal, and what becomes of
// the value on the way. Each value is judged alone. Names that are not in the
// table stay in the cloud event.
package named

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/internal/table"
	"sayso/car/dialect/message"
)

//go:embed names.csv
var namesCSV string

// meaning is one signal that a name stands for.
type meaning struct {
	signal string
	rule   rule
}

// rule is what becomes of a value.
type rule func(r *Reader, s *catalogue.Signal, at time.Time, v jsonscan.Value)

var rules = map[string]rule{
	"":           (*Reader).plain,
	"percent":    scaled(100),
	"kilo":       scaled(1000),
	"oil level":  (*Reader).oilLevel,
	"odometer":   (*Reader).odometer,
	"fuel":       text(fuel),
	"powertrain": text(powertrain),
	"list":       text(func(s string) string { return message.TextList(message.Words(s, ",")) }),
	"latitude":   half(message.Latitude),
	"longitude":  half(message.Longitude),
	"hdop":       half(message.HDOP),
}

var meanings = sync.OnceValues(func() (map[string][]meaning, error) {
	all := map[string][]meaning{}
	err := table.Rows(namesCSV, "name,signal,rule", func(row []string) error {
		apply, ok := rules[row[2]]
		if !ok {
			return fmt.Errorf("there is no rule %q", row[2])
		}
		all[row[0]] = append(all[row[0]], meaning{row[1], apply})
		return nil
	})
	return all, err
})

// Reader reads lists into a message.
type Reader struct {
	catalogue *catalogue.Catalogue
	builder   *message.Builder
	meanings  map[string][]meaning
	halves    []message.Half
}

// New makes a reader.
func New(cat *catalogue.Catalogue, b *message.Builder) (*Reader, error) {
	all, err := meanings()
	if err != nil {
		return nil, fmt.Errorf("names.csv: %w", err)
	}
	return &Reader{catalogue: cat, builder: b, meanings: all}, nil
}

// List takes the list that comes next. Name is what refusals call it.
func (r *Reader) List(c *jsonscan.Cursor, name string) {
	switch kind := c.Kind(); kind {
	case jsonscan.Array:
	case jsonscan.Null:
		c.Skip()
		return
	default:
		r.builder.Reject(name, "want a list, got "+kind.String())
		c.Skip()
		return
	}
	c.Open()
	for n := 0; c.Element(); n++ {
		if kind := c.Kind(); kind != jsonscan.Object {
			r.builder.Reject(name+"["+strconv.Itoa(n)+"]", "want an object, got "+kind.String())
			c.Skip()
			continue
		}
		r.element(c, name, n)
	}
}

func (r *Reader) element(c *jsonscan.Cursor, list string, n int) {
	var name, timestamp, value jsonscan.Value
	c.Open()
	for key, ok := c.Member(); ok; key, ok = c.Member() {
		switch string(key) {
		case "name":
			c.Take(&name)
		case "timestamp":
			c.Take(&timestamp)
		case "value":
			c.Take(&value)
		default:
			c.Skip()
		}
	}
	if c.Err() != nil {
		return
	}
	if name.Kind != jsonscan.String {
		r.builder.Reject(list+"["+strconv.Itoa(n)+"]", "want a text as name, got "+name.Kind.String())
		return
	}
	known := r.meanings[string(name.Raw)]
	if len(known) == 0 {
		return
	}
	at, err := message.Milliseconds(timestamp)
	for _, m := range known {
		s := r.catalogue.Signal(m.signal)
		switch {
		case err != nil:
			r.builder.Reject(s.Name, err.Error())
		case value.Missing():
			r.builder.Refuse(s.Name, at, "no value")
		default:
			m.rule(r, s, at, value)
		}
	}
}

// Finish joins the positions of all lists.
func (r *Reader) Finish() { r.builder.Positions(r.halves) }

func (r *Reader) plain(s *catalogue.Signal, at time.Time, v jsonscan.Value) {
	r.builder.Value(s, at, v)
}

// number reads a number, or refuses the value.
func (r *Reader) number(s *catalogue.Signal, at time.Time, v jsonscan.Value) (f float64, ok bool) {
	f, err := message.Float(v)
	if err != nil {
		r.builder.Refuse(s.Name, at, err.Error())
	}
	return f, err == nil
}

func scaled(by float64) rule {
	return func(r *Reader, s *catalogue.Signal, at time.Time, v jsonscan.Value) {
		if f, ok := r.number(s, at, v); ok {
			r.builder.Reading(s, at, sayso.NumberValue(f*by))
		}
	}
}

// oilLevel names a level that was sent as a part of one.
func (r *Reader) oilLevel(s *catalogue.Signal, at time.Time, v jsonscan.Value) {
	f, ok := r.number(s, at, v)
	switch {
	case !ok:
	case f < 0 || f > 1:
		r.builder.Refuse(s.Name, at, fmt.Sprintf("a level of %v is outside 0 to 1", f))
	default:
		r.builder.Reading(s, at, sayso.TextValue(message.OilLevel(f*100)))
	}
}

// odometer takes what no car reaches in kilometres for metres.
func (r *Reader) odometer(s *catalogue.Signal, at time.Time, v jsonscan.Value) {
	f, ok := r.number(s, at, v)
	if !ok {
		return
	}
	if f > 999_999 {
		f = math.Round(f / 1000)
	}
	r.builder.Reading(s, at, sayso.NumberValue(f))
}

// text takes a text that means another one.
func text(meaning func(string) string) rule {
	return func(r *Reader, s *catalogue.Signal, at time.Time, v jsonscan.Value) {
		if v.Kind != jsonscan.String {
			r.builder.Refuse(s.Name, at, "want a text, got "+v.Kind.String())
			return
		}
		r.builder.Reading(s, at, sayso.TextValue(meaning(string(v.Raw))))
	}
}

func fuel(s string) string {
	switch s {
	case "Gasoline":
		return "GASOLINE"
	case "Ethanol":
		return "E85"
	case "Diesel":
		return "DIESEL"
	case "LPG":
		return "LPG"
	}
	return "OTHER"
}

func powertrain(s string) string {
	if s == "Electric" {
		return "ELECTRIC"
	}
	return "COMBUSTION"
}

// half takes a part of a position; its time is looked at when it is joined.
func half(part message.Part) rule {
	return func(r *Reader, s *catalogue.Signal, at time.Time, v jsonscan.Value) {
		if f, ok := r.number(s, at, v); ok {
			r.halves = append(r.halves, message.Half{Time: at, Part: part, Value: f})
		}
	}
}

// Vehicle takes the object vehicle, which comes next, and says whether it has
// the member signals.
func (r *Reader) Vehicle(c *jsonscan.Cursor) (has bool) {
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		if string(name) == "signals" && !has {
			has = true
			r.List(c, "vehicle.signals")
		} else {
			c.Skip()
		}
	}
	return has
}

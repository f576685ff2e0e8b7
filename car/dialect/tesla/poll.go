package tesla

import (
	_ "embed"
	"fmt"
	"strconv"
	"sync"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/internal/table"
	"sayso/car/dialect/message"
)

//go:embed poll.csv
var pollCSV string

// polled is what a field of a section means.
type polled struct {
	signal string
	factor float64
	rule   string
}

var sections = sync.OnceValues(func() (map[string]map[string]polled, error) {
	all := map[string]map[string]polled{}
	err := table.Rows(pollCSV, "section,field,signal,factor,rule", func(row []string) error {
		factor, err := strconv.ParseFloat(row[3], 64)
		if all[row[0]] == nil {
			all[row[0]] = map[string]polled{}
		}
		all[row[0]][row[1]] = polled{row[2], factor, row[4]}
		return err
	})
	return all, err
})

// poll reads an answer to vehicle_data. Each section has its own time.
func poll(cat *catalogue.Catalogue, b *message.Builder, c *jsonscan.Cursor) error {
	known, err := sections()
	if err != nil {
		return fmt.Errorf("poll.csv: %w", err)
	}
	var vin jsonscan.Value
	seen := map[string]bool{}
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		fields := known[string(name)]
		switch {
		case string(name) == "vin":
			c.Take(&vin)
		case fields != nil && !seen[string(name)]:
			seen[string(name)] = true
			s := section{catalogue: cat, builder: b, name: string(name), fields: fields}
			s.read(c)
		default:
			c.Skip()
		}
	}
	b.Kept(b.Identity(vin), true, false)
	return nil
}

type section struct {
	catalogue *catalogue.Catalogue
	builder   *message.Builder
	name      string
	fields    map[string]polled
}

// named is a field and what was sent of it.
type named struct {
	polled
	field string
	value jsonscan.Value
}

func (s *section) read(c *jsonscan.Cursor) {
	v := c.Value()
	if v.Kind != jsonscan.Object {
		if !v.Missing() {
			s.builder.Reject(s.name, "want an object, got "+v.Kind.String())
		}
		return
	}
	var stamp jsonscan.Value
	var found [16]named
	list := found[:0]
	inner := v.Cursor()
	inner.Open()
	for name, ok := inner.Member(); ok; name, ok = inner.Member() {
		if string(name) == "timestamp" {
			inner.Take(&stamp)
			continue
		}
		value := inner.Value()
		p, ok := s.fields[string(name)]
		if ok && !met(list, name) {
			list = append(list, named{p, string(name), value})
		}
	}
	at, err := message.Milliseconds(stamp)
	var fix [2]jsonscan.Value
	for _, n := range list {
		switch {
		case n.value.Missing(): // not null where the car knows
		case err != nil:
			s.builder.Reject(n.signal, s.name+": "+err.Error())
		case n.rule == "latitude":
			fix[0] = n.value
		case n.rule == "longitude":
			fix[1] = n.value
		default:
			s.take(n, at)
		}
	}
	s.place(at, fix)
}

func met(list []named, field []byte) bool {
	for i := range list {
		if list[i].field == string(field) {
			return true
		}
	}
	return false
}

func (s *section) take(n named, at time.Time) {
	signal := s.catalogue.Signal(n.signal)
	if n.rule == "charging" {
		if n.value.Kind != jsonscan.String {
			s.builder.Refuse(signal.Name, at, "want a text, got "+n.value.Kind.String())
			return
		}
		state := string(n.value.Raw)
		s.builder.Reading(signal, at, sayso.NumberValue(flag(state == "Starting" || state == "Charging")))
		return
	}
	f, err := message.Float(n.value)
	if err != nil {
		s.builder.Refuse(signal.Name, at, err.Error())
		return
	}
	s.builder.Reading(signal, at, sayso.NumberValue(f*n.factor))
}

// place takes a position of both its halves.
func (s *section) place(at time.Time, fix [2]jsonscan.Value) {
	if fix[0].Kind == jsonscan.None && fix[1].Kind == jsonscan.None {
		return
	}
	latitude, err1 := message.Float(fix[0])
	longitude, err2 := message.Float(fix[1])
	if err1 != nil || err2 != nil {
		s.builder.Refuse(message.PositionSignal, at, "latitude and longitude are not both numbers")
		return
	}
	s.builder.Position(at, sayso.Location{Latitude: latitude, Longitude: longitude})
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

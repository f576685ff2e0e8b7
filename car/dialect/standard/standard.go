// Package standard reads the payload `default/v1.0`, which every integration
// without a format of its own sends (spec ingest 2.1):
//
//	{"signals": [{"name", "timestamp", "value"}],
//	 "vin": "…",
//	 "events": [{"name", "timestamp", "durationNs", "metadata", "tags"}]}
//
// All three members may be missing, not all at once. Each value is judged
// alone. A signal without a timestamp is refused, because the time of the
// envelope is when it was sent and not when it was measured. A number may be
// written as text; a boolean is not a number. An event's name, timestamp and
// duration must be right; metadata or tags that are wrong are left out and the
// event stays.
package standard

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

// Version is the dataversion of the payload.
const Version = "default/v1.0"

// bytesPerSignal is a guess that makes room for readings at once.
const bytesPerSignal = 90

// Decode reads the payload of a cloud event. The error is [sayso.Invalid]: the
// payload is not a JSON object, or it holds nothing of the three.
func Decode(cat *catalogue.Catalogue, ce sayso.CloudEvent, w message.Window) (message.Message, error) {
	c := jsonscan.New(ce.Data)
	if kind := c.Kind(); kind != jsonscan.Object {
		return message.Message{}, invalid("the payload is " + kind.String() + ", want an object with signals, vin or events")
	}
	d := decoder{
		catalogue: cat,
		cursor:    &c,
		builder:   message.NewBuilder(cat, w, min(len(ce.Data)/bytesPerSignal, 1024)),
	}
	d.payload()
	if err := c.End(); err != nil {
		return message.Message{}, invalid("the payload is " + err.Error())
	}
	if !d.vin && !d.status && !d.events {
		m := d.builder.Message()
		if len(m.Rejected) > 0 {
			return message.Message{}, invalid(m.Rejected[0].Name + ": " + m.Rejected[0].Reason)
		}
		return message.Message{}, invalid("the payload holds no signals, vin or events")
	}
	d.builder.Kept(d.vin, d.status, d.events)
	return d.builder.Message(), nil
}

func invalid(message string) error { return sayso.Fail(sayso.Invalid, "standard.Decode", message) }

type decoder struct {
	catalogue           *catalogue.Catalogue
	cursor              *jsonscan.Cursor
	builder             *message.Builder
	vin, status, events bool
	moment              moment
}

// moment is the last timestamp that was read: most signals of a message have
// the same.
type moment struct {
	text []byte
	at   time.Time
}

// payload walks over the object. Of members with the same name the first
// counts, here and everywhere below.
func (d *decoder) payload() {
	var signals, vin, events bool
	d.cursor.Open()
	for name, ok := d.cursor.Member(); ok; name, ok = d.cursor.Member() {
		switch {
		case string(name) == "signals" && !signals:
			signals = true
			d.status = d.list("signals", d.signal)
		case string(name) == "events" && !events:
			events = true
			d.events = d.list("events", d.event)
		case string(name) == "vin" && !vin:
			vin = true
			d.vin = d.identity()
		default:
			d.cursor.Skip()
		}
	}
}

// list reads a list of objects and says whether it has elements.
func (d *decoder) list(name string, element func(at int)) (some bool) {
	switch kind := d.cursor.Kind(); kind {
	case jsonscan.Array:
	case jsonscan.Null:
		d.cursor.Skip()
		return false
	default:
		d.builder.Reject(name, "want a list, got "+kind.String())
		d.cursor.Skip()
		return false
	}
	d.cursor.Open()
	n := 0
	for ; d.cursor.Element(); n++ {
		if kind := d.cursor.Kind(); kind != jsonscan.Object {
			d.builder.Reject(place(name, n), "want an object, got "+kind.String())
			d.cursor.Skip()
			continue
		}
		element(n)
	}
	return n > 0
}

// place names an element that has no name of its own.
func place(list string, n int) string { return list + "[" + strconv.Itoa(n) + "]" }

// identity reads the member vin and says whether it holds a valid one.
func (d *decoder) identity() bool {
	switch kind := d.cursor.Kind(); kind {
	case jsonscan.String:
		vin := string(d.cursor.Text())
		return vin != "" && d.builder.VIN(vin)
	case jsonscan.Null:
	default:
		d.builder.Reject("vin", "want a text, got "+kind.String())
	}
	d.cursor.Skip()
	return false
}

type member = jsonscan.Value

func (d *decoder) signal(n int) {
	var name, timestamp, value member
	d.cursor.Open()
	for key, ok := d.cursor.Member(); ok; key, ok = d.cursor.Member() {
		switch string(key) {
		case "name":
			d.cursor.Take(&name)
		case "timestamp":
			d.cursor.Take(&timestamp)
		case "value":
			d.cursor.Take(&value)
		default:
			d.cursor.Skip()
		}
	}
	if d.cursor.Err() != nil {
		return
	}
	at, untimed := d.time(timestamp)
	refuse := func(name, reason string) {
		d.builder.Reject(name, reason)
		if untimed == nil {
			d.builder.RefusedAt(at)
		}
	}
	if name.Kind != jsonscan.String {
		refuse(place("signals", n), "want a text as name, got "+name.Kind.String())
		return
	}
	s := d.catalogue.SignalBytes(name.Raw)
	if s == nil {
		refuse(string(name.Raw), d.unknown(string(name.Raw)))
		return
	}
	if untimed != nil {
		refuse(s.Name, untimed.Error())
		return
	}
	if reason := d.value(s, at, value); reason != "" {
		refuse(s.Name, reason)
	}
}

// unknown is the reason for a name that is not in the catalogue.
func (d *decoder) unknown(name string) string {
	switch name {
	case "currentLocationLatitude", "currentLocationLongitude":
		return "not a signal of the catalogue; send " + message.PositionSignal + " with latitude and longitude"
	}
	for _, s := range d.catalogue.Signals() {
		if s.VSS == name && !s.Computed() {
			return "not a signal of the catalogue; its name is " + s.Name
		}
	}
	return "not a signal of the catalogue"
}

// value takes a value, or says why it cannot be read. What can be read is judged
// by the builder.
func (d *decoder) value(s *catalogue.Signal, at time.Time, v member) (reason string) {
	switch {
	case v.Missing():
		return "no value"
	case s.Kind == sayso.Number && (v.Kind == jsonscan.Number || v.Kind == jsonscan.String):
		f, err := message.Float(v)
		if err != nil {
			return err.Error()
		}
		d.builder.Reading(s, at, sayso.NumberValue(f))
	case s.Kind == sayso.Text && v.Kind == jsonscan.String:
		d.builder.Reading(s, at, sayso.TextValue(string(v.Raw)))
	case s.Kind == sayso.Position && v.Kind == jsonscan.Object:
		return d.position(s, at, v)
	default:
		return "want a " + catalogue.KindName(s.Kind) + ", got " + v.Kind.String()
	}
	return ""
}

func (d *decoder) position(s *catalogue.Signal, at time.Time, v member) (reason string) {
	c := jsonscan.New(v.Raw)
	var latitude, longitude, hdop, heading member
	c.Open()
	for key, ok := c.Member(); ok; key, ok = c.Member() {
		switch string(key) {
		case "latitude":
			c.Take(&latitude)
		case "longitude":
			c.Take(&longitude)
		case "hdop":
			c.Take(&hdop)
		case "heading":
			c.Take(&heading)
		default:
			c.Skip()
		}
	}
	var l sayso.Location
	for _, p := range [...]struct {
		name string
		m    member
		to   *float64
	}{{"latitude", latitude, &l.Latitude}, {"longitude", longitude, &l.Longitude}} {
		if err := number(p.m, p.name, p.to); err != nil {
			return err.Error()
		}
	}
	if s.Computed() {
		d.builder.Reading(s, at, sayso.LocationValue(l))
		return ""
	}
	badHDOP, badHeading := optional(hdop, "hdop", &l.HDOP), optional(heading, "heading", &l.Heading)
	if !d.builder.Position(at, l) {
		return ""
	}
	if badHDOP != nil {
		d.builder.Reject(s.Name+".hdop", badHDOP.Error())
	}
	if badHeading != nil {
		d.builder.Reject(s.Name+".heading", badHeading.Error())
	}
	return ""
}

// number reads a member that must be a number.
func number(m member, name string, to *float64) (err error) {
	if m.Kind != jsonscan.Number {
		return fmt.Errorf("want a number as %s, got %s", name, m.Kind)
	}
	*to, err = message.Float(m)
	return err
}

// optional reads a member that may be missing or null; the number stays 0 then,
// and where the member is no number.
func optional(m member, name string, to *float64) error {
	if m.Missing() {
		return nil
	}
	return number(m, name, to)
}

func (d *decoder) time(m member) (at time.Time, err error) {
	if m.Kind == jsonscan.String && len(m.Raw) > 0 && bytes.Equal(m.Raw, d.moment.text) {
		return d.moment.at, nil
	}
	if at, err = timeOf(m); err == nil {
		d.moment = moment{m.Raw, at}
	}
	return at, err
}

func timeOf(m member) (at time.Time, err error) {
	switch m.Kind {
	case jsonscan.None, jsonscan.Null:
		return at, fmt.Errorf("no timestamp")
	case jsonscan.String:
		if at.UnmarshalText(m.Raw) != nil {
			return at, fmt.Errorf("the timestamp %q is not of RFC 3339", message.Clip(string(m.Raw)))
		}
		return at, nil
	}
	return at, fmt.Errorf("want a text as timestamp, got %s", m.Kind)
}

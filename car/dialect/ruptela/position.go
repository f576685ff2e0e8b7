package ruptela

import (
	"fmt"
	"math"
	"time"

	"sayso"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

// What stands for no value in a position.
const (
	noCoordinate = -0x80000000
	noHDOP       = 0xFF
)

// position is the part of a fix that is joined: degrees * 10^7, hdop * 10.
type position struct {
	latitude, longitude, hdop jsonscan.Value
}

// position reads the object pos.
func (d *decoder) position(v jsonscan.Value) {
	c := v.Cursor()
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		d.part(name, c.Value(), &d.pos)
	}
}

// part notes a member of a position.
func (d *decoder) part(name []byte, v jsonscan.Value, p *position) {
	take := func(to *jsonscan.Value) {
		if to.Kind == jsonscan.None {
			*to = v
		}
	}
	switch string(name) {
	case "lat":
		take(&p.latitude)
	case "lon":
		take(&p.longitude)
	case "hdop":
		take(&p.hdop)
	default:
		if i, ok := d.byName[string(name)]; ok && d.cells[i].state == absent {
			d.cells[i] = d.slots[i].read(v)
		}
	}
}

// place takes a fix, if there is one.
func (d *decoder) place(at time.Time, p *position) {
	latitude, hasLatitude := d.scaled("latitude", p.latitude, at, noCoordinate)
	longitude, hasLongitude := d.scaled("longitude", p.longitude, at, noCoordinate)
	switch {
	case !hasLatitude && !hasLongitude:
		return
	case !hasLatitude || !hasLongitude:
		d.builder.Refuse(message.PositionSignal, at, "a latitude without a longitude, or the other way round")
		return
	}
	l := sayso.Location{Latitude: latitude / 1e7, Longitude: longitude / 1e7}
	if hdop, ok := d.scaled("hdop", p.hdop, at, noHDOP); ok {
		l.HDOP = hdop / 10
	}
	d.builder.Position(at, l)
}

// scaled reads a whole number that means something.
func (d *decoder) scaled(part string, v jsonscan.Value, at time.Time, nothing int64) (f float64, ok bool) {
	n, ok := v.Int()
	switch {
	case v.Missing():
		return 0, false
	case !ok || v.Kind != jsonscan.Number:
		d.builder.Refuse(message.PositionSignal+"."+part, at, "want a whole number, got "+message.Clip(string(v.Raw)))
		return 0, false
	}
	return float64(n), n != nothing
}

// location is an element of r/v0/loc, a fix with its own time.
func (d *decoder) location(place string, v jsonscan.Value) {
	var stamp jsonscan.Value
	var p position
	if d.cells == nil {
		d.cells = make([]cell, len(d.slots))
	}
	clear(d.cells)
	c := v.Cursor()
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		if string(name) == "ts" {
			c.Take(&stamp)
		} else {
			d.part(name, c.Value(), &p)
		}
	}
	at, err := seconds(stamp)
	if err != nil {
		d.builder.Reject(place, err.Error())
		return
	}
	d.at = at
	for i := range d.rules {
		if r := &d.rules[i]; d.cells[r.slot].state != absent {
			d.apply(r)
		}
	}
	d.place(at, &p)
}

// seconds reads a time: seconds since the Unix epoch, or a text of RFC 3339.
func seconds(v jsonscan.Value) (at time.Time, err error) {
	switch v.Kind {
	case jsonscan.Number:
		f, err := v.Float()
		if err != nil || math.Abs(f) > 1e12 {
			return at, fmt.Errorf("%s are no seconds since 1970", message.Clip(string(v.Raw)))
		}
		return time.UnixMicro(int64(math.Round(f * 1e6))).UTC(), nil
	case jsonscan.String:
		if at.UnmarshalText(v.Raw) != nil {
			return at, fmt.Errorf("ts %q is not of RFC 3339", message.Clip(string(v.Raw)))
		}
		return at, nil
	}
	return at, fmt.Errorf("want seconds since 1970 as ts, got %s", v.Kind)
}

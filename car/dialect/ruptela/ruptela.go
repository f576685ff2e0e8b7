// Package ruptela reads the JSON form of what Ruptela trackers send (spec ingest
// 2.4). The dataversion says what a payload is:
//
//	r/v0/s     {"signals": {"<OID>": "<hex>"}, "pos": {alt, dir, hdop, lat, lon, sat, spd}}
//	r/v0/loc   {"location": [{ts, lat, lon, hdop, alt, dir, spd}]}
//	r/v0/dtc   {"dtc_codes": [{id, code}]}
//	r/v0/cmd   {"signals": {"405": "<hex>"}}
//	r/v0/batt  r/v0/dev   the tracker's own affairs
//
// The table fields.csv says what the OIDs mean. Each field is judged alone. What
// a tracker sends for "no value" is no value and no error; everything else that
// cannot be kept is refused with a reason. All values of r/v0/s have the time of
// the cloud event, because the tracker sends no other.
package ruptela

import (
	"fmt"
	"strconv"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

// The dataversions.
const (
	Status    = "r/v0/s"
	Locations = "r/v0/loc"
	Codes     = "r/v0/dtc"
	Battery   = "r/v0/batt"
	Tracker   = "r/v0/dev"
	Command   = "r/v0/cmd"
)

// AboutVehicle says whether a payload of that version is about the vehicle, and
// not about the tracker.
func AboutVehicle(version string) bool {
	switch version {
	case Status, Locations, Codes, Battery, Command:
		return true
	}
	return false
}

// Decode reads the payload of a cloud event. The error is [sayso.Invalid]: the
// payload is not a JSON object.
func Decode(cat *catalogue.Catalogue, ce sayso.CloudEvent, w message.Window) (message.Message, error) {
	c := jsonscan.New(ce.Data)
	if kind := c.Kind(); kind != jsonscan.Object {
		return message.Message{}, invalid("the payload is " + kind.String() + ", want an object")
	}
	f, err := loaded()
	if err != nil {
		return message.Message{}, err
	}
	d := decoder{fields: f, catalogue: cat, builder: message.NewBuilder(cat, w, min(len(ce.Data)/24, 128)), at: ce.Time}
	d.payload(&c, ce.DataVersion)
	if err := c.End(); err != nil {
		return message.Message{}, invalid("the payload is " + err.Error())
	}
	switch ce.DataVersion {
	case Status:
		d.status()
	case Command:
		d.command()
	case Locations:
		d.all(d.list, "location", d.location)
		d.builder.Kept(false, true, false)
	case Codes:
		d.codes()
	case Battery, Tracker:
		d.builder.Kept(false, true, false)
	default:
		d.builder.Unknown(ce)
	}
	return d.builder.Message(), nil
}

func invalid(message string) error { return sayso.Fail(sayso.Invalid, "ruptela.Decode", message) }

type decoder struct {
	*fields
	catalogue *catalogue.Catalogue
	builder   *message.Builder
	at        time.Time
	cells     []cell
	pos       position
	vin       [6]text // OIDs 104, 105, 106, 123, 124, 125
	driving   [3]text // OIDs 135, 136, 143
	engine    text    // OID 405
	list      jsonscan.Value
}

// text is the value of an OID as it was sent.
type text struct {
	there bool
	jsonscan.Value
}

// payload walks over the object and notes what the version is about.
func (d *decoder) payload(c *jsonscan.Cursor, version string) {
	var signals, pos jsonscan.Value
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		switch string(name) {
		case "signals":
			c.Take(&signals)
		case "pos":
			c.Take(&pos)
		case "location":
			if version == Locations {
				c.Take(&d.list)
			} else {
				c.Skip()
			}
		case "dtc_codes":
			if version == Codes {
				c.Take(&d.list)
			} else {
				c.Skip()
			}
		default:
			c.Skip()
		}
	}
	if version != Status && version != Command {
		return
	}
	d.cells = make([]cell, len(d.slots))
	if d.object("signals", signals) {
		inner := signals.Cursor()
		inner.Open()
		for name, ok := inner.Member(); ok; name, ok = inner.Member() {
			d.signal(name, inner.Value())
		}
	}
	if d.object("pos", pos) {
		d.position(pos)
	}
}

// object says whether a member is an object; anything else but nothing is
// refused.
func (d *decoder) object(name string, v jsonscan.Value) bool {
	if v.Kind != jsonscan.Object && !v.Missing() {
		d.builder.Reject(name, "want an object, got "+v.Kind.String())
	}
	return v.Kind == jsonscan.Object
}

// signal notes a member of signals.
func (d *decoder) signal(name []byte, v jsonscan.Value) {
	oid := 0
	if len(name) == 0 || len(name) > 5 {
		return
	}
	for _, c := range name {
		if c < '0' || c > '9' {
			return
		}
		oid = oid*10 + int(c-'0')
	}
	if t := d.kept(oid); t != nil && !t.there {
		*t = text{true, v}
	}
	if oid >= len(d.byOID) || d.byOID[oid] < 0 {
		return
	}
	i := d.byOID[oid]
	if d.cells[i].state == absent {
		d.cells[i] = d.slots[i].read(v)
	}
}

// kept is where the value of an OID is kept as it was sent; nil for most.
func (d *decoder) kept(oid int) *text {
	switch oid {
	case 104, 105, 106:
		return &d.vin[oid-104]
	case 123, 124, 125:
		return &d.vin[oid-123+3]
	case 135:
		return &d.driving[0]
	case 136:
		return &d.driving[1]
	case 143:
		return &d.driving[2]
	case 405:
		return &d.engine
	}
	return nil
}

// status is r/v0/s: readings, identification and driving events.
func (d *decoder) status() {
	taken := false
	for i := range d.rules {
		r := &d.rules[i]
		if r.first {
			taken = false
		}
		if !taken && d.cells[r.slot].state != absent {
			taken = d.apply(r)
		}
	}
	d.place(d.at, &d.pos)
	identified := d.identify()
	d.builder.Kept(identified, true, d.drive())
}

// apply takes the value of a rule and says whether there was one.
func (d *decoder) apply(r *rule) bool {
	s, c := d.catalogue.Signal(r.signal), &d.cells[r.slot]
	refuse := func(reason string) bool {
		d.builder.Refuse(s.Name, d.at, d.slots[r.slot].place()+": "+reason)
		return false
	}
	switch {
	case c.state == bad:
		return refuse(c.reason(d.slots[r.slot]))
	case c.state == none || r.isNone(c.number):
		return false
	case c.number < r.low || c.number > r.high:
		return refuse(fmt.Sprintf("%d is outside %d to %d", c.number, r.low, r.high))
	case r.moving && c.number == 0 && d.is("409", 0):
		return false
	case r.plugged && d.is("985", 1):
		return false
	}
	scaled := (float64(float64(c.number)*r.multiply) + r.add) / r.divide
	v, has, reason := sayso.NumberValue(scaled), true, ""
	if r.convert != nil {
		v, has, reason = r.convert(c.number, scaled)
	}
	if reason != "" {
		return refuse(reason)
	}
	return has && d.builder.Reading(s, d.at, v)
}

// is says whether an OID of the table has a value.
func (d *decoder) is(oid string, number int64) bool {
	n, _ := strconv.Atoi(oid)
	c := &d.cells[d.byOID[n]]
	return c.state == given && c.number == number
}

// codes is r/v0/dtc.
func (d *decoder) codes() {
	list := []string{}
	whole := d.all(d.list, "dtc_codes", func(at string, v jsonscan.Value) {
		var code jsonscan.Value
		c := v.Cursor()
		c.Open()
		for name, ok := c.Member(); ok; name, ok = c.Member() {
			if string(name) == "code" {
				c.Take(&code)
			} else {
				c.Skip()
			}
		}
		if code.Kind != jsonscan.String || len(code.Raw) == 0 {
			d.builder.Reject(at, "want a text as code, got "+code.Kind.String())
			return
		}
		list = append(list, string(code.Raw))
	})
	if whole {
		d.builder.Reading(d.catalogue.Signal("obdDTCList"), d.at, sayso.TextValue(message.TextList(list)))
	}
	d.builder.Kept(false, true, false)
}

// all calls element with each object of a list, and says whether there was a
// list.
func (d *decoder) all(list jsonscan.Value, name string, element func(at string, v jsonscan.Value)) bool {
	if list.Kind != jsonscan.Array {
		d.builder.Reject(name, "want a list, got "+list.Kind.String())
		return false
	}
	c := list.Cursor()
	c.Open()
	for n := 0; c.Element(); n++ {
		at := name + "[" + strconv.Itoa(n) + "]"
		if v := c.Value(); v.Kind == jsonscan.Object {
			element(at, v)
		} else {
			d.builder.Reject(at, "want an object, got "+v.Kind.String())
		}
	}
	return true
}

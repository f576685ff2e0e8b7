// Package autopi reads what AutoPi units send (dataversion v2, spec ingest 2.2):
//
//	{"timestamp": <ms>, "device": {…}, "vehicle": {"signals": [{"timestamp", "name", "value"}]}}
//
// and, of a fingerprint, {"vin": "…"}. What the unit says of itself stays in the
// cloud event.
package autopi

import (
	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/internal/named"
	"sayso/car/dialect/message"
)

// Version is the dataversion that such events are stamped with.
const Version = "v2"

const bytesPerSignal = 70

// Decode reads the payload of a cloud event. The error is [sayso.Invalid]: the
// payload is not a JSON object.
func Decode(cat *catalogue.Catalogue, ce sayso.CloudEvent, w message.Window) (message.Message, error) {
	c := jsonscan.New(ce.Data)
	if kind := c.Kind(); kind != jsonscan.Object {
		return message.Message{}, invalid("the payload is " + kind.String() + ", want an object with vehicle or vin")
	}
	b := message.NewBuilder(cat, w, min(len(ce.Data)/bytesPerSignal, 1024))
	r, err := named.New(cat, b)
	if err != nil {
		return message.Message{}, err
	}
	var vin jsonscan.Value
	vehicle, signals := false, false
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		switch {
		case string(name) == "vehicle" && !vehicle && c.Kind() == jsonscan.Object:
			vehicle = true
			signals = r.Vehicle(&c)
		case string(name) == "vin":
			c.Take(&vin)
		default:
			c.Skip()
		}
	}
	if err := c.End(); err != nil {
		return message.Message{}, invalid("the payload is " + err.Error())
	}
	r.Finish()
	identified := b.Identity(vin)
	if !signals && vin.Missing() {
		b.Reject("vehicle.signals", "the payload has no such list")
	}
	b.Kept(identified, signals || !identified, false)
	return b.Message(), nil
}

func invalid(message string) error { return sayso.Fail(sayso.Invalid, "autopi.Decode", message) }

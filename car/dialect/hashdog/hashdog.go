// Package hashdog reads what Macaron devices send over LoRaWAN, as HashDog's
// service passes it on (dataversion v2, spec ingest 2.3):
//
//	{"header": <above 0>, "decodedPayload": {"vin": "…", …}, "vehicle": {"signals": […]}, …}
//
// The header says what the message is: 1 an identification, 5 the way to sleep,
// others readings. Values mean what they mean from AutoPi units, whose names
// these are.
package hashdog

import (
	"fmt"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/internal/named"
	"sayso/car/dialect/message"
)

// identification is the header of messages that name the vehicle.
const identification = 1

const bytesPerSignal = 70

// Decode reads the payload of a cloud event. The error is [sayso.Invalid]: the
// payload is not a JSON object with a header.
func Decode(cat *catalogue.Catalogue, ce sayso.CloudEvent, w message.Window) (message.Message, error) {
	c := jsonscan.New(ce.Data)
	if kind := c.Kind(); kind != jsonscan.Object {
		return message.Message{}, invalid("the payload is " + kind.String() + ", want an object with a header")
	}
	b := message.NewBuilder(cat, w, min(len(ce.Data)/bytesPerSignal, 1024))
	r, err := named.New(cat, b)
	if err != nil {
		return message.Message{}, err
	}
	var header, decoded jsonscan.Value
	vehicle, signals := false, false
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		switch {
		case string(name) == "vehicle" && !vehicle && c.Kind() == jsonscan.Object:
			vehicle = true
			signals = r.Vehicle(&c)
		case string(name) == "header":
			c.Take(&header)
		case string(name) == "decodedPayload":
			c.Take(&decoded)
		default:
			c.Skip()
		}
	}
	if err := c.End(); err != nil {
		return message.Message{}, invalid("the payload is " + err.Error())
	}
	kind, ok := header.Int()
	if !ok || header.Kind != jsonscan.Number || kind <= 0 {
		return message.Message{}, invalid(fmt.Sprintf("the payload has no header above 0 but %s", header.Kind))
	}
	r.Finish()
	identified := kind == identification && b.Identity(vin(decoded))
	if !signals && kind != identification {
		b.Reject("vehicle.signals", "the payload has no such list")
	}
	b.Kept(identified, true, false)
	return b.Message(), nil
}

// vin is the member of that name.
func vin(decoded jsonscan.Value) (v jsonscan.Value) {
	if decoded.Kind != jsonscan.Object {
		return v
	}
	c := decoded.Cursor()
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		if string(name) == "vin" {
			c.Take(&v)
		} else {
			c.Skip()
		}
	}
	return v
}

func invalid(message string) error { return sayso.Fail(sayso.Invalid, "hashdog.Decode", message) }

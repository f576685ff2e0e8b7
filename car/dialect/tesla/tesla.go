// Package tesla reads what comes from Tesla's servers about a vehicle, in two
// dataversions (spec ingest 2.7 and 2.8):
//
//	fleet_api/v1.0.0        the answer to vehicle_data, polled
//	fleet_telemetry/v1.0.0  {"payloads": ["<base64 of a protobuf Payload>"]}
//
// The tables poll.csv and telemetry.csv say which field means which signal.
package tesla

import (
	"strings"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

// The dataversions.
const (
	Poll      = "fleet_api/v1.0.0"
	Telemetry = "fleet_telemetry/v1.0.0"
)

// Speaks says whether a dataversion is of this dialect, also one that is not
// known.
func Speaks(version string) bool {
	return strings.HasPrefix(version, "fleet_api/") || strings.HasPrefix(version, "fleet_telemetry/")
}

// Decode reads the payload of a cloud event. The error is [sayso.Invalid]: the
// payload is not a JSON object, or none of its parts can be read.
func Decode(cat *catalogue.Catalogue, ce sayso.CloudEvent, w message.Window) (message.Message, error) {
	c := jsonscan.New(ce.Data)
	if kind := c.Kind(); kind != jsonscan.Object {
		return message.Message{}, invalid("the payload is " + kind.String() + ", want an object")
	}
	b := message.NewBuilder(cat, w, 32)
	var err error
	switch ce.DataVersion {
	case Poll:
		err = poll(cat, b, &c)
	case Telemetry:
		err = telemetry(cat, b, &c)
	default:
		c.Skip()
		b.Unknown(ce)
	}
	if bad := c.End(); bad != nil {
		return message.Message{}, invalid("the payload is " + bad.Error())
	}
	if err != nil {
		return message.Message{}, err
	}
	return b.Message(), nil
}

func invalid(message string) error { return sayso.Fail(sayso.Invalid, "tesla.Decode", message) }

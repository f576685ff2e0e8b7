package dialect

import (
	"sayso"
	"sayso/car/dialect/autopi"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/ruptela"
)

// Names are the contracts that stand in the DIDs of messages which name their
// vehicle and device by number only.
type Names struct {
	Chain                           uint64
	Vehicle, Aftermarket, Synthetic sayso.Address
}

// The types that AutoPi units give their messages.
const (
	typeAutoPiStatus      = "com.dimo.device.status.v2"
	typeAutoPiFingerprint = "zone.dimo.aftermarket.device.fingerprint"
)

// tokens makes a cloud event of a message that is none: AutoPi, Macaron and
// Ruptela devices name vehicle and device by the numbers vehicleTokenId and
// deviceTokenId (spec ingest 2.2 to 2.4). Where the source is not one of theirs,
// the member deviceTokenId tells such a message.
func (e *envelope) tokens() error {
	if e.from.Statement {
		return nil
	}
	c, err := e.connection()
	if err != nil || c.form == "" {
		return err
	}
	take := func(name string) (v jsonscan.Value) {
		if raw := e.Extras[name]; raw != nil {
			c := jsonscan.New(raw)
			v = c.Value()
		}
		delete(e.Extras, name)
		return v
	}
	device, vehicle, ds := take("deviceTokenId"), take("vehicleTokenId"), take("ds")
	if len(e.Extras) == 0 {
		e.Extras = nil
	}
	number, ok := device.Int()
	if !ok || device.Kind != jsonscan.Number || number <= 0 {
		return invalid("deviceTokenId is missing: want the number of the device that measured")
	}
	contract := e.from.Names.Aftermarket
	if c.synthetic {
		contract = e.from.Names.Synthetic
	}
	e.named = true
	e.Producer = sayso.NFT(e.from.Names.Chain, contract, uint64(number))
	e.Subject = e.Producer
	about := true
	switch c.form {
	case formAutoPi:
		e.DataVersion = autopi.Version
		switch e.Type {
		case typeAutoPiStatus:
			e.Type = sayso.TypeStatus
		case typeAutoPiFingerprint:
			e.Type = sayso.TypeFingerprint
		default:
			return invalid("type %q is not one of an AutoPi unit: want %s or %s", e.Type, typeAutoPiStatus, typeAutoPiFingerprint)
		}
	case formHashDog:
		e.DataVersion, e.Type = autopi.Version, sayso.TypeStatus
	case formRuptela:
		e.DataVersion, e.Type = string(ds.Raw), sayso.TypeStatus
		about = ruptela.AboutVehicle(e.DataVersion)
	}
	if vehicle.Missing() || !about {
		return nil
	}
	number, ok = vehicle.Int()
	if !ok || vehicle.Kind != jsonscan.Number || number < 0 {
		return invalid("vehicleTokenId is no number of a vehicle")
	}
	if number > 0 {
		e.Subject = sayso.NFT(e.from.Names.Chain, e.from.Names.Vehicle, uint64(number))
	}
	return nil
}

// connection finds the form of a message that is no cloud event; it is empty
// for one that is.
func (e *envelope) connection() (c connection, err error) {
	known, err := connections()
	if err != nil {
		return c, err
	}
	c, listed := known[e.from.Source]
	switch {
	case listed && c.form == formTesla:
		return connection{}, nil
	case listed:
		return c, nil
	case e.Extras["deviceTokenId"] == nil || e.from.Names == (Names{}):
		return c, nil
	case e.Extras["ds"] != nil:
		return connection{form: formRuptela}, nil
	case hasHeader(e.data):
		return connection{form: formHashDog}, nil
	}
	return connection{form: formAutoPi}, nil
}

// hasHeader says whether a payload is of a Macaron device and not of an AutoPi
// unit: it has a member header.
func hasHeader(data []byte) bool {
	c := jsonscan.New(data)
	if c.Kind() != jsonscan.Object {
		return false
	}
	c.Open()
	for name, ok := c.Member(); ok; name, ok = c.Member() {
		if string(name) == "header" {
			return true
		}
		c.Skip()
	}
	return false
}

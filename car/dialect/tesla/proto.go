package tesla

import (
	"errors"
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers of the messages (spec ingest 4.4).
const (
	payloadData, payloadCreatedAt, payloadVIN = 1, 2, 3
	datumKey, datumValue                      = 1, 2
	timeSeconds, timeNanos                    = 1, 2
)

// kind is a field of the oneof Value (spec ingest 4.4); enumerations that are
// not looked at have no name here.
type kind protowire.Number

const (
	kindText     kind = 1
	kindInt      kind = 2
	kindLong     kind = 3
	kindFloat    kind = 4
	kindDouble   kind = 5
	kindBool     kind = 6
	kindLocation kind = 7
	kindCharging kind = 8
	kindShift    kind = 9
	kindInvalid  kind = 10
	kindBuckle   kind = 16
	kindDoors    kind = 21
	kindWindow   kind = 24
	kindDetailed kind = 32
)

// frame is a Payload.
type frame struct {
	createdAt time.Time
	dated     bool
	vin       string
	data      []datum
}

// datum is a field and its value: bits of a number, or bytes of a text or a
// message.
type datum struct {
	key   uint64
	kind  kind
	bits  uint64
	bytes []byte
}

var errWire = errors.New("no protobuf message")

// each calls f with every field of a message.
func each(b []byte, f func(n protowire.Number, t protowire.Type, bits uint64, bytes []byte) error) error {
	for len(b) > 0 {
		n, t, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errWire
		}
		b = b[size:]
		var bits uint64
		var bytes []byte
		switch t {
		case protowire.VarintType:
			bits, size = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			bits, size = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var short uint32
			short, size = protowire.ConsumeFixed32(b)
			bits = uint64(short)
		case protowire.BytesType:
			bytes, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(n, t, b)
		}
		if size < 0 {
			return errWire
		}
		b = b[size:]
		if err := f(n, t, bits, bytes); err != nil {
			return err
		}
	}
	return nil
}

// parse reads a Payload.
func (p *frame) parse(b []byte) error {
	p.data = p.data[:0]
	return each(b, func(n protowire.Number, t protowire.Type, _ uint64, bytes []byte) error {
		if t != protowire.BytesType {
			return nil
		}
		switch n {
		case payloadData:
			var d datum
			if err := d.parse(bytes); err != nil {
				return err
			}
			p.data = append(p.data, d)
		case payloadCreatedAt:
			return p.time(bytes)
		case payloadVIN:
			p.vin = string(bytes)
		}
		return nil
	})
}

func (p *frame) time(b []byte) error {
	var seconds, nanos int64
	err := each(b, func(n protowire.Number, t protowire.Type, bits uint64, _ []byte) error {
		if t == protowire.VarintType {
			switch n {
			case timeSeconds:
				seconds = int64(bits)
			case timeNanos:
				nanos = int64(int32(bits))
			}
		}
		return nil
	})
	const most = 253402300799 // the end of the year 9999, where Timestamp ends
	if err == nil && (seconds < 0 || seconds > most || nanos < 0 || nanos >= 1e9) {
		err = fmt.Errorf("created_at is no time")
	}
	p.createdAt, p.dated = time.Unix(seconds, nanos).UTC(), err == nil
	return err
}

func (d *datum) parse(b []byte) error {
	return each(b, func(n protowire.Number, t protowire.Type, bits uint64, bytes []byte) error {
		switch {
		case n == datumKey && t == protowire.VarintType:
			d.key = bits
		case n == datumValue && t == protowire.BytesType:
			return d.value(bytes)
		}
		return nil
	})
}

// value reads the oneof; of several members the last counts.
func (d *datum) value(b []byte) error {
	return each(b, func(n protowire.Number, t protowire.Type, bits uint64, bytes []byte) error {
		k := kind(n)
		if wire, ok := wireOf(k); !ok || wire == t {
			d.kind, d.bits, d.bytes = k, bits, bytes
		}
		return nil
	})
}

// wireOf is how a kind is written.
func wireOf(k kind) (protowire.Type, bool) {
	switch k {
	case kindText, kindLocation, kindDoors:
		return protowire.BytesType, true
	case kindFloat:
		return protowire.Fixed32Type, true
	case kindDouble:
		return protowire.Fixed64Type, true
	case kindInt, kindLong, kindBool, kindCharging, kindShift, kindInvalid, kindBuckle, kindWindow, kindDetailed:
		return protowire.VarintType, true
	}
	return 0, false
}

// location reads a LocationValue.
func (d *datum) location() (latitude, longitude float64, err error) {
	err = each(d.bytes, func(n protowire.Number, t protowire.Type, bits uint64, _ []byte) error {
		if t == protowire.Fixed64Type {
			switch n {
			case 1:
				latitude = math.Float64frombits(bits)
			case 2:
				longitude = math.Float64frombits(bits)
			}
		}
		return nil
	})
	return latitude, longitude, err
}

// doorNames are the members of Doors, from number 1.
var doorNames = [...]string{"DriverFront", "DriverRear", "PassengerFront", "PassengerRear", "TrunkFront", "TrunkRear"}

// door reads a member of Doors; what is not written is shut.
func (d *datum) door(name string) (open bool, err error) {
	err = each(d.bytes, func(n protowire.Number, t protowire.Type, bits uint64, _ []byte) error {
		if t == protowire.VarintType && n >= 1 && int(n) <= len(doorNames) && doorNames[n-1] == name {
			open = bits != 0
		}
		return nil
	})
	return open, err
}

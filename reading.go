package sayso

import "time"

// Instant is a point in time in microseconds since the Unix epoch, UTC: the
// resolution at which readings are kept.
type Instant int64

// At converts a time, dropping what is below a microsecond.
func At(t time.Time) Instant { return Instant(t.UnixMicro()) }

// Time converts back to UTC.
func (i Instant) Time() time.Time { return time.UnixMicro(int64(i)).UTC() }

// SignalID is the stable number of a signal in the catalogue. It is what is
// stored; a number is never given to another signal.
type SignalID uint16

// Kind is the type of a value.
type Kind uint8

// The kinds of value. Booleans are numbers 0 and 1.
const (
	Number Kind = iota + 1
	Text
	Position
)

// Location is a position on the WGS 84 ellipsoid. Latitude and longitude are
// in degrees, Heading in degrees from north; HDOP has no unit.
type Location struct {
	Latitude, Longitude, HDOP, Heading float64
}

// Value is one value of a signal. Only the member that Kind names is set.
type Value struct {
	Kind     Kind
	Number   float64
	Text     string
	Location Location
}

// NumberValue, TextValue and LocationValue build values.
func NumberValue(f float64) Value { return Value{Kind: Number, Number: f} }

// TextValue builds a text value.
func TextValue(s string) Value { return Value{Kind: Text, Text: s} }

// LocationValue builds a position value.
func LocationValue(l Location) Value { return Value{Kind: Position, Location: l} }

// Reading is one value of a signal of a vehicle at a time. Vehicle and source
// are those of the envelope that brought it; Epoch is the ownership to which
// its time belongs.
type Reading struct {
	Signal SignalID
	Epoch  uint32
	Time   Instant
	Value  Value
}

// Event is a named occurrence, such as behavior.harshBraking. Metadata is text
// holding JSON, or empty.
type Event struct {
	Name       string
	Epoch      uint32
	Time       Instant
	DurationNS uint64
	Metadata   string
	Tags       []string
}

// Rejection is a value that was not accepted, and why. It is kept with the
// envelope for the owner and the sender.
type Rejection struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

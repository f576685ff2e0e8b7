package device

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"sayso"
)

// DataVersion is the payload form that [Report.Body] writes (spec ingest 2.1).
const DataVersion = "default/v1.0"

// Identity is who speaks: the vehicle the data is about, the device that
// measured it, and the address under which the device sends.
type Identity struct {
	Subject  sayso.DID     // the vehicle
	Producer sayso.DID     // the device
	Source   sayso.Address // the device's or the connection's address

	// Sign makes the 65-byte secp256k1 signature r||s||v with v 27 or 28 over
	// a Keccak-256 hash. Nil leaves events unsigned, for a sender that proves
	// itself with a token.
	Sign func(digest [32]byte) ([]byte, error)
}

// Signal is one value of a catalogue signal at a time.
type Signal struct {
	Name  string
	Time  time.Time
	Value sayso.Value
}

// Event is a named occurrence. Metadata is text holding JSON, or empty.
type Event struct {
	Name     string
	Time     time.Time
	Duration time.Duration
	Metadata string
	Tags     []string
}

// Report is what goes into one cloud event. An empty ID becomes a hash of the
// data, so that the same report sent again is recognised.
type Report struct {
	ID      string
	Time    time.Time
	VIN     string
	Signals []Signal
	Events  []Event
}

// Body writes the report as a CloudEvents 1.0 JSON object. The type follows
// from the content: dimo.status with signals, else dimo.events, else
// dimo.fingerprint. It fails on a value that JSON cannot hold, on a report
// that says nothing, and when the signer fails.
func (r Report) Body(by Identity) ([]byte, error) {
	kind := sayso.TypeStatus
	switch {
	case len(r.Signals) > 0:
	case len(r.Events) > 0:
		kind = sayso.TypeEvents
	case r.VIN != "":
		kind = sayso.TypeFingerprint
	default:
		return nil, sayso.Fail(sayso.Invalid, "device.Body", "the report has no signal, no event and no VIN")
	}
	data, err := r.data()
	if err != nil {
		return nil, err
	}
	id := r.ID
	if id == "" {
		id = ContentID(data)
	}
	b := make([]byte, 0, len(data)+640)
	b = append(b, `{"specversion":"1.0","type":`...)
	b = appendText(b, kind)
	b = append(b, `,"id":`...)
	b = appendText(b, id)
	b = append(b, `,"time":`...)
	b = appendTime(b, r.Time)
	b = append(b, `,"datacontenttype":"application/json","dataversion":"`+DataVersion+`"`...)
	return appendSigned(b, by, data)
}

// ContentID is an id made from the payload: the first 16 bytes of its
// Keccak-256 hash in hexadecimal.
func ContentID(data []byte) string {
	sum := sayso.Keccak256(data)
	return hex.EncodeToString(sum[:16])
}

// appendSigned adds who speaks, the signature and the payload, and closes the
// object that b has open.
func appendSigned(b []byte, by Identity, data []byte) ([]byte, error) {
	b, err := appendWho(b, by, data)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"data":`...)
	b = append(b, data...)
	return append(b, '}'), nil
}

// appendWho adds source, subject, producer and the signature of the payload.
func appendWho(b []byte, by Identity, signed []byte) ([]byte, error) {
	b = append(b, `,"source":"`...)
	b = append(b, by.Source.String()...)
	b = append(b, `","subject":"`...)
	b = append(b, by.Subject.String()...)
	b = append(b, `","producer":"`...)
	b = append(b, by.Producer.String()...)
	b = append(b, '"')
	if by.Sign != nil {
		sig, err := by.Sign(sayso.Keccak256(signed))
		if err != nil {
			return nil, &sayso.Error{Op: "device.Sign", Subject: by.Source.String(), Err: err}
		}
		b = append(b, `,"signature":"0x`...)
		b = hex.AppendEncode(b, sig)
		b = append(b, '"')
	}
	return b, nil
}

// data writes the payload {vin?, signals?, events?}.
func (r Report) data() ([]byte, error) {
	b := make([]byte, 0, 128+100*len(r.Signals)+200*len(r.Events))
	b = append(b, '{')
	if r.VIN != "" {
		b = append(b, `"vin":`...)
		b = appendText(b, r.VIN)
	}
	if len(r.Signals) > 0 {
		b = append(comma(b), `"signals":[`...)
		for _, s := range r.Signals {
			var err error
			if b, err = appendSignal(comma(b), s); err != nil {
				return nil, err
			}
		}
		b = append(b, ']')
	}
	if len(r.Events) > 0 {
		b = append(comma(b), `"events":[`...)
		for _, e := range r.Events {
			b = appendEvent(comma(b), e)
		}
		b = append(b, ']')
	}
	return append(b, '}'), nil
}

// comma separates members and elements: it adds nothing after an opening.
func comma(b []byte) []byte {
	if c := b[len(b)-1]; c == '{' || c == '[' {
		return b
	}
	return append(b, ',')
}

func appendSignal(b []byte, s Signal) ([]byte, error) {
	b = append(b, `{"name":`...)
	b = appendText(b, s.Name)
	b = append(b, `,"timestamp":`...)
	b = appendTime(b, s.Time)
	b = append(b, `,"value":`...)
	switch v := s.Value; v.Kind {
	case sayso.Number:
		if !finite(v.Number) {
			return nil, notFinite(s.Name)
		}
		b = strconv.AppendFloat(b, v.Number, 'f', -1, 64)
	case sayso.Text:
		b = appendText(b, v.Text)
	case sayso.Position:
		l := v.Location
		if !finite(l.Latitude, l.Longitude, l.HDOP, l.Heading) {
			return nil, notFinite(s.Name)
		}
		b = append(b, `{"latitude":`...)
		b = strconv.AppendFloat(b, l.Latitude, 'f', -1, 64)
		b = append(b, `,"longitude":`...)
		b = strconv.AppendFloat(b, l.Longitude, 'f', -1, 64)
		b = append(b, `,"hdop":`...)
		b = strconv.AppendFloat(b, l.HDOP, 'f', -1, 64)
		if l.Heading != 0 {
			b = append(b, `,"heading":`...)
			b = strconv.AppendFloat(b, l.Heading, 'f', -1, 64)
		}
		b = append(b, '}')
	default:
		return nil, sayso.Fail(sayso.Invalid, "device.Body", fmt.Sprintf("signal %s has no value", s.Name))
	}
	return append(b, '}'), nil
}

func appendEvent(b []byte, e Event) []byte {
	b = append(b, `{"name":`...)
	b = appendText(b, e.Name)
	b = append(b, `,"timestamp":`...)
	b = appendTime(b, e.Time)
	b = append(b, `,"durationNs":`...)
	b = strconv.AppendInt(b, max(0, int64(e.Duration)), 10)
	if e.Metadata != "" {
		b = append(b, `,"metadata":`...)
		b = appendText(b, e.Metadata)
	}
	if len(e.Tags) > 0 {
		b = append(b, `,"tags":[`...)
		for _, t := range e.Tags {
			b = appendText(comma(b), t)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func finite(fs ...float64) bool {
	for _, f := range fs {
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return false
		}
	}
	return true
}

func notFinite(name string) error {
	return sayso.Fail(sayso.Invalid, "device.Body", fmt.Sprintf("signal %s is not a finite number", name))
}

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// appendText quotes plain ASCII directly and leaves the rest to encoding/json.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			_ = enc.Encode(s) // a string cannot fail
			return append(b, bytes.TrimRight(buf.Bytes(), "\n")...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// Package message is what the dialects have in common: what becomes of a
// payload, which times are believed, and how the halves of a position are
// joined. A dialect reads its own format and hands each value to a [Builder],
// which checks it alone; a value that is refused costs no other value.
package message

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sayso"
	"sayso/car/catalogue"
)

// Message is a decoded payload.
type Message struct {
	Readings []sayso.Reading   // by time, then signal; no two of the same signal and time
	Events   []sayso.Event     // by time, then name; no two of the same name and time
	VIN      string            // vehicle identification or chassis number, or empty
	Rejected []sayso.Rejection // what was refused, and why
	Refused  []sayso.Instant   // the times of refused values, as far as they could be read
	// Types are the types under which the cloud event is kept (spec ingest
	// 2.1), in the order fingerprint, status, events. A list whose values were
	// all refused still counts.
	Types []string
}

// MaxRejections is how many rejections a message carries; one more says how
// many were left out.
const MaxRejections = 1000

// Limits of the parts of an event.
const (
	MaxMetadata = 16 << 10 // bytes
	MaxTags     = 64
	MaxTag      = 128 // bytes
)

// Builder collects a message. The zero value is not usable; see [NewBuilder].
type Builder struct {
	catalogue *catalogue.Catalogue
	position  *catalogue.Signal
	window    Window
	from, to  sayso.Instant
	message   Message
	leftOut   int
}

// NewBuilder starts a message. Room is how many readings are expected.
func NewBuilder(cat *catalogue.Catalogue, w Window, room int) *Builder {
	b := &Builder{catalogue: cat, position: cat.Signal(PositionSignal), window: w}
	b.from, b.to = w.bounds()
	if room > 0 {
		b.message.Readings = make([]sayso.Reading, 0, room)
	}
	return b
}

// Reject notes a value that is not accepted. Both texts may come from the
// sender; they are shortened.
func (b *Builder) Reject(name, reason string) {
	if len(b.message.Rejected) == MaxRejections {
		b.leftOut++
		return
	}
	b.message.Rejected = append(b.message.Rejected, sayso.Rejection{Name: Clip(name), Reason: reason})
}

// RefusedAt notes the time of a value that is refused: it stays in the cloud
// event, which belongs to an owner of its time.
func (b *Builder) RefusedAt(at time.Time) {
	b.message.Refused = append(b.message.Refused, sayso.At(at))
}

// Reading takes a value of a signal if the catalogue and the window allow it,
// and says whether they do.
func (b *Builder) Reading(s *catalogue.Signal, at time.Time, v sayso.Value) bool {
	t := sayso.At(at)
	if err := b.judge(s, t, at, v); err != nil {
		b.Reject(s.Name, err.Error())
		b.RefusedAt(at)
		return false
	}
	b.message.Readings = append(b.message.Readings, sayso.Reading{Signal: s.ID, Time: t, Value: v})
	return true
}

func (b *Builder) judge(s *catalogue.Signal, t sayso.Instant, at time.Time, v sayso.Value) error {
	switch {
	case t < b.from || t > b.to:
		return b.window.Check(at)
	case s.Computed():
		return errComputed
	}
	return s.Check(v)
}

var errComputed = errors.New("this signal is computed when it is read; send " + PositionSignal)

// Position takes a position and says whether it is one. A dilution of precision
// or a heading that is no such thing becomes 0 and is refused alone.
func (b *Builder) Position(at time.Time, l sayso.Location) bool {
	hdop, heading := catalogue.CheckHDOP(l.HDOP), catalogue.CheckHeading(l.Heading)
	if hdop != nil {
		l.HDOP = 0
	}
	if heading != nil {
		l.Heading = 0
	}
	if !b.Reading(b.position, at, sayso.LocationValue(l)) {
		return false
	}
	if hdop != nil {
		b.Reject(PositionSignal+".hdop", hdop.Error())
	}
	if heading != nil {
		b.Reject(PositionSignal+".heading", heading.Error())
	}
	return true
}

// Event takes an event if its name has the form category.name and its time is
// within the window, and says whether that is so. Metadata must be JSON or
// empty; that is the caller's to check.
func (b *Builder) Event(e sayso.Event, at time.Time) bool {
	if !catalogue.ValidEventName(e.Name) {
		b.Reject(e.Name, "an event's name has the form category.name")
		b.RefusedAt(at)
		return false
	}
	e.Time = sayso.At(at)
	if e.Time < b.from || e.Time > b.to {
		b.Reject(e.Name, b.window.Check(at).Error())
		b.RefusedAt(at)
		return false
	}
	b.message.Events = append(b.message.Events, e)
	return true
}

// VIN takes an identification number and says whether it is one.
func (b *Builder) VIN(vin string) bool {
	if !ValidVIN(vin) {
		b.Reject("vin", fmt.Sprintf("%q is neither a vehicle identification number nor a chassis number", Clip(vin)))
		return false
	}
	b.message.VIN = vin
	return true
}

// Kept notes the types under which the cloud event is kept.
func (b *Builder) Kept(fingerprint, status, events bool) {
	for _, t := range []struct {
		is   bool
		name string
	}{{fingerprint, sayso.TypeFingerprint}, {status, sayso.TypeStatus}, {events, sayso.TypeEvents}} {
		if t.is {
			b.message.Types = append(b.message.Types, t.name)
		}
	}
}

// Message sorts what was taken. Of several values of a signal at one time the
// last stays (spec ingest 1.9); the others are noted as rejected.
func (b *Builder) Message() Message {
	m := &b.message
	sortReadings(m.Readings)
	m.Readings = keepLast(m.Readings, func(x, y sayso.Reading) bool {
		same := x.Signal == y.Signal && x.Time == y.Time
		if same {
			b.Reject(b.catalogue.ByID(x.Signal).Name, superseded)
		}
		return same
	})
	slices.SortStableFunc(m.Events, func(x, y sayso.Event) int {
		if c := cmp.Compare(x.Time, y.Time); c != 0 {
			return c
		}
		return strings.Compare(x.Name, y.Name)
	})
	m.Events = keepLast(m.Events, func(x, y sayso.Event) bool {
		same := x.Name == y.Name && x.Time == y.Time
		if same {
			b.Reject(x.Name, superseded)
		}
		return same
	})
	if b.leftOut > 0 {
		m.Rejected = append(m.Rejected, sayso.Rejection{Reason: fmt.Sprintf("%d more values were refused", b.leftOut)})
	}
	return *m
}

// turn is where a reading comes in the order by time, then signal, then arrival.
type turn struct {
	time   sayso.Instant
	signal sayso.SignalID
	from   int
}

// sortReadings sorts by time, then signal, and keeps the order of equals. Readings
// are large, so their turns are sorted, and each reading moves once.
func sortReadings(list []sayso.Reading) {
	sorted := true
	for i := 1; sorted && i < len(list); i++ {
		a, b := &list[i-1], &list[i]
		sorted = a.Time < b.Time || a.Time == b.Time && a.Signal <= b.Signal
	}
	if sorted {
		return
	}
	var room [64]turn
	turns := room[:0]
	for i := range list {
		turns = append(turns, turn{list[i].Time, list[i].Signal, i})
	}
	slices.SortFunc(turns, func(x, y turn) int {
		return cmp.Or(cmp.Compare(x.time, y.time), cmp.Compare(x.signal, y.signal), cmp.Compare(x.from, y.from))
	})
	for start := range turns { // each round of the permutation, from its first place on
		if turns[start].from == start {
			continue
		}
		first := list[start]
		at := start
		for {
			next := turns[at].from
			turns[at].from = at
			if next == start {
				break
			}
			list[at] = list[next]
			at = next
		}
		list[at] = first
	}
}

const superseded = "the message holds a later value for the same time"

// keepLast drops each element that its successor replaces.
func keepLast[T any](list []T, replaced func(x, y T) bool) []T {
	out := list[:0]
	for i := range list {
		if i+1 == len(list) || !replaced(list[i], list[i+1]) {
			out = append(out, list[i])
		}
	}
	return out
}

// Clip shortens a sender's text to about 100 bytes.
func Clip(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Unknown keeps a cloud event whose payload nobody here can read, with the
// reason, so that it can be read later.
func (b *Builder) Unknown(ce sayso.CloudEvent) {
	b.Reject("dataversion", fmt.Sprintf("the version %q is not known; the event is kept as it is", Clip(ce.DataVersion)))
	b.message.Types = append(b.message.Types, sayso.TypeStatus)
}

package dialect

import (
	"fmt"
	"runtime/debug"
	"strings"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/autopi"
	"sayso/car/dialect/hashdog"
	"sayso/car/dialect/message"
	"sayso/car/dialect/ruptela"
	"sayso/car/dialect/standard"
	"sayso/car/dialect/tesla"
)

// Message is a decoded payload, Window the times that are accepted.
type (
	Message = message.Message
	Window  = message.Window
)

// Decode reads the payload of a cloud event in the dialect it is written in.
// The dataversion says which that is; where it does not, the source does. A
// payload of a version that nobody here knows is kept as it is, unless it can
// be read as the standard one. The error is [sayso.Invalid] and means that there
// is nothing to keep. Sending the message again does not help then.
func Decode(cat *catalogue.Catalogue, ce sayso.CloudEvent, w Window) (Message, error) {
	f, err := formOf(ce)
	if err != nil {
		return Message{}, err
	}
	return guarded(decoders[f], cat, ce, w)
}

type decoder func(*catalogue.Catalogue, sayso.CloudEvent, Window) (Message, error)

var decoders = map[form]decoder{
	formStandard: standard.Decode,
	formAutoPi:   autopi.Decode,
	formHashDog:  hashdog.Decode,
	formRuptela:  ruptela.Decode,
	formTesla:    tesla.Decode,
	"":           unknown,
}

// formOf finds the dialect of a payload; it is empty if nothing tells it.
func formOf(ce sayso.CloudEvent) (form, error) {
	version := ce.DataVersion
	switch {
	case version == "" || strings.HasPrefix(version, "default/"):
		return formStandard, nil
	case strings.HasPrefix(version, "r/v0/"):
		return formRuptela, nil
	case tesla.Speaks(version):
		return formTesla, nil
	}
	known, err := connections()
	if err != nil {
		return "", err
	}
	switch c := known[ce.Source]; {
	case c.form != "":
		return c.form, nil
	case version == autopi.Version && hasHeader(ce.Data):
		return formHashDog, nil
	case version == autopi.Version:
		return formAutoPi, nil
	}
	return "", nil
}

// unknown reads a payload of another version as the standard one, or keeps it
// unread.
func unknown(cat *catalogue.Catalogue, ce sayso.CloudEvent, w Window) (Message, error) {
	m, err := standard.Decode(cat, ce, w)
	if err == nil {
		return m, nil
	}
	b := message.NewBuilder(cat, w, 0)
	b.Unknown(ce)
	return b.Message(), nil
}

// guarded turns a panic of a dialect into a refused message. It is the only
// place that does.
func guarded(decode decoder, cat *catalogue.Catalogue, ce sayso.CloudEvent, w Window) (m Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			m, err = Message{}, &sayso.Error{Op: "dialect.Decode", Fault: sayso.Invalid,
				Message: "the payload cannot be read", Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	return decode(cat, ce, w)
}

package dialect

import (
	"fmt"
	"runtime/debug"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/message"
	"sayso/car/dialect/standard"
)

// Message is a decoded payload, Window the times that are accepted.
type (
	Message = message.Message
	Window  = message.Window
)

// Decode reads the payload of a cloud event in the dialect it is written in.
// The error is [sayso.Invalid] and means that there is nothing to keep.
// Sending the message again does not help then.
func Decode(cat *catalogue.Catalogue, ce sayso.CloudEvent, w Window) (Message, error) {
	return guarded(standard.Decode, cat, ce, w)
}

type decoder func(*catalogue.Catalogue, sayso.CloudEvent, Window) (Message, error)

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

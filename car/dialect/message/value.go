package message

import (
	"fmt"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
)

// Float reads a number, or a text that is one in the syntax of JSON.
func Float(v jsonscan.Value) (float64, error) {
	if !v.Numeric() {
		if v.Kind == jsonscan.String {
			return 0, fmt.Errorf("%q is not a number", Clip(string(v.Raw)))
		}
		return 0, fmt.Errorf("want a number, got %s", v.Kind)
	}
	f, err := v.Float()
	if err != nil {
		return 0, fmt.Errorf("%s is too large", Clip(string(v.Raw)))
	}
	return f, nil
}

// Milliseconds reads a timestamp in milliseconds since the Unix epoch.
func Milliseconds(v jsonscan.Value) (time.Time, error) {
	if v.Missing() {
		return time.Time{}, fmt.Errorf("no timestamp")
	}
	if n, ok := v.Int(); ok && v.Kind == jsonscan.Number {
		return time.UnixMilli(n).UTC(), nil
	}
	const most = 1e15 // the year 33658
	if f, err := v.Float(); err == nil && v.Kind == jsonscan.Number && f > -most && f < most {
		return time.UnixMicro(int64(f * 1000)).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("want milliseconds since 1970 as timestamp, got %s", Clip(string(v.Raw)))
}

// Value takes a value as it was sent: a number or a numeric text for a number,
// a boolean also for a signal that is 0 or 1, a text for a text. It says
// whether it was taken.
func (b *Builder) Value(s *catalogue.Signal, at time.Time, v jsonscan.Value) bool {
	value, err := valueOf(s, v)
	if err != nil {
		b.Refuse(s.Name, at, err.Error())
		return false
	}
	return b.Reading(s, at, value)
}

func valueOf(s *catalogue.Signal, v jsonscan.Value) (sayso.Value, error) {
	switch {
	case v.Missing():
		return sayso.Value{}, fmt.Errorf("no value")
	case s.Kind == sayso.Number && v.Kind == jsonscan.Bool && s.Boolean():
		if v.Raw[0] == 't' {
			return sayso.NumberValue(1), nil
		}
		return sayso.NumberValue(0), nil
	case s.Kind == sayso.Number && (v.Kind == jsonscan.Number || v.Kind == jsonscan.String):
		f, err := Float(v)
		return sayso.NumberValue(f), err
	case s.Kind == sayso.Text && v.Kind == jsonscan.String:
		return sayso.TextValue(string(v.Raw)), nil
	}
	return sayso.Value{}, fmt.Errorf("want a %s, got %s", catalogue.KindName(s.Kind), v.Kind)
}

// Refuse notes a value that is refused, and its time.
func (b *Builder) Refuse(name string, at time.Time, reason string) {
	b.Reject(name, reason)
	b.RefusedAt(at)
}

// TextList writes texts as a JSON list, which is how list signals are kept.
func TextList(list []string) string {
	out := []byte{'['}
	for i, s := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = jsonscan.AppendText(out, s)
	}
	return string(append(out, ']'))
}

// OilLevel is the word for a level of oil in percent.
func OilLevel(percent float64) string {
	switch {
	case percent < 25:
		return "CRITICALLY_LOW"
	case percent < 50:
		return "LOW"
	case percent < 75:
		return "NORMAL"
	case percent < 99:
		return "HIGH"
	}
	return "CRITICALLY_HIGH"
}

// Words splits a list in a text at its separator, without empty parts.
func Words(text, separator string) []string {
	out := []string{}
	for w := range strings.SplitSeq(text, separator) {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// Identity takes an identification number as it was sent, if it was, and says
// whether it is one.
func (b *Builder) Identity(v jsonscan.Value) bool {
	switch {
	case v.Missing() || v.Kind == jsonscan.String && len(v.Raw) == 0:
		return false
	case v.Kind != jsonscan.String:
		b.Reject("vin", "want a text, got "+v.Kind.String())
		return false
	}
	return b.VIN(string(v.Raw))
}

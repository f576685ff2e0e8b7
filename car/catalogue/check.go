package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"sayso"
)

// MaxText is the longest text value that is kept, in bytes.
const MaxText = 4096

// MaxHDOP is the highest dilution of precision that a receiver can mean; above
// it the number stands for "none".
const MaxHDOP = 100

// Check says why a value is not one that this signal can have, in words for
// the sender, or returns nil. It looks at the kind, at finiteness, at the
// bounds or allowed values of the catalogue and, for positions, at the ranges
// of the members; the position (0,0) is what receivers without a fix send.
func (s *Signal) Check(v sayso.Value) error {
	if v.Kind != s.Kind {
		return fmt.Errorf("want a %s, got a %s", KindName(s.Kind), KindName(v.Kind))
	}
	switch v.Kind {
	case sayso.Number:
		return s.checkNumber(v.Number)
	case sayso.Text:
		return s.checkText(v.Text)
	case sayso.Position:
		return checkLocation(v.Location)
	}
	return errors.New("the value has no kind")
}

func (s *Signal) checkNumber(f float64) error {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return errors.New("the number is not finite")
	case s.HasMin && f < s.Min:
		return fmt.Errorf("%s is under %s", s.amount(f), s.amount(s.Min))
	case s.HasMax && f > s.Max:
		return fmt.Errorf("%s is over %s", s.amount(f), s.amount(s.Max))
	case len(s.allowedNumbers) > 0 && !slices.Contains(s.allowedNumbers, f):
		return fmt.Errorf("%s is not one of %s", number(f), strings.Join(s.Allowed, ", "))
	}
	return nil
}

// checkText accepts a value of the allowed list, or a JSON list of such values,
// which is how list signals are written.
func (s *Signal) checkText(t string) error {
	switch {
	case len(t) > MaxText:
		return fmt.Errorf("the text has %d bytes, over %d", len(t), MaxText)
	case !utf8.ValidString(t):
		return errors.New("the text is not UTF-8")
	case len(s.Allowed) == 0 || slices.Contains(s.Allowed, t):
		return nil
	}
	var list []string
	if strings.HasPrefix(t, "[") && json.Unmarshal([]byte(t), &list) == nil {
		for _, e := range list {
			if !slices.Contains(s.Allowed, e) {
				return fmt.Errorf("%q is not an allowed value", clip(e))
			}
		}
		return nil
	}
	return fmt.Errorf("%q is not an allowed value", clip(t))
}

func checkLocation(l sayso.Location) error {
	switch {
	case !finite(l.Latitude) || !finite(l.Longitude):
		return errors.New("latitude or longitude is not finite")
	case math.Abs(l.Latitude) > 90:
		return fmt.Errorf("latitude %s is outside -90 to 90", number(l.Latitude))
	case math.Abs(l.Longitude) > 180:
		return fmt.Errorf("longitude %s is outside -180 to 180", number(l.Longitude))
	case l.Latitude == 0 && l.Longitude == 0:
		return errors.New("(0,0) is what a receiver without a fix sends")
	}
	if err := CheckHDOP(l.HDOP); err != nil {
		return err
	}
	return CheckHeading(l.Heading)
}

// CheckHDOP says why a number is not a dilution of precision, or nil.
func CheckHDOP(f float64) error {
	if !finite(f) || f < 0 || f > MaxHDOP {
		return fmt.Errorf("hdop %s is outside 0 to %d", number(f), MaxHDOP)
	}
	return nil
}

// CheckHeading says why a number is not a course in degrees, or nil.
func CheckHeading(f float64) error {
	if !finite(f) || f < 0 || f > 360 {
		return fmt.Errorf("heading %s is outside 0 to 360", number(f))
	}
	return nil
}

// KindName is the word for a kind in messages and in signals.csv.
func KindName(k sayso.Kind) string {
	switch k {
	case sayso.Number:
		return "number"
	case sayso.Text:
		return "text"
	case sayso.Position:
		return "position"
	}
	return "value without a kind"
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func (s *Signal) amount(f float64) string {
	if s.Unit == "" {
		return number(f)
	}
	return number(f) + " " + s.Unit
}

func number(f float64) string {
	if math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// clip shortens a sender's text for a message.
func clip(t string) string {
	const most = 60
	if len(t) <= most {
		return t
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(t[cut]) {
		cut--
	}
	return t[:cut] + "…"
}

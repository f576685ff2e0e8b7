package tesla

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sayso/car/dialect/message"
)

// errNothing says that a value stands for none.
var errNothing = errors.New("no value")

// ruleOf finds what makes a number of a value that is none.
func ruleOf(name string) func(*datum) (float64, error) {
	if door, ok := strings.CutPrefix(name, "door "); ok {
		return func(d *datum) (float64, error) { return d.doorOpen(door) }
	}
	switch name {
	case "flag":
		return (*datum).flag
	case "window":
		return enumeration(kindWindow, "WindowState", map[string]float64{"Closed": 0, "PartiallyOpen": 1, "Opened": 1},
			"Unknown", "Closed", "PartiallyOpen", "Opened")
	case "belt":
		return enumeration(kindBuckle, "BuckleStatus", map[string]float64{"Unlatched": 0, "Latched": 1},
			"Unknown", "Unlatched", "Latched", "Faulted")
	case "gear":
		return enumeration(kindShift, "ShiftState", map[string]float64{"R": -1, "N": 0, "D": 1},
			"Unknown", "Invalid", "P", "R", "N", "D", "SNA")
	case "charging":
		return enumeration(kindDetailed, "DetailedChargeState",
			map[string]float64{"Disconnected": 0, "NoPower": 0, "Starting": 1, "Charging": 1, "Complete": 0, "Stopped": 0}, chargeStates...)
	case "plugged":
		return enumeration(kindDetailed, "DetailedChargeState",
			map[string]float64{"Disconnected": 0, "NoPower": 1, "Starting": 1, "Charging": 1, "Complete": 1, "Stopped": 1}, chargeStates...)
	}
	return nil
}

var chargeStates = []string{"Unknown", "Disconnected", "NoPower", "Starting", "Charging", "Complete", "Stopped"}

// enumeration reads a member of an enumeration by its number, or by its name
// with or without that of the enumeration. A member without a meaning stands
// for no value.
func enumeration(k kind, prefix string, meaning map[string]float64, names ...string) func(*datum) (float64, error) {
	return func(d *datum) (float64, error) {
		var name string
		switch d.kind {
		case k:
			if d.bits >= uint64(len(names)) {
				return 0, fmt.Errorf("%s has no member %d", prefix, d.bits)
			}
			name = names[d.bits]
		case kindText:
			name = strings.TrimPrefix(string(d.bytes), prefix)
			if !slices.Contains(names, name) {
				return 0, fmt.Errorf("%s has no member %q", prefix, message.Clip(name))
			}
		default:
			return 0, fmt.Errorf("a value of kind %d is no %s", d.kind, prefix)
		}
		if x, ok := meaning[name]; ok {
			return x, nil
		}
		return 0, errNothing
	}
}

func (d *datum) flag() (float64, error) {
	switch {
	case d.kind == kindBool:
		return flag(d.bits != 0), nil
	case d.kind == kindText && strings.EqualFold(string(d.bytes), "true"):
		return 1, nil
	case d.kind == kindText && strings.EqualFold(string(d.bytes), "false"):
		return 0, nil
	}
	return 0, fmt.Errorf("a value of kind %d is neither true nor false", d.kind)
}

// doorOpen reads one door: of a message, or of a text that lists the open ones.
func (d *datum) doorOpen(name string) (float64, error) {
	switch d.kind {
	case kindDoors:
		open, err := d.door(name)
		return flag(open), err
	case kindText:
		list := message.Words(string(d.bytes), "|")
		for _, w := range list {
			if !slices.Contains(doorNames[:], w) {
				return 0, fmt.Errorf("there is no door %q", message.Clip(w))
			}
		}
		return flag(slices.Contains(list, name)), nil
	}
	return 0, fmt.Errorf("a value of kind %d says nothing of doors", d.kind)
}

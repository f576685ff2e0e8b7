// Package catalogue knows what a car can say: the signals, the names of events
// and the permissions that reading them needs. They are data (CSV files beside
// this one), and everything that lists signals is rendered from them: the
// GraphQL schemas, the documentation, the checks of values on arrival.
//
// A signal's number is what is stored, so numbers are only ever added.
package catalogue

import (
	"cmp"
	"slices"

	"sayso"
)

// Catalogue is the loaded data. It does not change after [Load] and is safe
// for concurrent use.
type Catalogue struct {
	signals     []*Signal // by name
	byName      map[string]*Signal
	byID        []*Signal // index = id, nil where a number is unused
	events      []EventName
	eventByName map[string]int
	permissions []PermissionText
}

// Signal is one entry. Bounds are inclusive; a value outside them cannot come
// from a working sensor and is refused.
type Signal struct {
	ID          sayso.SignalID
	Name        string // GraphQL name, such as obdRunTime
	VSS         string // COVESA path, such as Vehicle.OBD.RunTime; empty if computed
	Unit        string // such as km/h; empty if none
	Kind        sayso.Kind
	Min, Max    float64 // meaningful where HasMin or HasMax is set
	HasMin      bool
	HasMax      bool
	Allowed     []string           // the only values, if any; for lists, of each element
	Need        []sayso.Permission // all of these are required to read it
	OneOf       []sayso.Permission // and, if not empty, at least one of these
	Description string

	allowedNumbers []float64
}

// Computed says that the signal is made at the read from another one and is
// never stored or accepted from a sender.
func (s *Signal) Computed() bool { return s.VSS == "" }

// Boolean says that the signal is a number that is 0 or 1.
func (s *Signal) Boolean() bool {
	return s.Kind == sayso.Number && len(s.Allowed) == 2 && s.Allowed[0] == "0" && s.Allowed[1] == "1"
}

// Readable says whether the permissions suffice to read the signal.
func (s *Signal) Readable(have sayso.Permissions) bool {
	for _, p := range s.Need {
		if !have.Has(p) {
			return false
		}
	}
	return len(s.OneOf) == 0 || slices.ContainsFunc(s.OneOf, have.Has)
}

// Locates says whether the signal tells where the vehicle is, exactly or
// roughly.
func (s *Signal) Locates() bool {
	return slices.Contains(s.Need, sayso.LocationHistory) || slices.Contains(s.OneOf, sayso.LocationHistory)
}

// EventName is a known event. Other names that match [ValidEventName] are kept
// too.
type EventName struct{ Name, Description string }

// PermissionText describes a permission in words.
type PermissionText struct {
	Permission  sayso.Permission
	Description string
}

// Signals lists all signals by name. The caller must not change the slice.
func (c *Catalogue) Signals() []*Signal { return c.signals }

// Signal finds a signal by its GraphQL name; nil if there is none.
func (c *Catalogue) Signal(name string) *Signal { return c.byName[name] }

// SignalBytes is [Catalogue.Signal] for a name in a byte slice, without a copy.
func (c *Catalogue) SignalBytes(name []byte) *Signal { return c.byName[string(name)] }

// ByID finds a signal by its number; nil if there is none.
func (c *Catalogue) ByID(id sayso.SignalID) *Signal {
	if int(id) >= len(c.byID) {
		return nil
	}
	return c.byID[id]
}

// Events lists the known event names in ascending order. The caller must not
// change the slice.
func (c *Catalogue) Events() []EventName { return c.events }

// KnownEvent says whether an event name is listed.
func (c *Catalogue) KnownEvent(name string) bool {
	_, ok := c.eventByName[name]
	return ok
}

// Permissions lists the vehicle permissions by number. The caller must not
// change the slice.
func (c *Catalogue) Permissions() []PermissionText { return c.permissions }

// ValidEventName says whether a name has the form category.name: two words of
// ASCII letters and digits, each starting with a letter, with one dot between
// (spec api 3.9).
func ValidEventName[T string | []byte](name T) bool {
	start, dots := true, 0
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			start = false
		case '0' <= c && c <= '9' && !start:
		case c == '.' && !start && dots == 0:
			start, dots = true, 1
		default:
			return false
		}
	}
	return dots == 1 && !start
}

// index builds the look-ups.
func (c *Catalogue) index() {
	slices.SortFunc(c.signals, func(a, b *Signal) int { return cmp.Compare(a.Name, b.Name) })
	c.byName = make(map[string]*Signal, len(c.signals))
	for _, s := range c.signals {
		c.byName[s.Name] = s
		for len(c.byID) <= int(s.ID) {
			c.byID = append(c.byID, nil)
		}
		c.byID[s.ID] = s
	}
	slices.SortFunc(c.events, func(a, b EventName) int { return cmp.Compare(a.Name, b.Name) })
	c.eventByName = make(map[string]int, len(c.events))
	for i, e := range c.events {
		c.eventByName[e.Name] = i
	}
}

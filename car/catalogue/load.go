package catalogue

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"sayso"
)

//go:embed signals.csv
var signalsCSV []byte

//go:embed events.csv
var eventsCSV []byte

//go:embed permissions.csv
var permissionsCSV []byte

// Load reads the embedded data. An error means that the data of this build is
// wrong: a number or name given twice, an unknown permission, a bound that is
// not a number. It is called once, by whoever starts the node.
func Load() (*Catalogue, error) { return parse(signalsCSV, eventsCSV, permissionsCSV) }

func parse(signals, events, permissions []byte) (*Catalogue, error) {
	c := &Catalogue{}
	ids, names, paths := map[string]bool{}, map[string]bool{}, map[string]bool{"": false}
	err := rows(signals, "signals.csv", "id,name,path,kind,unit,min,max,allowed,permissions,description", func(r []string) error {
		s, err := signalOf(r)
		if err != nil {
			return err
		}
		if ids[r[0]] || names[r[1]] || paths[r[2]] {
			return fmt.Errorf("%s: the number, name or path is taken", r[1])
		}
		ids[r[0]], names[r[1]], paths[r[2]] = true, true, r[2] != ""
		c.signals = append(c.signals, s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = rows(events, "events.csv", "name,description", func(r []string) error {
		if !ValidEventName(r[0]) || names[r[0]] {
			return fmt.Errorf("%s: not of the form category.name, or given twice", r[0])
		}
		names[r[0]] = true
		c.events = append(c.events, EventName{r[0], r[1]})
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = rows(permissions, "permissions.csv", "number,claim,enum,description", func(r []string) error {
		p, ok := sayso.ParsePermission(r[1])
		if !ok || strconv.Itoa(int(p)) != r[0] || p.Enum() != r[2] {
			return fmt.Errorf("%s: number and names differ from those of the package sayso", r[1])
		}
		c.permissions = append(c.permissions, PermissionText{p, r[3]})
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.index()
	return c, nil
}

// rows calls f with every row of a CSV file that has that header.
func rows(data []byte, file, header string, f func([]string) error) error {
	all, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(all) == 0 || strings.Join(all[0], ",") != header {
		return fmt.Errorf("%s: the first line is not %s", file, header)
	}
	for i, r := range all[1:] {
		if err := f(r); err != nil {
			return fmt.Errorf("%s row %d: %w", file, i+1, err)
		}
	}
	return nil
}

func signalOf(r []string) (*Signal, error) {
	id, err := strconv.ParseUint(r[0], 10, 16)
	if err != nil || id == 0 {
		return nil, fmt.Errorf("%q is not a number of a signal (1 to 65535)", r[0])
	}
	s := &Signal{ID: sayso.SignalID(id), Name: r[1], VSS: r[2], Unit: r[4], Description: r[9]}
	switch r[3] {
	case "number":
		s.Kind = sayso.Number
	case "text":
		s.Kind = sayso.Text
	case "position":
		s.Kind = sayso.Position
	default:
		return nil, fmt.Errorf("%s: the kind %q is not number, text or position", s.Name, r[3])
	}
	if s.Min, s.HasMin, err = bound(r[5]); err != nil {
		return nil, fmt.Errorf("%s: min: %w", s.Name, err)
	}
	if s.Max, s.HasMax, err = bound(r[6]); err != nil {
		return nil, fmt.Errorf("%s: max: %w", s.Name, err)
	}
	if r[7] != "" {
		s.Allowed = strings.Split(r[7], "|")
	}
	if s.Kind == sayso.Number {
		for _, a := range s.Allowed {
			n, err := strconv.ParseFloat(a, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: allowed: %w", s.Name, err)
			}
			s.allowedNumbers = append(s.allowedNumbers, n)
		}
	}
	if s.Need, s.OneOf, err = permissionsOf(r[8]); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return s, nil
}

func bound(s string) (v float64, has bool, err error) {
	if s == "" {
		return 0, false, nil
	}
	v, err = strconv.ParseFloat(s, 64)
	return v, true, err
}

// permissionsOf reads "A and B" (all required) or "A or B" (one suffices).
func permissionsOf(s string) (need, oneOf []sayso.Permission, err error) {
	names, alternatives := strings.Split(s, " and "), false
	if strings.Contains(s, " or ") {
		names, alternatives = strings.Split(s, " or "), true
	}
	var list []sayso.Permission
	for _, n := range names {
		p, ok := sayso.ParsePermission(n)
		if !ok {
			return nil, nil, fmt.Errorf("%q is not a permission", n)
		}
		list = append(list, p)
	}
	if alternatives {
		return nil, list, nil
	}
	return list, nil, nil
}

package definition

import (
	"fmt"
	"slices"
	"strings"

	"sayso"
)

// maker is who a world manufacturer identifier (WMI) was assigned to.
type maker struct {
	vehicle, country, name string
	makes                  []string
}

// schema is a set of patterns and the model years in which a maker uses it.
type schema struct {
	id       uint32
	from, to int
}

// rule says of which model the numbers are that match one of the patterns.
type rule struct {
	model    *model
	patterns string // separated by spaces
}

// VIN is what a vehicle identification number says (ISO 3779, 49 CFR 565).
type VIN struct {
	Number       string
	WMI          string // world manufacturer identifier: 3 characters, or 6 of a small maker
	Manufacturer string // empty where the WMI is not assigned in the data
	Country      string
	VehicleType  string
	Makes        []string
	// CheckDigit is the digit that the ninth should be; Checks says whether it
	// is. Only North America and China demand it.
	CheckDigit byte
	Checks     bool
	// Year is the model year that the tenth character stands for, 0 if it stands
	// for none. Outside North America it need not.
	Year int
	// Definitions are those that the patterns of the maker point to: one as a
	// rule, several where they leave it open.
	Definitions []Definition
}

// Decode reads a vehicle identification number. Latest is the newest model year
// that is on sale, which tells the two cycles of the year's code apart. The
// error is [sayso.Invalid]: the text is no such number.
func (c *Catalogue) Decode(vin string, latest int) (VIN, error) {
	vin = strings.ToUpper(strings.TrimSpace(vin))
	check, err := CheckDigit(vin)
	if err != nil {
		return VIN{}, err
	}
	v := VIN{Number: vin, WMI: vin[:3], CheckDigit: check, Checks: vin[8] == check}
	if vin[2] == '9' { // a maker of fewer than 1,000 vehicles a year has three more characters
		if _, ok := c.makers[vin[:3]+vin[11:14]]; ok {
			v.WMI = vin[:3] + vin[11:14]
		}
	}
	m := c.makers[v.WMI]
	v.Manufacturer, v.Country, v.VehicleType, v.Makes = m.name, m.country, m.vehicle, slices.Clone(m.makes)
	for _, year := range years(vin, m.vehicle, latest) {
		if v.Year == 0 {
			v.Year = year
		}
		if found := c.match(v.WMI, vin, year); len(found) > 0 {
			v.Year, v.Definitions = year, found
			break
		}
	}
	return v, nil
}

// yearCodes are the characters of model years from 1980, every 30 years again.
const yearCodes = "ABCDEFGHJKLMNPRSTVWXY123456789"

// years are the model years that a number can be of, the likelier first. The
// seventh character of cars and light trucks tells the cycle: a digit until
// 2009, a letter from then on.
func years(vin, vehicle string, latest int) []int {
	i := strings.IndexByte(yearCodes, vin[9])
	if i < 0 {
		return nil
	}
	old, young := 1980+i, 2010+i
	digit := vin[6] >= '0' && vin[6] <= '9'
	switch light := vehicle == "Passenger Car" || strings.HasPrefix(vehicle, "Multipurpose") || vehicle == "Truck"; {
	case young > latest:
		return []int{old}
	case light && digit:
		return []int{old, young}
	}
	return []int{young, old}
}

// match finds the definitions to which the patterns of a maker point in a year.
// Of patterns that match, those that say most count.
func (c *Catalogue) match(wmi, vin string, year int) []Definition {
	key := vin[3:8] + "|" + vin[9:]
	best, list := 0, []Definition(nil)
	for _, s := range c.schemas[wmi] {
		if year < s.from || year > s.to {
			continue
		}
		for _, r := range c.rules[s.id] {
			for pattern := range strings.SplitSeq(r.patterns, " ") {
				said, ok := matches(pattern, key)
				if !ok || said < best {
					continue
				}
				if said > best {
					best, list = said, nil
				}
				if d := r.model.in(year); !slices.Contains(list, d) {
					list = append(list, d)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b Definition) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// matches compares a key with a pattern, which may be shorter: a character
// stands for itself, * for any, # for a digit, [AC-F] for one of a set. It also
// says at how many places the pattern says something.
func matches(pattern, key string) (said int, ok bool) {
	for i := 0; i < len(pattern); i++ {
		if key == "" {
			return 0, false
		}
		c := key[0]
		key = key[1:]
		switch p := pattern[i]; p {
		case '*':
			continue
		case '#':
			if c < '0' || c > '9' {
				return 0, false
			}
		case '[':
			end := strings.IndexByte(pattern[i:], ']')
			if end < 0 || !inSet(pattern[i+1:i+end], c) {
				return 0, false
			}
			i += end
		default:
			if p != c {
				return 0, false
			}
		}
		said++
	}
	return said, true
}

func inSet(set string, c byte) bool {
	for i := 0; i < len(set); i++ {
		if i+2 < len(set) && set[i+1] == '-' {
			if set[i] <= c && c <= set[i+2] {
				return true
			}
			i += 2
		} else if set[i] == c {
			return true
		}
	}
	return false
}

// CheckDigit computes what the ninth character of a number should be (49 CFR
// 565.15). The error is [sayso.Invalid]: the text is no vehicle identification
// number.
func CheckDigit(vin string) (byte, error) {
	const (
		letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
		values  = "12345678123457923456789"
	)
	weights := [17]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}
	if len(vin) != len(weights) {
		return 0, invalid(fmt.Sprintf("a vehicle identification number has 17 characters, not %d", len(vin)))
	}
	sum := 0
	for i, w := range weights {
		c := vin[i]
		if at := strings.IndexByte(letters, c); at >= 0 {
			c = values[at]
		}
		if c < '0' || c > '9' {
			return 0, invalid(fmt.Sprintf("%q is not in a vehicle identification number: it has capital letters without I, O and Q, and digits", vin[i]))
		}
		sum += int(c-'0') * w
	}
	return "0123456789X"[sum%11], nil
}

func invalid(message string) error { return sayso.Fail(sayso.Invalid, "definition.Decode", message) }

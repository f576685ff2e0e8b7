package ruptela

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"sayso"
	"sayso/car/dialect/internal/table"
	"sayso/car/dialect/message"
)

// fields.csv says what the fields of a tracker mean. A field is a number (OID)
// or a member of pos. The value is (raw * multiply + add) / divide, and then
// what the rule makes of it. Raw values in the list none, and where all bits
// are set, mean that there is no value. Of several fields for a signal the
// first by priority that has a value counts.
//
//go:embed fields.csv
var fieldsCSV string

// fields is the table, indexed.
type fields struct {
	slots  []slot         // what is looked for in a message
	byOID  []int          // index: OID, value: slot or -1
	byName map[string]int // members of pos
	rules  []rule         // by signal, then priority
}

// slot is a field that is looked for.
type slot struct {
	name   string
	bytes  int // 0 for numbers that are written as such
	signed bool
}

// rule is a way from a field to a signal.
type rule struct {
	signal        string
	first         bool // of its signal
	slot          int
	multiply, add float64
	divide        float64
	low, high     int64
	none          []span
	nonzero       bool // a zero means that there is no value
	plugged       bool // counts only while the tracker is plugged in
	moving        bool // a zero counts only while the ignition is on
	convert       convert
}

type span struct{ low, high int64 }

// convert makes a value of a raw and a scaled number. It says why it cannot, or
// that there is none.
type convert func(raw int64, scaled float64) (v sayso.Value, has bool, reason string)

func (r *rule) isNone(raw int64) bool {
	for _, s := range r.none {
		if s.low <= raw && raw <= s.high {
			return true
		}
	}
	return r.nonzero && raw == 0
}

var loaded = sync.OnceValues(load)

func load() (*fields, error) {
	f := &fields{byName: map[string]int{}}
	err := table.Rows(fieldsCSV, "field,bytes,signal,priority,multiply,add,divide,low,high,none,rule", f.row)
	if err != nil {
		return nil, fmt.Errorf("fields.csv: %w", err)
	}
	return f, nil
}

func (f *fields) row(row []string) (err error) {
	number := func(s string, otherwise float64) float64 {
		if s == "" {
			return otherwise
		}
		v, e := strconv.ParseFloat(s, 64)
		if e != nil {
			err = e
		}
		return v
	}
	r := rule{signal: row[2], multiply: number(row[4], 1), add: number(row[5], 0), divide: number(row[6], 1)}
	r.low, r.high = int64(number(row[7], 0)), int64(number(row[8], 1<<32-1))
	for _, s := range strings.FieldsFunc(row[9], func(c rune) bool { return c == '|' }) {
		low, high, ranged := strings.Cut(s, "-")
		if !ranged {
			high = low
		}
		r.none = append(r.none, span{int64(number(low, 0)), int64(number(high, 0))})
	}
	r.first = len(f.rules) == 0 || f.rules[len(f.rules)-1].signal != r.signal
	s := slot{name: row[0], bytes: int(number(row[1], 0))}
	words := strings.Fields(row[10])
	for len(words) > 0 {
		switch words[0] {
		case "nonzero":
			r.nonzero = true
		case "plugged":
			r.plugged = true
		case "moving":
			r.moving = true
		case "signed":
			s.signed = true
		default:
			if r.convert = conversion(strings.Join(words, " ")); r.convert == nil {
				return fmt.Errorf("there is no rule %q", row[10])
			}
			words = words[:1]
		}
		words = words[1:]
	}
	r.slot = f.slot(s)
	f.rules = append(f.rules, r)
	return err
}

// slot finds the place of a field, or makes one.
func (f *fields) slot(s slot) int {
	for i, known := range f.slots {
		if known.name == s.name {
			return i
		}
	}
	f.slots = append(f.slots, s)
	place := len(f.slots) - 1
	oid, err := strconv.Atoi(s.name)
	if err != nil {
		f.byName[strings.TrimPrefix(s.name, "pos.")] = place
		return place
	}
	for len(f.byOID) <= oid {
		f.byOID = append(f.byOID, -1)
	}
	f.byOID[oid] = place
	return place
}

const kilopascalsPerPSI = 6.89476

func conversion(name string) convert {
	if bit, ok := strings.CutPrefix(name, "bit "); ok {
		n, err := strconv.Atoi(bit)
		if err != nil {
			return nil
		}
		return numbers(func(raw int64, _ float64) float64 { return float64(raw >> n & 1) })
	}
	switch name {
	case "psi":
		return numbers(func(_ int64, f float64) float64 { return f * kilopascalsPerPSI })
	case "minutes":
		return numbers(func(_ int64, f float64) float64 { return f * 60 })
	case "inverted":
		return numbers(func(raw int64, _ float64) float64 { return float64(1 - min(raw, 1)) })
	case "flag":
		return coded(map[int64]float64{0: 0, 1: 1})
	case "pto":
		return coded(map[int64]float64{0: 0, 5: 1})
	case "warning":
		return coded(map[int64]float64{0: 0, 1: 1, 2: 1, 3: 1})
	case "fuel":
		return worded(func(code int64) string { return listed(fuelNames, code-1) })
	case "powertrain":
		return worded(powertrain)
	case "torque mode":
		return worded(func(code int64) string { return listed(torqueModes, code) })
	case "oil level":
		return func(_ int64, f float64) (sayso.Value, bool, string) {
			return sayso.TextValue(message.OilLevel(f)), true, ""
		}
	case "gear":
		return gear(func(raw int64) float64 { return float64(raw >> 16 & 0xFF >> 4) })
	case "gear ratio":
		return gear(func(raw int64) float64 { return float64(raw&0xFFFF) / 1000 })
	}
	return nil
}

func numbers(f func(raw int64, scaled float64) float64) convert {
	return func(raw int64, scaled float64) (sayso.Value, bool, string) {
		return sayso.NumberValue(f(raw, scaled)), true, ""
	}
}

func coded(codes map[int64]float64) convert {
	return func(raw int64, _ float64) (sayso.Value, bool, string) {
		if f, ok := codes[raw]; ok {
			return sayso.NumberValue(f), true, ""
		}
		return sayso.Value{}, false, unknownCode(raw)
	}
}

func worded(word func(code int64) string) convert {
	return func(raw int64, _ float64) (sayso.Value, bool, string) {
		if w := word(raw); w != "" {
			return sayso.TextValue(w), true, ""
		}
		return sayso.Value{}, false, unknownCode(raw)
	}
}

func unknownCode(raw int64) string {
	return "the code " + strconv.FormatInt(raw, 10) + " has no meaning"
}

// gear reads PID A4 of SAE J1979: four bytes of which the first says whether
// the gear is known.
func gear(part func(raw int64) float64) convert {
	return func(raw int64, _ float64) (sayso.Value, bool, string) {
		if raw>>24&1 == 0 || raw>>16&0x0F != 0 {
			return sayso.Value{}, false, ""
		}
		return sayso.NumberValue(part(raw)), true, ""
	}
}

func listed(list []string, i int64) string {
	if i < 0 || i >= int64(len(list)) {
		return ""
	}
	return list[i]
}

// fuelNames are the fuels of PID 51 of SAE J1979, from code 1.
var fuelNames = []string{
	"GASOLINE", "METHANOL", "ETHANOL", "DIESEL", "LPG", "CNG", "PROPANE", "ELECTRIC",
	"BIFUEL RUNNING GASOLINE", "BIFUEL RUNNING METHANOL", "BIFUEL RUNNING ETHANOL", "BIFUEL RUNNING LPG", "BIFUEL RUNNING CNG",
	"BIFUEL RUNNING PROPANE", "BIFUEL RUNNING ELECTRICITY", "BIFUEL RUNNING ELECTRIC AND COMBUSTION ENGINE",
	"HYBRID GASOLINE", "HYBRID ETHANOL", "HYBRID DIESEL", "HYBRID ELECTRIC", "HYBRID RUNNING ELECTRIC AND COMBUSTION ENGINE",
	"HYBRID REGENERATIVE", "BIFUEL RUNNING DIESEL",
}

func powertrain(code int64) string {
	switch {
	case code == 8 || code == 15:
		return "ELECTRIC"
	case 16 <= code && code <= 22:
		return "HYBRID"
	case 1 <= code && code <= 32:
		return "COMBUSTION"
	}
	return ""
}

// torqueModes are those of SPN 899 of SAE J1939.
var torqueModes = []string{
	"LOW IDLE GOVERNOR/NO REQUEST", "ACCELERATOR PEDAL/OPERATOR SELECTION", "CRUISE CONTROL", "PTO GOVERNOR", "ROAD SPEED GOVERNOR",
	"ASR CONTROL", "TRANSMISSION CONTROL", "ABS CONTROL", "TORQUE LIMITING", "HIGH SPEED GOVERNOR", "BRAKING SYSTEM",
	"REMOTE ACCELERATOR", "SERVICE PROCEDURE", "NOT DEFINED", "OTHER", "NOT AVAILABLE",
}

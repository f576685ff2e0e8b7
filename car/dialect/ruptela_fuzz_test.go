package dialect

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/message"
)

var ruptelaVersions = []string{"r/v0/s", "r/v0/loc", "r/v0/dtc", "r/v0/cmd", "r/v0/batt", "r/v0/dev", "r/v0/new"}

// FuzzRuptela compares with a slow and simple reading of the same payload.
func FuzzRuptela(f *testing.F) {
	f.Add(byte(0), []byte(`{"signals":{"95":"3C","409":"1","520":"FFFFFFC4","135":"35","518":"23","1232":"01A007D0"},"pos":{"lat":1,"lon":2,"hdop":6,"alt":1048,"dir":7370,"spd":65535}}`))
	f.Add(byte(0), []byte(`{"signals":{"104":"5742413844394735","105":"35484E5531323334","106":"35","99":"1","359":"9","206":"00"}}`))
	f.Add(byte(1), []byte(`{"location":[{"ts":1741089600,"lat":522784033,"lon":-9085750,"alt":1049,"dir":22390,"hdop":50},{"ts":"2025-03-04T12:00:00Z","spd":5}]}`))
	f.Add(byte(2), []byte(`{"dtc_codes":[{"id":"7E8","code":"P0101"}]}`))
	f.Add(byte(3), []byte(`{"signals":{"405":"1"}}`))
	cat, rows := loadCatalogue(f), csvRows(f, "ruptela/fields.csv")
	f.Fuzz(func(t *testing.T, version byte, payload []byte) {
		agreeRuptela(t, cat, rows, ruptelaVersions[int(version)%len(ruptelaVersions)], payload)
	})
}

func TestRandomRuptelaPayloads(t *testing.T) {
	cat, rows := loadCatalogue(t), csvRows(t, "ruptela/fields.csv")
	p := parts{rand.New(rand.NewPCG(5, 6))}
	kept := 0
	value := func(bytes int) string {
		digits := strings.Repeat(p.pick("0", "0", "F", "f", "1"), 2*bytes-1-p.IntN(2*bytes)) + p.pick("1", "0", "2", "5", "7", "D", "FF", "FE", "40")
		return `"` + digits + `"`
	}
	pos := func(extra ...string) string {
		return p.members(append(extra, member("lat", p.or(p.pick("522784033", "-2147483648", "0", "1"))), member("lon", p.or(p.pick("-9085750", "-2147483648", "0"))),
			member("hdop", p.or(p.pick("6", "255", "250"))), member("alt", p.or(p.pick("1049", "32768", "-50"))), member("dir", p.or(p.pick("100", "36001"))), member("spd", p.or(p.pick("65535", "50", "600"))))...)
	}
	for i := range 6000 {
		var signals []string
		for range p.IntN(12) {
			row := rows[p.IntN(len(rows))]
			bytes, err := strconv.Atoi(row[1])
			if err == nil {
				signals = append(signals, member(row[0], p.or(value(bytes))))
			}
		}
		for _, oid := range []string{"104", "105", "106", "123", "124", "125"} {
			signals = append(signals, member(oid, p.or(p.pick(`"5742413844394735"`, `"35484E5531323334"`, `"3500000000000000"`, `"0000"`, `"ZZ"`))))
		}
		signals = append(signals, member("135", value(1)), member("136", value(1)), member("143", value(2)), member("405", value(1)), member("409", value(1)), member("985", value(1)))
		payload := p.members(member("signals", p.or(p.members(signals...))), member("pos", p.or(pos())),
			member("location", p.or(p.list(4, func() string {
				return pos(member("ts", p.or(p.pick("1741089600", "1741089601.5", `"2025-03-04T12:00:00Z"`))))
			}))),
			member("dtc_codes", p.or(p.list(4, func() string { return p.members(`"id":"7E8"`, member("code", p.or(p.pick(`"P0101"`, `"U0100"`)))) }))))
		kept += len(agreeRuptela(t, cat, rows, ruptelaVersions[i%len(ruptelaVersions)], []byte(payload)).Readings)
	}
	if kept < 5000 {
		t.Errorf("only %d values were kept", kept)
	}
}

func agreeRuptela(t *testing.T, cat *catalogue.Catalogue, rows [][]string, version string, payload []byte) Message {
	t.Helper()
	w := Window{Now: arrived}
	at := time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)
	m, err := decoders[formRuptela](cat, sayso.CloudEvent{Data: payload, DataVersion: version, Time: at}, w)
	o, ok := objectOf(payload)
	if ok != (err == nil) {
		t.Fatalf("%s\n%v, the simple reading says %v", payload, err, ok)
	}
	if !ok {
		return m
	}
	n := newNaive(cat, w)
	switch version {
	case "r/v0/s":
		n.ruptela(rows, at, o.object("signals"), o.object("pos"))
		n.driving(at, o.object("signals"))
		n.ruptelaVIN(o.object("signals"))
	case "r/v0/loc":
		list, _ := o.list("location")
		for _, raw := range list {
			if e, ok := objectOf(raw); ok {
				if at, ok := e.seconds(); ok {
					n.ruptela(rows, at, nil, e)
				}
			}
		}
	case "r/v0/dtc":
		list, ok := o.list("dtc_codes")
		codes := []string{}
		for _, raw := range list {
			e, _ := objectOf(raw)
			if code, _ := e.text("code"); code != "" {
				codes = append(codes, code)
			}
		}
		if ok {
			n.put("obdDTCList", at, sayso.TextValue(message.TextList(codes)))
		}
	case "r/v0/cmd":
		if raw, ok := digits(o.object("signals"), "405"); ok {
			name := "security.engineBlock"
			if raw == 0 {
				name = "security.engineUnblock"
			}
			n.event(name, at, "")
		}
	default:
		if len(m.Types) != 1 || m.Types[0] != sayso.TypeStatus || (version == "r/v0/new") != (len(m.Rejected) == 1) {
			t.Fatalf("%s: %+v", version, m)
		}
	}
	slices.Sort(n.events)
	n.agree(t, payload, m)
	return m
}

func (n *naive) event(name string, at time.Time, metadata string) {
	n.events = append(n.events, fmt.Sprintf("%s %s 0 %s []", name, at.Format(time.RFC3339Nano), metadata))
}

// digits reads a text of 1 to 16 hexadecimal digits.
func digits(o object, name string) (uint64, bool) {
	s, ok := o.text(name)
	if !ok || len(s) > 16 || strings.ContainsAny(s, "_+-") {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 16, 64)
	return n, err == nil
}

func (o object) seconds() (time.Time, bool) {
	if s, ok := o.text("ts"); ok {
		at, err := time.Parse(time.RFC3339, s)
		return at, err == nil
	}
	f, err := strconv.ParseFloat(string(o["ts"]), 64)
	if err != nil || f > 1e12 || f < -1e12 {
		return time.Time{}, false
	}
	micro, _ := strconv.ParseInt(strconv.FormatFloat(f*1e6, 'f', 0, 64), 10, 64)
	return time.UnixMicro(micro), true
}

// ruptela reads the fields of the table in their order: the first that gives a
// value for its signal counts.
func (n *naive) ruptela(rows [][]string, at time.Time, signals, pos object) {
	done := map[string]bool{}
	number := func(s string, otherwise float64) float64 {
		if s == "" {
			return otherwise
		}
		f, _ := strconv.ParseFloat(s, 64)
		return f
	}
	ignition, hasIgnition := digits(signals, "409")
	unplugged, hasPlug := digits(signals, "985")
	for _, row := range rows {
		signal, rule := row[2], " "+row[10]+" "
		var raw int64
		var ok bool
		if name, inPos := strings.CutPrefix(row[0], "pos."); inPos {
			raw, ok = pos.whole(name)
		} else if d, isHex := digits(signals, row[0]); isHex {
			ones := uint64(1)<<(8*int(number(row[1], 0))) - 1
			signed := strings.Contains(rule, "signed")
			raw, ok = int64(d), d <= ones && (signed || d != ones)
			if signed && d > ones/2 {
				raw -= int64(ones) + 1
			}
		}
		without := slices.ContainsFunc(strings.Split(row[9], "|"), func(s string) bool {
			low, high, ranged := strings.Cut(s, "-")
			if !ranged {
				high = low
			}
			return s != "" && raw >= int64(number(low, 0)) && raw <= int64(number(high, 0))
		})
		zeroMeansNone := strings.Contains(rule, " nonzero ") || strings.Contains(rule, " moving ") && hasIgnition && ignition == 0
		if !ok || done[signal] || without || raw == 0 && zeroMeansNone || strings.Contains(rule, " plugged ") && hasPlug && unplugged == 1 ||
			raw < int64(number(row[7], 0)) || raw > int64(number(row[8], 1<<32-1)) {
			continue
		}
		x := (float64(float64(raw)*number(row[4], 1)) + number(row[5], 0)) / number(row[6], 1)
		words := slices.DeleteFunc(strings.Fields(rule), func(s string) bool { return slices.Contains([]string{"nonzero", "plugged", "moving", "signed"}, s) })
		if v, ok := meant(strings.Join(words, " "), raw, x); ok {
			done[signal] = n.put(signal, at, v)
		}
	}
	lat, ok1 := pos.whole("lat")
	lon, ok2 := pos.whole("lon")
	if ok1 && ok2 && lat != -0x80000000 && lon != -0x80000000 {
		hdop, ok := pos.whole("hdop")
		if !ok || hdop == 255 {
			hdop = 0
		}
		n.fix(at, sayso.Location{Latitude: float64(lat) / 1e7, Longitude: float64(lon) / 1e7, HDOP: float64(hdop) / 10})
	}
}

// meant is the value of a raw and a scaled number by the rule of its field.
func meant(rule string, raw int64, x float64) (sayso.Value, bool) {
	num := func(f float64) (sayso.Value, bool) { return sayso.NumberValue(f), true }
	words := func(list string, i int64) (sayso.Value, bool) {
		all := strings.Split(list, "|")
		if i < 0 || i >= int64(len(all)) || all[i] == "" {
			return sayso.Value{}, false
		}
		return sayso.TextValue(all[i]), true
	}
	if bit, ok := strings.CutPrefix(rule, "bit "); ok {
		i, _ := strconv.Atoi(bit)
		return num(float64((raw >> i) % 2))
	}
	switch rule {
	case "":
		return num(x)
	case "psi":
		return num(x * 6.89476)
	case "minutes":
		return num(x * 60)
	case "inverted":
		if raw == 0 {
			return num(1)
		}
		return num(0)
	case "flag":
		return sayso.NumberValue(float64(raw)), raw < 2
	case "warning":
		return sayso.NumberValue(float64(min(raw, 1))), raw < 4
	case "pto":
		return sayso.NumberValue(float64(raw / 5)), raw == 0 || raw == 5
	case "oil level":
		return words("CRITICALLY_LOW|LOW|NORMAL|HIGH|CRITICALLY_HIGH", map[bool]int64{true: 4, false: int64(min(x, 98.9) / 25)}[x >= 99])
	case "gear":
		return sayso.NumberValue(float64(raw / (1 << 20) % 16)), raw/(1<<24)%2 == 1 && raw/(1<<16)%16 == 0
	case "gear ratio":
		return sayso.NumberValue(float64(raw%65536) / 1000), raw/(1<<24)%2 == 1 && raw/(1<<16)%16 == 0
	case "powertrain":
		if raw > 32 {
			return sayso.Value{}, false
		}
		return words("|COMBUSTION"+strings.Repeat("|COMBUSTION", 6)+"|ELECTRIC"+strings.Repeat("|COMBUSTION", 6)+"|ELECTRIC"+strings.Repeat("|HYBRID", 7)+
			strings.Repeat("|COMBUSTION", 10), raw)
	case "fuel":
		return words("|GASOLINE|METHANOL|ETHANOL|DIESEL|LPG|CNG|PROPANE|ELECTRIC|BIFUEL RUNNING GASOLINE|BIFUEL RUNNING METHANOL|BIFUEL RUNNING ETHANOL|BIFUEL RUNNING LPG|BIFUEL RUNNING CNG|BIFUEL RUNNING PROPANE|BIFUEL RUNNING ELECTRICITY|BIFUEL RUNNING ELECTRIC AND COMBUSTION ENGINE|HYBRID GASOLINE|HYBRID ETHANOL|HYBRID DIESEL|HYBRID ELECTRIC|HYBRID RUNNING ELECTRIC AND COMBUSTION ENGINE|HYBRID REGENERATIVE|BIFUEL RUNNING DIESEL", raw)
	case "torque mode":
		return words("LOW IDLE GOVERNOR/NO REQUEST|ACCELERATOR PEDAL/OPERATOR SELECTION|CRUISE CONTROL|PTO GOVERNOR|ROAD SPEED GOVERNOR|ASR CONTROL|TRANSMISSION CONTROL|ABS CONTROL|TORQUE LIMITING|HIGH SPEED GOVERNOR|BRAKING SYSTEM|REMOTE ACCELERATOR|SERVICE PROCEDURE|NOT DEFINED|OTHER|NOT AVAILABLE", raw)
	}
	panic("no rule " + rule)
}

func (n *naive) driving(at time.Time, signals object) {
	count := func(name string, c uint64) {
		if c > 0 {
			n.event(name, at, fmt.Sprintf(`{"counterValue":%d}`, c))
		}
	}
	if raw, ok := digits(signals, "135"); ok && raw < 256 {
		count("behavior.harshBraking", raw%16)
		count("behavior.extremeBraking", raw/16)
	}
	for oid, name := range map[string]string{"136": "behavior.harshAcceleration", "143": "behavior.harshCornering"} {
		if raw, ok := digits(signals, oid); ok && raw < 1<<32 {
			count(name, raw)
		}
	}
}

func (n *naive) ruptelaVIN(signals object) {
	for _, group := range []string{"104 105 106", "123 124 125"} {
		var vin string
		for _, oid := range strings.Fields(group) {
			s, ok := signals.text(oid)
			b, err := hex.DecodeString(s)
			if !ok || err != nil {
				vin = "\xff"
				break
			}
			vin += string(b)
		}
		vin = strings.Trim(strings.ReplaceAll(vin, "\x00", ""), " ")
		if vin = vin[:min(17, len(vin))]; message.ValidVIN(vin) {
			n.vin = vin
			return
		}
	}
}

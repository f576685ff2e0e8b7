package dialect

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/message"
)

// FuzzAutoPi and FuzzHashDog compare with a slow and simple reading of the same
// payload by encoding/json.
func FuzzAutoPi(f *testing.F) {
	for _, s := range []string{
		`{"vehicle":{"signals":[{"timestamp":1741089600000,"name":"rpm","value":900},{"timestamp":1741089600000,"name":"oil","value":0.5}]}}`,
		`{"vehicle":{"signals":[{"timestamp":1741089600000,"name":"latitude","value":1},{"timestamp":1741089600100,"name":"longitude","value":2.5}]}}`,
		`{"vin":"WBA8D9G55HNU12345","vehicle":{"signals":[{"timestamp":1.7410896e12,"name":"odometer","value":2000000}]}}`,
		`{"vehicle":{"signals":[{"timestamp":1741089600000,"name":"obdDTCList","value":"P0101, P0202"},{"timestamp":1741089600000,"name":"charging","value":true}]}}`,
	} {
		f.Add([]byte(s))
	}
	cat, rows := loadCatalogue(f), csvRows(f, "internal/named/names.csv")
	f.Fuzz(func(t *testing.T, payload []byte) { agreeNamed(t, cat, rows, payload, false) })
}

func FuzzHashDog(f *testing.F) {
	f.Add([]byte(`{"header":3,"vehicle":{"signals":[{"timestamp":1741089600000,"name":"oilLife","value":0.99},{"timestamp":1741089600000,"name":"fuelType","value":"Electric"}]}}`))
	f.Add([]byte(`{"header":1,"decodedPayload":{"vin":"WBA8D9G55HNU12345"},"vehicle":{"signals":null}}`))
	cat, rows := loadCatalogue(f), csvRows(f, "internal/named/names.csv")
	f.Fuzz(func(t *testing.T, payload []byte) { agreeNamed(t, cat, rows, payload, true) })
}

func TestRandomNamedPayloads(t *testing.T) {
	cat, rows := loadCatalogue(t), csvRows(t, "internal/named/names.csv")
	p := parts{rand.New(rand.NewPCG(3, 4))}
	kept := 0
	for i := range 8000 {
		signals := p.list(8, func() string {
			name := `"` + rows[p.IntN(len(rows))][0] + `"`
			if p.IntN(3) == 0 {
				name = p.pick(`"latitude"`, `"longitude"`, `"hdop"`, `"unheard"`)
			}
			return p.members(member("name", p.or(name)), member("timestamp", p.or(p.pick("1741089600000", "1741089600200", "1741089601000", "1.7410896e12", "1600000000000"))),
				member("value", p.or(p.pick("1", "0.5", "2000000", `"0.25"`, "true", "false", `"Diesel"`, `"P0101,P0202"`, `","`))))
		})
		payload := p.members(member("header", p.or(p.pick("1", "3", "5"))), member("vin", p.or(`"WBA8D9G55HNU12345"`)),
			member("decodedPayload", p.or(p.members(member("vin", p.or(`"WBA8D9G55HNU12345"`))))), member("vehicle", p.or(p.members(member("signals", p.or(signals))))))
		kept += len(agreeNamed(t, cat, rows, []byte(payload), i%2 == 0).Readings)
	}
	if kept < 2000 {
		t.Errorf("only %d values were kept", kept)
	}
}

func agreeNamed(t *testing.T, cat *catalogue.Catalogue, rows [][]string, payload []byte, header bool) Message {
	t.Helper()
	w := Window{Now: arrived}
	decode := decoders[formAutoPi]
	if header {
		decode = decoders[formHashDog]
	}
	m, err := decode(cat, sayso.CloudEvent{Data: payload, DataVersion: "v2"}, w)
	o, ok := objectOf(payload)
	kind, whole := o.whole("header")
	if header {
		ok = ok && whole && kind > 0
	}
	if ok != (err == nil) {
		t.Fatalf("%s\n%v, the simple reading says %v", payload, err, ok)
	}
	if !ok {
		return m
	}
	n := newNaive(cat, w)
	identity := o
	if header {
		identity = o.object("decodedPayload")
	}
	if vin, ok := identity.text("vin"); ok && message.ValidVIN(vin) && (!header || kind == 1) {
		n.vin = vin
	}
	list, _ := o.object("vehicle").list("signals")
	for _, raw := range list {
		if e, ok := objectOf(raw); ok {
			n.named(rows, e)
		}
	}
	n.agree(t, payload, m)
	return m
}

// named reads an element of a list of named values.
func (n *naive) named(rows [][]string, e object) {
	name, isText := e.text("name")
	at, timed := e.milliseconds("timestamp")
	if !isText || !timed {
		return
	}
	f, isNumber := e.number("value")
	text, isWord := e.text("value")
	number := func(signal string, f float64) {
		if isNumber {
			n.put(signal, at, sayso.NumberValue(f))
		}
	}
	word := func(signal, s string) {
		if isWord {
			n.put(signal, at, sayso.TextValue(s))
		}
	}
	half := func(p message.Part) {
		if isNumber {
			n.halves = append(n.halves, message.Half{Time: at, Part: p, Value: f})
		}
	}
	for _, row := range rows {
		if row[0] != name {
			continue
		}
		switch signal := row[1]; row[2] {
		case "":
			if s := string(e["value"]); n.cat.Signal(signal).Boolean() && (s == "true" || s == "false") {
				n.put(signal, at, sayso.NumberValue(map[string]float64{"true": 1, "false": 0}[s]))
			} else {
				number(signal, f)
			}
		case "percent":
			number(signal, f*100)
		case "kilo":
			number(signal, f*1000)
		case "odometer":
			if f > 999999 {
				f = math.Round(f / 1000)
			}
			number(signal, f)
		case "oil level":
			if isNumber && f >= 0 && f <= 1 {
				level := "CRITICALLY_HIGH"
				for _, x := range []struct {
					under float64
					name  string
				}{{99, "HIGH"}, {75, "NORMAL"}, {50, "LOW"}, {25, "CRITICALLY_LOW"}} {
					if f*100 < x.under {
						level = x.name
					}
				}
				n.put(signal, at, sayso.TextValue(level))
			}
		case "fuel":
			fuel, known := map[string]string{"Gasoline": "GASOLINE", "Ethanol": "E85", "Diesel": "DIESEL", "LPG": "LPG"}[text]
			if !known {
				fuel = "OTHER"
			}
			word(signal, fuel)
		case "powertrain":
			word(signal, map[bool]string{true: "ELECTRIC", false: "COMBUSTION"}[text == "Electric"])
		case "list":
			word(signal, codeList(text))
		case "latitude":
			half(message.Latitude)
		case "longitude":
			half(message.Longitude)
		case "hdop":
			half(message.HDOP)
		}
	}
}

// codeList writes the parts between commas as a JSON list.
func codeList(text string) string {
	codes := []string{}
	for _, c := range strings.Split(text, ",") {
		if c = strings.TrimSpace(c); c != "" {
			codes = append(codes, c)
		}
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if enc.Encode(codes) != nil {
		return ""
	}
	return escapes.Replace(strings.TrimSpace(out.String()))
}

// escapes undoes what encoding/json escapes without need.
var escapes = strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029", `\u007f`, "\u007f")

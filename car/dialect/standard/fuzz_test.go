package standard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/internal/jsonscan"
	"sayso/car/dialect/message"
)

// FuzzDecode compares with a slow and simple reading of the same payload by
// encoding/json.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"signals":[{"name":"speed","timestamp":"2025-03-04T12:00:00Z","value":7},{"name":"powertrainType","timestamp":"2025-03-04T12:00:00Z","value":"HYBRID"}]}`,
		`{"signals":[{"name":"currentLocationCoordinates","timestamp":"2025-03-04T12:00:00Z","value":{"latitude":1.5,"longitude":2,"hdop":1,"heading":3}}]}`,
		`{"signals":[{"name":"speed","timestamp":"2025-03-04T12:00:00Z","value":"7"},{"name":"speed","timestamp":"2025-03-04T12:00:00Z","value":8}],"vin":"WBA8D9G55HNU12345"}`,
		`{"events":[{"name":"safety.collision","timestamp":"2025-03-04T12:00:00Z","durationNs":5,"metadata":"{\"a\":1}","tags":["x",1]}]}`,
		`{"events":[{"name":"a.b","timestamp":"2025-03-04T12:00:00Z","durationNs":5e1,"metadata":{},"tags":{}}],"vin":5,"signals":5}`,
	} {
		f.Add([]byte(s))
	}
	cat := load(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		agree(t, cat, payload)
	})
}

// agree demands that both readings of a payload come to the same.
func agree(t *testing.T, cat *catalogue.Catalogue, payload []byte) (m message.Message) {
	t.Helper()
	w := message.Window{Now: now}
	got, err := Decode(cat, sayso.CloudEvent{Data: payload}, w)
	want, ok := naive{cat: cat, window: w}.decode(payload)
	if ok != (err == nil) {
		t.Fatalf("%s\n%v, the simple reading says %v", payload, err, ok)
	}
	if !ok {
		return m
	}
	if len(got.Rejected) != want.refused && len(got.Rejected) <= message.MaxRejections {
		t.Fatalf("%s\nrefused %d: %v, want %d", payload, len(got.Rejected), got.Rejected, want.refused)
	}
	if got.VIN != want.VIN || !slices.Equal(got.Types, want.Types) || len(got.Readings) != len(want.Readings) || len(got.Events) != len(want.Events) {
		t.Fatalf("%s\ngot %+v\nwant %+v", payload, got, want.Message)
	}
	for i, r := range got.Readings {
		if r != want.Readings[i] {
			t.Fatalf("%s\ngot %+v\nwant %+v", payload, r, want.Readings[i])
		}
		if err := cat.ByID(r.Signal).Check(r.Value); err != nil {
			t.Fatalf("%s\n%v", payload, err)
		}
	}
	for i, e := range got.Events {
		if !reflect.DeepEqual(e, want.Events[i]) {
			t.Fatalf("%s\ngot %+v\nwant %+v", payload, e, want.Events[i])
		}
	}
	return got
}

// TestRandomPayloads puts payloads together from good and bad parts.
func TestRandomPayloads(t *testing.T) {
	cat, rnd := load(t), rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	odd := func() string {
		return pick("null", "true", "5", "-0", "1e999", `""`, `"x"`, "[]", "{}", `[{}]`, `"7.5"`, `"2025-03-04T12:00:00Z"`)
	}
	or := func(good string) string {
		if rnd.IntN(12) == 0 {
			return odd()
		}
		return good
	}
	members := func(list ...string) string {
		list = slices.DeleteFunc(list, func(string) bool { return rnd.IntN(20) == 0 })
		rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if rnd.IntN(10) == 0 && len(list) > 0 {
			list = append(list, list[0])
		}
		return "{" + strings.Join(list, pick(",", " ,\n")) + "}"
	}
	list := func(element func() string) string {
		var l []string
		for range rnd.IntN(6) {
			l = append(l, or(element()))
		}
		return "[" + strings.Join(l, ",") + "]"
	}
	when := func() string {
		return `"timestamp":` + or(pick(`"2025-03-04T12:00:00Z"`, `"2025-03-04T12:00:00Z"`, `"2025-03-04T12:00:01.25+00:30"`, `"2025-03-04T13:00:00Z"`, `"2024-01-01T00:00:00Z"`))
	}
	signals := func() string {
		return list(func() string {
			s := cat.Signals()[rnd.IntN(len(cat.Signals()))]
			if rnd.IntN(3) == 0 {
				s = cat.Signal(pick("speed", "isIgnitionOn", "powertrainType", "obdDTCList", "currentLocationCoordinates"))
			}
			value := pick("1", "0.5", "1000", `"1"`, "-1")
			switch s.Kind {
			case sayso.Text:
				value = pick(`"HYBRID"`, `"[\"E85\"]"`, `"NORM\u0041L"`)
			case sayso.Position:
				value = members(`"latitude":`+or(pick("1.5", "0", "91")), `"longitude":`+or(pick("2.5", "0", "181")), `"hdop":`+or(pick("1", "101")), `"heading":`+or(pick("1", "361")))
			}
			return members(`"name":`+or(`"`+s.Name+`"`), when(), `"value":`+or(value))
		})
	}
	events := func() string {
		return list(func() string {
			return members(`"name":`+or(pick(`"a.b"`, `"safety.collision"`, `"a"`)), when(), `"durationNs":`+or(pick("0", "5", "18446744073709551615", "1.5")),
				`"metadata":`+or(pick(`"{}"`, `"{\"a\":[1,2]}"`, `"{"`)), `"tags":`+or(list(func() string { return pick(`"x"`, `"y"`) })))
		})
	}
	kept, refused := 0, 0
	for range 20_000 {
		payload := members(`"signals":`+or(signals()), `"events":`+or(events()), `"vin":`+or(pick(`"WBA8D9G55HNU12345"`, `"NCP131-2005066"`, `"I"`)), `"x":`+odd())
		m := agree(t, cat, []byte(payload))
		kept, refused = kept+len(m.Readings)+len(m.Events), refused+len(m.Rejected)
	}
	if kept < 10_000 || refused < 10_000 {
		t.Errorf("only %d values were kept and %d refused", kept, refused)
	}
}

// naive is the simple reading: it follows the text of the specification and
// cares for nothing else.
type naive struct {
	message.Message
	cat     *catalogue.Catalogue
	window  message.Window
	refused int
}

type object map[string]json.RawMessage

// objectOf reads an object; of equal names the first stays.
func objectOf(raw []byte) (object, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	o := object{}
	for d.More() {
		name, _ := d.Token()
		var v json.RawMessage
		if d.Decode(&v) != nil {
			return nil, false
		}
		if _, again := o[name.(string)]; !again {
			o[name.(string)] = v
		}
	}
	return o, true
}

func (o object) has(name string) bool { return len(o[name]) > 0 && string(o[name]) != "null" }

func (o object) text(name string) (s string, ok bool) {
	return s, o.has(name) && json.Unmarshal(o[name], &s) == nil
}

func (n naive) decode(payload []byte) (naive, bool) {
	if jsonscan.Valid(payload) != nil {
		return n, false
	}
	o, ok := objectOf(payload)
	if !ok {
		return n, false
	}
	if o.has("vin") {
		vin, ok := o.text("vin")
		switch {
		case ok && vin == "":
		case ok && message.ValidVIN(vin):
			n.VIN = vin
			n.Types = append(n.Types, "dimo.fingerprint")
		default:
			n.refused++
		}
	}
	for _, list := range []struct {
		name, kept string
		element    func(object)
	}{{"signals", "dimo.status", n.signal(&n)}, {"events", "dimo.events", n.event(&n)}} {
		if !o.has(list.name) {
			continue
		}
		var elements []json.RawMessage
		if json.Unmarshal(o[list.name], &elements) != nil {
			n.refused++
			continue
		}
		if len(elements) > 0 {
			n.Types = append(n.Types, list.kept)
		}
		for _, raw := range elements {
			if e, ok := objectOf(raw); ok {
				list.element(e)
			} else {
				n.refused++
			}
		}
	}
	n.tidy()
	return n, len(n.Types) > 0
}

// at reads a time that the window accepts.
func (n naive) at(o object) (sayso.Instant, bool) {
	s, ok := o.text("timestamp")
	t, err := time.Parse(time.RFC3339, s)
	return sayso.At(t), ok && err == nil && n.window.Check(t) == nil
}

var numeric = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func numberIn(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, numeric.MatchString(s) && err == nil
}

func (naive) signal(n *naive) func(object) {
	return func(o object) {
		name, _ := o.text("name")
		s := n.cat.Signal(name)
		at, ok := n.at(o)
		if s == nil || !ok || s.Computed() {
			n.refused++
			return
		}
		var v sayso.Value
		wrong := 0
		switch raw := string(o["value"]); s.Kind {
		case sayso.Number:
			if t, isText := o.text("value"); isText {
				raw = t
			}
			f, ok := numberIn(raw)
			if v = sayso.NumberValue(f); !ok {
				v.Kind = 0
			}
		case sayso.Text:
			t, ok := o.text("value")
			if v = sayso.TextValue(t); !ok {
				v.Kind = 0
			}
		case sayso.Position:
			p, ok := objectOf(o["value"])
			lat, hasLat := numberIn(string(p["latitude"]))
			lng, hasLng := numberIn(string(p["longitude"]))
			if !ok || !hasLat || !hasLng {
				break
			}
			l := sayso.Location{Latitude: lat, Longitude: lng}
			for name, to := range map[string]*float64{"hdop": &l.HDOP, "heading": &l.Heading} {
				limit := map[string]float64{"hdop": 100, "heading": 360}[name]
				if !p.has(name) {
					continue
				}
				if f, ok := numberIn(string(p[name])); ok && f >= 0 && f <= limit {
					*to = f
				} else {
					wrong++
				}
			}
			v = sayso.LocationValue(l)
		}
		if s.Check(v) != nil {
			n.refused++
			return
		}
		n.refused += wrong
		n.Readings = append(n.Readings, sayso.Reading{Signal: s.ID, Time: at, Value: v})
	}
}

func (naive) event(n *naive) func(object) {
	return func(o object) {
		var e sayso.Event
		var ok bool
		if e.Name, ok = o.text("name"); !ok {
			n.refused++
			return
		}
		if o.has("durationNs") {
			if json.Unmarshal(o["durationNs"], &e.DurationNS) != nil {
				n.refused++
				return
			}
		}
		if e.Time, ok = n.at(o); !ok || !regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]*\.[a-zA-Z][a-zA-Z0-9]*$`).MatchString(e.Name) {
			n.refused++
			return
		}
		if o.has("metadata") {
			s, ok := o.text("metadata")
			if ok = ok && len(s) <= message.MaxMetadata && (s == "" || jsonscan.Valid([]byte(s)) == nil); ok {
				e.Metadata = s
			} else {
				n.refused++
			}
		}
		var tags []json.RawMessage
		if o.has("tags") && json.Unmarshal(o["tags"], &tags) != nil {
			n.refused++
		}
		wrong := 0
		for _, t := range tags {
			if len(e.Tags) == message.MaxTags || wrong == message.MaxTags {
				n.refused++
				break
			}
			s, _ := object{"": t}.text("")
			if s == "" || len(s) > message.MaxTag {
				wrong++
				continue
			}
			e.Tags = append(e.Tags, s)
		}
		n.refused += wrong
		n.Events = append(n.Events, e)
	}
}

// tidy keeps the last of several values for the same time and sorts.
func (n *naive) tidy() {
	var readings []sayso.Reading
	for i, r := range n.Readings {
		if slices.ContainsFunc(n.Readings[i+1:], func(o sayso.Reading) bool { return o.Signal == r.Signal && o.Time == r.Time }) {
			n.refused++
			continue
		}
		readings = append(readings, r)
	}
	slices.SortFunc(readings, func(a, b sayso.Reading) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Signal, b.Signal))
	})
	var events []sayso.Event
	for i, e := range n.Events {
		if slices.ContainsFunc(n.Events[i+1:], func(o sayso.Event) bool { return o.Name == e.Name && o.Time == e.Time }) {
			n.refused++
			continue
		}
		events = append(events, e)
	}
	slices.SortFunc(events, func(a, b sayso.Event) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.Name, b.Name))
	})
	n.Readings, n.Events = readings, events
}

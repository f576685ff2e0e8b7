package standard

import (
	"bytes"
	"cmp"
	"encoding/json"
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
		w := message.Window{Now: now}
		got, err := Decode(cat, sayso.CloudEvent{Data: payload}, w)
		want, ok := naive{cat: cat, window: w}.decode(payload)
		if ok != (err == nil) {
			t.Fatalf("%s\n%v, the simple reading says %v", payload, err, ok)
		}
		if !ok {
			return
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
	})
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
					n.refused++
				}
			}
			v = sayso.LocationValue(l)
		}
		if s.Check(v) != nil {
			n.refused++
			return
		}
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
		if s, ok := o.text("timestamp"); !ok {
			n.refused++
			return
		} else if _, err := time.Parse(time.RFC3339, s); err != nil {
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
		var tags []any
		if o.has("tags") && json.Unmarshal(o["tags"], &tags) != nil {
			n.refused++
		}
		for _, t := range tags {
			s, _ := t.(string)
			if s == "" || len(s) > message.MaxTag {
				n.refused++
				continue
			}
			if len(e.Tags) == message.MaxTags {
				n.refused++
				break
			}
			e.Tags = append(e.Tags, s)
		}
		if e.Time, ok = n.at(o); !ok || !regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]*\.[a-zA-Z][a-zA-Z0-9]*$`).MatchString(e.Name) {
			n.refused++
			return
		}
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

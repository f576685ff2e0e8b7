package standard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/message"
)

var now = time.Date(2025, 3, 4, 12, 1, 0, 0, time.UTC)

func load(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines writes a message as text: readings, events, VIN, refusals.
func lines(cat *catalogue.Catalogue, m message.Message) string {
	var out []string
	at := func(i sayso.Instant) string { return i.Time().Format("15:04:05.999999") }
	for _, r := range m.Readings {
		v := strconv.FormatFloat(r.Value.Number, 'g', -1, 64)
		switch l := r.Value.Location; r.Value.Kind {
		case sayso.Text:
			v = strconv.Quote(r.Value.Text)
		case sayso.Position:
			v = fmt.Sprintf("%v/%v/%v/%v", l.Latitude, l.Longitude, l.HDOP, l.Heading)
		}
		out = append(out, at(r.Time)+" "+cat.ByID(r.Signal).Name+" "+v)
	}
	for _, e := range m.Events {
		out = append(out, fmt.Sprintf("%s %s %dns %s %q", at(e.Time), e.Name, e.DurationNS, e.Metadata, e.Tags))
	}
	if m.VIN != "" {
		out = append(out, "vin "+m.VIN)
	}
	for _, r := range m.Rejected {
		out = append(out, "! "+r.Name+": "+r.Reason)
	}
	return strings.Join(out, "\n")
}

func signal(name, value string) string {
	return `{"name":"` + name + `","timestamp":"2025-03-04T12:00:00Z","value":` + value + `}`
}

// Every list holds a good reading beside what a case is about.
const good, goodLine = `{"name":"speed","timestamp":"2025-03-04T12:00:00Z","value":7}`, "12:00:00 speed 7"

func one(s string) string { return `{"signals":[` + s + `,` + good + `]}` }

func position(s string) string { return one(signal("currentLocationCoordinates", s)) }

func event(s string) string {
	return `{"events":[{"name":"safety.collision","timestamp":"2025-03-04T12:00:00Z"` + s + `}]}`
}

// payloads are payloads, the types they are kept as, and what becomes of them:
// the lines of a message, or the error.
var payloads = []struct{ name, payload, types, want string }{
	{"number as text", one(signal("obdRunTime", `"12.50"`)), "status", "12:00:00 obdRunTime 12.5\n" + goodLine},
	{"boolean", one(signal("isIgnitionOn", `true`)), "status", goodLine + "\n! isIgnitionOn: want a number, got a boolean"},
	{"boolean as number", one(signal("isIgnitionOn", `1`)), "status", "12:00:00 isIgnitionOn 1\n" + goodLine},
	{"text for a number", one(signal("obdRunTime", `"long"`)), "status", goodLine + "\n! obdRunTime: \"long\" is not a number"},
	{"NaN as text", one(signal("obdRunTime", `"NaN"`)), "status", goodLine + "\n! obdRunTime: \"NaN\" is not a number"},
	{"hexadecimal as text", one(signal("obdRunTime", `"0x10"`)), "status", goodLine + "\n! obdRunTime: \"0x10\" is not a number"},
	{"empty text for a number", one(signal("obdRunTime", `""`)), "status", goodLine + "\n! obdRunTime: \"\" is not a number"},
	{"number too large", one(signal("obdRunTime", `1e999`)), "status", goodLine + "\n! obdRunTime: 1e999 is too large"},
	{"number for a text", one(signal("powertrainType", `1`)), "status", goodLine + "\n! powertrainType: want a text, got a number"},
	{"list", one(signal("obdDTCList", `["P0101"]`)), "status", goodLine + "\n! obdDTCList: want a text, got a list"},
	{"list as text", one(signal("obdDTCList", `"[\"P0101\"]"`)), "status", "12:00:00 obdDTCList \"[\\\"P0101\\\"]\"\n" + goodLine},
	{"null", one(signal("obdRunTime", `null`)), "status", goodLine + "\n! obdRunTime: no value"},
	{"no value", one(`{"name":"obdRunTime","timestamp":"2025-03-04T12:00:00Z"}`), "status", goodLine + "\n! obdRunTime: no value"},
	{"no name", one(`{"timestamp":"2025-03-04T12:00:00Z","value":1}`), "status", goodLine + "\n! signals[0]: want a text as name, got nothing"},
	{"name is a number", one(`{"name":5,"value":1}`), "status", goodLine + "\n! signals[0]: want a text as name, got a number"},
	{"element is a number", one(`5`), "status", goodLine + "\n! signals[0]: want an object, got a number"},
	{"unknown name", one(signal("warp", `1`)), "status", goodLine + "\n! warp: not a signal of the catalogue"},
	{"path", one(signal("Vehicle.OBD.RunTime", `1`)), "status", goodLine + "\n! Vehicle.OBD.RunTime: not a signal of the catalogue; its name is obdRunTime"},
	{"half a position", one(signal("currentLocationLatitude", `1`)), "status",
		goodLine + "\n! currentLocationLatitude: not a signal of the catalogue; send currentLocationCoordinates with latitude and longitude"},
	{"computed", one(signal("currentLocationApproximateCoordinates", `{"latitude":1,"longitude":2}`)), "status",
		goodLine + "\n! currentLocationApproximateCoordinates: this signal is computed when it is read; send currentLocationCoordinates"},
	{"no timestamp", one(`{"name":"obdRunTime","value":1}`), "status", goodLine + "\n! obdRunTime: no timestamp"},
	{"timestamp in milliseconds", one(`{"name":"obdRunTime","timestamp":1741089600000,"value":1}`), "status", goodLine + "\n! obdRunTime: want a text as timestamp, got a number"},
	{"timestamp in words", one(`{"name":"obdRunTime","timestamp":"yesterday","value":1}`), "status", goodLine + "\n! obdRunTime: the timestamp \"yesterday\" is not of RFC 3339"},
	{"timestamp of year 1", one(`{"name":"obdRunTime","timestamp":"0001-01-01T00:00:00Z","value":1}`), "status", goodLine + "\n! obdRunTime: 0001-01-01T00:00:00Z is before 2000-01-01T00:00:00Z"},
	{"timestamp ahead", one(`{"name":"obdRunTime","timestamp":"2025-03-04T12:06:00.000001Z","value":1}`), "status", goodLine + "\n! obdRunTime: 2025-03-04T12:06:00.000001Z is more than 5 minutes ahead"},
	{"old", one(`{"name":"obdRunTime","timestamp":"2025-02-02T12:00:59.999999Z","value":1}`), "status",
		goodLine + "\n! obdRunTime: 2025-02-02T12:00:59.999999Z is more than 30 days ago; older data goes through back-fill"},
	{"another zone", one(`{"name":"obdRunTime","timestamp":"2025-03-04T13:00:00.5+01:00","value":1}`), "status", goodLine + "\n12:00:00.5 obdRunTime 1"},
	{"order and repetition", `{"signals":[` + signal("speed", "1") + `,` + signal("obdRunTime", "2") + `,` + signal("speed", "3") + `]}`, "status",
		"12:00:00 obdRunTime 2\n12:00:00 speed 3\n! speed: the message holds a later value for the same time"},
	{"members twice", `{"signals":[{"name":"speed","name":"obdRunTime","value":1,"value":2,"timestamp":"2025-03-04T12:00:00Z","timestamp":5}],"signals":5}`, "status", "12:00:00 speed 1"},
	{"unknown members", `{"x":[{}],"signals":[{"y":{"z":1},"name":"speed","timestamp":"2025-03-04T12:00:00Z","value":7}]}`, "status", goodLine},
	{"escaped member", `{"s\u0069gnals":[{"n\u0061me":"sp\u0065ed","timestamp":"2025-03-04T12:00:00Z","value":7}]}`, "status", goodLine},
	{"all refused", `{"signals":[5]}`, "status", "! signals[0]: want an object, got a number"},

	{"position", position(`{"latitude":1.5,"longitude":-2.5,"hdop":0.9,"heading":90}`), "status", "12:00:00 currentLocationCoordinates 1.5/-2.5/0.9/90\n" + goodLine},
	{"position alone", position(`{"latitude":1.5,"longitude":-2.5,"hdop":null,"heading":null}`), "status", "12:00:00 currentLocationCoordinates 1.5/-2.5/0/0\n" + goodLine},
	{"no longitude", position(`{"latitude":1.5}`), "status", goodLine + "\n! currentLocationCoordinates: want a number as longitude, got nothing"},
	{"latitude as text", position(`{"latitude":"1.5","longitude":1}`), "status", goodLine + "\n! currentLocationCoordinates: want a number as latitude, got a text"},
	{"position as list", position(`[1.5,2]`), "status", goodLine + "\n! currentLocationCoordinates: want a position, got a list"},
	{"no fix", position(`{"latitude":0,"longitude":0}`), "status", goodLine + "\n! currentLocationCoordinates: (0,0) is what a receiver without a fix sends"},
	{"bad quality and course", position(`{"latitude":1.5,"longitude":2,"hdop":255,"heading":-1}`), "status",
		"12:00:00 currentLocationCoordinates 1.5/2/0/0\n" + goodLine + "\n! currentLocationCoordinates.hdop: hdop 255 is outside 0 to 100\n! currentLocationCoordinates.heading: heading -1 is outside 0 to 360"},
	{"quality is a text", position(`{"latitude":1.5,"longitude":2,"hdop":"1"}`), "status",
		"12:00:00 currentLocationCoordinates 1.5/2/0/0\n" + goodLine + "\n! currentLocationCoordinates.hdop: want a number as hdop, got a text"},

	{"event", event(`,"durationNs":1500000000,"metadata":"{\"counterValue\": 3}","tags":["a","b"]`), "events", `12:00:00 safety.collision 1500000000ns {"counterValue": 3} ["a" "b"]`},
	{"event alone", event(``), "events", `12:00:00 safety.collision 0ns  []`},
	{"event with nulls", event(`,"durationNs":null,"metadata":null,"tags":null`), "events", `12:00:00 safety.collision 0ns  []`},
	{"unknown event", `{"events":[{"name":"my.event","timestamp":"2025-03-04T12:00:00Z"}]}`, "events", `12:00:00 my.event 0ns  []`},
	{"event name", `{"events":[{"name":"braking","timestamp":"2025-03-04T12:00:00Z"}]}`, "events", "! braking: an event's name has the form category.name"},
	{"event without name", `{"events":[{},7]}`, "events", "! events[0]: want a text as name, got nothing\n! events[1]: want an object, got a number"},
	{"event without time", `{"events":[{"name":"a.b"}]}`, "events", "! a.b: no timestamp"},
	{"event ahead", `{"events":[{"name":"a.b","timestamp":"2099-01-01T00:00:00Z"}]}`, "events", "! a.b: 2099-01-01T00:00:00Z is more than 5 minutes ahead"},
	{"negative duration", event(`,"durationNs":-1`), "events", "! safety.collision: durationNs is not a whole number from 0 to 2^64-1"},
	{"duration as text", event(`,"durationNs":"1"`), "events", "! safety.collision: durationNs is not a whole number from 0 to 2^64-1"},
	{"metadata that is no JSON", event(`,"metadata":"{x}"`), "events", "12:00:00 safety.collision 0ns  []\n! safety.collision.metadata: the text is not valid JSON at byte 1: want the name of a member"},
	{"metadata as object", event(`,"metadata":{"a":1}`), "events", "12:00:00 safety.collision 0ns  []\n! safety.collision.metadata: want a text that holds JSON, got an object"},
	{"metadata too long", event(`,"metadata":"\"` + strings.Repeat("x", message.MaxMetadata) + `\""`), "events", "12:00:00 safety.collision 0ns  []\n! safety.collision.metadata: 16386 bytes are over 16384"},
	{"tags", event(`,"tags":["a",5,"","b"]`), "events", "12:00:00 safety.collision 0ns  [\"a\" \"b\"]\n! safety.collision.tags: tag 1 is not a text of 1 to 128 bytes\n! safety.collision.tags: tag 2 is not a text of 1 to 128 bytes"},
	{"tags as text", event(`,"tags":"a"`), "events", "12:00:00 safety.collision 0ns  []\n! safety.collision.tags: want a list, got a text"},
	{"event twice", `{"events":[{"name":"a.b","timestamp":"2025-03-04T12:00:00Z","durationNs":1},{"name":"a.b","timestamp":"2025-03-04T12:00:00Z","durationNs":2}]}`, "events",
		"12:00:00 a.b 2ns  []\n! a.b: the message holds a later value for the same time"},

	{"vin", `{"vin":"WBA8D9G55HNU12345"}`, "fingerprint", "vin WBA8D9G55HNU12345"},
	{"all three", `{"events":[{"name":"a.b","timestamp":"2025-03-04T12:00:00Z"}],"vin":"WBA8D9G55HNU12345","signals":[` + good + `]}`, "fingerprint status events",
		goodLine + "\n12:00:00 a.b 0ns  []\nvin WBA8D9G55HNU12345"},
	{"bad vin beside a signal", `{"vin":"no","signals":[` + good + `]}`, "status", goodLine + "\n! vin: \"no\" is neither a vehicle identification number nor a chassis number"},
	{"vin is a number", `{"vin":5,"signals":[` + good + `]}`, "status", goodLine + "\n! vin: want a text, got a number"},
	{"wrong lists beside a vin", `{"vin":"WBA8D9G55HNU12345","signals":{},"events":"x"}`, "fingerprint", "vin WBA8D9G55HNU12345\n! signals: want a list, got an object\n! events: want a list, got a text"},
	{"empty lists beside a vin", `{"vin":"WBA8D9G55HNU12345","signals":[],"events":[]}`, "fingerprint", "vin WBA8D9G55HNU12345"},

	{"nothing", `{}`, "", "the payload holds no signals, vin or events"},
	{"nulls", `{"signals":null,"events":null,"vin":null}`, "", "the payload holds no signals, vin or events"},
	{"empty", `{"signals":[],"events":[],"vin":""}`, "", "the payload holds no signals, vin or events"},
	{"bad vin alone", `{"vin":"no"}`, "", `vin: "no" is neither a vehicle identification number nor a chassis number`},
	{"wrong list alone", `{"signals":5}`, "", `signals: want a list, got a number`},
	{"no payload", ``, "", "the payload is nothing, want an object with signals, vin or events"},
	{"a list", `[]`, "", "the payload is a list, want an object with signals, vin or events"},
	{"not JSON", `{"signals":[`, "", "the payload is not valid JSON at byte 12: want a value"},
}

func TestDecode(t *testing.T) {
	cat := load(t)
	for _, x := range payloads {
		t.Run(x.name, func(t *testing.T) {
			m, err := Decode(cat, sayso.CloudEvent{Data: []byte(x.payload)}, message.Window{Now: now})
			got := lines(cat, m)
			if err != nil {
				got = sayso.MessageOf(err)
				if sayso.FaultOf(err) != sayso.Invalid || len(m.Types) > 0 {
					t.Errorf("%v, %+v", err, m)
				}
			}
			if got != x.want {
				t.Errorf("got\n%s\nwant\n%s", got, x.want)
			}
			if types := strings.ReplaceAll(strings.Join(m.Types, " "), "dimo.", ""); types != x.types {
				t.Errorf("kept as %q, want %q", types, x.types)
			}
		})
	}
}

func TestBackfill(t *testing.T) {
	cat := load(t)
	payload := `{"signals":[{"name":"speed","timestamp":"2001-01-01T00:00:00Z","value":1},{"name":"speed","timestamp":"1999-12-31T23:59:59Z","value":2}]}`
	m, err := Decode(cat, sayso.CloudEvent{Data: []byte(payload)}, message.Window{Now: now, Backfill: true})
	if err != nil || lines(cat, m) != "00:00:00 speed 1\n! speed: 1999-12-31T23:59:59Z is before 2000-01-01T00:00:00Z" {
		t.Errorf("got %v\n%s", err, lines(cat, m))
	}
}

func TestManyRefusals(t *testing.T) {
	payload := `{"signals":[` + strings.Repeat("5,", 2999) + `5]}`
	m, err := Decode(load(t), sayso.CloudEvent{Data: []byte(payload)}, message.Window{Now: now})
	if err != nil || len(m.Rejected) != message.MaxRejections+1 {
		t.Fatalf("%v, %d refusals", err, len(m.Rejected))
	}
	if last := m.Rejected[message.MaxRejections]; last != (sayso.Rejection{Reason: "2000 more values were refused"}) {
		t.Errorf("the last one is %+v", last)
	}
	long := `{"signals":[` + signal(strings.Repeat("ü", 5000), "1") + `]}`
	m, err = Decode(load(t), sayso.CloudEvent{Data: []byte(long)}, message.Window{Now: now})
	if err != nil || m.Rejected[0].Name != strings.Repeat("ü", 50)+"…" {
		t.Errorf("%v, %+v", err, m.Rejected)
	}
}

// TestNeighboursSurvive puts each bad element between good ones.
func TestNeighboursSurvive(t *testing.T) {
	cat := load(t)
	var good []string
	for i := range 20 {
		good = append(good, fmt.Sprintf(`{"name":"speed","timestamp":"2025-03-04T12:00:%02dZ","value":%d}`, i, i))
	}
	for _, bad := range []string{`5`, `null`, `{}`, `[[]]`, `{"name":"speed"}`, signal("speed", "-1"), signal("speed", "[1]"), signal("x", "{}"),
		signal("currentLocationCoordinates", `{"latitude":91,"longitude":0}`)} {
		list := slices.Insert(slices.Clone(good), 10, bad)
		m, err := Decode(cat, sayso.CloudEvent{Data: []byte(`{"signals":[` + strings.Join(list, ",") + `]}`)}, message.Window{Now: now})
		if err != nil || len(m.Readings) != 20 || len(m.Rejected) != 1 {
			t.Errorf("%s: %v, %d readings, refused %v", bad, err, len(m.Readings), m.Rejected)
		}
	}
}

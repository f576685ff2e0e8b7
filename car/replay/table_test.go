package replay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sayso"
	"sayso/client/device"
	"sayso/internal/clock"
)

// flat lists what a recording says as "time name value".
func flat(list []envelope) (out []string) {
	for _, e := range list {
		for _, s := range e.Data.Signals {
			v, _ := json.Marshal(s.Value)
			out = append(out, s.Timestamp.Format("15:04:05.999 ")+s.Name+" "+string(v))
		}
	}
	return out
}

func TestCSV(t *testing.T) {
	path := write(t, t.TempDir(), "x.csv", "\ufefftime,speed,Latitude,longitude,hdop,isIgnitionOn,powertrainType,mph,note\n"+
		"2026-01-01T10:00:00Z,50.5,1.5,2.5,0.8,true,ELECTRIC,10,hi\n"+
		"2026-01-01 10:00:01Z,,,,,,,,\n"+
		"1767261602.5,fast,1.5,,,0,,,\n"+
		"1767261603500,60,91,0,,2,,,,extra\n"+
		"yesterday,70,0,0\n"+
		"1767261604,80,0,0\n"+
		"1767261605,9\"9,1,1\n"+
		"1767261606000000,90,3,4\n")
	o := options(t, path)
	o.KeepTime, o.Rename = true, map[string]string{"mph": "chassisAxleRow1WheelLeftSpeed*1.609344"}
	var problems []string
	o.Problem = func(p Problem) { problems = append(problems, strings.TrimPrefix(p.Error(), path)) }
	got := flat(readAll(t, o))
	want := []string{
		`10:00:00 speed 50.5`, `10:00:00 isIgnitionOn 1`, `10:00:00 powertrainType "ELECTRIC"`, `10:00:00 chassisAxleRow1WheelLeftSpeed 16.09344`,
		`10:00:00 currentLocationCoordinates {"hdop":0.8,"latitude":1.5,"longitude":2.5}`,
		`10:00:02.5 isIgnitionOn 0`, `10:00:03.5 speed 60`, `10:00:04 speed 80`,
		`10:00:06 speed 90`, `10:00:06 currentLocationCoordinates {"hdop":0,"latitude":3,"longitude":4}`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	wantProblems := []string{
		`:1:9: column "note" is no signal of the catalogue; it is left out`,
		`:4:2: "fast" is not a number`,
		`:4: only half of the position is there`,
		`:5:6: 2 is not one of 0, 1`,
		`:5: latitude 91 is outside -90 to 90`,
		`:5:10: the cell is under no column`,
		`:6:1: "yesterday" is no time: want RFC 3339 or a number since 1970`,
		`:7: (0,0) is what a receiver without a fix sends`,
		`:8:13: bare " in non-quoted-field`,
	}
	for _, w := range wantProblems {
		found := false
		for _, p := range problems {
			found = found || p == w
		}
		if !found {
			t.Errorf("no problem %q in\n%s", w, strings.Join(problems, "\n"))
		}
	}
}

func TestCSVHeader(t *testing.T) {
	for header, rename := range map[string]map[string]string{
		"speed":                    nil,
		"time":                     nil,
		"time,latitude":            nil,
		"time,speed,speed":         nil,
		"time,timestamp,speed":     nil,
		"time,x":                   {"x": "noSignal"},
		"time,y":                   {"y": "speed*fast"},
		"time,speed,z":             {"w": "speed"},
		"time,unknown,alsoUnknown": nil,
	} {
		o := options(t, write(t, t.TempDir(), "x.csv", header+"\n1767261602,1,1\n"))
		o.Rename = rename
		if p, err := Open(o); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%s: %v, %v", header, p, err)
		}
	}
}

func TestGNSSTable(t *testing.T) {
	o := options(t, sample(t, "rav4_gnss_0-12s.csv"))
	o.Rename = map[string]string{"speed_mps": "speed*3.6", "altitude_m": "currentLocationAltitude", "bearing_deg": "currentLocationHeading"}
	o.Problem = func(p Problem) { t.Error(p) }
	counts := map[string]int{}
	var last time.Time
	for _, e := range readAll(t, o) {
		for _, s := range e.Data.Signals {
			counts[s.Name]++
			last = s.Timestamp
		}
	}
	if counts["currentLocationCoordinates"] != 116 || counts["speed"] != 116 || counts["currentLocationHeading"] != 116 || !last.Equal(now) {
		t.Errorf("%v, the last at %v", counts, last)
	}
}

func TestNDJSON(t *testing.T) {
	lines := `{"id":"a","type":"dimo.status","source":"0x00","subject":"did:erc721:1:0x0000000000000000000000000000000000000009:1","time":"2026-01-01T10:00:09Z","signature":"0x00","data":{"signals":[{"name":"speed","timestamp":"2026-01-01T10:00:00Z","value":1.0},{"name":"x","timestamp":"2026-01-01T10:00:05Z","value":"<b>"}],"odd":[1]}}
{"id":"b"}
{"time":"2026-01-01T10:00:10Z","type":"dimo.raw.x","data":[1, 2]}
{"id":"c","time":"2026-01-01T10:00:02Z","data_base64":"aGk=","datacontenttype":"image/png"}
{"id":"d","data":{}}
`
	path := write(t, t.TempDir(), "x.ndjson", lines)
	read := func(keep bool) (bodies, problems []string) {
		o := options(t, path)
		o.KeepTime = keep
		o.Problem = func(p Problem) { problems = append(problems, strings.TrimPrefix(p.Error(), path)) }
		p, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for {
			m, err := p.Next()
			if err == io.EOF {
				return bodies, problems
			}
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, string(m.Body))
		}
	}
	who := `,"source":"0xDE00000000000000000000000000000000000003","subject":"did:erc721:31337:0x0000000000000000000000000000000000000001:7","producer":"did:erc721:31337:0x0000000000000000000000000000000000000002:9"`
	got, problems := read(true)
	want := []string{
		`{"specversion":"1.0","type":"dimo.status","id":"a","time":"2026-01-01T10:00:09Z"` + who + `,"data":{"signals":[{"name":"speed","timestamp":"2026-01-01T10:00:00Z","value":1.0},{"name":"x","timestamp":"2026-01-01T10:00:05Z","value":"<b>"}],"odd":[1]}}`,
		`{"specversion":"1.0","type":"dimo.raw.x","id":"` + contentID(`[1, 2]`) + `","time":"2026-01-01T10:00:10Z"` + who + `,"data":[1, 2]}`,
		`{"specversion":"1.0","id":"c","time":"2026-01-01T10:00:02Z","datacontenttype":"image/png"` + who + `,"data_base64":"aGk="}`,
	}
	compare(t, got, want)
	if !reflect.DeepEqual(problems, []string{":2: not a cloud event: want either data or data_base64", ":5: the cloud event has no time"}) {
		t.Errorf("problems %q", problems)
	}
	// Moved so that the last time, 10:00:10, is now; the ids say by how much.
	got, _ = read(false)
	suffix := "-at" + strconv.FormatInt(now.Sub(time.Date(2026, 1, 1, 10, 0, 10, 0, time.UTC)).Microseconds(), 36)
	want = []string{
		`{"specversion":"1.0","type":"dimo.status","id":"a` + suffix + `","time":"2026-07-01T11:59:59Z"` + who + `,"data":{"odd":[1],"signals":[{"name":"speed","timestamp":"2026-07-01T11:59:50Z","value":1.0},{"name":"x","timestamp":"2026-07-01T11:59:55Z","value":"<b>"}]}}`,
		`{"specversion":"1.0","type":"dimo.raw.x","id":"` + contentID(`[1,2]`) + `","time":"2026-07-01T12:00:00Z"` + who + `,"data":[1,2]}`,
		`{"specversion":"1.0","id":"c` + suffix + `","time":"2026-07-01T11:59:52Z","datacontenttype":"image/png"` + who + `,"data_base64":"aGk="}`,
	}
	compare(t, got, want)
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i := range want {
		if !strings.EqualFold(got[i], want[i]) {
			t.Errorf("message %d\n got %s\nwant %s", i, got[i], want[i])
		}
	}
}

// TestPlay: at any speed no reading is ahead of the clock when it is sent,
// and the whole takes as long as it should.
func TestPlay(t *testing.T) {
	rows := "time,speed\n"
	for i := range 61 {
		rows += time.Unix(1767261600+int64(i), 0).UTC().Format(time.RFC3339) + ",50\n"
	}
	path := write(t, t.TempDir(), "x.csv", rows)
	for speed, want := range map[float64]time.Duration{0: 0, 0.5: 2 * time.Minute, 1: time.Minute, 10: 6 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			o := options(t, path)
			o.Clock, o.Speed, o.Batch = clock.System{}, speed, 1
			p, err := Open(o)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			began := o.Clock.Now()
			var last time.Time
			n, err := p.Play(t.Context(), func(_ context.Context, m Message) error {
				var e envelope
				if err := json.Unmarshal(m.Body, &e); err != nil {
					return err
				}
				last = e.Data.Signals[0].Timestamp
				if last.After(o.Clock.Now()) {
					t.Errorf("speed %v: a reading of %v was sent at %v", speed, last, o.Clock.Now())
				}
				return nil
			})
			if err != nil || n != 61 || o.Clock.Now().Sub(began) != want {
				t.Errorf("speed %v: %d messages in %v, %v", speed, n, o.Clock.Now().Sub(began), err)
			}
			if lag := o.Clock.Now().Sub(last); speed != 0.5 && lag != 0 {
				t.Errorf("speed %v: the last reading is %v old", speed, lag)
			}
		})
	}
}

func TestPlayStops(t *testing.T) {
	path := write(t, t.TempDir(), "x.csv", "time,speed\n1767261600,1\n1767261700,2\n")
	o := options(t, path)
	o.Batch = 1
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	broken := errors.New("broken")
	if n, err := p.Play(t.Context(), func(context.Context, Message) error { return broken }); n != 0 || err != broken {
		t.Errorf("%d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Play(ctx, func(context.Context, Message) error { return nil }); sayso.FaultOf(err) != sayso.Cancelled {
		t.Errorf("%v", err)
	}
}

// FuzzCSV: a table written from numbers reads back as those numbers; any
// text gives readings within the catalogue's ranges or a problem, no panic.
func FuzzCSV(f *testing.F) {
	f.Add("time,speed,lat,lon\n1767261600,5,1,2\n", 12.5, int64(1767261600))
	f.Add("timestamp,powertrainType\n2026-01-01T00:00:00Z,\"a\nb\"\n", 0.0, int64(0))
	f.Fuzz(func(t *testing.T, text string, v float64, sec int64) {
		c := cat(t)
		if r, err := newCSVTable(strings.NewReader(text), nil, c, func(int, int, string) {}); err == nil {
			r.batch.limit = 100
			drain(t, r)
		}
		if !(v >= 0 && v <= 500) || sec < 0 || sec > 9e9 {
			return
		}
		b, _ := json.Marshal(v)
		r, err := newCSVTable(strings.NewReader("time,speed\n"+time.Unix(sec, 0).UTC().Format(time.RFC3339)+","+string(b)+"\n"), nil, c,
			func(line, col int, why string) { t.Fatalf("%d:%d: %s", line, col, why) })
		if err != nil {
			t.Fatal(err)
		}
		r.batch.limit = 100
		list := drain(t, r)
		if len(list) != 1 || len(list[0].report.Signals) != 1 {
			t.Fatalf("%v", list)
		}
		s := list[0].report.Signals[0]
		if d := s.Value.Number - v; d > 1e-9 || d < -1e-9 || s.Time.Unix() != sec {
			t.Fatalf("%v at %v, want %v at %d", s.Value.Number, s.Time, v, sec)
		}
	})
}

func drain(t *testing.T, r reader) (list []record) {
	c := cat(t)
	for {
		x, err := r.next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if x.readings == 0 || x.readings != len(x.report.Signals) || x.last.Before(x.first) {
			t.Fatalf("record %+v", x)
		}
		for _, s := range x.report.Signals {
			if err := c.Signal(s.Name).Check(s.Value); err != nil {
				t.Fatal(err)
			}
		}
		list = append(list, x)
	}
}

func contentID(data string) string { return device.ContentID([]byte(data)) }

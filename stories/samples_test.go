package stories

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sayso"
	"sayso/car/door"
	"sayso/client"
	"sayso/client/device"
)

// sample is one request of a collection, and what DIMO's node made of it.
type sample struct {
	Name, Port, Body, DimoQuirk string
	Dimo                        struct {
		HTTPStatus int
		Signals    []struct {
			Name          string
			Timestamp     time.Time
			ValueNumber   float64
			ValueString   string
			ValueLocation *struct{ Latitude, Longitude, HDOP float64 }
		}
		Events []struct {
			Name, Metadata string
			Timestamp      time.Time
		}
	}
}

// meaningless are values of DIMO's node that no catalogue allows: flags above 1,
// fuels and powertrains that are not in the list.
var meaningless = []string{"ruptela-oid/517-02", "ruptela-oid/538-03", "ruptela-oid/538-19", "ruptela-oid/538-FE", "hashdog/fuel-string", "ruptela-072"}

// requests sends the samples as one device, each an hour after the one before,
// and reads everything back: the same values at the same times.
func (s *story) requests(ts *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: requests FOLDER OWNER DEVICE")
	}
	key, err := s.keyOf(args[2])
	if err != nil {
		return err
	}
	by, err := s.identity(sayso.Address(key.Address()))
	if err != nil {
		return err
	}
	bearer, err := s.bearer(args[2])
	if err != nil {
		return err
	}
	if err := ts.Exec(s.sayso, "ask", "--vehicle", by.Subject.Token.String(), "--as", args[1], "--print-token"); err != nil {
		return err
	}
	owner := strings.TrimSpace(ts.ReadFile("stdout"))
	api := client.New("http://" + s.http)
	sent, values, events := 0, 0, 0
	for _, file := range []string{"default", "autopi", "hashdog", "ruptela", "ruptela-oid", "tesla-api", "tesla-telemetry", "coords", "model-garage-tests"} {
		list, err := samplesOf(filepath.Join(args[0], file+".json"))
		if err != nil {
			return err
		}
		for _, x := range list {
			if x.Port != "connection" || x.DimoQuirk != "" || x.Dimo.HTTPStatus != 200 || slices.Contains(meaningless, x.Name) || len(x.Dimo.Signals)+len(x.Dimo.Events) == 0 {
				continue
			}
			later := time.Duration(sent) * time.Hour
			sent++
			body := x.by(by, sent, later)
			if _, err := api.Post(context.Background(), door.Path, bearer, map[string]string{door.BackfillHeader: "true"}, []byte(body)); err != nil {
				return fmt.Errorf("%s: %w\n%s", x.Name, err, body)
			}
			if strings.Contains(body, `"payloads"`) {
				later = 0 // the times are within
			}
			v, e, err := x.readBack(api, owner, by.Subject.String(), later)
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", x.Name, err, body)
			}
			values, events = values+v, events+e
		}
	}
	ts.Logf("counted: %d requests, %d values and %d events read back", sent, values, events)
	if sent < 140 || values < 240 || events < 15 {
		return fmt.Errorf("only %d requests, %d values and %d events", sent, values, events)
	}
	return nil
}

func samplesOf(file string) ([]sample, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var f struct{ Cases []sample }
	return f.Cases, json.Unmarshal(data, &f)
}

var (
	vehicleNumber = regexp.MustCompile(`("vehicleTokenId": ?)[1-9]\d*`)
	deviceNumber  = regexp.MustCompile(`("deviceTokenId": ?)[1-9]\d*`)
	party         = regexp.MustCompile(`"(subject|producer)": ?"[^"]*"`)
	identifier    = regexp.MustCompile(`("id": ?")([^"]{3,}")`)
	milliseconds  = regexp.MustCompile(`\b17\d{11}\b`)
	seconds       = regexp.MustCompile(`\b17\d{8}\b`)
	moments       = regexp.MustCompile(`"20\d\d-\d\d-\d\dT[0-9:.]*Z"`)
)

// by is the body as this device sends it so much later.
func (x *sample) by(who device.Identity, n int, later time.Duration) string {
	body := vehicleNumber.ReplaceAllString(x.Body, "${1}"+who.Subject.Token.String())
	body = deviceNumber.ReplaceAllString(body, "${1}"+who.Producer.Token.String())
	body = party.ReplaceAllStringFunc(body, func(m string) string {
		if strings.HasPrefix(m, `"subject"`) {
			return `"subject":"` + who.Subject.String() + `"`
		}
		return `"producer":"` + who.Producer.String() + `"`
	})
	body = identifier.ReplaceAllString(body, "${1}"+strconv.Itoa(n)+"-${2}")
	shift := func(unit time.Duration) func(string) string {
		return func(m string) string {
			t, _ := strconv.ParseInt(m, 10, 64)
			return strconv.FormatInt(t+int64(later/unit), 10)
		}
	}
	body = seconds.ReplaceAllStringFunc(milliseconds.ReplaceAllStringFunc(body, shift(time.Millisecond)), shift(time.Second))
	return moments.ReplaceAllStringFunc(body, func(m string) string {
		t, err := time.Parse(`"`+time.RFC3339Nano+`"`, m)
		if err != nil {
			return m
		}
		return t.Add(later).Format(`"` + time.RFC3339Nano + `"`)
	})
}

// readBack asks for everything that the sample has, and compares.
func (x *sample) readBack(api *client.Client, token, subject string, later time.Duration) (values, events int, err error) {
	var times []time.Time
	fields := map[string]string{}
	for _, v := range x.Dimo.Signals {
		if v.Name == "currentLocationIsRedacted" {
			continue
		}
		times = append(times, v.Timestamp.Add(later).Truncate(time.Microsecond))
		fields[v.Name] = v.Name + "(agg: LAST)"
		if v.ValueLocation != nil {
			fields[v.Name] += " { latitude longitude hdop }"
		}
	}
	for _, e := range x.Dimo.Events {
		times = append(times, e.Timestamp.Add(later))
	}
	from := slices.MinFunc(times, time.Time.Compare).Truncate(time.Millisecond)
	to := slices.MaxFunc(times, time.Time.Compare).Add(2 * time.Millisecond)
	var list []string
	for _, f := range fields {
		list = append(list, f)
	}
	answer, err := api.Ask(context.Background(), "/query", token, `query($s: String!, $f: Time!, $t: Time!) {
		signals(subject: $s, interval: "1ms", from: $f, to: $t) { timestamp `+strings.Join(list, " ")+` }
		events(subject: $s, from: $f, to: $t) { timestamp name durationNs metadata } }`,
		map[string]any{"s": subject, "f": from.Format(time.RFC3339Nano), "t": to.Format(time.RFC3339Nano)})
	if err == nil && len(answer.Errors) > 0 {
		err = errors.New(answer.Errors[0].Message)
	}
	if err != nil {
		return 0, 0, err
	}
	var data struct {
		Signals []map[string]json.RawMessage
		Events  []struct {
			Timestamp      time.Time
			Name, Metadata string
		}
	}
	if err := json.Unmarshal(answer.Data, &data); err != nil {
		return 0, 0, err
	}
	for _, v := range x.Dimo.Signals {
		if fields[v.Name] == "" {
			continue
		}
		at := v.Timestamp.Add(later).Truncate(time.Millisecond)
		said := told(data.Signals, at, v.Name)
		var number float64
		var text string
		var place struct{ Latitude, Longitude, HDOP float64 }
		same := false
		switch {
		case v.ValueLocation != nil:
			same = json.Unmarshal(said, &place) == nil && place == *v.ValueLocation
		case len(said) > 0 && said[0] == '"':
			same = json.Unmarshal(said, &text) == nil && text == v.ValueString
		default:
			same = json.Unmarshal(said, &number) == nil && string(said) != "null" && math.Abs(number-v.ValueNumber) <= 1e-12*math.Abs(number)
		}
		if !same {
			return 0, 0, fmt.Errorf("%s at %s is %s, want %+v", v.Name, at.Format(time.RFC3339Nano), said, v)
		}
		values++
	}
	for _, want := range x.Dimo.Events {
		found := false
		for _, e := range data.Events {
			found = found || e.Name == want.Name && e.Metadata == want.Metadata && e.Timestamp.Equal(want.Timestamp.Add(later))
		}
		if !found {
			return 0, 0, fmt.Errorf("no event %+v among %+v", want, data.Events)
		}
		events++
	}
	return values, events, nil
}

// told is the value of a signal in the bucket of a time, null if there is none.
func told(buckets []map[string]json.RawMessage, at time.Time, signal string) json.RawMessage {
	for _, b := range buckets {
		var t time.Time
		if json.Unmarshal(b["timestamp"], &t) == nil && t.Equal(at) {
			return b[signal]
		}
	}
	return json.RawMessage("null")
}

package dialect

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect/message"
)

// sample is one case of the reference: a request, and what the reference made
// of it.
type sample struct {
	Name, Origin, Port, Identity, Body, DimoQuirk string
	Dimo                                          struct {
		HTTPStatus int
		Published  []struct {
			Type, Source, Subject, Producer, ID, Time, DataContentType, DataVersion string
		}
		Signals []struct {
			Name, Timestamp string
			ValueNumber     float64
			ValueString     string
			ValueLocation   *sayso.Location
		}
		Events []struct {
			Name, Timestamp, Metadata string
			DurationNs                uint64
			Tags                      []string
		}
		VIN string
	}
}

func samples(t *testing.T, file string) []sample {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../shared/samples/dimo", file))
	if err != nil {
		t.Skipf("the samples are not beside the repository: %v", err)
	}
	var f struct{ Cases []sample }
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Cases) == 0 {
		t.Fatalf("%s holds no cases", file)
	}
	return f.Cases
}

var (
	arrived         = time.Date(2025, 3, 4, 12, 1, 0, 0, time.UTC)
	vehicleContract = mustAddress("0xbA5738a18d83D41847dfFbDC6101d37C69c9B0cF")
	polygon         = Names{
		Chain: 137, Vehicle: vehicleContract,
		Aftermarket: mustAddress("0x9c94C395cBcBDe662235E0A9d3bB87Ad708561BA"), Synthetic: mustAddress("0x4804e8D1661cd1a1e5dDdE1ff458A7f878c0aC6D"),
	}
)

// waysIn are the files of what devices and integrations send.
var waysIn = []string{"default.json", "header.json", "autopi.json", "hashdog.json", "ruptela.json", "ruptela-oid.json",
	"tesla-api.json", "tesla-telemetry.json", "coords.json", "model-garage-tests.json"}

func mustAddress(s string) sayso.Address {
	a, err := sayso.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

func loadCatalogue(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// receive is what a connection door does with a request.
func receive(t *testing.T, cat *catalogue.Catalogue, s sample) (sayso.CloudEvent, Message, error) {
	t.Helper()
	source, err := sayso.ParseAddress(s.Identity)
	if err != nil {
		t.Fatal(err)
	}
	ce, err := Envelope([]byte(s.Body), Arrival{Source: source, Time: arrived, Names: polygon})
	if err != nil {
		return ce, Message{}, err
	}
	w := Window{Now: arrived, Backfill: true}
	if strings.HasPrefix(s.Origin, "model-garage") {
		w.Now = arrived.AddDate(0, 1, 0) // the times in them are those of real messages
	}
	m, err := Decode(cat, ce, w)
	return ce, m, err
}

// aboutVehicle says whether readings of the subject are kept: it is a vehicle of
// the node's chain. (Token numbers may have 256 bits in a DID.)
func aboutVehicle(d sayso.DID) bool {
	return d.Method == sayso.MethodERC721 && d.Chain == 137 && d.Address == vehicleContract
}

func valueText(v sayso.Value) string {
	switch v.Kind {
	case sayso.Number:
		return strconv.FormatFloat(v.Number, 'g', -1, 64)
	case sayso.Text:
		return strconv.Quote(v.Text)
	}
	l := v.Location
	return fmt.Sprintf("(%v %v hdop %v heading %v)", l.Latitude, l.Longitude, l.HDOP, l.Heading)
}

func readingLines(cat *catalogue.Catalogue, list []sayso.Reading) (lines []string) {
	for _, r := range list {
		lines = append(lines, cat.ByID(r.Signal).Name+" "+r.Time.Time().Format(time.RFC3339Nano)+" "+valueText(r.Value))
	}
	return lines
}

// TestSamplesLikeTheReference runs the cases in which the reference is right,
// and demands the same answer, envelope, readings, events and identification.
func TestSamplesLikeTheReference(t *testing.T) {
	cat, ran := loadCatalogue(t), 0
	for _, file := range waysIn {
		for _, s := range samples(t, file) {
			if _, differs := better[s.Name]; s.DimoQuirk != "" || differs {
				continue
			}
			ran++
			t.Run(s.Name, func(t *testing.T) {
				ce, m, err := receive(t, cat, s)
				status := 200
				if err != nil {
					status = sayso.FaultOf(err).Status()
				}
				if status != s.Dimo.HTTPStatus {
					t.Fatalf("answer %d (%v), want %d", status, err, s.Dimo.HTTPStatus)
				}
				if types := sameEnvelope(t, ce, s); !slices.Equal(slices.Sorted(slices.Values(m.Types)), types) && err == nil {
					t.Errorf("kept as %q, want %q", m.Types, types)
				}
				got := append(readingLines(cat, m.Readings), eventLines(m.Events)...)
				if !aboutVehicle(ce.Subject) {
					got = nil
				}
				if want := wanted(t, cat, s); !slices.Equal(got, want) {
					t.Errorf("got\n%s\nwant\n%s\nrefused %v", strings.Join(got, "\n"), strings.Join(want, "\n"), m.Rejected)
				}
				if m.VIN != s.Dimo.VIN {
					t.Errorf("VIN %q, want %q", m.VIN, s.Dimo.VIN)
				}
			})
		}
	}
	if ran < 200 {
		t.Errorf("only %d cases ran", ran)
	}
}

// sameEnvelope compares with what the reference published about the vehicle, and
// gives the types. Of AutoPi and Macaron messages it publishes a second copy
// about the device, which is not made here: the first names the device.
func sameEnvelope(t *testing.T, ce sayso.CloudEvent, s sample) (types []string) {
	t.Helper()
	for i, p := range s.Dimo.Published {
		if i > 0 && p.Subject == p.Producer && s.Dimo.Published[0].Subject != p.Subject {
			continue
		}
		types = append(types, p.Type)
		for _, x := range []struct{ what, got, want string }{
			{"source", ce.Source.String(), p.Source}, {"subject", ce.Subject.String(), p.Subject},
			{"producer", ce.Producer.String(), p.Producer}, {"id", ce.ID, p.ID},
			{"time", ce.Time.Format(time.RFC3339Nano), p.Time},
			{"datacontenttype", ce.DataContentType, p.DataContentType}, {"dataversion", ce.DataVersion, p.DataVersion},
		} {
			if x.want == "<now>" {
				x.want = arrived.Format(time.RFC3339Nano)
			}
			if x.got != x.want && x.want != "<generated>" || x.got == "" {
				t.Errorf("%s is %q, want %q", x.what, x.got, x.want)
			}
		}
	}
	slices.Sort(types)
	return types
}

// wanted are the readings and events of a case as lines. Times are kept in
// microseconds.
func wanted(t *testing.T, cat *catalogue.Catalogue, s sample) (want []string) {
	t.Helper()
	at := func(text string) string {
		var at time.Time
		if err := at.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return at.Truncate(time.Microsecond).Format(time.RFC3339Nano)
	}
	for _, x := range s.Dimo.Signals {
		v := sayso.NumberValue(x.ValueNumber)
		switch sig := cat.Signal(x.Name); {
		case sig == nil && x.Name == "currentLocationIsRedacted":
			continue // not to be asked for in the reference either; it stays in the cloud event
		case sig == nil:
			t.Fatalf("%s is not in the catalogue", x.Name)
		case sig.Kind == sayso.Text:
			v = sayso.TextValue(x.ValueString)
		case x.ValueLocation != nil:
			v = sayso.LocationValue(*x.ValueLocation)
		}
		want = append(want, x.Name+" "+at(x.Timestamp)+" "+valueText(v))
	}
	var events []string
	for _, e := range s.Dimo.Events {
		events = append(events, fmt.Sprintf("%s %s %d %s %q", e.Name, at(e.Timestamp), e.DurationNs, e.Metadata, e.Tags))
	}
	slices.Sort(events)
	return append(want, events...)
}

func eventLines(list []sayso.Event) (lines []string) {
	for _, e := range list {
		if e.Tags == nil {
			e.Tags = []string{}
		}
		lines = append(lines, fmt.Sprintf("%s %s %d %s %q", e.Name, e.Time.Time().Format(time.RFC3339Nano), e.DurationNS, e.Metadata, e.Tags))
	}
	slices.Sort(lines)
	return lines
}

// better is what we make of the cases in which the reference is weak: the
// readings, then what is refused and why; or the error.
var better = map[string]string{
	"default/string-signal-not-in-allowed-list": `! powertrainType: "STEAM" is not an allowed value`,
	"default/null-value-with-good-one":          "speed 2025-03-04T12:00:00Z 42.5\n! obdRunTime: no value",
	"default/out-of-range-percent":              "! powertrainFuelSystemRelativeLevel: 250 percent is over 100 percent",
	"default/negative-speed":                    "! speed: -5 km/h is under 0 km/h",
	"default/huge-number":                       "! speed: 1e+308 km/h is over 500 km/h",
	"default/location-with-heading":             "currentLocationCoordinates 2025-03-04T12:00:00Z (40.1 -73.2 hdop 1.5 heading 90)",
	"default/location-out-of-range":             "! currentLocationCoordinates: latitude 95 is outside -90 to 90",
	"default/future-event-header-time":          "error: time 2099-01-01T00:00:00Z is more than 5 minutes ahead",
	"default/no-signal-timestamp":               "! speed: no timestamp",

	"hashdog/name-oilLife":       `powertrainCombustionEngineEngineOilLevel 2024-04-18T17:20:26.633Z "NORMAL"`,
	"hashdog/name-charger.power": "powertrainTractionBatteryCurrentPower 2024-04-18T17:20:26.633Z 500",
	"hashdog/fuel-string": `powertrainFuelSystemSupportedFuelTypes 2024-04-18T17:20:26.633Z "OTHER"` + "\n" +
		`powertrainType 2024-04-18T17:20:26.633Z "ELECTRIC"`,

	"ruptela/520-negative":     "serviceTimeToService 2025-03-04T12:00:00Z -3600",
	"ruptela-oid/520-00000002": "serviceTimeToService 2025-03-04T12:00:00Z 120",
	"ruptela-oid/723-0007":     "powertrainTractionBatteryRange 2025-03-04T12:00:00Z 7",
	"ruptela-oid/723-FFFE":     "powertrainTractionBatteryRange 2025-03-04T12:00:00Z 65534",
	"ruptela-oid/517-02":       "! powertrainTractionBatteryChargingIsCharging: 2 is not one of 0, 1",
	"ruptela-oid/538-03":       "! bodyLockIsLocked: 3 is not one of 0, 1",
	"ruptela-oid/538-19":       "! bodyLockIsLocked: 25 is not one of 0, 1",
	"ruptela-oid/538-FE":       "! bodyLockIsLocked: 254 is not one of 0, 1",
	"ruptela-072":              "! dtc_codes: want a list, got nothing",

	"tesla-telemetry/double-for-int": "powertrainTractionBatteryChargingChargeLimit 2025-01-01T09:00:00Z 80",
	"tesla-telemetry/location-zero":  "! currentLocationCoordinates: (0,0) is what a receiver without a fix sends",
}

func TestSamplesBetterThanTheReference(t *testing.T) {
	cat := loadCatalogue(t)
	met := map[string]bool{}
	for _, file := range waysIn {
		for _, s := range samples(t, file) {
			want, ok := better[s.Name]
			if s.DimoQuirk == "" && !ok {
				continue
			}
			met[s.Name] = true
			t.Run(s.Name, func(t *testing.T) {
				if !ok {
					t.Fatalf("nothing is written down for it: %s", s.DimoQuirk)
				}
				_, m, err := receive(t, cat, s)
				lines := readingLines(cat, m.Readings)
				for _, r := range m.Rejected {
					lines = append(lines, "! "+r.Name+": "+r.Reason)
				}
				if err != nil {
					lines = []string{"error: " + sayso.MessageOf(err)}
				}
				if got := strings.Join(lines, "\n"); got != want {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			})
		}
	}
	for name := range better {
		if !met[name] {
			t.Errorf("%s is not among the samples", name)
		}
	}
}

// TestSampleCoordinates joins the halves of the cases about positions. The
// payloads are of another dialect; only their halves are looked at.
func TestSampleCoordinates(t *testing.T) {
	cat := loadCatalogue(t)
	parts := map[string]message.Part{"latitude": message.Latitude, "longitude": message.Longitude, "hdop": message.HDOP}
	for _, s := range samples(t, "coords.json") {
		t.Run(s.Name, func(t *testing.T) {
			var body struct {
				Data struct {
					Vehicle struct {
						Signals []struct {
							Timestamp int64
							Name      string
							Value     float64
						}
					}
				}
			}
			if err := json.Unmarshal([]byte(s.Body), &body); err != nil {
				t.Fatal(err)
			}
			var halves []message.Half
			for _, x := range body.Data.Vehicle.Signals {
				part, ok := parts[x.Name]
				if !ok {
					t.Fatalf("%s is not a half", x.Name)
				}
				halves = append(halves, message.Half{Time: time.UnixMilli(x.Timestamp).UTC(), Part: part, Value: x.Value})
			}
			b := message.NewBuilder(cat, Window{Now: arrived, Backfill: true}, 0)
			b.Positions(halves)
			m := b.Message()
			var want []string
			for _, x := range s.Dimo.Signals {
				want = append(want, x.Name+" "+x.Timestamp+" "+valueText(sayso.LocationValue(*x.ValueLocation)))
			}
			if got := readingLines(cat, m.Readings); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q; refused %v", got, want, m.Rejected)
			}
			if len(want) == 0 && len(m.Rejected) == 0 {
				t.Error("nothing came of it and nothing says why")
			}
		})
	}
}

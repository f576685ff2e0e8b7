package sim

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/client/device"
)

var since = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func street(t testing.TB, cfg Config) *Street {
	t.Helper()
	if cfg.Every == 0 {
		cfg.Every = 5 * time.Second
	}
	cfg.Since = since
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range s.Cars() {
		c.Identify(who(i))
	}
	return s
}

func who(i int) device.Identity {
	vehicles, devices := sayso.Address{19: 1}, sayso.Address{19: 2}
	return device.Identity{
		Subject:  sayso.NFT(31337, vehicles, uint64(i+1)),
		Producer: sayso.NFT(31337, devices, uint64(i+1)),
		Source:   sayso.Address{0: 0xca, 19: byte(i + 1)},
	}
}

// said is a report as a node reads it.
type said struct {
	SpecVersion string `json:"specversion"`
	Type        string
	ID          string
	Time        time.Time
	DataVersion string
	Source      string
	Subject     string
	Producer    string
	Signature   string
	Data        struct {
		VIN     string
		Signals []struct {
			Name      string
			Timestamp time.Time
			Value     any
		}
		Events []struct {
			Name       string
			Timestamp  time.Time
			DurationNs uint64
			Metadata   string
		}
	}
}

func (s *said) number(name string) float64 {
	for _, x := range s.Data.Signals {
		if x.Name == name {
			if f, ok := x.Value.(float64); ok {
				return f
			}
		}
	}
	return math.NaN()
}

func parse(t testing.TB, body []byte) *said {
	t.Helper()
	var s said
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return &s
}

func report(t testing.TB, c *Car, at time.Time) []byte {
	t.Helper()
	b, err := c.Report(at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSameSeedAndClockGiveSameBytes(t *testing.T) {
	a, b, other := street(t, Config{Seed: 1, Cars: 3}), street(t, Config{Seed: 1, Cars: 3}), street(t, Config{Seed: 2, Cars: 3})
	// b is asked in another order and for other times, as after a restart.
	report(t, b.Cars()[1], since.Add(29*time.Hour))
	ids := map[string]bool{}
	for i := range a.Cars() {
		for k := range 400 {
			at := since.Add(time.Duration((k*97)%4000) * 11 * time.Second)
			x, y := report(t, a.Cars()[i], at), report(t, b.Cars()[i], at)
			if !bytes.Equal(x, y) {
				t.Fatalf("car %d at %v:\n%s\n%s", i, at, x, y)
			}
			if bytes.Equal(x, report(t, other.Cars()[i], at)) {
				t.Fatalf("another seed says the same")
			}
			id := parse(t, x).ID
			if ids[id] {
				t.Fatalf("id %s twice", id)
			}
			ids[id] = true
		}
	}
}

func TestTwoThirdsDriveAtAnyMoment(t *testing.T) {
	s := street(t, Config{Seed: 7, Cars: 12})
	fewest, parkedOnce := len(s.cars), map[int]bool{}
	for u := since.Unix(); u < since.Unix()+int64(cycleSeconds)+roundLength; u++ {
		on := 0
		for i, c := range s.cars {
			if !c.at(u).parked {
				on++
			} else {
				parkedOnce[i] = true
			}
		}
		fewest = min(fewest, on)
	}
	if fewest < 8 {
		t.Errorf("at some moment only %d of 12 cars had their ignition on", fewest)
	}
	if len(parkedOnce) != 12 {
		t.Errorf("only %d cars ever parked", len(parkedOnce))
	}
}

// TestMotionIsConsistent follows each car second by second through more than
// a repetition of its tour: the speed must be the derivative of the position
// and of the odometer, at every step and in sum.
func TestMotionIsConsistent(t *testing.T) {
	for _, c := range street(t, Config{Seed: 3, Cars: 12}).cars {
		from := since.Unix() + 1000
		last := c.at(from)
		lat, lng, _, _ := c.place(last)
		first := last
		var sum, path float64
		for u := from + 1; u <= from+int64(cycleSeconds)+5000; u++ {
			m := c.at(u)
			driven := (m.odometer - last.odometer) * 1000
			if driven < 0 {
				t.Fatalf("%s at %d: the odometer fell by %.3f m", c.Name(), u, -driven)
			}
			if mean := (m.v + last.v) / 2; math.Abs(mean-driven) > 1.6 {
				t.Fatalf("%s at %d: %.2f m in a second at %.2f m/s", c.Name(), u, driven, mean)
			}
			la, ln, _, _ := c.place(m)
			moved := apart(&node{lat: lat, lng: lng}, &node{lat: la, lng: ln})
			if moved > driven+0.02 { // a corner cut makes it shorter, nothing longer
				t.Fatalf("%s at %d: moved %.2f m, odometer %.2f m", c.Name(), u, moved, driven)
			}
			sum += (m.v + last.v) / 2
			path += moved
			last, lat, lng = m, la, ln
		}
		total := (last.odometer - first.odometer) * 1000
		if math.Abs(sum-total) > 0.001*total || math.Abs(path-total) > 0.01*total || total < 200e3 {
			t.Errorf("%s: integral of speed %.0f m, odometer %.0f m, path %.0f m", c.Name(), sum, total, path)
		}
	}
}

func TestEnergyIsConsistent(t *testing.T) {
	for _, c := range street(t, Config{Seed: 4, Cars: 12}).cars {
		from := since.Unix()
		last := c.at(from)
		filledUp := 0
		for u := from + 1; u <= from+2*int64(cycleSeconds); u++ {
			m := c.at(u)
			if d := (m.level - last.level) - (m.filled - (m.lifetime - last.lifetime)); math.Abs(d) > 2e-6 {
				t.Fatalf("%s at %d: the level changed by %g, filled %g, used %g", c.Name(), u, m.level-last.level, m.filled, m.lifetime-last.lifetime)
			}
			if m.level < 0.1*c.Model.Capacity || m.level > c.Model.Capacity {
				t.Fatalf("%s at %d: level %.1f of %.1f", c.Name(), u, m.level, c.Model.Capacity)
			}
			if m.filled > 0 && (!m.parked || !c.atStation(m)) {
				t.Fatalf("%s at %d: filled up while not parked at a station", c.Name(), u)
			}
			if m.filled > 0 && last.filled == 0 {
				filledUp++
			}
			if !c.Model.Electric() && m.lifetime < last.lifetime {
				t.Fatalf("%s at %d: fuel came back", c.Name(), u)
			}
			last = m
		}
		per100 := c.perKilometre() * 100
		if lo, hi := 3.5, 10.0; !c.Model.Electric() && (per100 < lo || per100 > hi) {
			t.Errorf("%s uses %.1f l/100 km", c.Name(), per100)
		}
		if c.Model.Electric() && (per100 < 8 || per100 > 22) {
			t.Errorf("%s uses %.1f kWh/100 km", c.Name(), per100)
		}
		if filledUp == 0 {
			t.Errorf("%s was never filled up", c.Name())
		}
	}
}

// TestRestart makes a second street in the middle, as a restarted node does.
func TestRestart(t *testing.T) {
	before, after := street(t, Config{Seed: 5, Cars: 4}), street(t, Config{Seed: 5, Cars: 4})
	for i := range before.cars {
		for k := range 50 {
			at := since.Add(time.Duration(k) * 37 * time.Minute)
			old := parse(t, report(t, before.cars[i], at)).number("powertrainTransmissionTravelledDistance")
			now := parse(t, report(t, after.cars[i], at.Add(5*time.Second))).number("powertrainTransmissionTravelledDistance")
			if !(now >= old) || now > old+0.2 {
				t.Fatalf("car %d: odometer %.3f km, after the restart %.3f km", i, old, now)
			}
		}
	}
	first := parse(t, report(t, before.cars[0], since)).number("powertrainTransmissionTravelledDistance")
	if first != before.cars[0].Model.odometer {
		t.Errorf("the odometer begins at %.3f km, want %.0f", first, before.cars[0].Model.odometer)
	}
}

func TestReportsFollowTheCatalogue(t *testing.T) {
	raw, err := os.ReadFile("../car/catalogue/signals.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	catalogue := map[string][]string{}
	for _, r := range rows {
		catalogue[r[1]] = r
	}
	for _, f := range feedSignals {
		if catalogue[f.name] == nil || catalogue[f.name][3] != "number" {
			t.Errorf("feed: %s is no number signal of the catalogue", f.name)
			continue
		}
		check(t, catalogue[f.name], f.name, f.low)
		check(t, catalogue[f.name], f.name, f.high)
	}
	events := map[string]int{}
	for _, c := range street(t, Config{Seed: 6, Cars: 13}).cars {
		for k := range 2000 {
			at := since.Add(time.Duration(k*5) * time.Second)
			s := parse(t, report(t, c, at))
			if n := len(s.Data.Signals); n < 20 || n > 30 {
				t.Fatalf("%s sends %d signals", c.Name(), n)
			}
			for _, x := range s.Data.Signals {
				if !x.Timestamp.Equal(at) {
					t.Fatalf("%s has the time %v, want %v", x.Name, x.Timestamp, at)
				}
				check(t, catalogue[x.Name], x.Name, x.Value)
			}
			for _, e := range s.Data.Events {
				events[e.Name]++
				if !json.Valid([]byte(e.Metadata)) || e.Timestamp.After(at) || at.Sub(e.Timestamp) >= 5*time.Second {
					t.Fatalf("event %+v at %v", e, at)
				}
			}
		}
	}
	if events["behavior.harshBraking"] == 0 || events["behavior.harshAcceleration"] == 0 {
		t.Errorf("events seen: %v", events)
	}
	for name := range events {
		if !strings.HasPrefix(name, "behavior.") {
			t.Errorf("unknown event %s", name)
		}
	}
}

// check compares a value with the catalogue's row
// id,name,path,kind,unit,min,max,allowed,permissions,description.
func check(t *testing.T, row []string, name string, value any) {
	t.Helper()
	if row == nil {
		t.Fatalf("%s is not in the catalogue", name)
	}
	kind, allowed := row[3], row[7]
	switch v := value.(type) {
	case float64:
		lo, errLo := strconv.ParseFloat(row[5], 64)
		hi, errHi := strconv.ParseFloat(row[6], 64)
		if kind != "number" || errLo == nil && v < lo || errHi == nil && v > hi {
			t.Fatalf("%s = %v is outside the catalogue's %s..%s", name, v, row[5], row[6])
		}
		if allowed == "0|1" && v != 0 && v != 1 {
			t.Fatalf("%s = %v", name, v)
		}
	case string:
		if kind == "number" || kind == "location" || !strings.Contains("|"+allowed+"|", "|"+v+"|") {
			t.Fatalf("%s = %q", name, v)
		}
	case map[string]any:
		if kind == "number" || math.Abs(v["latitude"].(float64)-38.57) > 0.03 || math.Abs(v["longitude"].(float64)+7.91) > 0.03 {
			t.Fatalf("%s = %v", name, v)
		}
	default:
		t.Fatalf("%s = %v", name, value)
	}
}

func TestVINs(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range street(t, Config{Seed: 1, Cars: 40}).cars {
		if len(c.VIN) != 17 || strings.ContainsAny(c.VIN, "IOQ") || vinCheck([]byte(c.VIN)) != c.VIN[8] || seen[c.VIN] {
			t.Errorf("VIN %s", c.VIN)
		}
		seen[c.VIN] = true
		b, err := c.Fingerprint(since.Add(61 * time.Minute))
		if s := parse(t, b); err != nil || s.Data.VIN != c.VIN || s.Type != sayso.TypeFingerprint || !s.Time.Equal(since.Add(61*time.Minute)) {
			t.Errorf("fingerprint %s, %v", b, err)
		}
	}
	// The worked example of 49 CFR 565.15.
	if got := vinCheck([]byte("1M8GDM9AXKP042788")); got != 'X' {
		t.Errorf("check digit %c, want X", got)
	}
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no cars":      {Cars: 0, Every: time.Second, Since: since},
		"fraction":     {Cars: 1, Every: 1500 * time.Millisecond, Since: since},
		"no beginning": {Cars: 1, Every: time.Second},
	} {
		if _, err := New(cfg); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFeed(t *testing.T) {
	make := func() *Feed {
		return &Feed{Seed: 1, Vehicles: 3, Signals: 20, Start: since, Step: time.Second, Identify: who}
	}
	a, b := make(), make()
	ids := map[string]bool{}
	for i := range 300 {
		v, x, err := a.Next()
		_, y, _ := b.Next()
		s := parse(t, x)
		if err != nil || v != i%3 || !bytes.Equal(x, y) || len(s.Data.Signals) != 20 || ids[s.ID] || s.Subject != who(v).Subject.String() {
			t.Fatalf("message %d: vehicle %d, %v, %s", i, v, err, x)
		}
		ids[s.ID] = true
	}
	if _, _, err := (&Feed{Vehicles: 1, Signals: 99}).Next(); sayso.FaultOf(err) != sayso.Invalid {
		t.Errorf("99 signals: %v", err)
	}
}

func BenchmarkReport(b *testing.B) {
	c := street(b, Config{Seed: 1, Cars: 1}).cars[0]
	at := since
	for b.Loop() {
		at = at.Add(5 * time.Second)
		report(b, c, at)
	}
}

func BenchmarkFeed20(b *testing.B) {
	f := &Feed{Seed: 1, Vehicles: 100, Signals: 20, Start: since, Step: time.Second, Identify: who}
	for b.Loop() {
		if _, _, err := f.Next(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew12(b *testing.B) {
	for b.Loop() {
		if _, err := New(Config{Seed: 1, Cars: 12, Since: since, Every: time.Second}); err != nil {
			b.Fatal(err)
		}
	}
}

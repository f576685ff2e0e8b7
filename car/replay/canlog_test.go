package replay

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect"
	"sayso/client/device"
	"sayso/internal/clock"
)

const samples = "../../../shared/samples/can/"

// sample returns the path of a sample, or skips the test.
func sample(t testing.TB, name string) string {
	t.Helper()
	if _, err := os.Stat(samples + name); err != nil {
		t.Skip("the sample recordings are not beside the repository: ", err)
	}
	return samples + name
}

func cat(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func options(t testing.TB, path string) Options {
	return Options{
		Path: path, Catalogue: cat(t), Clock: clock.NewManual(now),
		Identity: device.Identity{
			Subject:  sayso.NFT(31337, sayso.Address{19: 1}, 7),
			Producer: sayso.NFT(31337, sayso.Address{19: 2}, 9),
			Source:   sayso.Address{0: 0xde, 19: 3},
		},
	}
}

// envelope is a message as a node reads it.
type envelope struct {
	Type, ID, Subject, Producer, Source, Signature string
	DataVersion                                    string `json:"dataversion"`
	Time                                           time.Time
	Data                                           struct {
		Signals []struct {
			Name      string
			Timestamp time.Time
			Value     any
		}
	}
}

// readAll plays a recording and returns its messages.
func readAll(t testing.TB, o Options) []envelope {
	t.Helper()
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var list []envelope
	for {
		m, err := p.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		var e envelope
		if err := json.Unmarshal(m.Body, &e); err != nil {
			t.Fatalf("%v in %s", err, m.Body)
		}
		if len(e.Data.Signals) != m.Readings || m.Line < 1 {
			t.Fatalf("message of %d readings at line %d says %d", len(e.Data.Signals), m.Line, m.Readings)
		}
		list = append(list, e)
	}
}

// TestRAV4 replays a real drive and compares every decoded speed with the
// data set's own.
func TestRAV4(t *testing.T) {
	o := options(t, sample(t, "rav4_comma2k19_0-12s.candump.log"))
	o.DBC, o.KeepTime = sample(t, "toyota_2017_ref_pt.dbc"), true
	o.Problem = func(p Problem) { t.Errorf("problem: %v", p) }
	speed, wheels, seen := map[int64]float64{}, map[int64][2]float64{}, map[string]int{}
	for _, e := range readAll(t, o) {
		if e.Type != sayso.TypeStatus || e.DataVersion != device.DataVersion || len(e.Data.Signals) > 100 || e.Subject != o.Identity.Subject.String() {
			t.Fatalf("envelope %+v", e)
		}
		for _, s := range e.Data.Signals {
			seen[s.Name]++
			v, at := s.Value.(float64), s.Timestamp.UnixMicro()
			w := wheels[at]
			switch s.Name {
			case "speed":
				speed[at] = v
			case "chassisAxleRow1WheelLeftSpeed":
				w[0] = v
			case "chassisAxleRow1WheelRightSpeed":
				w[1] = v
			}
			wheels[at] = w
		}
	}
	t.Logf("readings: %v", seen)
	truth := column3(t, sample(t, "rav4_truth_0-12s.csv"))
	worst := 0.0
	for _, row := range truth {
		got, ok := speed[row.at]
		if !ok {
			t.Fatalf("no speed at %d", row.at)
		}
		worst = max(worst, math.Abs(got-row.v[0]*3.6), math.Abs(wheels[row.at][0]-row.v[1]*3.6), math.Abs(wheels[row.at][1]-row.v[2]*3.6))
	}
	// The truth has five decimals of m/s: half a unit of the last is 1.8e-5 km/h.
	if len(truth) != 995 || len(speed) != 995 || worst > 2e-5 {
		t.Errorf("%d rows, %d speeds, the worst differs by %g km/h", len(truth), len(speed), worst)
	}
	for name, want := range map[string]int{"powertrainCombustionEngineSpeed": 509, "powertrainCombustionEngineECT": 12, "isIgnitionOn": 40, "powertrainTransmissionTemperature": 15} {
		if seen[name] != want {
			t.Errorf("%d readings of %s, want %d", seen[name], name, want)
		}
	}
}

type row struct {
	at int64 // microseconds
	v  []float64
}

// column3 reads a CSV of numbers with the time in front.
func column3(t *testing.T, path string) (rows []row) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, cells := range all[1:] {
		at, err := parseUnix(cells[0])
		if err != nil {
			t.Fatal(err)
		}
		r := row{at: at.UnixMicro()}
		for _, c := range cells[1:] {
			f, err := strconv.ParseFloat(c, 64)
			if err != nil {
				t.Fatal(err)
			}
			r.v = append(r.v, f)
		}
		rows = append(rows, r)
	}
	return rows
}

func TestRAV4Thinned(t *testing.T) {
	o := options(t, sample(t, "rav4_comma2k19_0-12s.candump.log"))
	o.DBC, o.Every = sample(t, "toyota_2017_ref_pt.dbc"), time.Second
	counts, last := map[string]int{}, time.Time{}
	for _, e := range readAll(t, o) {
		if e.Time.After(now) {
			t.Fatalf("the envelope's time %v is ahead of the clock", e.Time)
		}
		for _, s := range e.Data.Signals {
			counts[s.Name]++
			if s.Timestamp.After(last) {
				last = s.Timestamp
			}
		}
	}
	if counts["speed"] != 12 || counts["isIgnitionOn"] > 13 || now.Sub(last) > time.Second || last.After(now) {
		t.Errorf("%v, the last at %v", counts, last)
	}
}

func TestParseFrame(t *testing.T) {
	at := time.Unix(1533226488, 228954000).UTC()
	for line, want := range map[string]Frame{
		"(1533226488.228954) can0 260#08FFFB0000001884": {Time: at, Bus: "can0", ID: 0x260, Data: []byte{8, 255, 251, 0, 0, 0, 0x18, 0x84}},
		"(1533226488.228954)  vcan1  18FEF100#01ff R":   {Time: at, Bus: "vcan1", ID: 0x18fef100, Extended: true, Data: []byte{1, 255}},
		"(1533226488.228954) can0 123#":                 {Time: at, Bus: "can0", ID: 0x123, Data: []byte{}},
		"(1533226488.228954) can0 123#R8":               {Time: at, Bus: "can0", ID: 0x123, Remote: true},
		"(1533226488.228954) can0 123##1AABBCC":         {Time: at, Bus: "can0", ID: 0x123, FD: true, Data: []byte{0xaa, 0xbb, 0xcc}},
		"(1533226488.228954) can0 20000004#0001":        {Time: at, Bus: "can0", ID: 4, Extended: true, Error: true, Data: []byte{0, 1}},
	} {
		got, err := ParseFrame(line)
		if err != nil || got.String() != want.String() || got.ID != want.ID || got.Extended != want.Extended || got.Remote != want.Remote || got.Error != want.Error || got.FD != want.FD {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{
		"", "x", "(1.5) can0", "1.5 can0 123#00", "(1.5) can0 12#00", "(1.5) can0 123#0", "(1.5) can0 123#0G", "(1.5) can0 FFF#00",
		"(1.5) can0 123#000000000000000000", "(1.5) can0 123##", "(1.5) can0 123#R9", "(1.5.5) can0 123#00", "(-1) can0 123#00", "(1) can0 123#00 X", "(99999999999999999999) a 123#00",
	} {
		if f, err := ParseFrame(line); err == nil {
			t.Errorf("%q was read as %+v", line, f)
		}
	}
}

func TestCANLogProblemsNameTheLine(t *testing.T) {
	dir := t.TempDir()
	dbc := write(t, dir, "x.dbc", "BO_ 256 M: 2 X\n SG_ A : 0|8@1+ (2,-1) [0|0] \"m/s\" X\n SG_ B : 8|8@1+ (1,0) [0|0] \"\" X\nBO_ 300 BAD: x\n")
	log := write(t, dir, "x.log", "(1.0) can0 100#0501\n\nnonsense\n(2.0) can0 100#R\n(3.0) can0 100#05\n(4.0) can0 101#0501\n(5.0) can0 100#0900\n")
	mp := write(t, dir, "x.csv", "signal,expression,unit,scale,offset,min,max,values\nspeed,M.A,km/h,,,,50,\nisIgnitionOn,M.B,,,,,,0=0 1=1\nnoSuch,M.A\nobdRunTime,M.C\nspeed,M.A M.B\n")
	o := options(t, log)
	o.DBC, o.Map, o.KeepTime = dbc, mp, true
	var problems []string
	o.Problem = func(p Problem) { problems = append(problems, p.Error()) }
	got := readAll(t, o)
	want := []string{
		dbc + ":4: BO_: message BAD: the length is not 0 to 64 bytes",
		mp + ":4: \"noSuch\" is not a number signal of the catalogue",
		mp + ":5: message M has no signal C",
		mp + ":6: \"M.A M.B\" names no signal, or several without mean, sum, min or max",
		log + ":3: not a candump line: want (time) bus id#data",
	}
	if len(problems) != len(want) {
		t.Fatalf("problems %q", problems)
	}
	for i := range want {
		if problems[i] != want[i] {
			t.Errorf("problem %q, want %q", problems[i], want[i])
		}
	}
	// 5 -> 2*5-1 = 9 m/s = 32.4 km/h, twice; 9 -> 17 m/s = 61.2 km/h is over the map's 50.
	var values []float64
	for _, e := range got {
		for _, s := range e.Data.Signals {
			values = append(values, s.Value.(float64))
		}
	}
	if len(values) != 4 || values[0] != 32.4 || values[1] != 1 || values[2] != 32.4 || values[3] != 0 {
		t.Errorf("values %v", values)
	}
}

func TestNothingToReplay(t *testing.T) {
	dir := t.TempDir()
	dbc := write(t, dir, "x.dbc", "BO_ 170 WHEEL_SPEEDS: 8 X\n SG_ WHEEL_SPEED_FL : 7|16@0+ (0.01,-67.67) [0|250] \"kph\" XXX\n")
	for name, o := range map[string]Options{
		"no such file":    {Path: dir + "/none.log", DBC: dbc},
		"no table":        {Path: write(t, dir, "a.log", "")},
		"not a table":     {Path: write(t, dir, "b.log", ""), DBC: write(t, dir, "b.dbc", "hello")},
		"no map fits":     {Path: write(t, dir, "c.log", ""), DBC: write(t, dir, "c.dbc", "BO_ 1 X: 8 Y\n")},
		"unknown ending":  {Path: write(t, dir, "d.bin", "")},
		"no usable line":  {Path: write(t, dir, "e.log", "rubbish\n"), DBC: dbc},
		"no matching row": {Path: write(t, dir, "f.log", "(1.0) can0 100#00\n"), DBC: dbc},
		"empty NDJSON":    {Path: write(t, dir, "g.ndjson", "\n[]\n{}\n")},
		"empty CSV":       {Path: write(t, dir, "h.csv", "")},
	} {
		base := options(t, o.Path)
		base.DBC = o.DBC
		p, err := Open(base)
		if err == nil {
			_, err = p.Next()
			p.Close()
		}
		var e *sayso.Error
		if err == io.EOF || !errors.As(err, &e) || e.Fault == sayso.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheNodeTakesEverything reads the messages with the node's own decoder:
// nothing in them may be refused.
func TestTheNodeTakesEverything(t *testing.T) {
	o := options(t, sample(t, "rav4_comma2k19_0-12s.candump.log"))
	o.DBC = sample(t, "toyota_2017_ref_pt.dbc")
	p, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	readings, ids := 0, map[string]bool{}
	for {
		m, err := p.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ce, err := dialect.Envelope(m.Body, dialect.Arrival{Source: o.Identity.Source, Time: now})
		if err != nil {
			t.Fatal(err)
		}
		said, err := dialect.Decode(o.Catalogue, ce, dialect.Window{Now: now})
		if err != nil || len(said.Rejected) > 0 || len(said.Readings) != m.Readings || ids[ce.ID] {
			t.Fatalf("%v: %d of %d readings, rejected %v, id %s", err, len(said.Readings), m.Readings, said.Rejected, ce.ID)
		}
		ids[ce.ID] = true
		readings += m.Readings
	}
	if readings != 5952 {
		t.Errorf("%d readings", readings)
	}
}

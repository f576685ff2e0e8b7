package message

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/car/catalogue"
)

func TestPair(t *testing.T) {
	start := time.Date(2024, 4, 18, 17, 20, 26, 0, time.UTC)
	for _, x := range []struct{ name, halves, want string }{
		{"nothing", "", ""},
		{"both at once", "0lat1 0lng2", "0:1/2/0"},
		{"the other way round", "10lng2 0lat1", "0:1/2/0"},
		{"quality before", "0hdop3 10lat1 20lng2", "0:1/2/3"},
		{"quality after", "0lat1 10lng2 20hdop3", "0:1/2/3"},
		{"quality too late", "0lat1 10lng2 500hdop3", "0:1/2/0 !hdop"},
		{"just near enough", "0lat1 499lng2", "0:1/2/0"},
		{"just too far", "0lat1 500lng2", "!latitude !longitude"},
		{"measured from the first", "0hdop3 300lat1 500lng2", "!latitude !hdop !longitude"},
		{"latitude alone", "0lat1", "!latitude"},
		{"quality alone", "0hdop1", "!hdop"},
		{"ten a second", "0lat1 0lng2 100lat3 100lng4 200lat5 200lng6", "0:1/2/0 100:3/4/0 200:5/6/0"},
		{"all latitudes first", "0lat1 100lat3 0lng2 100lng4", "0:1/2/0 100:3/4/0"},
		{"a latitude is lost", "0lng2 100lat3 100lng4", "0:3/2/0 !longitude"},
		{"ten a second with quality", "0hdop9 0lat1 0lng2 100hdop8 100lat3 100lng4", "0:1/2/9 100:3/4/8"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var halves []Half
			for _, word := range strings.Fields(x.halves) {
				var ms int64
				var rest string
				var h Half
				if _, err := fmt.Sscanf(word, "%d%s", &ms, &rest); err != nil {
					t.Fatal(err)
				}
				h.Part = map[string]Part{"lat": Latitude, "lng": Longitude, "hdo": HDOP}[rest[:3]]
				h.Value = float64(rest[len(rest)-1] - '0')
				h.Time = start.Add(time.Duration(ms) * time.Millisecond)
				halves = append(halves, h)
			}
			fixes, rejected := Pair(halves)
			var got []string
			for _, f := range fixes {
				got = append(got, fmt.Sprintf("%d:%v/%v/%v", f.Time.Sub(start).Milliseconds(), f.Location.Latitude, f.Location.Longitude, f.Location.HDOP))
			}
			for _, r := range rejected {
				got = append(got, "!"+strings.TrimPrefix(r.Name, PositionSignal+"."))
			}
			if strings.Join(got, " ") != x.want {
				t.Errorf("got %q, want %q", strings.Join(got, " "), x.want)
			}
		})
	}
}

func TestPositionsAreChecked(t *testing.T) {
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 4, 18, 17, 20, 26, 0, time.UTC)
	for _, x := range []struct {
		lat, lng, hdop float64
		readings       int
		reason         string
	}{
		{1, 2, 3, 1, ""},
		{0, 0, 1, 0, "(0,0) is what a receiver without a fix sends"},
		{91, 10, 1, 0, "latitude 91 is outside -90 to 90"},
		{math.NaN(), 10, 1, 0, "latitude or longitude is not finite"},
		{1, 2, 255, 1, "hdop 255 is outside 0 to 100"},
		{1, 2, math.NaN(), 1, "hdop NaN is outside 0 to 100"},
	} {
		b := NewBuilder(cat, Window{Now: now}, 0)
		b.Positions([]Half{{now, Latitude, x.lat}, {now, Longitude, x.lng}, {now, HDOP, x.hdop}})
		m := b.Message()
		reason := ""
		if len(m.Rejected) > 0 {
			reason = m.Rejected[0].Reason
		}
		if len(m.Readings) != x.readings || reason != x.reason {
			t.Errorf("%+v: %+v", x, m)
		}
	}
}

func TestValidVIN(t *testing.T) {
	for vin, want := range map[string]bool{
		"WBA8D9G55HNU12345": true, "1M8GDM9AXKP042788": true, "11111111111111112": true, "11111111111111111": false,
		"WBA8D9G55HNU1234": false, "WBA8D9G55HNU123456": false, "WBA8D9G55HNU1234O": false, "wba8d9g55hnu12345": false,
		"NCP131-2005066": true, "GD312345": true, "AB-12345": true, "A-12345": false, "ABCDEFGH-12345": false, "ABCDEFG-1234567": true,
		"AB-1234": false, "AB-12345678": false, "AB--12345": false, "1234567": true, "12-34567": true, "123456": false, "": false, "AB 12345": false, "ÄB-12345": false,
	} {
		if ValidVIN(vin) != want {
			t.Errorf("ValidVIN(%q) is not %v", vin, want)
		}
	}
}

func TestWindow(t *testing.T) {
	now := time.Date(2025, 3, 4, 12, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		at             time.Time
		live, backfill bool
	}{
		{now, true, true}, {now.Add(Ahead), true, true}, {now.Add(Ahead + time.Microsecond), false, false},
		{now.Add(-Back), true, true}, {now.Add(-Back - time.Microsecond), false, true},
		{earliest.Time(), false, true}, {earliest.Time().Add(-time.Microsecond), false, false}, {time.Time{}, false, false},
	} {
		live, back := Window{Now: now}.Check(x.at) == nil, Window{Now: now, Backfill: true}.Check(x.at) == nil
		if live != x.live || back != x.backfill {
			t.Errorf("%s: live %v, back-fill %v", x.at, live, back)
		}
	}
}

func TestClip(t *testing.T) {
	if got := Clip(strings.Repeat("ab", 50)); len(got) != 100 {
		t.Errorf("%q", got)
	}
	if got := Clip("x" + strings.Repeat("€", 50)); got != "x"+strings.Repeat("€", 33)+"…" {
		t.Errorf("%q", got)
	}
}

func TestKept(t *testing.T) {
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(cat, Window{}, 0)
	b.Kept(true, true, true)
	if got := b.Message().Types; !slices.Equal(got, []string{sayso.TypeFingerprint, sayso.TypeStatus, sayso.TypeEvents}) {
		t.Errorf("%q", got)
	}
}

// Readings are sorted as a stable sort of whole readings would, however many.
func TestSortReadings(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 200 {
		list := make([]sayso.Reading, n)
		for i := range list {
			list[i] = sayso.Reading{Time: sayso.Instant(r.IntN(1 + n/3)), Signal: sayso.SignalID(r.IntN(5)), Value: sayso.NumberValue(float64(i))}
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, func(x, y sayso.Reading) int {
			return cmp.Or(cmp.Compare(x.Time, y.Time), cmp.Compare(x.Signal, y.Signal))
		})
		if sortReadings(list); !slices.Equal(list, want) {
			t.Fatalf("%d readings: got %v, want %v", n, list, want)
		}
	}
}

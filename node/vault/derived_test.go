package vault

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// TestDerivedIsWhatIsServed, packed and not, with several owners and erasures; and
// a latest value that is not derived from what is kept is found.
func TestDerivedIsWhatIsServed(t *testing.T) {
	v := testOpen(t, testConfig(t, vfs.NewMem()))
	ctx := t.Context()
	base := sayso.Instant(1_700_000_000_000_000)
	for n := range 300 {
		for car := uint64(1); car <= 3; car++ {
			at := base + sayso.Instant(n)*97_000_000
			d := deposit(car, fmt.Sprint("m", n), at,
				sayso.Reading{Signal: 5, Epoch: 1 + uint32(n/200), Time: at, Value: sayso.NumberValue(float64(n) / 7)},
				sayso.Reading{Signal: 6, Epoch: 1 + uint32(n/200), Time: at, Value: sayso.TextValue("x")})
			if _, err := v.Commit(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
		if n == 250 {
			if err := v.Pack(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := v.Erase(ctx, 2, 1); err != nil {
		t.Fatal(err)
	}
	got, err := v.CompareDerived(ctx, nil)
	if err != nil || got.Faults != 0 || got.Vehicles != 3 || got.Rows != 2*(300+100+300) || got.Hours == 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	key := appendPrefix(nil, kindLatest, 3, 2)
	if err := v.db.Delete(key, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	v.forgetLatest(owner{3, 2})
	got, err = v.CompareDerived(ctx, nil)
	if err != nil || got.Faults == 0 || got.Findings[0].Vehicles[0] != 3 || !strings.Contains(got.Findings[0].What, "latest") {
		t.Errorf("%+v, %v", got, err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAPositionBehindNone has a position that means none kept before one of the
// same time: a scan shows the first, the latest value is the second, and neither
// is damage. A latest value that no reading of that time explains still is.
func TestAPositionBehindNone(t *testing.T) {
	v := testOpen(t, testConfig(t, vfs.NewMem()))
	base := sayso.Instant(1_700_000_000_000_000)
	for n, at := range []sayso.Instant{base, base + 5_000_000, base + 5_000_000} {
		where := sayso.LocationValue(sayso.Location{Latitude: 48 + float64(n), Longitude: 11})
		if n == 1 {
			where = sayso.LocationValue(sayso.Location{HDOP: 1})
		}
		d := deposit(1, fmt.Sprint("m", n), at, sayso.Reading{Signal: 7, Epoch: 1, Time: at, Value: where})
		if _, err := v.Commit(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		rows, err := v.Latest(t.Context(), View{Vehicle: 1, Epochs: []uint32{1}}, nil)
		if err != nil || len(rows) != 1 || rows[0].Value.Location.Latitude != 50 {
			t.Fatalf("latest: %+v, %v", rows, err)
		}
		got, err := v.CompareDerived(t.Context(), nil)
		if err != nil || got.Faults != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		if err := v.Pack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

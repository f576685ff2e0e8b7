package vault

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/clock"
)

// said is the payload of the cloud events of these tests.
type said struct {
	Readings []sayso.Reading
	Events   []sayso.Event
}

// says decodes it, as a dialect would.
func says(s *Stored) ([]sayso.Reading, []sayso.Event, bool) {
	var d said
	if s.Envelope.Data == nil || json.Unmarshal(s.Envelope.Data, &d) != nil {
		return nil, nil, false
	}
	return d.Readings, d.Events, true
}

// rebuildStore has three vehicles whose readings are packed up to the 24th of 32
// hours; the second one has erased its first ownership.
func rebuildStore(t *testing.T, cfg Config) *Vault {
	t.Helper()
	v := testOpen(t, cfg)
	base := startOf(hourOf(1_700_000_000_000_000))
	for n := range 32 {
		for car := uint64(1); car <= 3; car++ {
			epoch, at := 1+uint32(n/20), base+sayso.Instant(n)*hour
			var d said
			for i := range sayso.Instant(70) {
				d.Readings = append(d.Readings, sayso.Reading{Signal: 5, Time: at + i*50_000_000, Value: sayso.NumberValue(float64(n) + float64(i)/8)})
			}
			d.Readings = append(d.Readings, sayso.Reading{Signal: 6, Time: at, Value: sayso.TextValue(fmt.Sprint("x", n))})
			d.Events = []sayso.Event{{Name: "behavior.harshBraking", Time: at, DurationNS: 5}}
			data, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			m := deposit(car, fmt.Sprint("m", n), at)
			m.Epoch, m.Envelope.Data, m.Envelope.Time = epoch, data, at.Time()
			for _, r := range d.Readings {
				r.Epoch = epoch
				m.Readings = append(m.Readings, r)
			}
			m.Events = []sayso.Event{{Name: "behavior.harshBraking", Time: at, DurationNS: 5, Epoch: epoch}}
			if _, err := v.Commit(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if n == 24 {
			if err := v.Pack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := v.Erase(t.Context(), 2, 1); err != nil {
		t.Fatal(err)
	}
	return v
}

// rebuildConfig packs nothing by itself.
func rebuildConfig(t *testing.T, fs vfs.FS) Config {
	cfg := testConfig(t, fs)
	cfg.PackBytes, cfg.PackEvery, cfg.RetainEvery = 1<<30, time.Hour, time.Hour
	cfg.Chunk.Inline = 64
	return cfg
}

func everything(t *testing.T, v *Vault) (out []string) {
	t.Helper()
	for car := uint64(1); car <= 3; car++ {
		for _, view := range []View{{Vehicle: car, Epochs: []uint32{1}}, {Vehicle: car, Epochs: []uint32{1, 2}}} {
			see := func(x any) bool { out = append(out, fmt.Sprintf("%d %+v", car, x)); return true }
			errs := []error{
				v.Scan(t.Context(), view, nil, minInstant, maxInstant, func(r Row) bool { return see(r) }),
				v.Events(t.Context(), view, minInstant, maxInstant, func(e EventRow) bool { return see(e) }),
			}
			l, err := v.Latest(t.Context(), view, nil)
			see(l)
			s, serr := v.Summary(t.Context(), view)
			see(s)
			for _, err := range append(errs, err, serr) {
				if err != nil {
					see(err)
				}
			}
		}
	}
	return out
}

// TestRebuildFromCloudEvents: what of the rows is lost is named by the comparison,
// and comes back from the cloud events when it is written; a whole store is left as
// it is.
func TestRebuildFromCloudEvents(t *testing.T) {
	remove := func(want func(place) bool, kinds ...byte) func(*testing.T, *Vault) {
		return func(t *testing.T, v *Vault) {
			for _, kind := range kinds {
				for _, key := range keysOf(t, v, kind, 3) {
					if p, ok := parsePlace(key); ok && want(p) {
						if err := v.db.Delete(key, pebble.NoSync); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	}
	all := func(place) bool { return true }
	for _, c := range []struct {
		name   string
		damage func(*testing.T, *Vault)
		faults bool
	}{
		{"nothing", func(*testing.T, *Vault) {}, false},
		{"readings that are not packed", remove(all, kindReadings), true},
		{"packed readings", remove(all, kindPacked), true},
		{"heads of packed readings", remove(func(p place) bool { return p.part == partHeadOf }, kindPacked), true},
		{"a column of packed readings", remove(func(p place) bool { return p.part == partOf(5, sayso.Number) }, kindPacked), true},
		{"the times of packed readings", remove(func(p place) bool { return p.part == partTimesOf }, kindPacked), true},
		{"events", remove(all, kindEvent), true},
		{"latest values", remove(all, kindLatest), true},
		{"all that is derived", remove(all, kindReadings, kindPacked, kindEvent, kindLatest), true},
		{"altered packed readings", func(t *testing.T, v *Vault) {
			for i, key := range keysOf(t, v, kindPacked, 3) {
				if err := v.db.Set(key, []byte{byte(i), 1, 2, 3}, pebble.NoSync); err != nil {
					t.Fatal(err)
				}
			}
		}, true},
		{"latest values of an older moment", func(t *testing.T, v *Vault) {
			k, err := v.keys.current(owner{3, 2})
			if err != nil {
				t.Fatal(err)
			}
			l, err := v.latestOf(owner{3, 2})
			if err != nil {
				t.Fatal(err)
			}
			l.rows = slices.Clone(l.rows)
			l.rows[0].Time -= hour
			p, batch := &packer{v: v}, v.db.NewBatch()
			if err := p.set(batch, k, &place{kind: kindLatest, vehicle: 3, epoch: 2}, appendLatest(nil, l)); err != nil {
				t.Fatal(err)
			}
			if err := batch.Commit(pebble.NoSync); err != nil {
				t.Fatal(err)
			}
			_ = batch.Close()
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := rebuildConfig(t, vfs.NewMem())
			v := rebuildStore(t, cfg)
			want := everything(t, v)
			c.damage(t, v)
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			v = testOpen(t, cfg)
			damaged := everything(t, v)
			got, err := v.Rebuild(t.Context(), says, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			if (got.Faults > 0) != c.faults || got.Rewritten+got.Restored > 0 || got.Otherwise > 0 || got.Commits != 96 {
				t.Errorf("compared: %+v", got)
			}
			if now := everything(t, v); !slices.Equal(now, damaged) {
				t.Error("the comparison has changed something")
			}
			got, err = v.Rebuild(t.Context(), says, true, nil)
			if err != nil || got.Faults > 0 || (got.Rewritten+got.Restored > 0) != c.faults {
				t.Fatalf("rebuilt: %+v, %v", got, err)
			}
			for again := range 2 {
				if now := everything(t, v); !slices.Equal(now, want) {
					for i := range want {
						if i >= len(now) || now[i] != want[i] {
							t.Fatalf("opening %d: there was\n%.300s\nthere is\n%.300s", again, want[i], now[min(i, len(now)-1)])
						}
					}
					t.Fatalf("opening %d: %d answers were there, and are %d", again, len(want), len(now))
				}
				verified, err := v.Verify(t.Context(), 0, nil)
				if err != nil || verified.Faults > 0 {
					t.Errorf("verified: %+v, %v", verified.Findings, err)
				}
				if err := v.Close(); err != nil {
					t.Fatal(err)
				}
				v = testOpen(t, cfg)
			}
			got, err = v.Rebuild(t.Context(), says, true, nil)
			if err != nil || got.Faults+got.Rewritten+got.Restored+got.Lost > 0 || got.Decoded != 76 || got.Gone != 20 {
				t.Errorf("once more: %+v, %v", got, err)
			}
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestRebuildSaysWhatItCannotKnow: cloud events that have gone with time, that are
// read otherwise today, and of which no payload is kept, are counted, and are no
// damage.
func TestRebuildSaysWhatItCannotKnow(t *testing.T) {
	cfg := rebuildConfig(t, vfs.NewMem())
	now := clock.NewManual(time.Unix(1_700_200_000, 0))
	cfg.Clock = now
	v := rebuildStore(t, cfg)
	d := deposit(1, "no payload", 1_700_000_000_000_000, sayso.Reading{Signal: 9, Epoch: 2, Time: 1_700_190_000_000_000, Value: sayso.NumberValue(1)})
	d.Epoch, d.Envelope.Data, d.Envelope.Time = 2, nil, time.Unix(1_700_190_000, 0)
	if _, err := v.Commit(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Retain = Policy{
		Messages: func(uint64) time.Duration { return 40 * time.Hour },
		Readings: func(uint64, sayso.SignalID) Retention { return Retention{Raw: 40 * time.Hour} },
	}
	v = testOpen(t, cfg)
	if err := v.Pack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Retain = Policy{} // and the policy of today does not say so
	v = testOpen(t, cfg)
	want := everything(t, v)
	for _, write := range []bool{false, true} {
		got, err := v.Rebuild(t.Context(), func(s *Stored) ([]sayso.Reading, []sayso.Event, bool) {
			r, e, ok := says(s)
			if s.Envelope.ID == "m30" {
				r[0].Value.Number++
			}
			return r, e, ok
		}, write, nil)
		if err != nil || got.Faults+got.Rewritten+got.Restored > 0 || got.Silent != 1 || got.Otherwise != 3 || got.Gone < 30 || got.Commits != 97 {
			t.Errorf("write %v: %+v, %v", write, got, err)
		}
	}
	if !slices.Equal(everything(t, v), want) {
		t.Error("something has changed")
	}
	verified, err := v.Verify(t.Context(), 0, nil)
	if err != nil || verified.Faults > 0 {
		t.Errorf("verified: %+v, %v", verified.Findings, err)
	}
	// What the mark of retention does not cover is missed, whatever the policy says.
	list := keysOf(t, v, kindCloudEvent, 3)
	if err := v.db.Delete(list[len(list)-1], pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	got, err := v.Rebuild(t.Context(), says, false, nil)
	if err != nil || got.Faults == 0 || !strings.Contains(got.Findings[0].What, "the cloud event of") {
		t.Errorf("%+v, %v", got, err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

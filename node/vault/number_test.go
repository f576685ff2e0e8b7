package vault

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
)

// numberedStore has two vehicles with forty commits each, the first ones packed,
// an erasure, and commits of its ownership after it.
func numberedStore(t *testing.T) (*Vault, Config) {
	t.Helper()
	cfg := testConfig(t, vfs.NewMem())
	v := testOpen(t, cfg)
	base := sayso.Instant(1_700_000_000_000_000)
	for n := range 40 {
		for car := uint64(1); car <= 3; car++ {
			at := base + sayso.Instant(n)*900_000_000
			d := deposit(car, fmt.Sprint("m", n), at, sayso.Reading{Signal: 5, Epoch: 1, Time: at, Value: sayso.NumberValue(float64(n))})
			d.Envelope.Time = at.Time()
			d.Events = []sayso.Event{{Name: "behavior.harshBraking", Epoch: 1, Time: at}}
			if _, err := v.Commit(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		switch n {
		case 20:
			if err := v.Pack(t.Context()); err != nil {
				t.Fatal(err)
			}
		case 30:
			if err := v.Erase(t.Context(), 3, 1); err != nil {
				t.Fatal(err)
			}
		case 35:
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			v = testOpen(t, cfg)
		}
	}
	return v, cfg
}

// keysOf lists the keys of a kind that a vehicle has, of commits by what they say.
func keysOf(t *testing.T, v *Vault, kind byte, vehicle uint64) (list [][]byte) {
	t.Helper()
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	if err != nil {
		t.Fatal(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		who := it.Key()[1:]
		if kind == kindSeq {
			who = it.Value()
		}
		if binary.BigEndian.Uint64(who) == vehicle {
			list = append(list, slices.Clone(it.Key()))
		}
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestWhatIsTakenOutIsNamed takes rows out of a store, or changes them, as
// somebody does who has the disk, so that the engine finds nothing wrong.
func TestWhatIsTakenOutIsNamed(t *testing.T) {
	remove := func(kinds ...byte) func(*testing.T, *Vault) {
		return func(t *testing.T, v *Vault) {
			for _, kind := range kinds {
				for _, key := range keysOf(t, v, kind, 2) {
					if err := v.db.Delete(key, pebble.NoSync); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	value := func(t *testing.T, v *Vault, key []byte) []byte {
		b, closer, err := v.db.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		b = slices.Clone(b)
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
		return b
	}
	set := func(t *testing.T, v *Vault, key, b []byte) {
		if err := v.db.Set(key, b, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		do   func(*testing.T, *Vault)
		want string
	}{
		{"a commit in the middle", func(t *testing.T, v *Vault) {
			_ = v.db.Delete(keysOf(t, v, kindSeq, 2)[5], pebble.NoSync)
		}, "numbers 6 to 6 of vehicle 2, ownership 1, are missing; sequences 15 to 19"},
		{"a commit with all that it brought", func(t *testing.T, v *Vault) {
			for _, kind := range []byte{kindSeq, kindCloudEvent, kindEvent} {
				_ = v.db.Delete(keysOf(t, v, kind, 2)[5], pebble.NoSync)
			}
		}, "numbers 6 to 6 of vehicle 2, ownership 1, are missing"},
		{"the last commits", func(t *testing.T, v *Vault) {
			for _, kind := range []byte{kindSeq, kindCloudEvent, kindEvent} {
				list := keysOf(t, v, kind, 2)
				for _, key := range list[len(list)-3:] {
					_ = v.db.Delete(key, pebble.NoSync)
				}
			}
		}, "numbers 38 to 40 of vehicle 2, ownership 1, are missing"},
		{"the last commits, and the head is cut", func(t *testing.T, v *Vault) {
			list := keysOf(t, v, kindSeq, 2)
			_ = v.db.Delete(list[len(list)-1], pebble.NoSync)
			remove(kindLatest)(t, v)
		}, "latest values of vehicle 2"},
		{"a commit, and the others are numbered anew", func(t *testing.T, v *Vault) {
			list := keysOf(t, v, kindSeq, 2)
			_ = v.db.Delete(list[5], pebble.NoSync)
			for _, key := range list[6:] {
				b := value(t, v, key)
				at := len(b) - commitTail
				binary.BigEndian.PutUint64(b[at:], binary.BigEndian.Uint64(b[at:])-1)
				set(t, v, key, b)
			}
		}, "numbers 40 to 40 of vehicle 2, ownership 1, are missing"},
		{"where a commit's event is", func(t *testing.T, v *Vault) {
			key := keysOf(t, v, kindSeq, 2)[5]
			b := value(t, v, key)
			_ = v.db.Delete(keysOf(t, v, kindCloudEvent, 2)[5], pebble.NoSync)
			set(t, v, key, append(b[:8:8], b[8+partLen:]...)) // without it, as if there was none
		}, "the commit of vehicle 2 has no number"},
		{"a part of a commit is not named", func(t *testing.T, v *Vault) {
			key := keysOf(t, v, kindSeq, 2)[5]
			b := value(t, v, key)
			at := bytes.IndexByte(b[8:], kindEvent) + 8
			set(t, v, key, append(b[:at:at], b[at+partLen:]...))
			_ = v.db.Delete(keysOf(t, v, kindEvent, 2)[5], pebble.NoSync)
		}, "the rows of the commits of vehicle 2, ownership 1, are not those that were written"},
		{"a commit twice", func(t *testing.T, v *Vault) {
			b := value(t, v, keysOf(t, v, kindSeq, 2)[5])
			set(t, v, keysOf(t, v, kindSeq, 1)[7], b)
		}, "number 6 of vehicle 2, ownership 1, occurs again behind number 7"},
		{"numbers", func(t *testing.T, v *Vault) {
			for _, key := range keysOf(t, v, kindSeq, 2) {
				b := value(t, v, key)
				set(t, v, key, b[:len(b)-commitTail])
			}
		}, "the commit of vehicle 2 has no number"},
		{"an idempotency key", func(t *testing.T, v *Vault) {
			it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kindKey}, UpperBound: []byte{kindKey + 1}})
			if err != nil {
				t.Fatal(err)
			}
			for ok := it.First(); ok; ok = it.Next() {
				if binary.BigEndian.Uint64(it.Value()) == 14 { // the fifth commit of vehicle 2
					_ = v.db.Delete(slices.Clone(it.Key()), pebble.NoSync)
				}
			}
			_ = it.Close()
		}, "idempotency key of the commit of vehicle 2 is missing; sequences 14 to 14"},
		{"an event", func(t *testing.T, v *Vault) {
			_ = v.db.Delete(keysOf(t, v, kindEvent, 2)[5], pebble.NoSync)
		}, "the event of"},
		{"a cloud event", func(t *testing.T, v *Vault) {
			_ = v.db.Delete(keysOf(t, v, kindCloudEvent, 2)[5], pebble.NoSync)
		}, "the cloud event of"},
		{"readings that are not packed", remove(kindReadings), "hours of commits are missing, epoch 1"},
		{"packed readings", remove(kindPacked), "hours of commits are missing, epoch 1"},
		{"everything of a vehicle", remove(kindSeq, kindReadings, kindPacked, kindCloudEvent, kindEvent, kindLatest), "commits are missing; sequences 2 to 2; vehicles [2]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, _ := numberedStore(t)
			before, err := v.Verify(t.Context(), 0, nil)
			if err != nil || before.Faults != 0 {
				t.Fatalf("a whole store: %v, %+v", err, before.Findings)
			}
			c.do(t, v)
			got, err := v.Verify(t.Context(), 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for i := range got.Findings {
				f := &got.Findings[i]
				found = found || strings.Contains(f.String(), c.want) && slices.Contains(f.Vehicles, 2)
			}
			if !found {
				t.Errorf("want %q, found %d:\n%v", c.want, got.Faults, got.Findings)
			}
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestNumbersBeginAgainWithTheKey: what comes for an erased ownership is numbered
// from 1 under its new key, also after the next opening.
func TestNumbersBeginAgainWithTheKey(t *testing.T) {
	v, cfg := numberedStore(t)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	v = testOpen(t, cfg)
	var got []uint64
	for _, key := range keysOf(t, v, kindSeq, 3) {
		b, closer, err := v.db.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		var c commit
		if err := c.parse(key, b); err != nil {
			t.Fatal(err)
		}
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
		got = append(got, c.number)
	}
	want := []uint64{}
	for n := range uint64(31) {
		want = append(want, n+1)
	}
	want = append(want, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9) // the erasure, and what followed
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

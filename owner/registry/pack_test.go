package registry

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"sayso"
)

// filled puts something into every member of a row, also into those that are
// added one day.
func filled(rnd *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rnd.IntN(2) == 1)
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, Forever, math.MinInt64, int64(rnd.Uint64())}[rnd.IntN(6)])
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rnd.Uint64() >> rnd.IntN(64))
	case reflect.String:
		v.SetString([]string{"", "a", "Straße", "\x00\xff"}[rnd.IntN(4)])
	case reflect.Array:
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(rnd.IntN(256)))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				filled(rnd, v.Field(i))
			}
		}
	case reflect.Slice:
		if n := rnd.IntN(4) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				filled(rnd, v.Index(i))
			}
		}
	case reflect.Map:
		if n := rnd.IntN(4) - 1; n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range n {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				filled(rnd, key)
				filled(rnd, value)
				v.SetMapIndex(key, value)
			}
		}
	default:
		panic(v.Type().String())
	}
}

// Every kind of row comes back as it was put, whatever its members hold.
func TestRowsComeBackAsTheyWere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	kinds := []kind{manufacturers, vehicles, devices, grants, licences, templates, synthetics, shares, connections, storageNodes, stakes, names, privileges, definitions}
	for _, k := range kinds {
		blank, err := decode(k, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		rows := newRows(&texts{})
		for range 500 {
			row := reflect.New(reflect.TypeOf(blank).Elem())
			filled(rnd, row.Elem())
			f := fact{k, "key"}
			rows.put(f, row.Interface())
			if got := rows.get(f); !reflect.DeepEqual(got, row.Interface()) {
				t.Fatalf("%s: put %+v, got %+v", k, row.Interface(), got)
			}
		}
	}
}

// A row that was read is the reader's own.
func TestARowThatWasReadChangesNothing(t *testing.T) {
	rows := newRows(&texts{})
	f := fact{vehicles, "1"}
	rows.put(f, &Vehicle{ID: 1, Attributes: map[string]string{"Make": "A"}, Owners: []Ownership{{Owner: sayso.Address{1}}}})
	v := rows.get(f).(*Vehicle)
	v.Attributes["Make"], v.Owners[0].Owner = "B", sayso.Address{2}
	again := rows.get(f).(*Vehicle)
	if again.Attributes["Make"] != "A" || again.Owners[0].Owner != (sayso.Address{1}) {
		t.Errorf("the row is now %+v", again)
	}
	if got := rows.get(fact{vehicles, "2"}); got != nil {
		t.Errorf("a row that is not there is %+v", got)
	}
	rows.put(f, nil)
	if got := rows.get(f); got != nil {
		t.Errorf("a removed row is %+v", got)
	}
}

// What a grantee has in the final state is no part of the row.
func TestTheFinalStateIsNotPacked(t *testing.T) {
	rows := newRows(&texts{})
	f := fact{grants, "1/0x"}
	rows.put(f, &Grant{Vehicle: 1, Before: Right{"0x3", 7}, SourceBefore: "x"})
	if g := rows.get(f).(*Grant); g.Before != (Right{}) || g.SourceBefore != "" {
		t.Errorf("the row brought %+v", g)
	}
}

func BenchmarkVehicle(b *testing.B) {
	rows := newRows(&texts{})
	f := fact{vehicles, "1"}
	rows.put(f, &Vehicle{
		ID: 1, Manufacturer: 1, Definition: "maker_model_2024", MintedAt: 1_700_000_000, Device: 1,
		Attributes: map[string]string{"Make": "Maker", "Model": "Model", "Year": "2024"}, Owners: []Ownership{{From: 1_700_000_000, Block: 1}},
	})
	for b.Loop() {
		if v := rows.get(f).(*Vehicle); v.ID != 1 {
			b.Fatal(v)
		}
	}
}

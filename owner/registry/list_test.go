package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"sayso"
)

// randomFleet changes vehicles, grants and privileges at random.
func randomFleet(rnd *rand.Rand, tx *Tx) {
	for range rnd.IntN(40) {
		id := 1 + rnd.Uint64N(60)
		v, _ := tx.Vehicle(id)
		v.ID, v.Manufacturer, v.Definition = id, 1+rnd.Uint64N(3), []string{"", "a_b_2020", "c_d_2021"}[rnd.IntN(3)]
		v.Attributes = map[string]string{"Make": []string{"", "Ford", "FORD", "Audi"}[rnd.IntN(4)], "Model": "M" + strconv.Itoa(rnd.IntN(2)), "Year": strconv.Itoa(2020 + rnd.IntN(2))}
		v.Connection, v.Burned = []string{"", "7"}[rnd.IntN(2)], rnd.IntN(5) == 0
		v.Owners = append(slices.Clone(v.Owners), Ownership{Owner: address(byte(1 + rnd.IntN(4))), From: tx.Block.Time, Block: tx.Block.Number})
		tx.PutVehicle(v)
		who := address(byte(1 + rnd.IntN(6)))
		switch rnd.IntN(4) {
		case 0:
			tx.PutGrant(Grant{Vehicle: id, Grantee: who, Right: Right{[]string{"0x0", "0xc"}[rnd.IntN(2)], 900 + rnd.Int64N(200)}, Block: tx.Block.Number})
		case 1:
			tx.PutPrivileges(Privileges{Vehicle: id, User: who, Rights: map[uint64]Privilege{rnd.Uint64N(3): {1, 900 + rnd.Int64N(200)}}})
		case 2:
			tx.DeleteGrants(id)
			tx.DeletePrivileges(id)
		}
	}
}

// slow is a filter applied to everything there is.
func slow(r *Registry, f VehicleFilter) (out []uint64) {
	word := func(want *string, have string) bool {
		return want == nil || ofWord(0, *want) == ofWord(0, have)
	}
	for id := uint64(60); id > 0; id-- {
		v, ok := r.Vehicle(id)
		if !ok || v.Burned {
			continue
		}
		may := f.Privileged == nil || v.Owner() == *f.Privileged
		if f.Privileged != nil {
			g, ok := r.Grant(id, *f.Privileged)
			may = may || ok && g.Expires > f.Now.Unix() && g.Permissions != "0x0"
			for _, p := range r.Privileges(id) {
				for _, right := range p.Rights {
					may = may || p.User == *f.Privileged && right.Expires > f.Now.Unix()
				}
			}
		}
		if may && (f.Owner == nil || v.Owner() == *f.Owner) && word(f.Make, v.Attributes["Make"]) && word(f.Model, v.Attributes["Model"]) &&
			(f.Year == nil || v.Attributes["Year"] == strconv.Itoa(*f.Year)) && (f.Manufacturer == nil || v.Manufacturer == *f.Manufacturer) &&
			(f.Definition == nil || v.Definition == *f.Definition) && (f.Connection == nil || v.Connection == *f.Connection) {
			out = append(out, id)
		}
	}
	return out
}

func randomFilter(rnd *rand.Rand) (f VehicleFilter) {
	some := func() bool { return rnd.IntN(4) == 0 }
	f.Now = time.Unix(1000, 0)
	if some() {
		a := address(byte(1 + rnd.IntN(6)))
		f.Owner = &a
	}
	if some() {
		a := address(byte(1 + rnd.IntN(6)))
		f.Privileged = &a
	}
	pick := func(p **string, of ...string) {
		if some() {
			*p = &of[rnd.IntN(len(of))]
		}
	}
	pick(&f.Make, "ford", "Audi", "none")
	pick(&f.Model, "m0", "M1")
	pick(&f.Definition, "a_b_2020", "x")
	pick(&f.Connection, "7", "8")
	if some() {
		y := 2020 + rnd.IntN(3)
		f.Year = &y
	}
	if some() {
		m := 1 + rnd.Uint64N(4)
		f.Manufacturer = &m
	}
	return f
}

// Every list of vehicles, from every place and in both directions, has what a
// look at every vehicle finds, after any changes, forks and restarts.
func TestListsFindWhatALookAtEverythingFinds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 2))
	path := filepath.Join(t.TempDir(), "r")
	r := openWith(t, path, 0)
	n := uint64(0)
	for round := range 60 {
		n++
		if err := r.Fold(block(n, byte(round), byte(round-1)), func(tx *Tx) error { randomFleet(rnd, tx); return nil }); err != nil {
			// It is of another branch than the last one.
			if !errors.Is(err, ErrFork) {
				t.Fatal(err)
			}
			head, _ := r.Head()
			b := Block{Number: head.Number + 1, Parent: head.Hash, Hash: sayso.Keccak256([]byte(fmt.Sprint(round))), Time: 1000}
			if err := r.Fold(b, func(tx *Tx) error { randomFleet(rnd, tx); return nil }); err != nil {
				t.Fatal(err)
			}
			n = b.Number
		}
		switch round % 10 {
		case 5:
			n -= min(n-1, 3)
			if err := r.Unwind(n); err != nil {
				t.Fatal(err)
			}
		case 9:
			r.Close()
			r = openWith(t, path, 0)
		}
		for range 20 {
			f := randomFilter(rnd)
			want := slow(r, f)
			checkList(t, rnd, r.VehicleList(f), want)
		}
	}
}

func checkList(t *testing.T, rnd *rand.Rand, l List[uint64, Vehicle], want []uint64) {
	t.Helper()
	ids := func(seq func(func(Vehicle) bool)) (out []uint64) {
		for v := range seq {
			out = append(out, v.ID)
		}
		return out
	}
	if got := ids(l.Down(nil)); !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	at := rnd.Uint64N(62)
	var under, over []uint64
	for _, id := range want {
		if id < at {
			under = append(under, id)
		}
		if id > at {
			over = append([]uint64{id}, over...)
		}
	}
	if got := ids(l.Down(&at)); !slices.Equal(got, under) {
		t.Fatalf("below %d: %v, want %v", at, got, under)
	}
	if got := ids(l.Up(&at)); !slices.Equal(got, over) {
		t.Fatalf("above %d: %v, want %v", at, got, over)
	}
	if n, err := l.Count(context.Background()); n != len(want) || err != nil {
		t.Fatalf("%d (%v), want %d", n, err, len(want))
	}
}

// A page of a large registry is found without looking at the vehicles before it.
func TestAPageOfManyVehicles(t *testing.T) {
	const many = 20_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := newState()
	for id := uint64(1); id <= many; id++ {
		s.put(fact{vehicles, numberKey(id)}, &Vehicle{ID: id, Manufacturer: 1 + id%40, Definition: "ford_fiesta_" + strconv.Itoa(2000+int(id%20)),
			Attributes: map[string]string{"Make": "Ford", "Model": "Fiesta", "Year": strconv.Itoa(2000 + int(id%20))},
			Owners:     []Ownership{{Owner: sayso.Address{byte(id), byte(id >> 8), byte(id >> 16)}, From: 1, Block: 1}}})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d bytes of memory for a vehicle of an owner of its own", (after.HeapAlloc-before.HeapAlloc)/many)
	r := &Registry{state: s}
	year, maker := 2003, uint64(4)
	l := r.VehicleList(VehicleFilter{Year: &year, Manufacturer: &maker})
	read, list := l.read, []uint64{}
	looked := 0
	l.read = func(s *state, id uint64) (Vehicle, bool) { looked++; return read(s, id) }
	at := uint64(10_000)
	for v := range l.Down(&at) {
		if list = append(list, v.ID); len(list) == 100 {
			break
		}
	}
	if looked > 300 || list[0] != 9963 || list[99] != 9963-99*40 {
		t.Errorf("%d vehicles were read for a page of 100, from %d to %d", looked, list[0], list[99])
	}
	runtime.KeepAlive(s)
}

func TestEarningsLieInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r")
	r := openWith(t, path, 0)
	streak := uint64(4)
	one := Earning{Week: 7, Vehicle: 1, User: address(1), Streak: &streak, StreakTokens: "10", SentAt: 1001}
	two := one
	two.Device, two.DeviceTokens = 3, "20000000000000000000000"
	other := Earning{Week: 8, Vehicle: 2, User: address(2), Synthetic: 9, SyntheticTokens: "5", SentAt: 1002}
	fold := func(n uint64, list ...Earning) {
		t.Helper()
		if err := r.Fold(block(n, 0, 0), func(tx *Tx) error {
			for _, e := range list {
				if e.Device != 0 {
					if was, ok := tx.Earning(e.Place()); !ok || was.StreakTokens != "10" {
						t.Errorf("before: %+v", was)
					}
				}
				tx.PutEarning(e)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	fold(1, one)
	fold(2, two, other)
	check := func(l *EarningList, want ...Earning) {
		t.Helper()
		got := slices.Collect(l.Down(t.Context(), nil))
		if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) || l.Err() != nil {
			t.Errorf("%+v, want %+v (%v)", got, want, l.Err())
		}
		if n, err := l.Count(t.Context()); n != len(want) || err != nil {
			t.Errorf("%d of them (%v)", n, err)
		}
	}
	all := func() {
		t.Helper()
		check(r.EarningsOf(1), two)
		check(r.EarningsBy(3), two)
		check(r.EarningsTo(address(2)), other)
		check(r.EarningsOf(3))
		check(r.EarningsBy(9)) // a synthetic device's number is none of an aftermarket device
	}
	all()
	if two.Tokens().String() != "20000000000000000000010" {
		t.Errorf("sum %s", two.Tokens())
	}
	with := dump(t, r)
	r.Close()
	r = openWith(t, path, 0)
	all()
	if err := r.Unwind(1); err != nil {
		t.Fatal(err)
	}
	check(r.EarningsOf(1), one)
	check(r.EarningsBy(3))
	fold(2, two, other)
	if all(); dump(t, r) != with {
		t.Errorf("after a fork:\n%s\nwant\n%s", dump(t, r), with)
	}
	if err := r.Unwind(0); err != nil || dump(t, r) != "" {
		t.Errorf("at the beginning again: %v %s", err, dump(t, r))
	}
}

// Many pages of earnings, in both directions, are one list.
func TestEarningsArePaged(t *testing.T) {
	r := openWith(t, filepath.Join(t.TempDir(), "r"), 0)
	const many = 2*earningPart + 7
	if err := r.Fold(block(1, 0, 0), func(tx *Tx) error {
		for i := range uint64(many) {
			tx.PutEarning(Earning{Week: i / 3, Vehicle: 1 + i%3, User: address(1)})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	l := r.EarningsTo(address(1))
	down := slices.Collect(l.Down(t.Context(), nil))
	up := slices.Collect(l.Up(t.Context(), nil))
	slices.Reverse(up)
	if len(down) != many || !reflect.DeepEqual(down, up) {
		t.Errorf("%d down, %d up", len(down), len(up))
	}
	at := down[250].Place()
	if rest := slices.Collect(l.Down(t.Context(), &at)); !reflect.DeepEqual(rest, down[251:]) {
		t.Errorf("%d after the 251st", len(rest))
	}
	if rest := slices.Collect(l.Up(t.Context(), &at)); len(rest) != 250 || !reflect.DeepEqual(rest[0], down[249]) {
		t.Errorf("%d before the 251st", len(rest))
	}
}

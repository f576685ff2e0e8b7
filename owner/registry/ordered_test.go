package registry

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"

	"sayso"
)

// The set under a mark says what a sorted list says, at every size and in every
// order of coming and going, whatever happens under other marks.
func TestTheSetUnderAMarkIsASortedList(t *testing.T) {
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		span := []uint64{4, 100, 1000, 40000}[seed%4]
		checkSet(t, rnd, newLookup[uint64](numberKeeper{}), span, func(n uint64) uint64 { return n })
		checkSet(t, rnd, newLookup[string](textKeeper{&texts{}}), span, func(n uint64) string { return fmt.Sprintf("%0*d", 1+n%7, n) })
	}
}

func checkSet[K cmp.Ordered](t *testing.T, rnd *rand.Rand, l *lookup[K], span uint64, key func(uint64) K) {
	t.Helper()
	marks := []mark{{allVehicles, ""}, {vehiclesByMake, "a"}, {vehiclesByMake, "b"}, {vehiclesByModel, "a"}}
	want := map[mark][]K{}
	for step := range 6000 {
		m, k := marks[rnd.IntN(len(marks))], key(rnd.Uint64N(span))
		if span > 1000 && step < 3000 {
			m, k = marks[0], key(uint64(step)) // counted upwards, as ids are
		}
		list := want[m]
		i, there := slices.BinarySearch(list, k)
		if l.under(m).has(k) != there {
			t.Fatalf("%v has %v: %v", m, k, !there)
		}
		falls := step/1000%2 == 1 // many leave
		if e := (entry[K]{m, k}); rnd.IntN(3) == 0 != falls && step > 500 {
			if l.remove(e); there {
				list = slices.Delete(list, i, i+1)
			}
		} else if l.add(e); !there {
			list = slices.Insert(list, i, k)
		}
		want[m] = list
		checkPlace(t, l.under(m), list, key(rnd.Uint64N(span+2)))
		if step%500 == 0 {
			for _, m := range marks {
				if got := l.under(m).keys(); !slices.Equal(got, want[m]) {
					t.Fatalf("%v: %v, want %v", m, got, want[m])
				}
			}
		}
	}
	for _, m := range marks {
		for _, k := range want[m] {
			l.remove(entry[K]{m, k})
		}
		if _, ok := l.newest(m); ok || l.under(m).len() != 0 {
			t.Fatal("not empty in the end")
		}
	}
	if len(l.sets) != 0 || len(l.spare) != len(l.many) {
		t.Fatalf("%d places, %d of %d large sets are left", len(l.sets), len(l.many)-len(l.spare), len(l.many))
	}
}

// checkPlace looks at what lies beside a key.
func checkPlace[K cmp.Ordered](t *testing.T, s set[K], want []K, at K) {
	t.Helper()
	if s.len() != len(want) {
		t.Fatalf("%d members, want %d", s.len(), len(want))
	}
	i, there := slices.BinarySearch(want, at)
	below, ok := s.below(at, true)
	if ok != (i > 0) || ok && below != want[i-1] {
		t.Fatalf("below %v: %v %v", at, below, ok)
	}
	if there {
		i++
	}
	above, ok := s.above(at, true)
	if ok != (i < len(want)) || ok && above != want[i] {
		t.Fatalf("above %v: %v %v", at, above, ok)
	}
	last, ok := s.below(at, false)
	first, also := s.above(at, false)
	if ok != (len(want) > 0) || also != ok || ok && (last != want[len(want)-1] || first != want[0]) {
		t.Fatalf("from %v to %v", first, last)
	}
}

// Texts of any size stay as they are while others come and go, and the room of
// those that went is used again.
func TestTextsStayWhileOthersComeAndGo(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	var all texts
	held := map[uint32][]byte{}
	for round := range 4 {
		for range 2000 {
			b := make([]byte, []int{rnd.IntN(40), rnd.IntN(300), rnd.IntN(5000), rnd.IntN(2 << 20)}[rnd.IntN(301)/100])
			for i := range b {
				b[i] = byte(len(held))
			}
			ref := all.keep(b)
			if _, twice := held[ref]; twice {
				t.Fatalf("room %d was given out twice", ref)
			}
			held[ref] = b
		}
		for ref, b := range held {
			if string(all.view(ref)) != string(b) {
				t.Fatalf("round %d: a text of %d bytes has changed", round, len(b))
			}
			if rnd.IntN(4) > 0 {
				all.drop(ref)
				delete(held, ref)
			}
		}
	}
	for ref := range held {
		all.drop(ref)
	}
	before := len(all.slabs)
	for range 1000 {
		all.keep(make([]byte, 100))
	}
	if len(all.slabs) != before {
		t.Errorf("%d slabs became %d although all were free", before, len(all.slabs))
	}
}

// What the registry holds of a car has no pointers, so that a collection takes
// no longer with a million of them.
func TestTheCollectorHasNothingToLookInto(t *testing.T) {
	const many = 30_000
	scanned := func() uint64 {
		runtime.GC()
		runtime.GC()
		s := []metrics.Sample{{Name: "/gc/scan/heap:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	before := scanned()
	s := newState()
	for id := uint64(1); id <= many; id++ {
		owner := sayso.Address{1, byte(id), byte(id >> 8), byte(id >> 16)}
		s.put(fact{vehicles, numberKey(id)}, &Vehicle{ID: id, Manufacturer: 1, Definition: "a_b_2024", Attributes: map[string]string{"Make": "A", "Model": "B"}, Owners: []Ownership{{Owner: owner}}})
		s.put(fact{devices, numberKey(id)}, &Device{ID: id, Owner: owner, Address: sayso.Address{2, byte(id), byte(id >> 8), byte(id >> 16)}, Attributes: map[string]string{"Serial": numberKey(id)}})
		s.put(fact{grants, grantKey(id, owner)}, &Grant{Vehicle: id, Grantee: owner})
		s.put(fact{names, numberKey(id)}, &Name{Node: NameOf([32]byte{byte(id), byte(id >> 8), byte(id >> 16)}), Text: numberKey(id), Vehicle: id, Owner: owner})
	}
	if each := int64(scanned()-before) / many; each > 8 {
		t.Errorf("%d bytes of each car are looked into", each)
	}
	runtime.KeepAlive(s)
}

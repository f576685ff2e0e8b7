package vault

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestTheShelfAgainstAMap does everything with the shelf in random order. What it
// gives is what was put last, and it forgets only what it may.
func TestTheShelfAgainstAMap(t *testing.T) {
	for _, size := range []int64{1, 4 << 10, 1 << 20} {
		random := rand.New(rand.NewPCG(7, uint64(size)))
		s, truth := newShelf(size, 8), make(map[owner][]byte)
		met := 0
		for range 50_000 {
			own := owner{random.Uint64N(300), uint32(random.IntN(2))}
			switch b := bytes.Repeat([]byte{byte(random.Uint32())}, random.IntN(60)); random.IntN(8) {
			case 0:
				s.drop(own)
				delete(truth, own)
			case 1, 2:
				s.put(own, b)
				truth[own] = b
			case 3:
				_, generation, ok := s.get(nil, own)
				if other := (owner{1 << 40, 0}); random.IntN(2) == 0 {
					s.put(other, b) // what was read may be old now
				}
				if !ok {
					s.offer(own, truth[own], generation)
				}
			default:
				got, _, ok := s.get([]byte("x"), own)
				if !ok {
					continue
				}
				if want := append([]byte("x"), truth[own]...); !bytes.Equal(got, want) {
					t.Fatalf("%v: %q instead of %q", own, got, want)
				}
				met++
			}
		}
		if held := len(s.blocks) * s.size; held > max(int(size), 512) {
			t.Errorf("a shelf of %d bytes has blocks of %d", size, held)
		}
		if size == 1<<20 && s.full {
			t.Error("there was room for everything")
		}
		if size > 1 && met < 1000 {
			t.Errorf("of %d bytes only %d strings were met", size, met)
		}
	}
}

// TestAShelfThatIsTooSmallIsOfUse asks for three times as many as there is room
// for, in turn, which leaves a cache of the most recent empty-handed.
func TestAShelfThatIsTooSmallIsOfUse(t *testing.T) {
	s, met, asked := newShelf(64<<10, 0), 0, 0
	room := s.most * s.size / (shelfHead + 100)
	for range 30 {
		for n := range uint64(3 * room) {
			asked++
			_, generation, ok := s.get(nil, owner{n, 1})
			if ok {
				met++
				continue
			}
			s.offer(owner{n, 1}, make([]byte, 100), generation)
		}
	}
	if met*6 < asked {
		t.Errorf("%d of %d were met", met, asked)
	}
}

// TestNothingStaysOfWhatIsDropped looks through the memory of a shelf.
func TestNothingStaysOfWhatIsDropped(t *testing.T) {
	s := newShelf(8<<10, 8)
	for n := range uint64(20) {
		s.put(owner{n, 1}, fmt.Appendf(nil, "canary of %d", n))
		s.put(owner{n, 1}, fmt.Appendf(nil, "the canary of vehicle %d", n)) // does not fit
	}
	for n := range uint64(20) {
		s.drop(owner{n, 1})
	}
	if s.len() != 0 {
		t.Errorf("%d are left", s.len())
	}
	for _, b := range s.blocks {
		if bytes.Contains(b.room, []byte("canary")) {
			t.Fatal("what was dropped is in memory")
		}
	}
}

package vault

import (
	"encoding/binary"
	"sync"
)

// shelf holds byte strings of owners in blocks of memory, which the garbage
// collector does not look into. A new string of an owner takes the place of the
// old one where it fits. When all blocks are full the oldest is emptied; from
// then on only every eighth owner that has no place gets one, so that of more
// owners than there is room for, who come in turn, some are met. It is safe for
// concurrent use.
type shelf struct {
	mu     sync.Mutex
	size   int // of a block
	most   int // blocks
	slack  int // room for a string to grow
	blocks []shelfBlock
	now    int  // the block that is being filled
	full   bool // a block was emptied
	turned uint // away, for want of a place
	at     map[owner]spot
	// generation moves when a string is put by the owner of the truth, so that one
	// that was read before that cannot be offered after it.
	generation uint64
}

type shelfBlock struct {
	room []byte
	used int
}

type spot struct{ block, at uint32 }

// A string lies behind a head: vehicle 8, epoch 4, room 2, length 2.
const (
	shelfHead = 16
	admitted  = 8 // one in so many
)

// newShelf is a shelf of so many bytes, the map of its owners included, which is
// about a quarter.
func newShelf(bytes int64, slack int) *shelf {
	size := int(max(min(bytes/64, 1<<20), 512))
	return &shelf{size: size, most: int(max(bytes*3/4/int64(size), 1)), slack: slack, at: make(map[owner]spot)}
}

// get appends the string of an owner to dst, or else gives the generation for a
// later offer.
func (s *shelf) get(dst []byte, own owner) (b []byte, generation uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.at[own]; ok {
		return append(dst, s.string(p)...), s.generation, true
	}
	return dst, s.generation, false
}

// put stores what is true from now on.
func (s *shelf) put(own owner, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.set(own, b)
}

// offer stores what was read after get had answered the generation, unless
// something was put since.
func (s *shelf) offer(own owner, b []byte, generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == generation {
		s.set(own, b)
	}
}

// drop forgets an owner, and leaves nothing of its string in memory.
func (s *shelf) drop(own owner) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.remove(own)
}

func (s *shelf) string(p spot) []byte {
	b := s.blocks[p.block].room[p.at:]
	return b[shelfHead:][:binary.LittleEndian.Uint16(b[14:])]
}

func (s *shelf) remove(own owner) {
	p, ok := s.at[own]
	if !ok {
		return
	}
	clear(s.string(p))
	delete(s.at, own)
}

func (s *shelf) set(own owner, b []byte) {
	p, had := s.at[own]
	if had {
		old := s.blocks[p.block].room[p.at:]
		if len(b) <= int(binary.LittleEndian.Uint16(old[12:])) {
			clear(s.string(p))
			binary.LittleEndian.PutUint16(old[14:], uint16(len(b)))
			copy(old[shelfHead:], b)
			return
		}
		s.remove(own)
	}
	room := len(b) + s.slack
	if shelfHead+room > s.size || room > 1<<16-1 {
		return
	}
	if s.full && !had {
		if s.turned++; s.turned%admitted != 0 {
			return
		}
	}
	at := s.place(shelfHead + room)
	to := s.blocks[s.now].room[at:]
	binary.LittleEndian.PutUint64(to, own.vehicle)
	binary.LittleEndian.PutUint32(to[8:], own.epoch)
	binary.LittleEndian.PutUint16(to[12:], uint16(room))
	binary.LittleEndian.PutUint16(to[14:], uint16(len(b)))
	copy(to[shelfHead:], b)
	s.at[own] = spot{uint32(s.now), uint32(at)}
}

// place finds room for n bytes in the block that is being filled, or in the next.
func (s *shelf) place(n int) (at int) {
	if len(s.blocks) == 0 || s.blocks[s.now].used+n > s.size {
		if len(s.blocks) < s.most {
			s.blocks = append(s.blocks, shelfBlock{room: make([]byte, s.size)})
			s.now = len(s.blocks) - 1
		} else {
			s.now = (s.now + 1) % s.most
			s.empty(s.now)
		}
	}
	b := &s.blocks[s.now]
	b.used += n
	return b.used - n
}

// empty forgets whose strings lie in a block.
func (s *shelf) empty(n int) {
	b := &s.blocks[n]
	for at := 0; at < b.used; {
		head := b.room[at:]
		own := owner{binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint32(head[8:])}
		if s.at[own] == (spot{uint32(n), uint32(at)}) {
			delete(s.at, own)
		}
		at += shelfHead + int(binary.LittleEndian.Uint16(head[12:]))
	}
	clear(b.room)
	b.used, s.full = 0, true
}

// len is how many owners have a place.
func (s *shelf) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

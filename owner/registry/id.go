package registry

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/dchest/siphash"
)

// id stands for a key in memory: 96 bits of a keyed hash (SipHash-2-4). Two keys
// of ten million agree in it once in 10^15 times, and as the hash key is new with
// every opening, nobody can look for two that do.
type id [12]byte

// hasher makes ids.
type hasher struct{ k0, k1 uint64 }

func newHasher() hasher {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hasher{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
}

// id is of a key in a space of keys.
func (h *hasher) id(space, key string) (out id) {
	var room [128]byte
	b := append(append(append(room[:0], space...), 0), key...)
	lo, hi := siphash.Hash128(h.k0, h.k1, b)
	binary.LittleEndian.PutUint64(out[:], lo)
	binary.LittleEndian.PutUint32(out[8:], uint32(hi))
	return out
}

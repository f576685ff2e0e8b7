package registry

import (
	"encoding/binary"
	"math/bits"
)

// texts keeps texts, each behind its length.
type texts struct{ arena[byte] }

func (t *texts) keep(s []byte) (ref uint32) {
	ref = t.alloc(textSize(len(s)))
	b := t.at(ref)
	copy(b[binary.PutUvarint(b, uint64(len(s))):], s)
	return ref
}

// view is a text, for as long as nothing changes.
func (t *texts) view(ref uint32) []byte {
	b := t.at(ref)
	n, head := binary.Uvarint(b)
	return b[head : head+int(n)]
}

func (t *texts) drop(ref uint32) { t.release(ref, textSize(len(t.view(ref)))) }

func textSize(n int) int { return (bits.Len64(uint64(n)|1)+6)/7 + n }

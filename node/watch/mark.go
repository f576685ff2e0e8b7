package watch

import (
	"cmp"
	"encoding/binary"
	"errors"
)

// mark is a place in what the vault keeps: a commit, and a value or event in it.
type mark struct {
	seq   uint64
	index uint32
}

func (m mark) before(o mark) bool {
	return cmp.Or(cmp.Compare(m.seq, o.seq), cmp.Compare(m.index, o.index)) < 0
}

func (m mark) bytes() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, m.seq), m.index)
}

func parseMark(b []byte) (mark, error) {
	if len(b) != 12 {
		return mark{}, errors.New("a malformed mark")
	}
	return mark{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}, nil
}

package identity

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// Prefixes of node ids (spec api 7.3).
const (
	vehiclePrefix      = "V"
	devicePrefix       = "AD"
	manufacturerPrefix = "M"
	syntheticPrefix    = "S"
	namePrefix         = "D"
)

// nodeID writes a node id: the prefix, and the token id in a MessagePack array
// in base64.
func nodeID(prefix string, id uint64) string {
	return prefix + "_" + base64.StdEncoding.EncodeToString(packUint([]byte{0x91}, id))
}

// nameID is the node id of a name: of its token id, the lowest 64 bits.
func nameID(id int64) string {
	return namePrefix + "_" + base64.StdEncoding.EncodeToString(packInt([]byte{0x91}, id))
}

// packUint appends the shortest MessagePack form of a number.
func packUint(b []byte, n uint64) []byte {
	switch {
	case n < 1<<7:
		return append(b, byte(n))
	case n < 1<<8:
		return append(b, 0xcc, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xcf), n)
}

// packInt appends the shortest MessagePack form of a number that may be negative.
func packInt(b []byte, n int64) []byte {
	switch {
	case n >= 0:
		return packUint(b, uint64(n))
	case n >= -32:
		return append(b, byte(n))
	case n >= -1<<7:
		return append(b, 0xd0, byte(n))
	case n >= -1<<15:
		return binary.BigEndian.AppendUint16(append(b, 0xd1), uint16(n))
	case n >= -1<<31:
		return binary.BigEndian.AppendUint32(append(b, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, 0xd3), uint64(n))
}

// unpackUint reads a number that is not negative, and gives what is behind it.
func unpackUint(b []byte) (n uint64, rest []byte, ok bool) {
	size := 0
	switch {
	case len(b) == 0:
		return 0, nil, false
	case b[0] < 1<<7:
		return uint64(b[0]), b[1:], true
	case b[0] >= 0xcc && b[0] <= 0xcf:
		size = 1 << (b[0] - 0xcc)
	}
	if size == 0 || len(b) <= size {
		return 0, nil, false
	}
	for _, c := range b[1 : 1+size] {
		n = n<<8 | uint64(c)
	}
	return n, b[1+size:], true
}

// unpackInt reads a number that may be negative.
func unpackInt(b []byte) (n int64, rest []byte, ok bool) {
	switch {
	case len(b) > 0 && b[0] >= 0xe0:
		return int64(int8(b[0])), b[1:], true
	case len(b) > 0 && b[0] >= 0xd0 && b[0] <= 0xd3:
		size := 1 << (b[0] - 0xd0)
		if len(b) <= size {
			return 0, nil, false
		}
		n = int64(int8(b[1]))
		for _, c := range b[2 : 1+size] {
			n = n<<8 | int64(c)
		}
		return n, b[1+size:], true
	}
	u, rest, ok := unpackUint(b)
	return int64(u), rest, ok && u < 1<<63
}

// parseNodeID reads a node id. Only names have negative numbers.
func parseNodeID(text string) (prefix string, id int64, err error) {
	prefix, packed, _ := strings.Cut(text, "_")
	b, err := base64.StdEncoding.DecodeString(packed)
	if err != nil || len(b) < 2 || b[0] != 0x91 {
		return "", 0, invalid("%q is not an id", text)
	}
	id, rest, ok := unpackInt(b[1:])
	if !ok || len(rest) > 0 {
		return "", 0, invalid("%q is not an id", text)
	}
	return prefix, id, nil
}

// form is how a name is packed.
type form struct {
	pack   func(b, name []byte) []byte
	unpack func(b []byte) (name []byte, ok bool)
}

// binaryOf is the form of a name of a fixed length.
func binaryOf(n int) form {
	return form{
		pack: func(b, name []byte) []byte { return append(append(b, 0xc4, byte(n)), name...) },
		unpack: func(b []byte) ([]byte, bool) {
			if len(b) != 2+n || b[0] != 0xc4 || int(b[1]) != n {
				return nil, false
			}
			return b[2:], true
		},
	}
}

var str = form{
	pack: func(b, name []byte) []byte {
		switch n := len(name); {
		case n < 32:
			b = append(b, 0xa0|byte(n))
		case n < 1<<8:
			b = append(b, 0xd9, byte(n))
		default:
			b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
		}
		return append(b, name...)
	},
	unpack: func(b []byte) ([]byte, bool) {
		head, n := 0, 0
		switch {
		case len(b) >= 1 && b[0]&0xe0 == 0xa0:
			head, n = 1, int(b[0]&0x1f)
		case len(b) >= 2 && b[0] == 0xd9:
			head, n = 2, int(b[1])
		case len(b) >= 3 && b[0] == 0xda:
			head, n = 3, int(binary.BigEndian.Uint16(b[1:]))
		}
		if head == 0 || len(b) != head+n {
			return nil, false
		}
		return b[head:], true
	},
}

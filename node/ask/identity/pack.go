package identity

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"sayso"
	"sayso/owner/registry"
)

// Prefixes of node ids (spec api 7.3).
const (
	vehiclePrefix      = "V"
	devicePrefix       = "AD"
	manufacturerPrefix = "M"
)

// nodeID writes a node id: the prefix, and the token id in a MessagePack array
// in base64.
func nodeID(prefix string, id uint64) string {
	return prefix + "_" + base64.StdEncoding.EncodeToString(packUint([]byte{0x91}, id))
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

func parseNodeID(text string) (prefix string, id uint64, err error) {
	prefix, packed, _ := strings.Cut(text, "_")
	b, err := base64.StdEncoding.DecodeString(packed)
	if err != nil || len(b) < 2 || b[0] != 0x91 {
		return "", 0, invalid("%q is not an id", text)
	}
	number, size := b[2:], 0
	switch {
	case b[1] < 1<<7:
		id = uint64(b[1])
	case b[1] >= 0xcc && b[1] <= 0xcf:
		size = 1 << (b[1] - 0xcc)
	default:
		return "", 0, invalid("%q is not an id", text)
	}
	if len(number) != size {
		return "", 0, invalid("%q is not an id", text)
	}
	for _, c := range number {
		id = id<<8 | uint64(c)
	}
	return prefix, id, nil
}

// The orders of lists within an object: the newest first, of equals by name.
// Their cursors are MessagePack arrays of the time (extension type -1 with 32
// bits of seconds) and the name.
var (
	byCreation = byTime(
		func(g *registry.Grant) (int64, []byte) { return g.CreatedAt, g.Grantee[:] }, binary20,
		func(t int64, name []byte) *registry.Grant {
			return &registry.Grant{CreatedAt: t, Grantee: sayso.Address(name)}
		})
	bySigner = byTime(
		func(s signer) (int64, []byte) { return s.since, s.key[:] }, binary20,
		func(t int64, name []byte) signer { return signer{sayso.Address(name), t} })
	byURI = byTime(
		func(u uri) (int64, []byte) { return u.since, []byte(u.uri) }, str,
		func(t int64, name []byte) uri { return uri{string(name), t} })
)

// form is how a name is packed.
type form struct {
	pack   func(b, name []byte) []byte
	unpack func(b []byte) (name []byte, ok bool)
}

var binary20 = form{
	pack: func(b, name []byte) []byte { return append(append(b, 0xc4, 20), name...) },
	unpack: func(b []byte) ([]byte, bool) {
		if len(b) != 22 || b[0] != 0xc4 || b[1] != 20 {
			return nil, false
		}
		return b[2:], true
	},
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

func byTime[T any](key func(T) (int64, []byte), name form, build func(int64, []byte) T) order[T] {
	return order[T]{
		compare: func(a, b T) int {
			at, an := key(a)
			bt, bn := key(b)
			return cmp.Or(cmp.Compare(bt, at), bytes.Compare(an, bn))
		},
		cursor: func(v T) string {
			t, n := key(v)
			b := binary.BigEndian.AppendUint32([]byte{0x92, 0xd6, 0xff}, uint32(t))
			return base64.StdEncoding.EncodeToString(name.pack(b, n))
		},
		parse: func(text string) (v T, err error) {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return v, invalid("%v", err)
			}
			if len(b) < 7 || b[0] != 0x92 || b[1] != 0xd6 || b[2] != 0xff {
				return v, invalid("the cursor is not one of this list")
			}
			n, ok := name.unpack(b[7:])
			if !ok {
				return v, invalid("the cursor is not one of this list")
			}
			return build(int64(binary.BigEndian.Uint32(b[3:7])), n), nil
		},
	}
}

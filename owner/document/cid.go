package document

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// The codecs of content that a CID can name here.
const (
	codecRaw   = 0x55 // the bytes themselves
	codecDagPB = 0x70 // a UnixFS node around the bytes
)

// CID names bytes by their hash (multiformats CID specification, versions 0 and
// 1, SHA2-256). Two texts of one content are one CID.
type CID struct {
	codec  byte
	digest [sha256.Size]byte
}

// SourceScheme is what a grant's source begins with where a document is behind it.
const SourceScheme = "ipfs://"

// Of is the name that a node gives to bytes: a version 1 CID with the raw codec.
func Of(content []byte) CID { return CID{codecRaw, sha256.Sum256(content)} }

// FileOf is the name of the bytes as a file of one block: what `ipfs add` calls
// it, other than in its text form.
func FileOf(content []byte) CID { return CID{codecDagPB, sha256.Sum256(file(content))} }

// Named is the CID of a digest of bytes, or of the file around them.
func Named(digest [sha256.Size]byte, file bool) CID {
	if file {
		return CID{codecDagPB, digest}
	}
	return CID{codecRaw, digest}
}

// Digest is the hash in the CID.
func (c CID) Digest() [sha256.Size]byte { return c.digest }

// File says whether the hash is that of the file around the bytes.
func (c CID) File() bool { return c.codec == codecDagPB }

// String is the version 1 form in base 32.
func (c CID) String() string { return "b" + base32Lower.EncodeToString(c.bytes()) }

// Source is how a grant on chain names the document.
func (c CID) Source() string { return SourceScheme + c.String() }

// Names says whether the CID is that of the content: of its bytes, or of the
// file of one block that IPFS wraps them into.
func (c CID) Names(content []byte) bool {
	if c.File() {
		return FileOf(content) == c
	}
	return Of(content) == c
}

// bytes is the binary form: version 1, the codec, the hash
// function SHA2-256 (0x12), its length and the digest.
func (c CID) bytes() []byte {
	return append([]byte{1, c.codec, 0x12, sha256.Size}, c.digest[:]...)
}

// file is the dag-pb node of a UnixFS file that fits into one block: field 1 of
// the node is the UnixFS message {1: type file, 2: data, 3: size}.
func file(content []byte) []byte {
	var in []byte
	in = append(in, 1<<3, 2)
	if len(content) > 0 {
		in = append(varint(append(in, 2<<3|2), len(content)), content...)
	}
	in = varint(append(in, 3<<3), len(content))
	return append(varint([]byte{1<<3 | 2}, len(in)), in...)
}

func varint(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// maxCID is far above the longest form, hexadecimal.
const maxCID = 100

// ParseCID reads version 0 (Qm…) and version 1 in base 32, base 58 or base 16.
// Hashes other than SHA2-256 and codecs other than raw and dag-pb are refused.
func ParseCID(s string) (CID, error) {
	bad := func(why string) (CID, error) { return CID{}, fmt.Errorf("%q is not a CID: %s", short(s), why) }
	if s == "" || len(s) > maxCID {
		return bad("want 46 to 74 characters")
	}
	if len(s) == 46 && strings.HasPrefix(s, "Qm") {
		hash, ok := decode58(s)
		if !ok || len(hash) != 2+sha256.Size || hash[0] != 0x12 || hash[1] != sha256.Size {
			return bad("not a SHA2-256 in base 58")
		}
		return CID{codecDagPB, [sha256.Size]byte(hash[2:])}, nil
	}
	var b []byte
	ok := false
	switch base, rest := s[0], s[1:]; base {
	case 'b':
		var err error
		b, err = base32Lower.DecodeString(rest)
		ok = err == nil && base32Lower.EncodeToString(b) == rest
	case 'z':
		b, ok = decode58(rest)
	case 'f':
		var err error
		b, err = hex.DecodeString(rest)
		ok = err == nil && strings.ToLower(rest) == rest
	default:
		return bad("want version 0, or version 1 in base 32 (b…), 58 (z…) or 16 (f…)")
	}
	if !ok {
		return bad("characters of another base")
	}
	if len(b) != 4+sha256.Size {
		return bad("not a SHA2-256")
	}
	c := CID{b[1], [sha256.Size]byte(b[4:])}
	if (c.codec != codecRaw && c.codec != codecDagPB) || !bytes.Equal(c.bytes(), b) {
		return bad("want version 1, raw or dag-pb, SHA2-256")
	}
	return c, nil
}

// ParseSource reads the source of a grant. Other kinds of source, and none, are
// not ok.
func ParseSource(source string) (CID, bool) {
	s, ok := strings.CutPrefix(source, SourceScheme)
	if !ok {
		return CID{}, false
	}
	c, err := ParseCID(s)
	return c, err == nil
}

func short(s string) string {
	if len(s) > maxCID {
		return s[:maxCID] + "…"
	}
	return s
}

const alphabet58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// decode58 reads base 58 as Bitcoin writes it: each leading 1 is a zero byte.
func decode58(s string) ([]byte, bool) {
	n, base := new(big.Int), big.NewInt(58)
	for _, c := range []byte(s) {
		digit := strings.IndexByte(alphabet58, c)
		if digit < 0 {
			return nil, false
		}
		n.Mul(n, base).Add(n, big.NewInt(int64(digit)))
	}
	zeros := len(s) - len(strings.TrimLeft(s, "1"))
	return append(make([]byte, zeros), n.Bytes()...), true
}

package sayso

import (
	"encoding/hex"
	"fmt"
	"strings"

	"golang.org/x/crypto/sha3"
)

// Address is the 20-byte address of an account or contract.
type Address [20]byte

// ParseAddress reads `0x` and 40 hexadecimal digits in any case.
func ParseAddress(s string) (Address, error) {
	var a Address
	if len(s) != 42 || s[0] != '0' || (s[1] != 'x' && s[1] != 'X') {
		return a, fmt.Errorf("%q is not an address: want 0x and 40 hexadecimal digits", s)
	}
	if _, err := hex.Decode(a[:], []byte(s[2:])); err != nil {
		return a, fmt.Errorf("%q is not an address: want 0x and 40 hexadecimal digits", s)
	}
	return a, nil
}

// String returns the address with its EIP-55 checksum.
func (a Address) String() string {
	var digits [42]byte
	copy(digits[:], "0x")
	hex.Encode(digits[2:], a[:])
	sum := Keccak256(digits[2:])
	for i := range 40 {
		nibble := sum[i/2] >> 4
		if i%2 == 1 {
			nibble = sum[i/2] & 15
		}
		if c := digits[2+i]; c >= 'a' && nibble >= 8 {
			digits[2+i] = c - 'a' + 'A'
		}
	}
	return string(digits[:])
}

// Lower returns the address in lower case, the form of legacy token claims.
func (a Address) Lower() string { return strings.ToLower(a.String()) }

// IsZero says whether the address is the zero address.
func (a Address) IsZero() bool { return a == Address{} }

// MarshalText writes the checksummed form.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads any case.
func (a *Address) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAddress(string(b))
	return err
}

// Keccak256 is the hash of EVM chains (the original Keccak, not SHA3-256).
func Keccak256(parts ...[]byte) (sum [32]byte) {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}

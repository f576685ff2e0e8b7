package sayso

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// The DID methods that a node understands.
const (
	MethodERC721 = "erc721" // did:erc721:<chainId>:<contract>:<tokenId>
	MethodEthr   = "ethr"   // did:ethr:<chainId>:<address>
	MethodERC20  = "erc20"  // did:erc20:<chainId>:<contract>
)

// DID names a token or an account on a chain. Token is nil unless Method is
// [MethodERC721].
type DID struct {
	Method  string
	Chain   uint64
	Address Address
	Token   *big.Int
}

// NFT returns the DID of a token.
func NFT(chain uint64, contract Address, token uint64) DID {
	return DID{Method: MethodERC721, Chain: chain, Address: contract, Token: new(big.Int).SetUint64(token)}
}

// Account returns the DID of an account.
func Account(chain uint64, a Address) DID {
	return DID{Method: MethodEthr, Chain: chain, Address: a}
}

// ParseDID reads the three current forms and the legacy
// `did:nft:<chainId>:<contract>_<tokenId>`, which becomes an erc721 DID.
func ParseDID(s string) (DID, error) {
	bad := func(why string) (DID, error) { return DID{}, fmt.Errorf("%q is not a DID: %s", s, why) }
	parts := strings.Split(s, ":")
	if len(parts) < 4 || parts[0] != "did" {
		return bad("want did:erc721:<chain>:<contract>:<token> or did:ethr:<chain>:<address>")
	}
	chain, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return bad("the chain id is not a number")
	}
	d := DID{Method: parts[1], Chain: chain}
	address, token, hasToken := parts[3], "", false
	switch {
	case d.Method == MethodERC721 && len(parts) == 5:
		token, hasToken = parts[4], true
	case d.Method == "nft" && len(parts) == 4:
		d.Method = MethodERC721
		address, token, hasToken = cutToken(parts[3])
		if !hasToken {
			return bad("want did:nft:<chain>:<contract>_<token>")
		}
	case (d.Method == MethodEthr || d.Method == MethodERC20) && len(parts) == 4:
	default:
		return bad("unknown method or wrong number of parts")
	}
	if d.Address, err = ParseAddress(address); err != nil {
		return bad(err.Error())
	}
	if !hasToken {
		return d, nil
	}
	if d.Token, err = parseToken(token); err != nil {
		return bad(err.Error())
	}
	return d, nil
}

func cutToken(s string) (address, token string, ok bool) { return strings.Cut(s, "_") }

// parseToken reads a non-negative decimal number of up to 256 bits.
func parseToken(s string) (*big.Int, error) {
	if s == "" || len(s) > 78 || strings.Trim(s, "0123456789") != "" {
		return nil, fmt.Errorf("the token id %q is not a decimal number", s)
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return new(big.Int).SetUint64(n), nil
	}
	n, _ := new(big.Int).SetString(s, 10)
	if n.BitLen() > 256 {
		return nil, fmt.Errorf("the token id %q is over 256 bits", s)
	}
	return n, nil
}

// String writes the canonical form with a checksummed address.
func (d DID) String() string {
	s := "did:" + d.Method + ":" + strconv.FormatUint(d.Chain, 10) + ":" + d.Address.String()
	if d.Token != nil {
		s += ":" + d.Token.String()
	}
	return s
}

// Is says whether the DID is the token of that number of that contract, and
// which number.
func (d DID) Is(chain uint64, contract Address) (token uint64, ok bool) {
	if d.Method != MethodERC721 || d.Chain != chain || d.Address != contract || !d.Token.IsUint64() {
		return 0, false
	}
	return d.Token.Uint64(), true
}

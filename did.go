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
	scheme, rest, _ := strings.Cut(s, ":")
	method, rest, _ := strings.Cut(rest, ":")
	number, rest, whole := strings.Cut(rest, ":")
	if !whole || scheme != "did" {
		return bad("want did:erc721:<chain>:<contract>:<token> or did:ethr:<chain>:<address>")
	}
	chain, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return bad("the chain id is not a number")
	}
	d := DID{Method: MethodERC721, Chain: chain}
	address, token := rest, ""
	switch parts := 4 + strings.Count(rest, ":"); {
	case method == MethodERC721 && parts == 5:
		address, token, _ = strings.Cut(rest, ":")
	case method == "nft" && parts == 4:
		if address, token, whole = strings.Cut(rest, "_"); !whole {
			return bad("want did:nft:<chain>:<contract>_<token>")
		}
	case (method == MethodEthr || method == MethodERC20) && parts == 4:
		d.Method = method
	default:
		return bad("unknown method or wrong number of parts")
	}
	if d.Address, err = ParseAddress(address); err != nil {
		return bad(err.Error())
	}
	if d.Method != MethodERC721 {
		return d, nil
	}
	if d.Token, err = parseToken(token); err != nil {
		return bad(err.Error())
	}
	return d, nil
}

// parseToken reads a non-negative decimal number of up to 256 bits.
func parseToken(s string) (*big.Int, error) {
	const longest = 78
	if n, err := strconv.ParseUint(s, 10, 64); err == nil && len(s) <= longest {
		return new(big.Int).SetUint64(n), nil
	}
	if s == "" || len(s) > longest || strings.Trim(s, "0123456789") != "" {
		return nil, fmt.Errorf("the token id %q is not a decimal number", s)
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

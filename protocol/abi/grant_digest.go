package abi

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Grant is the tuple that setPermissionsBySig takes: a grant on a token, or on an
// account (its address as Asset, TokenId 0). Expiration is in unix seconds;
// TemplateId 0 is no template.
type Grant struct {
	Asset       common.Address
	TokenId     *big.Int
	Grantee     common.Address
	Permissions *big.Int
	Expiration  *big.Int
	TemplateId  *big.Int
}

// SetPermissionsDigest is what a token's owner signs for setPermissionsBySig. The
// nonce is the grant store's view nonces(owner).
func SetPermissionsDigest(chainID *big.Int, grants common.Address, g Grant, source string, l Lapse) common.Hash {
	return grantsDigest(chainID, grants,
		"SetPermissions(address asset,uint256 tokenId,address grantee,uint256 permissions,uint256 expiration,uint256 templateId,string source,uint256 nonce,uint256 deadline)",
		g.Asset.Bytes(), word(g.TokenId), g.Grantee.Bytes(), word(g.Permissions), word(g.Expiration), word(g.TemplateId),
		crypto.Keccak256([]byte(source)), word(l.Nonce), word(l.Deadline))
}

// SetAccountPermissionsDigest is what the account g.Asset signs for
// setAccountPermissionsBySig.
func SetAccountPermissionsDigest(chainID *big.Int, grants common.Address, g Grant, source string, l Lapse) common.Hash {
	return grantsDigest(chainID, grants,
		"SetAccountPermissions(address grantor,address grantee,uint256 permissions,uint256 expiration,uint256 templateId,string source,uint256 nonce,uint256 deadline)",
		g.Asset.Bytes(), g.Grantee.Bytes(), word(g.Permissions), word(g.Expiration), word(g.TemplateId),
		crypto.Keccak256([]byte(source)), word(l.Nonce), word(l.Deadline))
}

// RevokeAllDigest is what a token's owner signs for revokeAllBySig.
func RevokeAllDigest(chainID *big.Int, grants, asset common.Address, token *big.Int, l Lapse) common.Hash {
	return grantsDigest(chainID, grants, "RevokeAll(address asset,uint256 tokenId,uint256 nonce,uint256 deadline)",
		asset.Bytes(), word(token), word(l.Nonce), word(l.Deadline))
}

func grantsDigest(chainID *big.Int, grants common.Address, typeText string, fields ...[]byte) common.Hash {
	return typed(domain("Sayso Grants", "1", chainID, grants), hashWords(typeText, fields...))
}

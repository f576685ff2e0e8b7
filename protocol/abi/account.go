package abi

import (
	"bytes"
	"crypto/elliptic"
	"encoding/asn1"
	"math/big"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
)

// Call is a call that a person's account makes; Value is in wei.
type Call struct {
	Target common.Address
	Value  *big.Int
	Data   []byte
}

// ExecuteDigest is the challenge a passkey signs so that its account makes calls.
// The nonce is the account's view nonces(account).
func ExecuteDigest(chainID *big.Int, account common.Address, calls []Call, l Lapse) common.Hash {
	var hashes []byte
	for _, c := range calls {
		h := hashWords("Call(address target,uint256 value,bytes data)", c.Target.Bytes(), word(c.Value), crypto.Keccak256(c.Data))
		hashes = append(hashes, h.Bytes()...)
	}
	return accountDigest(chainID, account,
		"Execute(Call[] calls,uint256 nonce,uint256 deadline)Call(address target,uint256 value,bytes data)",
		crypto.Keccak256(hashes), word(l.Nonce), word(l.Deadline))
}

// RecoverDigest is what the second signer of an account signs to announce another
// passkey. The nonce is the account's view nonces(second signer).
func RecoverDigest(chainID *big.Int, account common.Address, qx, qy [32]byte, l Lapse) common.Hash {
	return accountDigest(chainID, account, "Recover(bytes32 qx,bytes32 qy,uint256 nonce,uint256 deadline)",
		qx[:], qy[:], word(l.Nonce), word(l.Deadline))
}

// NestedAccountDigest is the challenge a passkey signs so that its account accepts
// `hash` in isValidSignature (ERC-7739's nested personal signature). With it a
// person signs what the registry and the grant store ask of an owner.
func NestedAccountDigest(chainID *big.Int, account common.Address, hash common.Hash) common.Hash {
	return accountDigest(chainID, account, "PersonalSign(bytes prefixed)", hash.Bytes())
}

func accountDigest(chainID *big.Int, account common.Address, typeText string, fields ...[]byte) common.Hash {
	return typed(domain("Sayso Account", "1", chainID, account), hashWords(typeText, fields...))
}

// EncodeAssertion turns what an authenticator answers (WebAuthn's
// AuthenticatorAssertionResponse: authenticatorData, clientDataJSON, and the DER
// signature) into the signature that an account takes. It checks form only.
func EncodeAssertion(authenticatorData, clientDataJSON, signature []byte) ([]byte, error) {
	const op = "abi.EncodeAssertion"
	var sig struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(signature, &sig)
	n := elliptic.P256().Params().N
	if err != nil || len(rest) != 0 || sig.R.Sign() <= 0 || sig.S.Sign() <= 0 || sig.R.Cmp(n) >= 0 || sig.S.Cmp(n) >= 0 {
		return nil, sayso.Fail(sayso.Invalid, op, "the signature is not a DER signature of P-256")
	}
	challenge := bytes.Index(clientDataJSON, []byte(`"challenge":"`))
	kind := bytes.Index(clientDataJSON, []byte(`"type":"webauthn.get"`))
	if challenge < 0 || kind < 0 {
		return nil, sayso.Fail(sayso.Invalid, op, "clientDataJSON is not of a webauthn.get")
	}
	// Of the two signatures s and n-s the chain takes the lower.
	if sig.S.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		sig.S.Sub(n, sig.S)
	}
	out, err := assertionTuple().Pack([32]byte(sig.R.FillBytes(make([]byte, 32))), [32]byte(sig.S.FillBytes(make([]byte, 32))),
		big.NewInt(int64(challenge)), big.NewInt(int64(kind)), authenticatorData, string(clientDataJSON))
	if err != nil {
		return nil, &sayso.Error{Op: op, Err: err}
	}
	return out, nil
}

// assertionTuple is OpenZeppelin's WebAuthnAuth, member by member.
func assertionTuple() abi.Arguments {
	var args abi.Arguments
	for _, name := range []string{"bytes32", "bytes32", "uint256", "uint256", "bytes", "string"} {
		kind, err := abi.NewType(name, "", nil)
		if err != nil {
			panic(err) // the names above are types
		}
		args = append(args, abi.Argument{Type: kind})
	}
	return args
}

package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"strconv"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
)

// PersonalDigest is what personal_sign signs: the keccak-256 of the EIP-191
// prefix, the length in decimal and the message.
func PersonalDigest(message []byte) common.Hash {
	prefix := "\x19Ethereum Signed Message:\n" + strconv.Itoa(len(message))
	return crypto.Keccak256Hash([]byte(prefix), message)
}

// TypedDigest is the EIP-712 digest of typed data: what eth_signTypedData_v4 signs.
func TypedDigest(data apitypes.TypedData) (common.Hash, error) {
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		return common.Hash{}, fmt.Errorf("typed data: %w", err)
	}
	return common.BytesToHash(digest), nil
}

// Domain is the usual EIP-712 domain (name, version, chainId, verifyingContract)
// and its type, to be put into TypedData.Types as "EIP712Domain".
func Domain(name, version string, chainID *big.Int, contract common.Address) (apitypes.TypedDataDomain, []apitypes.Type) {
	return apitypes.TypedDataDomain{
			Name: name, Version: version,
			ChainId:           (*math.HexOrDecimal256)(chainID),
			VerifyingContract: contract.Hex(),
		}, []apitypes.Type{
			{Name: "name", Type: "string"},
			{Name: "version", Type: "string"},
			{Name: "chainId", Type: "uint256"},
			{Name: "verifyingContract", Type: "address"},
		}
}

// ErrSignature says that bytes are not a signature at all.
var ErrSignature = errors.New("not a signature: 65 bytes r, s, v with v 27 or 28 (or 0 or 1) and s in the lower half are needed")

// Recover finds who signed the digest. Any well-formed signature recovers to some
// address: compare it. A high s is refused, as OpenZeppelin's ECDSA does, so that
// each signature has one form.
func Recover(digest common.Hash, sig []byte) (common.Address, error) {
	if len(sig) != crypto.SignatureLength {
		return common.Address{}, ErrSignature
	}
	v := sig[64]
	if v >= 27 {
		v -= 27
	}
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64])
	if !crypto.ValidateSignatureValues(v, r, s, true) {
		return common.Address{}, ErrSignature
	}
	pub, err := crypto.SigToPub(digest[:], append(bytes.Clone(sig[:64]), v))
	if err != nil {
		return common.Address{}, ErrSignature
	}
	return crypto.PubkeyToAddress(*pub), nil
}

// signatureGas bounds isValidSignature: a passkey check in plain Solidity takes
// about a million gas, and the account's code is not ours.
const signatureGas = 6_000_000

// IsValidSignature tells whether the signature over the digest counts as the
// account's: by its own key (an externally owned account), or by the answer of
// its contract (ERC-1271, asked on the newest block). A contract that reverts,
// is missing or answers anything else means false. An error means the chain could
// not be asked.
func IsValidSignature(ctx context.Context, c *Client, account common.Address, digest common.Hash, sig []byte) (bool, error) {
	if signer, err := Recover(digest, sig); err == nil && signer == account {
		return true, nil
	}
	magic := [4]byte{0x16, 0x26, 0xba, 0x7e} // isValidSignature(bytes32,bytes)
	data := append(magic[:], digest[:]...)
	data = append(data, math.U256Bytes(big.NewInt(64))...)
	data = append(data, math.U256Bytes(big.NewInt(int64(len(sig))))...)
	data = append(data, sig...)
	data = append(data, make([]byte, (32-len(sig)%32)%32)...)
	out, err := c.CallMsg(ctx, ethereum.CallMsg{To: &account, Data: data, Gas: signatureGas}, nil)
	if err != nil {
		var revert *RevertError
		var answer rpc.Error
		if errors.As(err, &revert) || errors.As(err, &answer) && executionFailed(answer) {
			return false, nil
		}
		return false, err
	}
	var want [32]byte
	copy(want[:], magic[:])
	return len(out) >= 32 && bytes.Equal(out[:32], want[:]), nil
}

// executionFailed tells an answer about the called code from one about the call
// (rate limits, unknown methods). Nodes use -32000 and 3 (revert) for the code,
// -32015 where they follow OpenEthereum.
func executionFailed(err rpc.Error) bool {
	switch err.ErrorCode() {
	case 3, -32000, -32015:
		return true
	}
	return false
}

package abi

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
)

// domainType is the EIP-712 domain of the registry and of licence accounts.
const domainType = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"

// ClaimDigest is what an owner and a device's key sign so that the owner gets
// the device: ClaimAftermarketDeviceSign.
func ClaimDigest(chainID *big.Int, registry common.Address, device *big.Int, owner common.Address) common.Hash {
	return registryDigest(chainID, registry,
		"ClaimAftermarketDeviceSign(uint256 aftermarketDeviceNode,address owner)", word(device), owner.Bytes())
}

// PairDigest is what a vehicle's owner, a device's key, or both sign to pair
// them: PairAftermarketDeviceSign.
func PairDigest(chainID *big.Int, registry common.Address, device, vehicle *big.Int) common.Hash {
	return registryDigest(chainID, registry,
		"PairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)", word(device), word(vehicle))
}

// UnpairDigest is what the owner of a device or of its vehicle signs to part
// them: UnPairAftermarketDeviceSign.
func UnpairDigest(chainID *big.Int, registry common.Address, device, vehicle *big.Int) common.Hash {
	return registryDigest(chainID, registry,
		"UnPairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)", word(device), word(vehicle))
}

// BurnVehicleDigest is what a vehicle's owner signs to burn it: BurnVehicleSign.
func BurnVehicleDigest(chainID *big.Int, registry common.Address, vehicle *big.Int) common.Hash {
	return registryDigest(chainID, registry, "BurnVehicleSign(uint256 vehicleNode)", word(vehicle))
}

// Lapse makes a signature good for one use until a time: the signer's next
// nonce in the registry, and a deadline in unix seconds (inclusive).
type Lapse struct {
	Nonce    *big.Int
	Deadline *big.Int
}

// ClaimDeadlineDigest is ClaimDigest with the owner's nonce and a deadline.
func ClaimDeadlineDigest(chainID *big.Int, registry common.Address, device *big.Int, owner common.Address, l Lapse) common.Hash {
	return registryDigest(chainID, registry,
		"ClaimAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,address owner,uint256 nonce,uint256 deadline)",
		word(device), owner.Bytes(), word(l.Nonce), word(l.Deadline))
}

// PairDeadlineDigest is PairDigest with the vehicle owner's nonce and a deadline.
func PairDeadlineDigest(chainID *big.Int, registry common.Address, device, vehicle *big.Int, l Lapse) common.Hash {
	return registryDigest(chainID, registry,
		"PairAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,uint256 vehicleNode,uint256 nonce,uint256 deadline)",
		word(device), word(vehicle), word(l.Nonce), word(l.Deadline))
}

// UnpairDeadlineDigest is UnpairDigest with the signer's nonce and a deadline.
func UnpairDeadlineDigest(chainID *big.Int, registry common.Address, device, vehicle *big.Int, l Lapse) common.Hash {
	return registryDigest(chainID, registry,
		"UnPairAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,uint256 vehicleNode,uint256 nonce,uint256 deadline)",
		word(device), word(vehicle), word(l.Nonce), word(l.Deadline))
}

// BurnVehicleDeadlineDigest is BurnVehicleDigest with the owner's nonce and a deadline.
func BurnVehicleDeadlineDigest(chainID *big.Int, registry common.Address, vehicle *big.Int, l Lapse) common.Hash {
	return registryDigest(chainID, registry,
		"BurnVehicleWithDeadlineSign(uint256 vehicleNode,uint256 nonce,uint256 deadline)",
		word(vehicle), word(l.Nonce), word(l.Deadline))
}

// NestedPersonalDigest is what a licence's signer signs so that the licence's
// account (the client id) accepts `hash` in isValidSignature: ERC-7739's nested
// personal signature. For a message as wallets sign it, hash is the EIP-191 hash
// of the message.
func NestedPersonalDigest(chainID *big.Int, account common.Address, hash common.Hash) common.Hash {
	structHash := hashWords("PersonalSign(bytes prefixed)", hash.Bytes())
	return typed(domain("Sayso Licence Account", "1", chainID, account), structHash)
}

func registryDigest(chainID *big.Int, registry common.Address, typeText string, fields ...[]byte) common.Hash {
	return typed(domain("DIMO", "1", chainID, registry), hashWords(typeText, fields...))
}

func domain(name, version string, chainID *big.Int, contract common.Address) common.Hash {
	return hashWords(domainType,
		crypto.Keccak256([]byte(name)), crypto.Keccak256([]byte(version)), word(chainID), contract.Bytes())
}

// hashWords is EIP-712's hashStruct: keccak of the type's hash and the fields,
// each padded on the left to 32 bytes.
func hashWords(typeText string, fields ...[]byte) common.Hash {
	data := crypto.Keccak256([]byte(typeText))
	for _, f := range fields {
		data = append(data, common.LeftPadBytes(f, 32)...)
	}
	return crypto.Keccak256Hash(data)
}

func typed(domain, structHash common.Hash) common.Hash {
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, domain.Bytes(), structHash.Bytes())
}

func word(n *big.Int) []byte { return math.U256Bytes(new(big.Int).Set(n)) }

package abi

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// VehicleMint is a vehicle as its owner signs for it. The plain old form has no
// definition id.
type VehicleMint struct {
	Manufacturer *big.Int
	Owner        common.Address
	Definition   string // device definition id
	Attributes   []AttributeInfoPair
}

// fields are the members that the mint types begin with, hashed as EIP-712 says.
func (m VehicleMint) fields(withDefinition bool) [][]byte {
	var names, infos []byte
	for _, a := range m.Attributes {
		names = append(names, crypto.Keccak256([]byte(a.Attribute))...)
		infos = append(infos, crypto.Keccak256([]byte(a.Info))...)
	}
	out := [][]byte{word(m.Manufacturer), m.Owner.Bytes()}
	if withDefinition {
		out = append(out, crypto.Keccak256([]byte(m.Definition)))
	}
	return append(out, crypto.Keccak256(names), crypto.Keccak256(infos))
}

// MintVehicleDigest is what an owner signs so that a relay mints a vehicle, alone
// or with a synthetic device: MintVehicleWithDeviceDefinitionSign.
func MintVehicleDigest(chainID *big.Int, registry common.Address, m VehicleMint) common.Hash {
	return registryDigest(chainID, registry,
		"MintVehicleWithDeviceDefinitionSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos)",
		m.fields(true)...)
}

// MintVehiclePlainDigest is the form without a definition: MintVehicleSign.
func MintVehiclePlainDigest(chainID *big.Int, registry common.Address, m VehicleMint) common.Hash {
	return registryDigest(chainID, registry,
		"MintVehicleSign(uint256 manufacturerNode,address owner,string[] attributes,string[] infos)", m.fields(false)...)
}

// MintVehicleDeadlineDigest is MintVehicleDigest with the owner's nonce and a deadline.
func MintVehicleDeadlineDigest(chainID *big.Int, registry common.Address, m VehicleMint, l Lapse) common.Hash {
	return registryDigest(chainID, registry,
		"MintVehicleWithDeviceDefinitionWithDeadlineSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos,uint256 nonce,uint256 deadline)",
		append(m.fields(true), word(l.Nonce), word(l.Deadline))...)
}

// MintSyntheticDigest is what the key of a synthetic device and the vehicle's owner
// sign to connect the vehicle: MintSyntheticDeviceSign.
func MintSyntheticDigest(chainID *big.Int, registry common.Address, connection, vehicle *big.Int) common.Hash {
	return registryDigest(chainID, registry,
		"MintSyntheticDeviceSign(uint256 connectionId,uint256 vehicleNode)", word(connection), word(vehicle))
}

// MintSyntheticDeadlineDigest is MintSyntheticDigest bound to the key's address, with
// the owner's nonce and a deadline.
func MintSyntheticDeadlineDigest(chainID *big.Int, registry common.Address, connection, vehicle *big.Int, key common.Address, l Lapse) common.Hash {
	return registryDigest(chainID, registry,
		"MintSyntheticDeviceWithDeadlineSign(uint256 connectionId,uint256 vehicleNode,address syntheticDeviceAddr,uint256 nonce,uint256 deadline)",
		word(connection), word(vehicle), key.Bytes(), word(l.Nonce), word(l.Deadline))
}

// MintBothDigest is what the key of a synthetic device signs when the vehicle is
// minted with it, in the old form: MintVehicleAndSdSign.
func MintBothDigest(chainID *big.Int, registry common.Address, connection *big.Int) common.Hash {
	return registryDigest(chainID, registry, "MintVehicleAndSdSign(uint256 connectionId)", word(connection))
}

// BothMint is a vehicle with its synthetic device, storage node (0: the default)
// and first grant (no grantee: none), as owner and key sign for them.
type BothMint struct {
	VehicleMint
	StorageNode, Connection *big.Int
	Synthetic               common.Address // address of the device's key
	Grant                   SacdInput
}

// MintBothDeadlineDigest is what owner and key both sign for everything:
// MintVehicleAndSdWithDeadlineSign, with the owner's nonce and a deadline.
func MintBothDeadlineDigest(chainID *big.Int, registry common.Address, m BothMint, l Lapse) common.Hash {
	fields := append(m.fields(true), word(m.StorageNode), word(m.Connection), m.Synthetic.Bytes(), m.Grant.Grantee.Bytes(),
		word(m.Grant.Permissions), word(m.Grant.Expiration), crypto.Keccak256([]byte(m.Grant.Source)), word(l.Nonce), word(l.Deadline))
	return registryDigest(chainID, registry,
		"MintVehicleAndSdWithDeadlineSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos,uint256 storageNodeId,uint256 connectionId,address syntheticDeviceAddr,address grantee,uint256 permissions,uint256 expiration,string source,uint256 nonce,uint256 deadline)",
		fields...)
}

// BurnSyntheticDigest is what the owner of a synthetic device signs to burn it:
// BurnSyntheticDeviceSign.
func BurnSyntheticDigest(chainID *big.Int, registry common.Address, vehicle, synthetic *big.Int) common.Hash {
	return registryDigest(chainID, registry,
		"BurnSyntheticDeviceSign(uint256 vehicleNode,uint256 syntheticDeviceNode)", word(vehicle), word(synthetic))
}

// BurnSyntheticDeadlineDigest is BurnSyntheticDigest with the owner's nonce and a deadline.
func BurnSyntheticDeadlineDigest(chainID *big.Int, registry common.Address, vehicle, synthetic *big.Int, l Lapse) common.Hash {
	return registryDigest(chainID, registry,
		"BurnSyntheticDeviceWithDeadlineSign(uint256 vehicleNode,uint256 syntheticDeviceNode,uint256 nonce,uint256 deadline)",
		word(vehicle), word(synthetic), word(l.Nonce), word(l.Deadline))
}

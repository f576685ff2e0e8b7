// Package abi holds the protocol's contracts as the Go side needs them: their
// ABIs and creation bytecode, embedded; the deployment of the whole set; and
// the digests that owners and devices sign.
//
// The JSON files are written by protocol/contracts/build.sh from the Solidity
// beside it. There are no generated bindings: callers pack a call by name,
//
//	data, err := contracts.Registry.Pack("pairAftermarketDevice", device, vehicle)
//
// and where a name has several forms, by its signature,
//
//	contracts.Grants.Pack("setPermissions(address,uint256,address,uint256,uint256,string)", ...)
//
// # Signatures
//
// The registry's EIP-712 domain is {name "DIMO", version "1", chainId,
// verifyingContract = registry}. An owner's signature may be of a key or of an
// ERC-1271 contract; a device's is of its key. The types, each with the function
// that builds its digest:
//
//	ClaimAftermarketDeviceSign(uint256 aftermarketDeviceNode,address owner)                                               ClaimDigest
//	PairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)                                          PairDigest
//	UnPairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)                                        UnpairDigest
//	BurnVehicleSign(uint256 vehicleNode)                                                                                  BurnVehicleDigest
//	ClaimAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,address owner,uint256 nonce,uint256 deadline)    ClaimDeadlineDigest
//	PairAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,uint256 vehicleNode,uint256 nonce,uint256 deadline)
//	                                                                                                                      PairDeadlineDigest
//	UnPairAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,uint256 vehicleNode,uint256 nonce,uint256 deadline)
//	                                                                                                                      UnpairDeadlineDigest
//	BurnVehicleWithDeadlineSign(uint256 vehicleNode,uint256 nonce,uint256 deadline)                                       BurnVehicleDeadlineDigest
//
// The forms for mints, synthetic devices, grants and people's accounts are beside
// the functions Mint...Digest, BurnSynthetic...Digest, Set...PermissionsDigest,
// RevokeAllDigest, ExecuteDigest and RecoverDigest.
//
// The forms without nonce are those of the reference network; a digest of them
// is accepted once, for ever. The forms with deadline spend a nonce of the owner
// who signs (claim: the new owner; pair: the vehicle's owner; unpair: the signer)
// and lapse after their deadline; anyone may bring them. An owner's next nonce is
// the registry's view nonces(owner).
//
// A licence's client id is a contract. isValidSignature there follows ERC-7739:
// a signer signs NestedPersonalDigest of the hash, not the hash. The same holds for
// a person's account with NestedAccountDigest, whose signature is a passkey's
// (EncodeAssertion).
package abi

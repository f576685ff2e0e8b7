// Package sayso holds the words of the mission: a car speaks, its owner
// decides, a node keeps and answers.
//
// The nouns are:
//
//   - vehicle: a car with an identity (an ERC-721 token) on an EVM chain.
//   - owner: the account that holds the vehicle's token. Only the owner grants.
//   - epoch: the number of an ownership of a vehicle, from 1. A transfer starts
//     the next one. What the car says belongs to the owner of its time.
//   - manufacturer: who made a vehicle or a device, as registered on chain.
//   - device: the unit in the car (an aftermarket device) whose key signs.
//   - app: a developer licence; its client id is an account address.
//   - grant: a permission record (SACD): asset, grantee, permissions, expiry,
//     source document.
//   - permission: a numbered right of a grant, see [Permission].
//   - signal: an entry of the catalogue, named after the COVESA VSS path.
//   - reading: one value of a signal of a vehicle at a time from a source.
//   - event: a named occurrence with a duration and metadata.
//   - cloud event: the CloudEvents 1.0 envelope in which readings arrive.
//   - source: the address of the connection or device that sent an envelope.
//   - DID: `did:erc721:<chain>:<contract>:<token>` or `did:ethr:<chain>:<address>`.
//   - node: a program like this one that keeps vehicles' data.
//
// The package imports the standard library and the Keccak hash that the EIP-55
// checksum needs, and nothing of this module.
package sayso

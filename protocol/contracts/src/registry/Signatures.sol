// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {NoncesKeyedUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/NoncesKeyedUpgradeable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {RegistryBase} from "./RegistryBase.sol";

/// @title Signatures
/// @notice EIP-712 signatures of owners (keys or ERC-1271 contracts) and of device keys, under the domain "DIMO" "1".
///
/// The old forms carry neither nonce nor deadline. Each of their digests is accepted once, for ever. The forms with
/// deadline carry a nonce of the owner, spent in the order of its key (OpenZeppelin's keyed nonces: upper 192 bits are
/// the key, lower 64 the next number), and lapse. Two of them, pairing and the mint of a synthetic device, are signed by a
/// device's key too and do not name the owner. Their digests are remembered besides, or what the key signed would serve
/// again for the vehicle's next owner, who has nonces of the same numbers.
abstract contract Signatures is RegistryBase, NoncesKeyedUpgradeable {
    bytes32 internal constant CLAIM_TYPE =
        keccak256("ClaimAftermarketDeviceSign(uint256 aftermarketDeviceNode,address owner)");
    bytes32 internal constant PAIR_TYPE =
        keccak256("PairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)");
    bytes32 internal constant UNPAIR_TYPE =
        keccak256("UnPairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)");
    bytes32 internal constant BURN_VEHICLE_TYPE = keccak256("BurnVehicleSign(uint256 vehicleNode)");
    bytes32 internal constant MINT_VEHICLE_TYPE = keccak256(
        "MintVehicleWithDeviceDefinitionSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos)"
    );
    bytes32 internal constant CLAIM_DEADLINE_TYPE = keccak256(
        "ClaimAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,address owner,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant PAIR_DEADLINE_TYPE = keccak256(
        "PairAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,uint256 vehicleNode,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant UNPAIR_DEADLINE_TYPE = keccak256(
        "UnPairAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,uint256 vehicleNode,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant BURN_VEHICLE_DEADLINE_TYPE =
        keccak256("BurnVehicleWithDeadlineSign(uint256 vehicleNode,uint256 nonce,uint256 deadline)");
    bytes32 internal constant MINT_VEHICLE_DEADLINE_TYPE = keccak256(
        "MintVehicleWithDeviceDefinitionWithDeadlineSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos,uint256 nonce,uint256 deadline)"
    );

    bytes32 internal constant MINT_VEHICLE_PLAIN_TYPE = keccak256(
        "MintVehicleSign(uint256 manufacturerNode,address owner,string[] attributes,string[] infos)"
    );
    bytes32 internal constant MINT_SYNTHETIC_TYPE =
        keccak256("MintSyntheticDeviceSign(uint256 connectionId,uint256 vehicleNode)");
    bytes32 internal constant MINT_BOTH_TYPE = keccak256("MintVehicleAndSdSign(uint256 connectionId)");
    bytes32 internal constant BURN_SYNTHETIC_TYPE =
        keccak256("BurnSyntheticDeviceSign(uint256 vehicleNode,uint256 syntheticDeviceNode)");
    bytes32 internal constant MINT_SYNTHETIC_DEADLINE_TYPE = keccak256(
        "MintSyntheticDeviceWithDeadlineSign(uint256 connectionId,uint256 vehicleNode,address syntheticDeviceAddr,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant MINT_BOTH_DEADLINE_TYPE = keccak256(
        "MintVehicleAndSdWithDeadlineSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos,uint256 storageNodeId,uint256 connectionId,address syntheticDeviceAddr,address grantee,uint256 permissions,uint256 expiration,string source,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant BURN_SYNTHETIC_DEADLINE_TYPE = keccak256(
        "BurnSyntheticDeviceWithDeadlineSign(uint256 vehicleNode,uint256 syntheticDeviceNode,uint256 nonce,uint256 deadline)"
    );

    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant DOMAIN_NAME = keccak256("DIMO");
    bytes32 private constant DOMAIN_VERSION = keccak256("1");

    error InvalidAdSignature();
    error InvalidOwnerSignature();
    error SignatureAlreadyUsed(bytes32 digest);
    error SignatureExpired(uint256 deadline);

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain =
            keccak256(abi.encode(DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION, block.chainid, address(this)));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// @dev Struct hash of a form about two nodes, or a node and an owner.
    function _hash(bytes32 form, uint256 a, uint256 b) internal pure returns (bytes32) {
        return keccak256(abi.encode(form, a, b));
    }

    function _hash(bytes32 form, uint256 a, uint256 b, uint256 nonce, uint256 deadline)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(form, a, b, nonce, deadline));
    }

    /// @dev Digest of a form that is accepted once, marked as used.
    function _digestOnce(bytes32 structHash) internal returns (bytes32 digest) {
        digest = _digest(structHash);
        _markUsed(digest);
    }

    function _markUsed(bytes32 digest) internal {
        if (_reg().digestUsed[digest]) revert SignatureAlreadyUsed(digest);
        _reg().digestUsed[digest] = true;
    }

    /// @dev What is kept of the first owner who claimed a device with a signature of the old form; never 0.
    function _claimantTag(address owner) internal pure returns (uint24) {
        return uint24(uint160(owner)) | 1;
    }

    /// @dev Spends a nonce of `signer` and checks the deadline (unix seconds, inclusive).
    function _spend(address signer, uint256 nonce, uint256 deadline) internal {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        _useCheckedNonce(signer, nonce);
    }

    function _isSignedBy(address signer, bytes32 digest, bytes memory signature) internal view returns (bool) {
        return SignatureChecker.isValidSignatureNow(signer, digest, signature);
    }

    function _requireOwnerSignature(address owner, bytes32 digest, bytes memory signature) internal view {
        if (!_isSignedBy(owner, digest, signature)) revert InvalidOwnerSignature();
    }

    /// @dev A device is a key, never a contract.
    function _requireDeviceSignature(uint256 device, bytes32 digest, bytes memory signature) internal view {
        (address recovered,,) = ECDSA.tryRecover(digest, signature);
        address key = _reg().devices[device].addr;
        if (key == address(0)) revert InvalidNode(address(_reg().deviceNft), device);
        if (recovered != key) revert InvalidAdSignature();
    }
}

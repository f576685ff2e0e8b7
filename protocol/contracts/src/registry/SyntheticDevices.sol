// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {AttributeInfoPair} from "./RegistryBase.sol";
import {VehicleMinting} from "./VehicleMinting.sol";

/// @notice A synthetic device to be minted, with the signatures of its key and of the vehicle's owner.
struct MintSyntheticDeviceInput {
    uint256 connectionId;
    uint256 vehicleNode;
    bytes syntheticDeviceSig;
    bytes vehicleOwnerSig;
    address syntheticDeviceAddr;
    AttributeInfoPair[] attrInfoPairs;
}

/// @notice A synthetic device of a batch.
struct MintSyntheticDeviceBatchInput {
    uint256 vehicleNode;
    address syntheticDeviceAddr;
    AttributeInfoPair[] attrInfoPairs;
}

/// @title SyntheticDevices
/// @notice Life of a synthetic device: the link of a vehicle with a connection, which speaks for it by way of a cloud.
/// Minted under a connection for a vehicle, owned by the vehicle's owner, burnt by that owner. It always goes with its
/// vehicle.
abstract contract SyntheticDevices is VehicleMinting {
    /// @dev Permission number on a connection token.
    uint8 private constant MAY_CONNECT = 1;

    event SyntheticDeviceIdProxySet(address proxy);
    event SyntheticDeviceAttributeAdded(string attribute);
    event SyntheticDeviceAttributeSet(uint256 indexed tokenId, string attribute, string info);
    event SyntheticDeviceNodeMinted(
        uint256 connectionId,
        uint256 syntheticDeviceNode,
        uint256 indexed vehicleNode,
        address indexed syntheticDeviceAddress,
        address indexed owner
    );
    event SyntheticDeviceNodeBurned(
        uint256 indexed syntheticDeviceNode, uint256 indexed vehicleNode, address indexed owner
    );

    error InvalidSdSignature();

    // ---------------------------------------------------------------- minting

    /// @notice Mints a synthetic device for a vehicle; its key and the vehicle's owner signed the old form. The caller
    /// owns the connection or holds permission 1 on it.
    function mintSyntheticDeviceSign(MintSyntheticDeviceInput memory data) external {
        _requireConnector(data.connectionId);
        address owner = _reg().vehicleNft.ownerOf(data.vehicleNode);
        _checkAndMint(data, owner, _connectDigestOnce(data.connectionId, data.vehicleNode));
    }

    /// @notice The same with a nonce of the vehicle's owner and a deadline, and bound to the device's key. The owner's
    /// signature may be empty when the owner calls. The nonce binds the owner, not the device's key, so the digest is accepted
    /// once, whoever the owner is.
    function mintSyntheticDeviceWithDeadline(MintSyntheticDeviceInput memory data, uint256 nonce, uint256 deadline)
        external
    {
        _requireConnector(data.connectionId);
        address owner = _reg().vehicleNft.ownerOf(data.vehicleNode);
        _spend(owner, nonce, deadline);
        bytes32 digest = _digestOnce(
            keccak256(
                abi.encode(
                    MINT_SYNTHETIC_DEADLINE_TYPE,
                    data.connectionId,
                    data.vehicleNode,
                    data.syntheticDeviceAddr,
                    nonce,
                    deadline
                )
            )
        );
        _checkAndMint(data, owner, digest);
    }

    /// @notice Mints synthetic devices without signatures, each to its vehicle's owner, who may burn it. Restricted, and
    /// the caller needs the connection's consent besides.
    function mintSyntheticDeviceBatch(uint256 connectionId, MintSyntheticDeviceBatchInput[] memory data)
        external
        restricted
    {
        _requireConnector(connectionId);
        for (uint256 i = 0; i < data.length; ++i) {
            MintSyntheticDeviceBatchInput memory d = data[i];
            address owner = _reg().vehicleNft.ownerOf(d.vehicleNode);
            _mintSynthetic(connectionId, d.vehicleNode, owner, d.syntheticDeviceAddr, d.attrInfoPairs);
        }
    }

    /// @dev Digest of a mint in the old form, marked as used. The first connection of a vehicle is kept beside the vehicle's
    /// links, where it costs no slot; later ones are kept like the digests of other old forms. Connection and vehicle are
    /// all that the digest depends on. Should two connections share 64 bits, the second is refused in the old form only.
    function _connectDigestOnce(uint256 connectionId, uint256 vehicle) private returns (bytes32 digest) {
        VehicleNode storage v = _reg().vehicles[vehicle];
        bytes32 structHash = _hash(MINT_SYNTHETIC_TYPE, connectionId, vehicle);
        uint64 tag = _connectionTag(connectionId);
        if (v.firstConnection == tag) revert SignatureAlreadyUsed(_digest(structHash));
        if (v.firstConnection != 0) return _digestOnce(structHash);
        v.firstConnection = tag;
        return _digest(structHash);
    }

    function _connectionTag(uint256 connectionId) internal pure returns (uint64) {
        return uint64(uint256(keccak256(abi.encode(connectionId)))) | 1;
    }

    function _checkAndMint(MintSyntheticDeviceInput memory data, address owner, bytes32 digest) private {
        if (msg.sender != owner || data.vehicleOwnerSig.length != 0) {
            _requireOwnerSignature(owner, digest, data.vehicleOwnerSig);
        }
        _requireSyntheticSignature(data.syntheticDeviceAddr, digest, data.syntheticDeviceSig);
        _mintSynthetic(data.connectionId, data.vehicleNode, owner, data.syntheticDeviceAddr, data.attrInfoPairs);
    }

    /// @dev The vehicle's owner holds tokens of the network already, so it is not asked again whether it accepts one.
    function _mintSynthetic(
        uint256 connectionId,
        uint256 vehicle,
        address owner,
        address addr,
        AttributeInfoPair[] memory attributes
    ) internal {
        if (addr == address(0)) revert ZeroAddress();
        if (_reg().syntheticByAddress[addr] != 0) revert DeviceAlreadyRegistered(addr);
        if (_reg().vehicles[vehicle].synthetic != 0) revert VehiclePaired(vehicle);
        uint256 id = _reg().syntheticNft.mint(owner);
        _countMove(ONE_SYNTHETIC, address(0), owner);
        _reg().vehicles[vehicle].synthetic = uint64(id);
        _reg().synthetics[id] = SyntheticNode(addr, uint64(vehicle));
        _reg().connectionOfSynthetic[id] = connectionId;
        _reg().syntheticByAddress[addr] = id;
        emit SyntheticDeviceNodeMinted(connectionId, id, vehicle, addr, owner);
        _emitSyntheticAttributes(id, attributes);
    }

    // ---------------------------------------------------------------- burning

    /// @notice Burns a synthetic device; its owner signed the old form. Restricted to relays.
    function burnSyntheticDeviceSign(uint256 vehicleNode, uint256 syntheticDeviceNode, bytes memory ownerSig)
        external
        restricted
    {
        bytes32 digest = _digestOnce(_hash(BURN_SYNTHETIC_TYPE, vehicleNode, syntheticDeviceNode));
        _requireOwnerSignature(_reg().syntheticNft.ownerOf(syntheticDeviceNode), digest, ownerSig);
        _burnSynthetic(vehicleNode, syntheticDeviceNode);
    }

    /// @notice Burns a synthetic device; its owner signed with nonce and deadline. Anyone may bring it.
    function burnSyntheticDeviceWithDeadline(
        uint256 vehicleNode,
        uint256 syntheticDeviceNode,
        uint256 nonce,
        uint256 deadline,
        bytes memory ownerSig
    ) external {
        address owner = _reg().syntheticNft.ownerOf(syntheticDeviceNode);
        _spend(owner, nonce, deadline);
        bytes32 structHash = _hash(BURN_SYNTHETIC_DEADLINE_TYPE, vehicleNode, syntheticDeviceNode, nonce, deadline);
        _requireOwnerSignature(owner, _digest(structHash), ownerSig);
        _burnSynthetic(vehicleNode, syntheticDeviceNode);
    }

    /// @notice Called by the synthetic device token when an owner burns.
    function validateSdBurnAndResetNode(uint256 tokenId) external {
        if (msg.sender != address(_reg().syntheticNft)) revert OnlyNftProxy();
        _resetSynthetic(tokenId);
    }

    function _burnSynthetic(uint256 vehicle, uint256 id) private {
        if (_reg().synthetics[id].vehicle != vehicle) revert VehicleNotPaired(vehicle);
        _resetSynthetic(id);
        _reg().syntheticNft.burnByRegistry(id);
    }

    function _resetSynthetic(uint256 id) private {
        SyntheticNode memory n = _reg().synthetics[id];
        delete _reg().vehicles[n.vehicle].synthetic;
        delete _reg().syntheticByAddress[n.addr];
        delete _reg().connectionOfSynthetic[id];
        delete _reg().synthetics[id];
        address owner = _reg().syntheticNft.ownerOf(id);
        _countMove(ONE_SYNTHETIC, owner, address(0));
        emit SyntheticDeviceNodeBurned(id, n.vehicle, owner);
    }

    // ---------------------------------------------------------------- the rest

    /// @notice Puts an attribute on the list of synthetic devices, which begins empty. Restricted.
    function addSyntheticDeviceAttribute(string calldata attribute) external restricted {
        _listAttribute(SYNTHETIC, attribute);
        emit SyntheticDeviceAttributeAdded(attribute);
    }

    /// @notice Sets attributes of a synthetic device. Restricted.
    function setSyntheticDeviceInfo(uint256 tokenId, AttributeInfoPair[] memory attrInfo) external restricted {
        if (_reg().synthetics[tokenId].addr == address(0)) revert InvalidNode(address(_reg().syntheticNft), tokenId);
        _emitSyntheticAttributes(tokenId, attrInfo);
    }

    function getSyntheticDeviceIdByAddress(address addr) external view returns (uint256 nodeId) {
        return _reg().syntheticByAddress[addr];
    }

    function getSyntheticDeviceAddressById(uint256 nodeId) external view returns (address addr) {
        return _reg().synthetics[nodeId].addr;
    }

    /// @dev The caller owns the connection or was granted permission 1 on it; false for a connection there is not.
    function _requireConnector(uint256 connectionId) internal view {
        if (!_reg().grants.hasPermission(address(_reg().connections), connectionId, msg.sender, MAY_CONNECT)) {
            revert Unauthorized(msg.sender);
        }
    }

    /// @dev A synthetic device is a key, never a contract.
    function _requireSyntheticSignature(address key, bytes32 digest, bytes memory signature) internal pure {
        (address recovered, ECDSA.RecoverError e,) = ECDSA.tryRecover(digest, signature);
        if (e != ECDSA.RecoverError.NoError || recovered != key) revert InvalidSdSignature();
    }

    function _emitSyntheticAttributes(uint256 id, AttributeInfoPair[] memory pairs) private {
        for (uint256 i = 0; i < pairs.length; ++i) {
            _checkAttribute(SYNTHETIC, pairs[i].attribute);
            emit SyntheticDeviceAttributeSet(id, pairs[i].attribute, pairs[i].info);
        }
    }
}

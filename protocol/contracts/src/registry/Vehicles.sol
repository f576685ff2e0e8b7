// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SacdInput} from "../interfaces/INodes.sol";
import {AttributeInfoPair} from "./RegistryBase.sol";
import {VehicleMinting} from "./VehicleMinting.sol";

/// @title Vehicles
/// @notice Minting and burning of vehicles.
abstract contract Vehicles is VehicleMinting {
    event VehicleIdProxySet(address indexed proxy);
    event VehicleAttributeAdded(string attribute);
    event VehicleNodeBurned(uint256 indexed vehicleNode, address indexed owner);

    /// @notice Mints a vehicle to any owner; anyone may call.
    function mintVehicleWithDeviceDefinition(
        uint256 manufacturerNode,
        address owner,
        string calldata deviceDefinitionId,
        AttributeInfoPair[] calldata attrInfo
    ) external {
        _finish(_mintVehicle(manufacturerNode, owner, deviceDefinitionId, attrInfo), owner, 0);
    }

    /// @notice As above, kept by a storage node; 0 is the default one.
    function mintVehicleWithDeviceDefinition(
        uint256 manufacturerNode,
        address owner,
        uint256 storageNodeId,
        string calldata deviceDefinitionId,
        AttributeInfoPair[] calldata attrInfo
    ) external {
        _finish(_mintVehicle(manufacturerNode, owner, deviceDefinitionId, attrInfo), owner, storageNodeId);
    }

    /// @notice Mints a vehicle and gives a first grant. Only the owner itself may do that, because a grant by somebody
    /// else would be one the owner never gave. A zero grantee means no grant.
    function mintVehicleWithDeviceDefinition(
        uint256 manufacturerNode,
        address owner,
        string calldata deviceDefinitionId,
        AttributeInfoPair[] calldata attrInfo,
        SacdInput calldata sacdInput
    ) external {
        uint256 id = _mintVehicle(manufacturerNode, owner, deviceDefinitionId, attrInfo);
        _grantByOwner(id, owner, sacdInput);
        _finish(id, owner, 0);
    }

    /// @notice As above, kept by a storage node.
    function mintVehicleWithDeviceDefinition(
        uint256 manufacturerNode,
        address owner,
        uint256 storageNodeId,
        string calldata deviceDefinitionId,
        AttributeInfoPair[] calldata attrInfo,
        SacdInput calldata sacdInput
    ) external {
        uint256 id = _mintVehicle(manufacturerNode, owner, deviceDefinitionId, attrInfo);
        _grantByOwner(id, owner, sacdInput);
        _finish(id, owner, storageNodeId);
    }

    /// @notice Mints a vehicle that the owner signed for, in the old form. Restricted to relays.
    function mintVehicleWithDeviceDefinitionSign(
        uint256 manufacturerNode,
        address owner,
        string calldata deviceDefinitionId,
        AttributeInfoPair[] calldata attrInfo,
        bytes calldata signature
    ) external restricted {
        bytes memory fields = _mintFields(manufacturerNode, owner, deviceDefinitionId, attrInfo);
        bytes32 digest = _digestOnce(keccak256(bytes.concat(MINT_VEHICLE_TYPE, fields)));
        _requireOwnerSignature(owner, digest, signature);
        _finish(_mintVehicle(manufacturerNode, owner, deviceDefinitionId, attrInfo), owner, 0);
    }

    /// @notice As above, kept by a storage node, which the old form does not name: the relay chooses, the owner may
    /// change it. Restricted to relays.
    function mintVehicleWithDeviceDefinitionSign(
        uint256 manufacturerNode,
        address owner,
        uint256 storageNodeId,
        string calldata deviceDefinitionId,
        AttributeInfoPair[] calldata attrInfo,
        bytes calldata signature
    ) external restricted {
        {
            bytes memory fields = _mintFields(manufacturerNode, owner, deviceDefinitionId, attrInfo);
            bytes32 digest = _digestOnce(keccak256(bytes.concat(MINT_VEHICLE_TYPE, fields)));
            _requireOwnerSignature(owner, digest, signature);
        }
        _finish(_mintVehicle(manufacturerNode, owner, deviceDefinitionId, attrInfo), owner, storageNodeId);
    }

    /// @notice Mints a vehicle that the owner signed for with nonce and deadline; anyone may bring it.
    function mintVehicleWithDeviceDefinitionWithDeadline(
        uint256 manufacturerNode,
        address owner,
        string calldata deviceDefinitionId,
        AttributeInfoPair[] calldata attrInfo,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _spend(owner, nonce, deadline);
        {
            bytes memory fields = _mintFields(manufacturerNode, owner, deviceDefinitionId, attrInfo);
            fields = bytes.concat(MINT_VEHICLE_DEADLINE_TYPE, fields, bytes32(nonce), bytes32(deadline));
            _requireOwnerSignature(owner, _digest(keccak256(fields)), signature);
        }
        _finish(_mintVehicle(manufacturerNode, owner, deviceDefinitionId, attrInfo), owner, 0);
    }

    /// @notice Burns a vehicle that its owner signed for, in the old form. Restricted to relays.
    function burnVehicleSign(uint256 tokenId, bytes calldata ownerSig) external restricted {
        address owner = _reg().vehicleNft.ownerOf(tokenId);
        bytes32 digest = _digestOnce(keccak256(abi.encode(BURN_VEHICLE_TYPE, tokenId)));
        _requireOwnerSignature(owner, digest, ownerSig);
        _resetVehicle(tokenId, owner);
        _reg().vehicleNft.burnByRegistry(tokenId);
    }

    /// @notice Burns a vehicle that its owner signed for with nonce and deadline; anyone may bring it.
    function burnVehicleWithDeadline(uint256 tokenId, uint256 nonce, uint256 deadline, bytes calldata ownerSig)
        external
    {
        address owner = _reg().vehicleNft.ownerOf(tokenId);
        _spend(owner, nonce, deadline);
        bytes32 digest = _digest(keccak256(abi.encode(BURN_VEHICLE_DEADLINE_TYPE, tokenId, nonce, deadline)));
        _requireOwnerSignature(owner, digest, ownerSig);
        _resetVehicle(tokenId, owner);
        _reg().vehicleNft.burnByRegistry(tokenId);
    }

    /// @notice Called by the vehicle token when an owner burns: refuses while paired, else forgets the node.
    function validateBurnAndResetNode(uint256 tokenId) external {
        if (msg.sender != address(_reg().vehicleNft)) revert OnlyNftProxy();
        _resetVehicle(tokenId, _reg().vehicleNft.ownerOf(tokenId));
    }

    /// @notice Called by the vehicle token when a vehicle changes hands: its synthetic device goes with it.
    function onVehicleTransfer(address from, address to, uint256 tokenId) external {
        if (msg.sender != address(_reg().vehicleNft)) revert OnlyNftProxy();
        uint256 synthetic = _reg().vehicles[tokenId].synthetic;
        _countMove(synthetic == 0 ? ONE_VEHICLE : ONE_VEHICLE + ONE_SYNTHETIC, from, to);
        if (synthetic != 0) _reg().syntheticNft.moveByRegistry(to, synthetic);
    }

    /// @notice Puts an attribute on the list of vehicles. Restricted.
    function addVehicleAttribute(string calldata attribute) external restricted {
        _addVehicleAttribute(attribute);
    }

    /// @notice Sets attributes of a vehicle. Restricted.
    function setVehicleInfo(uint256 tokenId, AttributeInfoPair[] calldata attrInfo) external restricted {
        _requireVehicle(tokenId);
        _emitVehicleAttributes(tokenId, attrInfo);
    }

    /// @notice Device definition id of a vehicle; empty when there is none.
    function getDeviceDefinitionIdByVehicleId(uint256 vehicleId) external view returns (string memory ddId) {
        return _reg().deviceDefinition[vehicleId];
    }

    function _addVehicleAttribute(string memory attribute) internal {
        _listAttribute(VEHICLE, attribute);
        emit VehicleAttributeAdded(attribute);
    }

    function _resetVehicle(uint256 id, address owner) private {
        VehicleNode storage v = _reg().vehicles[id];
        if (v.aftermarketDevice != 0 || v.synthetic != 0) revert VehiclePaired(id);
        delete _reg().vehicles[id];
        delete _reg().deviceDefinition[id];
        delete _reg().storageNode[id];
        _countMove(ONE_VEHICLE, owner, address(0));
        emit VehicleNodeBurned(id, owner);
    }
}

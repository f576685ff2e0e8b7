// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SacdInput} from "../interfaces/INodes.sol";
import {AttributeInfoPair} from "./RegistryBase.sol";
import {Signatures} from "./Signatures.sol";

/// @title VehicleMinting
/// @notice The steps of a mint of a vehicle, shared by the mints of vehicles alone and with a synthetic device.
abstract contract VehicleMinting is Signatures {
    event VehicleAttributeSet(uint256 tokenId, string attribute, string info);
    event VehicleNodeMintedWithDeviceDefinition(
        uint256 indexed manufacturerId, uint256 indexed vehicleId, address indexed owner, string deviceDefinitionId
    );
    event VehicleStorageNodeIdSet(uint256 indexed vehicleId, uint256 indexed storageNodeId);

    error InvalidStorageNode(uint256 storageNodeId);

    function _requireVehicle(uint256 id) internal view {
        if (_reg().vehicles[id].manufacturer == 0) revert InvalidNode(address(_reg().vehicleNft), id);
    }

    function _mintVehicle(
        uint256 manufacturerNode,
        address owner,
        string memory deviceDefinitionId,
        AttributeInfoPair[] memory attrInfo
    ) internal returns (uint256 id) {
        id = _newVehicle(manufacturerNode, owner);
        if (bytes(deviceDefinitionId).length != 0) _reg().deviceDefinition[id] = deviceDefinitionId;
        emit VehicleNodeMintedWithDeviceDefinition(manufacturerNode, id, owner, deviceDefinitionId);
        _emitVehicleAttributes(id, attrInfo);
    }

    function _newVehicle(uint256 manufacturerNode, address owner) internal returns (uint256 id) {
        _requireManufacturer(manufacturerNode);
        id = _reg().vehicleNft.mint(owner);
        _countMove(ONE_VEHICLE, address(0), owner);
        _reg().vehicles[id].manufacturer = uint64(manufacturerNode);
    }

    /// @dev A grant given with a mint, which only the owner's own call gives. A zero grantee means none.
    function _grantByOwner(uint256 id, address owner, SacdInput memory sacdInput) internal {
        if (sacdInput.grantee == address(0)) return;
        if (msg.sender != owner) revert Unauthorized(msg.sender);
        _reg().vehicleNft.setSacd(id, sacdInput);
    }

    /// @dev What ends every mint: the storage node, if it is not the default one, and the question to the receiver.
    function _finish(uint256 id, address owner, uint256 storageNodeId) internal {
        if (storageNodeId != 0) _putStorageNode(id, storageNodeId);
        _acknowledge(_reg().vehicleNft, owner, id);
    }

    function _putStorageNode(uint256 vehicle, uint256 storageNodeId) internal {
        if (storageNodeId != 0 && !_reg().storageNodes.exists(storageNodeId)) revert InvalidStorageNode(storageNodeId);
        _reg().storageNode[vehicle] = storageNodeId;
        emit VehicleStorageNodeIdSet(vehicle, storageNodeId);
    }

    function _emitVehicleAttributes(uint256 id, AttributeInfoPair[] memory pairs) internal {
        for (uint256 i = 0; i < pairs.length; ++i) {
            _checkAttribute(VEHICLE, pairs[i].attribute);
            emit VehicleAttributeSet(id, pairs[i].attribute, pairs[i].info);
        }
    }

    /// @dev EIP-712 encoding of the five fields the mint forms begin with.
    function _mintFields(
        uint256 manufacturerNode,
        address owner,
        string memory deviceDefinitionId,
        AttributeInfoPair[] memory attrInfo
    ) internal pure returns (bytes memory) {
        (bytes32 attributes, bytes32 infos) = _hashPairs(attrInfo);
        return abi.encode(manufacturerNode, owner, keccak256(bytes(deviceDefinitionId)), attributes, infos);
    }

    /// @dev EIP-712 hashes of the names and of the values of attributes.
    function _hashPairs(AttributeInfoPair[] memory attrInfo) internal pure returns (bytes32, bytes32) {
        bytes32[] memory attributes = new bytes32[](attrInfo.length);
        bytes32[] memory infos = new bytes32[](attrInfo.length);
        for (uint256 i = 0; i < attrInfo.length; ++i) {
            attributes[i] = keccak256(bytes(attrInfo[i].attribute));
            infos[i] = keccak256(bytes(attrInfo[i].info));
        }
        return (keccak256(abi.encodePacked(attributes)), keccak256(abi.encodePacked(infos)));
    }
}

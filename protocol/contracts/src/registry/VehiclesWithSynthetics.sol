// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SacdInput} from "../interfaces/INodes.sol";
import {AttributeInfoPair} from "./RegistryBase.sol";
import {SyntheticDevices} from "./SyntheticDevices.sol";

/// @notice A vehicle and its synthetic device, to be minted together. The forms differ in the definition id, the storage
/// node and the grant.
struct MintVehicleAndSdInput {
    uint256 manufacturerNode;
    address owner;
    AttributeInfoPair[] attrInfoPairsVehicle;
    uint256 connectionId;
    bytes vehicleOwnerSig;
    bytes syntheticDeviceSig;
    address syntheticDeviceAddr;
    AttributeInfoPair[] attrInfoPairsDevice;
}

struct MintVehicleAndSdInputSnId {
    uint256 manufacturerNode;
    address owner;
    uint256 storageNodeId;
    AttributeInfoPair[] attrInfoPairsVehicle;
    uint256 connectionId;
    bytes vehicleOwnerSig;
    bytes syntheticDeviceSig;
    address syntheticDeviceAddr;
    AttributeInfoPair[] attrInfoPairsDevice;
}

struct MintVehicleAndSdWithDdInput {
    uint256 manufacturerNode;
    address owner;
    string deviceDefinitionId;
    AttributeInfoPair[] attrInfoPairsVehicle;
    uint256 connectionId;
    bytes vehicleOwnerSig;
    bytes syntheticDeviceSig;
    address syntheticDeviceAddr;
    AttributeInfoPair[] attrInfoPairsDevice;
}

struct MintVehicleAndSdWithDdInputSnId {
    uint256 manufacturerNode;
    address owner;
    string deviceDefinitionId;
    uint256 storageNodeId;
    AttributeInfoPair[] attrInfoPairsVehicle;
    uint256 connectionId;
    bytes vehicleOwnerSig;
    bytes syntheticDeviceSig;
    address syntheticDeviceAddr;
    AttributeInfoPair[] attrInfoPairsDevice;
}

struct MintVehicleAndSdWithDdInputBatch {
    uint256 manufacturerNode;
    address owner;
    string deviceDefinitionId;
    AttributeInfoPair[] attrInfoPairsVehicle;
    uint256 connectionId;
    bytes vehicleOwnerSig;
    bytes syntheticDeviceSig;
    address syntheticDeviceAddr;
    AttributeInfoPair[] attrInfoPairsDevice;
    SacdInput sacdInput;
}

struct MintVehicleAndSdWithDdInputSnIdBatch {
    uint256 manufacturerNode;
    address owner;
    string deviceDefinitionId;
    uint256 storageNodeId;
    AttributeInfoPair[] attrInfoPairsVehicle;
    uint256 connectionId;
    bytes vehicleOwnerSig;
    bytes syntheticDeviceSig;
    address syntheticDeviceAddr;
    AttributeInfoPair[] attrInfoPairsDevice;
    SacdInput sacdInput;
}

/// @title VehiclesWithSynthetics
/// @notice Mints a vehicle together with its synthetic device, for a connection that brings a new car in one step. The
/// caller owns the connection or holds permission 1 on it. In the old forms the owner signs the vehicle and the device's
/// key signs the connection; each signature counts once. A grant goes along only in the owner's own call, because the
/// old forms do not name it; the form with deadline names everything.
abstract contract VehiclesWithSynthetics is SyntheticDevices {
    event VehicleNodeMinted(uint256 manufacturerNode, uint256 tokenId, address owner);

    /// @notice A vehicle without definition id.
    function mintVehicleAndSdSign(MintVehicleAndSdInput memory d) external {
        _mintPlain(
            MintVehicleAndSdInputSnId(
                d.manufacturerNode,
                d.owner,
                0,
                d.attrInfoPairsVehicle,
                d.connectionId,
                d.vehicleOwnerSig,
                d.syntheticDeviceSig,
                d.syntheticDeviceAddr,
                d.attrInfoPairsDevice
            )
        );
    }

    /// @notice A vehicle without definition id, kept by a storage node.
    function mintVehicleAndSdSign(MintVehicleAndSdInputSnId memory data) external {
        _mintPlain(data);
    }

    /// @notice A vehicle with definition id.
    function mintVehicleAndSdWithDeviceDefinitionSign(MintVehicleAndSdWithDdInput memory data) external {
        SacdInput memory none;
        _mintSigned(_withStorage(data), none);
    }

    /// @notice A vehicle with definition id, kept by a storage node.
    function mintVehicleAndSdWithDeviceDefinitionSign(MintVehicleAndSdWithDdInputSnId memory data) external {
        SacdInput memory none;
        _mintSigned(data, none);
    }

    /// @notice A vehicle with definition id and a first grant.
    function mintVehicleAndSdWithDeviceDefinitionSignAndSacd(
        MintVehicleAndSdWithDdInput memory data,
        SacdInput memory sacdInput
    ) external {
        _mintSigned(_withStorage(data), sacdInput);
    }

    /// @notice A vehicle with definition id and a first grant, kept by a storage node.
    function mintVehicleAndSdWithDeviceDefinitionSignAndSacd(
        MintVehicleAndSdWithDdInputSnId memory data,
        SacdInput memory sacdInput
    ) external {
        _mintSigned(data, sacdInput);
    }

    /// @notice Several vehicles with definition id and a first grant.
    function mintVehicleAndSdWithDeviceDefinitionSignBatch(MintVehicleAndSdWithDdInputBatch[] memory data) external {
        for (uint256 i = 0; i < data.length; ++i) {
            MintVehicleAndSdWithDdInputBatch memory d = data[i];
            MintVehicleAndSdWithDdInputSnId memory one;
            (one.manufacturerNode, one.owner, one.connectionId) = (d.manufacturerNode, d.owner, d.connectionId);
            one.deviceDefinitionId = d.deviceDefinitionId;
            (one.attrInfoPairsVehicle, one.attrInfoPairsDevice) = (d.attrInfoPairsVehicle, d.attrInfoPairsDevice);
            (one.vehicleOwnerSig, one.syntheticDeviceSig) = (d.vehicleOwnerSig, d.syntheticDeviceSig);
            one.syntheticDeviceAddr = d.syntheticDeviceAddr;
            _mintSigned(one, d.sacdInput);
        }
    }

    /// @notice Several vehicles with definition id and a first grant, kept by storage nodes.
    function mintVehicleAndSdWithDeviceDefinitionSignBatch(MintVehicleAndSdWithDdInputSnIdBatch[] memory data)
        external
    {
        for (uint256 i = 0; i < data.length; ++i) {
            MintVehicleAndSdWithDdInputSnIdBatch memory d = data[i];
            MintVehicleAndSdWithDdInputSnId memory one;
            (one.manufacturerNode, one.owner, one.connectionId) = (d.manufacturerNode, d.owner, d.connectionId);
            (one.deviceDefinitionId, one.storageNodeId) = (d.deviceDefinitionId, d.storageNodeId);
            (one.attrInfoPairsVehicle, one.attrInfoPairsDevice) = (d.attrInfoPairsVehicle, d.attrInfoPairsDevice);
            (one.vehicleOwnerSig, one.syntheticDeviceSig) = (d.vehicleOwnerSig, d.syntheticDeviceSig);
            one.syntheticDeviceAddr = d.syntheticDeviceAddr;
            _mintSigned(one, d.sacdInput);
        }
    }

    /// @notice Everything named in what owner and key sign: vehicle, storage node, connection, key and grant, with a
    /// nonce of the owner and a deadline. The owner's signature may be empty when the owner calls.
    function mintVehicleAndSdWithDeadline(
        MintVehicleAndSdWithDdInputSnId memory data,
        SacdInput memory sacdInput,
        uint256 nonce,
        uint256 deadline
    ) external {
        _requireConnector(data.connectionId);
        _spend(data.owner, nonce, deadline);
        bytes32 digest = _digest(keccak256(_deadlineFields(data, sacdInput, nonce, deadline)));
        if (msg.sender != data.owner || data.vehicleOwnerSig.length != 0) {
            _requireOwnerSignature(data.owner, digest, data.vehicleOwnerSig);
        }
        _requireSyntheticSignature(data.syntheticDeviceAddr, digest, data.syntheticDeviceSig);
        uint256 id =
            _mintVehicle(data.manufacturerNode, data.owner, data.deviceDefinitionId, data.attrInfoPairsVehicle);
        _mintSyntheticOf(data, id);
        if (sacdInput.grantee != address(0)) _reg().vehicleNft.setSacd(id, sacdInput);
        _finish(id, data.owner, data.storageNodeId);
    }

    function _mintPlain(MintVehicleAndSdInputSnId memory d) private {
        _requireConnector(d.connectionId);
        (bytes32 attributes, bytes32 infos) = _hashPairs(d.attrInfoPairsVehicle);
        bytes32 structHash =
            keccak256(abi.encode(MINT_VEHICLE_PLAIN_TYPE, d.manufacturerNode, d.owner, attributes, infos));
        _requireOwnerSignature(d.owner, _digestOnce(structHash), d.vehicleOwnerSig);
        _requireConnectionSignedBy(d.syntheticDeviceAddr, d.connectionId, d.syntheticDeviceSig);
        uint256 id = _newVehicle(d.manufacturerNode, d.owner);
        emit VehicleNodeMinted(d.manufacturerNode, id, d.owner);
        _emitVehicleAttributes(id, d.attrInfoPairsVehicle);
        _mintSynthetic(d.connectionId, id, d.owner, d.syntheticDeviceAddr, d.attrInfoPairsDevice);
        _finish(id, d.owner, d.storageNodeId);
    }

    function _mintSigned(MintVehicleAndSdWithDdInputSnId memory d, SacdInput memory sacdInput) private {
        _requireConnector(d.connectionId);
        {
            bytes memory fields =
                _mintFields(d.manufacturerNode, d.owner, d.deviceDefinitionId, d.attrInfoPairsVehicle);
            bytes32 digest = _digestOnce(keccak256(bytes.concat(MINT_VEHICLE_TYPE, fields)));
            _requireOwnerSignature(d.owner, digest, d.vehicleOwnerSig);
        }
        _requireConnectionSignedBy(d.syntheticDeviceAddr, d.connectionId, d.syntheticDeviceSig);
        uint256 id = _mintVehicle(d.manufacturerNode, d.owner, d.deviceDefinitionId, d.attrInfoPairsVehicle);
        _mintSyntheticOf(d, id);
        _grantByOwner(id, d.owner, sacdInput);
        _finish(id, d.owner, d.storageNodeId);
    }

    function _mintSyntheticOf(MintVehicleAndSdWithDdInputSnId memory d, uint256 vehicle) private {
        _mintSynthetic(d.connectionId, vehicle, d.owner, d.syntheticDeviceAddr, d.attrInfoPairsDevice);
    }

    /// @dev The old form binds a key only to the connection, so it counts once for each key and connection.
    function _requireConnectionSignedBy(address key, uint256 connectionId, bytes memory signature) private {
        bytes32 digest = _digest(keccak256(abi.encode(MINT_BOTH_TYPE, connectionId)));
        _requireSyntheticSignature(key, digest, signature);
        _markUsed(keccak256(abi.encode(digest, key)));
    }

    function _deadlineFields(
        MintVehicleAndSdWithDdInputSnId memory d,
        SacdInput memory s,
        uint256 nonce,
        uint256 deadline
    ) private pure returns (bytes memory) {
        bytes memory vehicle = _mintFields(d.manufacturerNode, d.owner, d.deviceDefinitionId, d.attrInfoPairsVehicle);
        bytes memory device = abi.encode(d.storageNodeId, d.connectionId, d.syntheticDeviceAddr);
        bytes memory grant = abi.encode(s.grantee, s.permissions, s.expiration, keccak256(bytes(s.source)));
        return bytes.concat(MINT_BOTH_DEADLINE_TYPE, vehicle, device, grant, abi.encode(nonce, deadline));
    }

    function _withStorage(MintVehicleAndSdWithDdInput memory d)
        private
        pure
        returns (MintVehicleAndSdWithDdInputSnId memory out)
    {
        (out.manufacturerNode, out.owner, out.connectionId) = (d.manufacturerNode, d.owner, d.connectionId);
        out.deviceDefinitionId = d.deviceDefinitionId;
        (out.attrInfoPairsVehicle, out.attrInfoPairsDevice) = (d.attrInfoPairsVehicle, d.attrInfoPairsDevice);
        (out.vehicleOwnerSig, out.syntheticDeviceSig) = (d.vehicleOwnerSig, d.syntheticDeviceSig);
        out.syntheticDeviceAddr = d.syntheticDeviceAddr;
    }
}

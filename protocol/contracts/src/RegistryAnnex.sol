// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Manufacturers} from "./registry/Manufacturers.sol";
import {VehiclesWithSynthetics} from "./registry/VehiclesWithSynthetics.sol";

/// @title RegistryAnnex
/// @notice The second half of the registry's code: manufacturers, synthetic devices, storage nodes of vehicles. One
/// contract may hold 24,576 bytes of code, and the registry needs more. The registry hands every call that it does not
/// know itself to its annex, which works on the registry's state and in its name; a call that the annex does not know
/// either reverts. Nothing is to be called at the annex's own address, where there is no state and no authority.
contract RegistryAnnex is Manufacturers, VehiclesWithSynthetics {
    event DeviceDefinitionIdSet(uint256 indexed vehicleId, string ddId);
    event DefaultStorageNodeIdSet(uint256 indexed storageNodeId);

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    // ---------------------------------------------------------------- storage nodes

    /// @notice The owner of a vehicle chooses the storage node that keeps its data; 0 is the default one.
    function setStorageNodeIdForVehicle(uint256 vehicleId, uint256 storageNodeId) external {
        _requireVehicle(vehicleId);
        if (_reg().vehicleNft.ownerOf(vehicleId) != msg.sender) revert Unauthorized(msg.sender);
        _putStorageNode(vehicleId, storageNodeId);
    }

    /// @notice Names the storage node of vehicles whose owner chose none; 0 means none. Restricted.
    function setDefaultStorageNodeId(uint256 storageNodeId) external restricted {
        if (storageNodeId != 0 && !_reg().storageNodes.exists(storageNodeId)) revert InvalidStorageNode(storageNodeId);
        _reg().defaultStorageNode = storageNodeId;
        emit DefaultStorageNodeIdSet(storageNodeId);
    }

    /// @notice The storage node that keeps a vehicle's data: the owner's choice, else the default; 0 for no vehicle.
    function vehicleIdToStorageNodeId(uint256 vehicleId) external view returns (uint256) {
        uint256 chosen = _reg().storageNode[vehicleId];
        if (chosen != 0 || _reg().vehicles[vehicleId].manufacturer == 0) return chosen;
        return _reg().defaultStorageNode;
    }

    function getDefaultStorageNodeId() external view returns (uint256 defaultStorageNodeId) {
        return _reg().defaultStorageNode;
    }

    /// @notice The storage node tokens.
    function getStorageNode() external view returns (address storageNode) {
        return address(_reg().storageNodes);
    }

    /// @notice The connection tokens.
    function getConnectionsManager() external view returns (address connectionsManager) {
        return address(_reg().connections);
    }

    // ---------------------------------------------------------------- definitions and links

    /// @notice Corrects the device definition id of a vehicle. Restricted.
    function setDeviceDefinitionId(uint256 vehicleId, string calldata ddId) external restricted {
        _requireVehicle(vehicleId);
        _reg().deviceDefinition[vehicleId] = ddId;
        emit DeviceDefinitionIdSet(vehicleId, ddId);
    }

    /// @notice The node of one kind that a node of another kind is linked with; 0 when there is none.
    function getNodeLink(address idProxyAddressSource, address idProxyAddressTarget, uint256 sourceNode)
        external
        view
        returns (uint256 targetNode)
    {
        RegistryStore storage s = _reg();
        address vehicle = address(s.vehicleNft);
        if (idProxyAddressSource == vehicle) {
            if (idProxyAddressTarget == address(s.syntheticNft)) return s.vehicles[sourceNode].synthetic;
            if (idProxyAddressTarget == address(s.deviceNft)) return s.vehicles[sourceNode].aftermarketDevice;
        }
        if (idProxyAddressTarget != vehicle) return 0;
        if (idProxyAddressSource == address(s.syntheticNft)) return s.synthetics[sourceNode].vehicle;
        if (idProxyAddressSource == address(s.deviceNft)) return s.devices[sourceNode].vehicle;
    }

    // ---------------------------------------------------------------- signatures

    /// @notice ERC-5267: the EIP-712 domain of this contract.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", "DIMO", "1", block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    /// @notice Whether a digest of an old form, or of pairing or connecting with a deadline, was accepted already. For claims
    /// in the old form ask isClaimUsed, for connections in the old form isConnectUsed.
    function isDigestUsed(bytes32 digest) external view returns (bool) {
        return _reg().digestUsed[digest];
    }

    /// @notice Whether the old form of a claim, of this device for this owner, was accepted already, or is refused as if it
    /// were because the owner's address resembles that of the first claimant.
    function isClaimUsed(uint256 aftermarketDeviceNode, address owner) external view returns (bool) {
        RegistryStore storage s = _reg();
        bytes32 digest = _digest(keccak256(abi.encode(CLAIM_TYPE, aftermarketDeviceNode, owner)));
        return owner != address(0)
            && (s.devices[aftermarketDeviceNode].firstClaimant == _claimantTag(owner) || s.digestUsed[digest]);
    }

    /// @notice Whether the old form of a mint of a synthetic device, of this connection for this vehicle, was accepted
    /// already.
    function isConnectUsed(uint256 connectionId, uint256 vehicleNode) external view returns (bool) {
        RegistryStore storage s = _reg();
        bytes32 digest = _digest(keccak256(abi.encode(MINT_SYNTHETIC_TYPE, connectionId, vehicleNode)));
        return s.vehicles[vehicleNode].firstConnection == _connectionTag(connectionId) || s.digestUsed[digest];
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";

import {IGrants} from "../interfaces/IGrants.sol";
import {IDeviceNft, IExists, INodeNft, ISyntheticNft, IVehicleNft} from "../interfaces/INodes.sol";

/// @notice An attribute of a node: its name, which must be on the list of that kind of node, and its value.
struct AttributeInfoPair {
    string attribute;
    string info;
}

/// @notice An aftermarket device to be minted: its key's address and its attributes.
struct AftermarketDeviceInfos {
    address addr;
    AttributeInfoPair[] attrInfoPairs;
}

/// @notice A device and the owner it goes to.
struct AftermarketDeviceOwnerPair {
    uint256 aftermarketDeviceNodeId;
    address owner;
}

/// @notice A device and its new key's address.
struct AftermarketDeviceIdAddressPair {
    uint256 aftermarketDeviceNodeId;
    address deviceAddress;
}

/// @notice The contracts that a registry works with.
struct RegistryParts {
    INodeNft manufacturer;
    IVehicleNft vehicle;
    IDeviceNft aftermarketDevice;
    ISyntheticNft syntheticDevice;
    IExists connections;
    IExists storageNodes;
    IGrants grants;
}

/// @title RegistryBase
/// @notice What the parts of the registry share: the state, the kinds of node, and the errors.
/// @dev Attribute values are checked against a list and emitted, not stored: the indexer answers for them.
abstract contract RegistryBase is AccessManagedUpgradeable {
    /// @dev One slot: what a vehicle is linked with, and the first connection that an old signature connected it with, as
    /// 64 bits of the hash of its id.
    struct VehicleNode {
        uint64 manufacturer;
        uint64 aftermarketDevice;
        uint64 synthetic;
        uint64 firstConnection;
    }

    /// @dev One slot. Ids count from 1, so the narrow types cannot overflow in practice. `firstClaimant` is a part of the
    /// address of the first owner who claimed with a signature of the old form.
    struct DeviceNode {
        address addr;
        uint40 vehicle;
        uint24 manufacturer;
        uint24 firstClaimant;
        bool claimed;
    }

    /// @dev One slot. Its connection has a slot of its own.
    struct SyntheticNode {
        address addr;
        uint64 vehicle;
    }

    /// @custom:storage-location erc7201:sayso.Registry
    struct RegistryStore {
        INodeNft manufacturerNft;
        IVehicleNft vehicleNft;
        IDeviceNft deviceNft;
        IGrants grants;
        mapping(uint256 id => string) manufacturerName;
        mapping(string name => uint256) manufacturerByName;
        mapping(uint256 id => VehicleNode) vehicles;
        mapping(uint256 id => string) deviceDefinition;
        mapping(uint256 id => DeviceNode) devices;
        mapping(address key => uint256) deviceByAddress;
        mapping(uint256 id => address) beneficiary;
        mapping(bytes32 kindAndName => bool) attributeListed;
        mapping(bytes32 digest => bool) digestUsed;
        ISyntheticNft syntheticNft;
        IExists connections;
        IExists storageNodes;
        uint256 defaultStorageNode;
        mapping(uint256 vehicle => uint256) storageNode;
        mapping(uint256 id => SyntheticNode) synthetics;
        mapping(uint256 id => uint256) connectionOfSynthetic;
        mapping(address key => uint256) syntheticByAddress;
        mapping(address owner => uint256) held;
    }

    // keccak256(abi.encode(uint256(keccak256("sayso.Registry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0xfa12ce173e67c32c52f7ebfa6bc2128a0e07e95538d7944ad6180c7132474a00;

    /// @dev Kinds of node in the list of attributes; kept in storage keys.
    uint8 internal constant MANUFACTURER = 1;
    uint8 internal constant VEHICLE = 2;
    uint8 internal constant DEVICE = 3;
    uint8 internal constant SYNTHETIC = 4;

    /// @dev What an account owns is counted in one word, 64 bits for each kind: vehicles, aftermarket devices, synthetic
    /// devices.
    uint256 internal constant ONE_VEHICLE = 1;
    uint256 internal constant ONE_DEVICE = 1 << 64;
    uint256 internal constant ONE_SYNTHETIC = 1 << 128;

    error AttributeExists(string attr);
    error AttributeNotWhitelisted(string attr);
    error DeviceAlreadyRegistered(address addr);
    error InvalidNode(address proxy, uint256 id);
    error InvalidParentNode(uint256 id);
    error OnlyNftProxy();
    error Unauthorized(address addr);
    error VehicleNotPaired(uint256 id);
    error VehiclePaired(uint256 id);
    error ZeroAddress();

    function _reg() internal pure returns (RegistryStore storage s) {
        assembly {
            s.slot := STORE
        }
    }

    /// @dev Counts tokens that changed hands, were minted (from zero) or burnt (to zero). Nobody gives what it has not got,
    /// and ids have 64 bits, so no count runs into the next one.
    function _countMove(uint256 tokens, address from, address to) internal {
        mapping(address owner => uint256) storage held = _reg().held;
        unchecked {
            if (from != address(0)) held[from] -= tokens;
            if (to != address(0)) held[to] += tokens;
        }
    }

    /// @dev Reverts unless `attribute` is on the list of its kind.
    function _checkAttribute(uint8 kind, string memory attribute) internal view {
        if (!_reg().attributeListed[_attributeKey(kind, attribute)]) revert AttributeNotWhitelisted(attribute);
    }

    function _listAttribute(uint8 kind, string memory attribute) internal {
        bytes32 key = _attributeKey(kind, attribute);
        if (_reg().attributeListed[key]) revert AttributeExists(attribute);
        _reg().attributeListed[key] = true;
    }

    function _requireManufacturer(uint256 id) internal view {
        if (bytes(_reg().manufacturerName[id]).length == 0) revert InvalidParentNode(id);
    }

    /// @dev Asks a receiving contract at the very end of a mint, when nothing is left to be done.
    function _acknowledge(INodeNft nft, address to, uint256 id) internal {
        if (to.code.length != 0) nft.acknowledge(msg.sender, to, id);
    }

    function _attributeKey(uint8 kind, string memory attribute) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(kind, attribute));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {AftermarketDevices} from "./registry/AftermarketDevices.sol";
import {RegistryParts} from "./registry/RegistryBase.sol";

/// @title Registry
/// @notice The one address of the identity logic: manufacturers, vehicles, devices, and how they belong together. Part of
/// the code lies in an annex (see RegistryAnnex); a call that neither knows reverts.
contract Registry is AftermarketDevices, UUPSUpgradeable {
    /// @notice The contract with the second half of the code.
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable annex;

    event ManufacturerIdProxySet(address indexed proxy);
    event SyntheticDeviceIdProxySet(address proxy);
    event ConnectionsManagerSet(address indexed connectionsManager);
    event StorageNodeSet(address indexed storageNode);
    event SacdSet(address indexed sacd);

    error NoAnnex();

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(address annex_) {
        if (annex_.code.length == 0) revert NoAnnex();
        annex = annex_;
        _disableInitializers();
    }

    /// @dev Runs the annex's code on this contract's state.
    /// @custom:oz-upgrades-unsafe-allow delegatecall
    fallback() external {
        address code = annex;
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), code, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(ok) { revert(0, returndatasize()) }
            return(0, returndatasize())
        }
    }

    /// @param authority_ the AccessManager that decides about restricted functions
    function initialize(address authority_, RegistryParts calldata parts) external initializer {
        __AccessManaged_init(authority_);
        RegistryStore storage s = _reg();
        s.manufacturerNft = parts.manufacturer;
        s.vehicleNft = parts.vehicle;
        s.deviceNft = parts.aftermarketDevice;
        s.syntheticNft = parts.syntheticDevice;
        s.connections = parts.connections;
        s.storageNodes = parts.storageNodes;
        s.grants = parts.grants;
        emit ManufacturerIdProxySet(address(parts.manufacturer));
        emit VehicleIdProxySet(address(parts.vehicle));
        emit AftermarketDeviceIdProxySet(address(parts.aftermarketDevice));
        emit SyntheticDeviceIdProxySet(address(parts.syntheticDevice));
        emit ConnectionsManagerSet(address(parts.connections));
        emit StorageNodeSet(address(parts.storageNodes));
        emit SacdSet(address(parts.grants));

        string[5] memory ofVehicles = ["Make", "Model", "Year", "DefinitionURI", "ImageURI"];
        string[5] memory ofDevices = ["Serial", "IMEI", "DefinitionURI", "HardwareRevision", "DevEUI"];
        for (uint256 i = 0; i < 5; ++i) {
            _addVehicleAttribute(ofVehicles[i]);
            _addDeviceAttribute(ofDevices[i]);
        }
    }

    /// @notice Manufacturer of a vehicle or aftermarket device, connection of a synthetic device; 0 when there is none.
    function getParentNode(address idProxyAddress, uint256 tokenId) external view returns (uint256 parentNode) {
        RegistryStore storage s = _reg();
        if (idProxyAddress == address(s.vehicleNft)) return s.vehicles[tokenId].manufacturer;
        if (idProxyAddress == address(s.deviceNft)) return s.devices[tokenId].manufacturer;
        if (idProxyAddress == address(s.syntheticNft)) return s.connectionOfSynthetic[tokenId];
    }

    /// @notice The device paired with a vehicle, or the vehicle paired with a device; 0 when there is none.
    function getLink(address idProxyAddress, uint256 sourceNode) external view returns (uint256 targetNode) {
        RegistryStore storage s = _reg();
        if (idProxyAddress == address(s.vehicleNft)) return s.vehicles[sourceNode].aftermarketDevice;
        if (idProxyAddress == address(s.deviceNft)) return s.devices[sourceNode].vehicle;
    }

    /// @notice Who earns for a node: the chosen beneficiary of a device, else the owner.
    function getBeneficiary(address idProxyAddress, uint256 nodeId) external view returns (address beneficiary) {
        RegistryStore storage s = _reg();
        if (idProxyAddress == address(s.deviceNft)) beneficiary = s.beneficiary[nodeId];
        if (beneficiary == address(0)) beneficiary = IERC721(idProxyAddress).ownerOf(nodeId);
    }

    /// @notice How many vehicles, aftermarket and synthetic devices an account owns; their tokens answer it as balanceOf.
    function nodeBalances(address owner)
        external
        view
        returns (uint256 vehicles, uint256 aftermarketDevices, uint256 syntheticDevices)
    {
        uint256 held = _reg().held[owner];
        return (uint64(held / ONE_VEHICLE), uint64(held / ONE_DEVICE), uint64(held / ONE_SYNTHETIC));
    }

    /// @notice The grant store.
    function getSacd() external view returns (address sacd) {
        return address(_reg().grants);
    }

    /// @notice The four node tokens.
    function nodeTokens()
        external
        view
        returns (address manufacturer, address vehicle, address aftermarketDevice, address syntheticDevice)
    {
        RegistryStore storage s = _reg();
        return (address(s.manufacturerNft), address(s.vehicleNft), address(s.deviceNft), address(s.syntheticNft));
    }

    function _authorizeUpgrade(address) internal override restricted {}
}

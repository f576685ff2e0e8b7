// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IGrants} from "./interfaces/IGrants.sol";
import {IDeviceNft, INodeNft, IVehicleNft} from "./interfaces/INodes.sol";
import {AftermarketDevices} from "./registry/AftermarketDevices.sol";
import {Manufacturers} from "./registry/Manufacturers.sol";

/// @title Registry
/// @notice The one address of the identity logic: manufacturers, vehicles, aftermarket devices, and how they belong
/// together. A call it does not know reverts.
contract Registry is Manufacturers, AftermarketDevices, UUPSUpgradeable {
    event ManufacturerIdProxySet(address indexed proxy);
    event SacdSet(address indexed sacd);

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @param authority_ the AccessManager that decides about restricted functions
    function initialize(
        address authority_,
        INodeNft manufacturerNft,
        IVehicleNft vehicleNft,
        IDeviceNft deviceNft,
        IGrants grants
    ) external initializer {
        __AccessManaged_init(authority_);
        RegistryStore storage s = _reg();
        s.manufacturerNft = manufacturerNft;
        s.vehicleNft = vehicleNft;
        s.deviceNft = deviceNft;
        s.grants = grants;
        emit ManufacturerIdProxySet(address(manufacturerNft));
        emit VehicleIdProxySet(address(vehicleNft));
        emit AftermarketDeviceIdProxySet(address(deviceNft));
        emit SacdSet(address(grants));

        string[5] memory ofVehicles = ["Make", "Model", "Year", "DefinitionURI", "ImageURI"];
        string[5] memory ofDevices = ["Serial", "IMEI", "DefinitionURI", "HardwareRevision", "DevEUI"];
        for (uint256 i = 0; i < 5; ++i) {
            _addVehicleAttribute(ofVehicles[i]);
            _addDeviceAttribute(ofDevices[i]);
        }
    }

    /// @notice Manufacturer of a vehicle or device; 0 when there is none.
    function getParentNode(address idProxyAddress, uint256 tokenId) external view returns (uint256 parentNode) {
        RegistryStore storage s = _reg();
        if (idProxyAddress == address(s.vehicleNft)) return s.vehicles[tokenId].manufacturer;
        if (idProxyAddress == address(s.deviceNft)) return s.devices[tokenId].manufacturer;
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

    /// @notice The grant store.
    function getSacd() external view returns (address sacd) {
        return address(_reg().grants);
    }

    /// @notice The three node tokens.
    function nodeTokens() external view returns (address manufacturer, address vehicle, address aftermarketDevice) {
        RegistryStore storage s = _reg();
        return (address(s.manufacturerNft), address(s.vehicleNft), address(s.deviceNft));
    }

    function _authorizeUpgrade(address) internal override restricted {}
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {AftermarketDeviceId} from "./AftermarketDeviceId.sol";
import {AftermarketDevices} from "./registry/AftermarketDevices.sol";
import {DevLicense} from "./DevLicense.sol";
import {Grants} from "./Grants.sol";
import {LicenseAccount} from "./LicenseAccount.sol";
import {ManufacturerId} from "./ManufacturerId.sol";
import {Manufacturers} from "./registry/Manufacturers.sol";
import {NodeNft} from "./NodeNft.sol";
import {Registry} from "./Registry.sol";
import {Roles} from "./Roles.sol";
import {Vehicles} from "./registry/Vehicles.sol";

/// @title Genesis
/// @notice Founds the protocol in its constructor: creates the AccessManager and the proxies, connects them, gives the
/// roles to the administrator and keeps none. What stays on chain is the list of addresses.
/// @dev The contracts are created in a fixed order, so each address follows from this contract's address and its nonce
/// (1 to 8); callers off chain compute them the same way.
contract Genesis {
    struct Implementations {
        address grants;
        address registry;
        address manufacturer;
        address vehicle;
        address aftermarketDevice;
        address devLicense;
    }

    /// @param admin receives every role
    /// @param adminDelay seconds between announcing and doing an act of the AccessManager's administrator
    /// @param upgradeDelay the same for upgrades
    /// @param signerValidity seconds for which a licence signer may sign
    struct Settings {
        address admin;
        uint32 adminDelay;
        uint32 upgradeDelay;
        uint32 signerValidity;
    }

    address public immutable accessManager;
    address public immutable grants;
    address public immutable registry;
    address public immutable manufacturer;
    address public immutable vehicle;
    address public immutable aftermarketDevice;
    address public immutable licenseAccount;
    address public immutable devLicense;

    event Founded(
        address accessManager,
        address grants,
        address registry,
        address manufacturer,
        address vehicle,
        address aftermarketDevice,
        address devLicense
    );

    error AddressMismatch(uint8 nonce);

    constructor(Implementations memory impl, Settings memory settings) {
        address manager = address(new AccessManager(address(this)));
        (accessManager, grants, registry, manufacturer) = (manager, _created(2), _created(3), _created(4));
        (vehicle, aftermarketDevice, licenseAccount, devLicense) =
            (_created(5), _created(6), _created(7), _created(8));

        _proxy(2, impl.grants, abi.encodeCall(Grants.initialize, (manager)));
        bytes memory call = abi.encodeWithSelector(
            Registry.initialize.selector, manager, manufacturer, vehicle, aftermarketDevice, grants
        );
        _proxy(3, impl.registry, call);
        _proxy(4, impl.manufacturer, _nodeCall("Sayso Manufacturer", "SMFR"));
        _proxy(5, impl.vehicle, _nodeCall("Sayso Vehicle", "SVEH"));
        _proxy(6, impl.aftermarketDevice, _nodeCall("Sayso Aftermarket Device", "SDEV"));
        if (address(new LicenseAccount()) != licenseAccount) revert AddressMismatch(7);
        call = abi.encodeCall(DevLicense.initialize, (manager, licenseAccount, settings.signerValidity));
        _proxy(8, impl.devLicense, call);

        _assignFunctions(AccessManager(manager));
        _giveRoles(AccessManager(manager), settings);
        emit Founded(manager, grants, registry, manufacturer, vehicle, aftermarketDevice, devLicense);
    }

    function _assignFunctions(AccessManager m) private {
        bytes4[] memory upgrade = _list(bytes4(keccak256("upgradeToAndCall(address,bytes)")));
        address[6] memory proxies = [grants, registry, manufacturer, vehicle, aftermarketDevice, devLicense];
        for (uint256 i = 0; i < proxies.length; ++i) {
            m.setTargetFunctionRole(proxies[i], upgrade, Roles.UPGRADER);
        }
        m.setTargetFunctionRole(grants, _list(Grants.setTemplateContract.selector), Roles.UPGRADER);
        for (uint256 i = 2; i < 5; ++i) {
            m.setTargetFunctionRole(proxies[i], _list(NodeNft.setBaseURI.selector), Roles.EDITOR);
        }
        m.setTargetFunctionRole(devLicense, _list(DevLicense.setPeriodValidity.selector), Roles.LICENSE_ADMIN);
        m.setTargetFunctionRole(devLicense, _list(DevLicense.revoke.selector), Roles.LICENSE_REVOKER);

        bytes4[] memory moves = new bytes4[](3);
        moves[0] = ManufacturerId.transferFrom.selector;
        moves[1] = bytes4(keccak256("safeTransferFrom(address,address,uint256)"));
        moves[2] = bytes4(keccak256("safeTransferFrom(address,address,uint256,bytes)"));
        m.setTargetFunctionRole(manufacturer, moves, Roles.MANUFACTURER_TRANSFERER);
        _assignRegistryFunctions(m);
    }

    function _assignRegistryFunctions(AccessManager m) private {
        bytes4[] memory mints = new bytes4[](2);
        mints[0] = Manufacturers.mintManufacturer.selector;
        mints[1] = Manufacturers.mintManufacturerBatch.selector;
        m.setTargetFunctionRole(registry, mints, Roles.MANUFACTURER_MINTER);

        bytes4[] memory edits = new bytes4[](7);
        edits[0] = Manufacturers.renameManufacturer.selector;
        edits[1] = Manufacturers.addManufacturerAttribute.selector;
        edits[2] = Manufacturers.setManufacturerInfo.selector;
        edits[3] = Vehicles.addVehicleAttribute.selector;
        edits[4] = Vehicles.setVehicleInfo.selector;
        edits[5] = AftermarketDevices.addAftermarketDeviceAttribute.selector;
        edits[6] = AftermarketDevices.setAftermarketDeviceInfo.selector;
        m.setTargetFunctionRole(registry, edits, Roles.EDITOR);

        bytes4[] memory relays = new bytes4[](6);
        relays[0] = Vehicles.mintVehicleWithDeviceDefinitionSign.selector;
        relays[1] = Vehicles.burnVehicleSign.selector;
        relays[2] = AftermarketDevices.claimAftermarketDeviceSign.selector;
        relays[3] = bytes4(keccak256("pairAftermarketDeviceSign(uint256,uint256,bytes)"));
        relays[4] = bytes4(keccak256("pairAftermarketDeviceSign(uint256,uint256,bytes,bytes)"));
        relays[5] = AftermarketDevices.unpairAftermarketDeviceSign.selector;
        m.setTargetFunctionRole(registry, relays, Roles.RELAY);
        m.setTargetFunctionRole(registry, _list(AftermarketDevices.claimAftermarketDeviceBatch.selector), Roles.DISTRIBUTOR);
    }

    function _giveRoles(AccessManager m, Settings memory settings) private {
        string[8] memory labels = [
            "MANUFACTURER_MINTER",
            "MANUFACTURER_TRANSFERER",
            "EDITOR",
            "RELAY",
            "DISTRIBUTOR",
            "LICENSE_ADMIN",
            "LICENSE_REVOKER",
            "UPGRADER"
        ];
        for (uint64 role = 1; role <= Roles.LAST; ++role) {
            m.labelRole(role, labels[role - 1]);
            m.grantRole(role, settings.admin, role == Roles.UPGRADER ? settings.upgradeDelay : 0);
        }
        uint64 adminRole = m.ADMIN_ROLE();
        m.grantRole(adminRole, settings.admin, settings.adminDelay);
        if (settings.admin != address(this)) m.renounceRole(adminRole, address(this));
    }

    function _nodeCall(string memory name, string memory symbol) private view returns (bytes memory) {
        return abi.encodeWithSelector(NodeNft.initialize.selector, name, symbol, accessManager, registry, grants);
    }

    function _proxy(uint8 nonce, address implementation, bytes memory call) private {
        if (address(new ERC1967Proxy(implementation, call)) != _created(nonce)) revert AddressMismatch(nonce);
    }

    /// @dev Address of the nonce-th contract this one creates: keccak of the RLP list (address, nonce), nonce below 128.
    function _created(uint8 nonce) private view returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", address(this), nonce)))));
    }

    function _list(bytes4 selector) private pure returns (bytes4[] memory list) {
        list = new bytes4[](1);
        list[0] = selector;
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {Accounts} from "./Accounts.sol";
import {AftermarketDevices} from "./registry/AftermarketDevices.sol";
import {Connections} from "./Connections.sol";
import {DevLicense} from "./DevLicense.sol";
import {Grants} from "./Grants.sol";
import {LicenseAccount} from "./LicenseAccount.sol";
import {ManufacturerId} from "./ManufacturerId.sol";
import {Manufacturers} from "./registry/Manufacturers.sol";
import {NamedNft} from "./NamedNft.sol";
import {NodeNft} from "./NodeNft.sol";
import {Registry} from "./Registry.sol";
import {RegistryAnnex} from "./RegistryAnnex.sol";
import {Roles} from "./Roles.sol";
import {StorageNodes} from "./StorageNodes.sol";
import {SyntheticDevices} from "./registry/SyntheticDevices.sol";
import {Templates} from "./Templates.sol";
import {Vehicles} from "./registry/Vehicles.sol";

/// @title Genesis
/// @notice Founds the protocol in its constructor: creates the AccessManager and the proxies, connects them, gives the
/// roles to the administrator and keeps none. What stays on chain is the list of addresses.
/// @dev The contracts are created in a fixed order, so each address follows from this contract's address and its nonce
/// (1 to 13); callers off chain compute them the same way.
contract Genesis {
    struct Implementations {
        address grants;
        address registry;
        address manufacturer;
        address vehicle;
        address aftermarketDevice;
        address devLicense;
        address syntheticDevice;
        address connections;
        address storageNodes;
        address templates;
        address account;
    }

    /// @param admin receives every role
    /// @param adminDelay seconds between announcing and doing an act of the AccessManager's administrator
    /// @param upgradeDelay the same for upgrades, and between giving the role for them and its holding
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
    address public immutable syntheticDevice;
    address public immutable connections;
    address public immutable storageNodes;
    address public immutable templates;
    address public immutable accounts;

    event Founded(address accessManager, address registry, address grants);

    error AddressMismatch(uint8 nonce);

    constructor(Implementations memory impl, Settings memory settings) {
        address manager = address(new AccessManager(address(this)));
        (accessManager, grants, registry, manufacturer) = (manager, _created(2), _created(3), _created(4));
        (vehicle, aftermarketDevice, licenseAccount, devLicense) =
            (_created(5), _created(6), _created(7), _created(8));
        (syntheticDevice, connections, storageNodes, templates) =
            (_created(9), _created(10), _created(11), _created(12));
        accounts = _created(13);

        _proxy(2, impl.grants, abi.encodeCall(Grants.initialize, (manager, templates)));
        // Registry.initialize(manager, RegistryParts)
        _proxy(
            3,
            impl.registry,
            abi.encodeWithSelector(
                Registry.initialize.selector,
                manager,
                manufacturer,
                vehicle,
                aftermarketDevice,
                syntheticDevice,
                connections,
                storageNodes,
                grants
            )
        );
        _proxy(4, impl.manufacturer, _nodeCall("Sayso Manufacturer", "SMFR"));
        _proxy(5, impl.vehicle, _nodeCall("Sayso Vehicle", "SVEH"));
        _proxy(6, impl.aftermarketDevice, _nodeCall("Sayso Aftermarket Device", "SDEV"));
        if (address(new LicenseAccount()) != licenseAccount) revert AddressMismatch(7);
        _proxy(
            8, impl.devLicense, abi.encodeCall(DevLicense.initialize, (manager, licenseAccount, settings.signerValidity))
        );
        _proxy(9, impl.syntheticDevice, _nodeCall("Sayso Synthetic Device", "SSYN"));
        _proxy(10, impl.connections, _namedCall("Sayso Connections", "SCON"));
        _proxy(11, impl.storageNodes, _namedCall("Sayso Storage Nodes", "SNOD"));
        _proxy(12, impl.templates, _namedCall("Sayso Templates", "STPL"));
        if (address(new Accounts(impl.account)) != accounts) revert AddressMismatch(13);

        _assignFunctions(AccessManager(manager));
        _giveRoles(AccessManager(manager), settings);
        emit Founded(manager, registry, grants);
    }

    function _assignFunctions(AccessManager m) private {
        bytes4[] memory upgrade = _list(bytes4(keccak256("upgradeToAndCall(address,bytes)")));
        bytes4[] memory metadata = _list(NodeNft.setBaseURI.selector);
        address[4] memory nodes = [manufacturer, vehicle, aftermarketDevice, syntheticDevice];
        for (uint256 i = 0; i < 4; ++i) {
            m.setTargetFunctionRole(nodes[i], upgrade, Roles.UPGRADER);
            m.setTargetFunctionRole(nodes[i], metadata, Roles.EDITOR);
        }
        address[6] memory others = [grants, registry, devLicense, connections, storageNodes, templates];
        for (uint256 i = 0; i < 6; ++i) {
            m.setTargetFunctionRole(others[i], upgrade, Roles.UPGRADER);
        }
        m.setTargetFunctionRole(grants, _list(Grants.setTemplateContract.selector), Roles.UPGRADER);
        bytes4[] memory mints = new bytes4[](2);
        (mints[0], mints[1]) = (Connections.mint.selector, Connections.upgrade.selector);
        m.setTargetFunctionRole(connections, mints, Roles.CONNECTION_MINTER);
        m.setTargetFunctionRole(storageNodes, _list(StorageNodes.mint.selector), Roles.STORAGE_NODE_MINTER);
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

        bytes4[] memory edits = new bytes4[](11);
        edits[0] = Manufacturers.renameManufacturer.selector;
        edits[1] = Manufacturers.addManufacturerAttribute.selector;
        edits[2] = Manufacturers.setManufacturerInfo.selector;
        edits[3] = Vehicles.addVehicleAttribute.selector;
        edits[4] = Vehicles.setVehicleInfo.selector;
        edits[5] = AftermarketDevices.addAftermarketDeviceAttribute.selector;
        edits[6] = AftermarketDevices.setAftermarketDeviceInfo.selector;
        edits[7] = SyntheticDevices.addSyntheticDeviceAttribute.selector;
        edits[8] = SyntheticDevices.setSyntheticDeviceInfo.selector;
        edits[9] = RegistryAnnex.setDefaultStorageNodeId.selector;
        edits[10] = RegistryAnnex.setDeviceDefinitionId.selector;
        m.setTargetFunctionRole(registry, edits, Roles.EDITOR);

        bytes4[] memory relays = new bytes4[](8);
        relays[0] = bytes4(
            keccak256("mintVehicleWithDeviceDefinitionSign(uint256,address,string,(string,string)[],bytes)")
        );
        relays[1] = bytes4(
            keccak256("mintVehicleWithDeviceDefinitionSign(uint256,address,uint256,string,(string,string)[],bytes)")
        );
        relays[2] = Vehicles.burnVehicleSign.selector;
        relays[3] = AftermarketDevices.claimAftermarketDeviceSign.selector;
        relays[4] = bytes4(keccak256("pairAftermarketDeviceSign(uint256,uint256,bytes)"));
        relays[5] = bytes4(keccak256("pairAftermarketDeviceSign(uint256,uint256,bytes,bytes)"));
        relays[6] = AftermarketDevices.unpairAftermarketDeviceSign.selector;
        relays[7] = SyntheticDevices.burnSyntheticDeviceSign.selector;
        m.setTargetFunctionRole(registry, relays, Roles.RELAY);

        bytes4[] memory handovers = new bytes4[](2);
        handovers[0] = AftermarketDevices.claimAftermarketDeviceBatch.selector;
        handovers[1] = SyntheticDevices.mintSyntheticDeviceBatch.selector;
        m.setTargetFunctionRole(registry, handovers, Roles.DISTRIBUTOR);
    }

    function _giveRoles(AccessManager m, Settings memory settings) private {
        string[11] memory labels = [
            "MANUFACTURER_MINTER",
            "MANUFACTURER_TRANSFERER",
            "EDITOR",
            "RELAY",
            "DISTRIBUTOR",
            "LICENSE_ADMIN",
            "LICENSE_REVOKER",
            "UPGRADER",
            "CONNECTION_MINTER",
            "STORAGE_NODE_MINTER",
            "GUARDIAN"
        ];
        for (uint64 role = 1; role <= Roles.LAST; ++role) {
            m.labelRole(role, labels[role - 1]);
            m.grantRole(role, settings.admin, role == Roles.UPGRADER ? settings.upgradeDelay : 0);
        }
        m.setRoleGuardian(Roles.UPGRADER, Roles.GUARDIAN);
        m.setGrantDelay(Roles.UPGRADER, settings.upgradeDelay);
        uint64 adminRole = m.ADMIN_ROLE();
        m.grantRole(adminRole, settings.admin, settings.adminDelay);
        if (settings.admin != address(this)) m.renounceRole(adminRole, address(this));
    }

    function _nodeCall(string memory name, string memory symbol) private view returns (bytes memory) {
        return abi.encodeWithSelector(NodeNft.initialize.selector, name, symbol, accessManager, registry, grants);
    }

    function _namedCall(string memory name, string memory symbol) private view returns (bytes memory) {
        return abi.encodeWithSelector(NamedNft.initialize.selector, name, symbol, accessManager);
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

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IGrants} from "../src/interfaces/IGrants.sol";
import {NodeNft} from "../src/NodeNft.sol";
import {Registry} from "../src/Registry.sol";
import {RegistryAnnex} from "../src/RegistryAnnex.sol";
import {RegistryParts} from "../src/registry/RegistryBase.sol";
import {Roles} from "../src/Roles.sol";
import {Base} from "./support/Base.sol";

interface IManaged {
    function upgradeToAndCall(address implementation, bytes calldata data) external payable;
    function setAuthority(address authority) external;
    function authority() external view returns (address);
}

contract AccessTest is Base {
    uint256 private constant PROXIES = 10;

    function proxies() private view returns (address[10] memory) {
        return [
            address(grants),
            address(registry),
            address(manufacturers),
            address(vehicles),
            address(devices),
            address(licenses),
            address(synthetics),
            address(connections),
            address(storageNodes),
            address(templates)
        ];
    }

    /// @dev Another implementation of the i-th proxy.
    function implementation(uint256 i) private returns (address) {
        string[10] memory names = [
            "Grants",
            "Registry",
            "ManufacturerId",
            "VehicleId",
            "AftermarketDeviceId",
            "DevLicense",
            "SyntheticDeviceId",
            "Connections",
            "StorageNodes",
            "Templates"
        ];
        return create(names[i], i == 1 ? abi.encode(create("RegistryAnnex", "")) : bytes(""));
    }

    function test_upgrade_onlyByRole_keepsState() public {
        uint256 id = mintVehicleTo(alice);
        grant(alice, id, bob, ALL_EIGHT);
        for (uint256 i = 0; i < PROXIES; ++i) {
            address next = implementation(i);
            vm.expectRevert(notAllowed(alice));
            vm.prank(alice);
            IManaged(proxies()[i]).upgradeToAndCall(next, "");
            IManaged(proxies()[i]).upgradeToAndCall(next, "");
            vm.assertEq(IManaged(proxies()[i]).authority(), address(manager), "authority");
        }
        vm.assertEq(vehicles.ownerOf(id), alice, "owner");
        vm.assertTrue(grants.hasPermission(address(vehicles), id, bob, 8), "grant");
        vm.assertEq(annex.getManufacturerIdByName("Tesla"), 1, "manufacturer");
    }

    function test_upgrade_refusesWhatIsNoImplementation() public {
        vm.expectRevert();
        registry.upgradeToAndCall(address(this), "");
    }

    /// @dev On a public network upgrades and acts of the administrator wait.
    function test_delays() public {
        found(2 days, 2 days);
        address next = implementation(1);
        bytes memory data = abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (next, ""));
        vm.expectRevert();
        registry.upgradeToAndCall(next, "");
        manager.schedule(address(registry), data, 0);
        vm.expectRevert();
        registry.upgradeToAndCall(next, "");
        vm.warp(NOW + 2 days);
        registry.upgradeToAndCall(next, "");
        vm.assertEq(annex.getManufacturerIdByName("Tesla"), 1, "state");

        vm.expectRevert();
        manager.grantRole(Roles.RELAY, bob, 0);
        bytes memory call = abi.encodeCall(manager.grantRole, (Roles.RELAY, bob, 0));
        manager.schedule(address(manager), call, 0);
        vm.warp(NOW + 4 days);
        manager.execute(address(manager), call);
        (bool member,) = manager.hasRole(Roles.RELAY, bob);
        vm.assertTrue(member, "relay");
    }

    /// @dev A guardian stops an announced upgrade and can do nothing else.
    function test_guardian_cancelsUpgrades() public {
        manager.grantRole(Roles.GUARDIAN, bob, 0);
        manager.grantRole(Roles.UPGRADER, alice, 2 days);
        address next = implementation(1);
        bytes memory data = abi.encodeCall(UUPSUpgradeable.upgradeToAndCall, (next, ""));
        vm.prank(alice);
        manager.schedule(address(registry), data, 0);
        vm.expectRevert();
        vm.prank(cloud);
        manager.cancel(alice, address(registry), data);
        vm.prank(bob);
        manager.cancel(alice, address(registry), data);
        vm.warp(NOW + 3 days);
        vm.expectRevert();
        vm.prank(alice);
        registry.upgradeToAndCall(next, "");
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        registry.upgradeToAndCall(next, "");
        for (uint64 role = 0; role < Roles.GUARDIAN; ++role) {
            (bool member,) = manager.hasRole(role, bob);
            vm.assertFalse(member, "another role");
        }
    }

    /// @dev Whoever is given the role for upgrades has it only after the same delay.
    function test_upgrader_beginsLater() public {
        found(0, 2 days);
        vm.assertEq(manager.getRoleGuardian(Roles.UPGRADER), Roles.GUARDIAN, "guardian");
        vm.warp(NOW + 6 days);
        vm.assertEq(manager.getRoleGrantDelay(Roles.UPGRADER), 2 days, "delay");
        manager.grantRole(Roles.UPGRADER, alice, 0);
        address next = implementation(1);
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        registry.upgradeToAndCall(next, "");
        vm.warp(NOW + 8 days);
        vm.prank(alice);
        registry.upgradeToAndCall(next, "");
    }

    /// @dev Every restricted function, the role it takes, and that nobody without that role is let through.
    function test_roles_ofEveryFunction() public view {
        roleIs(address(registry), Roles.MANUFACTURER_MINTER, "mintManufacturer(address,string,(string,string)[])");
        roleIs(address(registry), Roles.MANUFACTURER_MINTER, "mintManufacturerBatch(address,string[])");
        roleIs(address(registry), Roles.EDITOR, "renameManufacturer(uint256,string)");
        roleIs(address(registry), Roles.EDITOR, "addManufacturerAttribute(string)");
        roleIs(address(registry), Roles.EDITOR, "setManufacturerInfo(uint256,(string,string)[])");
        roleIs(address(registry), Roles.EDITOR, "addVehicleAttribute(string)");
        roleIs(address(registry), Roles.EDITOR, "setVehicleInfo(uint256,(string,string)[])");
        roleIs(address(registry), Roles.EDITOR, "addAftermarketDeviceAttribute(string)");
        roleIs(address(registry), Roles.EDITOR, "setAftermarketDeviceInfo(uint256,(string,string)[])");
        roleIs(address(registry), Roles.EDITOR, "addSyntheticDeviceAttribute(string)");
        roleIs(address(registry), Roles.EDITOR, "setSyntheticDeviceInfo(uint256,(string,string)[])");
        roleIs(address(registry), Roles.EDITOR, "setDefaultStorageNodeId(uint256)");
        roleIs(address(registry), Roles.EDITOR, "setDeviceDefinitionId(uint256,string)");
        roleIs(
            address(registry),
            Roles.RELAY,
            "mintVehicleWithDeviceDefinitionSign(uint256,address,string,(string,string)[],bytes)"
        );
        roleIs(
            address(registry),
            Roles.RELAY,
            "mintVehicleWithDeviceDefinitionSign(uint256,address,uint256,string,(string,string)[],bytes)"
        );
        roleIs(address(registry), Roles.RELAY, "burnVehicleSign(uint256,bytes)");
        roleIs(address(registry), Roles.RELAY, "claimAftermarketDeviceSign(uint256,address,bytes,bytes)");
        roleIs(address(registry), Roles.RELAY, "pairAftermarketDeviceSign(uint256,uint256,bytes)");
        roleIs(address(registry), Roles.RELAY, "pairAftermarketDeviceSign(uint256,uint256,bytes,bytes)");
        roleIs(address(registry), Roles.RELAY, "unpairAftermarketDeviceSign(uint256,uint256,bytes)");
        roleIs(address(registry), Roles.RELAY, "burnSyntheticDeviceSign(uint256,uint256,bytes)");
        roleIs(address(registry), Roles.DISTRIBUTOR, "claimAftermarketDeviceBatch((uint256,address)[])");
        roleIs(
            address(registry),
            Roles.DISTRIBUTOR,
            "mintSyntheticDeviceBatch(uint256,(uint256,address,(string,string)[])[])"
        );
        roleIs(address(connections), Roles.CONNECTION_MINTER, "mint(address,address,string,bytes32)");
        roleIs(address(connections), Roles.CONNECTION_MINTER, "upgrade(uint256,address,bytes32)");
        roleIs(address(storageNodes), Roles.STORAGE_NODE_MINTER, "mint(address,address,string,string)");
        roleIs(address(licenses), Roles.LICENSE_ADMIN, "setPeriodValidity(uint256)");
        roleIs(address(licenses), Roles.LICENSE_REVOKER, "revoke(uint256)");
        roleIs(address(grants), Roles.UPGRADER, "setTemplateContract(address)");
        roleIs(address(manufacturers), Roles.MANUFACTURER_TRANSFERER, "transferFrom(address,address,uint256)");
        roleIs(address(manufacturers), Roles.MANUFACTURER_TRANSFERER, "safeTransferFrom(address,address,uint256)");
        roleIs(
            address(manufacturers), Roles.MANUFACTURER_TRANSFERER, "safeTransferFrom(address,address,uint256,bytes)"
        );
        address[10] memory all = proxies();
        for (uint256 i = 0; i < PROXIES; ++i) {
            roleIs(all[i], Roles.UPGRADER, "upgradeToAndCall(address,bytes)");
            if (i >= 2 && i <= 4) roleIs(all[i], Roles.EDITOR, "setBaseURI(string)");
        }
        roleIs(address(synthetics), Roles.EDITOR, "setBaseURI(string)");
    }

    function roleIs(address target, uint64 role, string memory signature) private view {
        bytes4 selector = bytes4(keccak256(bytes(signature)));
        vm.assertEq(manager.getTargetFunctionRole(target, selector), role, signature);
        (bool me,) = manager.canCall(address(this), target, selector);
        (bool stranger, uint32 delay) = manager.canCall(bob, target, selector);
        vm.assertTrue(me, signature);
        vm.assertTrue(!stranger && delay == 0, signature);
    }

    /// @dev Nothing happens at the annex's own address: no state, no authority.
    function test_annex_aloneDoesNothing() public {
        RegistryAnnex bare = RegistryAnnex(registry.annex());
        vm.assertEq(bare.getManufacturerIdByName("Tesla"), 0, "state");
        vm.expectRevert();
        bare.mintManufacturer(alice, "Mine", noAttributes);
        vm.expectRevert();
        bare.setDefaultStorageNodeId(0);
        vm.expectRevert();
        bare.setStorageNodeIdForVehicle(1, 0);
    }

    function test_registry_needsAnAnnexWithCode() public {
        vm.expectRevert(err("NoAnnex()"));
        new Registry(alice);
    }

    function test_nodeToken_needsARegistryAndGrants() public {
        address bare = create("VehicleId", "");
        for (uint256 i = 0; i < 2; ++i) {
            address r = i == 0 ? address(0) : alice;
            bytes memory call =
                abi.encodeWithSelector(NodeNft.initialize.selector, "x", "x", alice, r, i == 0 ? alice : address(0));
            vm.expectRevert(err("ZeroAddress()"));
            new ERC1967Proxy(bare, call);
        }
    }

    function test_usedDigests_areToldOf() public {
        uint256 vehicle = mintVehicleTo(alice);
        bytes32 digest = burnDigest(vehicle);
        vm.assertFalse(annex.isDigestUsed(digest), "not yet");
        registry.burnVehicleSign(vehicle, sign(ALICE_KEY, digest));
        vm.assertTrue(annex.isDigestUsed(digest), "used");
    }

    function test_initialize_onlyOnce_neverOnImplementations() public {
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        grants.initialize(alice, alice);
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        vehicles.initialize("x", "x", alice, alice, IGrants(alice));
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        licenses.initialize(alice, alice, 1);
        RegistryParts memory parts;
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        registry.initialize(alice, parts);
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        connections.initialize("x", "x", alice);
        NodeNft bare = NodeNft(create("VehicleId", ""));
        vm.expectRevert(abi.encodeWithSelector(Initializable.InvalidInitialization.selector));
        bare.initialize("x", "x", alice, alice, IGrants(alice));
    }

    function test_authority_changesOnlyThroughTheManager() public {
        for (uint256 i = 0; i < PROXIES; ++i) {
            vm.expectRevert(notAllowed(address(this)));
            IManaged(proxies()[i]).setAuthority(address(this));
        }
    }

    function test_roleTaken_actRefused() public {
        manager.revokeRole(Roles.MANUFACTURER_MINTER, address(this));
        vm.expectRevert(notAllowed(address(this)));
        annex.mintManufacturer(alice, "Ruptela", noAttributes);
        manager.grantRole(Roles.MANUFACTURER_MINTER, bob, 0);
        vm.prank(bob);
        annex.mintManufacturer(alice, "Ruptela", noAttributes);
        vm.assertEq(annex.getManufacturerIdByName("Ruptela"), 2, "id");
    }

    function test_domain_isPublished() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chain, address verifier,,) =
            annex.eip712Domain();
        vm.assertEq(uint8(fields), 0x0f, "fields");
        vm.assertEq(name, "DIMO", "name");
        vm.assertEq(version, "1", "version");
        vm.assertEq(chain, block.chainid, "chain");
        vm.assertEq(verifier, address(registry), "verifier");
    }

    /// @dev State lies where ERC-7201 puts it for each name, so that an upgrade finds it.
    function test_storageSlots() public {
        grants.setTemplateContract(bob);
        checkSlot(address(grants), "sayso.Grants", 5, bob);
        checkSlot(address(registry), "sayso.Registry", 0, address(manufacturers));
        checkSlot(address(registry), "sayso.Registry", 3, address(grants));
        checkSlot(address(registry), "sayso.Registry", 13, address(synthetics));
        checkSlot(address(vehicles), "sayso.NodeNft", 0, address(registry));
        checkSlot(address(vehicles), "sayso.NodeNft", 1, address(grants));
        vm.prank(alice);
        (, address client) = licenses.issueInDc("mechanic");
        bytes32 place = keccak256(abi.encode(uint256(1), uint256(slot("sayso.DevLicense")) + 1));
        vm.assertEq(vm.load(address(licenses), place), bytes32(uint256(uint160(client))), "client id of licence 1");
    }

    function checkSlot(address contract_, string memory name, uint256 offset, address want) private view {
        bytes32 word = vm.load(contract_, bytes32(uint256(slot(name)) + offset));
        vm.assertEq(address(uint160(uint256(word))), want, name);
    }

    function slot(string memory name) private pure returns (bytes32) {
        return keccak256(abi.encode(uint256(keccak256(bytes(name))) - 1)) & ~bytes32(uint256(0xff));
    }
}

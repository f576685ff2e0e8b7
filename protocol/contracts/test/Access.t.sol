// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IGrants} from "../src/interfaces/IGrants.sol";
import {NodeNft} from "../src/NodeNft.sol";
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

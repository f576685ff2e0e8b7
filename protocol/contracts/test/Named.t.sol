// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Connections} from "../src/Connections.sol";
import {StorageNodes} from "../src/StorageNodes.sol";
import {Templates} from "../src/Templates.sol";
import {TemplateData} from "../src/interfaces/IGrants.sol";
import {Base} from "./support/Base.sol";

/// @notice Connections, storage nodes and templates: tokens with a name as their id.
contract NamedTest is Base {
    // ---------------------------------------------------------------- connections

    function test_connection_idIsItsName() public {
        vm.expectEmit(address(connections));
        emit Connections.ConnectionMinted(alice, uint256(bytes32("Smartcar")), bob, "Smartcar", "silver", 0);
        uint256 id = connections.mint(alice, bob, "Smartcar", "silver");
        vm.assertEq(id, uint256(bytes32("Smartcar")), "id");
        vm.assertEq(connections.ownerOf(id), alice, "owner");
        vm.assertTrue(connections.exists(id), "exists");
        vm.assertFalse(connections.exists(1), "does not exist");
        (address addr, bytes32 kind) = connections.connections(id);
        vm.assertEq(addr, bob, "address");
        vm.assertEq(kind, bytes32("silver"), "type");
        vm.assertEq(connections.connectionAddressToId(bob), id, "id of the address");
        vm.assertEq(connections.toConnectionId("Smartcar"), id, "id of the name");
    }

    function test_connection_refusals() public {
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        connections.mint(alice, alice, "Mine", "gold");
        vm.expectRevert(err("InvalidName(string)", ""));
        connections.mint(alice, alice, "", "gold");
        vm.expectRevert(err("InvalidName(string)", "a name of thirty-three bytes....."));
        connections.mint(alice, alice, "a name of thirty-three bytes.....", "gold");
        string memory zero = string(abi.encodePacked("zero", bytes1(0)));
        vm.expectRevert(err("InvalidName(string)", zero));
        connections.mint(alice, alice, zero, "gold");
        vm.expectRevert(err("ZeroAddress()"));
        connections.mint(alice, address(0), "Mine", "gold");
        vm.expectRevert(err("AddressInUse(address)", cloud));
        connections.mint(alice, cloud, "Mine", "gold");
        vm.expectRevert(abi.encodeWithSignature("ERC721InvalidSender(address)", address(0)));
        connections.mint(alice, alice, "Tesla", "gold");
    }

    function test_connection_upgrade() public {
        uint256 id = connections.toConnectionId("Tesla");
        vm.expectRevert(notAllowed(cloud));
        vm.prank(cloud);
        connections.upgrade(id, bob, "platinum");
        vm.expectRevert(abi.encodeWithSignature("ERC721NonexistentToken(uint256)", 5));
        connections.upgrade(5, bob, "platinum");
        vm.expectEmit(address(connections));
        emit Connections.ConnectionUpgraded(id, bob, "platinum", 0);
        connections.upgrade(id, bob, "platinum");
        vm.assertEq(connections.connectionAddressToId(cloud), 0, "the old address is free");
        vm.assertEq(connections.connectionAddressToId(bob), id, "the new one");
        connections.upgrade(id, bob, "gold");
        (, bytes32 kind) = connections.connections(id);
        vm.assertEq(kind, bytes32("gold"), "type");
    }

    function testFuzz_connection_idsAreNames(string calldata name) public view {
        uint256 n = bytes(name).length;
        bool ok = n > 0 && n <= 32 && bytes(name)[n - 1] != 0;
        try connections.toConnectionId(name) returns (uint256 id) {
            vm.assertTrue(ok, "a name that is none");
            vm.assertTrue(id == uint256(bytes32(bytes(name))), "id");
        } catch {
            vm.assertFalse(ok, "a name refused");
        }
    }

    // ---------------------------------------------------------------- storage nodes

    function test_storageNode_idIsTheHashOfItsLabel() public {
        uint256 want = 97077788752129128008203392238079160986969880871961310481918723204306174661833;
        vm.expectEmit(address(storageNodes));
        emit StorageNodes.StorageNodeAnchorMinted(
            alice, want, bob, "DIMO-Storage-Node-Default", "https://node.example"
        );
        uint256 id = storageNodes.mint(alice, bob, "DIMO-Storage-Node-Default", "https://node.example");
        vm.assertEq(id, want, "id");
        (address addr, string memory uri) = storageNodes.nodes(id);
        vm.assertEq(addr, bob, "address");
        vm.assertEq(uri, "https://node.example", "uri");
        vm.assertEq(storageNodes.nodeAddressToNodeId(bob), id, "id of the address");
        vm.assertTrue(storageNodes.exists(id), "exists");
    }

    function test_storageNode_itsOwnerKeepsItUpToDate() public {
        uint256 id = storageNodes.mint(alice, bob, "a node", "https://node.example");
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        storageNodes.setNodeUri(id, "https://bob.example");
        vm.startPrank(alice);
        vm.expectEmit(address(storageNodes));
        emit StorageNodes.NodeUriUpdated(id, "https://new.example");
        storageNodes.setNodeUri(id, "https://new.example");
        (, string memory uri) = storageNodes.nodes(id);
        vm.assertEq(uri, "https://new.example", "uri");
        vm.expectEmit(address(storageNodes));
        emit StorageNodes.NodeAddressUpdated(id, cloud);
        storageNodes.setNodeAddress(id, cloud);
        vm.assertEq(storageNodes.nodeAddressToNodeId(bob), 0, "the old address is free");
        vm.assertEq(storageNodes.nodeAddressToNodeId(cloud), id, "the new one");
        vm.expectRevert(err("ZeroAddress()"));
        storageNodes.setNodeAddress(id, address(0));
        vm.stopPrank();
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        storageNodes.setNodeAddress(id, bob);
    }

    function test_storageNode_refusals() public {
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        storageNodes.mint(alice, alice, "a node", "");
        vm.expectRevert(err("InvalidName(string)", ""));
        storageNodes.mint(alice, alice, "", "");
        vm.expectRevert(err("ZeroAddress()"));
        storageNodes.mint(alice, address(0), "a node", "");
        storageNodes.mint(alice, alice, "a node", "");
        vm.expectRevert(err("AddressInUse(address)", alice));
        storageNodes.mint(alice, alice, "another", "");
        vm.expectRevert(abi.encodeWithSignature("ERC721InvalidSender(address)", address(0)));
        storageNodes.mint(alice, bob, "a node", "");
    }

    // ---------------------------------------------------------------- of a vehicle

    function test_vehicle_isKeptByTheNodeItsOwnerChose_orTheDefault() public {
        uint256 vehicle = mintVehicleTo(alice);
        vm.assertEq(annex.vehicleIdToStorageNodeId(vehicle), 0, "none yet");
        uint256 std = storageNodes.mint(bob, bob, "default", "");
        uint256 own = storageNodes.mint(bob, cloud, "own", "");
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        annex.setDefaultStorageNodeId(std);
        vm.expectRevert(err("InvalidStorageNode(uint256)", uint256(7)));
        annex.setDefaultStorageNodeId(7);
        annex.setDefaultStorageNodeId(std);
        vm.assertEq(annex.getDefaultStorageNodeId(), std, "default");
        vm.assertEq(annex.vehicleIdToStorageNodeId(vehicle), std, "by default");
        vm.assertEq(annex.vehicleIdToStorageNodeId(99), 0, "no vehicle");

        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        annex.setStorageNodeIdForVehicle(vehicle, own);
        vm.expectRevert(err("InvalidNode(address,uint256)", address(vehicles), 99));
        annex.setStorageNodeIdForVehicle(99, own);
        vm.startPrank(alice);
        vm.expectRevert(err("InvalidStorageNode(uint256)", uint256(7)));
        annex.setStorageNodeIdForVehicle(vehicle, 7);
        annex.setStorageNodeIdForVehicle(vehicle, own);
        vm.assertEq(annex.vehicleIdToStorageNodeId(vehicle), own, "chosen");
        annex.setStorageNodeIdForVehicle(vehicle, 0);
        vm.assertEq(annex.vehicleIdToStorageNodeId(vehicle), std, "default again");
        vm.stopPrank();
        annex.setDefaultStorageNodeId(0);
        vm.assertEq(annex.vehicleIdToStorageNodeId(vehicle), 0, "no default");
        vm.assertEq(annex.getStorageNode(), address(storageNodes), "tokens");
        vm.assertEq(annex.getConnectionsManager(), address(connections), "connections");
    }

    // ---------------------------------------------------------------- templates

    function test_template_idIsTheHashOfItsText() public {
        uint256 want = uint256(keccak256(bytes(CID)));
        vm.expectEmit(address(templates));
        emit Templates.TemplateCreated(want, alice, address(vehicles), ALL_EIGHT, CID);
        vm.prank(alice);
        uint256 id = templates.createTemplate(address(vehicles), ALL_EIGHT, CID);
        vm.assertEq(id, want, "id");
        TemplateData memory t = templates.templates(id);
        vm.assertEq(t.asset, address(vehicles), "asset");
        vm.assertEq(t.permissions, ALL_EIGHT, "permissions");
        vm.assertEq(t.source, CID, "source");
        vm.assertTrue(t.isActive && templates.isTemplateActive(id), "active");
        vm.assertEq(templates.ownerOf(id), alice, "owner");
    }

    function test_template_refusals_andTheEnd() public {
        uint256 id = templates.createTemplate(address(vehicles), ALL_EIGHT, CID);
        vm.expectRevert(abi.encodeWithSignature("ERC721InvalidSender(address)", address(0)));
        templates.createTemplate(address(vehicles), 12, CID);
        vm.assertEq(templates.templates(id).permissions, ALL_EIGHT, "unchanged");
        vm.expectRevert(err("InvalidName(string)", ""));
        templates.createTemplate(address(vehicles), 12, "");
        vm.expectRevert(err("Unauthorized(address)", alice));
        vm.prank(alice);
        templates.deactivateTemplate(id);
        vm.expectEmit(address(templates));
        emit Templates.TemplateDeactivated(id);
        templates.deactivateTemplate(id);
        vm.assertFalse(templates.isTemplateActive(id), "ended");
        vm.expectRevert(err("TemplateNotActive(uint256)", id));
        templates.deactivateTemplate(id);
    }
}

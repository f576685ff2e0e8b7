// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SacdInput} from "../src/interfaces/INodes.sol";
import {AttributeInfoPair} from "../src/registry/RegistryBase.sol";
import {
    MintVehicleAndSdInput,
    MintVehicleAndSdInputSnId,
    MintVehicleAndSdWithDdInput,
    MintVehicleAndSdWithDdInputBatch,
    MintVehicleAndSdWithDdInputSnId,
    MintVehicleAndSdWithDdInputSnIdBatch,
    VehiclesWithSynthetics
} from "../src/registry/VehiclesWithSynthetics.sol";
import {Base} from "./support/Base.sol";

/// @notice A vehicle and its synthetic device in one step, in every form; and vehicles kept by a storage node.
contract VehiclesWithSyntheticsTest is Base {
    string private constant DEFINITION = "tesla_model-3_2020";
    uint256 private _connection;
    uint256 private _node;
    SacdInput private _none;

    function setUp() public override {
        super.setUp();
        _connection = connections.toConnectionId("Tesla");
        _node = storageNodes.mint(bob, bob, "a node", "");
    }

    // ---------------------------------------------------------------- without definition

    function test_plain_forms() public {
        MintVehicleAndSdInput memory d;
        (d.manufacturerNode, d.owner, d.connectionId, d.syntheticDeviceAddr) = (1, alice, _connection, synthetic);
        d.vehicleOwnerSig = sign(ALICE_KEY, plainDigest());
        d.syntheticDeviceSig = sign(SYNTHETIC_KEY, connectionDigest());
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        annex.mintVehicleAndSdSign(d);
        vm.expectEmit(address(registry));
        emit VehiclesWithSynthetics.VehicleNodeMinted(1, 1, alice);
        vm.prank(cloud);
        annex.mintVehicleAndSdSign(d);
        minted(1, alice, 0);
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", plainDigest()));
        vm.prank(cloud);
        annex.mintVehicleAndSdSign(d);

        MintVehicleAndSdInputSnId memory e;
        (e.manufacturerNode, e.owner, e.connectionId, e.syntheticDeviceAddr) = (1, alice, _connection, device);
        e.storageNodeId = _node;
        e.attrInfoPairsVehicle = make();
        bytes32 t = keccak256("MintVehicleSign(uint256 manufacturerNode,address owner,string[] attributes,string[] infos)");
        e.vehicleOwnerSig = sign(
            ALICE_KEY,
            typedDigest(
                keccak256(abi.encode(t, 1, alice, hashOf("Make"), hashOf("Tesla")))
            )
        );
        e.syntheticDeviceSig = sign(DEVICE_KEY, connectionDigest());
        vm.prank(cloud);
        annex.mintVehicleAndSdSign(e);
        minted(2, alice, _node);
    }

    // ---------------------------------------------------------------- with definition

    function test_definition_forms() public {
        MintVehicleAndSdWithDdInput memory d;
        (d.manufacturerNode, d.owner, d.connectionId, d.syntheticDeviceAddr) = (1, alice, _connection, synthetic);
        (d.deviceDefinitionId, d.vehicleOwnerSig) = (DEFINITION, sign(ALICE_KEY, mintDigest(alice)));
        d.syntheticDeviceSig = sign(SYNTHETIC_KEY, connectionDigest());
        vm.startPrank(cloud);
        annex.mintVehicleAndSdWithDeviceDefinitionSign(d);
        minted(1, alice, 0);
        vm.assertEq(registry.getDeviceDefinitionIdByVehicleId(1), DEFINITION, "definition");

        MintVehicleAndSdWithDdInputSnId memory e = input(bob, BOB_KEY, device, DEVICE_KEY);
        e.storageNodeId = 5;
        vm.expectRevert(err("InvalidStorageNode(uint256)", uint256(5)));
        annex.mintVehicleAndSdWithDeviceDefinitionSign(e);
        e.storageNodeId = _node;
        annex.mintVehicleAndSdWithDeviceDefinitionSign(e);
        minted(2, bob, _node);
        vm.stopPrank();
    }

    function test_refusals() public {
        vm.startPrank(cloud);
        MintVehicleAndSdWithDdInputSnId memory d = input(alice, ALICE_KEY, synthetic, SYNTHETIC_KEY);
        d.vehicleOwnerSig = d.syntheticDeviceSig;
        vm.expectRevert(err("InvalidOwnerSignature()"));
        annex.mintVehicleAndSdWithDeviceDefinitionSign(d);
        d = input(alice, ALICE_KEY, synthetic, DEVICE_KEY);
        vm.expectRevert(err("InvalidSdSignature()"));
        annex.mintVehicleAndSdWithDeviceDefinitionSign(d);
        d = input(alice, ALICE_KEY, synthetic, SYNTHETIC_KEY);
        d.manufacturerNode = 9;
        vm.expectRevert(err("InvalidOwnerSignature()"));
        annex.mintVehicleAndSdWithDeviceDefinitionSign(d);
        d = input(alice, ALICE_KEY, synthetic, SYNTHETIC_KEY);
        d.connectionId = 9;
        vm.expectRevert(err("Unauthorized(address)", cloud));
        annex.mintVehicleAndSdWithDeviceDefinitionSign(d);
    }

    /// @dev There: the signature over the connection alone stayed valid for ever. Here it counts once for each key.
    function test_connectionSignature_countsOnce() public {
        vm.startPrank(cloud);
        annex.mintVehicleAndSdWithDeviceDefinitionSign(input(alice, ALICE_KEY, synthetic, SYNTHETIC_KEY));
        vm.stopPrank();
        vm.prank(alice);
        synthetics.burn(1);
        MintVehicleAndSdWithDdInputSnId memory d = input(bob, BOB_KEY, synthetic, SYNTHETIC_KEY);
        bytes32 used = keccak256(abi.encode(connectionDigest(), synthetic));
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", used));
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeviceDefinitionSign(d);
    }

    function test_grant_onlyInTheOwnersOwnCall() public {
        MintVehicleAndSdWithDdInputSnId memory d = input(alice, ALICE_KEY, synthetic, SYNTHETIC_KEY);
        SacdInput memory sacd = SacdInput(bob, ALL_EIGHT, FAR, CID);
        vm.expectRevert(err("Unauthorized(address)", cloud));
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeviceDefinitionSignAndSacd(d, sacd);
        vm.prank(cloud);
        grants.setPermissions(address(connections), _connection, alice, 12, FAR, "");
        vm.prank(alice);
        annex.mintVehicleAndSdWithDeviceDefinitionSignAndSacd(d, sacd);
        vm.assertTrue(grants.hasPermission(address(vehicles), 1, bob, 8), "grant");

        MintVehicleAndSdWithDdInput memory e;
        (e.manufacturerNode, e.owner, e.connectionId, e.syntheticDeviceAddr) = (1, bob, _connection, device);
        (e.deviceDefinitionId, e.vehicleOwnerSig) = (DEFINITION, sign(BOB_KEY, mintDigest(bob)));
        e.syntheticDeviceSig = sign(DEVICE_KEY, connectionDigest());
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeviceDefinitionSignAndSacd(e, _none);
        minted(2, bob, 0);
    }

    function test_batches() public {
        MintVehicleAndSdWithDdInputBatch[] memory list = new MintVehicleAndSdWithDdInputBatch[](1);
        MintVehicleAndSdWithDdInputBatch memory d = list[0];
        (d.manufacturerNode, d.owner, d.connectionId, d.syntheticDeviceAddr) = (1, alice, _connection, synthetic);
        (d.deviceDefinitionId, d.vehicleOwnerSig) = (DEFINITION, sign(ALICE_KEY, mintDigest(alice)));
        d.syntheticDeviceSig = sign(SYNTHETIC_KEY, connectionDigest());
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeviceDefinitionSignBatch(list);
        minted(1, alice, 0);

        MintVehicleAndSdWithDdInputSnIdBatch[] memory more = new MintVehicleAndSdWithDdInputSnIdBatch[](1);
        MintVehicleAndSdWithDdInputSnIdBatch memory e = more[0];
        (e.manufacturerNode, e.owner, e.connectionId, e.syntheticDeviceAddr) = (1, bob, _connection, device);
        (e.deviceDefinitionId, e.vehicleOwnerSig) = (DEFINITION, sign(BOB_KEY, mintDigest(bob)));
        e.syntheticDeviceSig = sign(DEVICE_KEY, connectionDigest());
        e.storageNodeId = _node;
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeviceDefinitionSignBatch(more);
        minted(2, bob, _node);
    }

    // ---------------------------------------------------------------- everything signed

    function test_withDeadline_everythingInOne() public {
        MintVehicleAndSdWithDdInputSnId memory d = input(alice, ALICE_KEY, synthetic, SYNTHETIC_KEY);
        (d.storageNodeId, d.attrInfoPairsVehicle) = (_node, make());
        SacdInput memory sacd = SacdInput(bob, ALL_EIGHT, FAR, CID);
        signAll(d, sacd, 0, FAR);
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeadline(d, sacd, 0, FAR);
        minted(1, alice, _node);
        vm.assertTrue(grants.hasPermission(address(vehicles), 1, bob, 8), "grant");
        vm.expectRevert(abi.encodeWithSignature("InvalidAccountNonce(address,uint256)", alice, 1));
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeadline(d, sacd, 0, FAR);
    }

    function test_withDeadline_theOwnersOwnCall() public {
        vm.prank(cloud);
        grants.setPermissions(address(connections), _connection, alice, 12, FAR, "");
        MintVehicleAndSdWithDdInputSnId memory d = input(alice, ALICE_KEY, synthetic, SYNTHETIC_KEY);
        signAll(d, _none, 0, FAR);
        d.vehicleOwnerSig = "";
        vm.expectRevert(err("InvalidOwnerSignature()"));
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeadline(d, _none, 0, FAR);
        vm.prank(alice);
        annex.mintVehicleAndSdWithDeadline(d, _none, 0, FAR);
        minted(1, alice, 0);
    }

    function testFuzz_withDeadline_anyChangedField_isRefused(uint8 field, uint256 by) public {
        MintVehicleAndSdWithDdInputSnId memory d = input(alice, ALICE_KEY, synthetic, SYNTHETIC_KEY);
        (d.storageNodeId, d.attrInfoPairsVehicle) = (_node, make());
        SacdInput memory s = SacdInput(bob, ALL_EIGHT, FAR, CID);
        signAll(d, s, 0, FAR);
        (uint256 nonce, uint256 deadline) = (0, FAR);
        by = 1 + by % type(uint128).max;
        field = field % 13;
        if (field == 0) d.deviceDefinitionId = "tesla_model-y_2021";
        if (field == 1) d.storageNodeId = 0;
        if (field == 2) d.attrInfoPairsVehicle[0].info = "Ford";
        if (field == 3) d.attrInfoPairsVehicle = new AttributeInfoPair[](0);
        if (field == 4) d.owner = bob;
        if (field == 5) d.syntheticDeviceAddr = address(uint160(synthetic) ^ uint160(by));
        if (field == 6) s.grantee = address(uint160(bob) ^ uint160(by));
        if (field == 7) s.permissions ^= by;
        if (field == 8) s.expiration ^= by;
        if (field == 9) s.source = "";
        if (field == 10) nonce = by << 64;
        if (field == 11) deadline = FAR + by;
        if (field == 12) vm.chainId(1 + by % 0xfffffff == block.chainid ? 1 : 1 + by % 0xfffffff);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        vm.prank(cloud);
        annex.mintVehicleAndSdWithDeadline(d, s, nonce, deadline);
    }

    // ---------------------------------------------------------------- vehicles alone, kept by a storage node

    function test_vehicleAlone_withStorageNode() public {
        vm.prank(bob);
        registry.mintVehicleWithDeviceDefinition(1, alice, _node, DEFINITION, noAttributes);
        vm.assertEq(annex.vehicleIdToStorageNodeId(1), _node, "minted by anyone");
        SacdInput memory sacd = SacdInput(bob, ALL_EIGHT, FAR, CID);
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        registry.mintVehicleWithDeviceDefinition(1, alice, _node, DEFINITION, noAttributes, sacd);
        vm.prank(alice);
        registry.mintVehicleWithDeviceDefinition(1, alice, _node, DEFINITION, noAttributes, sacd);
        vm.assertTrue(grants.hasPermission(address(vehicles), 2, bob, 8), "grant");
        vm.assertEq(annex.vehicleIdToStorageNodeId(2), _node, "with a grant");

        bytes memory sig = sign(ALICE_KEY, mintDigest(alice));
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        registry.mintVehicleWithDeviceDefinitionSign(1, alice, _node, DEFINITION, noAttributes, sig);
        registry.mintVehicleWithDeviceDefinitionSign(1, alice, _node, DEFINITION, noAttributes, sig);
        vm.assertEq(annex.vehicleIdToStorageNodeId(3), _node, "signed");
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", mintDigest(alice)));
        registry.mintVehicleWithDeviceDefinitionSign(1, alice, DEFINITION, noAttributes, sig);
    }

    // ---------------------------------------------------------------- steps

    function minted(uint256 id, address owner, uint256 node) private view {
        vm.assertEq(vehicles.ownerOf(id), owner, "vehicle");
        vm.assertEq(synthetics.ownerOf(id), owner, "synthetic device");
        vm.assertEq(annex.getNodeLink(address(vehicles), address(synthetics), id), id, "link");
        vm.assertEq(annex.vehicleIdToStorageNodeId(id), node, "storage node");
    }

    function make() private pure returns (AttributeInfoPair[] memory list) {
        list = new AttributeInfoPair[](1);
        list[0] = AttributeInfoPair("Make", "Tesla");
    }

    function hashOf(string memory text) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(keccak256(bytes(text))));
    }

    function input(address owner, uint256 key, address sd, uint256 sdKey)
        private
        view
        returns (MintVehicleAndSdWithDdInputSnId memory d)
    {
        (d.manufacturerNode, d.owner, d.connectionId, d.syntheticDeviceAddr) = (1, owner, _connection, sd);
        (d.deviceDefinitionId, d.vehicleOwnerSig) = (DEFINITION, sign(key, mintDigest(owner)));
        d.syntheticDeviceSig = sign(sdKey, connectionDigest());
    }

    function signAll(MintVehicleAndSdWithDdInputSnId memory d, SacdInput memory s, uint256 nonce, uint256 deadline)
        private
        view
    {
        bytes32 t = keccak256(
            "MintVehicleAndSdWithDeadlineSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos,uint256 storageNodeId,uint256 connectionId,address syntheticDeviceAddr,address grantee,uint256 permissions,uint256 expiration,string source,uint256 nonce,uint256 deadline)"
        );
        bool some = d.attrInfoPairsVehicle.length != 0;
        bytes memory first = abi.encode(
            t,
            d.manufacturerNode,
            d.owner,
            keccak256(bytes(d.deviceDefinitionId)),
            some ? hashOf("Make") : keccak256(""),
            some ? hashOf("Tesla") : keccak256("")
        );
        bytes memory second = abi.encode(d.storageNodeId, d.connectionId, d.syntheticDeviceAddr);
        bytes memory third =
            abi.encode(s.grantee, s.permissions, s.expiration, keccak256(bytes(s.source)), nonce, deadline);
        bytes32 digest = typedDigest(keccak256(bytes.concat(first, second, third)));
        (d.vehicleOwnerSig, d.syntheticDeviceSig) = (sign(ALICE_KEY, digest), sign(SYNTHETIC_KEY, digest));
    }

    function mintDigest(address owner) private view returns (bytes32) {
        bytes32 t = keccak256(
            "MintVehicleWithDeviceDefinitionSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos)"
        );
        return typedDigest(
            keccak256(abi.encode(t, 1, owner, keccak256(bytes(DEFINITION)), keccak256(""), keccak256("")))
        );
    }

    function plainDigest() private view returns (bytes32) {
        bytes32 t = keccak256("MintVehicleSign(uint256 manufacturerNode,address owner,string[] attributes,string[] infos)");
        return typedDigest(keccak256(abi.encode(t, 1, alice, keccak256(""), keccak256(""))));
    }

    function connectionDigest() private view returns (bytes32) {
        return typedDigest(keccak256(abi.encode(keccak256("MintVehicleAndSdSign(uint256 connectionId)"), _connection)));
    }
}

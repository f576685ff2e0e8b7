// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AttributeInfoPair} from "../src/registry/RegistryBase.sol";
import {SyntheticDeviceId} from "../src/SyntheticDeviceId.sol";
import {
    MintSyntheticDeviceBatchInput,
    MintSyntheticDeviceInput,
    SyntheticDevices
} from "../src/registry/SyntheticDevices.sol";
import {Base} from "./support/Base.sol";

interface ITransfers {
    function safeTransferFrom(address from, address to, uint256 tokenId) external;
}

contract SyntheticDevicesTest is Base {
    uint256 private _vehicle;
    uint256 private _connection;

    function setUp() public override {
        super.setUp();
        _vehicle = mintVehicleTo(alice);
        _connection = connections.toConnectionId("Tesla");
    }

    // ---------------------------------------------------------------- minting

    function test_mint_linksBothWays_andEmits() public {
        vm.expectEmit(address(registry));
        emit SyntheticDevices.SyntheticDeviceNodeMinted(_connection, 1, _vehicle, synthetic, alice);
        mint();
        vm.assertEq(synthetics.ownerOf(1), alice, "owner");
        vm.assertEq(annex.getNodeLink(address(vehicles), address(synthetics), _vehicle), 1, "vehicle to device");
        vm.assertEq(annex.getNodeLink(address(synthetics), address(vehicles), 1), _vehicle, "device to vehicle");
        vm.assertEq(registry.getParentNode(address(synthetics), 1), _connection, "connection");
        vm.assertEq(annex.getSyntheticDeviceIdByAddress(synthetic), 1, "id");
        vm.assertEq(annex.getSyntheticDeviceAddressById(1), synthetic, "address");
        vm.assertTrue(synthetics.locked(1), "stays with its vehicle");
        vm.assertTrue(synthetics.supportsInterface(0xb45a3c0e), "ERC-5192");
        vm.assertTrue(synthetics.supportsInterface(0x80ac58cd), "ERC-721");
    }

    function test_mint_byWhomeverTheConnectionAllows() public {
        MintSyntheticDeviceInput memory d = input();
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        annex.mintSyntheticDeviceSign(d);
        vm.prank(cloud);
        grants.setPermissions(address(connections), _connection, bob, 12, FAR, "");
        vm.prank(bob);
        annex.mintSyntheticDeviceSign(d);
        d.connectionId = 77;
        vm.expectRevert(err("Unauthorized(address)", cloud));
        vm.prank(cloud);
        annex.mintSyntheticDeviceSign(d);
    }

    function test_mint_refusals() public {
        vm.startPrank(cloud);
        MintSyntheticDeviceInput memory d = input();
        d.vehicleOwnerSig = d.syntheticDeviceSig;
        vm.expectRevert(err("InvalidOwnerSignature()"));
        annex.mintSyntheticDeviceSign(d);
        d = input();
        d.syntheticDeviceSig = d.vehicleOwnerSig;
        vm.expectRevert(err("InvalidSdSignature()"));
        annex.mintSyntheticDeviceSign(d);
        d = input();
        d.syntheticDeviceSig = "";
        d.syntheticDeviceAddr = address(0);
        vm.expectRevert(err("InvalidSdSignature()"));
        annex.mintSyntheticDeviceSign(d);
        d = input();
        d.attrInfoPairs = new AttributeInfoPair[](1);
        d.attrInfoPairs[0] = AttributeInfoPair("Colour", "red");
        vm.expectRevert(err("AttributeNotWhitelisted(string)", "Colour"));
        annex.mintSyntheticDeviceSign(d);
        d = input();
        d.vehicleNode = 99;
        vm.expectRevert(abi.encodeWithSignature("ERC721NonexistentToken(uint256)", 99));
        annex.mintSyntheticDeviceSign(d);
    }

    function test_mint_oneDevicePerVehicle_oneVehiclePerKey() public {
        mint();
        MintSyntheticDeviceInput memory d = input();
        d.syntheticDeviceAddr = device;
        withDeadline(d, DEVICE_KEY, 0, FAR);
        vm.expectRevert(err("VehiclePaired(uint256)", _vehicle));
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR);
        d.vehicleNode = mintVehicleTo(alice);
        d.syntheticDeviceAddr = synthetic;
        withDeadline(d, SYNTHETIC_KEY, 0, FAR);
        vm.expectRevert(err("DeviceAlreadyRegistered(address)", synthetic));
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR);
    }

    function test_mint_attributes() public {
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        annex.addSyntheticDeviceAttribute("Colour");
        annex.addSyntheticDeviceAttribute("Colour");
        vm.expectRevert(err("AttributeExists(string)", "Colour"));
        annex.addSyntheticDeviceAttribute("Colour");
        MintSyntheticDeviceInput memory d = input();
        d.attrInfoPairs = new AttributeInfoPair[](1);
        d.attrInfoPairs[0] = AttributeInfoPair("Colour", "red");
        vm.expectEmit(address(registry));
        emit SyntheticDevices.SyntheticDeviceAttributeSet(1, "Colour", "red");
        vm.prank(cloud);
        annex.mintSyntheticDeviceSign(d);
        vm.expectEmit(address(registry));
        emit SyntheticDevices.SyntheticDeviceAttributeSet(1, "Colour", "red");
        annex.setSyntheticDeviceInfo(1, d.attrInfoPairs);
        vm.expectRevert(err("InvalidNode(address,uint256)", address(synthetics), 2));
        annex.setSyntheticDeviceInfo(2, d.attrInfoPairs);
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        annex.setSyntheticDeviceInfo(1, d.attrInfoPairs);
    }

    function test_mint_batch_needsTheRoleAndTheConnection() public {
        MintSyntheticDeviceBatchInput[] memory list = new MintSyntheticDeviceBatchInput[](2);
        (list[0].vehicleNode, list[0].syntheticDeviceAddr) = (_vehicle, synthetic);
        (list[1].vehicleNode, list[1].syntheticDeviceAddr) = (mintVehicleTo(bob), device);
        vm.expectRevert(notAllowed(cloud));
        vm.prank(cloud);
        annex.mintSyntheticDeviceBatch(_connection, list);
        vm.expectRevert(err("Unauthorized(address)", address(this)));
        annex.mintSyntheticDeviceBatch(_connection, list);
        vm.prank(cloud);
        grants.setPermissions(address(connections), _connection, address(this), 12, FAR, "");
        annex.mintSyntheticDeviceBatch(_connection, list);
        vm.assertEq(synthetics.ownerOf(1), alice, "first");
        vm.assertEq(synthetics.ownerOf(2), bob, "second");
        (list[0].vehicleNode, list[0].syntheticDeviceAddr) = (mintVehicleTo(bob), address(0));
        vm.expectRevert(err("ZeroAddress()"));
        annex.mintSyntheticDeviceBatch(_connection, list);
    }

    // ---------------------------------------------------------------- with deadline

    function test_withDeadline_again_afterTheOldFormIsSpent() public {
        mint();
        vm.prank(alice);
        synthetics.burn(1);
        MintSyntheticDeviceInput memory d = input();
        bytes32 used = typedDigest(keccak256(abi.encode(TYPE, _connection, _vehicle)));
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", used));
        vm.prank(cloud);
        annex.mintSyntheticDeviceSign(d);
        vm.assertTrue(annex.isConnectUsed(_connection, _vehicle), "used");
        withDeadline(d, SYNTHETIC_KEY, 0, FAR);
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR);
        vm.assertEq(annex.getSyntheticDeviceIdByAddress(synthetic), 2, "a new id under the same key");
        vm.expectRevert(abi.encodeWithSignature("InvalidAccountNonce(address,uint256)", alice, 1));
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR);
    }

    /// @dev The first connection is remembered beside the vehicle's links, later ones by digest.
    function test_oldForm_countsOnce_forEachConnection() public {
        mint();
        for (uint256 i = 0; i < 2; ++i) {
            string memory name = i == 0 ? "Second" : "Third";
            uint256 connection = connections.mint(cloud, address(uint160(0x77 + i)), name, "gold");
            vm.assertFalse(annex.isConnectUsed(connection, _vehicle), "not used");
            for (uint256 j = 0; j < 2; ++j) {
                uint256 id = annex.getNodeLink(address(vehicles), address(synthetics), _vehicle);
                vm.prank(alice);
                synthetics.burn(id);
                bytes32 digest = typedDigest(keccak256(abi.encode(TYPE, connection, _vehicle)));
                MintSyntheticDeviceInput memory d = input();
                d.connectionId = connection;
                (d.syntheticDeviceSig, d.vehicleOwnerSig) = (sign(SYNTHETIC_KEY, digest), sign(ALICE_KEY, digest));
                if (j == 1) vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", digest));
                vm.prank(cloud);
                annex.mintSyntheticDeviceSign(d);
                if (j == 1) mintAgain();
            }
            vm.assertTrue(annex.isConnectUsed(connection, _vehicle), "used");
        }
        vm.assertTrue(annex.isConnectUsed(_connection, _vehicle), "the first is not forgotten");
    }

    function mintAgain() private {
        MintSyntheticDeviceInput memory d = input();
        uint256 nonce = registry.nonces(alice);
        withDeadline(d, SYNTHETIC_KEY, nonce, FAR);
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, nonce, FAR);
    }

    function test_withDeadline_lapses_andIsTheConnections() public {
        MintSyntheticDeviceInput memory d = input();
        withDeadline(d, SYNTHETIC_KEY, 0, NOW - 1);
        vm.expectRevert(err("SignatureExpired(uint256)", NOW - 1));
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, NOW - 1);
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        annex.mintSyntheticDeviceWithDeadline(d, 0, NOW);
    }

    function test_withDeadline_theOwnersOwnCall_needsNoSignatureOfTheirs() public {
        vm.prank(cloud);
        grants.setPermissions(address(connections), _connection, alice, 12, FAR, "");
        MintSyntheticDeviceInput memory d = input();
        withDeadline(d, SYNTHETIC_KEY, 0, FAR);
        d.vehicleOwnerSig = "";
        vm.expectRevert(err("InvalidOwnerSignature()"));
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR);
        vm.prank(alice);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR);
        vm.assertEq(synthetics.ownerOf(1), alice, "owner");
    }

    function testFuzz_withDeadline_anyChangedField_isRefused(uint8 field, uint256 by) public {
        uint256 other = mintVehicleTo(alice);
        vm.prank(cloud);
        grants.setPermissions(address(connections), _connection, alice, 12, FAR, "");
        uint256 connection2 = connections.mint(cloud, bob, "Other", "gold");
        MintSyntheticDeviceInput memory d = input();
        withDeadline(d, SYNTHETIC_KEY, 0, FAR);
        (uint256 nonce, uint256 deadline) = (0, FAR);
        field = field % 6;
        if (field == 0) d.vehicleNode = other;
        if (field == 1) d.connectionId = connection2;
        if (field == 2) d.syntheticDeviceAddr = address(uint160(by));
        if (field == 3) nonce = (1 + by % type(uint128).max) << 64;
        if (field == 4) deadline = FAR + 1 + by % FAR;
        if (field == 5) vm.chainId(1 + by % 0xfffffff == block.chainid ? 1 : 1 + by % 0xfffffff);
        vm.assume(field != 2 || d.syntheticDeviceAddr != synthetic);
        vm.expectRevert();
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, nonce, deadline);
        vm.assertFalse(synthetics.exists(1), "minted");
    }

    // ---------------------------------------------------------------- burning

    function test_burn_byItsOwner_leavesNothingBehind() public {
        mint();
        vm.expectRevert(err("Unauthorized()"));
        vm.prank(bob);
        synthetics.burn(1);
        vm.expectEmit(address(registry));
        emit SyntheticDevices.SyntheticDeviceNodeBurned(1, _vehicle, alice);
        vm.prank(alice);
        synthetics.burn(1);
        gone();
    }

    function test_burn_bySignature_inBothForms() public {
        mint();
        bytes32 t = keccak256("BurnSyntheticDeviceSign(uint256 vehicleNode,uint256 syntheticDeviceNode)");
        bytes32 digest = typedDigest(keccak256(abi.encode(t, _vehicle, 1)));
        bytes memory sig = sign(ALICE_KEY, digest);
        bytes memory bobs = sign(BOB_KEY, digest);
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        annex.burnSyntheticDeviceSign(_vehicle, 1, sig);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        annex.burnSyntheticDeviceSign(_vehicle, 1, bobs);
        annex.burnSyntheticDeviceSign(_vehicle, 1, sig);
        gone();
    }

    function test_burn_withDeadline_byAnyone() public {
        mint();
        bytes32 t = keccak256(
            "BurnSyntheticDeviceWithDeadlineSign(uint256 vehicleNode,uint256 syntheticDeviceNode,uint256 nonce,uint256 deadline)"
        );
        bytes memory wrong = sign(ALICE_KEY, typedDigest(keccak256(abi.encode(t, 99, 1, 0, FAR))));
        vm.expectRevert(err("VehicleNotPaired(uint256)", uint256(99)));
        annex.burnSyntheticDeviceWithDeadline(99, 1, 0, FAR, wrong);
        bytes memory sig = sign(ALICE_KEY, typedDigest(keccak256(abi.encode(t, _vehicle, 1, 0, FAR))));
        vm.expectRevert(err("InvalidOwnerSignature()"));
        annex.burnSyntheticDeviceWithDeadline(_vehicle, 1, 0, FAR, wrong);
        vm.prank(bob);
        annex.burnSyntheticDeviceWithDeadline(_vehicle, 1, 0, FAR, sig);
        gone();
    }

    function test_vehicle_isNotBurnt_whileConnected() public {
        mint();
        vm.expectRevert(err("VehiclePaired(uint256)", _vehicle));
        vm.prank(alice);
        vehicles.burn(_vehicle);
        vm.prank(alice);
        synthetics.burn(1);
        vm.prank(alice);
        vehicles.burn(_vehicle);
    }

    // ---------------------------------------------------------------- moving

    function test_goesWithItsVehicle_andNeverAlone() public {
        mint();
        vm.startPrank(alice);
        vm.expectRevert(err("StaysWithVehicle()"));
        synthetics.transferFrom(alice, bob, 1);
        vm.expectRevert(err("StaysWithVehicle()"));
        ITransfers(address(synthetics)).safeTransferFrom(alice, bob, 1);
        vm.expectRevert(err("StaysWithVehicle()"));
        synthetics.approve(bob, 1);
        vm.expectRevert(err("StaysWithVehicle()"));
        synthetics.setApprovalForAll(bob, true);
        vehicles.transferFrom(alice, bob, _vehicle);
        vm.stopPrank();
        vm.assertEq(synthetics.ownerOf(1), bob, "owner");
        vm.assertEq(annex.getNodeLink(address(vehicles), address(synthetics), _vehicle), 1, "still linked");
        vm.expectRevert(err("Unauthorized()"));
        vm.prank(alice);
        synthetics.burn(1);
    }

    function test_hooks_onlyForTheTokens() public {
        mint();
        vm.expectRevert(err("OnlyNftProxy()"));
        registry.onVehicleTransfer(alice, bob, _vehicle);
        vm.expectRevert(err("OnlyNftProxy()"));
        annex.validateSdBurnAndResetNode(1);
        vm.expectRevert(err("Unauthorized()"));
        synthetics.moveByRegistry(bob, 1);
        vm.expectRevert(err("Unauthorized()"));
        synthetics.burnByRegistry(1);
        vm.expectRevert(err("Unauthorized()"));
        synthetics.mint(bob);
        vm.expectRevert(abi.encodeWithSignature("ERC721NonexistentToken(uint256)", 2));
        synthetics.locked(2);
    }

    function test_links_betweenKinds() public {
        uint256 d = claimedDevice(alice);
        vm.prank(alice);
        registry.pairAftermarketDevice(d, _vehicle);
        vm.assertEq(annex.getNodeLink(address(vehicles), address(devices), _vehicle), d, "vehicle to device");
        vm.assertEq(annex.getNodeLink(address(devices), address(vehicles), d), _vehicle, "device to vehicle");
        vm.assertEq(annex.getNodeLink(address(devices), address(synthetics), d), 0, "device to device");
        vm.assertEq(annex.getNodeLink(address(vehicles), address(manufacturers), _vehicle), 0, "to another kind");
        vm.assertEq(annex.getNodeLink(address(manufacturers), address(vehicles), 1), 0, "from another kind");
        vm.assertEq(registry.getParentNode(address(manufacturers), 1), 0, "no parent");
        (address a, address b, address c, address e) = registry.nodeTokens();
        vm.assertEq(a, address(manufacturers), "manufacturers");
        vm.assertEq(b, address(vehicles), "vehicles");
        vm.assertEq(c, address(devices), "devices");
        vm.assertEq(e, address(synthetics), "synthetic devices");
    }

    function test_definition_isCorrectedByTheEditor() public {
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        annex.setDeviceDefinitionId(_vehicle, "tesla_model-y_2021");
        vm.expectRevert(err("InvalidNode(address,uint256)", address(vehicles), 99));
        annex.setDeviceDefinitionId(99, "tesla_model-y_2021");
        annex.setDeviceDefinitionId(_vehicle, "tesla_model-y_2021");
        vm.assertEq(registry.getDeviceDefinitionIdByVehicleId(_vehicle), "tesla_model-y_2021", "definition");
    }

    // ---------------------------------------------------------------- steps

    bytes32 private constant TYPE = keccak256("MintSyntheticDeviceSign(uint256 connectionId,uint256 vehicleNode)");

    function input() private view returns (MintSyntheticDeviceInput memory d) {
        bytes32 digest = typedDigest(keccak256(abi.encode(TYPE, _connection, _vehicle)));
        (d.connectionId, d.vehicleNode, d.syntheticDeviceAddr) = (_connection, _vehicle, synthetic);
        (d.syntheticDeviceSig, d.vehicleOwnerSig) = (sign(SYNTHETIC_KEY, digest), sign(ALICE_KEY, digest));
    }

    function withDeadline(MintSyntheticDeviceInput memory d, uint256 key, uint256 nonce, uint256 deadline)
        private
        view
    {
        bytes32 t = keccak256(
            "MintSyntheticDeviceWithDeadlineSign(uint256 connectionId,uint256 vehicleNode,address syntheticDeviceAddr,uint256 nonce,uint256 deadline)"
        );
        bytes32 digest = typedDigest(
            keccak256(abi.encode(t, d.connectionId, d.vehicleNode, d.syntheticDeviceAddr, nonce, deadline))
        );
        (d.syntheticDeviceSig, d.vehicleOwnerSig) = (sign(key, digest), sign(ALICE_KEY, digest));
    }

    function mint() private {
        MintSyntheticDeviceInput memory d = input();
        vm.prank(cloud);
        annex.mintSyntheticDeviceSign(d);
    }

    function gone() private view {
        vm.assertFalse(synthetics.exists(1), "token");
        vm.assertEq(annex.getNodeLink(address(vehicles), address(synthetics), _vehicle), 0, "link");
        vm.assertEq(annex.getNodeLink(address(synthetics), address(vehicles), 1), 0, "link back");
        vm.assertEq(annex.getSyntheticDeviceIdByAddress(synthetic), 0, "id");
        vm.assertEq(annex.getSyntheticDeviceAddressById(1), address(0), "address");
        vm.assertEq(registry.getParentNode(address(synthetics), 1), 0, "connection");
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {SacdInput} from "../src/interfaces/INodes.sol";
import {AttributeInfoPair} from "../src/registry/RegistryBase.sol";
import {Base} from "./support/Base.sol";
import {Vm} from "./support/Vm.sol";
import {Wallet} from "./support/Wallet.sol";

contract VehiclesTest is Base {
    string private constant DD = "tesla_model-3_2020";
    AttributeInfoPair[] private _attributes;

    function test_mint_emitsInOrder_andKeeps() public {
        _attributes.push(AttributeInfoPair("Make", "Tesla"));
        vm.recordLogs();
        vm.prank(bob);
        registry.mintVehicleWithDeviceDefinition(1, alice, DD, _attributes);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 3, "events");
        vm.assertEq(logs[0].topics[0], keccak256("Transfer(address,address,uint256)"), "first");
        vm.assertEq(
            logs[1].topics[0],
            keccak256("VehicleNodeMintedWithDeviceDefinition(uint256,uint256,address,string)"),
            "second"
        );
        vm.assertEq(logs[2].topics[0], keccak256("VehicleAttributeSet(uint256,string,string)"), "third");
        vm.assertEq(vehicles.ownerOf(1), alice, "owner");
        vm.assertEq(registry.getParentNode(address(vehicles), 1), 1, "manufacturer");
        vm.assertEq(registry.getDeviceDefinitionIdByVehicleId(1), DD, "definition");
        vm.assertEq(registry.getBeneficiary(address(vehicles), 1), alice, "beneficiary");
    }

    function test_mint_refusals() public {
        vm.expectRevert(err("InvalidParentNode(uint256)", uint256(7)));
        registry.mintVehicleWithDeviceDefinition(7, alice, DD, noAttributes);
        _attributes.push(AttributeInfoPair("Colour", "red"));
        vm.expectRevert(err("AttributeNotWhitelisted(string)", string("Colour")));
        registry.mintVehicleWithDeviceDefinition(1, alice, DD, _attributes);
        Wallet wallet = new Wallet(alice);
        wallet.refuseTokens();
        vm.expectRevert(err("ERC721InvalidReceiver(address)", address(wallet)));
        registry.mintVehicleWithDeviceDefinition(1, address(wallet), DD, noAttributes);
        vm.expectRevert(err("ERC721InvalidReceiver(address)", address(0)));
        registry.mintVehicleWithDeviceDefinition(1, address(0), DD, noAttributes);
    }

    function test_mintWithGrant_onlyByTheOwner() public {
        SacdInput memory sacd = SacdInput(bob, ALL_EIGHT, FAR, CID);
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        registry.mintVehicleWithDeviceDefinition(1, alice, DD, noAttributes, sacd);
        vm.prank(alice);
        registry.mintVehicleWithDeviceDefinition(1, alice, DD, noAttributes, sacd);
        vm.assertTrue(grants.hasPermission(address(vehicles), 1, bob, 8), "granted");
        vm.assertEq(grants.currentPermissionRecord(address(vehicles), 1, bob).source, CID, "source");
        // A zero grantee is no grant, and then anyone may mint.
        sacd.grantee = address(0);
        vm.prank(bob);
        registry.mintVehicleWithDeviceDefinition(1, alice, DD, noAttributes, sacd);
        vm.assertEq(vehicles.balanceOf(alice), 2, "vehicles");
    }

    function test_mintSign_ofAContractWallet() public {
        Wallet wallet = new Wallet(alice);
        bytes memory sig = sign(ALICE_KEY, oldDigest(address(wallet)));
        registry.mintVehicleWithDeviceDefinitionSign(1, address(wallet), DD, noAttributes, sig);
        vm.assertEq(vehicles.ownerOf(1), address(wallet), "owner");
    }

    function test_mintSign_refusals() public {
        bytes memory sig = sign(BOB_KEY, oldDigest(alice));
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.mintVehicleWithDeviceDefinitionSign(1, alice, DD, noAttributes, sig);
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        registry.mintVehicleWithDeviceDefinitionSign(1, alice, DD, noAttributes, sig);
    }

    function test_mintWithDeadline_anyoneMayBringIt_once() public {
        _attributes.push(AttributeInfoPair("Make", "Tesla"));
        _attributes.push(AttributeInfoPair("Year", "2020"));
        bytes memory sig = sign(ALICE_KEY, deadlineDigest(alice, 0, NOW));
        vm.prank(bob);
        registry.mintVehicleWithDeviceDefinitionWithDeadline(1, alice, DD, _attributes, 0, NOW, sig);
        vm.assertEq(vehicles.ownerOf(1), alice, "owner");
        vm.expectRevert(err("InvalidAccountNonce(address,uint256)", alice, 1));
        registry.mintVehicleWithDeviceDefinitionWithDeadline(1, alice, DD, _attributes, 0, NOW, sig);
    }

    function test_mintWithDeadline_refusals() public {
        bytes memory sig = sign(ALICE_KEY, deadlineDigest(alice, 0, NOW - 1));
        vm.expectRevert(err("SignatureExpired(uint256)", NOW - 1));
        registry.mintVehicleWithDeviceDefinitionWithDeadline(1, alice, DD, _attributes, 0, NOW - 1, sig);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.mintVehicleWithDeviceDefinitionWithDeadline(1, alice, DD, _attributes, 0, NOW, sig);
        vm.assertEq(registry.nonces(alice), 0, "a refused call spends no nonce");
    }

    function test_nonces_ofSeparateKeysAreIndependent() public {
        uint256 key = 5 << 64;
        bytes memory sig = sign(ALICE_KEY, deadlineDigest(alice, key, NOW));
        registry.mintVehicleWithDeviceDefinitionWithDeadline(1, alice, DD, _attributes, key, NOW, sig);
        vm.assertEq(registry.nonces(alice), 0, "key 0");
        vm.assertEq(registry.nonces(alice, 5), key + 1, "key 5");
    }

    function test_burn_byTheOwnerOnly() public {
        uint256 id = mintVehicleTo(alice);
        vm.expectRevert(err("Unauthorized()"));
        vm.prank(bob);
        vehicles.burn(id);
        vm.recordLogs();
        vm.prank(alice);
        vehicles.burn(id);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs[0].topics[0], keccak256("VehicleNodeBurned(uint256,address)"), "first");
        vm.assertEq(logs[1].topics[0], keccak256("Transfer(address,address,uint256)"), "second");
        vm.expectRevert(err("ERC721NonexistentToken(uint256)", id));
        vm.prank(alice);
        vehicles.burn(id);
        mintVehicleTo(bob);
        vm.assertFalse(vehicles.exists(id), "an id came back");
        vm.assertTrue(vehicles.exists(id + 1), "the next id");
    }

    function test_burn_refusedWhilePaired() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        vm.prank(alice);
        registry.pairAftermarketDevice(id, vehicle);
        vm.expectRevert(err("VehiclePaired(uint256)", vehicle));
        vm.prank(alice);
        vehicles.burn(vehicle);
        bytes memory sig = sign(ALICE_KEY, burnDigest(vehicle));
        vm.expectRevert(err("VehiclePaired(uint256)", vehicle));
        registry.burnVehicleSign(vehicle, sig);
    }

    function test_burnSign_refusals() public {
        uint256 id = mintVehicleTo(alice);
        bytes memory sig = sign(BOB_KEY, burnDigest(id));
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.burnVehicleSign(id, sig);
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        registry.burnVehicleSign(id, sig);
        vm.expectRevert(err("ERC721NonexistentToken(uint256)", uint256(99)));
        registry.burnVehicleSign(99, sig);
    }

    function test_burnWithDeadline() public {
        uint256 id = mintVehicleTo(alice);
        bytes32 t = keccak256("BurnVehicleWithDeadlineSign(uint256 vehicleNode,uint256 nonce,uint256 deadline)");
        bytes memory sig = sign(ALICE_KEY, typedDigest(keccak256(abi.encode(t, id, 0, NOW))));
        vm.warp(NOW + 1);
        vm.expectRevert(err("SignatureExpired(uint256)", NOW));
        registry.burnVehicleWithDeadline(id, 0, NOW, sig);
        vm.warp(NOW);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.burnVehicleWithDeadline(id, 0, NOW + 1, sig);
        vm.prank(bob);
        registry.burnVehicleWithDeadline(id, 0, NOW, sig);
        vm.assertFalse(vehicles.exists(id), "exists");
    }

    function test_hooks_onlyForTheTokens() public {
        uint256 id = mintVehicleTo(alice);
        vm.expectRevert(err("OnlyNftProxy()"));
        registry.validateBurnAndResetNode(id);
        vm.expectRevert(err("OnlyNftProxy()"));
        registry.resetAftermarketDeviceForClaiming(alice, 1);
        vm.expectRevert(err("OnlyNftProxy()"));
        registry.onAftermarketDeviceTransfer(alice, bob, 1);
        vm.expectRevert(err("Unauthorized()"));
        vehicles.mint(alice);
        vm.expectRevert(err("Unauthorized()"));
        vehicles.acknowledge(alice, alice, id);
        vm.expectRevert(err("Unauthorized()"));
        vehicles.setSacd(id, SacdInput(bob, ALL_EIGHT, FAR, CID));
        vm.expectRevert(err("Unauthorized()"));
        devices.moveByRegistry(bob, 1);
    }

    function test_token_movesOnlyByItsOwner() public {
        uint256 id = mintVehicleTo(alice);
        vm.expectRevert(err("ApprovalsRefused()"));
        vm.prank(alice);
        vehicles.approve(bob, id);
        vm.expectRevert(err("ApprovalsRefused()"));
        vm.prank(alice);
        vehicles.setApprovalForAll(bob, true);
        vm.expectRevert(err("ERC721InsufficientApproval(address,uint256)", bob, id));
        vm.prank(bob);
        vehicles.transferFrom(alice, bob, id);
        vm.prank(alice);
        vehicles.safeTransferFrom(alice, bob, id);
        vm.assertEq(vehicles.ownerOf(id), bob, "owner");
        vm.assertEq(grants.tokenIdToVersion(address(vehicles), id), 1, "version");
    }

    function test_info_onlyByRole_ofAnExistingVehicle() public {
        uint256 id = mintVehicleTo(alice);
        _attributes.push(AttributeInfoPair("ImageURI", "https://example.org/car.png"));
        registry.setVehicleInfo(id, _attributes);
        vm.expectRevert(err("InvalidNode(address,uint256)", address(vehicles), 99));
        registry.setVehicleInfo(99, _attributes);
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        registry.setVehicleInfo(id, _attributes);
        vm.expectRevert(err("AttributeExists(string)", string("Make")));
        registry.addVehicleAttribute("Make");
        registry.addVehicleAttribute("DataURI");
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        registry.addVehicleAttribute("Colour");
    }

    function test_metadata() public {
        uint256 id = mintVehicleTo(alice);
        vm.assertEq(vehicles.tokenURI(id), "", "no base URI");
        vehicles.setBaseURI("https://example.org/vehicle/");
        vm.assertEq(vehicles.tokenURI(id), "https://example.org/vehicle/1", "URI");
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        vehicles.setBaseURI("x");
        vm.assertTrue(vehicles.supportsInterface(0x80ac58cd), "ERC-721");
        vm.assertTrue(vehicles.supportsInterface(0x49064906), "ERC-4906");
        vm.assertFalse(vehicles.supportsInterface(0xffffffff), "none");
        vm.assertEq(vehicles._dimoRegistry(), address(registry), "registry");
        vm.assertEq(vehicles.sacd(), address(grants), "grants");
        vm.assertEq(registry.getSacd(), address(grants), "grants of the registry");
    }

    function testFuzz_mintSignature_holdsForItsFieldsOnly(uint256 manufacturer, address owner, string calldata dd)
        public
    {
        bytes memory sig = sign(ALICE_KEY, oldDigest(alice));
        vm.assume(manufacturer != 1 || owner != alice || keccak256(bytes(dd)) != keccak256(bytes(DD)));
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.mintVehicleWithDeviceDefinitionSign(manufacturer, owner, dd, noAttributes, sig);
    }

    function oldDigest(address owner) private view returns (bytes32) {
        bytes32 t = keccak256(
            "MintVehicleWithDeviceDefinitionSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos)"
        );
        return typedDigest(keccak256(abi.encode(t, 1, owner, keccak256(bytes(DD)), keccak256(""), keccak256(""))));
    }

    /// @dev Over _attributes.
    function deadlineDigest(address owner, uint256 nonce, uint256 deadline) private view returns (bytes32) {
        bytes32 t = keccak256(
            "MintVehicleWithDeviceDefinitionWithDeadlineSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos,uint256 nonce,uint256 deadline)"
        );
        bytes memory names;
        bytes memory infos;
        for (uint256 i = 0; i < _attributes.length; ++i) {
            names = bytes.concat(names, keccak256(bytes(_attributes[i].attribute)));
            infos = bytes.concat(infos, keccak256(bytes(_attributes[i].info)));
        }
        return typedDigest(
            keccak256(
                abi.encode(t, 1, owner, keccak256(bytes(DD)), keccak256(names), keccak256(infos), nonce, deadline)
            )
        );
    }
}

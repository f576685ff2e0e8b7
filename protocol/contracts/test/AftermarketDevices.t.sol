// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {
    AftermarketDeviceIdAddressPair,
    AftermarketDeviceInfos,
    AftermarketDeviceOwnerPair,
    AttributeInfoPair
} from "../src/registry/RegistryBase.sol";
import {Base} from "./support/Base.sol";
import {Wallet} from "./support/Wallet.sol";

contract AftermarketDevicesTest is Base {
    AttributeInfoPair[] private _attributes;

    // ---------------------------------------------------------------- minting

    function test_mint_byOwnerOrPermission1() public {
        AftermarketDeviceInfos[] memory infos = new AftermarketDeviceInfos[](2);
        (infos[0].addr, infos[1].addr) = (device, bob);
        vm.expectRevert(err("Unauthorized(address)", alice));
        vm.prank(alice);
        registry.mintAftermarketDeviceByManufacturerBatch(1, infos);

        vm.prank(maker);
        grants.setPermissions(address(manufacturers), 1, alice, 3 << 2, FAR, CID);
        vm.prank(alice);
        registry.mintAftermarketDeviceByManufacturerBatch(1, infos);
        vm.assertEq(devices.ownerOf(1), maker, "first goes to the manufacturer's owner");
        vm.assertEq(devices.ownerOf(2), maker, "second goes to the manufacturer's owner");
        vm.assertEq(registry.getAftermarketDeviceIdByAddress(bob), 2, "id by address");
        vm.assertEq(registry.getAftermarketDeviceAddressById(1), device, "address by id");
        vm.assertEq(registry.getParentNode(address(devices), 2), 1, "manufacturer");
        vm.assertFalse(registry.isAftermarketDeviceClaimed(1), "claimed");
    }

    function test_mint_refusals() public {
        AftermarketDeviceInfos[] memory infos = new AftermarketDeviceInfos[](1);
        vm.expectRevert(err("InvalidParentNode(uint256)", uint256(5)));
        registry.mintAftermarketDeviceByManufacturerBatch(5, infos);
        vm.startPrank(maker);
        vm.expectRevert(err("ZeroAddress()"));
        registry.mintAftermarketDeviceByManufacturerBatch(1, infos);
        infos[0].addr = device;
        registry.mintAftermarketDeviceByManufacturerBatch(1, infos);
        vm.expectRevert(err("DeviceAlreadyRegistered(address)", device));
        registry.mintAftermarketDeviceByManufacturerBatch(1, infos);
        infos[0].addr = bob;
        infos[0].attrInfoPairs = new AttributeInfoPair[](1);
        infos[0].attrInfoPairs[0] = AttributeInfoPair("Colour", "red");
        vm.expectRevert(err("AttributeNotWhitelisted(string)", string("Colour")));
        registry.mintAftermarketDeviceByManufacturerBatch(1, infos);
    }

    // ---------------------------------------------------------------- claiming

    function test_claim_refusals() public {
        uint256 id = mintDevice(device);
        bytes memory sig = sign(BOB_KEY, claimDigest(id, alice));
        vm.expectRevert(err("InvalidAdSignature()"));
        vm.prank(alice);
        registry.claimAftermarketDevice(id, sig);
        sig = sign(DEVICE_KEY, claimDigest(99, alice));
        vm.expectRevert(err("InvalidNode(address,uint256)", address(devices), 99));
        vm.prank(alice);
        registry.claimAftermarketDevice(99, sig);

        sig = sign(DEVICE_KEY, claimDigest(id, alice));
        vm.prank(alice);
        registry.claimAftermarketDevice(id, sig);
        vm.assertTrue(registry.isAftermarketDeviceClaimed(id), "claimed");
        sig = sign(DEVICE_KEY, claimDigest(id, bob));
        vm.expectRevert(err("DeviceAlreadyClaimed(uint256)", id));
        vm.prank(bob);
        registry.claimAftermarketDevice(id, sig);
    }

    function test_claimSign_bothSign_relayBrings() public {
        uint256 id = mintDevice(device);
        bytes32 digest = claimDigest(id, alice);
        bytes memory ownerSig = sign(ALICE_KEY, digest);
        bytes memory deviceSig = sign(DEVICE_KEY, digest);
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        registry.claimAftermarketDeviceSign(id, alice, ownerSig, deviceSig);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.claimAftermarketDeviceSign(id, alice, deviceSig, deviceSig);
        vm.expectRevert(err("InvalidAdSignature()"));
        registry.claimAftermarketDeviceSign(id, alice, ownerSig, ownerSig);
        registry.claimAftermarketDeviceSign(id, alice, ownerSig, deviceSig);
        vm.assertEq(devices.ownerOf(id), alice, "owner");
        vm.assertTrue(annex.isClaimUsed(id, alice), "claim");
        vm.assertFalse(annex.isClaimUsed(id, bob), "claim of another");
    }

    function test_claimSign_forAContractWallet() public {
        uint256 id = mintDevice(device);
        Wallet wallet = new Wallet(alice);
        bytes32 digest = claimDigest(id, address(wallet));
        registry.claimAftermarketDeviceSign(id, address(wallet), sign(ALICE_KEY, digest), sign(DEVICE_KEY, digest));
        vm.assertEq(devices.ownerOf(id), address(wallet), "owner");
    }

    function test_claimWithDeadline_ownerCallsOrSigns() public {
        uint256 id = mintDevice(device);
        bytes32 digest = claimDigest(id, alice, 0, NOW);
        bytes memory deviceSig = sign(DEVICE_KEY, digest);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        vm.prank(bob);
        registry.claimAftermarketDeviceWithDeadline(id, alice, 0, NOW, "", deviceSig);
        vm.expectRevert(err("InvalidAdSignature()"));
        vm.prank(alice);
        registry.claimAftermarketDeviceWithDeadline(id, alice, 0, NOW, "", "");
        vm.prank(alice);
        registry.claimAftermarketDeviceWithDeadline(id, alice, 0, NOW, "", deviceSig);
        vm.assertEq(devices.ownerOf(id), alice, "owner");

        // Given back and claimed anew by a relayed call: the deadline form may be used again with the next nonce.
        vm.prank(alice);
        devices.returnToManufacturer(id);
        digest = claimDigest(id, alice, 1, NOW);
        vm.warp(NOW + 1);
        vm.expectRevert(err("SignatureExpired(uint256)", NOW));
        registry.claimAftermarketDeviceWithDeadline(
            id, alice, 1, NOW, sign(ALICE_KEY, digest), sign(DEVICE_KEY, digest)
        );
        vm.warp(NOW);
        vm.prank(bob);
        registry.claimAftermarketDeviceWithDeadline(
            id, alice, 1, NOW, sign(ALICE_KEY, digest), sign(DEVICE_KEY, digest)
        );
        vm.assertEq(devices.ownerOf(id), alice, "owner again");
    }

    function test_claimBatch_byRoleOrPermission2() public {
        AftermarketDeviceOwnerPair[] memory pairs = new AftermarketDeviceOwnerPair[](1);
        pairs[0] = AftermarketDeviceOwnerPair(mintDevice(device), alice);
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        registry.claimAftermarketDeviceBatch(pairs);
        vm.prank(maker);
        grants.setPermissions(address(manufacturers), 1, bob, 3 << 4, FAR, CID);
        vm.prank(bob);
        registry.claimAftermarketDeviceBatch(pairs);
        vm.assertEq(devices.ownerOf(1), alice, "owner");

        pairs[0] = AftermarketDeviceOwnerPair(mintDevice(bob), alice);
        registry.claimAftermarketDeviceBatch(pairs); // by role
        vm.assertEq(devices.ownerOf(2), alice, "owner of the second");
        vm.expectRevert(err("DeviceAlreadyClaimed(uint256)", uint256(2)));
        registry.claimAftermarketDeviceBatch(pairs);
        pairs[0].aftermarketDeviceNodeId = 99;
        vm.expectRevert(err("InvalidNode(address,uint256)", address(devices), 99));
        registry.claimAftermarketDeviceBatch(pairs);
    }

    // ---------------------------------------------------------------- pairing

    function test_pair_linksBothWays_once() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        vm.prank(alice);
        registry.pairAftermarketDevice(id, vehicle);
        vm.assertEq(registry.getLink(address(devices), id), vehicle, "device to vehicle");
        vm.assertEq(registry.getLink(address(vehicles), vehicle), id, "vehicle to device");
        vm.assertEq(registry.getLink(address(this), id), 0, "unknown token contract");

        vm.startPrank(alice);
        vm.expectRevert(err("AdPaired(uint256)", id));
        registry.pairAftermarketDevice(id, vehicle);
        vm.stopPrank();
        uint256 second = mintDevice(bob);
        bytes memory sig = sign(BOB_KEY, claimDigest(second, alice));
        vm.startPrank(alice);
        registry.claimAftermarketDevice(second, sig);
        vm.expectRevert(err("VehiclePaired(uint256)", vehicle));
        registry.pairAftermarketDevice(second, vehicle);
    }

    function test_pair_refusals() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = mintDevice(device);
        vm.expectRevert(err("OwnersDoNotMatch()"));
        vm.prank(alice);
        registry.pairAftermarketDevice(id, vehicle);
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        registry.pairAftermarketDevice(id, vehicle);
        vm.expectRevert(err("ERC721NonexistentToken(uint256)", uint256(99)));
        vm.prank(alice);
        registry.pairAftermarketDevice(id, 99);
        bytes memory sig = sign(DEVICE_KEY, pairDigest(id, vehicle));
        vm.expectRevert(err("AdNotClaimed(uint256)", id));
        vm.prank(alice);
        registry.pairAftermarketDeviceWithAdSig(id, vehicle, sig);
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        registry.pairAftermarketDeviceWithAdSig(id, vehicle, sig);
    }

    function test_pairWithAdSig_ownersMayDiffer() public {
        uint256 vehicle = mintVehicleTo(bob);
        uint256 id = claimedDevice(alice);
        bytes memory sig = sign(ALICE_KEY, pairDigest(id, vehicle));
        vm.expectRevert(err("InvalidAdSignature()"));
        vm.prank(bob);
        registry.pairAftermarketDeviceWithAdSig(id, vehicle, sig);
        sig = sign(DEVICE_KEY, pairDigest(id, vehicle));
        vm.prank(bob);
        registry.pairAftermarketDeviceWithAdSig(id, vehicle, sig);
        vm.assertEq(registry.getLink(address(vehicles), vehicle), id, "link");
    }

    function test_pairSign_oneSignature_sameOwner() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        bytes memory sig = sign(ALICE_KEY, pairDigest(id, vehicle));
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        registry.pairAftermarketDeviceSign(id, vehicle, sig);
        bytes memory wrong = sign(BOB_KEY, pairDigest(id, vehicle));
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.pairAftermarketDeviceSign(id, vehicle, wrong);
        registry.pairAftermarketDeviceSign(id, vehicle, sig);

        uint256 other = mintVehicleTo(bob);
        sig = sign(BOB_KEY, pairDigest(id, other));
        vm.expectRevert(err("OwnersDoNotMatch()"));
        registry.pairAftermarketDeviceSign(id, other, sig);
    }

    function test_pairSign_twoSignatures_ownersMayDiffer() public {
        uint256 vehicle = mintVehicleTo(bob);
        uint256 id = claimedDevice(alice);
        bytes32 digest = pairDigest(id, vehicle);
        (bytes memory deviceSig, bytes memory ownerSig) = (sign(DEVICE_KEY, digest), sign(BOB_KEY, digest));
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        registry.pairAftermarketDeviceSign(id, vehicle, deviceSig, ownerSig);
        vm.expectRevert(err("InvalidAdSignature()"));
        registry.pairAftermarketDeviceSign(id, vehicle, ownerSig, ownerSig);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.pairAftermarketDeviceSign(id, vehicle, deviceSig, deviceSig);
        registry.pairAftermarketDeviceSign(id, vehicle, deviceSig, ownerSig);
        vm.assertEq(registry.getLink(address(vehicles), vehicle), id, "link");
    }

    function test_pairWithDeadline() public {
        uint256 vehicle = mintVehicleTo(bob);
        uint256 id = claimedDevice(alice);
        bytes32 digest = pairDigest(id, vehicle, 0, NOW);
        (bytes memory deviceSig, bytes memory ownerSig) = (sign(DEVICE_KEY, digest), sign(BOB_KEY, digest));
        vm.expectRevert(err("OwnersDoNotMatch()"));
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, NOW, ownerSig, "");
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, NOW, deviceSig, deviceSig);
        vm.expectRevert(err("InvalidAdSignature()"));
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, NOW, ownerSig, ownerSig);
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, NOW, ownerSig, deviceSig);
        vm.assertEq(registry.getLink(address(vehicles), vehicle), id, "link");
        vm.expectRevert(err("InvalidAccountNonce(address,uint256)", bob, 1));
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, NOW, ownerSig, deviceSig);
    }

    function test_pairWithDeadline_oneOwnerCalls() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        vm.prank(alice);
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, NOW, "", "");
        vm.assertEq(registry.getLink(address(vehicles), vehicle), id, "link");
    }

    function test_unpair_byEitherOwner() public {
        uint256 vehicle = mintVehicleTo(bob);
        uint256 id = claimedDevice(alice);
        bytes memory sig = sign(DEVICE_KEY, pairDigest(id, vehicle));
        vm.prank(bob);
        registry.pairAftermarketDeviceWithAdSig(id, vehicle, sig);
        vm.expectRevert(err("Unauthorized(address)", maker));
        vm.prank(maker);
        registry.unpairAftermarketDevice(id, vehicle);
        vm.prank(alice); // owns the device
        registry.unpairAftermarketDevice(id, vehicle);
        vm.assertEq(registry.getLink(address(vehicles), vehicle), 0, "link");
        vm.expectRevert(err("VehicleNotPaired(uint256)", vehicle));
        vm.prank(bob); // owns the vehicle
        registry.unpairAftermarketDevice(id, vehicle);
    }

    function test_unpair_refusesAnotherDevice() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        uint256 second = mintDevice(bob);
        vm.startPrank(alice);
        registry.pairAftermarketDevice(id, vehicle);
        vm.expectRevert(err("AdNotPaired(uint256)", second));
        registry.unpairAftermarketDevice(second, vehicle);
    }

    function test_unpairSign_ofEitherOwner() public {
        uint256 vehicle = mintVehicleTo(bob);
        uint256 id = claimedDevice(alice);
        bytes memory sig = sign(DEVICE_KEY, pairDigest(id, vehicle));
        vm.prank(bob);
        registry.pairAftermarketDeviceWithAdSig(id, vehicle, sig);
        sig = sign(DEVICE_KEY, unpairDigest(id, vehicle));
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.unpairAftermarketDeviceSign(id, vehicle, sig);
        sig = sign(ALICE_KEY, unpairDigest(id, vehicle));
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        registry.unpairAftermarketDeviceSign(id, vehicle, sig);
        registry.unpairAftermarketDeviceSign(id, vehicle, sig);
        vm.assertEq(registry.getLink(address(devices), id), 0, "link");
    }

    function test_unpairWithDeadline_ofEitherOwner() public {
        uint256 vehicle = mintVehicleTo(bob);
        uint256 id = claimedDevice(alice);
        bytes memory sig = sign(DEVICE_KEY, pairDigest(id, vehicle));
        vm.prank(bob);
        registry.pairAftermarketDeviceWithAdSig(id, vehicle, sig);
        sig = sign(ALICE_KEY, unpairDigest(id, vehicle, 0, NOW));
        vm.expectRevert(err("Unauthorized(address)", maker));
        registry.unpairAftermarketDeviceWithDeadline(id, vehicle, maker, 0, NOW, sig);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        registry.unpairAftermarketDeviceWithDeadline(id, vehicle, bob, 0, NOW, sig);
        vm.expectRevert(err("SignatureExpired(uint256)", NOW - 1));
        registry.unpairAftermarketDeviceWithDeadline(id, vehicle, alice, 0, NOW - 1, sig);
        registry.unpairAftermarketDeviceWithDeadline(id, vehicle, alice, 0, NOW, sig);
        vm.assertEq(registry.getLink(address(devices), id), 0, "link");
    }

    // ---------------------------------------------------------------- the rest of a device's life

    function test_resetAddress_refusals() public {
        uint256 id = claimedDevice(alice);
        AftermarketDeviceIdAddressPair[] memory pairs = new AftermarketDeviceIdAddressPair[](1);
        pairs[0] = AftermarketDeviceIdAddressPair(id, bob);
        vm.expectRevert(err("Unauthorized(address)", alice));
        vm.prank(alice);
        registry.resetAftermarketDeviceAddressByManufacturerBatch(pairs);
        vm.startPrank(maker);
        pairs[0].deviceAddress = address(0);
        vm.expectRevert(err("ZeroAddress()"));
        registry.resetAftermarketDeviceAddressByManufacturerBatch(pairs);
        pairs[0].deviceAddress = device;
        vm.expectRevert(err("DeviceAlreadyRegistered(address)", device));
        registry.resetAftermarketDeviceAddressByManufacturerBatch(pairs);
        pairs[0].aftermarketDeviceNodeId = 99;
        vm.expectRevert(err("InvalidNode(address,uint256)", address(devices), 99));
        registry.resetAftermarketDeviceAddressByManufacturerBatch(pairs);
        vm.stopPrank();

        // The key of a device that speaks for a car is not replaced behind its owner's back.
        uint256 vehicle = mintVehicleTo(alice);
        vm.prank(alice);
        registry.pairAftermarketDevice(id, vehicle);
        pairs[0] = AftermarketDeviceIdAddressPair(id, bob);
        vm.expectRevert(err("AdPaired(uint256)", id));
        vm.prank(maker);
        registry.resetAftermarketDeviceAddressByManufacturerBatch(pairs);
    }

    function test_beneficiary_ofAClaimedDevice_endsWithTransfer() public {
        uint256 id = mintDevice(device);
        vm.expectRevert(err("AdNotClaimed(uint256)", id));
        vm.prank(maker);
        registry.setAftermarketDeviceBeneficiary(id, bob);
        bytes memory sig = sign(DEVICE_KEY, claimDigest(id, alice));
        vm.startPrank(alice);
        registry.claimAftermarketDevice(id, sig);
        vm.expectRevert(err("Unauthorized(address)", alice));
        registry.setAftermarketDeviceBeneficiary(id, alice);
        registry.setAftermarketDeviceBeneficiary(id, bob);
        vm.assertEq(registry.getBeneficiary(address(devices), id), bob, "chosen");
        vm.stopPrank();
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        registry.setAftermarketDeviceBeneficiary(id, bob);

        vm.prank(alice);
        devices.transferFrom(alice, maker, id);
        vm.assertEq(registry.getBeneficiary(address(devices), id), maker, "the new owner");
    }

    function test_return_unclaims() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        vm.expectRevert(err("Unauthorized()"));
        vm.prank(bob);
        devices.returnToManufacturer(id);
        vm.startPrank(alice);
        registry.setAftermarketDeviceBeneficiary(id, bob);
        registry.pairAftermarketDevice(id, vehicle);
        vm.expectRevert(err("AdPaired(uint256)", id));
        devices.returnToManufacturer(id);
        registry.unpairAftermarketDevice(id, vehicle);
        devices.returnToManufacturer(id);
        vm.stopPrank();
        vm.assertEq(devices.ownerOf(id), maker, "owner");
        vm.assertFalse(registry.isAftermarketDeviceClaimed(id), "claimed");
        vm.assertEq(registry.getBeneficiary(address(devices), id), maker, "beneficiary");
        vm.expectRevert(err("AdNotClaimed(uint256)", id));
        vm.prank(maker);
        devices.returnToManufacturer(id);
        // Another owner claims it in the old form.
        bytes memory sig = sign(DEVICE_KEY, claimDigest(id, bob));
        vm.prank(bob);
        registry.claimAftermarketDevice(id, sig);
        vm.assertEq(devices.ownerOf(id), bob, "next owner");
    }

    function test_info_onlyByRole_ofAnExistingDevice() public {
        uint256 id = mintDevice(device);
        _attributes.push(AttributeInfoPair("Serial", "S-1"));
        registry.setAftermarketDeviceInfo(id, _attributes);
        vm.expectRevert(err("InvalidNode(address,uint256)", address(devices), 99));
        registry.setAftermarketDeviceInfo(99, _attributes);
        vm.expectRevert(notAllowed(maker));
        vm.prank(maker);
        registry.setAftermarketDeviceInfo(id, _attributes);
        vm.expectRevert(err("AttributeExists(string)", string("Serial")));
        registry.addAftermarketDeviceAttribute("Serial");
        vm.expectRevert(notAllowed(maker));
        vm.prank(maker);
        registry.addAftermarketDeviceAttribute("Colour");
    }

    // ---------------------------------------------------------------- any signature

    function testFuzz_claimSignature_ofAnyOtherKeyIsRefused(uint256 key) public {
        key = 1 + key % (2 ** 255);
        vm.assume(vm.addr(key) != device);
        uint256 id = mintDevice(device);
        bytes memory sig = sign(key, claimDigest(id, alice));
        vm.expectRevert(err("InvalidAdSignature()"));
        vm.prank(alice);
        registry.claimAftermarketDevice(id, sig);
    }

    function testFuzz_claimSignature_anyChangedByteIsRefused(uint8 index, uint8 change) public {
        uint256 id = mintDevice(device);
        bytes memory sig = sign(DEVICE_KEY, claimDigest(id, alice));
        sig[index % 65] ^= bytes1(1 + change % 255);
        vm.expectRevert(err("InvalidAdSignature()"));
        vm.prank(alice);
        registry.claimAftermarketDevice(id, sig);
    }

    function testFuzz_claimSignature_ofAnotherChainIsRefused(uint64 chain) public {
        vm.assume(chain != 0 && chain != block.chainid);
        uint256 id = mintDevice(device);
        bytes memory sig = sign(DEVICE_KEY, claimDigest(id, alice));
        vm.chainId(chain);
        vm.expectRevert(err("InvalidAdSignature()"));
        vm.prank(alice);
        registry.claimAftermarketDevice(id, sig);
    }

    function testFuzz_pairWithDeadline_holdsForItsFieldsOnly(uint256 nonce, uint256 deadline) public {
        vm.assume(nonce != 0 || deadline != NOW);
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        bytes32 digest = pairDigest(id, vehicle, 0, NOW);
        (bytes memory ownerSig, bytes memory deviceSig) = (sign(ALICE_KEY, digest), sign(DEVICE_KEY, digest));
        vm.expectRevert();
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, nonce, deadline, ownerSig, deviceSig);
        vm.assertEq(registry.getLink(address(devices), id), 0, "link");
    }
}

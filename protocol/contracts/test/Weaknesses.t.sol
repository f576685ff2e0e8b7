// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {LicenseAccount} from "../src/LicenseAccount.sol";
import {SacdInput} from "../src/interfaces/INodes.sol";
import {AftermarketDeviceIdAddressPair} from "../src/registry/RegistryBase.sol";
import {MintSyntheticDeviceInput} from "../src/registry/SyntheticDevices.sol";
import {Base} from "./support/Base.sol";
import {Vm} from "./support/Vm.sol";
import {Wallet} from "./support/Wallet.sol";

/// @notice One test for each weakness of the reference contracts that concerns these.
contract WeaknessesTest is Base {
    /// @dev There: issuing to another burnt that other's credits. Here: no contract but the licence's own is even called.
    function test_issuingToAnother_touchesNothingOfTheirs() public {
        Wallet other = new Wallet(bob);
        vm.recordLogs();
        vm.prank(alice);
        (uint256 id, address client) = licenses.issueInDc(address(other), "mechanic");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            vm.assertEq(logs[i].emitter, address(licenses), "an event of another contract");
        }
        vm.assertEq(licenses.ownerOf(id), address(other), "owner");
        vm.assertEq(licenses.clientIdToTokenId(client), id, "client id");
    }

    function test_revokedLicence_hasNoSigners() public {
        vm.startPrank(alice);
        (uint256 id, address client) = licenses.issueInDc("mechanic");
        licenses.enableSigner(id, bob);
        licenses.setRedirectUri(id, true, "http://localhost/");
        vm.stopPrank();
        vm.assertTrue(licenses.isSigner(id, bob), "enabled");

        licenses.revoke(id);
        vm.assertFalse(licenses.isSigner(id, bob), "licence still knows the signer");
        vm.assertFalse(LicenseAccount(payable(client)).isSigner(bob), "account still knows the signer");
        vm.assertEq(licenses.signers(id, bob), 0, "time of enabling");
        vm.assertEq(licenses.getSignerExpiration(id, bob), 0, "expiration");
        vm.assertFalse(licenses.redirectUriStatus(id, "http://localhost/"), "redirect URI");
        vm.assertEq(licenses.getTokenIdByLicenseAlias(string("mechanic")), 0, "alias");
        vm.assertEq(licenses.clientIdToTokenId(client), 0, "client id");
    }

    function test_oneMintSignature_mintsOneVehicle() public {
        bytes32 t = keccak256(
            "MintVehicleWithDeviceDefinitionSign(uint256 manufacturerNode,address owner,string deviceDefinitionId,string[] attributes,string[] infos)"
        );
        bytes32 digest = typedDigest(
            keccak256(abi.encode(t, 1, alice, keccak256("tesla_model-3_2020"), keccak256(""), keccak256("")))
        );
        bytes memory sig = sign(ALICE_KEY, digest);
        registry.mintVehicleWithDeviceDefinitionSign(1, alice, "tesla_model-3_2020", noAttributes, sig);
        vm.assertEq(vehicles.balanceOf(alice), 1, "vehicles");
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", digest));
        registry.mintVehicleWithDeviceDefinitionSign(1, alice, "tesla_model-3_2020", noAttributes, sig);
    }

    function test_oneClaimSignature_claimsOnce() public {
        uint256 id = claimedDevice(alice);
        vm.prank(alice);
        devices.returnToManufacturer(id);
        bytes32 digest = claimDigest(id, alice);
        bytes memory sig = sign(DEVICE_KEY, digest);
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", digest));
        vm.prank(alice);
        registry.claimAftermarketDevice(id, sig);
    }

    /// @dev The first claimant is remembered beside the device, later ones by digest, also after the key was replaced.
    function test_oneClaimSignature_claimsOnce_whateverHappensBetween() public {
        uint256 id = claimedDevice(alice);
        vm.prank(alice);
        devices.returnToManufacturer(id);
        bytes memory sig = sign(DEVICE_KEY, claimDigest(id, bob));
        vm.prank(bob);
        registry.claimAftermarketDevice(id, sig);
        vm.prank(bob);
        devices.returnToManufacturer(id);
        vm.assertTrue(annex.isClaimUsed(id, alice) && annex.isClaimUsed(id, bob), "both are remembered");
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", claimDigest(id, bob)));
        vm.prank(bob);
        registry.claimAftermarketDevice(id, sig);

        AftermarketDeviceIdAddressPair[] memory pairs = new AftermarketDeviceIdAddressPair[](1);
        pairs[0] = AftermarketDeviceIdAddressPair(id, vm.addr(SYNTHETIC_KEY));
        vm.prank(maker);
        registry.resetAftermarketDeviceAddressByManufacturerBatch(pairs);
        bytes32 digest = claimDigest(id, alice);
        bytes memory deviceSig = sign(SYNTHETIC_KEY, digest);
        bytes memory ownerSig = sign(ALICE_KEY, digest);
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", digest));
        registry.claimAftermarketDeviceSign(id, alice, ownerSig, deviceSig);
    }

    /// @dev Of the first claimant a part of the address is kept. Who shares it is refused in the old form, never let in twice.
    function test_claimant_whoseAddressResemblesTheFirst_takesTheFormWithDeadline() public {
        uint256 id = claimedDevice(alice);
        vm.prank(alice);
        devices.returnToManufacturer(id);
        address twin = address(uint160(alice) ^ (1 << 24));
        bytes memory sig = sign(DEVICE_KEY, claimDigest(id, twin));
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", claimDigest(id, twin)));
        vm.prank(twin);
        registry.claimAftermarketDevice(id, sig);
        sig = sign(DEVICE_KEY, claimDigest(id, twin, 0, FAR));
        vm.prank(twin);
        registry.claimAftermarketDeviceWithDeadline(id, twin, 0, FAR, "", sig);
        vm.assertEq(devices.ownerOf(id), twin, "owner");
    }

    function test_onePairSignature_pairsOnce() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        bytes32 digest = pairDigest(id, vehicle);
        bytes memory sig = sign(ALICE_KEY, digest);
        registry.pairAftermarketDeviceSign(id, vehicle, sig);
        vm.prank(alice);
        registry.unpairAftermarketDevice(id, vehicle);
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", digest));
        registry.pairAftermarketDeviceSign(id, vehicle, sig);
    }

    function test_oneUnpairSignature_unpairsOnce() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        vm.prank(alice);
        registry.pairAftermarketDevice(id, vehicle);
        bytes32 digest = unpairDigest(id, vehicle);
        bytes memory sig = sign(ALICE_KEY, digest);
        registry.unpairAftermarketDeviceSign(id, vehicle, sig);
        vm.prank(alice);
        registry.pairAftermarketDevice(id, vehicle);
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", digest));
        registry.unpairAftermarketDeviceSign(id, vehicle, sig);
    }

    /// @dev The next owner's nonces have the same numbers, so the digest is the same; what the device's key signed is spent.
    function test_onePairSignatureWithDeadline_isNotTheNextOwnersToo() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        bytes32 digest = pairDigest(id, vehicle, 0, FAR);
        bytes memory deviceSig = sign(DEVICE_KEY, digest);
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, FAR, sign(ALICE_KEY, digest), deviceSig);
        vm.startPrank(alice);
        registry.unpairAftermarketDevice(id, vehicle);
        vehicles.transferFrom(alice, bob, vehicle);
        vm.stopPrank();

        bytes memory refusal = abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", digest);
        bytes memory bobsSig = sign(BOB_KEY, digest);
        vm.expectRevert(refusal);
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, FAR, bobsSig, deviceSig);
        vm.expectRevert(refusal);
        vm.prank(bob);
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, FAR, "", deviceSig);
        vm.assertEq(registry.getLink(address(devices), id), 0, "alice's device is in bob's vehicle");

        digest = pairDigest(id, vehicle, 0, FAR + 1);
        deviceSig = sign(DEVICE_KEY, digest);
        registry.pairAftermarketDeviceWithDeadline(id, vehicle, 0, FAR + 1, sign(BOB_KEY, digest), deviceSig);
        vm.assertEq(registry.getLink(address(devices), id), vehicle, "signed anew");
    }

    function test_oneSyntheticSignatureWithDeadline_isNotTheNextOwnersToo() public {
        uint256 vehicle = mintVehicleTo(alice);
        (MintSyntheticDeviceInput memory d, bytes32 digest) = connecting(vehicle, ALICE_KEY, FAR);
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR);
        vm.startPrank(alice);
        synthetics.burn(1);
        vehicles.transferFrom(alice, bob, vehicle);
        vm.stopPrank();

        d.vehicleOwnerSig = sign(BOB_KEY, digest);
        vm.expectRevert(abi.encodeWithSignature("SignatureAlreadyUsed(bytes32)", digest));
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR);
        vm.assertFalse(synthetics.exists(2), "connected by what the key signed before");

        (d,) = connecting(vehicle, BOB_KEY, FAR + 1);
        vm.prank(cloud);
        annex.mintSyntheticDeviceWithDeadline(d, 0, FAR + 1);
        vm.assertEq(synthetics.ownerOf(2), bob, "signed anew");
    }

    function test_claim_needsNoApprovalByTheManufacturer() public {
        vm.assertFalse(devices.isApprovedForAll(maker, address(registry)), "approval");
        uint256 id = claimedDevice(alice);
        vm.assertEq(devices.ownerOf(id), alice, "owner");
    }

    function test_signatureForOneLicence_isRefusedByAnother() public {
        vm.startPrank(alice);
        (uint256 one, address first) = licenses.issueInDc("one");
        (uint256 two, address second) = licenses.issueInDc("two");
        licenses.enableSigner(one, bob);
        licenses.enableSigner(two, bob);
        vm.stopPrank();
        bytes32 hash = keccak256("a login");
        bytes memory plain = sign(BOB_KEY, hash);
        bytes memory nested = sign(BOB_KEY, nestedDigest(first, hash));
        vm.assertTrue(valid(first, hash, nested), "its own");
        vm.assertFalse(valid(second, hash, nested), "replayed across licences");
        vm.assertFalse(valid(first, hash, plain), "not bound to any account");
    }

    function test_unknownSelector_reverts() public {
        (bool ok,) = address(registry).call(abi.encodeWithSignature("noSuchFunction(uint256)", 1));
        vm.assertFalse(ok, "the registry answers a call it does not know");
    }

    function test_resetAddress_forgetsTheOldOne() public {
        uint256 id = mintDevice(device);
        AftermarketDeviceIdAddressPair[] memory pairs = new AftermarketDeviceIdAddressPair[](1);
        pairs[0] = AftermarketDeviceIdAddressPair(id, bob);
        vm.prank(maker);
        registry.resetAftermarketDeviceAddressByManufacturerBatch(pairs);
        vm.assertEq(registry.getAftermarketDeviceIdByAddress(device), 0, "old address");
        vm.assertEq(registry.getAftermarketDeviceIdByAddress(bob), id, "new address");
        vm.assertEq(registry.getAftermarketDeviceAddressById(id), bob, "address of the device");
    }

    function test_rename_freesTheOldName_andEmits() public {
        vm.recordLogs();
        annex.renameManufacturer(1, "Tesla Motors");
        vm.assertEq(vm.getRecordedLogs()[0].topics[0], keccak256("ManufacturerRenamed(uint256,string)"), "event");
        vm.assertEq(annex.getManufacturerIdByName("Tesla"), 0, "old name");
        vm.assertEq(annex.getManufacturerIdByName("Tesla Motors"), 1, "new name");
        annex.mintManufacturer(bob, "Tesla", noAttributes);
        vm.assertEq(annex.getManufacturerIdByName("Tesla"), 2, "old name is free");
    }

    function test_burnBySignature_leavesNothingBehind() public {
        uint256 vehicle = mintVehicleTo(alice);
        uint256 node = storageNodes.mint(bob, bob, "a node", "https://node.example");
        vm.prank(alice);
        annex.setStorageNodeIdForVehicle(vehicle, node);
        registry.burnVehicleSign(vehicle, sign(ALICE_KEY, burnDigest(vehicle)));
        vm.assertFalse(vehicles.exists(vehicle), "token");
        vm.assertEq(registry.getParentNode(address(vehicles), vehicle), 0, "manufacturer");
        vm.assertEq(registry.getDeviceDefinitionIdByVehicleId(vehicle), "", "definition");
        vm.assertEq(registry.getLink(address(vehicles), vehicle), 0, "link");
        vm.assertEq(annex.vehicleIdToStorageNodeId(vehicle), 0, "storage node");
    }

    /// @dev There: one role could move or burn anything. Here the administrator with every role cannot touch a vehicle.
    function test_administrator_cannotMoveOrBurnAVehicle() public {
        uint256 vehicle = mintVehicleTo(alice);
        vm.expectRevert();
        vehicles.transferFrom(alice, address(this), vehicle);
        vm.expectRevert(err("Unauthorized()"));
        vehicles.burn(vehicle);
        vm.expectRevert(err("Unauthorized()"));
        vehicles.burnByRegistry(vehicle);
        vm.expectRevert(err("Unauthorized(address)", address(this)));
        grants.setPermissions(address(vehicles), vehicle, address(this), ALL_EIGHT, FAR, CID);
    }

    /// @dev A contract that mints a vehicle with a grant and sells it while receiving it must not leave the buyer with a
    /// grant the buyer never gave.
    function test_receiver_cannotSellAHalfMadeVehicle() public {
        Wallet seller = new Wallet(alice);
        seller.whenReceiving(
            address(vehicles), abi.encodeCall(IERC721.transferFrom, (address(seller), bob, 1))
        );
        SacdInput memory sacd = SacdInput(alice, ALL_EIGHT, FAR, CID);
        bytes memory mint = abi.encodeWithSignature(
            "mintVehicleWithDeviceDefinition(uint256,address,string,(string,string)[],(address,uint256,uint256,string))",
            1,
            address(seller),
            "tesla_model-3_2020",
            noAttributes,
            sacd
        );
        seller.call(address(registry), mint);
        vm.assertEq(vehicles.ownerOf(1), bob, "buyer");
        vm.assertFalse(grants.hasPermission(address(vehicles), 1, alice, 1), "a grant the buyer never gave");
    }

    /// @dev A synthetic device for a vehicle, with the owner's nonce 0.
    function connecting(uint256 vehicle, uint256 ownerKey, uint256 deadline)
        private
        view
        returns (MintSyntheticDeviceInput memory d, bytes32 digest)
    {
        (d.connectionId, d.vehicleNode) = (connections.toConnectionId("Tesla"), vehicle);
        d.syntheticDeviceAddr = synthetic;
        bytes32 t = keccak256(
            "MintSyntheticDeviceWithDeadlineSign(uint256 connectionId,uint256 vehicleNode,address syntheticDeviceAddr,uint256 nonce,uint256 deadline)"
        );
        digest = typedDigest(keccak256(abi.encode(t, d.connectionId, vehicle, synthetic, 0, deadline)));
        (d.syntheticDeviceSig, d.vehicleOwnerSig) = (sign(SYNTHETIC_KEY, digest), sign(ownerKey, digest));
    }

    function valid(address account, bytes32 hash, bytes memory sig) private view returns (bool) {
        return LicenseAccount(payable(account)).isValidSignature(hash, sig) == bytes4(0x1626ba7e);
    }

    function nestedDigest(address account, bytes32 hash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Sayso Licence Account"),
                keccak256("1"),
                block.chainid,
                account
            )
        );
        bytes32 structHash = keccak256(abi.encode(keccak256("PersonalSign(bytes prefixed)"), hash));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}

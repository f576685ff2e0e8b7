// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Grant} from "../src/GrantSignatures.sol";
import {Grants} from "../src/Grants.sol";
import {Base} from "./support/Base.sol";
import {Vm} from "./support/Vm.sol";
import {Wallet} from "./support/Wallet.sol";

/// @notice Grants on whole accounts, grants by signature, and the calls that void everything.
contract AccountGrantsTest is Base {
    string private constant GRANT_TYPE =
        "SetPermissions(address asset,uint256 tokenId,address grantee,uint256 permissions,uint256 expiration,uint256 templateId,string source,uint256 nonce,uint256 deadline)";
    string private constant ACCOUNT_TYPE =
        "SetAccountPermissions(address grantor,address grantee,uint256 permissions,uint256 expiration,uint256 templateId,string source,uint256 nonce,uint256 deadline)";
    string private constant REVOKE_TYPE = "RevokeAll(address asset,uint256 tokenId,uint256 nonce,uint256 deadline)";

    uint256 private _id;
    address private _asset;

    function setUp() public override {
        super.setUp();
        _id = mintVehicleTo(alice);
        _asset = address(vehicles);
    }

    // ---------------------------------------------------------------- accounts

    function test_account_grant_holds_untilItExpires() public {
        vm.recordLogs();
        vm.prank(alice);
        grants.setAccountPermissions(bob, 0x3c, NOW + 10, 0, CID);
        Vm.Log memory log = vm.getRecordedLogs()[0];
        vm.assertEq(
            log.topics[0],
            keccak256("PermissionsSet(address,uint256,uint256,address,uint256,uint256,string)"),
            "event"
        );
        vm.assertEq(log.topics[1], bytes32(uint256(uint160(alice))), "asset is the grantor");
        vm.assertEq(log.topics[2], bytes32(0), "token 0");

        vm.assertTrue(grants.hasAccountPermission(alice, bob, 1), "1");
        vm.assertTrue(grants.hasAccountPermission(alice, bob, 2), "2");
        vm.assertFalse(grants.hasAccountPermission(alice, bob, 3), "3");
        vm.assertFalse(grants.hasAccountPermission(alice, bob, 0), "0");
        vm.assertFalse(grants.hasAccountPermission(bob, alice, 1), "the other way round");
        vm.assertTrue(grants.hasAccountPermissions(alice, bob, 0x3c), "both");
        vm.assertFalse(grants.hasAccountPermissions(alice, bob, ALL_EIGHT), "more");
        vm.assertFalse(grants.hasAccountPermissions(alice, cloud, 0), "a stranger holds not even nothing");
        vm.assertEq(grants.getAccountPermissions(alice, bob, 0xfc), 0x3c, "bits");
        Grants.PermissionRecord memory r = grants.accountPermissionRecords(alice, bob);
        vm.assertEq(r.permissions, 0x3c, "record");
        vm.assertEq(r.expiration, NOW + 10, "expiration");
        vm.assertEq(r.source, CID, "source");
        vm.warp(NOW + 10);
        vm.assertFalse(grants.hasAccountPermission(alice, bob, 1), "expired");
    }

    function test_account_everybodyHoldsAllOnThemselves() public view {
        vm.assertTrue(grants.hasAccountPermission(alice, alice, 5), "one");
        vm.assertTrue(grants.hasAccountPermissions(alice, alice, ALL_EIGHT), "all");
        vm.assertEq(grants.getAccountPermissions(alice, alice, 0x30), 0x30, "bits");
    }

    function test_account_grantIsNotOneOnTokens_norTheOtherWayRound() public {
        vm.prank(alice);
        grants.setAccountPermissions(bob, ALL_EIGHT, FAR, 0, CID);
        vm.assertFalse(grants.hasPermission(_asset, _id, bob, 1), "on a token");
        // A contract's account and its token 0 share an event key, but nothing else.
        Wallet self = new Wallet(alice);
        self.call(
            address(grants),
            abi.encodeCall(grants.setAccountPermissions, (bob, ALL_EIGHT, FAR, 0, CID))
        );
        vm.assertEq(grants.permissionRecords(address(self), 0, 0, bob).permissions, 0, "record of token 0");
    }

    function test_account_refusals_andRenouncing() public {
        vm.startPrank(alice);
        vm.expectRevert(err("ZeroAddress()"));
        grants.setAccountPermissions(address(0), ALL_EIGHT, FAR, 0, CID);
        grants.setAccountPermissions(bob, ALL_EIGHT, FAR, 0, CID);
        vm.stopPrank();
        vm.recordLogs();
        vm.prank(bob);
        grants.renounceAccountPermissions(alice);
        vm.assertEq(
            vm.getRecordedLogs()[0].topics[0], keccak256("PermissionsRenounced(address,uint256,address)"), "event"
        );
        vm.assertFalse(grants.hasAccountPermission(alice, bob, 1), "renounced");
    }

    function test_account_templates_areThoseOfNoAsset() public {
        uint256 vehicle = templates.createTemplate(_asset, ALL_EIGHT, "ipfs://vehicle");
        uint256 account = templates.createTemplate(address(0), ALL_EIGHT, "ipfs://account");
        vm.startPrank(alice);
        vm.expectRevert(
            abi.encodeWithSignature("TemplateAssetMismatch(uint256,address,address)", vehicle, _asset, address(0))
        );
        grants.setAccountPermissions(bob, ALL_EIGHT, FAR, vehicle, CID);
        grants.setAccountPermissions(bob, ALL_EIGHT, FAR, account, CID);
        vm.assertEq(grants.accountPermissionRecords(alice, bob).templateId, account, "template");
    }

    // ---------------------------------------------------------------- voiding everything

    function test_revokeAll_voidsEveryGrant_andOnlyTheOwnerMay() public {
        grant(alice, _id, bob, ALL_EIGHT);
        grant(alice, _id, cloud, ALL_EIGHT);
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        grants.revokeAll(_asset, _id);
        vm.expectRevert(err("InvalidTokenId(address,uint256)", _asset, 99));
        grants.revokeAll(_asset, 99);
        vm.expectEmit(address(grants));
        emit Grants.AllPermissionsRevoked(_asset, _id, 1);
        vm.prank(alice);
        grants.revokeAll(_asset, _id);
        vm.assertFalse(grants.hasPermission(_asset, _id, bob, 1), "bob");
        vm.assertFalse(grants.hasPermission(_asset, _id, cloud, 1), "cloud");
        vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).permissions, 0, "record");
        grant(alice, _id, bob, 12);
        vm.assertTrue(grants.hasPermission(_asset, _id, bob, 1), "a new one");
        vm.prank(_asset);
        grants.revokeAll(_asset, _id);
        vm.assertFalse(grants.hasPermission(_asset, _id, bob, 1), "by the asset");
    }

    function test_revokeAll_ofAnAccount() public {
        vm.startPrank(alice);
        grants.setAccountPermissions(bob, ALL_EIGHT, FAR, 0, CID);
        vm.expectEmit(address(grants));
        emit Grants.AllAccountPermissionsRevoked(alice, 1);
        grants.revokeAllAccountPermissions();
        vm.assertFalse(grants.hasAccountPermission(alice, bob, 1), "void");
        grants.setAccountPermissions(bob, 12, FAR, 0, CID);
        vm.assertTrue(grants.hasAccountPermission(alice, bob, 1), "a new one");
    }

    // ---------------------------------------------------------------- by signature

    function test_bySig_grant_onceOnly_byAnyone() public {
        Grant memory g = Grant(_asset, _id, bob, ALL_EIGHT, FAR, 0);
        bytes memory sig = signGrant(ALICE_KEY, g, 0, FAR);
        vm.prank(cloud);
        grants.setPermissionsBySig(g, CID, 0, FAR, sig);
        vm.assertTrue(grants.hasPermission(_asset, _id, bob, 8), "granted");
        vm.expectRevert(abi.encodeWithSignature("InvalidAccountNonce(address,uint256)", alice, 1));
        grants.setPermissionsBySig(g, CID, 0, FAR, sig);
        vm.assertEq(grants.nonces(alice), 1, "nonce");
    }

    function test_bySig_refusals() public {
        Grant memory g = Grant(_asset, _id, bob, ALL_EIGHT, FAR, 0);
        bytes memory late = signGrant(ALICE_KEY, g, 0, NOW - 1);
        vm.expectRevert(err("SignatureExpired(uint256)", NOW - 1));
        grants.setPermissionsBySig(g, CID, 0, NOW - 1, late);
        bytes memory bobs = signGrant(BOB_KEY, g, 0, FAR);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        grants.setPermissionsBySig(g, CID, 0, FAR, bobs);
        g.tokenId = 99;
        vm.expectRevert(err("InvalidTokenId(address,uint256)", _asset, 99));
        grants.setPermissionsBySig(g, CID, 0, FAR, bobs);
    }

    /// @dev Whatever field is changed after signing, the signature is refused.
    function testFuzz_bySig_anyChangedField_isRefused(uint8 field, uint256 by, uint256 chain) public {
        vm.assume(by != 0);
        uint256 id2 = mintVehicleTo(alice);
        Grant memory g = Grant(_asset, _id, bob, ALL_EIGHT, FAR, 0);
        bytes memory sig = signGrant(ALICE_KEY, g, 0, FAR);
        (string memory source, uint256 nonce, uint256 deadline) = (CID, 0, FAR);
        field = field % 8;
        if (field == 0) g.tokenId = id2;
        if (field == 1) g.grantee = address(uint160(bob) ^ uint160((by % 0xffff) + 1));
        if (field == 2) g.permissions ^= by;
        if (field == 3) g.expiration ^= by;
        if (field == 4) source = string.concat(CID, "x");
        if (field == 5) nonce = ((by % type(uint128).max) + 1) << 64;
        if (field == 6) deadline = FAR + 1 + by % FAR;
        if (field == 7) vm.chainId(1 + chain % 0xffffffff == block.chainid ? 1 : 1 + chain % 0xffffffff);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        grants.setPermissionsBySig(g, source, nonce, deadline, sig);
    }

    function test_bySig_accountGrant() public {
        Grant memory g = Grant(alice, 0, bob, ALL_EIGHT, FAR, 0);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(bytes(ACCOUNT_TYPE)), alice, bob, ALL_EIGHT, FAR, 0, keccak256(bytes(CID)), uint256(0), FAR
            )
        );
        bytes memory sig = sign(ALICE_KEY, grantsDigest(structHash));
        grants.setAccountPermissionsBySig(g, CID, 0, FAR, sig);
        vm.assertTrue(grants.hasAccountPermission(alice, bob, 8), "granted");
        g.tokenId = 1;
        vm.expectRevert(err("InvalidTokenId(address,uint256)", alice, 1));
        grants.setAccountPermissionsBySig(g, CID, 1, FAR, sig);
        g.tokenId = 0;
        vm.expectRevert(err("InvalidOwnerSignature()"));
        grants.setAccountPermissionsBySig(g, CID, 1, FAR, sig);
    }

    function test_bySig_revokeAll() public {
        grant(alice, _id, bob, ALL_EIGHT);
        bytes32 structHash = keccak256(abi.encode(keccak256(bytes(REVOKE_TYPE)), _asset, _id, uint256(0), FAR));
        bytes memory bobs = sign(BOB_KEY, grantsDigest(structHash));
        vm.expectRevert(err("InvalidOwnerSignature()"));
        grants.revokeAllBySig(_asset, _id, 0, FAR, bobs);
        bytes memory sig = sign(ALICE_KEY, grantsDigest(structHash));
        grants.revokeAllBySig(_asset, _id, 0, FAR, sig);
        vm.assertFalse(grants.hasPermission(_asset, _id, bob, 1), "void");
    }

    /// @dev A signature of an owner who sold is worth nothing under the next one.
    function test_bySig_ofAFormerOwner_isRefused() public {
        Grant memory g = Grant(_asset, _id, bob, ALL_EIGHT, FAR, 0);
        bytes memory sig = signGrant(ALICE_KEY, g, 0, FAR);
        vm.prank(alice);
        vehicles.transferFrom(alice, cloud, _id);
        vm.expectRevert(err("InvalidOwnerSignature()"));
        grants.setPermissionsBySig(g, CID, 0, FAR, sig);
    }

    function test_domain_isPublished() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chain, address verifier,,) =
            grants.eip712Domain();
        vm.assertEq(uint8(fields), 0x0f, "fields");
        vm.assertEq(name, "Sayso Grants", "name");
        vm.assertEq(version, "1", "version");
        vm.assertEq(chain, block.chainid, "chain");
        vm.assertEq(verifier, address(grants), "verifier");
    }

    function signGrant(uint256 key, Grant memory g, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes memory)
    {
        bytes memory fields = abi.encode(g.asset, g.tokenId, g.grantee, g.permissions, g.expiration, g.templateId);
        bytes memory all = bytes.concat(
            keccak256(bytes(GRANT_TYPE)), fields, keccak256(bytes(CID)), bytes32(nonce), bytes32(deadline)
        );
        return sign(key, grantsDigest(keccak256(all)));
    }
}

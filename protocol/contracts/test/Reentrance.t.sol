// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Grants} from "../src/Grants.sol";
import {IVersioned} from "../src/interfaces/IVersioned.sol";
import {Base} from "./support/Base.sol";
import {HostileToken} from "./support/HostileToken.sol";
import {Vm} from "./support/Vm.sol";

/// @notice Says whose a token is and voids nothing, or fails when asked to.
contract IdleToken {
    address private _owner;
    bool private _fails;

    constructor(address owner, bool fails) {
        (_owner, _fails) = (owner, fails);
    }

    function ownerAndVersion(uint256) external view returns (address, uint256) {
        return (_owner, 5);
    }

    function voidGrants(uint256) external view returns (address, uint256) {
        require(!_fails, "not now");
        return (_owner, 5);
    }
}

/// @notice Assets that anybody may name, and that act when they are called; and the order of checks, effects and calls.
contract ReentranceTest is Base {
    uint256 private constant ID = 7;
    bytes32 private constant REVOKED = keccak256("AllPermissionsRevoked(address,uint256,uint256)");

    HostileToken private _token;
    address private _asset;

    function setUp() public override {
        super.setUp();
        _token = new HostileToken(grants, alice);
        _asset = address(_token);
        vm.prank(alice);
        grants.setPermissions(_asset, ID, bob, ALL_EIGHT, FAR, CID);
    }

    // ---------------------------------------------------------------- who may not, moves nothing

    /// @dev A stranger's call only looks: the asset is asked for the owner, in a call that may change nothing.
    function test_strangers_letNoAssetAct() public {
        vm.startStateDiffRecording();
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        grants.revokeAll(_asset, ID);
        checkOnlyLookedAt(vm.stopAndReturnStateDiff(), "revokeAll");

        bytes memory bobs = sign(BOB_KEY, revokeDigest(0, FAR));
        vm.startStateDiffRecording();
        vm.expectRevert(err("InvalidOwnerSignature()"));
        grants.revokeAllBySig(_asset, ID, 0, FAR, bobs);
        checkOnlyLookedAt(vm.stopAndReturnStateDiff(), "signed by a stranger");

        bytes memory late = sign(ALICE_KEY, revokeDigest(0, NOW - 1));
        vm.startStateDiffRecording();
        vm.expectRevert(err("SignatureExpired(uint256)", NOW - 1));
        grants.revokeAllBySig(_asset, ID, 0, NOW - 1, late);
        checkOnlyLookedAt(vm.stopAndReturnStateDiff(), "signed, too late");

        bytes memory ahead = sign(ALICE_KEY, revokeDigest(1, FAR));
        vm.startStateDiffRecording();
        vm.expectRevert(abi.encodeWithSignature("InvalidAccountNonce(address,uint256)", alice, 0));
        grants.revokeAllBySig(_asset, ID, 1, FAR, ahead);
        checkOnlyLookedAt(vm.stopAndReturnStateDiff(), "signed with another nonce");

        vm.startStateDiffRecording();
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        grants.setPermissions(_asset, ID, bob, ALL_EIGHT, FAR, CID);
        checkOnlyLookedAt(vm.stopAndReturnStateDiff(), "setPermissions");
        vm.assertEq(_token.version(), 0, "nothing was voided");
    }

    /// @dev The owner's call lets the asset act once, after it was looked at.
    function test_owner_letsTheAssetActOnce() public {
        vm.startStateDiffRecording();
        vm.prank(alice);
        grants.revokeAll(_asset, ID);
        (uint256 looks, uint256 acts, bytes4 last) = count(vm.stopAndReturnStateDiff());
        vm.assertEq(looks, 1, "looked at once");
        vm.assertEq(acts, 1, "called once");
        vm.assertTrue(last == IVersioned.voidGrants.selector, "to void, at the end");
    }

    function checkOnlyLookedAt(Vm.AccountAccess[] memory accesses, string memory what) private view {
        (uint256 looks, uint256 acts,) = count(accesses);
        vm.assertTrue(looks > 0, string.concat("never looked at: ", what));
        vm.assertEq(acts, 0, what);
    }

    /// @dev How often the grant store looked at the asset, how often it called it so that it may act, and with what last.
    function count(Vm.AccountAccess[] memory accesses) private view returns (uint256 looks, uint256 acts, bytes4 last) {
        for (uint256 i = 0; i < accesses.length; ++i) {
            Vm.AccountAccess memory a = accesses[i];
            if (a.account != _asset || a.accessor != address(grants) || (a.kind != 0 && a.kind != 3)) continue;
            if (a.kind == 0) ++acts;
            else ++looks;
            last = bytes4(a.data);
        }
    }

    // ---------------------------------------------------------------- an asset that calls back

    /// @dev The signature that brought the revocation is spent before the asset hears of it.
    function test_signature_countsOnceThoughTheAssetBringsItAgain() public {
        bytes memory sig = sign(ALICE_KEY, revokeDigest(0, FAR));
        bytes memory again = abi.encodeCall(Grants.revokeAllBySig, (_asset, ID, 0, FAR, sig));
        for (uint256 i = 0; i < 2; ++i) {
            uint256 nonce = grants.nonces(alice);
            sig = sign(ALICE_KEY, revokeDigest(nonce, FAR));
            again = abi.encodeCall(Grants.revokeAllBySig, (_asset, ID, nonce, FAR, sig));
            _token.prepare(again, i == 1);
            grants.revokeAllBySig(_asset, ID, nonce, FAR, sig);
            vm.assertFalse(_token.succeeded(), "taken twice");
            bytes memory refusal = abi.encodeWithSignature("InvalidAccountNonce(address,uint256)", alice, nonce + 1);
            vm.assertEq(keccak256(_token.answer()), keccak256(refusal), "why");
            vm.assertEq(_token.version(), i + 1, "voided once");
        }
    }

    /// @dev Who follows the events ends every grant that the asset gave meanwhile, whether or not it still holds.
    function test_grantGivenBeforeVoiding_comesBeforeTheRevocation() public {
        grantGivenMeanwhile(false);
    }

    function test_grantGivenAfterVoiding_comesBeforeTheRevocation() public {
        grantGivenMeanwhile(true);
    }

    function grantGivenMeanwhile(bool voidsFirst) private {
        _token.prepare(grantCall(bob), voidsFirst);
        vm.recordLogs();
        vm.prank(alice);
        grants.revokeAll(_asset, ID);
        vm.assertTrue(_token.succeeded(), "the asset may give grants on its own tokens");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 2, "events");
        vm.assertEq(logs[1].topics[0], REVOKED, "the revocation is the last");
        vm.assertEq(abi.decode(logs[1].data, (uint256)), 1, "version");
        if (!voidsFirst) vm.assertFalse(grants.hasPermission(_asset, ID, bob, 1), "given before, void after");
    }

    function test_revocationWithinARevocation_beforeVoiding_voidsEverything() public {
        revocationWithin(false);
    }

    function test_revocationWithinARevocation_afterVoiding_voidsEverything() public {
        revocationWithin(true);
    }

    function revocationWithin(bool voidsFirst) private {
        _token.prepare(abi.encodeCall(Grants.revokeAll, (_asset, ID)), voidsFirst);
        vm.prank(alice);
        grants.revokeAll(_asset, ID);
        vm.assertTrue(_token.succeeded(), "the asset may revoke");
        vm.assertEq(grants.tokenIdToVersion(_asset, ID), 2, "version");
        vm.assertFalse(grants.hasPermission(_asset, ID, bob, 1), "void");
    }

    /// @dev Being asked to void gives an asset no right over the tokens of others, nor over the account of the caller.
    function test_hostileAsset_reachesNothingOfOthers() public {
        uint256 vehicle = mintVehicleTo(alice);
        grant(alice, vehicle, bob, ALL_EIGHT);
        vm.prank(alice);
        grants.setAccountPermissions(bob, ALL_EIGHT, FAR, 0, CID);
        address cars = address(vehicles);
        bytes[4] memory calls = [
            abi.encodeCall(Grants.revokeAll, (cars, vehicle)),
            abi.encodeCall(Grants.onTransfer, (cars, vehicle)),
            abi.encodeWithSignature(
                "setPermissions(address,uint256,address,uint256,uint256,string)", cars, vehicle, _asset, ALL_EIGHT, FAR, CID
            ),
            abi.encodeCall(Grants.setTemplateContract, (_asset))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            _token.prepare(calls[i], i % 2 == 0);
            vm.prank(alice);
            grants.revokeAll(_asset, ID);
            vm.assertFalse(_token.succeeded(), "a right it has not");
        }
        _token.prepare(abi.encodeCall(Grants.revokeAllAccountPermissions, ()), true);
        vm.prank(alice);
        grants.revokeAll(_asset, ID);
        vm.assertTrue(grants.hasPermission(cars, vehicle, bob, 1), "the car's grant");
        vm.assertTrue(grants.hasAccountPermission(alice, bob, 1), "the account's grant");
        vm.assertFalse(grants.hasPermission(cars, vehicle, _asset, 1), "nothing for the asset");
        vm.assertEq(grants.tokenIdToVersion(cars, vehicle), 0, "the car's version");
    }

    function test_assetThatDoesNotVoid_isNotBelieved() public {
        address idle = address(new IdleToken(alice, false));
        vm.expectRevert(err("GrantsNotVoided(address,uint256)", idle, ID));
        vm.prank(alice);
        grants.revokeAll(idle, ID);
        idle = address(new IdleToken(alice, true));
        vm.expectRevert(abi.encodeWithSignature("Error(string)", "not now"));
        vm.prank(alice);
        grants.revokeAll(idle, ID);
    }

    // ---------------------------------------------------------------- helpers

    function grantCall(address grantee) private view returns (bytes memory) {
        return abi.encodeWithSignature(
            "setPermissions(address,uint256,address,uint256,uint256,string)", _asset, ID, grantee, ALL_EIGHT, FAR, CID
        );
    }

    function revokeDigest(uint256 nonce, uint256 deadline) private view returns (bytes32) {
        bytes32 t = keccak256("RevokeAll(address asset,uint256 tokenId,uint256 nonce,uint256 deadline)");
        return grantsDigest(keccak256(abi.encode(t, _asset, ID, nonce, deadline)));
    }
}

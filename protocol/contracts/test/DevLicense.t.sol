// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Base} from "./support/Base.sol";
import {Vm} from "./support/Vm.sol";

contract DevLicenseTest is Base {
    uint256 private _id;
    address private _client;

    function setUp() public override {
        super.setUp();
        vm.prank(alice);
        (_id, _client) = licenses.issueInDc("mechanic");
    }

    function test_issue_emits_andAnswers() public {
        vm.recordLogs();
        vm.prank(bob);
        (uint256 id, address client) = licenses.issueInDc("garage");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 4, "events");
        vm.assertEq(logs[0].topics[0], keccak256("Transfer(address,address,uint256)"), "first");
        vm.assertEq(logs[1].topics[0], keccak256("Locked(uint256)"), "second");
        vm.assertEq(logs[2].topics[0], keccak256("Issued(uint256,address,address)"), "third");
        vm.assertEq(logs[2].topics[3], bytes32(uint256(uint160(client))), "client id in the event");
        vm.assertEq(logs[3].topics[0], keccak256("LicenseAliasSet(uint256,string)"), "fourth");
        vm.assertEq(id, 2, "ids count from 1");
        vm.assertEq(licenses.tokenIdToClientId(id), client, "client id");
        vm.assertEq(licenses.clientIdToTokenId(client), id, "token id");
        vm.assertEq(licenses.ownerOf(id), bob, "owner");
        vm.assertTrue(client.code.length > 0, "the account exists");
        vm.assertTrue(client != _client, "each licence has its own account");
    }

    function test_alias_lookups() public view {
        vm.assertEq(licenses.getTokenIdByLicenseAlias(string("mechanic")), _id, "by string");
        vm.assertEq(licenses.getTokenIdByLicenseAlias(bytes32("mechanic")), _id, "by 32 bytes");
        vm.assertEq(licenses.getLicenseAliasByTokenId(_id), "mechanic", "alias");
        vm.assertEq(licenses.getLicenseAliasByTokenId(99), "", "no such licence");
        vm.assertEq(licenses.getTokenIdByLicenseAlias(string("nobody")), 0, "no such alias");
    }

    function test_alias_unique_bounded_changeable() public {
        vm.expectRevert(err("AliasAlreadyInUse(string)", string("mechanic")));
        vm.prank(bob);
        licenses.issueInDc("mechanic");
        vm.startPrank(alice);
        vm.expectRevert(err("AliasExceedsMaxLength()"));
        licenses.setLicenseAlias(_id, "123456789012345678901234567890123");
        vm.expectRevert(err("AliasEndsWithZeroByte()"));
        licenses.setLicenseAlias(_id, string(hex"6100"));
        licenses.setLicenseAlias(_id, "12345678901234567890123456789012");
        vm.assertEq(licenses.getLicenseAliasByTokenId(_id), "12345678901234567890123456789012", "32 bytes");
        vm.assertEq(licenses.getTokenIdByLicenseAlias(string("mechanic")), 0, "the old alias is free");
        licenses.setLicenseAlias(_id, "");
        vm.assertEq(licenses.getLicenseAliasByTokenId(_id), "", "taken away");
        (uint256 second,) = licenses.issueInDc("");
        (uint256 third,) = licenses.issueInDc("");
        vm.assertTrue(second != third, "no alias needs not be unique");
        vm.assertEq(licenses.getTokenIdByLicenseAlias(string("")), 0, "no alias leads nowhere");
    }

    function test_signers_expire_asWhenTheyWereEnabled() public {
        vm.prank(alice);
        licenses.enableSigner(_id, bob);
        vm.assertTrue(licenses.isSigner(_id, bob), "enabled");
        vm.assertEq(licenses.signers(_id, bob), NOW, "since");
        vm.assertEq(licenses.getSignerExpiration(_id, bob), NOW + 365 days, "until");
        // A shorter validity counts for those enabled later.
        licenses.setPeriodValidity(1 days);
        vm.assertEq(licenses.getSignerExpiration(_id, bob), NOW + 365 days, "unchanged");
        vm.warp(NOW + 365 days - 1);
        vm.assertTrue(licenses.isSigner(_id, bob), "the last second");
        vm.warp(NOW + 365 days);
        vm.assertFalse(licenses.isSigner(_id, bob), "expired");
        vm.prank(alice);
        licenses.enableSigner(_id, bob);
        vm.assertEq(licenses.getSignerExpiration(_id, bob), NOW + 366 days, "renewed");
    }

    function test_signers_disabled() public {
        vm.startPrank(alice);
        licenses.enableSigner(_id, bob);
        vm.recordLogs();
        licenses.disableSigner(_id, bob);
        vm.assertEq(vm.getRecordedLogs()[0].topics[0], keccak256("SignerDisabled(uint256,address)"), "event");
        vm.assertFalse(licenses.isSigner(_id, bob), "disabled");
        vm.expectRevert(err("InvalidOperation()"));
        licenses.enableSigner(_id, address(0));
        vm.assertFalse(licenses.isSigner(_id, address(0)), "the zero address");
    }

    function test_redirectUris() public {
        vm.startPrank(alice);
        licenses.setRedirectUri(_id, true, "http://localhost/");
        vm.assertTrue(licenses.redirectUriStatus(_id, "http://localhost/"), "enabled");
        vm.assertFalse(licenses.redirectUriStatus(_id, "http://localhost"), "compared byte by byte");
        licenses.setRedirectUri(_id, false, "http://localhost/");
        vm.assertFalse(licenses.redirectUriStatus(_id, "http://localhost/"), "disabled");
    }

    function test_settings_onlyByTheOwner() public {
        vm.startPrank(bob);
        vm.expectRevert(err("InvalidSender(address)", bob));
        licenses.enableSigner(_id, bob);
        vm.expectRevert(err("InvalidSender(address)", bob));
        licenses.disableSigner(_id, bob);
        vm.expectRevert(err("InvalidSender(address)", bob));
        licenses.setRedirectUri(_id, true, "x");
        vm.expectRevert(err("InvalidSender(address)", bob));
        licenses.setLicenseAlias(_id, "x");
        vm.expectRevert(err("NonexistentToken(uint256)", uint256(99)));
        licenses.enableSigner(99, bob);
    }

    function test_neverMoves() public {
        vm.startPrank(alice);
        vm.expectRevert(err("InvalidOperation()"));
        licenses.transferFrom(alice, bob, _id);
        vm.expectRevert(err("InvalidOperation()"));
        licenses.safeTransferFrom(alice, bob, _id);
        vm.expectRevert(err("InvalidOperation()"));
        licenses.safeTransferFrom(alice, bob, _id, "");
        vm.expectRevert(err("InvalidOperation()"));
        licenses.approve(bob, _id);
        vm.expectRevert(err("InvalidOperation()"));
        licenses.setApprovalForAll(bob, true);
        vm.assertTrue(licenses.locked(_id), "locked");
        vm.expectRevert(err("NonexistentToken(uint256)", uint256(99)));
        licenses.locked(99);
        vm.assertTrue(licenses.supportsInterface(0xb45a3c0e), "ERC-5192");
        vm.assertTrue(licenses.supportsInterface(0x80ac58cd), "ERC-721");
    }

    function test_revoke_onlyByRole_freesTheAlias() public {
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        licenses.revoke(_id);
        vm.recordLogs();
        licenses.revoke(_id);
        vm.assertEq(vm.getRecordedLogs()[0].topics[2], bytes32(0), "Transfer to nobody");
        vm.expectRevert(err("NonexistentToken(uint256)", _id));
        licenses.ownerOf(_id);
        vm.expectRevert(err("NonexistentToken(uint256)", _id));
        licenses.revoke(_id);
        vm.prank(bob);
        (uint256 next, address client) = licenses.issueInDc("mechanic");
        vm.assertEq(next, _id + 1, "an id never comes back");
        vm.assertTrue(client != _client, "nor does a client id");
    }

    function test_revoke_withoutAlias_leavesOthersAlone() public {
        vm.startPrank(bob);
        (uint256 bare,) = licenses.issueInDc("");
        vm.stopPrank();
        licenses.revoke(bare);
        vm.assertEq(licenses.getTokenIdByLicenseAlias(string("mechanic")), _id, "another's alias");
    }

    function test_validity_bounds() public {
        vm.expectRevert(err("InvalidAmount(uint256)", uint256(0)));
        licenses.setPeriodValidity(0);
        vm.expectRevert(err("InvalidAmount(uint256)", uint256(2 ** 32)));
        licenses.setPeriodValidity(2 ** 32);
        licenses.setPeriodValidity(7 days);
        vm.assertEq(licenses.periodValidity(), 7 days, "validity");
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        licenses.setPeriodValidity(1);
    }

    function testFuzz_aliasRoundTrip(bytes32 text, uint8 length) public {
        bytes memory licenseAlias = new bytes(1 + length % 32);
        for (uint256 i = 0; i < licenseAlias.length; ++i) {
            licenseAlias[i] = text[i];
        }
        uint256 last = licenseAlias.length - 1;
        if (licenseAlias[last] == 0) licenseAlias[last] = 0x01;
        vm.assume(keccak256(licenseAlias) != keccak256("mechanic"));
        vm.prank(bob);
        (uint256 id,) = licenses.issueInDc(string(licenseAlias));
        vm.assertEq(licenses.getTokenIdByLicenseAlias(string(licenseAlias)), id, "id");
        vm.assertEq(licenses.getLicenseAliasByTokenId(id), string(licenseAlias), "alias");
    }
}

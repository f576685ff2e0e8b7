// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {Grants} from "../src/Grants.sol";
import {Base} from "./support/Base.sol";
import {Vm} from "./support/Vm.sol";

/// @notice A token of somebody else that reports no transfers.
contract ForeignToken is ERC721("Foreign", "F") {
    function mint(address to, uint256 id) external {
        _mint(to, id);
    }
}

contract GrantsTest is Base {
    uint256 private _id;
    address private _asset;

    function setUp() public override {
        super.setUp();
        _id = mintVehicleTo(alice);
        _asset = address(vehicles);
    }

    function test_set_emitsTheSecondForm() public {
        vm.recordLogs();
        grant(alice, _id, bob, ALL_EIGHT);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1, "events");
        vm.assertEq(
            logs[0].topics[0],
            keccak256("PermissionsSet(address,uint256,uint256,address,uint256,uint256,string)"),
            "topic"
        );
        vm.assertEq(logs[0].topics[3], bytes32(uint256(uint160(bob))), "grantee");
        (uint256 permissions, uint256 expiration, uint256 template, string memory source) =
            abi.decode(logs[0].data, (uint256, uint256, uint256, string));
        vm.assertEq(permissions, ALL_EIGHT, "permissions");
        vm.assertEq(expiration, FAR, "expiration");
        vm.assertEq(template, 0, "template");
        vm.assertEq(source, CID, "source");
    }

    function test_set_refusals() public {
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, CID);
        vm.startPrank(alice);
        vm.expectRevert(err("ZeroAddress()"));
        grants.setPermissions(_asset, _id, address(0), ALL_EIGHT, FAR, CID);
        vm.expectRevert(err("InvalidTokenId(address,uint256)", _asset, 99));
        grants.setPermissions(_asset, 99, bob, ALL_EIGHT, FAR, CID);
        vm.expectRevert(err("InvalidTokenId(address,uint256)", bob, _id));
        grants.setPermissions(bob, _id, bob, ALL_EIGHT, FAR, CID);
        vm.expectRevert(err("InvalidTokenId(address,uint256)", address(this), _id));
        grants.setPermissions(address(this), _id, bob, ALL_EIGHT, FAR, CID);
    }

    function test_set_theAssetItselfMay() public {
        vm.prank(_asset);
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, CID);
        vm.assertTrue(grants.hasPermission(_asset, _id, bob, 1), "granted");
    }

    function test_zeroPermissions_revoke() public {
        grant(alice, _id, bob, ALL_EIGHT);
        vm.prank(alice);
        grants.setPermissions(_asset, _id, bob, 0, 0, "");
        vm.assertEq(grants.getPermissions(_asset, _id, bob, type(uint256).max), 0, "permissions");
        vm.assertFalse(grants.hasPermissions(_asset, _id, bob, 0), "not even nothing");
        vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).source, "", "source");
    }

    function test_renounce() public {
        grant(alice, _id, bob, ALL_EIGHT);
        vm.recordLogs();
        vm.prank(bob);
        grants.renouncePermissions(_asset, _id);
        vm.assertEq(
            vm.getRecordedLogs()[0].topics[0], keccak256("PermissionsRenounced(address,uint256,address)"), "event"
        );
        vm.assertFalse(grants.hasPermission(_asset, _id, bob, 1), "permission");
        vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).permissions, 0, "record");
    }

    function test_expiration_isExclusive() public {
        vm.prank(alice);
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, NOW + 10, CID);
        vm.warp(NOW + 9);
        vm.assertTrue(grants.hasPermission(_asset, _id, bob, 1), "a second before");
        vm.warp(NOW + 10);
        vm.assertFalse(grants.hasPermission(_asset, _id, bob, 1), "at the second");
        vm.assertEq(grants.getPermissions(_asset, _id, bob, ALL_EIGHT), 0, "permissions");
        vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).expiration, NOW + 10, "the record stays readable");
    }

    function test_owner_hasEverything_untilTheTransfer() public {
        vm.assertTrue(grants.hasPermission(_asset, _id, alice, 127), "one");
        vm.assertTrue(grants.hasPermissions(_asset, _id, alice, type(uint256).max), "all");
        vm.assertEq(grants.getPermissions(_asset, _id, alice, ALL_EIGHT), ALL_EIGHT, "asked");
        vm.prank(alice);
        vehicles.transferFrom(alice, bob, _id);
        vm.assertFalse(grants.hasPermission(_asset, _id, alice, 1), "after the transfer");
    }

    function test_noToken_noPermission() public view {
        vm.assertFalse(grants.hasPermission(_asset, 99, alice, 1), "no such token");
        vm.assertFalse(grants.hasPermission(_asset, 99, address(0), 1), "the zero address owns nothing");
        vm.assertFalse(grants.hasPermissions(_asset, 99, alice, 0), "no such token, nothing asked");
        vm.assertEq(grants.getPermissions(bob, 1, alice, ALL_EIGHT), 0, "no contract");
    }

    function test_transfer_voids_andTheOldOwnersGrantsStayVoid() public {
        grant(alice, _id, bob, ALL_EIGHT);
        address carol = address(0xCA201);
        vm.prank(alice);
        vehicles.transferFrom(alice, carol, _id);
        vm.assertFalse(grants.hasPermission(_asset, _id, bob, 1), "after the sale");
        vm.prank(carol);
        vehicles.transferFrom(carol, alice, _id);
        vm.assertFalse(grants.hasPermission(_asset, _id, bob, 1), "after it came back");
        vm.assertEq(grants.tokenIdToVersion(_asset, _id), 2, "version");
        vm.assertEq(grants.permissionRecords(_asset, _id, 0, bob).permissions, ALL_EIGHT, "history");
        vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).permissions, 0, "now");
    }

    function test_onTransfer_onlyByTheAsset() public {
        vm.expectRevert(err("Unauthorized(address)", alice));
        vm.prank(alice);
        grants.onTransfer(_asset, _id);
    }

    /// @dev An asset that reports nothing: the grant of an earlier owner does not hold for the next one.
    function test_foreignToken_grantHoldsOnlyWhileItsGiverOwns() public {
        ForeignToken token = new ForeignToken();
        token.mint(alice, 7);
        vm.prank(alice);
        grants.setPermissions(address(token), 7, bob, ALL_EIGHT, FAR, CID);
        vm.assertTrue(grants.hasPermission(address(token), 7, bob, 1), "granted");
        vm.prank(alice);
        token.transferFrom(alice, maker, 7);
        vm.assertFalse(grants.hasPermission(address(token), 7, bob, 1), "after the transfer");
        vm.assertEq(grants.currentPermissionRecord(address(token), 7, bob).permissions, 0, "record");
    }

    function test_sources_comeBackByteByByte() public {
        string[8] memory sources = [
            "",
            CID,
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
            "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
            "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
            "https://example.org/agreement.json",
            "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG/agreement.json",
            "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbd0"
        ];
        for (uint256 i = 0; i < sources.length; ++i) {
            vm.prank(alice);
            grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, sources[i]);
            vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).source, sources[i], "source");
        }
    }

    function test_templates() public {
        grants.setTemplateContract(address(0));
        vm.expectRevert(err("TemplateContractNotSet()"));
        vm.prank(alice);
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, 5, CID);

        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        grants.setTemplateContract(address(templates));
        grants.setTemplateContract(address(templates));
        vm.assertEq(grants.templateContract(), address(templates), "template contract");

        uint256 other = templates.createTemplate(address(this), ALL_EIGHT, "ipfs://other asset");
        uint256 few = templates.createTemplate(_asset, 12, "ipfs://few");
        uint256 good = templates.createTemplate(_asset, ALL_EIGHT, "ipfs://good");
        vm.startPrank(alice);
        vm.expectRevert(err("TemplateNotActive(uint256)", uint256(5)));
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, 5, CID);
        vm.expectRevert(
            abi.encodeWithSignature("TemplateAssetMismatch(uint256,address,address)", other, address(this), _asset)
        );
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, other, CID);
        vm.expectRevert(
            abi.encodeWithSignature("TemplatePermissionsMismatch(uint256,uint256,uint256)", few, 12, ALL_EIGHT)
        );
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, few, CID);
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, good, CID);
        vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).templateId, good, "template");
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, 0, CID);
        vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).templateId, 0, "no template any more");
    }

    // ---------------------------------------------------------------- any value

    /// @dev Number n is granted exactly when bits 2n and 2n+1 are both set; 0 and numbers above 127 never are.
    function testFuzz_permissionBits(uint256 value, uint8 n) public {
        grant(alice, _id, bob, value);
        bool want = n > 0 && n < 128 && (value >> (2 * uint256(n))) & 3 == 3;
        vm.assertTrue(grants.hasPermission(_asset, _id, bob, n) == want, "permission");
    }

    function testFuzz_everyNumberOfOneValue(uint256 value) public {
        grant(alice, _id, bob, value);
        for (uint256 n = 1; n < 128; ++n) {
            bool want = (value >> (2 * n)) & 3 == 3;
            vm.assertTrue(grants.hasPermission(_asset, _id, bob, uint8(n)) == want, "permission");
        }
    }

    function testFuzz_masks(uint256 value, uint256 asked) public {
        grant(alice, _id, bob, value);
        vm.assertEq(grants.getPermissions(_asset, _id, bob, asked), value & asked, "held");
        vm.assertTrue(
            grants.hasPermissions(_asset, _id, bob, asked) == (value != 0 && value & asked == asked), "all held"
        );
    }

    /// @dev Whatever is set comes back from the record, however it is packed.
    function testFuzz_recordRoundTrip(uint256 permissions, uint256 expiration, uint8 shift, string calldata source)
        public
    {
        permissions >>= shift;
        expiration >>= shift;
        vm.prank(alice);
        grants.setPermissions(_asset, _id, bob, permissions, expiration, source);
        Grants.PermissionRecord memory r = grants.currentPermissionRecord(_asset, _id, bob);
        vm.assertEq(r.permissions, permissions, "permissions");
        vm.assertEq(r.expiration, expiration, "expiration");
        vm.assertEq(r.source, source, "source");
        uint256 want = expiration > block.timestamp ? permissions : 0;
        vm.assertEq(grants.getPermissions(_asset, _id, bob, type(uint256).max), want, "in force");
    }

    /// @dev A second grant replaces every trace of the first, whatever their sizes.
    function testFuzz_overwrite(uint256 first, uint256 second, uint256 until1, uint256 until2) public {
        vm.startPrank(alice);
        grants.setPermissions(_asset, _id, bob, first, until1, "a text");
        grants.setPermissions(_asset, _id, bob, second, until2, CID);
        Grants.PermissionRecord memory r = grants.currentPermissionRecord(_asset, _id, bob);
        vm.assertEq(r.permissions, second, "permissions");
        vm.assertEq(r.expiration, until2, "expiration");
        vm.assertEq(r.source, CID, "source");
    }

    function testFuzz_strangersHoldNothing(address stranger, uint8 n) public {
        if (stranger == alice || stranger == bob) stranger = address(grants);
        grant(alice, _id, bob, type(uint256).max);
        vm.assertFalse(grants.hasPermission(_asset, _id, stranger, n), "permission");
    }

    function testFuzz_neverExpires_boundaries(uint8 below) public {
        uint256[4] memory values =
            [type(uint256).max, type(uint40).max, uint256(type(uint40).max) + 1, type(uint48).max];
        for (uint256 i = 0; i < 4; ++i) {
            uint256 expiration = values[i] - below;
            vm.prank(alice);
            grants.setPermissions(_asset, _id, bob, ALL_EIGHT, expiration, CID);
            vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).expiration, expiration, "expiration");
            vm.assertTrue(grants.hasPermission(_asset, _id, bob, 1), "in force");
        }
    }
}

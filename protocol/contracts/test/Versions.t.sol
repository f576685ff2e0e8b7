// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

import {Grants} from "../src/Grants.sol";
import {NodeNft} from "../src/NodeNft.sol";
import {Base} from "./support/Base.sol";

/// @notice A token of somebody else that keeps no versions.
contract PlainToken is ERC721("Plain", "P") {
    function mint(address to, uint256 id) external {
        _mint(to, id);
    }
}

/// @notice Answers the question for owner and version with whatever it was given.
contract OddToken {
    uint256 private _owner;
    uint256 private _version;

    function become(uint256 owner, uint256 version) external {
        (_owner, _version) = (owner, version);
    }

    function ownerAndVersion(uint256) external view returns (uint256, uint256) {
        return (_owner, _version);
    }

    function voidGrants(uint256) external returns (uint256, uint256) {
        return (_owner, ++_version);
    }
}

/// @notice Versions of tokens: where they are kept, what they void, what stays readable; and the counts of what people own.
contract VersionsTest is Base {
    uint256 private _id;
    address private _asset;

    function setUp() public override {
        super.setUp();
        _id = mintVehicleTo(alice);
        _asset = address(vehicles);
    }

    function revokeAll() private {
        vm.prank(alice);
        grants.revokeAll(_asset, _id);
    }

    function record(uint256 version) private view returns (Grants.PermissionRecord memory) {
        return grants.permissionRecords(_asset, _id, version, bob);
    }

    // ---------------------------------------------------------------- where they are kept

    function test_voidGrants_onlyForTheGrantStore() public {
        address[4] memory tokens = [address(vehicles), address(devices), address(synthetics), address(manufacturers)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(err("Unauthorized()"));
            NodeNft(tokens[i]).voidGrants(1);
            vm.expectRevert(err("Unauthorized()"));
            vm.prank(address(registry));
            NodeNft(tokens[i]).voidGrants(1);
        }
    }

    function test_ownerAndVersion_beforeAndAfterEverything() public {
        checkToken(_id + 1, address(0), 0);
        checkToken(_id, alice, 0);
        revokeAll();
        checkToken(_id, alice, 1);
        vm.prank(alice);
        vehicles.transferFrom(alice, bob, _id);
        checkToken(_id, bob, 2);
        vm.prank(bob);
        vehicles.burn(_id);
        checkToken(_id, address(0), 2);
        vm.expectRevert(err("InvalidTokenId(address,uint256)", _asset, _id));
        grants.revokeAll(_asset, _id);
    }

    function checkToken(uint256 id, address owner, uint256 version) private view {
        (address gotOwner, uint256 gotVersion) = vehicles.ownerAndVersion(id);
        vm.assertEq(gotOwner, owner, "owner");
        vm.assertEq(gotVersion, version, "version");
        vm.assertEq(grants.tokenIdToVersion(_asset, id), version, "version by the store");
    }

    function test_manufacturer_transferVoids() public {
        vm.prank(maker);
        grants.setPermissions(address(manufacturers), 1, bob, ALL_EIGHT, FAR, CID);
        vm.assertTrue(grants.hasPermission(address(manufacturers), 1, bob, 1), "granted");
        manufacturers.transferFrom(maker, alice, 1);
        manufacturers.transferFrom(alice, maker, 1);
        vm.assertFalse(grants.hasPermission(address(manufacturers), 1, bob, 1), "after it came back");
        vm.assertEq(grants.tokenIdToVersion(address(manufacturers), 1), 2, "version");
        vm.assertEq(manufacturers.balanceOf(maker), 1, "balance");
    }

    function test_strangers_revokeNothing() public {
        grant(alice, _id, bob, ALL_EIGHT);
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        grants.revokeAll(_asset, _id);
        vm.assertTrue(grants.hasPermission(_asset, _id, bob, 1), "still granted");
        checkToken(_id, alice, 0);
    }

    function test_plainToken_versionsAreKeptForIt() public {
        PlainToken token = new PlainToken();
        token.mint(alice, 7);
        address asset = address(token);
        vm.startPrank(alice);
        grants.setPermissions(asset, 7, bob, ALL_EIGHT, FAR, CID);
        grants.revokeAll(asset, 7);
        vm.assertFalse(grants.hasPermission(asset, 7, bob, 1), "after revokeAll");
        grants.setPermissions(asset, 7, bob, ALL_EIGHT, FAR, CID);
        vm.assertTrue(grants.hasPermission(asset, 7, bob, 1), "granted anew");
        vm.stopPrank();
        vm.prank(asset);
        grants.onTransfer(asset, 7);
        vm.assertFalse(grants.hasPermission(asset, 7, bob, 1), "after the report");
        vm.assertEq(grants.tokenIdToVersion(asset, 7), 2, "version");
        vm.assertEq(grants.permissionRecords(asset, 7, 1, bob).permissions, ALL_EIGHT, "history");
        vm.expectRevert(err("InvalidTokenId(address,uint256)", bob, 7));
        grants.revokeAll(bob, 7);
        vm.expectRevert(err("InvalidTokenId(address,uint256)", asset, 8));
        grants.revokeAll(asset, 8);
    }

    function test_oddToken_isNobodysUnlessItsAnswerIsAnAddress() public {
        OddToken token = new OddToken();
        address asset = address(token);
        token.become(uint256(uint160(alice)), 3);
        vm.prank(alice);
        grants.setPermissions(asset, 7, bob, ALL_EIGHT, FAR, CID);
        vm.assertTrue(grants.hasPermission(asset, 7, bob, 1), "granted");
        vm.prank(alice);
        grants.revokeAll(asset, 7);
        vm.assertEq(grants.tokenIdToVersion(asset, 7), 4, "version");
        vm.assertFalse(grants.hasPermission(asset, 7, bob, 1), "after revokeAll");
        token.become(uint256(uint160(alice)) | (1 << 160), 3);
        vm.assertFalse(grants.hasPermission(asset, 7, bob, 1), "an owner that is no address");
        vm.assertFalse(grants.hasPermission(asset, 7, alice, 1), "nor the one it resembles");
        vm.expectRevert(err("InvalidTokenId(address,uint256)", asset, 7));
        vm.prank(alice);
        grants.revokeAll(asset, 7);
    }

    // ---------------------------------------------------------------- what stays readable

    function test_earlierRecords_areKeptWithAllTheirParts() public {
        uint256 template = templates.createTemplate(_asset, ALL_EIGHT, "ipfs://good");
        vm.startPrank(alice);
        grants.setPermissions(_asset, _id, bob, type(uint256).max, type(uint256).max, "a text");
        grants.revokeAll(_asset, _id);
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, FAR, template, CID);
        grants.revokeAll(_asset, _id);
        grants.setPermissions(_asset, _id, bob, 12, FAR, "another text");
        vm.stopPrank();
        checkRecord(record(0), type(uint256).max, type(uint256).max, 0, "a text");
        checkRecord(record(1), ALL_EIGHT, FAR, template, CID);
        checkRecord(record(2), 12, FAR, 0, "another text");
        checkRecord(record(3), 0, 0, 0, "");
        checkRecord(grants.currentPermissionRecord(_asset, _id, bob), 12, FAR, 0, "another text");
        vm.assertEq(grants.getPermissions(_asset, _id, bob, type(uint256).max), 12, "only the last one holds");
    }

    function checkRecord(
        Grants.PermissionRecord memory r,
        uint256 permissions,
        uint256 expiration,
        uint256 template,
        string memory source
    ) private pure {
        vm.assertEq(r.permissions, permissions, "permissions");
        vm.assertEq(r.expiration, expiration, "expiration");
        vm.assertEq(r.templateId, template, "template");
        vm.assertEq(r.source, source, "source");
    }

    /// @dev A record has one byte for the version; what it does not hold is kept beside.
    function test_versionsBeyondAByte() public {
        uint256[5] memory some = [uint256(1), 254, 255, 256, 511];
        uint256 version = 0;
        for (uint256 i = 0; i < 5; ++i) {
            for (; version < some[i]; ++version) {
                revokeAll();
            }
            vm.assertEq(grants.getPermissions(_asset, _id, bob, type(uint256).max), 0, "void");
            grant(alice, _id, bob, 12 << (2 * i));
            vm.assertEq(grants.getPermissions(_asset, _id, bob, type(uint256).max), 12 << (2 * i), "held");
            for (uint256 j = 0; j <= i; ++j) {
                vm.assertEq(record(some[j]).permissions, 12 << (2 * j), "history");
            }
            vm.assertEq(record(0).permissions, 0, "nothing was given before");
        }
        revokeAll();
        vm.assertEq(grants.getPermissions(_asset, _id, bob, type(uint256).max), 0, "void at last");
    }

    /// @dev Grants, revocations and renunciations in any order, against the plainest model of what every version holds.
    function testFuzz_history(uint8[12] memory acts) public {
        uint256[13] memory given;
        uint256 version = 0;
        uint256 latest = 0;
        for (uint256 i = 0; i < acts.length; ++i) {
            uint256 act = acts[i] % 4;
            if (act < 2) {
                given[version] = 12 << acts[i];
                latest = version;
                grant(alice, _id, bob, 12 << acts[i]);
            } else if (act == 2) {
                revokeAll();
                ++version;
            } else {
                given[latest] = 0;
                vm.prank(bob);
                grants.renouncePermissions(_asset, _id);
            }
            for (uint256 j = 0; j <= version; ++j) {
                vm.assertEq(record(j).permissions, given[j], "record");
            }
            uint256 held = grants.getPermissions(_asset, _id, bob, type(uint256).max);
            vm.assertEq(held, given[version], "held");
            vm.assertEq(grants.currentPermissionRecord(_asset, _id, bob).permissions, given[version], "current");
        }
    }

    function test_never_comesBackAsNever() public {
        vm.prank(alice);
        grants.setPermissions(_asset, _id, bob, ALL_EIGHT, type(uint256).max, CID);
        checkRecord(grants.currentPermissionRecord(_asset, _id, bob), ALL_EIGHT, type(uint256).max, 0, CID);
        vm.warp(type(uint48).max);
        vm.assertTrue(grants.hasPermission(_asset, _id, bob, 1), "in force");
    }

    // ---------------------------------------------------------------- counts and approvals

    function test_balances_ofAllKindsAreCountedApart() public {
        mintVehicleTo(alice);
        uint256 id = claimedDevice(alice);
        (uint256 v, uint256 d, uint256 s) = registry.nodeBalances(alice);
        vm.assertEq(v, 2, "vehicles");
        vm.assertEq(d, 1, "devices");
        vm.assertEq(s, 0, "synthetic devices");
        vm.assertEq(vehicles.balanceOf(alice), 2, "balance of vehicles");
        vm.assertEq(devices.balanceOf(alice), 1, "balance of devices");
        vm.assertEq(synthetics.balanceOf(alice), 0, "balance of synthetic devices");
        vm.prank(alice);
        devices.returnToManufacturer(id);
        vm.assertEq(devices.balanceOf(alice), 0, "after giving it back");
        vm.assertEq(devices.balanceOf(maker), 1, "the maker has it");
        vm.prank(alice);
        vehicles.burn(_id);
        vm.assertEq(vehicles.balanceOf(alice), 1, "after burning one");
        vm.expectRevert(err("ERC721InvalidOwner(address)", address(0)));
        vehicles.balanceOf(address(0));
    }

    function test_toOneself_changesNoBalance() public {
        vm.prank(alice);
        vehicles.transferFrom(alice, alice, _id);
        vm.assertEq(vehicles.balanceOf(alice), 1, "balance");
        vm.assertEq(vehicles.ownerOf(_id), alice, "owner");
    }

    function test_approvals_doNotOutliveAMove() public {
        uint256 id = mintDevice(device);
        vm.prank(maker);
        devices.approve(bob, id);
        bytes memory sig = sign(DEVICE_KEY, claimDigest(id, alice));
        vm.prank(alice);
        registry.claimAftermarketDevice(id, sig);
        vm.assertEq(devices.getApproved(id), address(0), "after the claim");
        vm.expectRevert(abi.encodeWithSignature("ERC721InsufficientApproval(address,uint256)", bob, id));
        vm.prank(bob);
        devices.transferFrom(alice, bob, id);
        vm.prank(alice);
        devices.approve(bob, id);
        vm.prank(bob);
        devices.transferFrom(alice, bob, id);
        vm.assertEq(devices.getApproved(id), address(0), "after the transfer");
        vm.assertEq(devices.balanceOf(bob), 1, "balance");
    }
}

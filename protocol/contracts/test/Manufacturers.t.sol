// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AttributeInfoPair} from "../src/registry/RegistryBase.sol";
import {Base} from "./support/Base.sol";
import {Wallet} from "./support/Wallet.sol";

contract ManufacturersTest is Base {
    AttributeInfoPair[] private _attributes;

    function test_mint_namesAndOwner() public {
        annex.mintManufacturer(alice, "Ruptela", noAttributes);
        vm.assertEq(annex.getManufacturerIdByName("Ruptela"), 2, "id");
        vm.assertEq(annex.getManufacturerNameById(2), "Ruptela", "name");
        vm.assertEq(manufacturers.ownerOf(2), alice, "owner");
        vm.assertTrue(annex.isManufacturerMinted(alice), "alice has one");
        vm.assertFalse(annex.isManufacturerMinted(bob), "bob has none");
        vm.assertTrue(manufacturers.exists(2), "exists");
        vm.assertFalse(manufacturers.exists(3), "does not exist");
    }

    function test_mint_needsRole() public {
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        annex.mintManufacturer(alice, "Ruptela", noAttributes);
    }

    function test_mint_oneForEachOwner() public {
        vm.expectRevert(err("AlreadyManufacturer(address)", maker));
        annex.mintManufacturer(maker, "Ruptela", noAttributes);
    }

    function test_mint_nameUniqueAndNotEmpty() public {
        vm.expectRevert(err("ManufacturerNameRefused(string)", string("Tesla")));
        annex.mintManufacturer(alice, "Tesla", noAttributes);
        vm.expectRevert(err("ManufacturerNameRefused(string)", string("")));
        annex.mintManufacturer(alice, "", noAttributes);
    }

    function test_mint_asksAReceivingContract() public {
        Wallet wallet = new Wallet(alice);
        wallet.refuseTokens();
        vm.expectRevert(err("ERC721InvalidReceiver(address)", address(wallet)));
        annex.mintManufacturer(address(wallet), "Ruptela", noAttributes);
    }

    function test_attributes_onlyListed() public {
        _attributes.push(AttributeInfoPair("Website", "https://example.org"));
        vm.expectRevert(err("AttributeNotWhitelisted(string)", string("Website")));
        annex.setManufacturerInfo(1, _attributes);
        annex.addManufacturerAttribute("Website");
        vm.recordLogs();
        annex.setManufacturerInfo(1, _attributes);
        vm.assertEq(
            vm.getRecordedLogs()[0].topics[0], keccak256("ManufacturerAttributeSet(uint256,string,string)"), "event"
        );
        vm.expectRevert(err("AttributeExists(string)", string("Website")));
        annex.addManufacturerAttribute("Website");
        vm.expectRevert(err("InvalidParentNode(uint256)", uint256(9)));
        annex.setManufacturerInfo(9, _attributes);
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        annex.setManufacturerInfo(1, _attributes);
        vm.expectRevert(notAllowed(alice));
        vm.prank(alice);
        annex.addManufacturerAttribute("Logo");
    }

    function test_batch_onlyForAnAdministrator() public {
        string[] memory names = new string[](2);
        (names[0], names[1]) = ("Ruptela", "AutoPi");
        vm.expectRevert(err("Unauthorized(address)", alice));
        annex.mintManufacturerBatch(alice, names);
        manager.grantRole(0, alice, 0);
        annex.mintManufacturerBatch(alice, names);
        vm.assertEq(manufacturers.balanceOf(alice), 2, "manufacturers");
        vm.assertEq(annex.getManufacturerIdByName("AutoPi"), 3, "id");
        vm.expectRevert(notAllowed(bob));
        vm.prank(bob);
        annex.mintManufacturerBatch(alice, names);
    }

    function test_rename_refusals() public {
        annex.mintManufacturer(alice, "Ruptela", noAttributes);
        vm.expectRevert(err("ManufacturerNameRefused(string)", string("Ruptela")));
        annex.renameManufacturer(1, "Ruptela");
        vm.expectRevert(err("InvalidParentNode(uint256)", uint256(9)));
        annex.renameManufacturer(9, "AutoPi");
        vm.expectRevert(notAllowed(maker));
        vm.prank(maker);
        annex.renameManufacturer(1, "AutoPi");
    }

    function test_token_movesOnlyByRole_toOneWithoutAny() public {
        vm.expectRevert(notAllowed(maker));
        vm.prank(maker);
        manufacturers.transferFrom(maker, alice, 1);
        vm.expectRevert(notAllowed(maker));
        vm.prank(maker);
        manufacturers.safeTransferFrom(maker, alice, 1);

        annex.mintManufacturer(bob, "Ruptela", noAttributes);
        vm.expectRevert(err("AlreadyManufacturer(address)", bob));
        manufacturers.transferFrom(maker, bob, 1);
        vm.expectRevert(err("ZeroAddress()"));
        manufacturers.transferFrom(maker, address(0), 1);
        vm.expectRevert();
        manufacturers.transferFrom(bob, alice, 1);

        vm.prank(maker);
        grants.setPermissions(address(manufacturers), 1, bob, ALL_EIGHT, FAR, CID);
        manufacturers.transferFrom(maker, alice, 1);
        vm.assertEq(manufacturers.ownerOf(1), alice, "owner");
        vm.assertFalse(grants.hasPermission(address(manufacturers), 1, bob, 1), "grant outlived the transfer");
        manufacturers.safeTransferFrom(alice, maker, 1);
        vm.assertEq(manufacturers.ownerOf(1), maker, "owner after the safe form");
    }

    function test_token_approvalsRefused() public {
        vm.expectRevert(err("ApprovalsRefused()"));
        manufacturers.approve(alice, 1);
        vm.expectRevert(err("ApprovalsRefused()"));
        manufacturers.setApprovalForAll(alice, true);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {LicenseAccount} from "../src/LicenseAccount.sol";
import {Base} from "./support/Base.sol";

contract LicenseAccountTest is Base {
    uint256 private _id;
    LicenseAccount private _account;
    bytes32 private constant HASH = keccak256("a login challenge");
    bytes4 private constant VALID = 0x1626ba7e;

    function setUp() public override {
        super.setUp();
        vm.startPrank(alice);
        address client;
        (_id, client) = licenses.issueInDc("mechanic");
        licenses.enableSigner(_id, bob);
        vm.stopPrank();
        _account = LicenseAccount(payable(client));
    }

    function test_knowsItsLicence() public view {
        vm.assertEq(_account.license(), address(licenses), "licence contract");
        vm.assertEq(_account.tokenId(), _id, "token id");
        vm.assertTrue(_account.isSigner(bob), "signer");
        vm.assertFalse(_account.isSigner(alice), "the owner is no signer by itself");
    }

    function test_personalSignature_untilDisabledOrExpired() public {
        bytes memory sig = sign(BOB_KEY, personal(HASH));
        vm.assertTrue(_account.isValidSignature(HASH, sig) == VALID, "enabled");
        vm.assertFalse(_account.isValidSignature(keccak256("another"), sig) == VALID, "another text");
        vm.assertFalse(_account.isValidSignature(HASH, sign(ALICE_KEY, personal(HASH))) == VALID, "another key");
        vm.assertFalse(_account.isValidSignature(HASH, "") == VALID, "empty");
        vm.warp(NOW + 365 days);
        vm.assertFalse(_account.isValidSignature(HASH, sig) == VALID, "expired");
        vm.warp(NOW);
        vm.prank(alice);
        licenses.disableSigner(_id, bob);
        vm.assertFalse(_account.isValidSignature(HASH, sig) == VALID, "disabled");
    }

    /// @dev ERC-7739: typed data of an app, nested in the account's domain.
    function test_typedDataSignature() public view {
        bytes32 appDomain = keccak256("domain separator of an app");
        string memory contentsType = "Login(string nonce)";
        bytes32 contents = keccak256(abi.encode(keccak256(bytes(contentsType)), keccak256("n1")));
        bytes32 hash = keccak256(abi.encodePacked(hex"1901", appDomain, contents));
        bytes32 nestedType = keccak256(
            abi.encodePacked(
                "TypedDataSign(Login contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)",
                contentsType
            )
        );
        bytes32 nested = keccak256(
            abi.encode(
                nestedType,
                contents,
                keccak256("Sayso Licence Account"),
                keccak256("1"),
                block.chainid,
                address(_account),
                bytes32(0)
            )
        );
        bytes memory inner = sign(BOB_KEY, keccak256(abi.encodePacked(hex"1901", appDomain, nested)));
        bytes memory sig =
            abi.encodePacked(inner, appDomain, contents, contentsType, uint16(bytes(contentsType).length));
        vm.assertTrue(_account.isValidSignature(hash, sig) == VALID, "nested");
        vm.assertFalse(_account.isValidSignature(HASH, sig) == VALID, "another hash");
        vm.assertTrue(
            _account.isValidSignature(0x7739773977397739773977397739773977397739773977397739773977397739, "")
                == bytes4(0x77390001),
            "says that it follows ERC-7739"
        );
    }

    function test_execute_onlyForTheOwner() public {
        uint256 vehicle = mintVehicleTo(address(_account));
        bytes memory data =
            abi.encodeWithSignature("transferFrom(address,address,uint256)", address(_account), alice, vehicle);
        vm.expectRevert(err("Unauthorized()"));
        vm.prank(bob); // a signer is not the owner
        _account.execute(address(vehicles), 0, data);
        vm.prank(alice);
        _account.execute(address(vehicles), 0, data);
        vm.assertEq(vehicles.ownerOf(vehicle), alice, "moved");
        vm.expectPartialRevert(LicenseAccount.ExecutionFailed.selector);
        vm.prank(alice);
        _account.execute(address(vehicles), 0, data);
    }

    function test_execute_answersWhatWasAnswered() public {
        uint256 vehicle = mintVehicleTo(bob);
        vm.prank(alice);
        bytes memory answer = _account.execute(address(vehicles), 0, abi.encodeCall(vehicles.ownerOf, (vehicle)));
        vm.assertEq(abi.decode(answer, (address)), bob, "answer");
    }

    function test_execute_sendsEther() public {
        vm.deal(address(this), 2 ether);
        (bool ok,) = address(_account).call{value: 1 ether}("");
        vm.assertTrue(ok, "receives");
        vm.prank(alice);
        _account.execute(address(0xCAFE), 1 ether, "");
        vm.assertEq(address(0xCAFE).balance, 1 ether, "sent");
    }

    function test_execute_endsWithTheLicence() public {
        licenses.revoke(_id);
        vm.expectRevert(err("NonexistentToken(uint256)", _id));
        vm.prank(alice);
        _account.execute(address(vehicles), 0, "");
    }

    function testFuzz_anyOtherSignatureIsRefused(bytes32 hash, uint256 key, bytes calldata noise) public view {
        key = 1 + key % (2 ** 255);
        vm.assume(vm.addr(key) != bob);
        vm.assertFalse(_account.isValidSignature(hash, sign(key, personal(hash))) == VALID, "another key");
        vm.assertFalse(_account.isValidSignature(hash, noise) == VALID, "noise");
        vm.assertFalse(_account.isValidSignature(hash, sign(BOB_KEY, hash)) == VALID, "not nested");
    }

    function personal(bytes32 hash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Sayso Licence Account"),
                keccak256("1"),
                block.chainid,
                address(_account)
            )
        );
        bytes32 structHash = keccak256(abi.encode(keccak256("PersonalSign(bytes prefixed)"), hash));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}

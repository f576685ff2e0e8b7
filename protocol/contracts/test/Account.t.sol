// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {Account, Call} from "../src/Account.sol";
import {Accounts} from "../src/Accounts.sol";
import {Base} from "./support/Base.sol";
import {Passkey} from "./support/Passkey.sol";
import {Wallet} from "./support/Wallet.sol";

/// @notice Brings what it was given to the account that calls it, once more.
contract Echo {
    bytes private _call;
    bytes public answer;

    function prepare(bytes calldata call_) external {
        _call = call_;
    }

    function ping() external {
        bool ok;
        (ok, answer) = msg.sender.call(_call);
        require(!ok, "the account did it twice");
    }
}

/// @notice People's accounts: what the passkey signs happens, and nothing else.
contract AccountTest is Base {
    uint256 private constant KEY = 0xFACE;
    uint256 private constant NEXT_KEY = 0xF00D;
    bytes4 private constant VALID = 0x1626ba7e;

    bytes32 private _qx;
    bytes32 private _qy;
    Account private _account;
    uint256 private _vehicle;

    function setUp() public override {
        super.setUp();
        (_qx, _qy) = Passkey.publicKey(KEY);
        _account = Account(payable(accounts.createAccount(_qx, _qy, bob)));
        _vehicle = mintVehicleTo(address(_account));
    }

    // ---------------------------------------------------------------- making

    function test_address_followsFromTheSigners() public {
        vm.assertEq(accounts.accountOf(_qx, _qy, bob), address(_account), "predicted");
        vm.assertEq(accounts.createAccount(_qx, _qy, bob), address(_account), "made again");
        vm.assertTrue(accounts.accountOf(_qx, _qy, alice) != address(_account), "another second signer");
        address later = accounts.accountOf(_qy, _qx, address(0));
        vm.assertEq(later.code.length, 0, "not made yet");
        vm.expectRevert(abi.encodeWithSignature("InvalidPublicKey(bytes32,bytes32)", _qy, _qx));
        accounts.createAccount(_qy, _qx, address(0));
        (bytes32 x, bytes32 y, address second) = _account.signers();
        vm.assertEq(x, _qx, "x");
        vm.assertEq(y, _qy, "y");
        vm.assertEq(second, bob, "second");
        vm.assertEq(_account.recoveryDelay(), 2 days, "delay");
    }

    function test_create_emits() public {
        (bytes32 x, bytes32 y) = Passkey.publicKey(NEXT_KEY);
        address want = accounts.accountOf(x, y, address(0));
        vm.expectEmit(address(accounts));
        emit Accounts.AccountCreated(want, x, y, address(0));
        accounts.createAccount(x, y, address(0));
    }

    // ---------------------------------------------------------------- acting

    function test_execute_byAnyone_onceOnly() public {
        Call[] memory calls = one(address(vehicles), abi.encodeCall(IERC721.transferFrom, (address(_account), alice, _vehicle)));
        bytes memory sig = Passkey.sign(KEY, executeDigest(_account, calls, 0, FAR));
        vm.prank(cloud);
        _account.execute(calls, 0, FAR, sig);
        vm.assertEq(vehicles.ownerOf(_vehicle), alice, "moved");
        vm.expectRevert(abi.encodeWithSignature("InvalidAccountNonce(address,uint256)", address(_account), 1));
        _account.execute(calls, 0, FAR, sig);
    }

    function test_execute_severalInOrder_allOrNone() public {
        Call[] memory calls = new Call[](2);
        calls[0].target = address(grants);
        calls[0].data = abi.encodeWithSignature(
            "setPermissions(address,uint256,address,uint256,uint256,string)",
            address(vehicles),
            _vehicle,
            cloud,
            ALL_EIGHT,
            FAR,
            CID
        );
        calls[1] = Call(address(vehicles), 0, abi.encodeCall(vehicles.burn, (99)));
        bytes memory sig = Passkey.sign(KEY, executeDigest(_account, calls, 0, FAR));
        vm.expectRevert(
            abi.encodeWithSignature(
                "ExecutionFailed(uint256,bytes)", 1, abi.encodeWithSignature("ERC721NonexistentToken(uint256)", 99)
            )
        );
        _account.execute(calls, 0, FAR, sig);
        vm.assertFalse(grants.hasPermission(address(vehicles), _vehicle, cloud, 1), "half done");

        calls[1] = Call(alice, 5, "");
        sig = Passkey.sign(KEY, executeDigest(_account, calls, 0, FAR));
        vm.deal(address(_account), 5);
        bytes[] memory answers = _account.execute(calls, 0, FAR, sig);
        vm.assertEq(answers.length, 2, "answers");
        vm.assertTrue(grants.hasPermission(address(vehicles), _vehicle, cloud, 8), "granted");
        vm.assertEq(alice.balance, 5, "paid");
    }

    function test_execute_refusals() public {
        Call[] memory calls = one(address(vehicles), "");
        bytes memory sig = Passkey.sign(KEY, executeDigest(_account, calls, 0, NOW - 1));
        vm.expectRevert(err("SignatureExpired(uint256)", NOW - 1));
        _account.execute(calls, 0, NOW - 1, sig);
        bytes32 digest = executeDigest(_account, calls, 0, FAR);
        refused(calls, Passkey.sign(NEXT_KEY, digest));
        refused(calls, Passkey.sign(KEY, digest, 0x04, "webauthn.get"));
        refused(calls, Passkey.sign(KEY, digest, 0x01, "webauthn.get"));
        refused(calls, Passkey.sign(KEY, digest, Passkey.VERIFIED, "webauthn.create"));
        refused(calls, Passkey.sign(KEY, keccak256("another")));
        refused(calls, sign(BOB_KEY, digest));
        refused(calls, "");
    }

    function testFuzz_execute_anyChangedField_isRefused(uint8 field, uint256 by) public {
        Call[] memory calls = one(address(vehicles), abi.encodeCall(vehicles.burn, (_vehicle)));
        bytes memory sig = Passkey.sign(KEY, executeDigest(_account, calls, 0, FAR));
        (uint256 nonce, uint256 deadline) = (0, FAR);
        by = 1 + by % type(uint128).max;
        field = field % 7;
        if (field == 0) calls[0].target = address(uint160(address(vehicles)) ^ uint160(by));
        if (field == 1) calls[0].value = by;
        if (field == 2) calls[0].data = abi.encodePacked(calls[0].data, by);
        if (field == 3) calls = new Call[](0);
        if (field == 4) nonce = by << 64;
        if (field == 5) deadline = FAR + by;
        if (field == 6) vm.chainId(1 + by % 0xfffffff == block.chainid ? 1 : 1 + by % 0xfffffff);
        vm.expectRevert(err("InvalidSignature()"));
        _account.execute(calls, nonce, deadline, sig);
    }

    /// @dev What a passkey signed, the contract that it calls does not bring a second time from within.
    function test_doesNothingTwice_thoughTheCalledBringsItAgain() public {
        Echo echo = new Echo();
        Call[] memory calls = new Call[](1);
        calls[0] = Call(address(echo), 0, abi.encodeCall(Echo.ping, ()));
        bytes memory sig = Passkey.sign(KEY, executeDigest(_account, calls, 0, FAR));
        echo.prepare(abi.encodeCall(Account.execute, (calls, 0, FAR, sig)));
        _account.execute(calls, 0, FAR, sig);
        bytes memory refusal = abi.encodeWithSignature("InvalidAccountNonce(address,uint256)", address(_account), 1);
        vm.assertEq(keccak256(echo.answer()), keccak256(refusal), "why");
    }

    /// @dev A signature for one account is worth nothing at another of the same passkey.
    function test_execute_isBoundToTheAccount() public {
        Account other = Account(payable(accounts.createAccount(_qx, _qy, alice)));
        Call[] memory calls = one(address(vehicles), "");
        bytes memory sig = Passkey.sign(KEY, executeDigest(_account, calls, 0, FAR));
        vm.expectRevert(err("InvalidSignature()"));
        other.execute(calls, 0, FAR, sig);
    }

    // ---------------------------------------------------------------- ERC-1271

    function test_signsNested_forOwnersSignatures() public {
        bytes32 hash = keccak256("a login");
        bytes memory nested = Passkey.sign(KEY, nestedDigest(address(_account), hash));
        vm.assertTrue(_account.isValidSignature(hash, nested) == VALID, "nested");
        vm.assertFalse(_account.isValidSignature(hash, Passkey.sign(KEY, hash)) == VALID, "plain");
        vm.assertFalse(_account.isValidSignature(hash, sign(BOB_KEY, hash)) == VALID, "the second signer");
        Account other = Account(payable(accounts.createAccount(_qx, _qy, alice)));
        vm.assertFalse(other.isValidSignature(hash, nested) == VALID, "at another account");

        // An owner's signature as the registry asks for it.
        bytes32 digest = burnDigest(_vehicle);
        registry.burnVehicleSign(_vehicle, Passkey.sign(KEY, nestedDigest(address(_account), digest)));
        vm.assertFalse(vehicles.exists(_vehicle), "burnt by signature");
    }

    // ---------------------------------------------------------------- recovery

    function test_recovery_byItsOwnCall() public {
        (bytes32 x, bytes32 y) = Passkey.publicKey(NEXT_KEY);
        vm.expectEmit(address(_account));
        emit Account.RecoveryAnnounced(x, y, NOW + 2 days);
        vm.prank(bob);
        _account.announceRecovery(x, y, 0, 0, "");
        (bytes32 rx, bytes32 ry, uint256 readyAt) = _account.recovery();
        vm.assertTrue(rx == x && ry == y, "announced");
        vm.assertEq(readyAt, NOW + 2 days, "ready");
        vm.warp(NOW + 2 days - 1);
        vm.expectRevert(err("RecoveryNotReady(uint256)", NOW + 2 days));
        _account.finishRecovery();
        vm.warp(NOW + 2 days);
        _account.finishRecovery();
        address second;
        (rx, ry, second) = _account.signers();
        vm.assertTrue(rx == x && ry == y, "in force");
        vm.assertEq(second, bob, "the second signer stays");
        vm.expectRevert(err("NoRecovery()"));
        _account.finishRecovery();

        Call[] memory calls = one(address(vehicles), abi.encodeCall(vehicles.burn, (_vehicle)));
        refused(calls, Passkey.sign(KEY, executeDigest(_account, calls, 0, FAR)));
        _account.execute(calls, 0, FAR, Passkey.sign(NEXT_KEY, executeDigest(_account, calls, 0, FAR)));
    }

    function test_recovery_bySignature_ofAWallet() public {
        Wallet wallet = new Wallet(alice);
        Account a = Account(payable(accounts.createAccount(_qx, _qy, address(wallet))));
        (bytes32 x, bytes32 y) = Passkey.publicKey(NEXT_KEY);
        bytes memory sig = sign(ALICE_KEY, recoverDigest(a, x, y, 0, FAR));
        bytes memory bobs = sign(BOB_KEY, recoverDigest(a, x, y, 0, FAR));
        vm.expectRevert(err("InvalidSignature()"));
        a.announceRecovery(x, y, 0, FAR, bobs);
        vm.expectRevert(err("SignatureExpired(uint256)", NOW - 1));
        a.announceRecovery(x, y, 0, NOW - 1, sig);
        a.announceRecovery(x, y, 0, FAR, sig);
        vm.expectRevert(abi.encodeWithSignature("InvalidAccountNonce(address,uint256)", address(wallet), 1));
        a.announceRecovery(x, y, 0, FAR, sig);
        vm.warp(NOW + 2 days);
        a.finishRecovery();
        (bytes32 sx,,) = a.signers();
        vm.assertEq(sx, x, "in force");
    }

    function test_recovery_refusedByThePasskey() public {
        (bytes32 x, bytes32 y) = Passkey.publicKey(NEXT_KEY);
        vm.prank(bob);
        _account.announceRecovery(x, y, 0, 0, "");
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        _account.refuseRecovery();
        vm.expectEmit(address(_account));
        emit Account.RecoveryRefused();
        act(abi.encodeCall(_account.refuseRecovery, ()), 0);
        vm.warp(NOW + 3 days);
        vm.expectRevert(err("NoRecovery()"));
        _account.finishRecovery();
        Call[] memory calls = one(address(_account), abi.encodeCall(_account.refuseRecovery, ()));
        bytes memory sig = Passkey.sign(KEY, executeDigest(_account, calls, 1, FAR));
        vm.expectRevert(
            abi.encodeWithSignature("ExecutionFailed(uint256,bytes)", 0, abi.encodeWithSignature("NoRecovery()"))
        );
        _account.execute(calls, 1, FAR, sig);
    }

    function test_recovery_refusals() public {
        (bytes32 x, bytes32 y) = Passkey.publicKey(NEXT_KEY);
        vm.expectRevert(abi.encodeWithSignature("InvalidPublicKey(bytes32,bytes32)", y, x));
        vm.prank(bob);
        _account.announceRecovery(y, x, 0, 0, "");
        Account alone = Account(payable(accounts.createAccount(x, y, address(0))));
        vm.expectRevert(err("NoRecovery()"));
        vm.prank(bob);
        alone.announceRecovery(x, y, 0, 0, "");
        vm.expectRevert(err("Unauthorized(address)", bob));
        vm.prank(bob);
        _account.setSigners(x, y, bob);
    }

    function test_signers_replacedByThePasskey() public {
        (bytes32 x, bytes32 y) = Passkey.publicKey(NEXT_KEY);
        vm.prank(bob);
        _account.announceRecovery(x, y, 0, 0, "");
        vm.expectEmit(address(_account));
        emit Account.SignersSet(x, y, alice);
        act(abi.encodeCall(_account.setSigners, (x, y, alice)), 0);
        (bytes32 sx, bytes32 sy, address second) = _account.signers();
        vm.assertTrue(sx == x && sy == y && second == alice, "replaced");
        vm.expectRevert(err("NoRecovery()"));
        _account.finishRecovery();
        Call[] memory calls = one(address(_account), abi.encodeCall(_account.setSigners, (y, x, alice)));
        bytes memory sig = Passkey.sign(NEXT_KEY, executeDigest(_account, calls, 1, FAR));
        vm.expectRevert(
            abi.encodeWithSignature(
                "ExecutionFailed(uint256,bytes)",
                0,
                abi.encodeWithSignature("InvalidPublicKey(bytes32,bytes32)", y, x)
            )
        );
        _account.execute(calls, 1, FAR, sig);
    }

    function test_receivesEther() public {
        vm.deal(address(this), 1);
        (bool ok,) = address(_account).call{value: 1}("");
        vm.assertTrue(ok && address(_account).balance == 1, "ether");
    }

    // ---------------------------------------------------------------- steps

    function act(bytes memory data, uint256 nonce) private {
        Call[] memory calls = one(address(_account), data);
        _account.execute(calls, nonce, FAR, Passkey.sign(KEY, executeDigest(_account, calls, nonce, FAR)));
    }

    function refused(Call[] memory calls, bytes memory sig) private {
        vm.expectRevert(err("InvalidSignature()"));
        _account.execute(calls, 0, FAR, sig);
    }

    function one(address target, bytes memory data) private pure returns (Call[] memory calls) {
        calls = new Call[](1);
        calls[0] = Call(target, 0, data);
    }

    function executeDigest(Account a, Call[] memory calls, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes32)
    {
        bytes32 callType = keccak256("Call(address target,uint256 value,bytes data)");
        bytes memory hashes;
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes32 data = keccak256(calls[i].data);
            hashes = bytes.concat(hashes, keccak256(abi.encode(callType, calls[i].target, calls[i].value, data)));
        }
        bytes32 t = keccak256(
            "Execute(Call[] calls,uint256 nonce,uint256 deadline)Call(address target,uint256 value,bytes data)"
        );
        return accountDigest(address(a), keccak256(abi.encode(t, keccak256(hashes), nonce, deadline)));
    }

    function recoverDigest(Account a, bytes32 x, bytes32 y, uint256 nonce, uint256 deadline)
        private
        view
        returns (bytes32)
    {
        bytes32 t = keccak256("Recover(bytes32 qx,bytes32 qy,uint256 nonce,uint256 deadline)");
        return accountDigest(address(a), keccak256(abi.encode(t, x, y, nonce, deadline)));
    }

    function nestedDigest(address account, bytes32 hash) private view returns (bytes32) {
        return accountDigest(account, keccak256(abi.encode(keccak256("PersonalSign(bytes prefixed)"), hash)));
    }

    function accountDigest(address account, bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Sayso Account"),
                keccak256("1"),
                block.chainid,
                account
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @title Accounts
/// @notice Makes people's accounts. The address of an account follows from the signers it begins with, so it is known
/// before it exists, is the same whoever makes it, and can be given tokens beforehand.
contract Accounts {
    /// @notice What accounts are clones of.
    address public immutable implementation;

    event AccountCreated(address indexed account, bytes32 indexed qx, bytes32 qy, address indexed second);

    error InvalidPublicKey(bytes32 qx, bytes32 qy);

    constructor(address implementation_) {
        implementation = implementation_;
    }

    /// @notice Makes the account of a passkey and a second signer (zero for none), unless it exists.
    function createAccount(bytes32 qx, bytes32 qy, address second) external returns (address account) {
        account = accountOf(qx, qy, second);
        if (account.code.length != 0) return account;
        if (!P256.isValidPublicKey(qx, qy)) revert InvalidPublicKey(qx, qy);
        Clones.cloneDeterministicWithImmutableArgs(implementation, abi.encode(qx, qy, second), bytes32(0));
        emit AccountCreated(account, qx, qy, second);
    }

    /// @notice Where the account of these signers is or will be.
    function accountOf(bytes32 qx, bytes32 qy, address second) public view returns (address account) {
        return Clones.predictDeterministicAddressWithImmutableArgs(
            implementation, abi.encode(qx, qy, second), bytes32(0)
        );
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @title Roles
/// @notice Role numbers in the AccessManager. Number 0 is its administrator, who gives and takes the others.
library Roles {
    /// @dev mints manufacturers
    uint64 internal constant MANUFACTURER_MINTER = 1;
    /// @dev moves manufacturers to another owner
    uint64 internal constant MANUFACTURER_TRANSFERER = 2;
    /// @dev keeps attribute lists, attributes, names and metadata
    uint64 internal constant EDITOR = 3;
    /// @dev brings signatures of the old forms, which carry neither nonce nor deadline
    uint64 internal constant RELAY = 4;
    /// @dev hands devices to owners without signatures
    uint64 internal constant DISTRIBUTOR = 5;
    /// @dev sets how long signers of licences are valid
    uint64 internal constant LICENSE_ADMIN = 6;
    /// @dev revokes licences
    uint64 internal constant LICENSE_REVOKER = 7;
    /// @dev replaces implementations and the contracts they rely on
    uint64 internal constant UPGRADER = 8;
    /// @dev mints connections
    uint64 internal constant CONNECTION_MINTER = 9;
    /// @dev mints storage nodes
    uint64 internal constant STORAGE_NODE_MINTER = 10;
    /// @dev cancels what upgraders have announced, and nothing else
    uint64 internal constant GUARDIAN = 11;
    /// @dev the highest number in use
    uint64 internal constant LAST = 11;
}

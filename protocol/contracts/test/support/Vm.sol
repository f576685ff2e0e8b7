// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice The cheat codes of forge that these tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    /// @dev A call of an account or a look at it, kind 0 a call that may change state, 3 one that may not. The members that
    /// follow these are not used here.
    struct AccountAccess {
        uint256 forkId;
        uint256 chainId;
        uint8 kind;
        address account;
        address accessor;
        bool initialized;
        uint256 oldBalance;
        uint256 newBalance;
        bytes deployedCode;
        uint256 value;
        bytes data;
        bool reverted;
    }

    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function warp(uint256 timestamp) external;
    function chainId(uint256 id) external;
    function deal(address who, uint256 amount) external;
    function getNonce(address who) external view returns (uint64);
    function setNonce(address who, uint64 nonce) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function assume(bool condition) external pure;

    function expectRevert(bytes calldata data) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectRevert() external;
    function expectEmit(address emitter) external;
    function startStateDiffRecording() external;
    function stopAndReturnStateDiff() external returns (AccountAccess[] memory);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);

    function signP256(uint256 key, bytes32 digest) external pure returns (bytes32 r, bytes32 s);
    function publicKeyP256(uint256 key) external view returns (uint256 x, uint256 y);
    function envOr(string calldata name, bool otherwise) external view returns (bool);
    function toString(bytes calldata data) external pure returns (string memory);
    function getCode(string calldata path) external view returns (bytes memory);
    function toBase64URL(bytes calldata data) external pure returns (string memory);
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);

    function assertTrue(bool condition, string calldata what) external pure;
    function assertFalse(bool condition, string calldata what) external pure;
    function assertEq(uint256 got, uint256 want, string calldata what) external pure;
    function assertEq(address got, address want, string calldata what) external pure;
    function assertEq(bytes32 got, bytes32 want, string calldata what) external pure;
    function assertEq(string calldata got, string calldata want, string calldata what) external pure;
}

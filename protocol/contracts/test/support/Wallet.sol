// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A contract wallet: signs by ERC-1271 with one key, makes calls, and does something when it is sent a token.
contract Wallet {
    address private immutable _signer;
    address private _onReceiveTarget;
    bytes private _onReceiveCall;
    bool public accepts = true;

    constructor(address signer) {
        _signer = signer;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address recovered, ECDSA.RecoverError e,) = ECDSA.tryRecover(hash, signature);
        return e == ECDSA.RecoverError.NoError && recovered == _signer ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }

    function call(address target, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory answer) = target.call(data);
        if (!ok) {
            assembly {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        return answer;
    }

    function refuseTokens() external {
        accepts = false;
    }

    function whenReceiving(address target, bytes calldata data) external {
        (_onReceiveTarget, _onReceiveCall) = (target, data);
    }

    function onERC721Received(address, address, uint256, bytes calldata) external returns (bytes4) {
        if (_onReceiveTarget != address(0)) {
            (bool ok,) = _onReceiveTarget.call(_onReceiveCall);
            require(ok, "call on receiving failed");
        }
        return accepts ? this.onERC721Received.selector : bytes4(0);
    }
}

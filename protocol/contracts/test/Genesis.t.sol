// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Base} from "./support/Base.sol";
import {Genesis} from "../src/Genesis.sol";
import {Vm} from "./support/Vm.sol";

/// @notice An implementation that, while it is initialised, raises the nonce of the contract that creates the proxy, as
/// on a chain that counts otherwise.
contract Miscounting {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private immutable creator;

    constructor(address creator_) {
        creator = creator_;
    }

    fallback() external {
        vm.setNonce(creator, vm.getNonce(creator) + 1);
    }
}

/// @notice Founding stops when a contract arises at another address than the one that the others were told.
contract GenesisTest is Base {
    /// @dev The Genesis to come, while one more contract is created before it.
    function next() private view returns (address) {
        uint256 nonce = vm.getNonce(address(this)) + 1;
        bytes memory rlp = nonce < 0x80
            ? abi.encodePacked(hex"d694", address(this), uint8(nonce))
            : abi.encodePacked(hex"d794", address(this), hex"81", uint8(nonce));
        return address(uint160(uint256(keccak256(rlp))));
    }

    function refuses(Genesis.Implementations memory impl, uint8 nonce) private {
        Genesis.Settings memory settings = Genesis.Settings(address(this), 0, 0, 365 days);
        bytes memory reason;
        try this.foundWith(impl, settings) {} catch (bytes memory data) {
            reason = data;
        }
        vm.assertTrue(
            keccak256(reason) == keccak256(abi.encodeWithSelector(Genesis.AddressMismatch.selector, nonce)),
            "refused, naming the contract"
        );
    }

    function foundWith(Genesis.Implementations memory impl, Genesis.Settings memory settings) external {
        bytes memory code = bytes.concat(codeOf("Genesis"), abi.encode(impl, settings));
        assembly {
            let created := create(0, add(code, 0x20), mload(code))
            if iszero(created) {
                returndatacopy(0, 0, returndatasize())
                revert(0, returndatasize())
            }
        }
    }

    function test_aProxyElsewhereStopsTheFounding() public {
        Genesis.Implementations memory impl = implementations();
        impl.grants = address(new Miscounting(next()));
        refuses(impl, 3);
    }

    function test_aLicenceAccountElsewhereStopsTheFounding() public {
        Genesis.Implementations memory impl = implementations();
        impl.aftermarketDevice = address(new Miscounting(next()));
        refuses(impl, 7);
    }

    function test_anAccountFactoryElsewhereStopsTheFounding() public {
        Genesis.Implementations memory impl = implementations();
        impl.templates = address(new Miscounting(next()));
        refuses(impl, 13);
    }
}

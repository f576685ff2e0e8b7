// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";

import {Vm} from "./Vm.sol";

/// @notice What an authenticator answers when a page asks it to sign a challenge.
library Passkey {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @dev User present and verified.
    bytes1 internal constant VERIFIED = 0x05;

    function publicKey(uint256 key) internal view returns (bytes32 qx, bytes32 qy) {
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return (bytes32(x), bytes32(y));
    }

    function sign(uint256 key, bytes32 challenge) internal pure returns (bytes memory) {
        return sign(key, challenge, VERIFIED, "webauthn.get");
    }

    function sign(uint256 key, bytes32 challenge, bytes1 flags, string memory kind)
        internal
        pure
        returns (bytes memory)
    {
        WebAuthn.WebAuthnAuth memory a;
        a.authenticatorData = abi.encodePacked(sha256("localhost"), flags, uint32(0));
        string memory start = string.concat('{"type":"', kind, '",');
        string memory middle = string.concat('"challenge":"', Base64.encodeURL(abi.encodePacked(challenge)), '"');
        a.clientDataJSON = string.concat(start, middle, ',"origin":"http://localhost:8480","crossOrigin":false}');
        (a.typeIndex, a.challengeIndex) = (1, bytes(start).length);
        bytes32 message = sha256(abi.encodePacked(a.authenticatorData, sha256(bytes(a.clientDataJSON))));
        (a.r, a.s) = vm.signP256(key, message);
        if (uint256(a.s) > P256.N / 2) a.s = bytes32(P256.N - uint256(a.s));
        // The struct without the offset of a dynamic tuple.
        return abi.encode(a.r, a.s, a.challengeIndex, a.typeIndex, a.authenticatorData, a.clientDataJSON);
    }
}

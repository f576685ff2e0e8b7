// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Base58} from "@openzeppelin/contracts/utils/Base58.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title CidCodec
/// @notice Shortens the text of an IPFS content id to its 32-byte sha2-256 digest and builds the same text again.
/// @dev A content id of 46 to 66 characters takes three or four storage slots; its digest takes one. Three spellings are
/// recognised, each with or without "ipfs://" in front: CIDv0 (base58 "Qm..."), CIDv1 dag-pb and CIDv1 raw (base32
/// "b..."). A text is shortened only when unpacking gives back exactly the same bytes.
library CidCodec {
    /// @dev What was shortened; the values are kept in storage, so they never change.
    uint8 internal constant EMPTY = 0;
    uint8 internal constant V0 = 1;
    uint8 internal constant V0_IPFS = 2;
    uint8 internal constant V1_PB = 3;
    uint8 internal constant V1_PB_IPFS = 4;
    uint8 internal constant V1_RAW = 5;
    uint8 internal constant V1_RAW_IPFS = 6;
    uint8 internal constant TEXT = 7;

    uint256 private constant V0_LENGTH = 46;
    uint256 private constant V1_LENGTH = 59;
    uint256 private constant PREFIX_LENGTH = 7;
    bytes7 private constant PREFIX = "ipfs://";
    bytes32 private constant BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

    /// @dev Multihash header: function 0x12 (sha2-256), length 0x20.
    uint256 private constant SHA256_HEADER = 0x1220;
    /// @dev Version 1, codec dag-pb (0x70) or raw (0x55), then the multihash header.
    uint256 private constant V1_PB_HEADER = 0x01701220;
    uint256 private constant V1_RAW_HEADER = 0x01551220;
    /// @dev A one in each byte.
    uint256 private constant ONES = 0x0101010101010101010101010101010101010101010101010101010101010101;
    /// @dev 58^23: the weight of the upper 23 of 46 base58 digits.
    uint256 private constant HALF_WEIGHT = 58 ** 23;

    /// @notice Shortens `source`.
    /// @return kind EMPTY for no text, TEXT when it is not a recognised content id (digest is then 0), else its spelling
    /// @return digest the sha2-256 digest inside the content id
    function pack(string calldata source) internal pure returns (uint8 kind, bytes32 digest) {
        bytes calldata s = bytes(source);
        if (s.length == 0) return (EMPTY, 0);
        uint8 prefixed = 0;
        if (s.length > PREFIX_LENGTH && bytes7(s[:PREFIX_LENGTH]) == PREFIX) {
            s = s[PREFIX_LENGTH:];
            prefixed = 1;
        }
        bool ok;
        if (s.length == V0_LENGTH) {
            (ok, digest) = _unbase58(s);
            if (ok) return (V0 + prefixed, digest);
        } else if (s.length == V1_LENGTH && s[0] == "b") {
            uint256 header;
            (ok, header, digest) = _unbase32(s);
            if (ok && header == V1_PB_HEADER) return (V1_PB + prefixed, digest);
            if (ok && header == V1_RAW_HEADER) return (V1_RAW + prefixed, digest);
        }
        return (TEXT, 0);
    }

    /// @notice Builds the text that `pack` shortened; empty for EMPTY and TEXT.
    function unpack(uint8 kind, bytes32 digest) internal pure returns (string memory) {
        if (kind == V0) return _base58(digest);
        if (kind == V0_IPFS) return string.concat("ipfs://", _base58(digest));
        if (kind == V1_PB) return _base32(V1_PB_HEADER, digest);
        if (kind == V1_PB_IPFS) return string.concat("ipfs://", _base32(V1_PB_HEADER, digest));
        if (kind == V1_RAW) return _base32(V1_RAW_HEADER, digest);
        if (kind == V1_RAW_IPFS) return string.concat("ipfs://", _base32(V1_RAW_HEADER, digest));
        return "";
    }

    function _base58(bytes32 digest) private pure returns (string memory) {
        return Base58.encode(abi.encodePacked(uint16(SHA256_HEADER), digest));
    }

    /// @dev 46 base58 digits as upper * 58^23 + lower, each half below 2^135; the sum is the 34-byte multihash. 46 digits
    /// whose value starts with the sha2-256 header have exactly one spelling, so no second check is needed.
    function _unbase58(bytes calldata s) private pure returns (bool, bytes32) {
        (uint256 upper, bool okUpper) = _digits58(bytes32(s));
        (uint256 lower, bool okLower) = _digits58(bytes32(s[23:]));
        (uint256 high, uint256 low) = Math.mul512(_join(upper, 58), HALF_WEIGHT);
        unchecked {
            uint256 sum = low + _join(lower, 58);
            if (sum < low) ++high;
            return (okUpper && okLower && high == SHA256_HEADER, bytes32(sum));
        }
    }

    /// @dev 58 base32 characters after the "b" hold 290 bits, here two halves of 145: 32 of header, 256 of digest, and 2 at
    /// the end that must be zero.
    function _unbase32(bytes calldata s) private pure returns (bool, uint256 header, bytes32) {
        (uint256 upper, bool okUpper) = _digits32(bytes32(s[1:]));
        (uint256 lower, bool okLower) = _digits32(bytes32(s[30:]));
        (upper, lower) = (_join(upper, 32), _join(lower, 32));
        return (okUpper && okLower && lower & 3 == 0, upper >> 113, bytes32((upper << 143) | (lower >> 2)));
    }

    // Characters are handled 32 at once, one in each byte of a word. `_from(x, c)` has a one in each byte whose character is
    // c or above; it needs characters below 128. Bytes that are not used hold the digit zero.

    /// @dev The first 23 characters of a word as base58 digits, at the right end; whether all of them are digits.
    function _digits58(bytes32 word) private pure returns (uint256, bool) {
        unchecked {
            uint256 x = (uint256(word) >> 72) | (ONES << 184) * uint256(uint8(bytes1("1")));
            if (x & (ONES << 7) != 0) return (0, false);
            uint256 fromA = _from(x, "A");
            uint256 froma = _from(x, "a");
            // Each range of digits begins with a one and ends with a one: what is in none of them leaves a zero.
            uint256 inRange = _from(x, "1") - _from(x, ":") + fromA - _from(x, "I") + _from(x, "J") - _from(x, "O")
                + _from(x, "P") - _from(x, "[") + froma - _from(x, "l") + _from(x, "m") - _from(x, "{");
            uint256 gaps = fromA * 7 + _from(x, "J") + _from(x, "P") + froma * 6 + _from(x, "m");
            return (x - ONES * uint256(uint8(bytes1("1"))) - gaps, inRange == ONES);
        }
    }

    /// @dev The first 29 characters of a word as base32 digits, at the right end; whether all of them are digits.
    function _digits32(bytes32 word) private pure returns (uint256, bool) {
        unchecked {
            uint256 x = (uint256(word) >> 24) | (ONES << 232) * uint256(uint8(bytes1("a")));
            if (x & (ONES << 7) != 0) return (0, false);
            uint256 froma = _from(x, "a");
            uint256 inRange = _from(x, "2") - _from(x, "8") + froma - _from(x, "{");
            // "2" is 26 and 0x32, "a" is 0 and 0x61.
            return (x - ONES * 24 - froma * 73, inRange == ONES);
        }
    }

    /// @dev One in each byte of `x` that is `c` or above, for bytes below 128.
    function _from(uint256 x, bytes1 c) private pure returns (uint256) {
        unchecked {
            return ((x + ONES * (128 - uint256(uint8(c)))) >> 7) & ONES;
        }
    }

    /// @dev The number that 32 digits make, one in each byte, by joining neighbours: pairs, fours, eights, halves.
    function _join(uint256 x, uint256 base) private pure returns (uint256) {
        unchecked {
            uint256 mask = type(uint256).max / 0x101;
            x = (x & mask) + ((x >> 8) & mask) * base;
            base *= base;
            mask = type(uint256).max / 0x10001;
            x = (x & mask) + ((x >> 16) & mask) * base;
            base *= base;
            mask = type(uint256).max / 0x100000001;
            x = (x & mask) + ((x >> 32) & mask) * base;
            base *= base;
            mask = type(uint256).max / 0x10000000000000001;
            x = (x & mask) + ((x >> 64) & mask) * base;
            base *= base;
            return (x & type(uint128).max) + (x >> 128) * base;
        }
    }

    function _base32(uint256 header, bytes32 digest) private pure returns (string memory) {
        bytes memory out = new bytes(V1_LENGTH);
        out[0] = "b";
        uint256 low = uint256(digest) << 2;
        uint256 high = (header << 2) | (uint256(digest) >> 254);
        for (uint256 i = V1_LENGTH - 1; i > 0; --i) {
            out[i] = BASE32[low & 31];
            low = (low >> 5) | (high << 251);
            high >>= 5;
        }
        return string(out);
    }
}

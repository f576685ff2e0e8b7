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
        uint256 table = _table(
            0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff,
            0xffffffffffffffffffffffffffffffffff000102030405060708ffffffffffff,
            0xff090a0b0c0d0e0f10ff1112131415ff161718191a1b1c1d1e1f20ffffffffff,
            0xff2122232425262728292a2bff2c2d2e2f30313233343536373839ffffffffff
        );
        (uint256 upper, bool okUpper) = _number(bytes32(s), 23, 58, table);
        (uint256 lower, bool okLower) = _number(bytes32(s[23:]), 23, 58, table);
        (uint256 high, uint256 low) = Math.mul512(upper, HALF_WEIGHT);
        unchecked {
            uint256 sum = low + lower;
            if (sum < low) ++high;
            return (okUpper && okLower && high == SHA256_HEADER, bytes32(sum));
        }
    }

    /// @dev 58 base32 characters after the "b" hold 290 bits, here two halves of 145: 32 of header, 256 of digest, and 2 at
    /// the end that must be zero.
    function _unbase32(bytes calldata s) private pure returns (bool, uint256 header, bytes32) {
        uint256 table = _table(
            0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff,
            0xffffffffffffffffffffffffffffffffffff1a1b1c1d1e1fffffffffffffffff,
            0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff,
            0xff000102030405060708090a0b0c0d0e0f10111213141516171819ffffffffff
        );
        (uint256 upper, bool okUpper) = _number(bytes32(s[1:]), 29, 32, table);
        (uint256 lower, bool okLower) = _number(bytes32(s[30:]), 29, 32, table);
        return (okUpper && okLower && lower & 3 == 0, upper >> 113, bytes32((upper << 143) | (lower >> 2)));
    }

    /// @dev Value of the first `count` characters of `word` as digits of `base`, by a table of 128 entries.
    function _number(bytes32 word, uint256 count, uint256 base, uint256 table)
        private
        pure
        returns (uint256 value, bool ok)
    {
        assembly ("memory-safe") {
            let seen := 0
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                let c := byte(i, word)
                let digit := byte(0, mload(add(table, and(c, 0x7f))))
                // A character above 127 or one that is no digit (0xff) leaves bit 7.
                seen := or(seen, or(c, digit))
                value := add(mul(value, base), digit)
            }
            ok := iszero(and(seen, 0x80))
        }
    }

    /// @dev Lays out a table of 128 digit values by character in memory; 0xff marks a character that is no digit.
    function _table(uint256 a, uint256 b, uint256 c, uint256 d) private pure returns (uint256 table) {
        assembly ("memory-safe") {
            table := mload(0x40)
            mstore(table, a)
            mstore(add(table, 0x20), b)
            mstore(add(table, 0x40), c)
            mstore(add(table, 0x60), d)
            // 31 bytes more than the table, for a read at its last entry.
            mstore(0x40, add(table, 0xa0))
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

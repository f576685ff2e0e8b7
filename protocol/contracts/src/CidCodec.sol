// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

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
        uint256[2] memory half;
        for (uint256 i = 0; i < V0_LENGTH; ++i) {
            uint256 d = _digit58(uint8(s[i]));
            if (d == 58) return (false, 0);
            uint256 h = i / 23;
            unchecked {
                half[h] = half[h] * 58 + d;
            }
        }
        (uint256 high, uint256 low) = Math.mul512(half[0], HALF_WEIGHT);
        unchecked {
            uint256 sum = low + half[1];
            if (sum < low) ++high;
            return (high == SHA256_HEADER, bytes32(sum));
        }
    }

    /// @dev Value of one base58 character (digits and letters without 0, I, O, l), 58 when it is none.
    function _digit58(uint8 c) private pure returns (uint256) {
        unchecked {
            if (c >= 0x31 && c <= 0x39) return c - 0x31;
            if (c >= 0x41 && c <= 0x48) return c - 0x41 + 9;
            if (c >= 0x4a && c <= 0x4e) return c - 0x4a + 17;
            if (c >= 0x50 && c <= 0x5a) return c - 0x50 + 22;
            if (c >= 0x61 && c <= 0x6b) return c - 0x61 + 33;
            if (c >= 0x6d && c <= 0x7a) return c - 0x6d + 44;
            return 58;
        }
    }

    /// @dev 58 base32 characters after the "b" hold 290 bits: 32 of header, 256 of digest, 2 that must be zero.
    function _unbase32(bytes calldata s) private pure returns (bool, uint256 header, bytes32) {
        uint256 high;
        uint256 low;
        for (uint256 i = 1; i < V1_LENGTH; ++i) {
            uint8 c = uint8(s[i]);
            uint256 d;
            if (c >= 0x61 && c <= 0x7a) d = c - 0x61;
            else if (c >= 0x32 && c <= 0x37) d = c - 0x32 + 26;
            else return (false, 0, 0);
            high = (high << 5) | (low >> 251);
            low = (low << 5) | d;
        }
        header = high >> 2;
        return (low & 3 == 0, header, bytes32((low >> 2) | (high << 254)));
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

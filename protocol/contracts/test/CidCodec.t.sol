// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Base58} from "@openzeppelin/contracts/utils/Base58.sol";

import {CidCodec} from "../src/CidCodec.sol";
import {Vm} from "./support/Vm.sol";

/// @dev The library takes calldata, so its functions are called from outside.
contract CidCodecTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function pack(string calldata source) external pure returns (uint8 kind, bytes32 digest) {
        return CidCodec.pack(source);
    }

    function test_knownIds() public view {
        string memory v0 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG";
        bytes32 digest = 0x9d6c2be50f706953479ab9df2ce3edca90b68053c00b3004b7f0accbe1e8eedf;
        check(v0, CidCodec.V0, digest);
        check(string.concat("ipfs://", v0), CidCodec.V0_IPFS, digest);
        // The same digest as CIDv1 dag-pb and raw.
        check("bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34", CidCodec.V1_PB, digest);
        check("ipfs://bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34", CidCodec.V1_PB_IPFS, digest);
        check("bafkreie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34", CidCodec.V1_RAW, digest);
        check("ipfs://bafkreie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34", CidCodec.V1_RAW_IPFS, digest);
    }

    function test_textsStayTexts() public view {
        string[13] memory texts = [
            "a",
            "ipfs://",
            "IPFS://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbd",
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdGG",
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdl", // l is no base58 digit
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbd ",
            "RmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", // another multihash
            "1mYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
            "bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho35", // spare bits not zero
            "bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho3", // one short
            "Bafybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34",
            "bagybeie5nqv6kd3qnfjupgvz34woh3oksc3iau6abmyajn7qvtf6d2ho34" // another codec
        ];
        for (uint256 i = 0; i < texts.length; ++i) {
            (uint8 kind, bytes32 digest) = this.pack(texts[i]);
            vm.assertEq(kind, CidCodec.TEXT, texts[i]);
            vm.assertEq(digest, bytes32(0), texts[i]);
        }
        (uint8 empty,) = this.pack("");
        vm.assertEq(empty, CidCodec.EMPTY, "empty");
        vm.assertEq(CidCodec.unpack(CidCodec.TEXT, 0), "", "a text has no digest");
    }

    /// @dev The halves of a base58 number carry into the header only for small digests.
    function test_extremeDigests() public view {
        bytes32[4] memory digests = [bytes32(0), bytes32(uint256(1)), bytes32(type(uint256).max), bytes32(uint256(1) << 255)];
        for (uint256 i = 0; i < digests.length; ++i) {
            for (uint8 kind = CidCodec.V0; kind <= CidCodec.V1_RAW_IPFS; ++kind) {
                check(CidCodec.unpack(kind, digests[i]), kind, digests[i]);
            }
        }
    }

    /// @dev A byte above 127 is no digit, although its lower seven bits are one.
    function test_highBytesAreNoDigits() public view {
        for (uint8 kind = CidCodec.V0; kind <= CidCodec.V1_RAW_IPFS; ++kind) {
            bytes memory text = bytes(CidCodec.unpack(kind, keccak256("x")));
            for (uint256 back = 1; back <= 40; back += 3) {
                bytes1 was = text[text.length - back];
                text[text.length - back] = was | 0x80;
                (uint8 got,) = this.pack(string(text));
                vm.assertEq(got, CidCodec.TEXT, "kind");
                text[text.length - back] = was;
            }
        }
    }

    /// @dev Every digest in every spelling comes back as it was.
    function testFuzz_everyDigest(bytes32 digest, uint8 which) public view {
        uint8 kind = 1 + which % 6;
        string memory text = CidCodec.unpack(kind, digest);
        (uint8 gotKind, bytes32 got) = this.pack(text);
        vm.assertEq(gotKind, kind, text);
        vm.assertEq(got, digest, text);
    }

    /// @dev OpenZeppelin's base58 agrees.
    function testFuzz_base58(bytes32 digest) public view {
        string memory text = Base58.encode(abi.encodePacked(hex"1220", digest));
        (uint8 kind, bytes32 got) = this.pack(text);
        vm.assertEq(kind, CidCodec.V0, text);
        vm.assertEq(got, digest, text);
    }

    /// @dev A changed character gives a text or another id, and unpacking always gives back the very text.
    function testFuzz_changedCharacter(bytes32 digest, uint8 which, uint8 position, bytes1 character) public view {
        bytes memory text = bytes(CidCodec.unpack(1 + which % 6, digest));
        text[position % text.length] = character;
        (uint8 kind, bytes32 got) = this.pack(string(text));
        if (kind != CidCodec.TEXT) vm.assertEq(CidCodec.unpack(kind, got), string(text), "spelling");
    }

    function check(string memory text, uint8 kind, bytes32 digest) private view {
        (uint8 gotKind, bytes32 got) = this.pack(text);
        vm.assertEq(gotKind, kind, text);
        vm.assertEq(got, digest, text);
        vm.assertEq(CidCodec.unpack(kind, digest), text, "back");
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {NoncesKeyedUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/NoncesKeyedUpgradeable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @notice What is granted: on a token, or on an account (its address as asset, token 0). `expiration` is in unix seconds.
struct Grant {
    address asset;
    uint256 tokenId;
    address grantee;
    uint256 permissions;
    uint256 expiration;
    uint256 templateId;
}

/// @title GrantSignatures
/// @notice EIP-712 signatures of owners (keys or ERC-1271 contracts) under the domain "Sayso Grants" "1". Each spends a
/// nonce of its signer (OpenZeppelin's keyed nonces) and lapses after its deadline (unix seconds, inclusive).
abstract contract GrantSignatures is NoncesKeyedUpgradeable {
    bytes32 private constant GRANT_TYPE = keccak256(
        "SetPermissions(address asset,uint256 tokenId,address grantee,uint256 permissions,uint256 expiration,uint256 templateId,string source,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant ACCOUNT_GRANT_TYPE = keccak256(
        "SetAccountPermissions(address grantor,address grantee,uint256 permissions,uint256 expiration,uint256 templateId,string source,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant REVOKE_ALL_TYPE =
        keccak256("RevokeAll(address asset,uint256 tokenId,uint256 nonce,uint256 deadline)");
    bytes32 private constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    error InvalidOwnerSignature();
    error SignatureExpired(uint256 deadline);

    /// @notice ERC-5267: the EIP-712 domain of this contract.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", "Sayso Grants", "1", block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    function _checkGrantSignature(
        address owner,
        Grant calldata g,
        string calldata source,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) internal {
        bytes memory fields = abi.encode(g.asset, g.tokenId, g.grantee, g.permissions, g.expiration, g.templateId);
        fields = bytes.concat(GRANT_TYPE, fields, keccak256(bytes(source)));
        _check(owner, fields, nonce, deadline, signature);
    }

    function _checkAccountGrantSignature(
        Grant calldata g,
        string calldata source,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) internal {
        bytes memory fields = abi.encode(g.asset, g.grantee, g.permissions, g.expiration, g.templateId);
        fields = bytes.concat(ACCOUNT_GRANT_TYPE, fields, keccak256(bytes(source)));
        _check(g.asset, fields, nonce, deadline, signature);
    }

    function _checkRevokeSignature(
        address owner,
        address asset,
        uint256 tokenId,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) internal {
        _check(owner, abi.encode(REVOKE_ALL_TYPE, asset, tokenId), nonce, deadline, signature);
    }

    /// @dev Spends the nonce and checks the signature over the fields, the nonce and the deadline.
    function _check(address signer, bytes memory fields, uint256 nonce, uint256 deadline, bytes calldata signature)
        private
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        _useCheckedNonce(signer, nonce);
        bytes32 structHash = keccak256(bytes.concat(fields, bytes32(nonce), bytes32(deadline)));
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPE, keccak256("Sayso Grants"), keccak256("1"), block.chainid, address(this))
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, structHash));
        if (!SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature)) revert InvalidOwnerSignature();
    }
}

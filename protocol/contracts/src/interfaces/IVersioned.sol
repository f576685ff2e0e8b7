// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice What an asset offers that keeps the version of the grants on its tokens itself, beside their owners. The grant
/// store asks it instead of keeping versions for it.
interface IVersioned {
    function ownerAndVersion(uint256 tokenId) external view returns (address owner, uint256 version);
    function voidGrants(uint256 tokenId) external returns (address owner, uint256 version);
}

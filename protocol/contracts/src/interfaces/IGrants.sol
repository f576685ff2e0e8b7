// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

/// @notice What node tokens need of the grant store.
interface IGrants {
    function setPermissions(
        address asset,
        uint256 tokenId,
        address grantee,
        uint256 permissions,
        uint256 expiration,
        string calldata source
    ) external;

    function hasPermission(address asset, uint256 tokenId, address grantee, uint8 permissionIndex)
        external
        view
        returns (bool);

    function onTransfer(address asset, uint256 tokenId) external;
}

/// @notice What the grant store asks a template contract. A template names the permissions of an agreement.
interface ITemplates {
    function templates(uint256 id)
        external
        view
        returns (address asset, uint256 permissions, string memory source, bool isActive);
}

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

/// @notice A template: the permissions of an agreement on tokens of one asset, and the agreement's text. Asset zero
/// stands for grants on whole accounts.
struct TemplateData {
    address asset;
    uint256 permissions;
    string source;
    bool isActive;
}

/// @notice What the grant store asks a template contract.
interface ITemplates {
    function templates(uint256 templateId) external view returns (TemplateData memory templateData);
}

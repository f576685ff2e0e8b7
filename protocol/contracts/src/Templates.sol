// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ITemplates, TemplateData} from "./interfaces/IGrants.sol";
import {NamedNft} from "./NamedNft.sol";

/// @title Templates
/// @notice Agreements that many grants share: which permissions, on tokens of which asset, under which text. A template's
/// id is the hash of its content id, so whoever knows the text knows the id. It never changes; its owner may end it.
/// @dev Anyone may be the first to register a content id. A reader compares the creator with the owner that the text
/// names; a grant under a template must name exactly the template's permissions, so a false one gives nobody more.
contract Templates is NamedNft, ITemplates {
    /// @custom:storage-location erc7201:sayso.Templates
    struct TemplateStore {
        mapping(uint256 id => TemplateData) templates;
    }

    // keccak256(abi.encode(uint256(keccak256("sayso.Templates")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0xe217486e80b15372b853f95958233b808d8c4db5cfffa96d2855b6e0446fc400;

    event TemplateCreated(
        uint256 indexed templateId,
        address indexed creator,
        address indexed asset,
        uint256 permissions,
        string cid
    );
    event TemplateDeactivated(uint256 indexed templateId);

    error TemplateNotActive(uint256 templateId);

    /// @notice Creates a template, owned by the caller.
    /// @param asset the ERC-721 contract whose tokens it is for; zero for grants on whole accounts
    /// @param cid content id of the text
    function createTemplate(address asset, uint256 permissions, string calldata cid)
        external
        returns (uint256 templateId)
    {
        if (bytes(cid).length == 0) revert InvalidName(cid);
        templateId = uint256(keccak256(bytes(cid)));
        _templates().templates[templateId] = TemplateData(asset, permissions, cid, true);
        _mint(msg.sender, templateId);
        emit TemplateCreated(templateId, msg.sender, asset, permissions, cid);
    }

    /// @notice Ends a template: no new grant may name it. Only its owner.
    function deactivateTemplate(uint256 templateId) external {
        _requireTokenOwner(templateId);
        if (!_templates().templates[templateId].isActive) revert TemplateNotActive(templateId);
        _templates().templates[templateId].isActive = false;
        emit TemplateDeactivated(templateId);
    }

    /// @notice A template; zeros when there is none.
    function templates(uint256 templateId) external view returns (TemplateData memory templateData) {
        return _templates().templates[templateId];
    }

    /// @notice Whether new grants may name a template.
    function isTemplateActive(uint256 templateId) external view returns (bool isActive) {
        return _templates().templates[templateId].isActive;
    }

    function _templates() private pure returns (TemplateStore storage s) {
        assembly {
            s.slot := STORE
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title NamedNft
/// @notice Tokens whose id is made from a name instead of counted. They move like any ERC-721 token and are never burnt.
abstract contract NamedNft is ERC721Upgradeable, AccessManagedUpgradeable, UUPSUpgradeable {
    error InvalidName(string name);
    error Unauthorized(address addr);
    error ZeroAddress();

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @param authority_ the AccessManager that decides about restricted functions
    function initialize(string calldata name_, string calldata symbol_, address authority_) external initializer {
        __ERC721_init(name_, symbol_);
        __AccessManaged_init(authority_);
    }

    /// @notice Whether a token exists.
    function exists(uint256 tokenId) external view returns (bool) {
        return _ownerOf(tokenId) != address(0);
    }

    function _requireTokenOwner(uint256 tokenId) internal view {
        if (_requireOwned(tokenId) != msg.sender) revert Unauthorized(msg.sender);
    }

    function _authorizeUpgrade(address) internal override restricted {}
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {NodeNft} from "./NodeNft.sol";

/// @title ManufacturerId
/// @notice The manufacturer token. A manufacturer stands for a company's word about cars and devices, so it moves only by
/// an act of administration (the role for transferFrom in the AccessManager) and only to someone who has none yet.
/// It cannot be burnt: vehicles and devices refer to it.
contract ManufacturerId is NodeNft {
    error ApprovalsRefused();
    error AlreadyManufacturer(address owner);

    /// @notice Moves a manufacturer to an owner who has none. Restricted.
    function transferFrom(address from, address to, uint256 tokenId)
        public
        override(ERC721Upgradeable, IERC721)
        restricted
    {
        if (to == address(0)) revert ZeroAddress();
        if (balanceOf(to) != 0) revert AlreadyManufacturer(to);
        if (_requireOwned(tokenId) != from) revert ERC721IncorrectOwner(from, tokenId, _ownerOf(tokenId));
        _update(to, tokenId, address(0));
    }

    function approve(address, uint256) public override(ERC721Upgradeable, IERC721) {
        revert ApprovalsRefused();
    }

    function setApprovalForAll(address, bool) public override(ERC721Upgradeable, IERC721) {
        revert ApprovalsRefused();
    }

    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from != address(0)) _voidGrants(tokenId);
    }
}

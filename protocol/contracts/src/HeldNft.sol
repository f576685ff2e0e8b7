// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {IRegistryHooks} from "./interfaces/INodes.sol";
import {NodeNft} from "./NodeNft.sol";

/// @title HeldNft
/// @notice Node tokens that people own: vehicles, aftermarket and synthetic devices. The registry counts for each account
/// how many it owns of each kind, all in one slot, so that the first token of a second kind fills no slot of its own. The
/// registry takes part in every mint, move and burn anyway, and counts there.
abstract contract HeldNft is NodeNft {
    /// @notice How many tokens an account owns.
    function balanceOf(address owner) public view override(ERC721Upgradeable, IERC721) returns (uint256) {
        if (owner == address(0)) revert ERC721InvalidOwner(address(0));
        (uint256 vehicles, uint256 devices, uint256 synthetics) =
            IRegistryHooks(_node().registry).nodeBalances(owner);
        return _ours(vehicles, devices, synthetics);
    }

    /// @dev Which of the counts is that of this kind of token.
    function _ours(uint256 vehicles, uint256 devices, uint256 synthetics) internal pure virtual returns (uint256);

    /// @dev As OpenZeppelin's, without balances, and without clearing an approval: only AftermarketDeviceId has any.
    function _update(address to, uint256 tokenId, address auth) internal virtual override returns (address from) {
        from = _ownerOf(tokenId);
        if (auth != address(0)) _checkAuthorized(from, auth, tokenId);
        _setOwner(tokenId, to);
        emit Transfer(from, to, tokenId);
    }
}

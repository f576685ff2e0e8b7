// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IDeviceNft, IRegistryHooks} from "./interfaces/INodes.sol";
import {NodeNft} from "./NodeNft.sol";

/// @title AftermarketDeviceId
/// @notice The token of a device that is plugged into a car. The registry moves it when it is claimed, without any
/// approval by the manufacturer; otherwise it moves like any ERC-721 token. It cannot be burnt. It does not report
/// transfers to the grant store, which does not need it: a grant holds only while its giver owns the token.
contract AftermarketDeviceId is NodeNft, IDeviceNft {
    /// @notice Moves a device for the registry, which has checked the claim.
    function moveByRegistry(address to, uint256 tokenId) external onlyRegistry {
        _transfer(_requireOwned(tokenId), to, tokenId);
    }

    /// @notice Gives a device of the caller back to its manufacturer, so that it can be claimed anew.
    function returnToManufacturer(uint256 tokenId) external {
        if (_requireOwned(tokenId) != msg.sender) revert Unauthorized();
        address maker = IRegistryHooks(_node().registry).resetAftermarketDeviceForClaiming(msg.sender, tokenId);
        _transfer(msg.sender, maker, tokenId);
    }

    /// @dev A beneficiary was chosen by the old owner: it does not outlive the transfer.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        address registry = _node().registry;
        if (from != address(0) && to != address(0) && msg.sender != registry) {
            IRegistryHooks(registry).onAftermarketDeviceTransfer(tokenId);
        }
    }
}

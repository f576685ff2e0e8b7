// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {HeldNft} from "./HeldNft.sol";
import {IDeviceNft, IRegistryHooks} from "./interfaces/INodes.sol";

/// @title AftermarketDeviceId
/// @notice The token of a device that is plugged into a car. The registry moves it when it is claimed, without any
/// approval by the manufacturer; otherwise it moves like any ERC-721 token. It cannot be burnt. Moving
/// voids no grants, which is not needed: a grant holds only while its giver owns the token.
contract AftermarketDeviceId is HeldNft, IDeviceNft {
    /// @notice Moves a device for the registry, which has checked the claim.
    function moveByRegistry(address to, uint256 tokenId) external onlyRegistry returns (address from) {
        from = _requireOwned(tokenId);
        _transfer(from, to, tokenId);
    }

    /// @notice Gives a device of the caller back to its manufacturer, so that it can be claimed anew.
    function returnToManufacturer(uint256 tokenId) external {
        if (_requireOwned(tokenId) != msg.sender) revert Unauthorized();
        address maker = IRegistryHooks(_node().registry).resetAftermarketDeviceForClaiming(msg.sender, tokenId);
        _transfer(msg.sender, maker, tokenId);
    }

    /// @dev An approval and a beneficiary were chosen by the old owner: they do not outlive the transfer.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from == address(0)) return from;
        if (_getApproved(tokenId) != address(0)) _approve(address(0), tokenId, address(0), false);
        address registry = _node().registry;
        if (msg.sender != registry) IRegistryHooks(registry).onAftermarketDeviceTransfer(from, to, tokenId);
    }

    function _ours(uint256, uint256 devices, uint256) internal pure override returns (uint256) {
        return devices;
    }
}

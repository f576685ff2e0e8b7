// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {HeldNft} from "./HeldNft.sol";
import {IRegistryHooks, IVehicleNft, SacdInput} from "./interfaces/INodes.sol";

/// @title VehicleId
/// @notice The vehicle token. Only the owner itself moves or burns it: approvals are refused, because whoever gets hold of
/// an approval (a phished signature is enough) would take the car and, with it, the reach over its data. A market needs
/// no approval; it works with the owner's own call or with an account contract that the owner controls. With a vehicle
/// goes its synthetic device.
contract VehicleId is HeldNft, IVehicleNft {
    error ApprovalsRefused();

    /// @notice Burns a vehicle of the caller; the registry refuses while a device is paired.
    function burn(uint256 tokenId) external {
        if (_requireOwned(tokenId) != msg.sender) revert Unauthorized();
        IRegistryHooks(_node().registry).validateBurnAndResetNode(tokenId);
        _burn(tokenId);
    }

    /// @notice Burns for the registry, which has checked the owner's signature and reset the node.
    function burnByRegistry(uint256 tokenId) external onlyRegistry {
        _burn(tokenId);
    }

    /// @notice Sets a grant in the name of the asset, for the registry, as part of a mint by the owner.
    function setSacd(uint256 tokenId, SacdInput calldata sacdInput) external onlyRegistry {
        _node().grants.setPermissions(
            address(this),
            tokenId,
            sacdInput.grantee,
            sacdInput.permissions,
            sacdInput.expiration,
            sacdInput.source
        );
    }

    function approve(address, uint256) public override(ERC721Upgradeable, IERC721) {
        revert ApprovalsRefused();
    }

    function setApprovalForAll(address, bool) public override(ERC721Upgradeable, IERC721) {
        revert ApprovalsRefused();
    }

    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from == address(0) || to == address(0)) return from;
        _voidGrants(tokenId);
        IRegistryHooks(_node().registry).onVehicleTransfer(from, to, tokenId);
    }

    function _ours(uint256 vehicles, uint256, uint256) internal pure override returns (uint256) {
        return vehicles;
    }
}

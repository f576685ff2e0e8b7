// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

import {HeldNft} from "./HeldNft.sol";
import {IRegistryHooks, ISyntheticNft} from "./interfaces/INodes.sol";
import {NodeNft} from "./NodeNft.sol";

/// @title SyntheticDeviceId
/// @notice The token of a vehicle's link with a cloud connection. It stays with its vehicle (ERC-5192): only the registry
/// moves it, when the vehicle changes hands. Its owner may burn it, which ends the link. Moving voids no
/// grants, which is not needed: a grant holds only while its giver owns the token.
contract SyntheticDeviceId is HeldNft, ISyntheticNft {
    event Locked(uint256 tokenId);

    error StaysWithVehicle();

    /// @notice Burns a synthetic device of the caller.
    function burn(uint256 tokenId) external {
        if (_requireOwned(tokenId) != msg.sender) revert Unauthorized();
        IRegistryHooks(_node().registry).validateSdBurnAndResetNode(tokenId);
        _burn(tokenId);
    }

    /// @notice Burns for the registry, which has checked the owner's signature and reset the node.
    function burnByRegistry(uint256 tokenId) external onlyRegistry {
        _burn(tokenId);
    }

    /// @notice Moves a device to the new owner of its vehicle.
    function moveByRegistry(address to, uint256 tokenId) external onlyRegistry {
        _transfer(_requireOwned(tokenId), to, tokenId);
    }

    /// @notice ERC-5192: no synthetic device is transferred by itself.
    function locked(uint256 tokenId) external view returns (bool) {
        _requireOwned(tokenId);
        return true;
    }

    function approve(address, uint256) public override(ERC721Upgradeable, IERC721) {
        revert StaysWithVehicle();
    }

    function setApprovalForAll(address, bool) public override(ERC721Upgradeable, IERC721) {
        revert StaysWithVehicle();
    }

    function transferFrom(address, address, uint256) public override(ERC721Upgradeable, IERC721) {
        revert StaysWithVehicle();
    }

    function supportsInterface(bytes4 interfaceId) public view override(NodeNft, IERC165) returns (bool) {
        // 0xb45a3c0e is ERC-5192.
        return interfaceId == 0xb45a3c0e || super.supportsInterface(interfaceId);
    }

    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from == address(0)) emit Locked(tokenId);
    }

    function _ours(uint256, uint256, uint256 synthetics) internal pure override returns (uint256) {
        return synthetics;
    }
}

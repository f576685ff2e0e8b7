// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

/// @notice A grant given together with a mint.
struct SacdInput {
    address grantee;
    uint256 permissions;
    uint256 expiration;
    string source;
}

/// @notice What the registry needs of every node token.
interface INodeNft is IERC721 {
    function mint(address to) external returns (uint256 tokenId);
    function acknowledge(address operator, address to, uint256 tokenId) external;
    function exists(uint256 tokenId) external view returns (bool);
}

/// @notice What the registry needs of the vehicle token besides.
interface IVehicleNft is INodeNft {
    function setSacd(uint256 tokenId, SacdInput calldata sacdInput) external;
    function burnByRegistry(uint256 tokenId) external;
}

/// @notice What the registry needs of the aftermarket device token besides.
interface IDeviceNft is INodeNft {
    function moveByRegistry(address to, uint256 tokenId) external returns (address from);
}

/// @notice What the registry needs of the synthetic device token besides.
interface ISyntheticNft is INodeNft {
    function moveByRegistry(address to, uint256 tokenId) external;
    function burnByRegistry(uint256 tokenId) external;
}

/// @notice What the registry asks connections and storage nodes.
interface IExists {
    function exists(uint256 tokenId) external view returns (bool);
}

/// @notice What node tokens need of the registry.
interface IRegistryHooks {
    function validateBurnAndResetNode(uint256 tokenId) external;
    function validateSdBurnAndResetNode(uint256 tokenId) external;
    function onVehicleTransfer(address from, address to, uint256 tokenId) external;
    function resetAftermarketDeviceForClaiming(address from, uint256 aftermarketDeviceNode)
        external
        returns (address manufacturerOwner);
    function onAftermarketDeviceTransfer(address from, address to, uint256 tokenId) external;
    function nodeBalances(address owner)
        external
        view
        returns (uint256 vehicles, uint256 aftermarketDevices, uint256 syntheticDevices);
}

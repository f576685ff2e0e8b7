// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {ERC721Utils} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Utils.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IGrants} from "./interfaces/IGrants.sol";
import {INodeNft} from "./interfaces/INodes.sol";

/// @title NodeNft
/// @notice Ownership of one kind of node (manufacturer, vehicle, aftermarket or synthetic device) as ERC-721 tokens with ids from 1.
/// Only the registry mints.
abstract contract NodeNft is INodeNft, ERC721Upgradeable, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @custom:storage-location erc7201:sayso.NodeNft
    struct NodeStore {
        address registry;
        uint64 lastId;
        IGrants grants;
        string baseUri;
    }

    // keccak256(abi.encode(uint256(keccak256("sayso.NodeNft")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0x8be818fd6b686e92143f1f3df491ec8abb5d66c30a6f98605d749f3fff63e700;

    /// @notice ERC-4906: the metadata of a range of tokens changed.
    event BatchMetadataUpdate(uint256 _fromTokenId, uint256 _toTokenId);

    error Unauthorized();
    error ZeroAddress();

    modifier onlyRegistry() {
        if (msg.sender != _node().registry) revert Unauthorized();
        _;
    }

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @param authority_ the AccessManager that decides about upgrades and metadata
    /// @param registry_ the only minter
    /// @param grants_ told of every transfer
    function initialize(
        string calldata name_,
        string calldata symbol_,
        address authority_,
        address registry_,
        IGrants grants_
    ) external initializer {
        if (registry_ == address(0) || address(grants_) == address(0)) revert ZeroAddress();
        __ERC721_init(name_, symbol_);
        __AccessManaged_init(authority_);
        NodeStore storage s = _node();
        s.registry = registry_;
        s.grants = grants_;
    }

    /// @notice Mints the next id. The receiver is asked only by `acknowledge`, after the registry has finished, so that a
    /// receiver can never act on a node that is half made.
    function mint(address to) external onlyRegistry returns (uint256 tokenId) {
        tokenId = ++_node().lastId;
        _mint(to, tokenId);
    }

    /// @notice Asks a contract that was minted a token whether it accepts it (ERC-721 receiver check).
    function acknowledge(address operator, address to, uint256 tokenId) external onlyRegistry {
        ERC721Utils.checkOnERC721Received(operator, address(0), to, tokenId, "");
    }

    /// @notice Whether a token exists.
    function exists(uint256 tokenId) external view returns (bool) {
        return _ownerOf(tokenId) != address(0);
    }

    /// @notice The registry, the only minter.
    function _dimoRegistry() external view returns (address) {
        return _node().registry;
    }

    /// @notice The grant store that hears of transfers.
    function sacd() external view returns (address) {
        return address(_node().grants);
    }

    /// @dev Voids the grants of a token that moved.
    function _voidGrants(address from, address to, uint256 tokenId) internal {
        if (from != address(0) && to != address(0)) _node().grants.onTransfer(address(this), tokenId);
    }

    /// @notice Sets what token URIs start with.
    function setBaseURI(string calldata baseUri) external restricted {
        _node().baseUri = baseUri;
        emit BatchMetadataUpdate(0, type(uint256).max);
    }

    function supportsInterface(bytes4 interfaceId)
        public
        view
        virtual
        override(ERC721Upgradeable, IERC165)
        returns (bool)
    {
        // 0x49064906 is ERC-4906.
        return interfaceId == 0x49064906 || super.supportsInterface(interfaceId);
    }

    function _baseURI() internal view override returns (string memory) {
        return _node().baseUri;
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _node() internal pure returns (NodeStore storage s) {
        assembly {
            s.slot := STORE
        }
    }
}

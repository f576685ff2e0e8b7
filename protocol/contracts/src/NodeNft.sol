// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {ERC721Utils} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Utils.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IGrants} from "./interfaces/IGrants.sol";
import {INodeNft} from "./interfaces/INodes.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";

/// @title NodeNft
/// @notice Ownership of one kind of node (manufacturer, vehicle, aftermarket or synthetic device) as ERC-721 tokens with ids from 1.
/// Only the registry mints. The version by which grants on a token are voided is kept beside the token's owner, in the
/// upper 96 bits of the slot that OpenZeppelin keeps the owner in, because whoever asks for one needs the other.
abstract contract NodeNft is INodeNft, IVersioned, ERC721Upgradeable, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @custom:storage-location erc7201:sayso.NodeNft
    struct NodeStore {
        address registry;
        uint64 lastId;
        IGrants grants;
        string baseUri;
    }

    // keccak256(abi.encode(uint256(keccak256("sayso.NodeNft")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0x8be818fd6b686e92143f1f3df491ec8abb5d66c30a6f98605d749f3fff63e700;

    /// @dev Where OpenZeppelin's ERC-721 keeps the owners: the third member of its ERC-7201 storage "openzeppelin.storage.ERC721".
    bytes32 private constant OWNERS = 0x80bb2b638cc20bc4d0a60d66940f3ab4a00c1d7b313497ca82fb0b4ab0079302;
    uint256 private constant VERSION_SHIFT = 160;

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
    /// @param grants_ the grant store, which may void the grants on a token
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

    /// @notice The grant store that asks for versions.
    function sacd() external view returns (address) {
        return address(_node().grants);
    }

    /// @notice Owner of a token, zero when there is none, and how many times the grants on it were voided.
    function ownerAndVersion(uint256 tokenId) external view returns (address owner, uint256 version) {
        uint256 word = _word(tokenId);
        return (address(uint160(word)), word >> VERSION_SHIFT);
    }

    /// @notice Voids the grants on a token, for the grant store, which checks whether the owner asks for it.
    function voidGrants(uint256 tokenId) external returns (address owner, uint256 version) {
        if (msg.sender != address(_node().grants)) revert Unauthorized();
        return _voidGrants(tokenId);
    }

    function _voidGrants(uint256 tokenId) internal returns (address owner, uint256 version) {
        uint256 word = _word(tokenId);
        (owner, version) = (address(uint160(word)), (word >> VERSION_SHIFT) + 1);
        _setWord(tokenId, uint160(owner) | (version << VERSION_SHIFT));
    }

    /// @dev Gives a token another owner and leaves the version.
    function _setOwner(uint256 tokenId, address owner) internal {
        _setWord(tokenId, ((_word(tokenId) >> VERSION_SHIFT) << VERSION_SHIFT) | uint160(owner));
    }

    function _word(uint256 tokenId) private view returns (uint256 word) {
        assembly ("memory-safe") {
            mstore(0, tokenId)
            mstore(0x20, OWNERS)
            word := sload(keccak256(0, 0x40))
        }
    }

    function _setWord(uint256 tokenId, uint256 word) private {
        assembly ("memory-safe") {
            mstore(0, tokenId)
            mstore(0x20, OWNERS)
            sstore(keccak256(0, 0x40), word)
        }
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

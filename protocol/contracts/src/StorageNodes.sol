// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {NamedNft} from "./NamedNft.sol";

/// @title StorageNodes
/// @notice The identity of a node that keeps vehicles' data: a label, the address it signs with, and the URI where it
/// answers. Its id is the hash of its label.
contract StorageNodes is NamedNft {
    struct Node {
        address nodeAddress;
        string nodeUri;
    }

    /// @custom:storage-location erc7201:sayso.StorageNodes
    struct StorageNodeStore {
        mapping(uint256 id => Node) nodes;
        mapping(address nodeAddress => uint256) idByAddress;
    }

    // keccak256(abi.encode(uint256(keccak256("sayso.StorageNodes")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0xacf537212e4a417e506aed9992c34f6cab8314b5a5c8a7f599efccd091615a00;

    event StorageNodeAnchorMinted(
        address indexed account,
        uint256 indexed nodeAnchorId,
        address indexed nodeAnchorAddr,
        string nodeAnchorLabel,
        string nodeAnchorUri
    );
    event NodeUriUpdated(uint256 indexed nodeId, string newNodeUri);
    event NodeAddressUpdated(uint256 indexed nodeId, address indexed newNodeAddress);

    error AddressInUse(address addr);

    /// @notice Mints a storage node. Restricted.
    function mint(address to, address nodeAddr, string calldata label, string calldata uri)
        external
        restricted
        returns (uint256 nodeId)
    {
        if (bytes(label).length == 0) revert InvalidName(label);
        nodeId = uint256(keccak256(bytes(label)));
        _setAddress(nodeId, nodeAddr);
        _nodes().nodes[nodeId].nodeUri = uri;
        emit StorageNodeAnchorMinted(to, nodeId, nodeAddr, label, uri);
        _safeMint(to, nodeId);
    }

    /// @notice The owner of a node says where it answers now.
    function setNodeUri(uint256 nodeId, string calldata uri) external {
        _requireTokenOwner(nodeId);
        _nodes().nodes[nodeId].nodeUri = uri;
        emit NodeUriUpdated(nodeId, uri);
    }

    /// @notice The owner of a node says with which address it signs now.
    function setNodeAddress(uint256 nodeId, address nodeAddr) external {
        _requireTokenOwner(nodeId);
        delete _nodes().idByAddress[_nodes().nodes[nodeId].nodeAddress];
        _setAddress(nodeId, nodeAddr);
        emit NodeAddressUpdated(nodeId, nodeAddr);
    }

    /// @notice Address and URI of a node; empty when there is none.
    function nodes(uint256 nodeId) external view returns (address nodeAddress, string memory nodeUri) {
        Node memory n = _nodes().nodes[nodeId];
        return (n.nodeAddress, n.nodeUri);
    }

    /// @notice The node of an address; 0 when there is none.
    function nodeAddressToNodeId(address nodeAddress) external view returns (uint256 nodeId) {
        return _nodes().idByAddress[nodeAddress];
    }

    function _setAddress(uint256 id, address addr) private {
        if (addr == address(0)) revert ZeroAddress();
        if (_nodes().idByAddress[addr] != 0) revert AddressInUse(addr);
        _nodes().nodes[id].nodeAddress = addr;
        _nodes().idByAddress[addr] = id;
    }

    function _nodes() private pure returns (StorageNodeStore storage s) {
        assembly {
            s.slot := STORE
        }
    }
}

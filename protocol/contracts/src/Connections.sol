// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {NamedNft} from "./NamedNft.sol";

/// @title Connections
/// @notice The licence of a data source, such as the cloud of a maker. Its id is its name, left-aligned in 32 bytes. Whoever
/// owns it, or holds permission 1 on it in the grant store, mints synthetic devices under it. The address is the one that
/// its messages name as their source.
contract Connections is NamedNft {
    struct Connection {
        address connectionAddr;
        bytes32 connectionType;
    }

    /// @custom:storage-location erc7201:sayso.Connections
    struct ConnectionStore {
        mapping(uint256 id => Connection) connections;
        mapping(address connectionAddr => uint256) idByAddress;
    }

    // keccak256(abi.encode(uint256(keccak256("sayso.Connections")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0x348e61645dadab0b1a99d83af7557c107d5d845710b0ef42d66eb87e56116100;

    event ConnectionMinted(
        address indexed account,
        uint256 indexed connectionId,
        address indexed connectionAddr,
        string connectionName,
        bytes32 connectionType,
        uint256 connectionCostInDimo
    );
    event ConnectionUpgraded(
        uint256 indexed connectionId,
        address indexed connectionAddr,
        bytes32 indexed connectionType,
        uint256 connectionCostInDimo
    );

    error AddressInUse(address addr);

    /// @notice Mints a connection. Restricted. It costs nothing.
    /// @param connectionAddr what its messages name as their source; belongs to no other connection
    /// @param connectionName 1 to 32 bytes, not ending in a zero byte
    /// @param connectionType a class of connections, as the network names it
    function mint(address to, address connectionAddr, string calldata connectionName, bytes32 connectionType)
        external
        restricted
        returns (uint256 connectionId)
    {
        connectionId = toConnectionId(connectionName);
        _put(connectionId, connectionAddr, connectionType);
        emit ConnectionMinted(to, connectionId, connectionAddr, connectionName, connectionType, 0);
        _safeMint(to, connectionId);
    }

    /// @notice Gives a connection another address or type. Restricted.
    function upgrade(uint256 connectionId, address connectionAddr, bytes32 connectionType) external restricted {
        _requireOwned(connectionId);
        delete _connections().idByAddress[_connections().connections[connectionId].connectionAddr];
        _put(connectionId, connectionAddr, connectionType);
        emit ConnectionUpgraded(connectionId, connectionAddr, connectionType, 0);
    }

    /// @notice Address and type of a connection; zeros when there is none.
    function connections(uint256 connectionId) external view returns (address connectionAddr, bytes32 connectionType) {
        Connection memory c = _connections().connections[connectionId];
        return (c.connectionAddr, c.connectionType);
    }

    /// @notice The connection of an address; 0 when there is none.
    function connectionAddressToId(address connectionAddr) external view returns (uint256 connectionId) {
        return _connections().idByAddress[connectionAddr];
    }

    /// @notice The id that a name has.
    function toConnectionId(string calldata connectionName) public pure returns (uint256 connectionId) {
        bytes calldata b = bytes(connectionName);
        if (b.length == 0 || b.length > 32 || b[b.length - 1] == 0) revert InvalidName(connectionName);
        return uint256(bytes32(b));
    }

    function _put(uint256 id, address addr, bytes32 connectionType) private {
        if (addr == address(0)) revert ZeroAddress();
        if (_connections().idByAddress[addr] != 0) revert AddressInUse(addr);
        _connections().connections[id] = Connection(addr, connectionType);
        _connections().idByAddress[addr] = id;
    }

    function _connections() private pure returns (ConnectionStore storage s) {
        assembly {
            s.slot := STORE
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";

import {AttributeInfoPair, RegistryBase} from "./RegistryBase.sol";

/// @title Manufacturers
/// @notice Makers of vehicles and devices: a unique name, one owner each.
abstract contract Manufacturers is RegistryBase {
    event ManufacturerNodeMinted(string name, uint256 tokenId, address indexed owner);
    event ManufacturerAttributeAdded(string attribute);
    event ManufacturerAttributeSet(uint256 tokenId, string attribute, string info);
    event ManufacturerRenamed(uint256 indexed tokenId, string name);

    error ManufacturerNameRefused(string name);
    error AlreadyManufacturer(address owner);

    /// @notice Mints a manufacturer to an owner who has none. Restricted.
    function mintManufacturer(address owner, string calldata name, AttributeInfoPair[] calldata attrInfoPairList)
        external
        restricted
    {
        if (_reg().manufacturerNft.balanceOf(owner) != 0) revert AlreadyManufacturer(owner);
        uint256 id = _mintManufacturer(owner, name);
        _emitManufacturerAttributes(id, attrInfoPairList);
        _acknowledge(_reg().manufacturerNft, owner, id);
    }

    /// @notice Mints several manufacturers to an administrator, who hands them on later. Restricted.
    function mintManufacturerBatch(address owner, string[] calldata names) external restricted {
        IAccessManager manager = IAccessManager(authority());
        (bool isAdmin,) = manager.hasRole(0, owner);
        if (!isAdmin) revert Unauthorized(owner);
        uint256 id;
        for (uint256 i = 0; i < names.length; ++i) {
            id = _mintManufacturer(owner, names[i]);
        }
        for (uint256 i = names.length; i > 0; --i) {
            _acknowledge(_reg().manufacturerNft, owner, id - i + 1);
        }
    }

    /// @notice Gives a manufacturer another name; the old one is free again. Restricted.
    function renameManufacturer(uint256 tokenId, string calldata name) external restricted {
        _requireManufacturer(tokenId);
        delete _reg().manufacturerByName[_reg().manufacturerName[tokenId]];
        _setName(tokenId, name);
        emit ManufacturerRenamed(tokenId, name);
    }

    /// @notice Puts an attribute on the list of manufacturers. Restricted.
    function addManufacturerAttribute(string calldata attribute) external restricted {
        _listAttribute(MANUFACTURER, attribute);
        emit ManufacturerAttributeAdded(attribute);
    }

    /// @notice Sets attributes of a manufacturer. Restricted.
    function setManufacturerInfo(uint256 tokenId, AttributeInfoPair[] calldata attrInfoList) external restricted {
        _requireManufacturer(tokenId);
        _emitManufacturerAttributes(tokenId, attrInfoList);
    }

    /// @notice Id of the manufacturer of that exact name, 0 when there is none.
    function getManufacturerIdByName(string calldata name) external view returns (uint256 nodeId) {
        return _reg().manufacturerByName[name];
    }

    /// @notice Name of a manufacturer, empty when there is none.
    function getManufacturerNameById(uint256 tokenId) external view returns (string memory name) {
        return _reg().manufacturerName[tokenId];
    }

    /// @notice Whether an address owns a manufacturer.
    function isManufacturerMinted(address addr) external view returns (bool _isManufacturerMinted) {
        return _reg().manufacturerNft.balanceOf(addr) != 0;
    }

    function _mintManufacturer(address owner, string calldata name) private returns (uint256 id) {
        id = _reg().manufacturerNft.mint(owner);
        _setName(id, name);
        emit ManufacturerNodeMinted(name, id, owner);
    }

    function _setName(uint256 id, string calldata name) private {
        if (bytes(name).length == 0 || _reg().manufacturerByName[name] != 0) revert ManufacturerNameRefused(name);
        _reg().manufacturerByName[name] = id;
        _reg().manufacturerName[id] = name;
    }

    function _emitManufacturerAttributes(uint256 id, AttributeInfoPair[] calldata pairs) private {
        for (uint256 i = 0; i < pairs.length; ++i) {
            _checkAttribute(MANUFACTURER, pairs[i].attribute);
            emit ManufacturerAttributeSet(id, pairs[i].attribute, pairs[i].info);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {IAuthority} from "@openzeppelin/contracts/access/manager/IAuthority.sol";

import {
    AftermarketDeviceIdAddressPair,
    AftermarketDeviceInfos,
    AftermarketDeviceOwnerPair,
    AttributeInfoPair
} from "./RegistryBase.sol";
import {Vehicles} from "./Vehicles.sol";

/// @title AftermarketDevices
/// @notice Life of a plugged-in device: minted by its manufacturer, claimed by an owner, paired with a vehicle, unpaired,
/// given back.
abstract contract AftermarketDevices is Vehicles {
    /// @dev Permission numbers on a manufacturer token.
    uint8 private constant MAY_MINT = 1;
    uint8 private constant MAY_DISTRIBUTE = 2;
    uint8 private constant MAY_RESET = 3;

    event AftermarketDeviceIdProxySet(address indexed proxy);
    event AftermarketDeviceAttributeAdded(string attribute);
    event AftermarketDeviceAttributeSet(uint256 tokenId, string attribute, string info);
    event AftermarketDeviceNodeMinted(
        uint256 indexed manufacturerId,
        uint256 tokenId,
        address indexed aftermarketDeviceAddress,
        address indexed owner
    );
    event AftermarketDeviceClaimed(uint256 aftermarketDeviceNode, address indexed owner);
    event AftermarketDeviceUnclaimed(uint256 indexed aftermarketDeviceNode, address indexed owner);
    event AftermarketDevicePaired(uint256 aftermarketDeviceNode, uint256 vehicleNode, address indexed owner);
    event AftermarketDeviceUnpaired(uint256 aftermarketDeviceNode, uint256 vehicleNode, address indexed owner);
    event AftermarketDeviceAddressReset(
        uint256 indexed manufacturerId, uint256 indexed tokenId, address indexed aftermarketDeviceAddress
    );
    event BeneficiarySet(address indexed idProxyAddress, uint256 indexed nodeId, address indexed beneficiary);

    error AdNotClaimed(uint256 id);
    error AdNotPaired(uint256 id);
    error AdPaired(uint256 id);
    error DeviceAlreadyClaimed(uint256 id);
    error OwnersDoNotMatch();

    // ---------------------------------------------------------------- minting

    /// @notice Mints devices to the owner of their manufacturer. The caller is that owner or holds permission 1 on the
    /// manufacturer token.
    function mintAftermarketDeviceByManufacturerBatch(
        uint256 manufacturerNode,
        AftermarketDeviceInfos[] calldata adInfos
    ) external {
        _requireManufacturer(manufacturerNode);
        _requireMaker(manufacturerNode, MAY_MINT);
        address owner = _reg().manufacturerNft.ownerOf(manufacturerNode);
        uint256 id;
        for (uint256 i = 0; i < adInfos.length; ++i) {
            id = _mintDevice(manufacturerNode, owner, adInfos[i]);
        }
        for (uint256 i = adInfos.length; i > 0; --i) {
            _acknowledge(_reg().deviceNft, owner, id - i + 1);
        }
    }

    function _mintDevice(uint256 manufacturerNode, address owner, AftermarketDeviceInfos calldata info)
        private
        returns (uint256 id)
    {
        if (info.addr == address(0)) revert ZeroAddress();
        if (_reg().deviceByAddress[info.addr] != 0) revert DeviceAlreadyRegistered(info.addr);
        id = _reg().deviceNft.mint(owner);
        _countMove(ONE_DEVICE, address(0), owner);
        _reg().devices[id] = DeviceNode(info.addr, 0, uint24(manufacturerNode), 0, false);
        _reg().deviceByAddress[info.addr] = id;
        emit AftermarketDeviceNodeMinted(manufacturerNode, id, info.addr, owner);
        _emitDeviceAttributes(id, info.attrInfoPairs);
    }

    // ---------------------------------------------------------------- claiming

    /// @notice The caller claims a device whose key signed ClaimAftermarketDeviceSign for it.
    function claimAftermarketDevice(uint256 aftermarketDeviceNode, bytes calldata aftermarketDeviceSig) external {
        bytes32 digest = _claimDigestOnce(aftermarketDeviceNode, msg.sender);
        _requireDeviceSignature(aftermarketDeviceNode, digest, aftermarketDeviceSig);
        _claim(aftermarketDeviceNode, msg.sender);
    }

    /// @notice Claims a device for an owner; owner and device signed the old form. Restricted to relays.
    function claimAftermarketDeviceSign(
        uint256 aftermarketDeviceNode,
        address owner,
        bytes calldata ownerSig,
        bytes calldata aftermarketDeviceSig
    ) external restricted {
        bytes32 digest = _claimDigestOnce(aftermarketDeviceNode, owner);
        _requireOwnerSignature(owner, digest, ownerSig);
        _requireDeviceSignature(aftermarketDeviceNode, digest, aftermarketDeviceSig);
        _claim(aftermarketDeviceNode, owner);
    }

    /// @notice Claims a device for an owner; both signed with the owner's nonce and a deadline. Anyone may bring it; the
    /// owner's signature may be empty when the owner calls.
    function claimAftermarketDeviceWithDeadline(
        uint256 aftermarketDeviceNode,
        address owner,
        uint256 nonce,
        uint256 deadline,
        bytes calldata ownerSig,
        bytes calldata aftermarketDeviceSig
    ) external {
        _spend(owner, nonce, deadline);
        bytes32 digest =
            _digest(_hash(CLAIM_DEADLINE_TYPE, aftermarketDeviceNode, uint160(owner), nonce, deadline));
        if (msg.sender != owner) _requireOwnerSignature(owner, digest, ownerSig);
        _requireDeviceSignature(aftermarketDeviceNode, digest, aftermarketDeviceSig);
        _claim(aftermarketDeviceNode, owner);
    }

    /// @notice Hands devices to owners without signatures: by the role for this function, or for devices of a
    /// manufacturer on whose token the caller holds permission 2.
    function claimAftermarketDeviceBatch(AftermarketDeviceOwnerPair[] calldata adOwnerPair) external {
        (bool byRole) = IAuthority(authority()).canCall(msg.sender, address(this), msg.sig);
        for (uint256 i = 0; i < adOwnerPair.length; ++i) {
            uint256 id = adOwnerPair[i].aftermarketDeviceNodeId;
            if (!byRole) _requireMaker(_requireDevice(id).manufacturer, MAY_DISTRIBUTE);
            _claim(id, adOwnerPair[i].owner);
        }
    }

    /// @dev Digest of a claim in the old form, marked as used. The first owner who claims a device so is kept beside the
    /// device's key, where it costs no slot; the digests of later owners are kept like those of other old forms. Device and
    /// owner are all that the digest depends on. Should a later owner's address share the part of it that is kept, that
    /// owner is refused in the old form only.
    function _claimDigestOnce(uint256 id, address owner) private returns (bytes32 digest) {
        DeviceNode storage d = _reg().devices[id];
        bytes32 structHash = _hash(CLAIM_TYPE, id, uint160(owner));
        uint24 tag = _claimantTag(owner);
        if (d.firstClaimant == tag) revert SignatureAlreadyUsed(_digest(structHash));
        if (d.firstClaimant != 0) return _digestOnce(structHash);
        d.firstClaimant = tag;
        return _digest(structHash);
    }

    function _claim(uint256 id, address owner) private {
        DeviceNode storage d = _requireDevice(id);
        if (d.claimed) revert DeviceAlreadyClaimed(id);
        d.claimed = true;
        _countMove(ONE_DEVICE, _reg().deviceNft.moveByRegistry(owner, id), owner);
        emit AftermarketDeviceClaimed(id, owner);
    }

    // ---------------------------------------------------------------- pairing

    /// @notice Pairs a claimed device with a vehicle; the caller owns both.
    function pairAftermarketDevice(uint256 aftermarketDeviceNode, uint256 vehicleNode) external {
        address owner = _reg().vehicleNft.ownerOf(vehicleNode);
        if (msg.sender != owner) revert Unauthorized(msg.sender);
        _pairSameOwner(aftermarketDeviceNode, vehicleNode, owner);
    }

    /// @notice Pairs a device with a vehicle of the caller; the device's key signed. The device may belong to another.
    function pairAftermarketDeviceWithAdSig(
        uint256 aftermarketDeviceNode,
        uint256 vehicleNode,
        bytes calldata aftermarketDeviceSig
    ) external {
        address owner = _reg().vehicleNft.ownerOf(vehicleNode);
        if (msg.sender != owner) revert Unauthorized(msg.sender);
        bytes32 digest = _digestOnce(_hash(PAIR_TYPE, aftermarketDeviceNode, vehicleNode));
        _requireDeviceSignature(aftermarketDeviceNode, digest, aftermarketDeviceSig);
        _pair(aftermarketDeviceNode, vehicleNode, owner);
    }

    /// @notice Pairs a device and a vehicle of one owner, who signed the old form. Restricted to relays.
    function pairAftermarketDeviceSign(uint256 aftermarketDeviceNode, uint256 vehicleNode, bytes calldata signature)
        external
        restricted
    {
        address owner = _reg().vehicleNft.ownerOf(vehicleNode);
        bytes32 digest = _digestOnce(_hash(PAIR_TYPE, aftermarketDeviceNode, vehicleNode));
        _requireOwnerSignature(owner, digest, signature);
        _pairSameOwner(aftermarketDeviceNode, vehicleNode, owner);
    }

    /// @notice Pairs a device with a vehicle; the device's key and the vehicle's owner signed the old form. Restricted to
    /// relays.
    function pairAftermarketDeviceSign(
        uint256 aftermarketDeviceNode,
        uint256 vehicleNode,
        bytes calldata aftermarketDeviceSig,
        bytes calldata vehicleOwnerSig
    ) external restricted {
        address owner = _reg().vehicleNft.ownerOf(vehicleNode);
        bytes32 digest = _digestOnce(_hash(PAIR_TYPE, aftermarketDeviceNode, vehicleNode));
        _requireDeviceSignature(aftermarketDeviceNode, digest, aftermarketDeviceSig);
        _requireOwnerSignature(owner, digest, vehicleOwnerSig);
        _pair(aftermarketDeviceNode, vehicleNode, owner);
    }

    /// @notice Pairs with the vehicle owner's nonce and a deadline; anyone may bring it. The owner's signature may be empty
    /// when the owner calls; the device's may be empty when one owner has both. The nonce binds the owner, not the device's
    /// key, so the digest is accepted once, whoever the owner is.
    function pairAftermarketDeviceWithDeadline(
        uint256 aftermarketDeviceNode,
        uint256 vehicleNode,
        uint256 nonce,
        uint256 deadline,
        bytes calldata vehicleOwnerSig,
        bytes calldata aftermarketDeviceSig
    ) external {
        address owner = _reg().vehicleNft.ownerOf(vehicleNode);
        _spend(owner, nonce, deadline);
        bytes32 digest = _digestOnce(_hash(PAIR_DEADLINE_TYPE, aftermarketDeviceNode, vehicleNode, nonce, deadline));
        if (msg.sender != owner) _requireOwnerSignature(owner, digest, vehicleOwnerSig);
        if (aftermarketDeviceSig.length == 0) {
            _pairSameOwner(aftermarketDeviceNode, vehicleNode, owner);
        } else {
            _requireDeviceSignature(aftermarketDeviceNode, digest, aftermarketDeviceSig);
            _pair(aftermarketDeviceNode, vehicleNode, owner);
        }
    }

    /// @notice Unpairs; the caller owns the device or the vehicle.
    function unpairAftermarketDevice(uint256 aftermarketDeviceNode, uint256 vehicleNode) external {
        address vehicleOwner = _reg().vehicleNft.ownerOf(vehicleNode);
        if (msg.sender != vehicleOwner && msg.sender != _reg().deviceNft.ownerOf(aftermarketDeviceNode)) {
            revert Unauthorized(msg.sender);
        }
        _unpair(aftermarketDeviceNode, vehicleNode, vehicleOwner);
    }

    /// @notice Unpairs; one of the two owners signed the old form. Restricted to relays.
    function unpairAftermarketDeviceSign(uint256 aftermarketDeviceNode, uint256 vehicleNode, bytes calldata signature)
        external
        restricted
    {
        (address deviceOwner, address vehicleOwner) = _pairOwners(aftermarketDeviceNode, vehicleNode);
        bytes32 digest = _digestOnce(_hash(UNPAIR_TYPE, aftermarketDeviceNode, vehicleNode));
        if (!_isSignedBy(vehicleOwner, digest, signature)) _requireOwnerSignature(deviceOwner, digest, signature);
        _unpair(aftermarketDeviceNode, vehicleNode, vehicleOwner);
    }

    /// @notice Unpairs; `signer`, one of the two owners, signed with its nonce and a deadline. Anyone may bring it.
    function unpairAftermarketDeviceWithDeadline(
        uint256 aftermarketDeviceNode,
        uint256 vehicleNode,
        address signer,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        (address deviceOwner, address vehicleOwner) = _pairOwners(aftermarketDeviceNode, vehicleNode);
        if (signer != deviceOwner && signer != vehicleOwner) revert Unauthorized(signer);
        _spend(signer, nonce, deadline);
        bytes32 digest = _digest(_hash(UNPAIR_DEADLINE_TYPE, aftermarketDeviceNode, vehicleNode, nonce, deadline));
        _requireOwnerSignature(signer, digest, signature);
        _unpair(aftermarketDeviceNode, vehicleNode, vehicleOwner);
    }

    function _pairSameOwner(uint256 deviceId, uint256 vehicleId, address owner) private {
        if (_reg().deviceNft.ownerOf(deviceId) != owner) revert OwnersDoNotMatch();
        _pair(deviceId, vehicleId, owner);
    }

    function _pair(uint256 deviceId, uint256 vehicleId, address owner) private {
        DeviceNode storage d = _requireDevice(deviceId);
        VehicleNode storage v = _reg().vehicles[vehicleId];
        if (!d.claimed) revert AdNotClaimed(deviceId);
        if (d.vehicle != 0) revert AdPaired(deviceId);
        if (v.aftermarketDevice != 0) revert VehiclePaired(vehicleId);
        d.vehicle = uint40(vehicleId);
        v.aftermarketDevice = uint64(deviceId);
        emit AftermarketDevicePaired(deviceId, vehicleId, owner);
    }

    function _pairOwners(uint256 deviceId, uint256 vehicleId) private view returns (address, address) {
        return (_reg().deviceNft.ownerOf(deviceId), _reg().vehicleNft.ownerOf(vehicleId));
    }

    function _unpair(uint256 deviceId, uint256 vehicleId, address owner) private {
        DeviceNode storage d = _reg().devices[deviceId];
        VehicleNode storage v = _reg().vehicles[vehicleId];
        if (v.aftermarketDevice == 0) revert VehicleNotPaired(vehicleId);
        if (d.vehicle != vehicleId) revert AdNotPaired(deviceId);
        d.vehicle = 0;
        v.aftermarketDevice = 0;
        emit AftermarketDeviceUnpaired(deviceId, vehicleId, owner);
    }

    // ---------------------------------------------------------------- the rest of a device's life

    /// @notice The manufacturer replaces the keys of unpaired devices (permission 3); the old addresses are forgotten.
    function resetAftermarketDeviceAddressByManufacturerBatch(AftermarketDeviceIdAddressPair[] calldata adIdAddrs)
        external
    {
        for (uint256 i = 0; i < adIdAddrs.length; ++i) {
            (uint256 id, address addr) = (adIdAddrs[i].aftermarketDeviceNodeId, adIdAddrs[i].deviceAddress);
            DeviceNode storage d = _requireDevice(id);
            _requireMaker(d.manufacturer, MAY_RESET);
            if (d.vehicle != 0) revert AdPaired(id);
            if (addr == address(0)) revert ZeroAddress();
            if (_reg().deviceByAddress[addr] != 0) revert DeviceAlreadyRegistered(addr);
            delete _reg().deviceByAddress[d.addr];
            _reg().deviceByAddress[addr] = id;
            d.addr = addr;
            emit AftermarketDeviceAddressReset(d.manufacturer, id, addr);
        }
    }

    /// @notice Names who earns for a claimed device instead of its owner; zero names the owner again.
    function setAftermarketDeviceBeneficiary(uint256 nodeId, address beneficiary) external {
        if (!_requireDevice(nodeId).claimed) revert AdNotClaimed(nodeId);
        address owner = _reg().deviceNft.ownerOf(nodeId);
        if (msg.sender != owner || beneficiary == owner) revert Unauthorized(msg.sender);
        _setBeneficiary(nodeId, beneficiary);
    }

    /// @notice Called by the device token when an owner gives a device back; answers where it goes.
    function resetAftermarketDeviceForClaiming(address from, uint256 aftermarketDeviceNode)
        external
        returns (address manufacturerOwner)
    {
        if (msg.sender != address(_reg().deviceNft)) revert OnlyNftProxy();
        DeviceNode storage d = _requireDevice(aftermarketDeviceNode);
        if (!d.claimed) revert AdNotClaimed(aftermarketDeviceNode);
        if (d.vehicle != 0) revert AdPaired(aftermarketDeviceNode);
        d.claimed = false;
        emit AftermarketDeviceUnclaimed(aftermarketDeviceNode, from);
        return _reg().manufacturerNft.ownerOf(d.manufacturer);
    }

    /// @notice Called by the device token when a device moves otherwise than by a claim.
    function onAftermarketDeviceTransfer(address from, address to, uint256 tokenId) external {
        if (msg.sender != address(_reg().deviceNft)) revert OnlyNftProxy();
        _countMove(ONE_DEVICE, from, to);
        if (_reg().beneficiary[tokenId] != address(0)) _setBeneficiary(tokenId, address(0));
    }

    /// @notice Puts an attribute on the list of aftermarket devices. Restricted.
    function addAftermarketDeviceAttribute(string calldata attribute) external restricted {
        _addDeviceAttribute(attribute);
    }

    /// @notice Sets attributes of an aftermarket device. Restricted.
    function setAftermarketDeviceInfo(uint256 tokenId, AttributeInfoPair[] calldata attrInfo) external restricted {
        _requireDevice(tokenId);
        _emitDeviceAttributes(tokenId, attrInfo);
    }

    function getAftermarketDeviceIdByAddress(address addr) external view returns (uint256 nodeId) {
        return _reg().deviceByAddress[addr];
    }

    function getAftermarketDeviceAddressById(uint256 nodeId) external view returns (address addr) {
        return _reg().devices[nodeId].addr;
    }

    function isAftermarketDeviceClaimed(uint256 nodeId) external view returns (bool isClaimed) {
        return _reg().devices[nodeId].claimed;
    }

    function _addDeviceAttribute(string memory attribute) internal {
        _listAttribute(DEVICE, attribute);
        emit AftermarketDeviceAttributeAdded(attribute);
    }

    function _requireDevice(uint256 id) private view returns (DeviceNode storage d) {
        d = _reg().devices[id];
        if (d.addr == address(0)) revert InvalidNode(address(_reg().deviceNft), id);
    }

    /// @dev The caller owns the manufacturer or was granted the permission on it.
    function _requireMaker(uint256 manufacturer, uint8 permission) private view {
        RegistryStore storage s = _reg();
        if (!s.grants.hasPermission(address(s.manufacturerNft), manufacturer, msg.sender, permission)) {
            revert Unauthorized(msg.sender);
        }
    }

    function _setBeneficiary(uint256 id, address beneficiary) private {
        _reg().beneficiary[id] = beneficiary;
        emit BeneficiarySet(address(_reg().deviceNft), id, beneficiary);
    }

    function _emitDeviceAttributes(uint256 id, AttributeInfoPair[] calldata pairs) private {
        for (uint256 i = 0; i < pairs.length; ++i) {
            _checkAttribute(DEVICE, pairs[i].attribute);
            emit AftermarketDeviceAttributeSet(id, pairs[i].attribute, pairs[i].info);
        }
    }
}

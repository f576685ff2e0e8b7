// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {CidCodec} from "./CidCodec.sol";
import {Grant, GrantSignatures} from "./GrantSignatures.sol";
import {IGrants, ITemplates, TemplateData} from "./interfaces/IGrants.sol";
import {IVersioned} from "./interfaces/IVersioned.sol";

/// @title Grants
/// @notice Who may do what with an ERC-721 token, or with everything of an account, until when, and under which document.
/// ABI-compatible with the second form of the network's "Sacd" contract.
///
/// Permission number n (1 to 127) occupies bits 2n and 2n+1 of a value and is granted only when both are set.
/// A grant ends by its expiration, by a new setPermissions of the owner (0 permissions revoke), by the grantee giving it
/// back, by a transfer of a vehicle, a manufacturer or what else reports transfers, or the owner's revokeAll (the version
/// of the token rises), and whenever the token is no longer held by the owner who gave it, which also covers assets that
/// report no transfers. The owner has every permission. Grants on an account are kept apart from those on tokens;
/// PermissionsSet shows them under the account's address and token 0.
///
/// @dev One record is two slots: grantor, expiration, permissions, kind of source and version; then the digest of the
/// source. Values that do not fit the first slot, sources that are not a content id, and template ids have mappings of their
/// own. The key of a record has no version in it, so a grantee gives it back without anybody being asked for the version; a
/// record of an earlier version moves to a key of that version when it is overwritten.
/// The protocol's own node tokens keep the version of a token beside its owner (IVersioned) and answer both at once; the
/// versions of the tokens of all other assets are kept here.
contract Grants is IGrants, GrantSignatures, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @notice A grant as callers see it; `expiration` is in unix seconds and exclusive.
    struct PermissionRecord {
        uint256 permissions;
        uint256 expiration;
        string source;
        uint256 templateId;
    }

    /// @dev `sourceKind` holds a CidCodec kind and the flags below, `version` the version of the token that the grant was given
    /// under, 0 for an account.
    struct Packed {
        address grantor;
        uint40 expiration;
        uint40 permissions;
        uint8 sourceKind;
        uint8 version;
        bytes32 digest;
    }

    struct Wide {
        uint256 permissions;
        uint256 expiration;
    }

    /// @custom:storage-location erc7201:sayso.Grants
    struct Store {
        mapping(address asset => mapping(uint256 tokenId => uint256)) version;
        mapping(bytes32 key => Packed) records;
        mapping(bytes32 key => Wide) wide;
        mapping(bytes32 key => string) text;
        mapping(bytes32 key => uint256) template;
        address templateContract;
        mapping(address grantor => uint256) accountVersion;
        mapping(bytes32 key => uint256) longVersion;
    }

    uint8 private constant KIND_MASK = 0x0f;
    uint8 private constant IS_WIDE = 0x40;
    uint8 private constant HAS_TEMPLATE = 0x80;
    /// @dev Stored for an expiration of 2^256-1, "never".
    uint40 private constant NEVER = type(uint40).max;
    /// @dev Stored for a version from here on, which has a mapping of its own.
    uint256 private constant LONG_VERSION = type(uint8).max;
    // Where the members of Packed lie in its first slot.
    uint256 private constant EXPIRATION_SHIFT = 160;
    uint256 private constant PERMISSIONS_SHIFT = 200;
    uint256 private constant KIND_SHIFT = 240;
    uint256 private constant VERSION_SHIFT = 248;

    // keccak256(abi.encode(uint256(keccak256("sayso.Grants")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0x7bca1fb9692fe24fb48743eb2a9ea4b34abecb4e64463bcb1ef7dc9f19a82d00;

    event PermissionsSet(
        address indexed asset,
        uint256 indexed tokenId,
        uint256 permissions,
        address indexed grantee,
        uint256 expiration,
        uint256 templateId,
        string source
    );
    event PermissionsRenounced(address indexed asset, uint256 indexed tokenId, address indexed grantee);
    event AllPermissionsRevoked(address indexed asset, uint256 indexed tokenId, uint256 version);
    event AllAccountPermissionsRevoked(address indexed grantor, uint256 version);
    event TemplateContractSet(address indexed templateContract);

    error GrantsNotVoided(address asset, uint256 tokenId);
    error InvalidTokenId(address asset, uint256 tokenId);
    error Unauthorized(address addr);
    error ZeroAddress();
    error TemplateContractNotSet();
    error TemplateNotActive(uint256 templateId);
    error TemplateAssetMismatch(uint256 templateId, address expectedAsset, address providedAsset);
    error TemplatePermissionsMismatch(
        uint256 templateId, uint256 expectedPermissions, uint256 providedPermissions
    );

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @param authority_ the AccessManager that decides about upgrades and the template contract
    /// @param templateContractAddress the contract that knows templates
    function initialize(address authority_, address templateContractAddress) external initializer {
        __AccessManaged_init(authority_);
        _setTemplateContract(templateContractAddress);
    }

    // ---------------------------------------------------------------- giving and taking back

    /// @notice Sets what `grantee` may do with a token; replaces the earlier grant to the same grantee. Only the token's
    /// owner and the asset contract may call.
    /// @param source text of the agreement, normally ipfs://CID
    function setPermissions(
        address asset,
        uint256 tokenId,
        address grantee,
        uint256 permissions,
        uint256 expiration,
        string calldata source
    ) external {
        _setByCaller(Grant(asset, tokenId, grantee, permissions, expiration, 0), source);
    }

    /// @notice As above, under a template: the template must be active, be made for this asset, and name exactly these
    /// permissions. Template 0 is no template.
    function setPermissions(
        address asset,
        uint256 tokenId,
        address grantee,
        uint256 permissions,
        uint256 expiration,
        uint256 templateId,
        string calldata source
    ) external {
        _setByCaller(Grant(asset, tokenId, grantee, permissions, expiration, templateId), source);
    }

    /// @notice As setPermissions, signed by the token's owner with nonce and deadline; anyone may bring it.
    function setPermissionsBySig(
        Grant calldata grant,
        string calldata source,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        (address owner, uint256 version,) = _requireToken(grant.asset, grant.tokenId);
        _checkGrantSignature(owner, grant, source, nonce, deadline, signature);
        _set(owner, version, grant, source);
    }

    /// @notice Sets what `grantee` may do with everything of the caller.
    function setAccountPermissions(
        address grantee,
        uint256 permissions,
        uint256 expiration,
        uint256 templateId,
        string calldata source
    ) external {
        _setAccount(Grant(msg.sender, 0, grantee, permissions, expiration, templateId), source);
    }

    /// @notice As setAccountPermissions, signed by the account (`grant.asset`; its tokenId is 0) with nonce and deadline;
    /// anyone may bring it.
    function setAccountPermissionsBySig(
        Grant calldata grant,
        string calldata source,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        if (grant.tokenId != 0) revert InvalidTokenId(grant.asset, grant.tokenId);
        _checkAccountGrantSignature(grant, source, nonce, deadline, signature);
        _setAccount(grant, source);
    }

    /// @notice The caller gives back what it was granted on a token.
    function renouncePermissions(address asset, uint256 tokenId) external {
        delete _store().records[_key(asset, tokenId, msg.sender)];
        emit PermissionsRenounced(asset, tokenId, msg.sender);
    }

    /// @notice The caller gives back what it was granted on an account.
    function renounceAccountPermissions(address grantor) external {
        delete _store().records[_accountKey(grantor, msg.sender)];
        emit PermissionsRenounced(grantor, 0, msg.sender);
    }

    /// @notice Voids every grant on a token at once. Only the token's owner and the asset contract may call.
    function revokeAll(address asset, uint256 tokenId) external {
        (address owner, uint256 version, bool versioned) = _requireToken(asset, tokenId);
        if (msg.sender != owner && msg.sender != asset) revert Unauthorized(msg.sender);
        _revokeAll(asset, tokenId, version, versioned);
    }

    /// @notice The same, signed by the token's owner with nonce and deadline; anyone may bring it.
    function revokeAllBySig(
        address asset,
        uint256 tokenId,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        (address owner, uint256 version, bool versioned) = _requireToken(asset, tokenId);
        _checkRevokeSignature(owner, asset, tokenId, nonce, deadline, signature);
        _revokeAll(asset, tokenId, version, versioned);
    }

    /// @notice Voids every grant of the caller on its account at once.
    function revokeAllAccountPermissions() external {
        emit AllAccountPermissionsRevoked(msg.sender, ++_store().accountVersion[msg.sender]);
    }

    /// @notice An asset that keeps no versions itself reports that a token of it changed hands: all its grants are void from
    /// here on.
    function onTransfer(address asset, uint256 tokenId) external {
        if (msg.sender != asset) revert Unauthorized(msg.sender);
        ++_store().version[asset][tokenId];
    }

    /// @dev The only call here that lets an asset act. It comes when all is checked and a signature that brought it is
    /// spent. The event comes after it: should the asset give a grant meanwhile, whoever follows the events ends that too.
    function _revokeAll(address asset, uint256 tokenId, uint256 version, bool versioned) private {
        uint256 voided = version + 1;
        if (versioned) {
            (, voided) = IVersioned(asset).voidGrants(tokenId);
        } else {
            _store().version[asset][tokenId] = voided;
        }
        if (voided <= version) revert GrantsNotVoided(asset, tokenId);
        emit AllPermissionsRevoked(asset, tokenId, voided);
    }

    function _setByCaller(Grant memory g, string calldata source) private {
        (address owner, uint256 version,) = _requireToken(g.asset, g.tokenId);
        if (msg.sender != owner && msg.sender != g.asset) revert Unauthorized(msg.sender);
        _set(owner, version, g, source);
    }

    function _set(address owner, uint256 version, Grant memory g, string calldata source) private {
        _checkGrant(g, g.asset);
        bytes32 key = _key(g.asset, g.tokenId, g.grantee);
        _keepEarlier(key, version);
        _put(key, version, owner, g, source);
    }

    /// @dev Moves a record of an earlier version to the key of that version before another takes its place.
    function _keepEarlier(bytes32 key, uint256 version) private {
        uint256 first = _first(key);
        if (first == 0) return;
        uint256 earlier = _versionOf(key, first);
        if (earlier == version) return;
        Packed storage r = _store().records[key];
        Packed storage kept = _store().records[_versionKey(key, earlier)];
        assembly ("memory-safe") {
            sstore(kept.slot, first)
        }
        kept.digest = r.digest;
    }

    function _setAccount(Grant memory g, string calldata source) private {
        _checkGrant(g, address(0));
        _put(_accountKey(g.asset, g.grantee), 0, g.asset, g, source);
    }

    /// @param templateAsset what a template must be made for: the asset, or zero for an account
    function _checkGrant(Grant memory g, address templateAsset) private view {
        if (g.grantee == address(0)) revert ZeroAddress();
        if (g.templateId != 0) _checkTemplate(g.templateId, templateAsset, g.permissions);
    }

    function _put(bytes32 key, uint256 version, address grantor, Grant memory g, string calldata source) private {
        _write(key, version, grantor, g, source);
        emit PermissionsSet(g.asset, g.tokenId, g.permissions, g.grantee, g.expiration, g.templateId, source);
    }

    function _write(bytes32 key, uint256 version, address grantor, Grant memory g, string calldata source) private {
        Store storage s = _store();
        (uint256 kind, bytes32 digest) = CidCodec.pack(source);
        (uint256 permissions, uint256 expiration) = (g.permissions, g.expiration);
        bool never = expiration == type(uint256).max;
        if (g.templateId != 0) kind |= HAS_TEMPLATE;
        if (permissions > type(uint40).max || (expiration >= NEVER && !never)) kind |= IS_WIDE;
        if (kind >= CidCodec.TEXT) {
            bytes32 kept = _versionKey(key, version);
            if (kind & KIND_MASK == CidCodec.TEXT) s.text[kept] = source;
            if (kind & HAS_TEMPLATE != 0) s.template[kept] = g.templateId;
            if (kind & IS_WIDE != 0) {
                s.wide[kept] = Wide(permissions, expiration);
                (permissions, expiration) = (0, 0);
            }
        }
        if (version >= LONG_VERSION) {
            s.longVersion[key] = version;
            version = LONG_VERSION;
        }
        if (never) expiration = NEVER;
        uint256 first = uint160(grantor) | (expiration << EXPIRATION_SHIFT) | (permissions << PERMISSIONS_SHIFT)
            | (kind << KIND_SHIFT) | (version << VERSION_SHIFT);
        Packed storage r = s.records[key];
        // Member by member this would write the first slot five times. A changed grant mostly keeps its text.
        assembly ("memory-safe") {
            sstore(r.slot, first)
            let second := add(r.slot, 1)
            if xor(sload(second), digest) { sstore(second, digest) }
        }
    }

    function _checkTemplate(uint256 templateId, address asset, uint256 permissions) private view {
        address c = _store().templateContract;
        if (c == address(0)) revert TemplateContractNotSet();
        TemplateData memory t = ITemplates(c).templates(templateId);
        if (!t.isActive) revert TemplateNotActive(templateId);
        if (t.asset != asset) revert TemplateAssetMismatch(templateId, t.asset, asset);
        if (t.permissions != permissions) {
            revert TemplatePermissionsMismatch(templateId, t.permissions, permissions);
        }
    }

    // ---------------------------------------------------------------- asking

    /// @notice Whether `grantee` holds permission number `permissionIndex` on a token now. Number 0 and numbers from 128
    /// on do not exist: nobody but the owner is ever told true for them.
    function hasPermission(address asset, uint256 tokenId, address grantee, uint8 permissionIndex)
        external
        view
        returns (bool)
    {
        (bool all, uint256 held) = _heldOn(asset, tokenId, grantee);
        return all || _covers(held, permissionIndex);
    }

    /// @notice Whether `grantee` holds every bit of `permissions` now; false for a stranger even when none is asked.
    function hasPermissions(address asset, uint256 tokenId, address grantee, uint256 permissions)
        external
        view
        returns (bool)
    {
        (bool all, uint256 held) = _heldOn(asset, tokenId, grantee);
        return all || (held != 0 && held & permissions == permissions);
    }

    /// @notice The bits of `permissions` that `grantee` holds now; all of them for the owner.
    function getPermissions(address asset, uint256 tokenId, address grantee, uint256 permissions)
        external
        view
        returns (uint256)
    {
        (bool all, uint256 held) = _heldOn(asset, tokenId, grantee);
        return all ? permissions : held & permissions;
    }

    /// @notice Whether `grantee` holds permission number `permissionIndex` on everything of `grantor`; every account holds
    /// all on itself.
    function hasAccountPermission(address grantor, address grantee, uint8 permissionIndex)
        external
        view
        returns (bool)
    {
        return grantor == grantee || _covers(_heldOnAccount(grantor, grantee), permissionIndex);
    }

    /// @notice Whether `grantee` holds every bit of `permissions` on everything of `grantor`.
    function hasAccountPermissions(address grantor, address grantee, uint256 permissions)
        external
        view
        returns (bool)
    {
        if (grantor == grantee) return true;
        uint256 held = _heldOnAccount(grantor, grantee);
        return held != 0 && held & permissions == permissions;
    }

    /// @notice The bits of `permissions` that `grantee` holds on everything of `grantor`.
    function getAccountPermissions(address grantor, address grantee, uint256 permissions)
        external
        view
        returns (uint256)
    {
        return grantor == grantee ? permissions : _heldOnAccount(grantor, grantee) & permissions;
    }

    /// @notice The grant of `grantor` to `grantee` on its account, in force or expired; zeros when there is none.
    function accountPermissionRecords(address grantor, address grantee)
        external
        view
        returns (PermissionRecord memory permissionRecord)
    {
        return _read(_accountKey(grantor, grantee), 0);
    }

    /// @notice The grant to `grantee` in force or expired; zeros when there is none or the token has changed hands since.
    function currentPermissionRecord(address asset, uint256 tokenId, address grantee)
        external
        view
        returns (PermissionRecord memory permissionRecord)
    {
        (address owner, uint256 version,) = _token(asset, tokenId);
        bytes32 key = _key(asset, tokenId, grantee);
        if (owner != address(0) && address(uint160(_first(key))) == owner) return _read(key, version);
    }

    /// @notice The grant to `grantee` as it was kept under a version of the token, whether or not it still holds; zeros when
    /// there is none or the grantee gave it back.
    function permissionRecords(address asset, uint256 tokenId, uint256 version, address grantee)
        external
        view
        returns (PermissionRecord memory permissionRecord)
    {
        return _read(_key(asset, tokenId, grantee), version);
    }

    /// @notice How many times all grants of a token were voided: transfers its asset reported, and calls of revokeAll.
    function tokenIdToVersion(address asset, uint256 tokenId) external view returns (uint256 version) {
        (, version,) = _token(asset, tokenId);
    }

    function templateContract() external view returns (address template_) {
        return _store().templateContract;
    }

    // ---------------------------------------------------------------- administration

    /// @notice Names the contract that knows templates.
    function setTemplateContract(address templateContractAddress) external restricted {
        _setTemplateContract(templateContractAddress);
    }

    function _setTemplateContract(address c) private {
        _store().templateContract = c;
        emit TemplateContractSet(c);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    // ---------------------------------------------------------------- inside

    /// @dev Whether `grantee` owns the token and so holds everything, and the permissions of its grant, 0 unless it holds now.
    function _heldOn(address asset, uint256 tokenId, address grantee) private view returns (bool all, uint256 held) {
        (address owner, uint256 version,) = _token(asset, tokenId);
        if (owner == address(0)) return (false, 0);
        if (owner == grantee) return (true, 0);
        return (false, _active(_key(asset, tokenId, grantee), version, owner));
    }

    function _heldOnAccount(address grantor, address grantee) private view returns (uint256) {
        return _active(_accountKey(grantor, grantee), 0, grantor);
    }

    /// @dev Permissions of the grant that `grantor` gave under a version, 0 unless it holds now.
    function _active(bytes32 key, uint256 version, address grantor) private view returns (uint256) {
        uint256 first = _first(key);
        if (address(uint160(first)) != grantor || _versionOf(key, first) != version) return 0;
        (uint256 permissions, uint256 expiration) = _terms(first, _versionKey(key, version));
        return expiration > block.timestamp ? permissions : 0;
    }

    /// @dev The record given under a version, be it the latest under its key or one that was moved.
    function _read(bytes32 key, uint256 version) private view returns (PermissionRecord memory out) {
        Store storage s = _store();
        bytes32 kept = _versionKey(key, version);
        uint256 first = _first(key);
        if (first == 0 || _versionOf(key, first) != version) {
            key = kept;
            first = _first(key);
        }
        (out.permissions, out.expiration) = _terms(first, kept);
        uint8 kind = uint8(first >> KIND_SHIFT);
        if (kind & HAS_TEMPLATE != 0) out.templateId = s.template[kept];
        kind &= KIND_MASK;
        out.source = kind == CidCodec.TEXT ? s.text[kept] : CidCodec.unpack(kind, s.records[key].digest);
    }

    /// @dev First slot of a record: the members of Packed but the digest. Zero when there is no record.
    function _first(bytes32 key) private view returns (uint256 first) {
        Packed storage r = _store().records[key];
        assembly ("memory-safe") {
            first := sload(r.slot)
        }
    }

    function _versionOf(bytes32 key, uint256 first) private view returns (uint256 version) {
        version = first >> VERSION_SHIFT;
        if (version == LONG_VERSION) version = _store().longVersion[key];
    }

    function _terms(uint256 first, bytes32 kept) private view returns (uint256 permissions, uint256 expiration) {
        if (uint8(first >> KIND_SHIFT) & IS_WIDE != 0) {
            Wide storage w = _store().wide[kept];
            return (w.permissions, w.expiration);
        }
        (permissions, expiration) = (uint40(first >> PERMISSIONS_SHIFT), uint40(first >> EXPIRATION_SHIFT));
        if (expiration == NEVER) expiration = type(uint256).max;
    }

    /// @dev Permission number 0 and numbers from 128 on do not exist.
    function _covers(uint256 held, uint8 index) private pure returns (bool) {
        if (index == 0 || index > 127) return false;
        uint256 mask = uint256(3) << (2 * uint256(index));
        return held & mask == mask;
    }

    function _requireToken(address asset, uint256 tokenId)
        private
        view
        returns (address owner, uint256 version, bool versioned)
    {
        (owner, version, versioned) = _token(asset, tokenId);
        if (owner == address(0)) revert InvalidTokenId(asset, tokenId);
    }

    /// @dev Owner of a token (zero when the asset is no contract, fails, or knows no such token), version of its grants, and
    /// whether the asset keeps that itself. Nobody makes an asset's own version unheard by giving too little gas: a call that
    /// runs out leaves a 64th, which does not pay for the second question.
    function _token(address asset, uint256 tokenId)
        private
        view
        returns (address owner, uint256 version, bool versioned)
    {
        uint256 word;
        (versioned, word, version) = _ask(asset, IVersioned.ownerAndVersion.selector, tokenId, 0x40);
        if (!versioned) {
            (, word,) = _ask(asset, IERC721.ownerOf.selector, tokenId, 0x20);
            version = _store().version[asset][tokenId];
        }
        if (word <= type(uint160).max) owner = address(uint160(word));
    }

    /// @dev The answer of a view about a token, zero unless it has exactly `size` bytes: one word or two.
    function _ask(address asset, bytes4 selector, uint256 tokenId, uint256 size)
        private
        view
        returns (bool ok, uint256 first, uint256 second)
    {
        assembly ("memory-safe") {
            mstore(0, selector)
            mstore(4, tokenId)
            ok := staticcall(gas(), asset, 0, 0x24, 0, 0x40)
            ok := and(ok, eq(returndatasize(), size))
            if ok {
                first := mload(0)
                second := mload(0x20)
            }
        }
    }

    /// @dev keccak256(abi.encodePacked(asset, tokenId, grantee)), on memory that is not kept. That is 72 bytes, an account's
    /// key 96, a version's key 64: none of them is ever one of the others.
    function _key(address asset, uint256 tokenId, address grantee) private pure returns (bytes32 key) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore(p, shl(96, asset))
            mstore(add(p, 20), tokenId)
            mstore(add(p, 52), shl(96, grantee))
            key := keccak256(p, 72)
        }
    }

    /// @dev Key of what is kept of a record under a version: what does not fit into it, and the record once it is overwritten.
    function _versionKey(bytes32 key, uint256 version) private pure returns (bytes32) {
        return keccak256(abi.encode(key, version));
    }

    function _accountKey(address grantor, address grantee) private view returns (bytes32) {
        return keccak256(abi.encode(grantor, _store().accountVersion[grantor], grantee));
    }

    function _store() private pure returns (Store storage s) {
        assembly {
            s.slot := STORE
        }
    }
}

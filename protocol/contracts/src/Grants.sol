// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {CidCodec} from "./CidCodec.sol";
import {Grant, GrantSignatures} from "./GrantSignatures.sol";
import {IGrants, ITemplates, TemplateData} from "./interfaces/IGrants.sol";

/// @title Grants
/// @notice Who may do what with an ERC-721 token, or with everything of an account, until when, and under which document.
/// ABI-compatible with the second form of the network's "Sacd" contract.
///
/// Permission number n (1 to 127) occupies bits 2n and 2n+1 of a value and is granted only when both are set.
/// A grant ends by its expiration, by a new setPermissions of the owner (0 permissions revoke), by the grantee giving it
/// back, by a transfer the asset reports or the owner's revokeAll (the version of the token rises), and whenever the token
/// is no longer held by the owner who gave it, which also covers assets that report no transfers. The owner has every
/// permission. Grants on an account are kept apart from those on tokens; PermissionsSet shows them under the account's
/// address and token 0.
///
/// @dev One record is two slots: grantor, expiration, permissions and kind of source; then the digest of the source.
/// Values that do not fit the first slot, sources that are not a content id, and template ids have mappings of their own.
contract Grants is IGrants, GrantSignatures, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @notice A grant as callers see it; `expiration` is in unix seconds and exclusive.
    struct PermissionRecord {
        uint256 permissions;
        uint256 expiration;
        string source;
        uint256 templateId;
    }

    /// @dev `sourceKind` holds a CidCodec kind and the flags below.
    struct Packed {
        address grantor;
        uint48 expiration;
        uint40 permissions;
        uint8 sourceKind;
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
    }

    uint8 private constant KIND_MASK = 0x0f;
    uint8 private constant IS_WIDE = 0x40;
    uint8 private constant HAS_TEMPLATE = 0x80;
    /// @dev Stored for an expiration of 2^256-1, "never".
    uint48 private constant NEVER = type(uint48).max;

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
        address owner = _requireOwnerOf(grant.asset, grant.tokenId);
        _checkGrantSignature(owner, grant, source, nonce, deadline, signature);
        _set(owner, grant, source);
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
        Store storage s = _store();
        delete s.records[_key(asset, tokenId, s.version[asset][tokenId], msg.sender)];
        emit PermissionsRenounced(asset, tokenId, msg.sender);
    }

    /// @notice The caller gives back what it was granted on an account.
    function renounceAccountPermissions(address grantor) external {
        delete _store().records[_accountKey(grantor, msg.sender)];
        emit PermissionsRenounced(grantor, 0, msg.sender);
    }

    /// @notice Voids every grant on a token at once. Only the token's owner and the asset contract may call.
    function revokeAll(address asset, uint256 tokenId) external {
        address owner = _requireOwnerOf(asset, tokenId);
        if (msg.sender != owner && msg.sender != asset) revert Unauthorized(msg.sender);
        emit AllPermissionsRevoked(asset, tokenId, ++_store().version[asset][tokenId]);
    }

    /// @notice The same, signed by the token's owner with nonce and deadline; anyone may bring it.
    function revokeAllBySig(
        address asset,
        uint256 tokenId,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _checkRevokeSignature(_requireOwnerOf(asset, tokenId), asset, tokenId, nonce, deadline, signature);
        emit AllPermissionsRevoked(asset, tokenId, ++_store().version[asset][tokenId]);
    }

    /// @notice Voids every grant of the caller on its account at once.
    function revokeAllAccountPermissions() external {
        emit AllAccountPermissionsRevoked(msg.sender, ++_store().accountVersion[msg.sender]);
    }

    /// @notice An asset reports that a token of it changed hands: all its grants are void from here on.
    function onTransfer(address asset, uint256 tokenId) external {
        if (msg.sender != asset) revert Unauthorized(msg.sender);
        ++_store().version[asset][tokenId];
    }

    function _setByCaller(Grant memory g, string calldata source) private {
        address owner = _requireOwnerOf(g.asset, g.tokenId);
        if (msg.sender != owner && msg.sender != g.asset) revert Unauthorized(msg.sender);
        _set(owner, g, source);
    }

    function _set(address owner, Grant memory g, string calldata source) private {
        if (g.templateId != 0) _checkTemplate(g.templateId, g.asset, g.permissions);
        uint256 version = _store().version[g.asset][g.tokenId];
        _put(_key(g.asset, g.tokenId, version, g.grantee), owner, g, source);
    }

    function _setAccount(Grant memory g, string calldata source) private {
        if (g.templateId != 0) _checkTemplate(g.templateId, address(0), g.permissions);
        _put(_accountKey(g.asset, g.grantee), g.asset, g, source);
    }

    function _put(bytes32 key, address grantor, Grant memory g, string calldata source) private {
        if (g.grantee == address(0)) revert ZeroAddress();
        _write(key, grantor, g.permissions, g.expiration, g.templateId, source);
        emit PermissionsSet(g.asset, g.tokenId, g.permissions, g.grantee, g.expiration, g.templateId, source);
    }

    function _write(
        bytes32 key,
        address grantor,
        uint256 permissions,
        uint256 expiration,
        uint256 templateId,
        string calldata source
    ) private {
        Store storage s = _store();
        (uint256 kind, bytes32 digest) = CidCodec.pack(source);
        if (kind == CidCodec.TEXT) s.text[key] = source;
        if (templateId != 0) {
            kind |= HAS_TEMPLATE;
            s.template[key] = templateId;
        }
        uint256 first = uint160(grantor);
        bool never = expiration == type(uint256).max;
        if (permissions > type(uint40).max || (expiration >= NEVER && !never)) {
            kind |= IS_WIDE;
            s.wide[key] = Wide(permissions, expiration);
        } else {
            first |= ((never ? NEVER : expiration) << 160) | (permissions << 208);
        }
        first |= kind << 248;
        Packed storage r = s.records[key];
        // Member by member this would write the first slot four times.
        assembly {
            sstore(r.slot, first)
            sstore(add(r.slot, 1), digest)
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
        address owner = _ownerOf(asset, tokenId);
        if (owner == address(0)) return false;
        if (owner == grantee) return true;
        return _covers(_active(owner, asset, tokenId, grantee), permissionIndex);
    }

    /// @notice Whether `grantee` holds every bit of `permissions` now; false for a stranger even when none is asked.
    function hasPermissions(address asset, uint256 tokenId, address grantee, uint256 permissions)
        external
        view
        returns (bool)
    {
        address owner = _ownerOf(asset, tokenId);
        if (owner == address(0)) return false;
        if (owner == grantee) return true;
        uint256 held = _active(owner, asset, tokenId, grantee);
        return held != 0 && held & permissions == permissions;
    }

    /// @notice The bits of `permissions` that `grantee` holds now; all of them for the owner.
    function getPermissions(address asset, uint256 tokenId, address grantee, uint256 permissions)
        external
        view
        returns (uint256)
    {
        address owner = _ownerOf(asset, tokenId);
        if (owner == address(0)) return 0;
        if (owner == grantee) return permissions;
        return _active(owner, asset, tokenId, grantee) & permissions;
    }

    /// @notice Whether `grantee` holds permission number `permissionIndex` on everything of `grantor`; every account holds
    /// all on itself.
    function hasAccountPermission(address grantor, address grantee, uint8 permissionIndex)
        external
        view
        returns (bool)
    {
        return grantor == grantee || _covers(_activeOnAccount(grantor, grantee), permissionIndex);
    }

    /// @notice Whether `grantee` holds every bit of `permissions` on everything of `grantor`.
    function hasAccountPermissions(address grantor, address grantee, uint256 permissions)
        external
        view
        returns (bool)
    {
        if (grantor == grantee) return true;
        uint256 held = _activeOnAccount(grantor, grantee);
        return held != 0 && held & permissions == permissions;
    }

    /// @notice The bits of `permissions` that `grantee` holds on everything of `grantor`.
    function getAccountPermissions(address grantor, address grantee, uint256 permissions)
        external
        view
        returns (uint256)
    {
        return grantor == grantee ? permissions : _activeOnAccount(grantor, grantee) & permissions;
    }

    /// @notice The grant of `grantor` to `grantee` on its account, in force or expired; zeros when there is none.
    function accountPermissionRecords(address grantor, address grantee)
        external
        view
        returns (PermissionRecord memory permissionRecord)
    {
        return _read(_accountKey(grantor, grantee));
    }

    /// @notice The grant to `grantee` in force or expired; zeros when there is none or the token has changed hands since.
    function currentPermissionRecord(address asset, uint256 tokenId, address grantee)
        external
        view
        returns (PermissionRecord memory permissionRecord)
    {
        Store storage s = _store();
        bytes32 key = _key(asset, tokenId, s.version[asset][tokenId], grantee);
        address grantor = s.records[key].grantor;
        if (grantor != address(0) && grantor == _ownerOf(asset, tokenId)) return _read(key);
    }

    /// @notice The grant to `grantee` as it was kept under a version of the token, whether or not it still holds.
    function permissionRecords(address asset, uint256 tokenId, uint256 version, address grantee)
        external
        view
        returns (PermissionRecord memory permissionRecord)
    {
        return _read(_key(asset, tokenId, version, grantee));
    }

    /// @notice How many times all grants of a token were voided: transfers its asset reported, and calls of revokeAll.
    function tokenIdToVersion(address asset, uint256 tokenId) external view returns (uint256 version) {
        return _store().version[asset][tokenId];
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

    /// @dev Permissions of a grant that holds now, else 0.
    function _active(address owner, address asset, uint256 tokenId, address grantee) private view returns (uint256) {
        return _activeAt(_key(asset, tokenId, _store().version[asset][tokenId], grantee), owner);
    }

    function _activeOnAccount(address grantor, address grantee) private view returns (uint256) {
        return _activeAt(_accountKey(grantor, grantee), grantor);
    }

    function _activeAt(bytes32 key, address grantor) private view returns (uint256) {
        Packed storage r = _store().records[key];
        if (r.grantor != grantor) return 0;
        if (r.sourceKind & IS_WIDE != 0) {
            Wide storage w = _store().wide[key];
            return w.expiration > block.timestamp ? w.permissions : 0;
        }
        return r.expiration > block.timestamp ? r.permissions : 0;
    }

    function _read(bytes32 key) private view returns (PermissionRecord memory out) {
        Store storage s = _store();
        Packed memory r = s.records[key];
        if (r.grantor == address(0)) return out;
        if (r.sourceKind & IS_WIDE != 0) {
            Wide storage w = s.wide[key];
            (out.permissions, out.expiration) = (w.permissions, w.expiration);
        } else {
            out.permissions = r.permissions;
            out.expiration = r.expiration == NEVER ? type(uint256).max : r.expiration;
        }
        if (r.sourceKind & HAS_TEMPLATE != 0) out.templateId = s.template[key];
        uint8 kind = r.sourceKind & KIND_MASK;
        out.source = kind == CidCodec.TEXT ? s.text[key] : CidCodec.unpack(kind, r.digest);
    }

    /// @dev Permission number 0 and numbers from 128 on do not exist.
    function _covers(uint256 held, uint8 index) private pure returns (bool) {
        if (index == 0 || index > 127) return false;
        uint256 mask = uint256(3) << (2 * uint256(index));
        return held & mask == mask;
    }

    function _requireOwnerOf(address asset, uint256 tokenId) private view returns (address owner) {
        owner = _ownerOf(asset, tokenId);
        if (owner == address(0)) revert InvalidTokenId(asset, tokenId);
    }

    /// @dev Owner of a token; zero when the asset is no contract, fails, or knows no such token.
    function _ownerOf(address asset, uint256 tokenId) private view returns (address) {
        (bool ok, bytes memory answer) = asset.staticcall(abi.encodeCall(IERC721.ownerOf, (tokenId)));
        if (!ok || answer.length != 32) return address(0);
        uint256 word = abi.decode(answer, (uint256));
        return word > type(uint160).max ? address(0) : address(uint160(word));
    }

    function _key(address asset, uint256 tokenId, uint256 version, address grantee) private pure returns (bytes32) {
        return keccak256(abi.encode(asset, tokenId, version, grantee));
    }

    /// @dev Three words where `_key` hashes four, so that no grant on an account is one on a token.
    function _accountKey(address grantor, address grantee) private view returns (bytes32) {
        return keccak256(abi.encode(grantor, _store().accountVersion[grantor], grantee));
    }

    function _store() private pure returns (Store storage s) {
        assembly {
            s.slot := STORE
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// @title DevLicense
/// @notice The licence of a developer or app: a token that stays with its owner (ERC-5192), an account whose address is the
/// client id, keys that may sign for it until they expire, redirect URIs, and an alias.
/// @dev Issuing spends nothing; when it does, only the caller's own means may be spent.
contract DevLicense is ERC721Upgradeable, AccessManagedUpgradeable, UUPSUpgradeable {
    struct Signer {
        uint64 since;
        uint64 until;
    }

    /// @custom:storage-location erc7201:sayso.DevLicense
    struct LicenseStore {
        address accountImplementation;
        uint64 lastId;
        uint32 periodValidity;
        mapping(uint256 tokenId => address) clientId;
        mapping(address clientId => uint256) tokenOfClient;
        mapping(uint256 tokenId => bytes32) aliasOf;
        mapping(bytes32 licenseAlias => uint256) tokenOfAlias;
        mapping(uint256 tokenId => mapping(address signer => Signer)) signers;
        mapping(uint256 tokenId => mapping(bytes32 uriHash => bool)) redirectUri;
    }

    // keccak256(abi.encode(uint256(keccak256("sayso.DevLicense")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0x542d8b20c14b2fed8f6f293940eadc6bc43a590430ee6acf4d6493fc0b256b00;

    uint256 private constant ALIAS_MAX_LENGTH = 32;

    event Issued(uint256 indexed tokenId, address indexed owner, address indexed clientId);
    event Locked(uint256 indexed tokenId);
    event LicenseAliasSet(uint256 indexed tokenId, string licenseAlias);
    event SignerEnabled(uint256 indexed tokenId, address indexed signer);
    event SignerDisabled(uint256 indexed tokenId, address indexed signer);
    event RedirectUriEnabled(uint256 indexed tokenId, string uri);
    event RedirectUriDisabled(uint256 indexed tokenId, string uri);
    event UpdatePeriodValidity(uint256 periodValidity);

    error AliasAlreadyInUse(string licenseAlias);
    error AliasExceedsMaxLength();
    error AliasEndsWithZeroByte();
    error InvalidAmount(uint256 amount);
    error InvalidOperation();
    error InvalidSender(address sender);
    error NonexistentToken(uint256 tokenId);

    modifier onlyTokenOwner(uint256 tokenId) {
        if (ownerOf(tokenId) != msg.sender) revert InvalidSender(msg.sender);
        _;
    }

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @param authority_ the AccessManager that decides about revoking, validity and upgrades
    /// @param accountImplementation_ what the accounts are clones of
    /// @param periodValidity_ seconds for which an enabled signer may sign
    function initialize(address authority_, address accountImplementation_, uint32 periodValidity_)
        external
        initializer
    {
        __ERC721_init("Sayso Developer License", "SDL");
        __AccessManaged_init(authority_);
        _store().accountImplementation = accountImplementation_;
        _setPeriodValidity(periodValidity_);
    }

    // ---------------------------------------------------------------- issuing

    /// @notice Issues a licence to the caller. The alias may be empty.
    function issueInDc(string calldata licenseAlias) external returns (uint256 tokenId, address clientId) {
        return _issue(msg.sender, licenseAlias);
    }

    /// @notice Issues a licence to somebody else.
    function issueInDc(address to, string calldata licenseAlias) external returns (uint256 tokenId, address clientId) {
        return _issue(to, licenseAlias);
    }

    /// @notice Ends a licence: its signers, redirect URIs, alias and client id count no longer. Restricted.
    function revoke(uint256 tokenId) external restricted {
        LicenseStore storage s = _store();
        ownerOf(tokenId);
        delete s.tokenOfClient[s.clientId[tokenId]];
        delete s.clientId[tokenId];
        delete s.tokenOfAlias[s.aliasOf[tokenId]];
        delete s.aliasOf[tokenId];
        _burn(tokenId);
    }

    function _issue(address to, string calldata licenseAlias) private returns (uint256 tokenId, address clientId) {
        LicenseStore storage s = _store();
        tokenId = ++s.lastId;
        clientId = Clones.cloneDeterministicWithImmutableArgs(
            s.accountImplementation, abi.encode(address(this), tokenId), bytes32(tokenId)
        );
        s.clientId[tokenId] = clientId;
        s.tokenOfClient[clientId] = tokenId;
        _mint(to, tokenId);
        emit Locked(tokenId);
        emit Issued(tokenId, to, clientId);
        if (bytes(licenseAlias).length != 0) _setAlias(tokenId, licenseAlias);
    }

    // ---------------------------------------------------------------- what an owner sets

    /// @notice Lets a key sign for the licence, from now until the validity in force now has passed.
    function enableSigner(uint256 tokenId, address signer) external onlyTokenOwner(tokenId) {
        if (signer == address(0)) revert InvalidOperation();
        LicenseStore storage s = _store();
        s.signers[tokenId][signer] = Signer(uint64(block.timestamp), uint64(block.timestamp) + s.periodValidity);
        emit SignerEnabled(tokenId, signer);
    }

    /// @notice Takes that from a key again.
    function disableSigner(uint256 tokenId, address signer) external onlyTokenOwner(tokenId) {
        delete _store().signers[tokenId][signer];
        emit SignerDisabled(tokenId, signer);
    }

    /// @notice Allows or forbids a redirect URI.
    function setRedirectUri(uint256 tokenId, bool enabled, string calldata uri) external onlyTokenOwner(tokenId) {
        _store().redirectUri[tokenId][keccak256(bytes(uri))] = enabled;
        if (enabled) emit RedirectUriEnabled(tokenId, uri);
        else emit RedirectUriDisabled(tokenId, uri);
    }

    /// @notice Sets the alias, at most 32 bytes and unique; empty takes it away.
    function setLicenseAlias(uint256 tokenId, string calldata licenseAlias) external onlyTokenOwner(tokenId) {
        _setAlias(tokenId, licenseAlias);
    }

    function _setAlias(uint256 tokenId, string calldata licenseAlias) private {
        LicenseStore storage s = _store();
        bytes32 key = _aliasKey(licenseAlias);
        if (key != 0 && s.tokenOfAlias[key] != 0) revert AliasAlreadyInUse(licenseAlias);
        delete s.tokenOfAlias[s.aliasOf[tokenId]];
        s.aliasOf[tokenId] = key;
        if (key != 0) s.tokenOfAlias[key] = tokenId;
        emit LicenseAliasSet(tokenId, licenseAlias);
    }

    // ---------------------------------------------------------------- asking

    /// @notice Whether a key may sign for a licence now; false for a revoked licence.
    function isSigner(uint256 tokenId, address signer) external view returns (bool isSigner_) {
        return _ownerOf(tokenId) != address(0) && _store().signers[tokenId][signer].until > block.timestamp;
    }

    /// @notice When a key was enabled, unix seconds; 0 for no signer and for a revoked licence.
    function signers(uint256 tokenId, address signer) external view returns (uint256 timestamp) {
        return _ownerOf(tokenId) == address(0) ? 0 : _store().signers[tokenId][signer].since;
    }

    /// @notice When a key ceases to sign, unix seconds; 0 for no signer and for a revoked licence.
    function getSignerExpiration(uint256 tokenId, address signer) external view returns (uint256 timestamp) {
        return _ownerOf(tokenId) == address(0) ? 0 : _store().signers[tokenId][signer].until;
    }

    /// @notice Whether a redirect URI is allowed, compared byte by byte; false for a revoked licence.
    function redirectUriStatus(uint256 tokenId, string calldata uri) external view returns (bool enabled) {
        return _ownerOf(tokenId) != address(0) && _store().redirectUri[tokenId][keccak256(bytes(uri))];
    }

    function tokenIdToClientId(uint256 tokenId) external view returns (address clientId) {
        return _store().clientId[tokenId];
    }

    function clientIdToTokenId(address clientId) external view returns (uint256 tokenId) {
        return _store().tokenOfClient[clientId];
    }

    function getLicenseAliasByTokenId(uint256 tokenId) external view returns (string memory licenseAlias) {
        bytes32 key = _store().aliasOf[tokenId];
        uint256 length = ALIAS_MAX_LENGTH;
        while (length > 0 && key[length - 1] == 0) --length;
        bytes memory out = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            out[i] = key[i];
        }
        return string(out);
    }

    function getTokenIdByLicenseAlias(string calldata licenseAlias) external view returns (uint256 tokenId) {
        return _store().tokenOfAlias[_aliasKey(licenseAlias)];
    }

    /// @notice As above, for an alias left-aligned in 32 bytes.
    function getTokenIdByLicenseAlias(bytes32 licenseAlias) external view returns (uint256 tokenId) {
        return _store().tokenOfAlias[licenseAlias];
    }

    /// @notice Seconds for which a signer enabled now may sign.
    function periodValidity() external view returns (uint256 periodValidity_) {
        return _store().periodValidity;
    }

    /// @notice ERC-5192: every licence stays with its owner.
    function locked(uint256 tokenId) external view returns (bool locked_) {
        ownerOf(tokenId);
        return true;
    }

    function ownerOf(uint256 tokenId) public view override returns (address owner) {
        owner = _ownerOf(tokenId);
        if (owner == address(0)) revert NonexistentToken(tokenId);
    }

    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        // 0xb45a3c0e is ERC-5192.
        return interfaceId == 0xb45a3c0e || super.supportsInterface(interfaceId);
    }

    // ---------------------------------------------------------------- never

    function approve(address, uint256) public override {
        revert InvalidOperation();
    }

    function setApprovalForAll(address, bool) public override {
        revert InvalidOperation();
    }

    function transferFrom(address, address, uint256) public override {
        revert InvalidOperation();
    }

    // ---------------------------------------------------------------- administration

    /// @notice Sets for how long keys enabled from now on may sign. Restricted.
    function setPeriodValidity(uint256 periodValidity_) external restricted {
        _setPeriodValidity(periodValidity_);
    }

    function _setPeriodValidity(uint256 seconds_) private {
        if (seconds_ == 0 || seconds_ > type(uint32).max) revert InvalidAmount(seconds_);
        _store().periodValidity = uint32(seconds_);
        emit UpdatePeriodValidity(seconds_);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _aliasKey(string calldata licenseAlias) private pure returns (bytes32) {
        bytes calldata b = bytes(licenseAlias);
        if (b.length > ALIAS_MAX_LENGTH) revert AliasExceedsMaxLength();
        if (b.length != 0 && b[b.length - 1] == 0) revert AliasEndsWithZeroByte();
        return bytes32(b);
    }

    function _store() private pure returns (LicenseStore storage s) {
        assembly {
            s.slot := STORE
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC721Holder} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import {ERC7739} from "@openzeppelin/contracts/utils/cryptography/signers/draft-ERC7739.sol";
import {NoncesKeyed} from "@openzeppelin/contracts/utils/NoncesKeyed.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";

/// @notice A call that an account makes.
struct Call {
    address target;
    uint256 value;
    bytes data;
}

/// @title Account
/// @notice A person's account. Its passkey (WebAuthn, P-256) signs what it does and signs for it (ERC-1271 by way of
/// ERC-7739); the node never holds a key. What the passkey signs, anyone may bring to the chain and pay for.
///
/// A second signer, a wallet or contract that the person names, cannot act for the account. It can announce another
/// passkey; when the delay has passed, anyone may put that in force. Until then the passkey can refuse. So a lost passkey
/// is replaced, and a stolen second signer takes nothing from a person who looks at the account once per delay.
/// @dev A minimal proxy. The signers it began with are immutable arguments of the clone; the state holds later ones. No
/// administrator, no upgrade.
contract Account is ERC7739, NoncesKeyed, ERC721Holder {
    struct Signers {
        bytes32 qx;
        bytes32 qy;
        address second;
        bool replaced;
    }

    struct Recovery {
        bytes32 qx;
        bytes32 qy;
        uint48 readyAt;
    }

    bytes32 private constant CALL_TYPE = keccak256("Call(address target,uint256 value,bytes data)");
    bytes32 private constant EXECUTE_TYPE = keccak256(
        "Execute(Call[] calls,uint256 nonce,uint256 deadline)Call(address target,uint256 value,bytes data)"
    );
    bytes32 private constant RECOVER_TYPE =
        keccak256("Recover(bytes32 qx,bytes32 qy,uint256 nonce,uint256 deadline)");

    /// @notice Seconds between the announcement of another passkey and its coming into force.
    uint48 public immutable recoveryDelay;

    Signers private _signers;
    Recovery private _recovery;

    event SignersSet(bytes32 qx, bytes32 qy, address indexed second);
    event RecoveryAnnounced(bytes32 qx, bytes32 qy, uint256 readyAt);
    event RecoveryRefused();

    error ExecutionFailed(uint256 index, bytes returnData);
    error InvalidPublicKey(bytes32 qx, bytes32 qy);
    error InvalidSignature();
    error NoRecovery();
    error RecoveryNotReady(uint256 readyAt);
    error SignatureExpired(uint256 deadline);
    error Unauthorized(address caller);

    modifier onlySelf() {
        if (msg.sender != address(this)) revert Unauthorized(msg.sender);
        _;
    }

    constructor(uint48 recoveryDelay_) EIP712("Sayso Account", "1") {
        recoveryDelay = recoveryDelay_;
    }

    receive() external payable {}

    // ---------------------------------------------------------------- acting

    /// @notice Makes calls that the passkey signed, in order, all or none; anyone may bring them.
    /// @param nonce the account's own, nonces(account), or of another key of OpenZeppelin's keyed nonces
    /// @param deadline last moment, unix seconds
    /// @param signature WebAuthnAuth over the EIP-712 digest Execute in this account's domain
    function execute(Call[] calldata calls, uint256 nonce, uint256 deadline, bytes calldata signature)
        external
        payable
        returns (bytes[] memory answers)
    {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        _useCheckedNonce(address(this), nonce);
        bytes32[] memory hashes = new bytes32[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            hashes[i] = keccak256(abi.encode(CALL_TYPE, calls[i].target, calls[i].value, keccak256(calls[i].data)));
        }
        bytes32 structHash =
            keccak256(abi.encode(EXECUTE_TYPE, keccak256(abi.encodePacked(hashes)), nonce, deadline));
        if (!_rawSignatureValidation(_hashTypedDataV4(structHash), signature)) revert InvalidSignature();

        answers = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory answer) = calls[i].target.call{value: calls[i].value}(calls[i].data);
            if (!ok) revert ExecutionFailed(i, answer);
            answers[i] = answer;
        }
    }

    // ---------------------------------------------------------------- signers

    /// @notice Replaces passkey and second signer; a call that the account makes to itself. A recovery under way ends.
    function setSigners(bytes32 qx, bytes32 qy, address second) external onlySelf {
        delete _recovery;
        _setSigners(qx, qy, second);
    }

    /// @notice The second signer announces another passkey, by its own call or by its signature, which anyone may bring.
    /// @param nonce nonces(second), spent only with a signature
    function announceRecovery(bytes32 qx, bytes32 qy, uint256 nonce, uint256 deadline, bytes calldata signature)
        external
    {
        (,, address second) = signers();
        if (second == address(0)) revert NoRecovery();
        if (msg.sender != second) {
            if (block.timestamp > deadline) revert SignatureExpired(deadline);
            _useCheckedNonce(second, nonce);
            bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(RECOVER_TYPE, qx, qy, nonce, deadline)));
            if (!SignatureChecker.isValidSignatureNowCalldata(second, digest, signature)) revert InvalidSignature();
        }
        if (!P256.isValidPublicKey(qx, qy)) revert InvalidPublicKey(qx, qy);
        uint48 readyAt = uint48(block.timestamp) + recoveryDelay;
        _recovery = Recovery(qx, qy, readyAt);
        emit RecoveryAnnounced(qx, qy, readyAt);
    }

    /// @notice Puts an announced passkey in force once its delay has passed; anyone may call.
    function finishRecovery() external {
        Recovery memory r = _recovery;
        if (r.readyAt == 0) revert NoRecovery();
        if (block.timestamp < r.readyAt) revert RecoveryNotReady(r.readyAt);
        (,, address second) = signers();
        delete _recovery;
        _setSigners(r.qx, r.qy, second);
    }

    /// @notice Refuses an announced passkey; a call that the account makes to itself.
    function refuseRecovery() external onlySelf {
        if (_recovery.readyAt == 0) revert NoRecovery();
        delete _recovery;
        emit RecoveryRefused();
    }

    /// @notice The passkey's public key and the second signer (zero when there is none).
    function signers() public view returns (bytes32 qx, bytes32 qy, address second) {
        Signers memory s = _signers;
        if (s.replaced) return (s.qx, s.qy, s.second);
        return abi.decode(Clones.fetchCloneArgs(address(this)), (bytes32, bytes32, address));
    }

    /// @notice The passkey announced and when it may come into force, unix seconds; zeros when none is.
    function recovery() external view returns (bytes32 qx, bytes32 qy, uint256 readyAt) {
        Recovery memory r = _recovery;
        return (r.qx, r.qy, r.readyAt);
    }

    function _setSigners(bytes32 qx, bytes32 qy, address second) private {
        if (!P256.isValidPublicKey(qx, qy)) revert InvalidPublicKey(qx, qy);
        _signers = Signers(qx, qy, second, true);
        emit SignersSet(qx, qy, second);
    }

    /// @dev `signature` is an ABI-encoded WebAuthnAuth whose challenge is the hash.
    function _rawSignatureValidation(bytes32 hash, bytes calldata signature) internal view override returns (bool) {
        (bool ok, WebAuthn.WebAuthnAuth calldata auth) = WebAuthn.tryDecodeAuth(signature);
        if (!ok) return false;
        (bytes32 qx, bytes32 qy,) = signers();
        return WebAuthn.verify(abi.encodePacked(hash), auth, qx, qy);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ERC721Holder} from "@openzeppelin/contracts/token/ERC721/utils/ERC721Holder.sol";
import {ERC7739} from "@openzeppelin/contracts/utils/cryptography/signers/draft-ERC7739.sol";

/// @notice What an account asks its licence contract.
interface ILicense {
    function isSigner(uint256 tokenId, address signer) external view returns (bool);
    function ownerOf(uint256 tokenId) external view returns (address);
}

/// @title LicenseAccount
/// @notice The account of a developer licence; its address is the licence's client id. It accepts signatures of the
/// licence's enabled signers (ERC-1271), nested in this account's own EIP-712 domain (ERC-7739), so that a key enabled on
/// two licences cannot be replayed from one to the other. It acts for the licence's owner and may hold tokens.
/// @dev A minimal proxy; the licence contract and token id are immutable arguments of the clone. There is no state.
contract LicenseAccount is ERC7739, ERC721Holder {
    error ExecutionFailed(bytes returnData);
    error Unauthorized();

    constructor() EIP712("Sayso Licence Account", "1") {}

    receive() external payable {}

    /// @notice Calls another contract in the name of the client id; only for the owner of the licence.
    function execute(address target, uint256 value, bytes calldata data) external payable returns (bytes memory) {
        if (msg.sender != ILicense(license()).ownerOf(tokenId())) revert Unauthorized();
        (bool ok, bytes memory answer) = target.call{value: value}(data);
        if (!ok) revert ExecutionFailed(answer);
        return answer;
    }

    /// @notice Whether a key is an enabled, unexpired signer of a licence that was not revoked.
    function isSigner(address signer) public view returns (bool) {
        return ILicense(license()).isSigner(tokenId(), signer);
    }

    /// @notice The licence contract.
    function license() public view returns (address) {
        (address license_,) = abi.decode(Clones.fetchCloneArgs(address(this)), (address, uint256));
        return license_;
    }

    /// @notice The licence's token id.
    function tokenId() public view returns (uint256) {
        (, uint256 id) = abi.decode(Clones.fetchCloneArgs(address(this)), (address, uint256));
        return id;
    }

    function _rawSignatureValidation(bytes32 hash, bytes calldata signature) internal view override returns (bool) {
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(hash, signature);
        return err == ECDSA.RecoverError.NoError && isSigner(signer);
    }
}

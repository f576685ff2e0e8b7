// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Grants} from "../../src/Grants.sol";

/// @notice A token that keeps versions and uses the moment in which it is asked to void its grants: it calls the grant
/// store with what it was told to, before or after it voids.
contract HostileToken {
    Grants private immutable _grants;
    address public owner;
    uint256 public version;
    bool public voidsFirst;
    bytes private _call;
    /// @notice What the grant store answered to the call.
    bool public succeeded;
    bytes public answer;

    constructor(Grants grants_, address owner_) {
        (_grants, owner) = (grants_, owner_);
    }

    function prepare(bytes calldata call_, bool voidsFirst_) external {
        (_call, voidsFirst) = (call_, voidsFirst_);
    }

    function ownerAndVersion(uint256) external view returns (address, uint256) {
        return (owner, version);
    }

    function voidGrants(uint256) external returns (address, uint256) {
        if (voidsFirst) ++version;
        bytes memory call_ = _call;
        delete _call;
        if (call_.length != 0) (succeeded, answer) = address(_grants).call(call_);
        if (!voidsFirst) ++version;
        return (owner, version);
    }
}

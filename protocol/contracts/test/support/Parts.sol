// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {AftermarketDeviceId} from "../../src/AftermarketDeviceId.sol";
import {Connections} from "../../src/Connections.sol";
import {DevLicense} from "../../src/DevLicense.sol";
import {Grants} from "../../src/Grants.sol";
import {Registry} from "../../src/Registry.sol";
import {RegistryAnnex} from "../../src/RegistryAnnex.sol";
import {StorageNodes} from "../../src/StorageNodes.sol";
import {SyntheticDeviceId} from "../../src/SyntheticDeviceId.sol";
import {Templates} from "../../src/Templates.sol";
import {VehicleId} from "../../src/VehicleId.sol";

/// @notice The contracts that a society lives with.
struct Parts {
    AccessManager manager;
    Registry registry;
    RegistryAnnex annex;
    VehicleId vehicles;
    AftermarketDeviceId devices;
    SyntheticDeviceId synthetics;
    Grants grants;
    Templates templates;
    Connections connections;
    StorageNodes storageNodes;
    DevLicense licenses;
    address maker;
    address cloud;
    uint256 connection;
    uint256 node;
}

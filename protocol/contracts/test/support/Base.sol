// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {Accounts} from "../../src/Accounts.sol";
import {AftermarketDeviceId} from "../../src/AftermarketDeviceId.sol";
import {Connections} from "../../src/Connections.sol";
import {DevLicense} from "../../src/DevLicense.sol";
import {Genesis} from "../../src/Genesis.sol";
import {Grants} from "../../src/Grants.sol";
import {SacdInput} from "../../src/interfaces/INodes.sol";
import {ManufacturerId} from "../../src/ManufacturerId.sol";
import {Registry} from "../../src/Registry.sol";
import {RegistryAnnex} from "../../src/RegistryAnnex.sol";
import {StorageNodes} from "../../src/StorageNodes.sol";
import {SyntheticDeviceId} from "../../src/SyntheticDeviceId.sol";
import {Templates} from "../../src/Templates.sol";
import {AftermarketDeviceInfos, AttributeInfoPair} from "../../src/registry/RegistryBase.sol";
import {VehicleId} from "../../src/VehicleId.sol";
import {Vm} from "./Vm.sol";

/// @notice The protocol, founded from the committed artefacts, with people in it. The test contract is the administrator.
abstract contract Base {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant ALICE_KEY = 0xA11CE;
    uint256 internal constant BOB_KEY = 0xB0B;
    uint256 internal constant DEVICE_KEY = 0xDE71CE;
    uint256 internal constant SYNTHETIC_KEY = 0x5E7;
    uint256 internal constant NOW = 1_800_000_000;
    uint256 internal constant FAR = 4_102_444_800;
    /// @dev Permissions 1 to 8.
    uint256 internal constant ALL_EIGHT = 0x3fffc;
    string internal constant CID = "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG";

    address internal alice = vm.addr(ALICE_KEY);
    address internal bob = vm.addr(BOB_KEY);
    address internal device = vm.addr(DEVICE_KEY);
    address internal synthetic = vm.addr(SYNTHETIC_KEY);
    address internal maker = vm.addr(0x3A4E6);
    /// @dev Owns the connection.
    address internal cloud = vm.addr(0xC10D);

    AccessManager internal manager;
    Grants internal grants;
    Registry internal registry;
    /// @dev The registry again, with the functions of its annex.
    RegistryAnnex internal annex;
    ManufacturerId internal manufacturers;
    VehicleId internal vehicles;
    AftermarketDeviceId internal devices;
    SyntheticDeviceId internal synthetics;
    Connections internal connections;
    StorageNodes internal storageNodes;
    Templates internal templates;
    DevLicense internal licenses;
    Accounts internal accounts;

    AttributeInfoPair[] internal noAttributes;

    function setUp() public virtual {
        vm.warp(NOW);
        found(0, 0);
    }

    /// @dev Deploys everything, with manufacturer 1 ("Tesla") owned by `maker` and connection "Tesla" owned by `cloud`.
    function found(uint32 adminDelay, uint32 upgradeDelay) internal {
        Genesis.Settings memory settings = Genesis.Settings(address(this), adminDelay, upgradeDelay, 365 days);
        Genesis g = Genesis(create("Genesis", abi.encode(implementations(), settings)));
        manager = AccessManager(g.accessManager());
        grants = Grants(g.grants());
        registry = Registry(g.registry());
        manufacturers = ManufacturerId(g.manufacturer());
        vehicles = VehicleId(g.vehicle());
        devices = AftermarketDeviceId(g.aftermarketDevice());
        licenses = DevLicense(g.devLicense());
        annex = RegistryAnnex(g.registry());
        synthetics = SyntheticDeviceId(g.syntheticDevice());
        connections = Connections(g.connections());
        storageNodes = StorageNodes(g.storageNodes());
        templates = Templates(g.templates());
        accounts = Accounts(g.accounts());
        annex.mintManufacturer(maker, "Tesla", noAttributes);
        connections.mint(cloud, cloud, "Tesla", "gold");
    }

    function implementations() internal returns (Genesis.Implementations memory) {
        return Genesis.Implementations({
            grants: create("Grants", ""),
            registry: create("Registry", abi.encode(create("RegistryAnnex", ""))),
            manufacturer: create("ManufacturerId", ""),
            vehicle: create("VehicleId", ""),
            aftermarketDevice: create("AftermarketDeviceId", ""),
            devLicense: create("DevLicense", ""),
            syntheticDevice: create("SyntheticDeviceId", ""),
            connections: create("Connections", ""),
            storageNodes: create("StorageNodes", ""),
            templates: create("Templates", ""),
            account: create("Account", abi.encode(2 days))
        });
    }

    function create(string memory name, bytes memory args) internal returns (address created) {
        bytes memory code = bytes.concat(codeOf(name), args);
        assembly {
            created := create(0, add(code, 0x20), mload(code))
        }
        require(created != address(0), name);
    }

    /// @dev Creation code: what ships, or, to measure coverage, what forge compiled.
    function codeOf(string memory name) internal view returns (bytes memory) {
        if (vm.envOr("COVERAGE", false)) return vm.getCode(string.concat(name, ".sol:", name));
        return vm.parseJsonBytes(vm.readFile(string.concat("../abi/", name, ".json")), ".bytecode");
    }

    // ---------------------------------------------------------------- steps

    function mintVehicleTo(address owner) internal returns (uint256 id) {
        registry.mintVehicleWithDeviceDefinition(1, owner, "tesla_model-3_2020", noAttributes);
        return lastVehicle();
    }

    /// @dev Ids count from 1, so the last one is the first that has no successor.
    function lastVehicle() internal view returns (uint256 id) {
        id = 1;
        while (vehicles.exists(id + 1)) ++id;
    }

    function mintDevice(address key) internal returns (uint256 id) {
        AftermarketDeviceInfos[] memory infos = new AftermarketDeviceInfos[](1);
        infos[0].addr = key;
        vm.prank(maker);
        registry.mintAftermarketDeviceByManufacturerBatch(1, infos);
        return registry.getAftermarketDeviceIdByAddress(key);
    }

    /// @dev A device with DEVICE_KEY, claimed by an owner.
    function claimedDevice(address owner) internal returns (uint256 id) {
        id = mintDevice(device);
        bytes memory sig = sign(DEVICE_KEY, claimDigest(id, owner));
        vm.prank(owner);
        registry.claimAftermarketDevice(id, sig);
    }

    function grant(address owner, uint256 vehicle, address grantee, uint256 permissions) internal {
        vm.prank(owner);
        grants.setPermissions(address(vehicles), vehicle, grantee, permissions, FAR, CID);
    }

    // ---------------------------------------------------------------- signatures

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function typedDigest(bytes32 structHash) internal view returns (bytes32) {
        return digestFor("DIMO", address(registry), structHash);
    }

    function grantsDigest(bytes32 structHash) internal view returns (bytes32) {
        return digestFor("Sayso Grants", address(grants), structHash);
    }

    function digestFor(string memory name, address verifying, bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                verifying
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function claimDigest(uint256 id, address owner) internal view returns (bytes32) {
        bytes32 t = keccak256("ClaimAftermarketDeviceSign(uint256 aftermarketDeviceNode,address owner)");
        return typedDigest(keccak256(abi.encode(t, id, owner)));
    }

    function claimDigest(uint256 id, address owner, uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        bytes32 t = keccak256(
            "ClaimAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,address owner,uint256 nonce,uint256 deadline)"
        );
        return typedDigest(keccak256(abi.encode(t, id, owner, nonce, deadline)));
    }

    function pairDigest(uint256 id, uint256 vehicle) internal view returns (bytes32) {
        bytes32 t = keccak256("PairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)");
        return typedDigest(keccak256(abi.encode(t, id, vehicle)));
    }

    function pairDigest(uint256 id, uint256 vehicle, uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        bytes32 t = keccak256(
            "PairAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,uint256 vehicleNode,uint256 nonce,uint256 deadline)"
        );
        return typedDigest(keccak256(abi.encode(t, id, vehicle, nonce, deadline)));
    }

    function unpairDigest(uint256 id, uint256 vehicle) internal view returns (bytes32) {
        bytes32 t = keccak256("UnPairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)");
        return typedDigest(keccak256(abi.encode(t, id, vehicle)));
    }

    function unpairDigest(uint256 id, uint256 vehicle, uint256 nonce, uint256 deadline)
        internal
        view
        returns (bytes32)
    {
        bytes32 t = keccak256(
            "UnPairAftermarketDeviceWithDeadlineSign(uint256 aftermarketDeviceNode,uint256 vehicleNode,uint256 nonce,uint256 deadline)"
        );
        return typedDigest(keccak256(abi.encode(t, id, vehicle, nonce, deadline)));
    }

    function burnDigest(uint256 vehicle) internal view returns (bytes32) {
        return typedDigest(keccak256(abi.encode(keccak256("BurnVehicleSign(uint256 vehicleNode)"), vehicle)));
    }

    // ---------------------------------------------------------------- expectations

    function notAllowed(address caller) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, caller);
    }

    function err(string memory signature) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(bytes4(keccak256(bytes(signature))));
    }

    function err(string memory signature, uint256 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(bytes4(keccak256(bytes(signature))), a);
    }

    function err(string memory signature, address a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(bytes4(keccak256(bytes(signature))), a);
    }

    function err(string memory signature, address a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(bytes4(keccak256(bytes(signature))), a, b);
    }

    function err(string memory signature, string memory a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(bytes4(keccak256(bytes(signature))), a);
    }
}

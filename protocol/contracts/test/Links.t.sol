// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AftermarketDeviceId} from "../src/AftermarketDeviceId.sol";
import {Grants} from "../src/Grants.sol";
import {Registry} from "../src/Registry.sol";
import {VehicleId} from "../src/VehicleId.sol";
import {Base} from "./support/Base.sol";
import {Vm} from "./support/Vm.sol";

/// @notice Two owners who do anything, in any order, with a few vehicles and devices.
contract Crowd {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 public constant SOME = 4;

    Registry private immutable _registry;
    VehicleId private immutable _vehicles;
    AftermarketDeviceId private immutable _devices;
    Grants private immutable _grants;
    address[2] private _people;

    /// @notice Who gave this contract the grant on a vehicle since its last transfer.
    mapping(uint256 vehicle => address) public giver;

    constructor(Registry r, VehicleId v, AftermarketDeviceId d, Grants g, address[2] memory people) {
        (_registry, _vehicles, _devices, _grants, _people) = (r, v, d, g, people);
    }

    function pair(uint256 device, uint256 vehicle, bool who) external {
        step(who, address(_registry), abi.encodeCall(_registry.pairAftermarketDevice, (id(device), id(vehicle))));
    }

    function unpair(uint256 device, uint256 vehicle, bool who) external {
        step(who, address(_registry), abi.encodeCall(_registry.unpairAftermarketDevice, (id(device), id(vehicle))));
    }

    function moveVehicle(uint256 vehicle, bool who) external {
        address from = _people[who ? 1 : 0];
        address to = _people[who ? 0 : 1];
        bytes memory call = abi.encodeCall(_vehicles.transferFrom, (from, to, id(vehicle)));
        if (step(who, address(_vehicles), call)) giver[id(vehicle)] = address(0);
    }

    function moveDevice(uint256 device, bool who) external {
        address from = _people[who ? 1 : 0];
        address to = _people[who ? 0 : 1];
        step(who, address(_devices), abi.encodeCall(_devices.transferFrom, (from, to, id(device))));
    }

    function giveBack(uint256 device, bool who) external {
        step(who, address(_devices), abi.encodeCall(_devices.returnToManufacturer, (id(device))));
    }

    function burn(uint256 vehicle, uint8 rarely, bool who) external {
        if (rarely > 16) return;
        step(who, address(_vehicles), abi.encodeCall(_vehicles.burn, (id(vehicle))));
    }

    function grant(uint256 vehicle, bool who) external {
        bytes memory call = abi.encodeWithSignature(
            "setPermissions(address,uint256,address,uint256,uint256,string)",
            address(_vehicles),
            id(vehicle),
            address(this),
            uint256(12),
            type(uint256).max,
            ""
        );
        if (step(who, address(_grants), call)) giver[id(vehicle)] = _people[who ? 1 : 0];
    }

    function step(bool who, address target, bytes memory data) private returns (bool ok) {
        vm.prank(_people[who ? 1 : 0]);
        (ok,) = target.call(data);
    }

    function id(uint256 any) private pure returns (uint256) {
        return 1 + any % SOME;
    }
}

contract LinksTest is Base {
    Crowd private _crowd;

    function setUp() public override {
        super.setUp();
        _crowd = new Crowd(registry, vehicles, devices, grants, [alice, bob]);
        for (uint256 i = 0; i < _crowd.SOME(); ++i) {
            address owner = i % 2 == 0 ? alice : bob;
            mintVehicleTo(owner);
            uint256 key = 0x100 + i;
            uint256 id = mintDevice(vm.addr(key));
            bytes memory sig = sign(key, claimDigest(id, owner));
            vm.prank(owner);
            registry.claimAftermarketDevice(id, sig);
        }
    }

    /// @notice Read by forge: whom to call.
    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(_crowd);
    }

    /// @dev Links are symmetric, so a vehicle has at most one device and a device at most one vehicle; what is burnt has
    /// none; an unclaimed device has none.
    function invariant_linksAreSymmetric() public view {
        for (uint256 i = 1; i <= _crowd.SOME(); ++i) {
            uint256 d = registry.getLink(address(vehicles), i);
            if (d != 0) {
                vm.assertEq(registry.getLink(address(devices), d), i, "vehicle's device links back");
                vm.assertTrue(vehicles.exists(i), "a burnt vehicle is linked");
                vm.assertTrue(registry.isAftermarketDeviceClaimed(d), "an unclaimed device is linked");
            }
            uint256 v = registry.getLink(address(devices), i);
            if (v != 0) vm.assertEq(registry.getLink(address(vehicles), v), i, "device's vehicle links back");
        }
    }

    /// @dev A grant holds exactly while it was given by the owner there is, after the last transfer.
    function invariant_grantsDieWithTransfers() public view {
        for (uint256 i = 1; i <= _crowd.SOME(); ++i) {
            bool holds = grants.hasPermission(address(vehicles), i, address(_crowd), 1);
            bool want = vehicles.exists(i) && _crowd.giver(i) != address(0);
            vm.assertTrue(holds == want, "grant");
        }
    }
}

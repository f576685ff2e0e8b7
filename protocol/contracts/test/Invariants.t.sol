// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {Grants} from "../src/Grants.sol";
import {Roles} from "../src/Roles.sol";
import {TemplateData} from "../src/interfaces/IGrants.sol";
import {Base} from "./support/Base.sol";
import {Parts} from "./support/Parts.sol";
import {Society} from "./support/Society.sol";

/// @notice What holds whatever people do, in whatever order. Each is checked after every act.
contract InvariantsTest is Base {
    Society private _society;
    uint256 private _node;

    function setUp() public override {
        super.setUp();
        _node = storageNodes.mint(cloud, cloud, "a node", "");
        Parts memory p;
        (p.manager, p.registry, p.annex, p.vehicles) = (manager, registry, annex, vehicles);
        (p.devices, p.synthetics, p.grants, p.templates) = (devices, synthetics, grants, templates);
        (p.connections, p.storageNodes, p.licenses) = (connections, storageNodes, licenses);
        (p.maker, p.cloud, p.connection, p.node) = (maker, cloud, connections.toConnectionId("Tesla"), _node);
        _society = new Society(p);
        manager.grantRole(Roles.RELAY, address(_society), 0);
        manager.grantRole(Roles.LICENSE_REVOKER, address(_society), 0);
        for (uint256 i = 0; i < 3; ++i) {
            _society.mintVehicle(i, i);
            _society.mintDevice(i);
            _society.claim(i, i);
        }
    }

    /// @notice Read by forge: whom to call.
    function targetContracts() external view returns (address[] memory list) {
        list = new address[](1);
        list[0] = address(_society);
    }

    /// @dev The society really does everything, so that the invariants below are about something.
    function test_everythingHappens() public {
        bytes4[] memory acts = allActs();
        uint256 random = 7;
        for (uint256 i = 0; i < 4000; ++i) {
            random = uint256(keccak256(abi.encode(random)));
            // Six words of arguments; each function takes what it needs of them.
            bytes memory call = abi.encodePacked(acts[random % acts.length]);
            for (uint256 j = 0; j < 6; ++j) {
                call = abi.encodePacked(call, uint256((random >> (8 + 8 * j)) & (j == 4 ? 1 : 0xff)));
            }
            (bool ok,) = address(_society).call(call);
            vm.assertTrue(ok, "the society itself failed");
            if (i % 20 == 0) everything();
        }
        for (uint256 i = 0; i < acts.length; ++i) {
            bytes4 act = acts[i];
            bool never = act == Society.wait_.selector || act == Society.tryWithoutRole.selector
                || act == Society.moveSynthetic.selector;
            vm.assertTrue(never || _society.done(act) > 0, string.concat("never done: ", vm.toString(abi.encodePacked(act))));
        }
        everything();
    }

    function everything() private view {
        invariant_deviceLinksAreSymmetric();
        invariant_onlyWhatIsThereIsLinked();
        invariant_syntheticLinksAreSymmetric();
        invariant_syntheticsBelongToTheirVehiclesOwner();
        invariant_aKeyIsOfOneDevice();
        invariant_aKeyIsOfOneSyntheticDevice();
        invariant_unclaimedDevicesAreTheirMakers();
        invariant_supplyIsTheSumOfBalances();
        invariant_theProtocolHoldsNoTokens();
        invariant_vehiclesHaveNoApprovals();
        invariant_whatIsBurntLeavesNothing();
        invariant_storageNodesAreTheOwnersChoice();
        invariant_grantsAreWhatWasGiven();
        invariant_aPermissionIsBothItsBits();
        invariant_versionsCountTransfersAndRevocations();
        invariant_grantsOfAnEarlierVersionAreVoid();
        invariant_accountGrantsAreWhatWasGiven();
        invariant_templatesNeverChange();
        invariant_aGrantCoversItsTemplate();
        invariant_noncesCountSignatures();
        invariant_aSignatureCountsOnce();
        invariant_nobodyDoesWhatOnlyAnotherMay();
        invariant_rolesStayWhereTheyAre();
        invariant_signersAreThoseEnabled_untilTheyExpireOrTheLicenceEnds();
        invariant_clientIdsAndAliasesAreOfOneLicence();
        invariant_connectionIdsAreNames();
    }

    function allActs() private pure returns (bytes4[] memory acts) {
        acts = new bytes4[](27);
        (acts[0], acts[1], acts[2]) = (Society.mintVehicle.selector, Society.moveVehicle.selector, Society.burnVehicle.selector);
        (acts[3], acts[4], acts[5]) = (Society.chooseNode.selector, Society.mintDevice.selector, Society.claim.selector);
        (acts[6], acts[7], acts[8]) = (Society.giveBack.selector, Society.moveDevice.selector, Society.pair.selector);
        (acts[9], acts[10], acts[11]) = (Society.pairSigned.selector, Society.unpair.selector, Society.connect.selector);
        (acts[12], acts[13]) = (Society.disconnect.selector, Society.moveSynthetic.selector);
        (acts[14], acts[15]) = (Society.grant.selector, Society.grantUnderTemplate.selector);
        (acts[16], acts[17], acts[18]) = (Society.grantSigned.selector, Society.renounce.selector, Society.revokeAll.selector);
        (acts[19], acts[20]) = (Society.grantOnAccount.selector, Society.renounceOnAccount.selector);
        (acts[21], acts[22]) = (Society.revokeAllOnAccount.selector, Society.createTemplate.selector);
        (acts[23], acts[24]) = (Society.endTemplate.selector, Society.issueLicence.selector);
        (acts[25], acts[26]) = (Society.enableSigner.selector, Society.tryWithoutRole.selector);
    }

    // ---------------------------------------------------------------- links

    function invariant_deviceLinksAreSymmetric() public view {
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            uint256 d = registry.getLink(address(vehicles), i);
            if (d != 0) vm.assertEq(registry.getLink(address(devices), d), i, "vehicle's device links back");
            uint256 v = registry.getLink(address(devices), i);
            if (v != 0) vm.assertEq(registry.getLink(address(vehicles), v), i, "device's vehicle links back");
        }
    }

    function invariant_onlyWhatIsThereIsLinked() public view {
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            uint256 v = registry.getLink(address(devices), i);
            if (v == 0) continue;
            vm.assertTrue(vehicles.exists(v), "a burnt vehicle is linked");
            vm.assertTrue(registry.isAftermarketDeviceClaimed(i), "an unclaimed device is linked");
        }
    }

    function invariant_syntheticLinksAreSymmetric() public view {
        for (uint256 i = 1; i <= lastSynthetic(); ++i) {
            uint256 v = annex.getNodeLink(address(synthetics), address(vehicles), i);
            vm.assertTrue((v != 0) == synthetics.exists(i), "linked exactly while it exists");
            if (v != 0) vm.assertEq(annex.getNodeLink(address(vehicles), address(synthetics), v), i, "links back");
        }
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            uint256 s = annex.getNodeLink(address(vehicles), address(synthetics), i);
            if (s != 0) vm.assertEq(annex.getNodeLink(address(synthetics), address(vehicles), s), i, "links back");
        }
    }

    function invariant_syntheticsBelongToTheirVehiclesOwner() public view {
        for (uint256 i = 1; i <= lastSynthetic(); ++i) {
            if (!synthetics.exists(i)) continue;
            uint256 v = annex.getNodeLink(address(synthetics), address(vehicles), i);
            vm.assertEq(synthetics.ownerOf(i), vehicles.ownerOf(v), "owner");
            vm.assertTrue(connections.exists(registry.getParentNode(address(synthetics), i)), "connection");
        }
    }

    // ---------------------------------------------------------------- keys

    function invariant_aKeyIsOfOneDevice() public view {
        for (uint256 i = 1; i <= _society.MANY() && devices.exists(i); ++i) {
            address key = registry.getAftermarketDeviceAddressById(i);
            vm.assertTrue(key != address(0), "a device without key");
            vm.assertEq(registry.getAftermarketDeviceIdByAddress(key), i, "id of the key");
        }
    }

    function invariant_aKeyIsOfOneSyntheticDevice() public view {
        for (uint256 i = 1; i <= lastSynthetic(); ++i) {
            address key = annex.getSyntheticDeviceAddressById(i);
            vm.assertTrue((key != address(0)) == synthetics.exists(i), "a key exactly while it exists");
            if (key != address(0)) vm.assertEq(annex.getSyntheticDeviceIdByAddress(key), i, "id of the key");
        }
    }

    function invariant_unclaimedDevicesAreTheirMakers() public view {
        for (uint256 i = 1; i <= _society.MANY() && devices.exists(i); ++i) {
            if (registry.isAftermarketDeviceClaimed(i)) continue;
            vm.assertEq(devices.ownerOf(i), maker, "owner");
            vm.assertEq(registry.getLink(address(devices), i), 0, "paired");
        }
    }

    // ---------------------------------------------------------------- tokens

    function invariant_supplyIsTheSumOfBalances() public view {
        address[3] memory people = _society.people();
        uint256[3] memory supply;
        for (uint256 i = 1; i <= lastSynthetic() || i <= _society.MANY(); ++i) {
            if (vehicles.exists(i)) ++supply[0];
            if (devices.exists(i)) ++supply[1];
            if (synthetics.exists(i)) ++supply[2];
        }
        uint256[3] memory held;
        held[1] = devices.balanceOf(maker);
        for (uint256 i = 0; i < people.length; ++i) {
            held[0] += vehicles.balanceOf(people[i]);
            held[1] += devices.balanceOf(people[i]);
            held[2] += synthetics.balanceOf(people[i]);
        }
        vm.assertEq(supply[0], held[0], "vehicles");
        vm.assertEq(supply[1], held[1], "devices");
        vm.assertEq(supply[2], held[2], "synthetic devices");
    }

    function invariant_theProtocolHoldsNoTokens() public view {
        address[4] memory parts = [address(registry), address(grants), address(vehicles), address(devices)];
        for (uint256 i = 0; i < parts.length; ++i) {
            uint256 n = vehicles.balanceOf(parts[i]) + devices.balanceOf(parts[i]) + synthetics.balanceOf(parts[i]);
            vm.assertEq(n, 0, "a token is stuck");
        }
    }

    function invariant_vehiclesHaveNoApprovals() public view {
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            if (vehicles.exists(i)) vm.assertEq(vehicles.getApproved(i), address(0), "approval");
        }
    }

    function invariant_whatIsBurntLeavesNothing() public view {
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            if (vehicles.exists(i)) {
                vm.assertEq(registry.getParentNode(address(vehicles), i), 1, "manufacturer");
                continue;
            }
            vm.assertEq(registry.getParentNode(address(vehicles), i), 0, "manufacturer");
            vm.assertEq(registry.getLink(address(vehicles), i), 0, "device");
            vm.assertEq(registry.getDeviceDefinitionIdByVehicleId(i), "", "definition");
            vm.assertEq(annex.vehicleIdToStorageNodeId(i), 0, "storage node");
            vm.assertFalse(grants.hasPermission(address(vehicles), i, _society.person(0), 1), "permission");
        }
    }

    function invariant_storageNodesAreTheOwnersChoice() public view {
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            vm.assertEq(annex.vehicleIdToStorageNodeId(i), _society.chosenNode(i), "storage node");
        }
    }

    // ---------------------------------------------------------------- grants

    /// @dev The answer is that of the plainest model, for every number, vehicle and person.
    function invariant_grantsAreWhatWasGiven() public view {
        address[3] memory people = _society.people();
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            for (uint256 j = 0; j < people.length; ++j) {
                address who = people[j];
                uint256 held = grants.getPermissions(address(vehicles), i, who, type(uint256).max);
                if (!vehicles.exists(i)) vm.assertEq(held, 0, "of a burnt vehicle");
                else if (vehicles.ownerOf(i) == who) vm.assertEq(held, type(uint256).max, "of the owner");
                else vm.assertEq(held, alive(i, who), "of a grantee");
            }
        }
    }

    function invariant_aPermissionIsBothItsBits() public view {
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            address who = _society.person(i);
            uint256 held = grants.getPermissions(address(vehicles), i, who, type(uint256).max);
            // Not from what is held: everything can be granted too, and number 0 is nobody's but an owner's.
            bool owner = _society.ownerOf(i) == who;
            for (uint8 n = 0; n < 12; ++n) {
                bool want = owner || (n != 0 && (held >> (2 * n)) & 3 == 3);
                vm.assertTrue(grants.hasPermission(address(vehicles), i, who, n) == want, "permission");
            }
        }
    }

    function invariant_versionsCountTransfersAndRevocations() public view {
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            vm.assertEq(grants.tokenIdToVersion(address(vehicles), i), _society.epoch(i), "version");
        }
    }

    function invariant_grantsOfAnEarlierVersionAreVoid() public view {
        address[3] memory people = _society.people();
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            for (uint256 j = 0; j < people.length; ++j) {
                (,, uint256 epoch) = _society.given(i, people[j]);
                if (epoch == _society.epoch(i)) continue;
                Grants.PermissionRecord memory r =
                    grants.currentPermissionRecord(address(vehicles), i, people[j]);
                vm.assertEq(r.permissions, 0, "permissions");
                vm.assertEq(r.expiration, 0, "expiration");
            }
        }
    }

    function invariant_accountGrantsAreWhatWasGiven() public view {
        address[3] memory people = _society.people();
        for (uint256 i = 0; i < people.length; ++i) {
            for (uint256 j = 0; j < people.length; ++j) {
                (address a, address b) = (people[i], people[j]);
                uint256 held = grants.getAccountPermissions(a, b, type(uint256).max);
                (uint256 permissions, uint256 until, uint256 epoch) = _society.givenByAccount(a, b);
                bool live = epoch == _society.accountEpoch(a) && until > block.timestamp;
                vm.assertEq(held, i == j ? type(uint256).max : live ? permissions : 0, "permissions");
            }
        }
    }

    function invariant_templatesNeverChange() public view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256 id = uint256(keccak256(abi.encodePacked("ipfs://", bytes1(uint8(0x61 + i)))));
            if (!templates.exists(id)) continue;
            TemplateData memory t = templates.templates(id);
            vm.assertEq(t.permissions, _society.templatePermissions(id), "permissions");
            vm.assertEq(t.asset, address(vehicles), "asset");
            vm.assertEq(uint256(keccak256(bytes(t.source))), id, "id is the hash of the text");
        }
    }

    function invariant_aGrantCoversItsTemplate() public view {
        address[3] memory people = _society.people();
        for (uint256 i = 1; i <= _society.MANY(); ++i) {
            for (uint256 j = 0; j < people.length; ++j) {
                Grants.PermissionRecord memory r =
                    grants.currentPermissionRecord(address(vehicles), i, people[j]);
                if (r.templateId == 0) continue;
                uint256 asked = templates.templates(r.templateId).permissions;
                vm.assertEq(asked & ~r.permissions, 0, "less than the template asks");
            }
        }
    }

    // ---------------------------------------------------------------- signatures

    function invariant_noncesCountSignatures() public view {
        address[3] memory people = _society.people();
        for (uint256 i = 0; i < people.length; ++i) {
            address who = people[i];
            vm.assertEq(registry.nonces(who), _society.registryNonces(who), "registry");
            vm.assertEq(grants.nonces(who), _society.grantNonces(who), "grants");
        }
    }

    function invariant_aSignatureCountsOnce() public view {
        vm.assertFalse(_society.usedTwice(), "a digest was taken twice");
    }

    /// @dev Seldom met by chance: connect vehicle 1, disconnect, sell, and connect again with the buyer's nonce of that number.
    function test_aSignatureCountsOnce_alsoAfterASale() public {
        _society.connect(1, 1, 0, 0, true);
        vm.assertEq(_society.done(Society.connect.selector), 1, "connected");
        _society.disconnect(1, 0);
        _society.moveVehicle(1, 0, 1);
        vm.assertEq(vehicles.ownerOf(1), _society.person(1), "sold");
        vm.assertFalse(synthetics.exists(1), "disconnected");
        _society.connect(1, 1, 0, 0, true);
        vm.assertFalse(_society.usedTwice(), "a digest was taken twice");
        vm.assertEq(_society.done(Society.connect.selector), 1, "connected by what the key signed before");
    }

    // ---------------------------------------------------------------- rights

    function invariant_nobodyDoesWhatOnlyAnotherMay() public view {
        vm.assertEq(_society.wrong(), "", "wrong");
    }

    function invariant_rolesStayWhereTheyAre() public view {
        address[3] memory people = _society.people();
        for (uint64 role = 0; role <= Roles.LAST; ++role) {
            for (uint256 i = 0; i < people.length; ++i) {
                (bool member,) = manager.hasRole(role, people[i]);
                vm.assertFalse(member, "a person has a role");
            }
            (bool admin,) = manager.hasRole(role, address(this));
            vm.assertTrue(admin, "the administrator lost a role");
        }
        vm.assertEq(annex.getManufacturerNameById(1), "Tesla", "name");
        vm.assertEq(grants.templateContract(), address(templates), "template contract");
    }

    // ---------------------------------------------------------------- licences and connections

    function invariant_signersAreThoseEnabled_untilTheyExpireOrTheLicenceEnds() public view {
        address[3] memory people = _society.people();
        for (uint256 i = 1; i <= _society.licences(); ++i) {
            for (uint256 j = 0; j < people.length; ++j) {
                address key = people[j];
                bool want = !_society.revoked(i) && _society.signerUntil(i, key) > block.timestamp;
                vm.assertTrue(licenses.isSigner(i, key) == want, "signer");
            }
        }
    }

    function invariant_clientIdsAndAliasesAreOfOneLicence() public view {
        for (uint256 i = 1; i <= _society.licences(); ++i) {
            address client = licenses.tokenIdToClientId(i);
            vm.assertTrue((client == address(0)) == _society.revoked(i), "a client id exactly while it lasts");
            if (client != address(0)) vm.assertEq(licenses.clientIdToTokenId(client), i, "licence of the client id");
            string memory text = licenses.getLicenseAliasByTokenId(i);
            if (bytes(text).length != 0) vm.assertEq(licenses.getTokenIdByLicenseAlias(text), i, "licence of the alias");
        }
    }

    function invariant_connectionIdsAreNames() public view {
        uint256 id = uint256(bytes32("Tesla"));
        (address addr,) = connections.connections(id);
        vm.assertEq(connections.connectionAddressToId(addr), id, "connection of the address");
        vm.assertFalse(connections.exists(uint256(bytes32("Mine"))), "a connection without the role");
    }

    // ---------------------------------------------------------------- inside

    function alive(uint256 vehicle, address who) private view returns (uint256) {
        (uint256 permissions, uint256 until, uint256 epoch) = _society.given(vehicle, who);
        return epoch == _society.epoch(vehicle) && until > block.timestamp ? permissions : 0;
    }

    /// @dev Synthetic devices are burnt and connected anew, so their ids go on.
    function lastSynthetic() private view returns (uint256) {
        return _society.done(Society.connect.selector);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

import {AftermarketDeviceInfos} from "../../src/registry/RegistryBase.sol";
import {Grant} from "../../src/GrantSignatures.sol";
import {MintSyntheticDeviceInput} from "../../src/registry/SyntheticDevices.sol";
import {Parts} from "./Parts.sol";
import {Vm} from "./Vm.sol";

/// @notice People who do anything, in any order, rightly and wrongly, with a few vehicles, devices, licences and templates;
/// and a model, kept in the plainest way, of what ought to be so afterwards. Nothing here reverts: what the protocol
/// refuses is tried all the same.
contract Society {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 public constant MANY = 5;
    uint256 public constant PEOPLE = 3;
    uint256 public constant START = 1_800_000_000;
    uint256 private constant FAR = 4_102_444_800;

    /// @dev A grant as the model keeps it; `epoch` is the vehicle's when it was given.
    struct Given {
        uint256 permissions;
        uint256 expiration;
        uint256 epoch;
    }

    Parts internal p;
    uint256[PEOPLE] private _keys = [uint256(0xA11CE), 0xB0B, 0xCA201];
    address[PEOPLE] private _people;
    address[] private _deviceAddresses;
    mapping(address device => uint256) private _deviceKeys;

    // The model.
    mapping(uint256 vehicle => mapping(address grantee => Given)) public given;
    mapping(uint256 vehicle => uint256) public epoch;
    mapping(address grantor => mapping(address grantee => Given)) public givenByAccount;
    mapping(address grantor => uint256) public accountEpoch;
    mapping(address signer => uint256) public registryNonces;
    mapping(address signer => uint256) public grantNonces;
    mapping(bytes32 digest => uint256) public uses;
    mapping(uint256 licence => mapping(address key => uint256)) public signerUntil;
    mapping(uint256 licence => bool) public revoked;
    mapping(uint256 template => uint256) public templatePermissions;
    mapping(uint256 vehicle => uint256) public chosenNode;
    uint256[] public templateIds;
    uint256 public licences;
    /// @notice How often each function succeeded, by selector: what was never done proves nothing.
    mapping(bytes4 act => uint256) public done;
    /// @dev A digest was taken twice.
    bool public usedTwice;
    /// @dev Somebody did what only another may.
    string public wrong;

    constructor(Parts memory parts) {
        p = parts;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            _people[i] = vm.addr(_keys[i]);
        }
        for (uint256 i = 0; i < MANY + 2; ++i) {
            _deviceAddresses.push(vm.addr(deviceKey(i)));
            _deviceKeys[_deviceAddresses[i]] = deviceKey(i);
        }
    }

    function person(uint256 i) public view returns (address) {
        return _people[i % PEOPLE];
    }

    function people() external view returns (address[PEOPLE] memory) {
        return _people;
    }

    // ---------------------------------------------------------------- vehicles

    function mintVehicle(uint256 who, uint256 to) external {
        if (done[msg.sig] == MANY) return;
        bytes memory call = abi.encodeWithSignature(
            "mintVehicleWithDeviceDefinition(uint256,address,string,(string,string)[])",
            1,
            person(to),
            "tesla_model-3_2020",
            new string[2][](0)
        );
        step(person(who), address(p.registry), call);
    }

    function moveVehicle(uint256 who, uint256 id, uint256 to) external {
        id = some(id);
        address owner = ownerOf(id);
        who = mostly(who, owner);
        address from = person(who);
        bytes memory call = abi.encodeCall(p.vehicles.transferFrom, (owner, person(to), id));
        if (!step(from, address(p.vehicles), call)) return;
        expect(from == owner, "moved another's vehicle");
        ++epoch[id];
    }

    function burnVehicle(uint256 who, uint256 id, uint8 rarely) external {
        if (rarely > 12) return;
        id = some(id);
        address owner = ownerOf(id);
        who = mostly(who, owner);
        if (!step(person(who), address(p.vehicles), abi.encodeCall(p.vehicles.burn, (id)))) return;
        expect(person(who) == owner, "burnt another's vehicle");
        delete chosenNode[id];
    }

    function chooseNode(uint256 who, uint256 id, uint8 which) external {
        id = some(id);
        uint256 node = which % 3 == 0 ? 0 : which % 3 == 1 ? p.node : 77;
        bytes memory call = abi.encodeCall(p.annex.setStorageNodeIdForVehicle, (id, node));
        address owner = ownerOf(id);
        who = mostly(who, owner);
        if (!step(person(who), address(p.registry), call)) return;
        expect(person(who) == owner && node != 77, "chose a storage node for another");
        chosenNode[id] = node;
    }

    // ---------------------------------------------------------------- devices

    function mintDevice(uint256 key) external {
        AftermarketDeviceInfos[] memory list = new AftermarketDeviceInfos[](1);
        list[0].addr = _deviceAddresses[key % (MANY + 2)];
        if (p.devices.exists(MANY)) return;
        step(p.maker, address(p.registry), abi.encodeCall(p.registry.mintAftermarketDeviceByManufacturerBatch, (1, list)));
    }

    function claim(uint256 who, uint256 id) external {
        id = some(id);
        address owner = person(who);
        bytes32 t = keccak256("ClaimAftermarketDeviceSign(uint256 aftermarketDeviceNode,address owner)");
        bytes32 digest = registryDigest(keccak256(abi.encode(t, id, owner)));
        uint256 key = _deviceKeys[p.registry.getAftermarketDeviceAddressById(id)];
        bytes memory sig = sign(key == 0 ? 1 : key, digest);
        if (step(owner, address(p.registry), abi.encodeCall(p.registry.claimAftermarketDevice, (id, sig)))) use(digest);
    }

    function giveBack(uint256 who, uint256 id) external {
        step(person(who), address(p.devices), abi.encodeCall(p.devices.returnToManufacturer, (some(id))));
    }

    function moveDevice(uint256 who, uint256 id, uint256 to) external {
        bytes memory call = abi.encodeCall(p.devices.transferFrom, (person(who), person(to), some(id)));
        step(person(who), address(p.devices), call);
    }

    function pair(uint256 who, uint256 device, uint256 vehicle) external {
        who = mostly(who, ownerOf(some(vehicle)));
        bytes memory call = abi.encodeCall(p.registry.pairAftermarketDevice, (some(device), some(vehicle)));
        address owner = ownerOf(some(vehicle));
        if (step(person(who), address(p.registry), call)) expect(person(who) == owner, "paired another's vehicle");
    }

    function pairSigned(uint256 signer, uint256 device, uint256 vehicle) external {
        (device, vehicle) = (some(device), some(vehicle));
        signer = mostly(signer, ownerOf(vehicle));
        bytes32 t = keccak256("PairAftermarketDeviceSign(uint256 aftermarketDeviceNode,uint256 vehicleNode)");
        bytes32 digest = registryDigest(keccak256(abi.encode(t, device, vehicle)));
        bytes memory sig = sign(_keys[signer % PEOPLE], digest);
        bytes memory call =
            abi.encodeWithSignature("pairAftermarketDeviceSign(uint256,uint256,bytes)", device, vehicle, sig);
        if (!step(address(this), address(p.registry), call)) return;
        expect(ownerOf(vehicle) == person(signer), "paired by another's signature");
        use(digest);
    }

    function unpair(uint256 who, uint256 device, uint256 vehicle) external {
        who = mostly(who, ownerOf(some(vehicle)));
        device = pairedWith(some(vehicle), device);
        bytes memory call = abi.encodeCall(p.registry.unpairAftermarketDevice, (device, some(vehicle)));
        step(person(who), address(p.registry), call);
    }

    // ---------------------------------------------------------------- synthetic devices

    function connect(uint256 caller, uint256 signer, uint256 vehicle, uint256 key, bool withDeadline) external {
        MintSyntheticDeviceInput memory d;
        (d.connectionId, d.vehicleNode) = (p.connection, some(vehicle));
        d.syntheticDeviceAddr = _deviceAddresses[key % (MANY + 2)];
        signer = mostly(signer, ownerOf(d.vehicleNode));
        address by = caller % 3 == 0 ? person(caller) : p.cloud;
        uint256 nonce = registryNonces[person(signer)];
        bytes32 t = keccak256("MintSyntheticDeviceSign(uint256 connectionId,uint256 vehicleNode)");
        bytes32 digest = registryDigest(keccak256(abi.encode(t, d.connectionId, d.vehicleNode)));
        if (withDeadline) {
            t = keccak256(
                "MintSyntheticDeviceWithDeadlineSign(uint256 connectionId,uint256 vehicleNode,address syntheticDeviceAddr,uint256 nonce,uint256 deadline)"
            );
            digest = registryDigest(
                keccak256(abi.encode(t, d.connectionId, d.vehicleNode, d.syntheticDeviceAddr, nonce, FAR))
            );
        }
        d.vehicleOwnerSig = sign(_keys[signer % PEOPLE], digest);
        d.syntheticDeviceSig = sign(deviceKey(key), digest);
        bytes memory call = withDeadline
            ? abi.encodeCall(p.annex.mintSyntheticDeviceWithDeadline, (d, nonce, FAR))
            : abi.encodeCall(p.annex.mintSyntheticDeviceSign, (d));
        if (!step(by, address(p.registry), call)) return;
        expect(by == p.cloud && ownerOf(d.vehicleNode) == person(signer), "connected without the right");
        use(digest);
        if (withDeadline) ++registryNonces[person(signer)];
    }

    function disconnect(uint256 who, uint256 id) external {
        id = 1 + id % (2 * MANY);
        address owner = p.synthetics.exists(id) ? p.synthetics.ownerOf(id) : address(0);
        who = mostly(who, owner);
        if (!step(person(who), address(p.synthetics), abi.encodeCall(p.synthetics.burn, (id)))) return;
        expect(person(who) == owner, "disconnected another's vehicle");
    }

    function moveSynthetic(uint256 who, uint256 id, uint256 to) external {
        bytes memory call = abi.encodeCall(p.synthetics.transferFrom, (person(who), person(to), 1 + id % MANY));
        if (step(person(who), address(p.synthetics), call)) expect(false, "moved a synthetic device alone");
    }

    // ---------------------------------------------------------------- grants

    function grant(uint256 who, uint256 id, uint256 to, uint256 permissions, uint8 hours_) external {
        id = some(id);
        uint256 until = expiration(hours_);
        bytes memory call = abi.encodeWithSignature(
            "setPermissions(address,uint256,address,uint256,uint256,string)",
            address(p.vehicles),
            id,
            person(to),
            permissions,
            until,
            ""
        );
        address owner = ownerOf(id);
        who = mostly(who, owner);
        if (!step(person(who), address(p.grants), call)) return;
        expect(person(who) == owner, "granted on another's vehicle");
        given[id][person(to)] = Given(permissions, until, epoch[id]);
    }

    function grantUnderTemplate(uint256 who, uint256 id, uint256 to, uint256 which, bool exact) external {
        if (templateIds.length == 0) return;
        id = some(id);
        uint256 template = templateIds[which % templateIds.length];
        uint256 permissions = exact ? templatePermissions[template] : which;
        bytes memory call = abi.encodeWithSignature(
            "setPermissions(address,uint256,address,uint256,uint256,uint256,string)",
            address(p.vehicles),
            id,
            person(to),
            permissions,
            FAR,
            template,
            ""
        );
        who = mostly(who, ownerOf(id));
        bool active = p.templates.isTemplateActive(template);
        if (!step(person(who), address(p.grants), call)) return;
        expect(active && permissions == templatePermissions[template], "granted beside the template");
        given[id][person(to)] = Given(permissions, FAR, epoch[id]);
    }

    function grantSigned(uint256 signer, uint256 id, uint256 to, uint256 permissions, bool replay) external {
        id = some(id);
        signer = mostly(signer, ownerOf(id));
        Grant memory g = Grant(address(p.vehicles), id, person(to), permissions, FAR, 0);
        uint256 nonce = grantNonces[person(signer)];
        if (replay && nonce > 0) --nonce;
        bytes memory fields = abi.encode(g.asset, g.tokenId, g.grantee, g.permissions, g.expiration, g.templateId);
        bytes32 t = keccak256(
            "SetPermissions(address asset,uint256 tokenId,address grantee,uint256 permissions,uint256 expiration,uint256 templateId,string source,uint256 nonce,uint256 deadline)"
        );
        bytes32 digest = grantsDigest(keccak256(bytes.concat(t, fields, keccak256(""), bytes32(nonce), bytes32(FAR))));
        bytes memory sig = sign(_keys[signer % PEOPLE], digest);
        bytes memory call = abi.encodeCall(p.grants.setPermissionsBySig, (g, "", nonce, FAR, sig));
        if (!step(address(this), address(p.grants), call)) return;
        expect(ownerOf(id) == person(signer), "granted by another's signature");
        use(digest);
        ++grantNonces[person(signer)];
        given[id][person(to)] = Given(permissions, FAR, epoch[id]);
    }

    function renounce(uint256 who, uint256 id) external {
        bytes memory call = abi.encodeCall(p.grants.renouncePermissions, (address(p.vehicles), some(id)));
        if (step(person(who), address(p.grants), call)) delete given[some(id)][person(who)];
    }

    function revokeAll(uint256 who, uint256 id, uint8 rarely) external {
        if (rarely > 64) return;
        id = some(id);
        address owner = ownerOf(id);
        who = mostly(who, owner);
        bytes memory call = abi.encodeCall(p.grants.revokeAll, (address(p.vehicles), id));
        if (!step(person(who), address(p.grants), call)) return;
        expect(person(who) == owner, "revoked on another's vehicle");
        ++epoch[id];
    }

    function grantOnAccount(uint256 who, uint256 to, uint256 permissions, uint8 hours_) external {
        uint256 until = expiration(hours_);
        bytes memory call = abi.encodeCall(p.grants.setAccountPermissions, (person(to), permissions, until, 0, ""));
        if (!step(person(who), address(p.grants), call)) return;
        givenByAccount[person(who)][person(to)] = Given(permissions, until, accountEpoch[person(who)]);
    }

    function renounceOnAccount(uint256 who, uint256 grantor) external {
        bytes memory call = abi.encodeCall(p.grants.renounceAccountPermissions, (person(grantor)));
        if (step(person(who), address(p.grants), call)) delete givenByAccount[person(grantor)][person(who)];
    }

    function revokeAllOnAccount(uint256 who, uint8 rarely) external {
        if (rarely > 64) return;
        bytes memory call = abi.encodeCall(p.grants.revokeAllAccountPermissions, ());
        if (step(person(who), address(p.grants), call)) ++accountEpoch[person(who)];
    }

    // ---------------------------------------------------------------- templates

    function createTemplate(uint256 who, uint256 permissions, uint8 name) external {
        string memory cid = string(abi.encodePacked("ipfs://", bytes1(0x61 + name % 8)));
        bytes memory call = abi.encodeCall(p.templates.createTemplate, (address(p.vehicles), permissions, cid));
        if (!step(person(who), address(p.templates), call)) return;
        uint256 id = uint256(keccak256(bytes(cid)));
        expect(templatePermissions[id] == 0, "made a template twice");
        templatePermissions[id] = permissions;
        templateIds.push(id);
    }

    function endTemplate(uint256 who, uint256 which, uint8 rarely) external {
        if (templateIds.length == 0 || rarely > 64) return;
        uint256 id = templateIds[which % templateIds.length];
        bytes memory call = abi.encodeCall(p.templates.deactivateTemplate, (id));
        address owner = p.templates.ownerOf(id);
        who = mostly(who, owner);
        if (step(person(who), address(p.templates), call)) expect(person(who) == owner, "ended another's template");
    }

    // ---------------------------------------------------------------- licences

    function issueLicence(uint256 who, uint8 name) external {
        if (licences >= MANY) return;
        string memory text = string(abi.encodePacked(bytes1(0x61 + name % 4)));
        if (step(person(who), address(p.licenses), abi.encodeWithSignature("issueInDc(string)", text))) ++licences;
    }

    function enableSigner(uint256 who, uint256 id, uint256 key) external {
        id = some(id);
        address owner = id <= licences && !revoked[id] ? p.licenses.ownerOf(id) : address(0);
        who = mostly(who, owner);
        bytes memory call = abi.encodeCall(p.licenses.enableSigner, (id, person(key)));
        if (!step(person(who), address(p.licenses), call)) return;
        expect(person(who) == owner, "enabled a signer of another's licence");
        signerUntil[id][person(key)] = block.timestamp + 365 days;
    }

    function disableSigner(uint256 who, uint256 id, uint256 key) external {
        bytes memory call = abi.encodeCall(p.licenses.disableSigner, (some(id), person(key)));
        if (step(person(who), address(p.licenses), call)) delete signerUntil[some(id)][person(key)];
    }

    function revokeLicence(uint256 id, bool byAnyone, uint8 rarely) external {
        if (rarely > 32) return;
        address by = byAnyone ? person(id) : address(this);
        if (!step(by, address(p.licenses), abi.encodeCall(p.licenses.revoke, (some(id))))) return;
        expect(!byAnyone, "revoked without the role");
        revoked[some(id)] = true;
    }

    // ---------------------------------------------------------------- time, and what nobody may

    function wait_(uint16 minutes_) external {
        vm.warp(block.timestamp + uint256(minutes_) * 60);
    }

    /// @dev A person without any role tries everything that roles are for.
    function tryWithoutRole(uint256 who, uint256 id, uint8 what) external {
        (address target, bytes memory call) = restricted(person(who), some(id), what % 14);
        if (step(person(who), target, call)) expect(false, "did what needs a role");
    }

    function restricted(address me, uint256 id, uint8 what) private view returns (address, bytes memory) {
        address r = address(p.registry);
        if (what == 0) return (r, abi.encodeCall(p.annex.renameManufacturer, (1, "Mine")));
        if (what == 1) return (r, abi.encodeCall(p.annex.setDeviceDefinitionId, (id, "mine")));
        if (what == 2) return (r, abi.encodeCall(p.annex.setDefaultStorageNodeId, (p.node)));
        if (what == 3) return (r, abi.encodeCall(p.registry.addVehicleAttribute, ("Mine")));
        if (what == 4) return (r, abi.encodeCall(p.registry.upgradeToAndCall, (me, "")));
        if (what == 5) return (address(p.grants), abi.encodeCall(p.grants.setTemplateContract, (me)));
        if (what == 6) return (address(p.grants), abi.encodeCall(p.grants.onTransfer, (address(p.vehicles), id)));
        if (what == 7) return (address(p.vehicles), abi.encodeCall(p.vehicles.mint, (me)));
        if (what == 8) return (address(p.vehicles), abi.encodeCall(p.vehicles.burnByRegistry, (id)));
        if (what == 9) return (address(p.devices), abi.encodeCall(p.devices.moveByRegistry, (me, id)));
        if (what == 10) return (address(p.synthetics), abi.encodeCall(p.synthetics.moveByRegistry, (me, id)));
        if (what == 11) return (address(p.connections), abi.encodeCall(p.connections.mint, (me, me, "Mine", "")));
        if (what == 12) return (address(p.storageNodes), abi.encodeCall(p.storageNodes.mint, (me, me, "Mine", "")));
        return (address(p.manager), abi.encodeCall(p.manager.grantRole, (uint64(id), me, 0)));
    }

    // ---------------------------------------------------------------- inside

    function step(address by, address target, bytes memory data) private returns (bool ok) {
        vm.prank(by);
        (ok,) = target.call(data);
        if (ok) ++done[msg.sig];
    }

    /// @dev Mostly the one who may, so that much happens; else anybody.
    function mostly(uint256 who, address owner) private view returns (uint256) {
        if (who % 4 == 0) return (who / 4) % PEOPLE;
        for (uint256 i = 0; i < PEOPLE; ++i) {
            if (_people[i] == owner) return i;
        }
        return who % PEOPLE;
    }

    function use(bytes32 digest) private {
        if (++uses[digest] > 1) usedTwice = true;
    }

    function expect(bool right, string memory what) private {
        if (!right) wrong = what;
    }

    function ownerOf(uint256 vehicle) public view returns (address) {
        return p.vehicles.exists(vehicle) ? p.vehicles.ownerOf(vehicle) : address(0);
    }

    /// @dev Mostly the device that is in the vehicle.
    function pairedWith(uint256 vehicle, uint256 any) private view returns (uint256) {
        uint256 device = p.registry.getLink(address(p.vehicles), vehicle);
        return device == 0 || any % 4 == 0 ? some(any) : device;
    }

    function some(uint256 any) private pure returns (uint256) {
        return 1 + any % MANY;
    }

    function expiration(uint8 hours_) private view returns (uint256) {
        return hours_ == 0 ? type(uint256).max : block.timestamp + uint256(hours_) * 3600;
    }

    function deviceKey(uint256 any) private pure returns (uint256) {
        return 0xD000 + any % (MANY + 2);
    }

    function sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function registryDigest(bytes32 structHash) private view returns (bytes32) {
        return typed("DIMO", address(p.registry), structHash);
    }

    function grantsDigest(bytes32 structHash) private view returns (bytes32) {
        return typed("Sayso Grants", address(p.grants), structHash);
    }

    function typed(string memory name, address verifier, bytes32 structHash) private view returns (bytes32) {
        bytes32 t = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 domain = keccak256(abi.encode(t, keccak256(bytes(name)), keccak256("1"), block.chainid, verifier));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}

package abi_test

import (
	"fmt"
	"math/big"
	"reflect"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso/protocol/abi"
)

const (
	mintVehicle        = "mintVehicleWithDeviceDefinition(uint256,address,string,(string,string)[])"
	mintVehicleGranted = "mintVehicleWithDeviceDefinition(uint256,address,string,(string,string)[],(address,uint256,uint256,string))"
	setPermissions     = "setPermissions(address,uint256,address,uint256,uint256,string)"
	setPermissionsV2   = "setPermissions(address,uint256,address,uint256,uint256,uint256,string)"

	cid = "ipfs://QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"
)

var (
	one = big.NewInt(1)
	two = big.NewInt(2)
	// allEight is permissions 1 to 8.
	allEight = big.NewInt(0x3fffc)
	far      = big.NewInt(4102444800) // 2100-01-01
	model3   = []abi.AttributeInfoPair{{"Make", "Tesla"}, {"Model", "Model 3"}, {"Year", "2020"}}
)

// world is a chain with a manufacturer (1), owners and a device key.
type world struct {
	*chain
	maker, alice, bob, device person
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		maker: newPerson(t, "maker"), alice: newPerson(t, "alice"),
		bob: newPerson(t, "bob"), device: newPerson(t, "device"),
	}
	w.chain = newChain(t, w.maker, w.alice, w.bob)
	w.do(w.admin, w.at.Registry, "mintManufacturer", w.maker.addr, "Tesla", []abi.AttributeInfoPair{})
	return w
}

// mintDevice mints the next device with the key of p to the manufacturer.
func (w *world) mintDevice(p person) *types.Receipt {
	w.t.Helper()
	return w.do(w.maker, w.at.Registry, "mintAftermarketDeviceByManufacturerBatch", one, []abi.AftermarketDeviceInfos{
		{Addr: p.addr, AttrInfoPairs: []abi.AttributeInfoPair{{"Serial", "S-1"}, {"IMEI", "356938035643809"}}},
	})
}

func (w *world) claimSig(device person, id *big.Int, owner common.Address) []byte {
	return w.sign(device, abi.ClaimDigest(w.id, w.at.Registry, id, owner))
}

func wantEvents(t *testing.T, c *chain, r *types.Receipt, want ...string) {
	t.Helper()
	if got := c.events(r); !reflect.DeepEqual(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func (w *world) wantView(want any, to common.Address, fn string, args ...any) {
	w.t.Helper()
	got := w.view(to, fn, args...)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("%s(%v) = %v, want %v", fn, args, got, want)
	}
}

func TestDeployWiresEverything(t *testing.T) {
	w := newWorld(t)
	if n := len(w.creates); n != 13 {
		t.Errorf("%d transactions, want 13", n)
	}
	labels := map[uint64]string{}
	for _, l := range w.creates[12].Logs {
		if e := w.abi.AccessManager.ABI.Events["RoleLabel"]; l.Topics[0] == e.ID {
			label, err := e.Inputs.NonIndexed().Unpack(l.Data)
			if err != nil {
				t.Fatal(err)
			}
			labels[l.Topics[1].Big().Uint64()] = label[0].(string)
		}
	}
	if want := map[uint64]string{
		abi.RoleManufacturerMinter: "MANUFACTURER_MINTER", abi.RoleManufacturerTransferer: "MANUFACTURER_TRANSFERER",
		abi.RoleEditor: "EDITOR", abi.RoleRelay: "RELAY", abi.RoleDistributor: "DISTRIBUTOR",
		abi.RoleLicenseAdmin: "LICENSE_ADMIN", abi.RoleLicenseRevoker: "LICENSE_REVOKER", abi.RoleUpgrader: "UPGRADER",
		abi.RoleConnectionMinter: "CONNECTION_MINTER", abi.RoleStorageNodeMinter: "STORAGE_NODE_MINTER",
		abi.RoleGuardian: "GUARDIAN",
	}; !reflect.DeepEqual(labels, want) {
		t.Errorf("roles %v, want %v", labels, want)
	}
	for fn, want := range map[string]common.Address{
		"accessManager": w.at.AccessManager, "grants": w.at.Grants, "registry": w.at.Registry,
		"manufacturer": w.at.Manufacturer, "vehicle": w.at.Vehicle, "aftermarketDevice": w.at.AftermarketDevice,
		"licenseAccount": w.at.LicenseAccount, "devLicense": w.at.DevLicense,
		"syntheticDevice": w.at.SyntheticDevice, "connections": w.at.Connections,
		"storageNodes": w.at.StorageNodes, "templates": w.at.Templates, "accounts": w.at.Accounts,
	} {
		w.wantView(want, w.at.Genesis, fn)
		code, err := w.backend.Client().CodeAt(t.Context(), want, nil)
		if err != nil || len(code) == 0 {
			t.Errorf("%s: no code at %s (%v)", fn, want, err)
		}
	}
	for role := abi.RoleAdmin; role <= abi.RoleGuardian; role++ {
		w.wantView(true, w.at.AccessManager, "hasRole", role, w.admin.addr)
		w.wantView(false, w.at.AccessManager, "hasRole", role, w.at.Genesis)
	}
	for _, proxy := range []common.Address{
		w.at.Grants, w.at.Registry, w.at.Manufacturer, w.at.Vehicle, w.at.AftermarketDevice, w.at.DevLicense,
		w.at.SyntheticDevice, w.at.Connections, w.at.StorageNodes, w.at.Templates,
	} {
		w.wantView(w.at.AccessManager, proxy, "authority")
		w.refuse("AccessManagedUnauthorized", w.alice, proxy, "upgradeToAndCall", w.at.LicenseAccount, []byte{})
	}
}

func TestGrantDiesWithTransfer(t *testing.T) {
	w := newWorld(t)
	sacd := abi.SacdInput{Grantee: w.bob.addr, Permissions: allEight, Expiration: far, Source: cid}
	r := w.do(w.alice, w.at.Registry, mintVehicleGranted, one, w.alice.addr, "tesla_model-3_2020", model3, sacd)
	wantEvents(t, w.chain, r, "Transfer", "VehicleNodeMintedWithDeviceDefinition",
		"VehicleAttributeSet", "VehicleAttributeSet", "VehicleAttributeSet", "PermissionsSet")
	w.wantView(w.alice.addr, w.at.Vehicle, "ownerOf", one)
	w.wantView("tesla_model-3_2020", w.at.Registry, "getDeviceDefinitionIdByVehicleId", one)
	w.wantView(1, w.at.Registry, "getManufacturerIdByName", "Tesla")
	w.wantView(true, w.at.Grants, "hasPermission", w.at.Vehicle, one, w.bob.addr, uint8(4))
	record := reflect.ValueOf(w.view(w.at.Grants, "currentPermissionRecord", w.at.Vehicle, one, w.bob.addr))
	if got := record.FieldByName("Source").String(); got != cid {
		t.Errorf("source %q, want %q", got, cid)
	}

	carol := newPerson(t, "carol")
	w.do(w.alice, w.at.Vehicle, "transferFrom", w.alice.addr, carol.addr, one)
	w.wantView(false, w.at.Grants, "hasPermission", w.at.Vehicle, one, w.bob.addr, uint8(4))
	w.wantView(false, w.at.Grants, "hasPermission", w.at.Vehicle, one, w.alice.addr, uint8(4))
	w.wantView(true, w.at.Grants, "hasPermission", w.at.Vehicle, one, carol.addr, uint8(4))
	w.wantView(1, w.at.Grants, "tokenIdToVersion", w.at.Vehicle, one)
	w.refuse("Unauthorized", w.alice, w.at.Grants, setPermissions, w.at.Vehicle, one, w.bob.addr, allEight, far, cid)
}

func TestGrantRevokedAndRenounced(t *testing.T) {
	w := newWorld(t)
	w.do(w.bob, w.at.Registry, mintVehicle, one, w.alice.addr, "tesla_model-3_2020", model3)
	grant := func(permissions *big.Int) {
		r := w.do(w.alice, w.at.Grants, setPermissionsV2, w.at.Vehicle, one, w.bob.addr, permissions, far, new(big.Int), cid)
		wantEvents(t, w.chain, r, "PermissionsSet")
	}
	grant(allEight)
	w.wantView(allEight, w.at.Grants, "getPermissions", w.at.Vehicle, one, w.bob.addr, allEight)
	grant(new(big.Int))
	w.wantView(0, w.at.Grants, "getPermissions", w.at.Vehicle, one, w.bob.addr, allEight)
	grant(allEight)
	r := w.do(w.bob, w.at.Grants, "renouncePermissions", w.at.Vehicle, one)
	wantEvents(t, w.chain, r, "PermissionsRenounced")
	w.wantView(false, w.at.Grants, "hasPermission", w.at.Vehicle, one, w.bob.addr, uint8(1))
}

func TestDeviceRegisteredClaimedPaired(t *testing.T) {
	w := newWorld(t)
	w.do(w.alice, w.at.Registry, mintVehicle, one, w.alice.addr, "tesla_model-3_2020", model3)
	wantEvents(t, w.chain, w.mintDevice(w.device),
		"Transfer", "AftermarketDeviceNodeMinted", "AftermarketDeviceAttributeSet", "AftermarketDeviceAttributeSet")
	w.wantView(1, w.at.Registry, "getAftermarketDeviceIdByAddress", w.device.addr)

	w.refuse("AdNotClaimed", w.alice, w.at.Registry, "pairAftermarketDeviceWithAdSig", one, one,
		w.sign(w.device, abi.PairDigest(w.id, w.at.Registry, one, one)))
	w.refuse("InvalidAdSignature", w.bob, w.at.Registry, "claimAftermarketDevice", one, w.claimSig(w.device, one, w.alice.addr))
	r := w.do(w.alice, w.at.Registry, "claimAftermarketDevice", one, w.claimSig(w.device, one, w.alice.addr))
	wantEvents(t, w.chain, r, "Transfer", "AftermarketDeviceClaimed")
	w.wantView(w.alice.addr, w.at.AftermarketDevice, "ownerOf", one)

	r = w.do(w.alice, w.at.Registry, "pairAftermarketDevice", one, one)
	wantEvents(t, w.chain, r, "AftermarketDevicePaired")
	w.wantView(1, w.at.Registry, "getLink", w.at.Vehicle, one)
	w.wantView(1, w.at.Registry, "getLink", w.at.AftermarketDevice, one)
	w.refuse("VehiclePaired", w.alice, w.at.Vehicle, "burn", one)

	r = w.do(w.alice, w.at.Registry, "unpairAftermarketDevice", one, one)
	wantEvents(t, w.chain, r, "AftermarketDeviceUnpaired")
	r = w.do(w.alice, w.at.Vehicle, "burn", one)
	wantEvents(t, w.chain, r, "VehicleNodeBurned", "Transfer")
}

func TestRelayedPairingWithDeadline(t *testing.T) {
	w := newWorld(t)
	w.do(w.bob, w.at.Registry, mintVehicle, one, w.alice.addr, "tesla_model-3_2020", model3)
	w.mintDevice(w.device)
	lapse := abi.Lapse{Nonce: new(big.Int), Deadline: far}
	claim := abi.ClaimDeadlineDigest(w.id, w.at.Registry, one, w.alice.addr, lapse)
	// Bob, a stranger, brings what Alice and the device signed.
	w.do(w.bob, w.at.Registry, "claimAftermarketDeviceWithDeadline", one, w.alice.addr, lapse.Nonce, lapse.Deadline,
		w.sign(w.alice, claim), w.sign(w.device, claim))
	lapse.Nonce = one
	pair := abi.PairDeadlineDigest(w.id, w.at.Registry, one, one, lapse)
	w.do(w.bob, w.at.Registry, "pairAftermarketDeviceWithDeadline", one, one, lapse.Nonce, lapse.Deadline,
		w.sign(w.alice, pair), w.sign(w.device, pair))
	lapse.Nonce = two
	unpair := abi.UnpairDeadlineDigest(w.id, w.at.Registry, one, one, lapse)
	call := []any{one, one, w.alice.addr, lapse.Nonce, lapse.Deadline, w.sign(w.alice, unpair)}
	w.do(w.bob, w.at.Registry, "unpairAftermarketDeviceWithDeadline", call...)
	w.refuse("InvalidAccountNonce", w.bob, w.at.Registry, "unpairAftermarketDeviceWithDeadline", call...)
	lapse.Nonce = big.NewInt(3)
	burn := abi.BurnVehicleDeadlineDigest(w.id, w.at.Registry, one, lapse)
	w.do(w.bob, w.at.Registry, "burnVehicleWithDeadline", one, lapse.Nonce, lapse.Deadline, w.sign(w.alice, burn))
	w.wantView(false, w.at.Vehicle, "exists", one)
}

func TestRelayedWithOldForms(t *testing.T) {
	w := newWorld(t)
	w.do(w.bob, w.at.Registry, mintVehicle, one, w.alice.addr, "tesla_model-3_2020", model3)
	w.mintDevice(w.device)
	claim := abi.ClaimDigest(w.id, w.at.Registry, one, w.alice.addr)
	w.do(w.admin, w.at.Registry, "claimAftermarketDeviceSign", one, w.alice.addr, w.sign(w.alice, claim), w.sign(w.device, claim))
	pair := abi.PairDigest(w.id, w.at.Registry, one, one)
	w.refuse("AccessManagedUnauthorized", w.bob, w.at.Registry, "pairAftermarketDeviceSign(uint256,uint256,bytes,bytes)",
		one, one, w.sign(w.device, pair), w.sign(w.alice, pair))
	w.do(w.admin, w.at.Registry, "pairAftermarketDeviceSign(uint256,uint256,bytes,bytes)",
		one, one, w.sign(w.device, pair), w.sign(w.alice, pair))
	unpair := abi.UnpairDigest(w.id, w.at.Registry, one, one)
	w.do(w.admin, w.at.Registry, "unpairAftermarketDeviceSign", one, one, w.sign(w.alice, unpair))
	w.refuse("SignatureAlreadyUsed", w.admin, w.at.Registry, "pairAftermarketDeviceSign(uint256,uint256,bytes)",
		one, one, w.sign(w.alice, pair))
	burn := abi.BurnVehicleDigest(w.id, w.at.Registry, one)
	w.do(w.admin, w.at.Registry, "burnVehicleSign", one, w.sign(w.alice, burn))
}

func TestLicenceSignsForItsClientID(t *testing.T) {
	w := newWorld(t)
	key := newPerson(t, "app key")
	r := w.do(w.alice, w.at.DevLicense, "issueInDc(string)", "mechanic")
	wantEvents(t, w.chain, r, "Transfer", "Locked", "Issued", "LicenseAliasSet")
	client := w.view(w.at.DevLicense, "tokenIdToClientId", one).(common.Address)
	w.wantView(1, w.at.DevLicense, "clientIdToTokenId", client)
	w.wantView(1, w.at.DevLicense, "getTokenIdByLicenseAlias(string)", "mechanic")
	wantEvents(t, w.chain, w.do(w.alice, w.at.DevLicense, "enableSigner", one, key.addr), "SignerEnabled")
	wantEvents(t, w.chain, w.do(w.alice, w.at.DevLicense, "setRedirectUri", one, true, "http://localhost:9000/"), "RedirectUriEnabled")
	w.wantView(true, w.at.DevLicense, "redirectUriStatus", one, "http://localhost:9000/")

	hash := common.BytesToHash(accounts.TextHash([]byte("let me in")))
	nested := w.sign(key, abi.NestedPersonalDigest(w.id, client, hash))
	valid := func(account common.Address, sig []byte) bool {
		got := w.viewAs(w.abi.LicenseAccount, account, "isValidSignature", hash, sig).([4]byte)
		return got == [4]byte{0x16, 0x26, 0xba, 0x7e}
	}
	if !valid(client, nested) {
		t.Error("the nested signature of an enabled signer is refused")
	}
	if valid(client, w.sign(key, hash)) {
		t.Error("a signature that is not bound to the account is accepted")
	}
	w.do(w.admin, w.at.DevLicense, "revoke", one)
	if valid(client, nested) {
		t.Error("a revoked licence still signs")
	}
	if sig := crypto.Keccak256(nil); valid(client, sig) {
		t.Error("32 bytes are accepted as a signature")
	}
}

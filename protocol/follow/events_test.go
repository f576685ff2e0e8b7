package follow

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/owner/registry"
)

var (
	alice, bob, app = common.Address{0xa}, common.Address{0xb}, common.Address{0xc}
	nobody          = common.Address{}
	source          = new(big.Int).SetBytes(common.RightPadBytes([]byte("Tesla"), 32))
	hash            = new(big.Int).Lsh(big.NewInt(3), 250)
	knot            = [32]byte{1, 31: 255}
	never           = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	kind32          = [32]byte{9}
)

// row finds the row of the table for a contract that begins so.
func rowOf(t testing.TB, at sayso.Address, begins string) event {
	t.Helper()
	for _, e := range table(info) {
		if e.contract(info) == at && strings.HasPrefix(e.signature, begins) {
			return e
		}
	}
	t.Fatalf("the table has no %s", begins)
	return event{}
}

// log is an event by the beginning of its row.
func logOf(t testing.TB, at sayso.Address, begins string, values ...any) types.Log {
	t.Helper()
	return emit(t, at, rowOf(t, at, begins).signature, values...)
}

// beginning is a small network: what there is before the event of a case.
func beginning(t testing.TB) []types.Log {
	return []types.Log{
		logOf(t, info.Registry, "ManufacturerNodeMinted", "Ford", n(41), alice),
		logOf(t, info.Registry, "VehicleNodeMintedWithDeviceDefinition", n(41), n(1), alice, "ford_fiesta_2020"),
		logOf(t, info.Registry, "VehicleNodeMintedWithDeviceDefinition", n(41), n(2), bob, "ford_fiesta_2020"),
		logOf(t, info.Registry, "AftermarketDeviceNodeMinted", n(41), n(5), common.Address{0xd}, alice),
		logOf(t, info.Registry, "AftermarketDevicePaired", n(5), n(1), alice),
		logOf(t, info.Registry, "SyntheticDeviceNodeMinted", source, n(7), n(2), common.Address{0xe}, bob),
		logOf(t, info.Grants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, uint256", common.Address(info.Vehicle), n(1), n(12), app, never, n(0), "ipfs://x"),
		logOf(t, info.Grants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, uint256", alice, n(0), n(12), app, n(1<<40), n(0), ""),
		logOf(t, info.Grants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, uint256", common.Address(info.Connections), source, n(12), app, n(1<<40), n(0), ""),
		logOf(t, info.Vehicle, "PrivilegeSet", n(1), n(1), n(4), app, n(1<<40)),
		logOf(t, info.DevLicense, "Issued", n(3), alice, app),
		logOf(t, info.DevLicense, "SignerEnabled", n(3), common.Address{0x51}),
		logOf(t, info.DevLicense, "RedirectUriEnabled", n(3), "https://a.example"),
		logOf(t, info.Templates, "TemplateCreated", hash, alice, common.Address(info.Vehicle), n(12), "bafk"),
		logOf(t, info.Connections, "ConnectionMinted", alice, source, common.Address{0x7e}, "Tesla", kind32, n(5)),
		logOf(t, info.Registry, "IntegrationNodeMinted", n(2), alice),
		logOf(t, info.StorageNodes, "StorageNodeAnchorMinted", alice, hash, common.Address{0x57}, "North", "https://north.example"),
		logOf(t, info.Registry, "ManufacturerTableSet", n(41), n(9)),
		logOf(t, info.Registry, "DeviceDefinitionInserted", n(9), "ford_ka_2001", "Ka", n(2001)),
		logOf(t, info.Staking, "Staked", alice, n(4), common.Address{0xbe}, uint8(1), n(500), n(9000), n(1000)),
		logOf(t, info.Staking, "VehicleAttached", alice, n(4), n(1)),
		logOf(t, info.Names, "NewNode", knot, alice),
		logOf(t, info.Resolver, "NameChanged", knot, "mine.dimo"),
	}
}

// kase is an event and what the registry says after it, as parts of the dump,
// and what it does not say.
type kase struct {
	at         sayso.Address
	begins     string
	values     []any
	want, gone string
}

func list(v ...any) []any { return v }

func addr(a common.Address) string { return sayso.Address(a).String() }

// cases has an event of every row of the table.
func cases() []kase {
	low := func(a common.Address) string { return strings.ToLower(addr(a)) }
	reg, vehicles := info.Registry, common.Address(info.Vehicle)
	name := fmt.Sprintf("0x01%060xff", 0)
	return []kase{
		{reg, "ManufacturerNodeMinted", list("Opel", n(42), bob), `manufacturer 42 {"id":42,"name":"Opel","owner":"` + addr(bob), ""},
		{reg, "ManufacturerAttributeSet", list(n(41), "Country", "DE"), `"attributes":{"Country":"DE"},"table":9`, ""},
		{reg, "ManufacturerRenamed", list(n(41), "Ford Werke"), `"name":"Ford Werke"`, `"name":"Ford"`},
		{info.Manufacturer, "Transfer", list(alice, bob, n(41)), `"name":"Ford","owner":"` + addr(bob), ""},
		{reg, "ManufacturerTableSet", list(n(41), n(10)), `"table":10`, `manufacturer 41 {"id":41,"name":"Ford","owner":"` + addr(alice) + `","table":9`},
		{reg, "DeviceDefinitionTableCreated", list(alice, n(41), n(11)), `"table":11`, ""},
		{reg, "DeviceDefinitionInserted", list(n(9), "ford_puma_2022", "Puma", n(2022)), `definition 9/ford_puma_2022 {"id":"ford_puma_2022","table":9,"model":"Puma","year":2022`, ""},
		{reg, "DeviceDefinitionUpdated", list(n(9), "ford_ka_2001"), `definition 9/ford_ka_2001 {"id":"ford_ka_2001","table":9,"model":"Ka","year":2001,"setAt":1002}`, ""},
		{reg, "DeviceDefinitionDeleted", list(n(9), "ford_ka_2001"), "", "definition 9/ford_ka_2001"},

		{reg, "VehicleNodeMinted(", list(n(41), n(6), bob), `vehicle 6 {"id":6,"manufacturer":41,"definition":"","mintedAt":1002,"owners":[{"owner":"` + addr(bob), ""},
		{reg, "VehicleNodeMintedWith", list(n(41), n(6), bob, "ford_ka_2001"), `vehicle 6 {"id":6,"manufacturer":41,"definition":"ford_ka_2001"`, ""},
		{reg, "VehicleAttributeSet", list(n(1), "Year", "MMXX"), `"attributes":{"Year":"MMXX"}`, ""},
		{reg, "DeviceDefinitionIdSet", list(n(1), "ford_ka_2001"), `vehicle 1 {"id":1,"manufacturer":41,"definition":"ford_ka_2001"`, ""},
		{reg, "VehicleStorageNodeIdSet", list(n(1), hash), `"storageNode":"` + hash.String(), ""},
		{info.StorageNodes, "NodeSetForVehicle(uint256 a", list(n(1), hash), `"storageNode":"` + hash.String(), ""},
		{info.StorageNodes, "NodeSetForVehicle(uint256 indexed a, uint256 b", list(hash, n(1)), `"storageNode":"` + hash.String(), ""},
		{info.StorageNodes, "NodeSetForVehicle(uint256 indexed a, uint256 indexed b", list(n(1), hash), `"storageNode":"` + hash.String(), ""},
		{reg, "VehicleNodeBurned", list(n(1), alice), `"burned":true`, "grant 1/"},
		{info.Vehicle, "Transfer", list(alice, bob, n(1)), `{"owner":"` + addr(bob) + `","from":1002,"block":2}]}`, "privilege 1/"},
		{info.Vehicle, "PrivilegeSet", list(n(1), n(1), n(1), app, never), `"rights":{"1":{"setAt":1002,"expires":9223372036854775807},"4":`, ""},

		{reg, "AftermarketDeviceNodeMinted", list(n(41), n(6), common.Address{0xf}, bob), `device 6 {"id":6,"manufacturer":41,"address":"` + addr(common.Address{0xf}) + `","owner":"` + addr(bob) + `","beneficiary":"` + addr(bob), ""},
		{reg, "AftermarketDeviceAttributeSet", list(n(5), "Serial", "S1"), `"attributes":{"Serial":"S1"}`, ""},
		{reg, "AftermarketDeviceClaimed", list(n(5), alice), `"claimedAt":1002`, ""},
		{reg, "AftermarketDeviceUnclaimed(uint256 indexed aftermarketDeviceNode)", list(n(5)), `device 5 `, `"claimedAt"`},
		{reg, "AftermarketDeviceUnclaimed(uint256 indexed aftermarketDeviceNode, ", list(n(5), alice), `device 5 `, `"claimedAt"`},
		{reg, "AftermarketDevicePaired", list(n(5), n(2), bob), `"pairings":[{"vehicle":1,"from":1001,"to":1002},{"vehicle":2,"from":1002}]`, ""},
		{reg, "AftermarketDeviceUnpaired", list(n(5), n(1), alice), `"pairings":[{"vehicle":1,"from":1001,"to":1002}]`, `"mintedAt":1001,"device":5`},
		{reg, "AftermarketDeviceAddressReset", list(n(41), n(5), common.Address{0xf0}), `device 5 {"id":5,"manufacturer":41,"address":"` + addr(common.Address{0xf0}), ""},
		{reg, "AftermarketDeviceTransferred", list(n(5), alice, bob), `"owner":"` + addr(bob) + `","beneficiary":"` + addr(bob), ""},
		{reg, "AftermarketDeviceNodeBurned", list(n(5), alice), "", "device 5 "},
		{reg, "BeneficiarySet", list(common.Address(info.AftermarketDevice), n(5), app), `"beneficiary":"` + addr(app), ""},
		{info.AftermarketDevice, "Transfer", list(alice, bob, n(5)), `"owner":"` + addr(bob) + `","beneficiary":"` + addr(bob), ""},

		{reg, "SyntheticDeviceNodeMinted", list(n(2), n(8), n(1), common.Address{0xe1}, alice), `synthetic 8 {"id":8,"connection":"2","vehicle":1,"address":"` + addr(common.Address{0xe1}), ""},
		{reg, "SyntheticDeviceAttributeSet", list(n(7), "Colour", "red"), `"attributes":{"Colour":"red"}`, ""},
		{reg, "SyntheticDeviceNodeBurned", list(n(7), n(2), bob), `"burnedAt":1002`, `"synthetic":7`},
		{info.SyntheticDevice, "Transfer", list(bob, nobody, n(7)), `"burnedAt":1002`, `"synthetic":7`},

		{info.Grants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, uint256", list(vehicles, n(1), n(0x3ffc), bob, never, hash, "ipfs://y"),
			`grant 1/` + low(bob) + ` {"vehicle":1,"grantee":"` + addr(bob) + `","permissions":"0x3ffc","expires":9223372036854775807,"source":"ipfs://y","template":"` + hash.String(), ""},
		{info.Grants, "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, string", list(bob, n(0), n(12), app, n(9), "s"),
			`share ` + low(bob) + `//` + low(app) + ` {"vehicle":0,"asset":"` + addr(bob) + `","grantee":"` + addr(app) + `","permissions":"0xc","expires":9,"source":"s"`, ""},
		{info.Grants, "PermissionsRenounced", list(alice, n(0), app), "grant 1/", "share " + low(alice)},
		{info.Grants, "AllPermissionsRevoked", list(common.Address(info.Connections), source, n(2)), "grant 1/", "share " + low(common.Address(info.Connections))},
		{info.Grants, "AllAccountPermissionsRevoked", list(alice, n(2)), "share " + low(common.Address(info.Connections)), "share " + low(alice)},

		{info.DevLicense, "Issued", list(n(4), bob, common.Address{0xcc}), `licence 4 {"id":4,"owner":"` + addr(bob) + `","clientId":"` + addr(common.Address{0xcc}), ""},
		{info.DevLicense, "LicenseAliasSet", list(n(3), "garage"), `"alias":"garage"`, ""},
		{info.DevLicense, "SignerEnabled", list(n(3), common.Address{0x52}), addr(common.Address{0x52}) + `":1002`, ""},
		{info.DevLicense, "SignerDisabled", list(n(3), common.Address{0x51}), "licence 3", "signers"},
		{info.DevLicense, "RedirectUriEnabled", list(n(3), "https://b.example"), `"https://b.example":1002`, ""},
		{info.DevLicense, "RedirectUriDisabled", list(n(3), "https://a.example"), "licence 3", "redirectURIs"},
		{info.DevLicense, "Transfer", list(alice, nobody, n(3)), `"revoked":true`, ""},

		{info.Templates, "TemplateCreated", list(n(8), bob, nobody, n(12), "bafz"), `template 8 {"id":"8","creator":"` + addr(bob), ""},
		{info.Templates, "TemplateDeactivated", list(hash), `"active":false`, `"active":true`},
		{info.Templates, "Transfer", list(alice, bob, hash), `"owner":"` + addr(bob) + `","asset"`, ""},

		{info.Connections, "ConnectionMinted", list(bob, n(77), common.Address{0x7f}, "Other", kind32, n(0)), `connection 77 {"id":"77","name":"Other","address":"` + addr(common.Address{0x7f}) + `","owner":"` + addr(bob) + `","mintedAt":1002}`, ""},
		{info.Connections, "ConnectionUpgraded", list(source, common.Address{0x70}, kind32, n(1)), `"name":"Tesla","address":"` + addr(common.Address{0x70}), ""},
		{info.Connections, "Transfer", list(alice, bob, source), `"name":"Tesla","address":"` + addr(common.Address{0x7e}) + `","owner":"` + addr(bob), "share " + low(common.Address(info.Connections))},
		{reg, "IntegrationNodeMinted", list(n(3), bob), `connection 3 {"id":"3","name":"","address":"` + addr(nobody) + `","owner":"` + addr(bob) + `","mintedAt":1002,"integration":true}`, ""},
		{reg, "IntegrationAttributeSet", list(n(2), "Name", "Smartcar"), `connection 2 {"id":"2","name":"Smartcar"`, ""},

		{info.StorageNodes, "StorageNodeAnchorMinted", list(bob, n(78), common.Address{0x58}, "South", "https://south.example"), `storagenode 78 {"id":"78","label":"South","address":"` + addr(common.Address{0x58}) + `","owner":"` + addr(bob) + `","uri":"https://south.example","mintedAt":1002}`, ""},
		{info.StorageNodes, "NodeUriUpdated", list(hash, "https://n2.example"), `"uri":"https://n2.example"`, ""},
		{info.StorageNodes, "NodeAddressUpdated", list(hash, common.Address{0x59}), `"label":"North","address":"` + addr(common.Address{0x59}), ""},
		{info.StorageNodes, "Transfer", list(alice, bob, hash), `"owner":"` + addr(bob) + `","uri"`, ""},

		{info.Staking, "Staked", list(bob, n(6), common.Address{0xbe}, uint8(2), n(4000), n(9999), n(3000)), `stake 6 {"id":6,"owner":"` + addr(bob) + `","level":2,"points":"3000","amount":"4000","stakedAt":1002,"endsAt":9999}`, ""},
		{info.Staking, "StakingExtended", list(alice, n(4), n(12000), n(1100)), `"level":1,"points":"1100","amount":"500","stakedAt":1001,"endsAt":12000`, ""},
		{info.Staking, "Withdrawn", list(alice, n(4), n(500), n(1000)), `"withdrawnAt":1002`, ""},
		{info.Staking, "VehicleAttached", list(alice, n(4), n(2)), `"endsAt":9000,"vehicle":2}`, `"endsAt":9000,"vehicle":1`},
		{info.Staking, "VehicleDetached", list(alice, n(4), n(1)), `"endsAt":9000}`, ""},
		{info.Staking, "Transfer", list(alice, bob, n(4)), `stake 4 {"id":4,"owner":"` + addr(bob), ""},

		{info.Names, "NewNode", list([32]byte{2}, bob), `name 0x02` + strings.Repeat("00", 31) + ` {"node":"0x02`, ""},
		{info.Names, "NewExpiration", list(knot, n(8888)), `name ` + name + ` {"node":"` + name + `","owner":"` + addr(alice) + `","text":"mine.dimo","mintedAt":1001,"expires":8888}`, ""},
		{info.Names, "Transfer", list(alice, bob, new(big.Int).SetBytes(knot[:])), `"node":"` + name + `","owner":"` + addr(bob), ""},
		{info.Resolver, "NameChanged", list(knot, "yours.dimo"), `"text":"yours.dimo"`, ""},
		{info.Resolver, "VehicleIdChanged", list(knot, n(1)), `"text":"mine.dimo","vehicle":1`, ""},

		{info.Reward, "TokensTransferredForDevice", list(n(12), alice, n(700), n(1), common.Address(info.AftermarketDevice), n(5)), `earning 12/1/` + low(alice) + ` {"week":12,"vehicle":1,"user":"` + addr(alice) + `","device":5,"deviceTokens":"700","sentAt":1002}`, ""},
		{info.Reward, "TokensTransferredForConnectionStreak(uint256 indexed", list(n(12), alice, n(300), n(1), n(21)), `"streak":21,"streakTokens":"300"`, ""},
		{info.Reward, "TokensTransferredForConnectionStreak(uint256 week", list(n(12), alice, n(300), n(1), n(21)), `"streak":21,"streakTokens":"300"`, ""},
	}
}

// said is a registry's dump after blocks of logs.
func saidAfter(t testing.TB, blocks ...[]types.Log) string {
	t.Helper()
	c := newFakeChain()
	f := follow(t, c)
	for _, logs := range blocks {
		c.grow(0, logs...)
	}
	f.step(t)
	text, err := f.Dump()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// stage is a chain that begins with a network and of which all else is cut off again.
type stage struct {
	fixture
	c *fakeChain
}

// said is what the registry says after one more block.
func (s stage) said(t *testing.T, logs ...types.Log) string {
	t.Helper()
	s.c.grow(byte(len(s.c.all)), logs...)
	for range 2 { // longer than the branch that it takes the place of
		s.c.grow(byte(len(s.c.all)))
	}
	s.step(t)
	text, err := s.Dump()
	if err != nil {
		t.Fatal(err)
	}
	s.c.cut(1)
	return text
}

// Every row of the table does what it says, also when it is told twice, and is
// undone when a fork takes it back.
func TestEveryEventDoesWhatItSays(t *testing.T) {
	seen := map[string]bool{}
	c := newFakeChain()
	s := stage{follow(t, c), c}
	c.grow(0, beginning(t)...)
	before := s.said(t)
	for _, k := range cases() {
		e := rowOf(t, k.at, k.begins)
		seen[contractNames[k.at]+" "+e.signature] = true
		l := emit(t, k.at, e.signature, k.values...)
		after := s.said(t, l)
		if !strings.Contains(after, k.want) {
			t.Errorf("%s: want %s in\n%s", k.begins, k.want, after)
		}
		if k.gone != "" && strings.Contains(after, k.gone) {
			t.Errorf("%s: want no %s in\n%s", k.begins, k.gone, after)
		}
		if got := s.said(t); got != before {
			t.Errorf("%s: after a fork took it back:\n%s\nwant\n%s", k.begins, got, before)
		}
		if got := s.said(t, l, l); got != after {
			t.Errorf("%s: told twice:\n%s\nwant\n%s", k.begins, got, after)
		}
	}
	for _, e := range table(info) {
		if !seen[contractNames[e.contract(info)]+" "+e.signature] {
			t.Errorf("%s has no case", e.signature)
		}
	}
}

// Where the reading begins in the middle of the chain, any event may be the first
// that is heard of something.
func TestAnyEventMayBeTheFirst(t *testing.T) {
	c := newFakeChain()
	s := stage{follow(t, c), c}
	c.grow(0)
	for _, k := range cases() {
		text := s.said(t, emit(t, k.at, rowOf(t, k.at, k.begins).signature, k.values...))
		for line := range strings.Lines(text) {
			if _, body, ok := strings.Cut(line, "{"); !ok || !json.Valid([]byte("{"+body)) {
				t.Errorf("%s: %s", k.begins, line)
			}
		}
		if (k.at == info.Vehicle || strings.HasPrefix(k.begins, "Vehicle")) && k.at != info.Staking && !strings.Contains(text, `vehicle `) && !strings.Contains(k.begins, "IdChanged") {
			t.Errorf("%s: the vehicle is not there:\n%s", k.begins, text)
		}
	}
}

// Within a transaction the mint of a token may be told before or after what else
// is said about it.
func TestTheOrderWithinATransactionDoesNotMatter(t *testing.T) {
	for _, logs := range [][]types.Log{{
		emit(t, info.Vehicle, transfer, nobody, alice, n(1)),
		logOf(t, info.Registry, "VehicleNodeMintedWith", n(41), n(1), alice, "ford_fiesta_2020"),
		logOf(t, info.Registry, "VehicleAttributeSet", n(1), "Make", "Ford"),
		logOf(t, info.Registry, "VehicleStorageNodeIdSet", n(1), hash),
		logOf(t, info.Grants, "PermissionsSet", common.Address(info.Vehicle), n(1), n(12), app, never, n(0), "ipfs://x"),
		emit(t, info.SyntheticDevice, transfer, nobody, alice, n(7)),
		logOf(t, info.Registry, "SyntheticDeviceNodeMinted", source, n(7), n(1), common.Address{0xe}, alice),
	}, {
		emit(t, info.AftermarketDevice, transfer, nobody, alice, n(5)),
		logOf(t, info.Registry, "AftermarketDeviceNodeMinted", n(41), n(5), common.Address{0xd}, alice),
		logOf(t, info.Registry, "AftermarketDeviceAttributeSet", n(5), "Serial", "S1"),
		logOf(t, info.Registry, "AftermarketDevicePaired", n(5), n(2), alice),
	}, {
		logOf(t, info.Names, "NewNode", knot, alice),
		logOf(t, info.Names, "NewExpiration", knot, n(8888)),
		logOf(t, info.Resolver, "NameChanged", knot, "mine.dimo"),
		logOf(t, info.Resolver, "VehicleIdChanged", knot, n(1)),
	}, {
		logOf(t, info.Reward, "TokensTransferredForDevice", n(12), alice, n(700), n(1), common.Address(info.AftermarketDevice), n(5)),
		logOf(t, info.Reward, "TokensTransferredForDevice", n(12), alice, n(70), n(1), common.Address(info.SyntheticDevice), n(7)),
		logOf(t, info.Reward, "TokensTransferredForConnectionStreak", n(12), alice, n(7), n(1), n(4)),
	}, {
		emit(t, info.StorageNodes, transfer, nobody, alice, hash),
		logOf(t, info.StorageNodes, "StorageNodeAnchorMinted", alice, hash, common.Address{0x57}, "North", "https://north.example"),
	}} {
		want := saidAfter(t, logs)
		rnd := rand.New(rand.NewPCG(uint64(len(logs)), 9))
		for range 12 {
			mixed := slices.Clone(logs)
			rnd.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
			if got := saidAfter(t, mixed); got != want {
				t.Errorf("in another order:\n%s\nwant\n%s", got, want)
				break
			}
		}
	}
}

// A vehicle that was minted before the first block that was read is there as far
// as it is known, and nobody is let in to what is not known to be theirs.
func TestWhereTheReadingBeginsInTheMiddle(t *testing.T) {
	for name, c := range map[string]struct {
		l      types.Log
		owners string
	}{
		"an attribute": {logOf(t, info.Registry, "VehicleAttributeSet", n(1), "Make", "Ford"), "0 0"},
		"a grant":      {logOf(t, info.Grants, "PermissionsSet", common.Address(info.Vehicle), n(1), n(12), app, never, n(0), ""), "0 0"},
		"a sale":       {emit(t, info.Vehicle, transfer, alice, bob, n(1)), "0 0 b"},
		"a connection": {logOf(t, info.Registry, "SyntheticDeviceNodeMinted", source, n(7), n(1), common.Address{0xe}, alice), "0 a"},
		"a pairing":    {logOf(t, info.Registry, "AftermarketDevicePaired", n(5), n(1), bob), "0 0"},
	} {
		chain := newFakeChain()
		f := follow(t, chain)
		chain.grow(0, c.l)
		f.step(t)
		v, ok := f.Vehicle(1)
		var owners []string
		for _, o := range v.Owners {
			owners = append(owners, fmt.Sprintf("%x", o.Owner[0]))
		}
		if !ok || strings.Join(owners, " ") != c.owners {
			t.Errorf("%s: owners %v, want %s", name, owners, c.owners)
		}
		listed := 0
		for range f.VehicleList(registry.VehicleFilter{}).Down(nil) {
			listed++
		}
		if listed != 1 {
			t.Errorf("%s: %d vehicles are listed", name, listed)
		}
	}
}

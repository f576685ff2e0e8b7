package follow

import (
	"log/slog"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/registry"
)

var info = registry.ChainInfo{
	ID: 7, Registry: sayso.Address{1}, Vehicle: sayso.Address{2}, Manufacturer: sayso.Address{3},
	AftermarketDevice: sayso.Address{4}, Grants: sayso.Address{5}, DevLicense: sayso.Address{6}, Templates: sayso.Address{7},
	SyntheticDevice: sayso.Address{0xe1}, Connections: sayso.Address{0xe2}, StorageNodes: sayso.Address{0xe3}, Staking: sayso.Address{0xe4},
	Names: sayso.Address{0xe5}, Resolver: sayso.Address{0xe6}, Reward: sayso.Address{0xe7},
}

// emit encodes an event as a contract would.
func emit(t testing.TB, at sayso.Address, signature string, values ...any) types.Log {
	t.Helper()
	d, topic, err := parseSignature(signature)
	if err != nil {
		t.Fatal(err)
	}
	l := types.Log{Address: common.Address(at), Topics: []common.Hash{topic}}
	var data []any
	for i, part := range strings.Split(signature, ",") {
		if !strings.Contains(part, " indexed ") {
			data = append(data, values[i])
			continue
		}
		topics, err := abi.MakeTopics([]any{values[i]})
		if err != nil {
			t.Fatal(err)
		}
		l.Topics = append(l.Topics, topics[0][0])
	}
	if l.Data, err = d.inData.Pack(data...); err != nil {
		t.Fatal(err)
	}
	return l
}

func n(v uint64) *big.Int { return new(big.Int).SetUint64(v) }

const (
	minted      = "VehicleNodeMintedWithDeviceDefinition(uint256 indexed manufacturerId, uint256 indexed vehicleId, address indexed owner, string deviceDefinitionId)"
	attribute   = "VehicleAttributeSet(uint256 tokenId, string attribute, string info)"
	permissions = "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, uint256 templateId, string source)"
	oldGrant    = "PermissionsSet(address indexed asset, uint256 indexed tokenId, uint256 permissions, address indexed grantee, uint256 expiration, string source)"
	deviceMint  = "AftermarketDeviceNodeMinted(uint256 indexed manufacturerId, uint256 tokenId, address indexed aftermarketDeviceAddress, address indexed owner)"
	paired      = "AftermarketDevicePaired(uint256 aftermarketDeviceNode, uint256 vehicleNode, address indexed owner)"
	unpaired    = "AftermarketDeviceUnpaired(uint256 aftermarketDeviceNode, uint256 vehicleNode, address indexed owner)"
)

type fixture struct {
	*Follower
	*registry.Registry
	wall *clock.Manual
}

// follow opens a registry with a follower of a chain; setups change the
// configuration before.
func follow(t testing.TB, c Chain, setups ...func(*registry.Config, *Config)) fixture {
	t.Helper()
	of := registry.Config{Path: filepath.Join(t.TempDir(), "r"), Chain: info}
	cfg := Config{Chain: c, Start: 1, Every: time.Second, Log: slog.New(slog.DiscardHandler)}
	for _, setup := range setups {
		setup(&of, &cfg)
	}
	r, err := registry.Open(of)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	wall := clock.NewManual(time.Unix(5000, 0))
	cfg.Registry = r
	if cfg.Clock, err = r.Clock(wall); err != nil {
		t.Fatal(err)
	}
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return fixture{f, r, wall}
}

func (f fixture) step(t testing.TB) {
	t.Helper()
	if err := f.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAVehicleIsFollowedThroughItsLife(t *testing.T) {
	alice, bob, app := common.Address{0xa}, common.Address{0xb}, common.Address{0xc}
	vehicles := common.Address(info.Vehicle)
	c := newFakeChain()
	f := follow(t, c)
	c.grow(0,
		emit(t, info.Vehicle, transfer, common.Address{}, alice, n(1)),
		emit(t, info.Registry, minted, n(41), n(1), alice, "ford_fiesta_2020"),
		emit(t, info.Registry, attribute, n(1), "Make", "Ford"),
		emit(t, info.Registry, deviceMint, n(41), n(5), common.Address{0xd}, alice),
		emit(t, info.Registry, paired, n(5), n(1), alice))
	c.grow(0, emit(t, info.Grants, permissions, vehicles, n(1), big.NewInt(0x3ffc), app, new(big.Int).Lsh(n(1), 255), n(0), "ipfs://x"))
	f.step(t)

	v, _ := f.Vehicle(1)
	if v.Owner() != sayso.Address(alice) || v.Attributes["Make"] != "Ford" || v.Device != 5 || v.Definition != "ford_fiesta_2020" {
		t.Errorf("vehicle: %+v", v)
	}
	g, ok := f.Grant(1, sayso.Address(app))
	if !ok || g.Expires != registry.Forever || !g.Set().Has(sayso.VINCredential) || g.Set().Has(sayso.RawData) {
		t.Errorf("grant: %+v", g)
	}

	c.grow(0, emit(t, info.Registry, unpaired, n(5), n(1), alice), emit(t, info.Vehicle, transfer, alice, bob, n(1)))
	f.step(t)
	if v, _ = f.Vehicle(1); v.Owner() != sayso.Address(bob) || v.Epoch() != 2 || v.Device != 0 {
		t.Errorf("after the sale: %+v", v)
	}
	if _, ok := f.Grant(1, sayso.Address(app)); ok {
		t.Error("a grant of the seller outlived the sale")
	}
	if d, _ := f.Device(5); len(d.Pairings) != 1 || d.Pairings[0].To == 0 {
		t.Errorf("device: %+v", d)
	}
	c.grow(0, emit(t, info.Grants, oldGrant, vehicles, n(1), big.NewInt(0xc), app, n(9), "doc"))
	c.grow(0, emit(t, info.Grants, permissions, vehicles, n(1), n(0), app, n(0), n(0), ""))
	f.step(t)
	if _, ok := f.Grant(1, sayso.Address(app)); ok {
		t.Error("a revoked grant is there")
	}
}

func TestOddEventsDoNotStopTheIndex(t *testing.T) {
	huge := new(big.Int).Lsh(n(1), 200)
	c := newFakeChain()
	f := follow(t, c)
	short := emit(t, info.Registry, attribute, n(1), "Make", "x")
	short.Data = short.Data[:40]
	c.grow(0,
		emit(t, info.Registry, attribute, huge, "Make", "of no vehicle"),
		emit(t, info.Registry, attribute, n(0), "Make", "of no vehicle"),
		emit(t, info.Registry, minted, n(1), huge, common.Address{1}, "huge"),
		emit(t, info.Grants, permissions, common.Address{0xee}, n(1), n(12), common.Address{1}, n(9), n(0), "other asset"),
		types.Log{Address: common.Address(info.Registry)}, short,
		emit(t, info.Registry, minted, n(1), n(3), common.Address{1}, "good"))
	f.step(t)
	if v, ok := f.Vehicle(3); !ok || v.Definition != "good" {
		t.Error("the good event after the odd ones is missing")
	}
	if text, _ := f.Dump(); strings.Count(text, "\n") != 1 {
		t.Errorf("odd events left facts:\n%s", text)
	}
}

func TestALaggingHeadDoesNotBringARevokedGrantBack(t *testing.T) {
	app := common.Address{0xc}
	c := newFakeChain()
	f := follow(t, c)
	c.grow(0, emit(t, info.Registry, minted, n(1), n(1), common.Address{1}, "d"),
		emit(t, info.Grants, permissions, common.Address(info.Vehicle), n(1), n(12), app, n(1e12), n(0), ""))
	c.grow(0, emit(t, info.Grants, permissions, common.Address(info.Vehicle), n(1), n(0), app, n(0), n(0), ""))
	f.step(t)
	c.cut(1)
	if err := f.Step(t.Context()); err == nil {
		t.Error("a head that went back was taken for progress")
	}
	if _, ok := f.Grant(1, sayso.Address(app)); ok {
		t.Error("the revoked grant is back")
	}
}

package identity

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/internal/clock"
	"sayso/node/ask/graphql"
	"sayso/owner/registry"
	evm "sayso/protocol/chain"
	"sayso/protocol/follow"
)

// logs is a chain of blocks with the logs that a network's contracts emit, a
// block each minute from a fixed time on.
type logs [][]types.Log

const began = 1_700_000_000

func (l logs) block(n uint64) evm.Block {
	b := evm.Block{Number: n, Hash: common.BigToHash(big.NewInt(int64(n) + 1)), Time: began + 60*n}
	if n > 0 {
		b.Parent = common.BigToHash(big.NewInt(int64(n)))
	}
	for i := range b.Bloom { // tells nothing, so everything is read
		b.Bloom[i] = 0xff
	}
	return b
}

func (l logs) ChainID(context.Context) (*big.Int, error) { return big.NewInt(137), nil }
func (l logs) Head(context.Context) (evm.Block, error)   { return l.block(uint64(len(l))), nil }
func (l logs) HeaderByNumber(_ context.Context, n uint64) (evm.Block, error) {
	return l.block(n), nil
}

func (l logs) Headers(_ context.Context, first, last uint64) (out []evm.Block, _ error) {
	for n := first; n <= last; n++ {
		out = append(out, l.block(n))
	}
	return out, nil
}

func (l logs) BlockLogs(_ context.Context, blocks []evm.Block) (out [][]types.Log, _ error) {
	for _, b := range blocks {
		out = append(out, l[b.Number-1])
	}
	return out, nil
}

func (l logs) Logs(context.Context, ethereum.FilterQuery) ([]types.Log, error) { return nil, nil }
func (l logs) HasCode(context.Context, common.Address, uint64) (bool, error)   { return true, nil }

// encoded is an event as a contract emits it: `Name(type [indexed], …)`.
func encoded(t testing.TB, at sayso.Address, signature string, values ...any) types.Log {
	t.Helper()
	name, list, _ := strings.Cut(strings.TrimSuffix(signature, ")"), "(")
	l := types.Log{Address: common.Address(at), Topics: []common.Hash{{}}}
	var kinds []string
	var inData abi.Arguments
	var data []any
	for i, part := range strings.Split(list, ",") {
		kind, indexed := strings.CutSuffix(strings.TrimSpace(part), " indexed")
		kinds = append(kinds, kind)
		typed, err := abi.NewType(kind, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if !indexed {
			inData, data = append(inData, abi.Argument{Type: typed}), append(data, values[i])
			continue
		}
		topics, err := abi.MakeTopics([]any{values[i]})
		if err != nil {
			t.Fatal(err)
		}
		l.Topics = append(l.Topics, topics[0][0])
	}
	l.Topics[0] = crypto.Keccak256Hash([]byte(name + "(" + strings.Join(kinds, ",") + ")"))
	var err error
	if l.Data, err = inData.Pack(data...); err != nil {
		t.Fatal(err)
	}
	return l
}

func n(v int64) *big.Int                    { return big.NewInt(v) }
func eoa(b byte) common.Address             { return common.Address(account(b)) }
func tokens(whole int64) *big.Int           { return new(big.Int).Mul(n(whole), n(1e18)) }
func left(s string) *big.Int                { return new(big.Int).SetBytes(common.RightPadBytes([]byte(s), 32)) }
func keccak(s string) *big.Int              { return new(big.Int).SetBytes(crypto.Keccak256([]byte(s))) }
func stamp(block int) string                { return time.Unix(began+60*int64(block), 0).UTC().Format(time.RFC3339) }
func didOf(at sayso.Address, id any) string { return fmt.Sprintf("did:erc721:137:%s:%v", at, id) }

var knot = [32]byte{0: 7, 31: 255}

// polygon is the network whose logs are read.
func polygon(t testing.TB) registry.ChainInfo {
	known, err := follow.NetworkNamed("polygon")
	if err != nil {
		t.Fatal(err)
	}
	return known.Chain
}

// street are the logs of a small network, block by block.
func street(t testing.TB) logs {
	c := polygon(t)
	on := func(at sayso.Address, signature string, values ...any) types.Log {
		return encoded(t, at, signature, values...)
	}
	const transfer = "Transfer(address indexed,address indexed,uint256 indexed)"
	const granted = "PermissionsSet(address indexed,uint256 indexed,uint256,address indexed,uint256,uint256,string)"
	later, never := n(began+1e8), new(big.Int).Sub(new(big.Int).Lsh(n(1), 256), n(1))
	return logs{
		{ // 1: makers, sources, storage nodes
			on(c.Registry, "ManufacturerNodeMinted(string,uint256,address indexed)", "Ford", n(41), eoa(50)),
			on(c.Registry, "ManufacturerNodeMinted(string,uint256,address indexed)", "Ruptela", n(42), eoa(51)),
			on(c.Registry, "ManufacturerTableSet(uint256 indexed,uint256 indexed)", n(42), n(9)),
			on(c.Registry, "DeviceDefinitionInserted(uint256 indexed,string,string,uint256)", n(9), "ruptela_trace_2020", "Trace", n(2020)),
			on(c.Registry, "DeviceDefinitionInserted(uint256 indexed,string,string,uint256)", n(9), "ruptela_eco_2021", "Eco", n(2021)),
			on(c.Connections, "ConnectionMinted(address indexed,uint256 indexed,address indexed,string,bytes32,uint256)", eoa(52), left("Tesla"), eoa(53), "Tesla", [32]byte{1}, n(5)),
			on(c.StorageNodes, "StorageNodeAnchorMinted(address indexed,uint256 indexed,address indexed,string,string)", eoa(54), keccak("DIMO-Storage-Node-Default"), eoa(55), "DIMO-Storage-Node-Default", "https://default.example"),
			on(c.StorageNodes, "StorageNodeAnchorMinted(address indexed,uint256 indexed,address indexed,string,string)", eoa(56), keccak("north"), eoa(57), "north", "https://north.example"),
		},
		{ // 2: vehicles and devices
			on(c.Vehicle, transfer, common.Address{}, eoa(1), n(1)),
			on(c.Registry, "VehicleNodeMintedWithDeviceDefinition(uint256 indexed,uint256 indexed,address indexed,string)", n(41), n(1), eoa(1), "ford_focus_2019"),
			on(c.Registry, "VehicleAttributeSet(uint256,string,string)", n(1), "Make", "Ford"),
			on(c.Registry, "VehicleAttributeSet(uint256,string,string)", n(1), "Year", "MMXIX"),
			on(c.Registry, "VehicleNodeMinted(uint256,uint256,address)", n(41), n(2), eoa(2)),
			on(c.Registry, "AftermarketDeviceNodeMinted(uint256 indexed,uint256,address indexed,address indexed)", n(42), n(5), eoa(60), eoa(51)),
			on(c.Registry, "AftermarketDeviceAttributeSet(uint256,string,string)", n(5), "Serial", "S-5"),
			on(c.AftermarketDevice, transfer, eoa(51), eoa(1), n(5)),
			on(c.Registry, "AftermarketDeviceClaimed(uint256,address indexed)", n(5), eoa(1)),
			on(c.Registry, "AftermarketDevicePaired(uint256,uint256,address indexed)", n(5), n(1), eoa(1)),
			on(c.Registry, "BeneficiarySet(address indexed,uint256 indexed,address indexed)", common.Address(c.AftermarketDevice), n(5), eoa(3)),
			on(c.Registry, "SyntheticDeviceNodeMinted(uint256,uint256,uint256 indexed,address indexed,address indexed)", left("Tesla"), n(7), n(1), eoa(61), eoa(1)),
			on(c.Registry, "SyntheticDeviceNodeMinted(uint256,uint256,uint256 indexed,address indexed,address indexed)", n(2), n(8), n(2), eoa(62), eoa(2)),
			on(c.Registry, "VehicleStorageNodeIdSet(uint256 indexed,uint256 indexed)", n(2), keccak("north")),
		},
		{ // 3: who may what
			on(c.Grants, "PermissionsSet(address indexed,uint256 indexed,uint256,address indexed,uint256,string)", common.Address(c.Vehicle), n(1), n(0xc), eoa(9), never, "ipfs://old"),
			on(c.Templates, "TemplateCreated(uint256 indexed,address indexed,address indexed,uint256,string)", keccak("bafk"), eoa(70), common.Address(c.Vehicle), n(0xcc), "bafk"),
			on(c.Grants, granted, common.Address(c.Vehicle), n(2), n(0xcc), eoa(9), later, keccak("bafk"), "ipfs://new"),
			on(c.Grants, granted, eoa(1), n(0), n(0x3ffc), eoa(8), later, n(0), "ipfs://account"),
			on(c.Grants, granted, common.Address(c.Connections), left("Tesla"), n(0xc), eoa(7), later, n(0), ""),
			on(c.Vehicle, "PrivilegeSet(uint256 indexed,uint256,uint256 indexed,address indexed,uint256)", n(1), n(1), n(4), eoa(6), later),
			on(c.Vehicle, "PrivilegeSet(uint256 indexed,uint256,uint256 indexed,address indexed,uint256)", n(1), n(1), n(1), eoa(6), later),
			on(c.Vehicle, "PrivilegeSet(uint256 indexed,uint256,uint256 indexed,address indexed,uint256)", n(1), n(1), n(2), eoa(6), n(began)),
			on(c.DevLicense, "Issued(uint256 indexed,address indexed,address indexed)", n(3), eoa(1), eoa(20)),
			on(c.DevLicense, "LicenseAliasSet(uint256 indexed,string)", n(3), "garage"),
			on(c.DevLicense, "SignerEnabled(uint256 indexed,address indexed)", n(3), eoa(21)),
			on(c.DevLicense, "RedirectUriEnabled(uint256 indexed,string)", n(3), "https://garage.example"),
		},
		{ // 4: names and money
			on(c.Staking, "Staked(address indexed,uint256 indexed,address indexed,uint8,uint256,uint256,uint256)", eoa(1), n(4), eoa(80), uint8(2), tokens(1500), later, n(2000)),
			on(c.Staking, "VehicleAttached(address indexed,uint256 indexed,uint256 indexed)", eoa(1), n(4), n(1)),
			on(c.Staking, "Staked(address indexed,uint256 indexed,address indexed,uint8,uint256,uint256,uint256)", eoa(1), n(5), eoa(80), uint8(0), new(big.Int).Div(tokens(1), n(4)), later, n(1000)),
			on(c.Staking, "Withdrawn(address indexed,uint256 indexed,uint256,uint256)", eoa(1), n(5), n(1), n(1)),
			on(c.Staking, "Staked(address indexed,uint256 indexed,address indexed,uint8,uint256,uint256,uint256)", eoa(2), n(6), eoa(80), uint8(0), tokens(500), later, n(1000)),
			on(c.Names, "NewNode(bytes32 indexed,address indexed)", knot, eoa(1)),
			on(c.Names, "NewExpiration(bytes32 indexed,uint256)", knot, later),
			on(c.Resolver, "NameChanged(bytes32 indexed,string)", knot, "mine.dimo"),
			on(c.Resolver, "VehicleIdChanged(bytes32 indexed,uint256 indexed)", knot, n(1)),
			on(c.Reward, "TokensTransferredForDevice(uint256,address indexed,uint256,uint256 indexed,address,uint256 indexed)", n(11), eoa(3), tokens(2), n(1), common.Address(c.AftermarketDevice), n(5)),
			on(c.Reward, "TokensTransferredForDevice(uint256,address indexed,uint256,uint256 indexed,address,uint256 indexed)", n(12), eoa(3), tokens(3), n(1), common.Address(c.AftermarketDevice), n(5)),
			on(c.Reward, "TokensTransferredForDevice(uint256,address indexed,uint256,uint256 indexed,address,uint256 indexed)", n(12), eoa(1), n(1.5e17), n(1), common.Address(c.SyntheticDevice), n(7)),
			on(c.Reward, "TokensTransferredForConnectionStreak(uint256,address indexed,uint256,uint256 indexed,uint256)", n(12), eoa(1), n(1.25e18), n(1), n(21)),
			on(c.Reward, "TokensTransferredForConnectionStreak(uint256 indexed,address indexed,uint256,uint256 indexed,uint256)", n(12), eoa(2), n(4e15), n(2), n(4)),
		},
	}
}

// indexed is the server of a registry that was folded from logs.
func indexed(t testing.TB, l logs) (*graphql.Server, *registry.Registry) {
	t.Helper()
	r, err := registry.Open(registry.Config{Path: filepath.Join(t.TempDir(), "r"), Chain: polygon(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	wall := clock.NewManual(time.Unix(began+3600, 0))
	at, err := r.Clock(wall)
	if err != nil {
		t.Fatal(err)
	}
	f, err := follow.New(follow.Config{Chain: l, Registry: r, Clock: at, Start: 1, Every: time.Second, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = f.Step(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Registry: r, Clock: at, BaseURL: "http://node"})
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// What the contracts of the live network emit is what the answers say.
func TestAnswersFromTheLogsOfTheNetwork(t *testing.T) {
	s, _ := indexed(t, street(t))
	c := polygon(t)
	tesla, north, def := left("Tesla").String(), keccak("north").String(), keccak("DIMO-Storage-Node-Default").String()
	name := new(big.Int).SetBytes(knot[:]).String()
	const later = "2027-01-15T08:00:00Z"
	for _, q := range []struct{ query, want string }{
		{`{vehicle(tokenId:1){owner mintedAt manufacturer{name} definition{id make model year} aftermarketDevice{tokenId} syntheticDevice{tokenId} dcn{name} stake{tokenId} storageNode{label}}}`,
			`{"vehicle":{"owner":"` + hex(1) + `","mintedAt":"` + stamp(2) + `","manufacturer":{"name":"Ford"},"definition":{"id":"ford_focus_2019","make":"Ford","model":null,"year":null},"aftermarketDevice":{"tokenId":5},"syntheticDevice":{"tokenId":7},"dcn":{"name":"mine.dimo"},"stake":{"tokenId":4},"storageNode":{"label":"DIMO-Storage-Node-Default"}}}`},
		{`{vehicle(tokenId:2){dcn{name} stake{tokenId} aftermarketDevice{tokenId} storageNode{label address owner tokenId uri tokenDID mintedAt} privileges(first:9){totalCount}}}`,
			`{"vehicle":{"dcn":null,"stake":null,"aftermarketDevice":null,"storageNode":{"label":"north","address":"` + hex(57) + `","owner":"` + hex(56) + `","tokenId":"` + north + `","uri":"https://north.example","tokenDID":"` + didOf(c.StorageNodes, north) + `","mintedAt":"` + stamp(1) + `"},"privileges":{"totalCount":0}}}`},
		{`{syntheticDevice(by:{tokenId:7}){id name tokenId tokenDID integrationId address mintedAt vehicle{tokenId} connection{name address owner tokenId tokenDID mintedAt sacds(first:5){totalCount nodes{grantee permissions}}}}}`,
			`{"syntheticDevice":{"id":"S_kQc=","name":"synthetic device 7","tokenId":7,"tokenDID":"` + didOf(c.SyntheticDevice, 7) + `","integrationId":0,"address":"` + hex(61) + `","mintedAt":"` + stamp(2) + `","vehicle":{"tokenId":1},"connection":{"name":"Tesla","address":"` + hex(53) + `","owner":"` + hex(52) + `","tokenId":"` + tesla + `","tokenDID":"` + didOf(c.Connections, tesla) + `","mintedAt":"` + stamp(1) + `","sacds":{"totalCount":1,"nodes":[{"grantee":"` + hex(7) + `","permissions":"0xc"}]}}}}`},
		{`{a:syntheticDevice(by:{address:"` + hex(62) + `"}){tokenId integrationId connection{name tokenId address}} b:syntheticDevice(by:{tokenDID:"` + didOf(c.SyntheticDevice, 8) + `"}){tokenId} c:syntheticDevices(first:9){totalCount nodes{tokenId}} d:syntheticDevices(first:9,filterBy:{owner:"` + hex(1) + `"}){nodes{tokenId}} e:syntheticDevices(last:9,filterBy:{integrationId:2}){nodes{tokenId}} f:syntheticDevices(first:9,filterBy:{integrationId:2,owner:"` + hex(1) + `"}){totalCount nodes{tokenId}}}`,
			`{"a":{"tokenId":8,"integrationId":2,"connection":{"name":"integration 2","tokenId":"2","address":"` + sayso.Address{}.String() + `"}},"b":{"tokenId":8},"c":{"totalCount":2,"nodes":[{"tokenId":8},{"tokenId":7}]},"d":{"nodes":[{"tokenId":7}]},"e":{"nodes":[{"tokenId":8}]},"f":{"totalCount":0,"nodes":[]}}`},
		{`{a:vehicles(first:9,filterBy:{connection:"` + hex(53) + `"}){nodes{tokenId}} b:vehicles(first:9,filterBy:{connection:"` + hex(99) + `"}){totalCount} c:vehicles(first:9,filterBy:{privileged:"` + hex(6) + `"}){nodes{tokenId}} d:vehicles(first:9,filterBy:{privileged:"` + hex(9) + `"}){nodes{tokenId}} e:vehicles(first:9,filterBy:{privileged:"` + hex(8) + `"}){totalCount}}`,
			`{"a":{"nodes":[{"tokenId":1}]},"b":{"totalCount":0},"c":{"nodes":[{"tokenId":1}]},"d":{"nodes":[{"tokenId":2},{"tokenId":1}]},"e":{"totalCount":0}}`},
		{`{vehicle(tokenId:1){sacds(first:5){nodes{grantee permissions source expiresAt template{cid}}} privileges(first:5){totalCount nodes{id user setAt expiresAt}} some:privileges(last:5,filterBy:{user:"` + hex(6) + `",privilegeId:4}){nodes{id}} none:privileges(first:5,filterBy:{user:"` + hex(5) + `"}){totalCount}}}`,
			`{"vehicle":{"sacds":{"nodes":[{"grantee":"` + hex(9) + `","permissions":"0xc","source":"ipfs://old","expiresAt":"9999-12-31T23:59:59Z","template":null}]},"privileges":{"totalCount":2,"nodes":[{"id":1,"user":"` + hex(6) + `","setAt":"` + stamp(3) + `","expiresAt":"` + later + `"},{"id":4,"user":"` + hex(6) + `","setAt":"` + stamp(3) + `","expiresAt":"` + later + `"}]},"some":{"nodes":[{"id":4}]},"none":{"totalCount":0}}}`},
		{`{vehicle(tokenId:2){sacd(grantee:"` + hex(9) + `"){permissions expiresAt template{tokenId creator asset permissions cid createdAt}}}}`,
			`{"vehicle":{"sacd":{"permissions":"0xcc","expiresAt":"` + later + `","template":{"tokenId":"` + keccak("bafk").String() + `","creator":"` + hex(70) + `","asset":"` + c.Vehicle.String() + `","permissions":"0xcc","cid":"bafk","createdAt":"` + stamp(3) + `"}}}}`},
		{`{a:template(by:{cid:"bafk"}){permissions} b:template(by:{tokenId:"` + keccak("bafk").String() + `"}){cid} templates(first:3){totalCount nodes{cid} pageInfo{hasNextPage}}}`,
			`{"a":{"permissions":"0xcc"},"b":{"cid":"bafk"},"templates":{"totalCount":1,"nodes":[{"cid":"bafk"}],"pageInfo":{"hasNextPage":false}}}`},
		{`{account(by:{address:"` + hex(1) + `"}){address sacds(first:3){totalCount nodes{grantee permissions source createdAt}}} nothing:account(by:{address:"` + hex(2) + `"}){sacds(first:3){totalCount}}}`,
			`{"account":{"address":"` + hex(1) + `","sacds":{"totalCount":1,"nodes":[{"grantee":"` + hex(8) + `","permissions":"0x3ffc","source":"ipfs://account","createdAt":"` + stamp(3) + `"}]}},"nothing":{"sacds":{"totalCount":0}}}`},
		{`{a:connection(by:{name:"Tesla"}){address} b:connection(by:{address:"` + hex(53) + `"}){name} c:connection(by:{tokenId:"` + tesla + `"}){name} d:connection(by:{tokenDID:"` + didOf(c.Connections, tesla) + `"}){name} connections(first:9){totalCount nodes{name}}}`,
			`{"a":{"address":"` + hex(53) + `"},"b":{"name":"Tesla"},"c":{"name":"Tesla"},"d":{"name":"Tesla"},"connections":{"totalCount":1,"nodes":[{"name":"Tesla"}]}}`},
		{`{aftermarketDevice(by:{serial:"S-5"}){tokenId owner beneficiary claimedAt pairedAt vehicle{tokenId} manufacturer{name tableId} earnings{totalTokens history(first:1){totalCount nodes{week aftermarketDeviceTokens beneficiary}}}}}`,
			`{"aftermarketDevice":{"tokenId":5,"owner":"` + hex(1) + `","beneficiary":"` + hex(3) + `","claimedAt":"` + stamp(2) + `","pairedAt":"` + stamp(2) + `","vehicle":{"tokenId":1},"manufacturer":{"name":"Ruptela","tableId":9},"earnings":{"totalTokens":"5.00","history":{"totalCount":2,"nodes":[{"week":12,"aftermarketDeviceTokens":"3.00","beneficiary":"` + hex(3) + `"}]}}}}`},
		{`{vehicle(tokenId:1){earnings{totalTokens history(first:9){nodes{week beneficiary connectionStreak streakTokens aftermarketDevice{tokenId} aftermarketDeviceTokens syntheticDevice{tokenId} syntheticDeviceTokens vehicle{tokenId} sentAt}}}}}`,
			`{"vehicle":{"earnings":{"totalTokens":"6.40","history":{"nodes":[` +
				`{"week":12,"beneficiary":"` + hex(3) + `","connectionStreak":null,"streakTokens":"0.00","aftermarketDevice":{"tokenId":5},"aftermarketDeviceTokens":"3.00","syntheticDevice":null,"syntheticDeviceTokens":"0.00","vehicle":{"tokenId":1},"sentAt":"` + stamp(4) + `"},` +
				`{"week":12,"beneficiary":"` + hex(1) + `","connectionStreak":21,"streakTokens":"1.25","aftermarketDevice":null,"aftermarketDeviceTokens":"0.00","syntheticDevice":{"tokenId":7},"syntheticDeviceTokens":"0.15","vehicle":{"tokenId":1},"sentAt":"` + stamp(4) + `"},` +
				`{"week":11,"beneficiary":"` + hex(3) + `","connectionStreak":null,"streakTokens":"0.00","aftermarketDevice":{"tokenId":5},"aftermarketDeviceTokens":"2.00","syntheticDevice":null,"syntheticDeviceTokens":"0.00","vehicle":{"tokenId":1},"sentAt":"` + stamp(4) + `"}]}}}}`},
		{`{a:rewards(user:"` + hex(3) + `"){totalTokens history(last:1){nodes{week} pageInfo{hasPreviousPage hasNextPage}}} b:rewards(user:"` + hex(2) + `"){totalTokens} c:rewards(user:"` + hex(99) + `"){totalTokens history(first:1){totalCount}}}`,
			`{"a":{"totalTokens":"5.00","history":{"nodes":[{"week":11}],"pageInfo":{"hasPreviousPage":true,"hasNextPage":false}}},"b":{"totalTokens":"0.00"},"c":{"totalTokens":"0.00","history":{"totalCount":0}}}`},
		{`{stakes(first:9){totalCount nodes{tokenId tokenDID owner level points amount stakedAt endsAt withdrawnAt vehicle{tokenId}}} mine:stakes(first:9,filterBy:{owner:"` + hex(1) + `"}){nodes{tokenId}} free:stakes(first:9,filterBy:{attachable:true}){totalCount nodes{tokenId}} bound:stakes(last:9,filterBy:{attachable:false,owner:"` + hex(1) + `"}){nodes{tokenId}}}`,
			`{"stakes":{"totalCount":3,"nodes":[` +
				`{"tokenId":6,"tokenDID":"` + didOf(c.Staking, 6) + `","owner":"` + hex(2) + `","level":0,"points":1000,"amount":"500","stakedAt":"` + stamp(4) + `","endsAt":"` + later + `","withdrawnAt":null,"vehicle":null},` +
				`{"tokenId":5,"tokenDID":"` + didOf(c.Staking, 5) + `","owner":"` + hex(1) + `","level":0,"points":1000,"amount":"0.25","stakedAt":"` + stamp(4) + `","endsAt":"` + later + `","withdrawnAt":"` + stamp(4) + `","vehicle":null},` +
				`{"tokenId":4,"tokenDID":"` + didOf(c.Staking, 4) + `","owner":"` + hex(1) + `","level":2,"points":2000,"amount":"1500","stakedAt":"` + stamp(4) + `","endsAt":"` + later + `","withdrawnAt":null,"vehicle":{"tokenId":1}}]},` +
				`"mine":{"nodes":[{"tokenId":5},{"tokenId":4}]},"free":{"totalCount":1,"nodes":[{"tokenId":6}]},"bound":{"nodes":[{"tokenId":5},{"tokenId":4}]}}`},
		{`{dcn(by:{node:"` + registry.NameOf(knot) + `"}){id node tokenId tokenDID owner expiresAt mintedAt name vehicle{tokenId}} b:dcn(by:{name:"mine.dimo"}){id} c:dcn(by:{tokenDID:"` + didOf(c.Names, name) + `"}){name} dcns(first:9){totalCount nodes{name}} none:dcns(first:9,filterBy:{owner:"` + hex(2) + `"}){totalCount}}`,
			`{"dcn":{"id":"D_kcz/","node":"` + registry.NameOf(knot) + `","tokenId":"` + name + `","tokenDID":"` + didOf(c.Names, name) + `","owner":"` + hex(1) + `","expiresAt":"` + later + `","mintedAt":"` + stamp(4) + `","name":"mine.dimo","vehicle":{"tokenId":1}},"b":{"id":"D_kcz/"},"c":{"name":"mine.dimo"},"dcns":{"totalCount":1,"nodes":[{"name":"mine.dimo"}]},"none":{"totalCount":0}}`},
		{`{a:node(id:"D_kcz/"){__typename ...on DCN{name}} b:node(id:"S_kQc="){__typename ...on SyntheticDevice{tokenId}}}`,
			`{"a":{"__typename":"DCN","name":"mine.dimo"},"b":{"__typename":"SyntheticDevice","tokenId":7}}`},
		{`{manufacturer(by:{tokenId:42}){deviceDefinitions(first:1){totalCount nodes{deviceDefinitionId legacyId manufacturer{name} model year deviceType imageURI attributes{name}} pageInfo{hasNextPage}} last:deviceDefinitions(last:1){nodes{model}} eco:deviceDefinitions(first:9,filterBy:{model:"eco",year:2021}){nodes{deviceDefinitionId}} none:deviceDefinitions(first:9,filterBy:{year:1999}){totalCount}}}`,
			`{"manufacturer":{"deviceDefinitions":{"totalCount":2,"nodes":[{"deviceDefinitionId":"ruptela_eco_2021","legacyId":null,"manufacturer":{"name":"Ruptela"},"model":"Eco","year":2021,"deviceType":null,"imageURI":null,"attributes":[]}],"pageInfo":{"hasNextPage":true}},"last":{"nodes":[{"model":"Trace"}]},"eco":{"nodes":[{"deviceDefinitionId":"ruptela_eco_2021"}]},"none":{"totalCount":0}}}`},
		{`{a:deviceDefinition(by:{id:"ruptela_trace_2020"}){model year manufacturer{tokenId}} b:deviceDefinition(by:{id:"ford_focus_2018"}){model year manufacturer{tokenId}} manufacturer(by:{tokenId:41}){deviceDefinitions(first:1,filterBy:{model:"Focus",year:2018}){nodes{deviceDefinitionId manufacturer{name}}}}}`,
			`{"a":{"model":"Trace","year":2020,"manufacturer":{"tokenId":42}},"b":{"model":"Focus","year":2018,"manufacturer":{"tokenId":41}},"manufacturer":{"deviceDefinitions":{"nodes":[{"deviceDefinitionId":"ford_focus_2018","manufacturer":{"name":"Ford"}}]}}}`},
		{`{developerLicense(by:{alias:"garage"}){tokenId owner clientId mintedAt signers(first:9){nodes{address enabledAt}} redirectURIs(first:9){nodes{uri enabledAt}}}}`,
			`{"developerLicense":{"tokenId":3,"owner":"` + hex(1) + `","clientId":"` + hex(20) + `","mintedAt":"` + stamp(3) + `","signers":{"nodes":[{"address":"` + hex(21) + `","enabledAt":"` + stamp(3) + `"}]},"redirectURIs":{"nodes":[{"uri":"https://garage.example","enabledAt":"` + stamp(3) + `"}]}}}`},
	} {
		if got, want := post(t, s, q.query, ""), `{"data":`+q.want+`}`; got != want {
			t.Errorf("%s\ngot  %s\nwant %s", q.query, got, want)
		}
	}
	if def != defaultNode {
		t.Errorf("the default storage node is %s", def)
	}
}

// What is not there is told as the reference tells it, or better.
func TestWhatTheNetworkDoesNotHave(t *testing.T) {
	s, _ := indexed(t, street(t))
	for query, want := range map[string]string{
		`{syntheticDevice(by:{tokenId:99}){id}}`:                             `"message":"No synthetic device with token id 99."`,
		`{syntheticDevice(by:{address:"` + hex(99) + `"}){id}}`:              `"code":"NOT_FOUND"`,
		`{dcn(by:{name:"yours.dimo"}){id}}`:                                  `"message":"No DCN with name yours.dimo."`,
		`{dcn(by:{node:"0x01"}){id}}`:                                        "`node` must be 32 bytes long",
		`{dcn(by:{node:"zz"}){id}}`:                                          `not bytes`,
		`{connection(by:{name:"Other"}){name}}`:                              `"message":"No connection with name Other."`,
		`{connection(by:{}){name}}`:                                          "must specify exactly one of",
		`{connection(by:{name:"a",address:"` + hex(1) + `"}){name}}`:         "must specify exactly one of",
		`{connection(by:{tokenId:"-1"}){name}}`:                              "is not a token id",
		`{connection(by:{tokenId:"` + strings.Repeat("9", 90) + `"}){name}}`: "is not a token id",
		`{connection(by:{tokenDID:"did:ethr:137:` + hex(1) + `"}){name}}`:    "is not the DID of a token",
		`{template(by:{}){cid}}`:                                             "must specify exactly one of `tokenId` or `cid`",
		`{template(by:{tokenId:"1"}){cid}}`:                                  `"message":"No template with token id 1."`,
		`{template(by:{cid:"x"}){cid}}`:                                      `"message":"No template with cid x."`,
		`{deviceDefinition(by:{id:"ford_nothing_1800"}){model}}`:             `"message":"No device definition with id ford_nothing_1800."`,
		`{node(id:"D_kQE="){id}}`:                                            `"code":"NOT_FOUND"`,
		`{rewards(user:"zz"){totalTokens}}`:                                  "not a valid hex address",
		`{dcns(first:1,after:"AAAA"){totalCount}}`:                           "the cursor is not one of this list",
		`{rewards(user:"` + hex(1) + `"){history(first:1,after:"ktb/AAAAAcQUqwAAAAAAAAAAAAAAAAAAAAAAAAk="){totalCount}}}`: "the cursor is not one of this list",
	} {
		if got := post(t, s, query, ""); !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", query, got, want)
		}
	}
}

// A vehicle that was minted before the first block that was read is answered as
// far as it is known, and hides none of the others.
func TestAVehicleWhoseBeginningIsNotKnown(t *testing.T) {
	c := polygon(t)
	s, _ := indexed(t, logs{{
		encoded(t, c.Registry, "VehicleAttributeSet(uint256,string,string)", n(9), "Make", "Ford"),
		encoded(t, c.Registry, "AftermarketDevicePaired(uint256,uint256,address indexed)", n(4), n(9), eoa(1)),
		encoded(t, c.Vehicle, "Transfer(address indexed,address indexed,uint256 indexed)", eoa(1), eoa(2), n(8)),
		encoded(t, c.Registry, "SyntheticDeviceNodeMinted(uint256,uint256,uint256 indexed,address indexed,address indexed)", left("Kaufmann"), n(7), n(7), eoa(61), eoa(3)),
	}})
	got := post(t, s, `{vehicles(first:9){nodes{tokenId owner manufacturer{tokenId name} definition{make} aftermarketDevice{tokenId manufacturer{name}} syntheticDevice{connection{name}}}}}`, "")
	zero := sayso.Address{}.String()
	want := `{"data":{"vehicles":{"nodes":[` +
		`{"tokenId":9,"owner":"` + zero + `","manufacturer":{"tokenId":0,"name":""},"definition":{"make":"Ford"},"aftermarketDevice":{"tokenId":4,"manufacturer":{"name":""}},"syntheticDevice":null},` +
		`{"tokenId":8,"owner":"` + hex(2) + `","manufacturer":{"tokenId":0,"name":""},"definition":{"make":null},"aftermarketDevice":null,"syntheticDevice":null},` +
		`{"tokenId":7,"owner":"` + hex(3) + `","manufacturer":{"tokenId":0,"name":""},"definition":{"make":null},"aftermarketDevice":null,"syntheticDevice":{"connection":{"name":"Kaufmann"}}}]}}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

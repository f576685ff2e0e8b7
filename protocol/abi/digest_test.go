package abi_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"sayso/protocol/abi"
)

// TestDigestsAsWalletsMakeThem compares the digests with go-ethereum's typed
// data signer, which is what wallets do with eth_signTypedData_v4.
func TestDigestsAsWalletsMakeThem(t *testing.T) {
	chainID := big.NewInt(137)
	registry := common.HexToAddress("0xFA8beC73cebB9D88FF88a2f75E7D7312f2Fd39EC")
	owner := common.HexToAddress("0x00000000000000000000000000000000000000A1")
	device, vehicle := big.NewInt(7), big.NewInt(9)
	lapse := abi.Lapse{Nonce: big.NewInt(3), Deadline: big.NewInt(4102444800)}

	const ad, veh = "aftermarketDeviceNode", "vehicleNode"
	dev, own, vhc := field{ad, "uint256", "7"}, field{"owner", "address", owner.Hex()}, field{veh, "uint256", "9"}
	nonce, deadline := field{"nonce", "uint256", "3"}, field{"deadline", "uint256", "4102444800"}
	for _, c := range []struct {
		name   string
		got    common.Hash
		fields []field
	}{
		{"ClaimAftermarketDeviceSign", abi.ClaimDigest(chainID, registry, device, owner), []field{dev, own}},
		{"PairAftermarketDeviceSign", abi.PairDigest(chainID, registry, device, vehicle), []field{dev, vhc}},
		{"UnPairAftermarketDeviceSign", abi.UnpairDigest(chainID, registry, device, vehicle), []field{dev, vhc}},
		{"BurnVehicleSign", abi.BurnVehicleDigest(chainID, registry, vehicle), []field{vhc}},
		{"ClaimAftermarketDeviceWithDeadlineSign", abi.ClaimDeadlineDigest(chainID, registry, device, owner, lapse),
			[]field{dev, own, nonce, deadline}},
		{"PairAftermarketDeviceWithDeadlineSign", abi.PairDeadlineDigest(chainID, registry, device, vehicle, lapse),
			[]field{dev, vhc, nonce, deadline}},
		{"UnPairAftermarketDeviceWithDeadlineSign", abi.UnpairDeadlineDigest(chainID, registry, device, vehicle, lapse),
			[]field{dev, vhc, nonce, deadline}},
		{"BurnVehicleWithDeadlineSign", abi.BurnVehicleDeadlineDigest(chainID, registry, vehicle, lapse),
			[]field{vhc, nonce, deadline}},
	} {
		if want := walletDigest(t, "DIMO", chainID, registry, c.name, c.fields); c.got != want {
			t.Errorf("%s: digest %s, a wallet makes %s", c.name, c.got, want)
		}
	}
	moreDigests(t, chainID, registry, owner, lapse)
	// The message of the nested form is the prefixed text itself; the digest takes its hash.
	text := []byte("\x19Ethereum Signed Message:\n2hi")
	want := walletDigest(t, "Sayso Licence Account", chainID, registry, "PersonalSign",
		[]field{{"prefixed", "bytes", hexutil.Encode(text)}})
	if got := abi.NestedPersonalDigest(chainID, registry, crypto.Keccak256Hash(text)); got != want {
		t.Errorf("PersonalSign: digest %s, a wallet makes %s", got, want)
	}
}

// moreDigests covers mints, synthetic devices, grants and accounts.
func moreDigests(t *testing.T, chainID *big.Int, at, owner common.Address, lapse abi.Lapse) {
	t.Helper()
	key := common.HexToAddress("0x00000000000000000000000000000000000000B2")
	five, six := big.NewInt(5), big.NewInt(6)
	vehicle := abi.VehicleMint{Manufacturer: five, Owner: owner, Definition: "tesla_model-3_2020",
		Attributes: []abi.AttributeInfoPair{{"Make", "Tesla"}, {"Model", "3"}}}
	both := abi.BothMint{VehicleMint: vehicle, StorageNode: big.NewInt(11), Connection: six, Synthetic: key,
		Grant: abi.SacdInput{Grantee: key, Permissions: big.NewInt(12), Expiration: big.NewInt(99), Source: "ipfs://x"}}
	grant := abi.Grant{Asset: at, TokenId: five, Grantee: key, Permissions: big.NewInt(12), Expiration: big.NewInt(99), TemplateId: six}
	account := grant
	account.Asset, account.TokenId = owner, new(big.Int)
	var qx, qy [32]byte
	qx[0], qy[31] = 1, 2
	nonce, deadline := field{"nonce", "uint256", "3"}, field{"deadline", "uint256", "4102444800"}
	maker, own, def := field{"manufacturerNode", "uint256", "5"}, field{"owner", "address", owner.Hex()}, field{"deviceDefinitionId", "string", "tesla_model-3_2020"}
	names, infos := field{"attributes", "string[]", "Make,Model"}, field{"infos", "string[]", "Tesla,3"}
	conn, veh, sd := field{"connectionId", "uint256", "6"}, field{"vehicleNode", "uint256", "5"}, field{"syntheticDeviceNode", "uint256", "6"}
	addr, grantee := field{"syntheticDeviceAddr", "address", key.Hex()}, field{"grantee", "address", key.Hex()}
	perms, exp := field{"permissions", "uint256", "12"}, field{"expiration", "uint256", "99"}
	asset, token, template, source := field{"asset", "address", at.Hex()}, field{"tokenId", "uint256", "5"}, field{"templateId", "uint256", "6"}, field{"source", "string", "ipfs://x"}
	for _, c := range []struct {
		domain, name string
		got          common.Hash
		fields       []field
	}{
		{"DIMO", "MintVehicleWithDeviceDefinitionSign", abi.MintVehicleDigest(chainID, at, vehicle), []field{maker, own, def, names, infos}},
		{"DIMO", "MintVehicleSign", abi.MintVehiclePlainDigest(chainID, at, vehicle), []field{maker, own, names, infos}},
		{"DIMO", "MintVehicleWithDeviceDefinitionWithDeadlineSign", abi.MintVehicleDeadlineDigest(chainID, at, vehicle, lapse),
			[]field{maker, own, def, names, infos, nonce, deadline}},
		{"DIMO", "MintSyntheticDeviceSign", abi.MintSyntheticDigest(chainID, at, six, five), []field{conn, veh}},
		{"DIMO", "MintSyntheticDeviceWithDeadlineSign", abi.MintSyntheticDeadlineDigest(chainID, at, six, five, key, lapse),
			[]field{conn, veh, addr, nonce, deadline}},
		{"DIMO", "MintVehicleAndSdSign", abi.MintBothDigest(chainID, at, six), []field{conn}},
		{"DIMO", "MintVehicleAndSdWithDeadlineSign", abi.MintBothDeadlineDigest(chainID, at, both, lapse),
			[]field{maker, own, def, names, infos, {"storageNodeId", "uint256", "11"}, conn, addr, grantee, perms, exp, source, nonce, deadline}},
		{"DIMO", "BurnSyntheticDeviceSign", abi.BurnSyntheticDigest(chainID, at, five, six), []field{veh, sd}},
		{"DIMO", "BurnSyntheticDeviceWithDeadlineSign", abi.BurnSyntheticDeadlineDigest(chainID, at, five, six, lapse), []field{veh, sd, nonce, deadline}},
		{"Sayso Grants", "SetPermissions", abi.SetPermissionsDigest(chainID, at, grant, "ipfs://x", lapse),
			[]field{asset, token, grantee, perms, exp, template, source, nonce, deadline}},
		{"Sayso Grants", "SetAccountPermissions", abi.SetAccountPermissionsDigest(chainID, at, account, "ipfs://x", lapse),
			[]field{{"grantor", "address", owner.Hex()}, grantee, perms, exp, template, source, nonce, deadline}},
		{"Sayso Grants", "RevokeAll", abi.RevokeAllDigest(chainID, at, at, five, lapse), []field{asset, token, nonce, deadline}},
		{"Sayso Account", "Recover", abi.RecoverDigest(chainID, at, qx, qy, lapse),
			[]field{{"qx", "bytes32", hexutil.Encode(qx[:])}, {"qy", "bytes32", hexutil.Encode(qy[:])}, nonce, deadline}},
	} {
		if want := walletDigest(t, c.domain, chainID, at, c.name, c.fields); c.got != want {
			t.Errorf("%s: digest %s, a wallet makes %s", c.name, c.got, want)
		}
	}
}

type field struct{ name, kind, value string }

func walletDigest(t *testing.T, domain string, chainID *big.Int, contract common.Address, name string, fields []field) common.Hash {
	t.Helper()
	data := apitypes.TypedData{
		Types: apitypes.Types{"EIP712Domain": {
			{Name: "name", Type: "string"}, {Name: "version", Type: "string"},
			{Name: "chainId", Type: "uint256"}, {Name: "verifyingContract", Type: "address"},
		}},
		PrimaryType: name,
		Domain: apitypes.TypedDataDomain{
			Name: domain, Version: "1", ChainId: (*math.HexOrDecimal256)(chainID), VerifyingContract: contract.Hex(),
		},
		Message: apitypes.TypedDataMessage{},
	}
	for _, f := range fields {
		data.Types[name] = append(data.Types[name], apitypes.Type{Name: f.name, Type: f.kind})
		if data.Message[f.name] = f.value; f.kind == "string[]" {
			var list []any
			for _, v := range strings.Split(f.value, ",") {
				list = append(list, v)
			}
			data.Message[f.name] = list
		}
	}
	hash, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		t.Fatal(err)
	}
	return common.BytesToHash(hash)
}

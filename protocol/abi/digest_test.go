package abi_test

import (
	"math/big"
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
	// The message of the nested form is the prefixed text itself; the digest takes its hash.
	text := []byte("\x19Ethereum Signed Message:\n2hi")
	want := walletDigest(t, "Sayso Licence Account", chainID, registry, "PersonalSign",
		[]field{{"prefixed", "bytes", hexutil.Encode(text)}})
	if got := abi.NestedPersonalDigest(chainID, registry, crypto.Keccak256Hash(text)); got != want {
		t.Errorf("PersonalSign: digest %s, a wallet makes %s", got, want)
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
		data.Message[f.name] = f.value
	}
	hash, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		t.Fatal(err)
	}
	return common.BytesToHash(hash)
}

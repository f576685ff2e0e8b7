package abi

import (
	"embed"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"sayso"
)

//go:embed *.json
var artefacts embed.FS

// Contract is a contract's name, its ABI and its creation bytecode. Constructor
// arguments are not part of the bytecode.
type Contract struct {
	Name     string
	ABI      abi.ABI
	Bytecode []byte
}

// Contracts are all contracts of the protocol.
type Contracts struct {
	AccessManager     Contract // roles, delays
	Grants            Contract // who may do what with a token or account (the network's "Sacd")
	Registry          Contract // manufacturers, vehicles, devices, pairing; its ABI includes its annex's
	RegistryAnnex     Contract // the second half of the registry's code, never called by itself
	Manufacturer      Contract // ERC-721
	Vehicle           Contract // ERC-721
	AftermarketDevice Contract // ERC-721
	SyntheticDevice   Contract // ERC-721 that stays with its vehicle
	Connections       Contract // ERC-721, licences of data sources
	StorageNodes      Contract // ERC-721, nodes that keep vehicles' data
	Templates         Contract // ERC-721, agreements that many grants share
	DevLicense        Contract // ERC-721 that stays with its owner
	LicenseAccount    Contract // account of a licence; its address is the client id
	Account           Contract // a person's account, signed for with a passkey
	Accounts          Contract // makes people's accounts
	Genesis           Contract // founds all of them
}

// Load parses the embedded files. It fails only on a damaged build.
func Load() (*Contracts, error) {
	var out Contracts
	for name, c := range out.named() {
		text, err := artefacts.ReadFile(name + ".json")
		if err != nil {
			return nil, &sayso.Error{Op: "abi.Load", Subject: name, Err: err}
		}
		var file struct {
			ABI      abi.ABI       `json:"abi"`
			Bytecode hexutil.Bytes `json:"bytecode"`
		}
		if err := json.Unmarshal(text, &file); err != nil {
			return nil, &sayso.Error{Op: "abi.Load", Subject: name, Err: err}
		}
		*c = Contract{Name: name, ABI: file.ABI, Bytecode: file.Bytecode}
	}
	return &out, nil
}

// named maps the name of each embedded file to the field it fills.
func (c *Contracts) named() map[string]*Contract {
	return map[string]*Contract{
		"AccessManager":       &c.AccessManager,
		"Grants":              &c.Grants,
		"Registry":            &c.Registry,
		"RegistryAnnex":       &c.RegistryAnnex,
		"ManufacturerId":      &c.Manufacturer,
		"VehicleId":           &c.Vehicle,
		"AftermarketDeviceId": &c.AftermarketDevice,
		"SyntheticDeviceId":   &c.SyntheticDevice,
		"Connections":         &c.Connections,
		"StorageNodes":        &c.StorageNodes,
		"Templates":           &c.Templates,
		"DevLicense":          &c.DevLicense,
		"LicenseAccount":      &c.LicenseAccount,
		"Account":             &c.Account,
		"Accounts":            &c.Accounts,
		"Genesis":             &c.Genesis,
	}
}

// Method finds a function by name, or by signature where the name has several
// forms, such as "issueInDc(address,string)".
func (c Contract) Method(fn string) (abi.Method, error) {
	var found []abi.Method
	for _, m := range c.ABI.Methods {
		if m.Sig == fn {
			return m, nil
		}
		if m.RawName == fn {
			found = append(found, m)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	message := fmt.Sprintf("%s has %d functions %s", c.Name, len(found), fn)
	return abi.Method{}, sayso.Fail(sayso.Invalid, "abi.Method", message)
}

// Pack builds the calldata of a call.
func (c Contract) Pack(fn string, args ...any) ([]byte, error) {
	m, err := c.Method(fn)
	if err != nil {
		return nil, err
	}
	data, err := m.Inputs.Pack(args...)
	if err != nil {
		return nil, &sayso.Error{Op: "abi.Pack", Fault: sayso.Invalid, Subject: c.Name + "." + fn, Err: err}
	}
	return append(append([]byte{}, m.ID...), data...), nil
}

// Unpack decodes what a call returned.
func (c Contract) Unpack(fn string, data []byte) ([]any, error) {
	m, err := c.Method(fn)
	if err != nil {
		return nil, err
	}
	out, err := m.Outputs.Unpack(data)
	if err != nil {
		return nil, &sayso.Error{Op: "abi.Unpack", Subject: c.Name + "." + fn, Err: err}
	}
	return out, nil
}

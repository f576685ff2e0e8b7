package abi

import (
	"context"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
)

// Deployer sends transactions and waits for their receipts.
type Deployer interface {
	// Create deploys a contract and gives its address; an error if it reverted.
	Create(ctx context.Context, initCode []byte) (common.Address, error)
	// Call sends a transaction to a contract; an error if it reverted.
	Call(ctx context.Context, to common.Address, data []byte) error
}

// Addresses are where the protocol's contracts are on a chain.
type Addresses struct {
	Genesis           common.Address `json:"genesis"` // has all the others as views
	AccessManager     common.Address `json:"accessManager"`
	Grants            common.Address `json:"grants"`
	Registry          common.Address `json:"registry"`
	Manufacturer      common.Address `json:"manufacturer"`
	Vehicle           common.Address `json:"vehicle"`
	AftermarketDevice common.Address `json:"aftermarketDevice"`
	LicenseAccount    common.Address `json:"licenseAccount"` // what client ids are clones of
	DevLicense        common.Address `json:"devLicense"`
	SyntheticDevice   common.Address `json:"syntheticDevice"`
	Connections       common.Address `json:"connections"`
	StorageNodes      common.Address `json:"storageNodes"`
	Templates         common.Address `json:"templates"`
	Accounts          common.Address `json:"accounts"` // makes people's accounts
}

// Settings are what a deployment decides. Delays are whole seconds.
type Settings struct {
	Admin common.Address
	// AdminDelay lies between announcing and doing an act of the AccessManager's
	// administrator, UpgradeDelay the same for upgrades; a guardian may cancel an
	// upgrade meanwhile. A public network wants at least 48 hours for both.
	AdminDelay   time.Duration
	UpgradeDelay time.Duration
	// SignerValidity is how long a licence's signer may sign once enabled.
	SignerValidity time.Duration
	// RecoveryDelay lies between the announcement of another passkey by a person's
	// second signer and its coming into force. It is fixed for good.
	RecoveryDelay time.Duration
}

// Role numbers in the AccessManager.
const (
	RoleAdmin                  uint64 = iota // gives and takes the others
	RoleManufacturerMinter                   // mints manufacturers
	RoleManufacturerTransferer               // moves manufacturers to another owner
	RoleEditor                               // keeps attribute lists, attributes, names, metadata
	RoleRelay                                // brings signatures of the old forms
	RoleDistributor                          // hands devices to owners without signatures
	RoleLicenseAdmin                         // sets how long signers are valid
	RoleLicenseRevoker                       // revokes licences
	RoleUpgrader                             // replaces implementations
	RoleConnectionMinter                     // mints connections
	RoleStorageNodeMinter                    // mints storage nodes
	RoleGuardian                             // cancels announced upgrades
)

// Deploy founds the protocol for a development chain: no delays but two days
// for the recovery of an account, signers valid for a year, every role with
// admin. It takes thirteen transactions.
func Deploy(ctx context.Context, d Deployer, admin common.Address) (Addresses, error) {
	return DeployWith(ctx, d, Settings{Admin: admin, SignerValidity: 365 * 24 * time.Hour, RecoveryDelay: 48 * time.Hour})
}

// implementations are what Genesis puts its proxies in front of. Names and order
// of the fields are those of the tuple it takes.
type implementations struct {
	Grants, Registry, Manufacturer, Vehicle, AftermarketDevice, DevLicense,
	SyntheticDevice, Connections, StorageNodes, Templates, Account common.Address
}

// DeployWith founds the protocol: the implementations, then Genesis, whose
// constructor creates and connects everything else.
func DeployWith(ctx context.Context, d Deployer, s Settings) (Addresses, error) {
	contracts, err := Load()
	if err != nil {
		return Addresses{}, err
	}
	create := func(c Contract, at *common.Address, args ...any) error {
		packed, err := c.ABI.Pack("", args...)
		if err == nil {
			*at, err = d.Create(ctx, append(append([]byte{}, c.Bytecode...), packed...))
		}
		if err != nil {
			return &sayso.Error{Op: "abi.Deploy", Subject: c.Name, Err: err}
		}
		return nil
	}
	var annex, genesis common.Address
	if err := create(contracts.RegistryAnnex, &annex); err != nil {
		return Addresses{}, err
	}
	var impl implementations
	for _, step := range []struct {
		contract Contract
		address  *common.Address
		args     []any
	}{
		{contracts.Grants, &impl.Grants, nil},
		{contracts.Registry, &impl.Registry, []any{annex}},
		{contracts.Manufacturer, &impl.Manufacturer, nil},
		{contracts.Vehicle, &impl.Vehicle, nil},
		{contracts.AftermarketDevice, &impl.AftermarketDevice, nil},
		{contracts.DevLicense, &impl.DevLicense, nil},
		{contracts.SyntheticDevice, &impl.SyntheticDevice, nil},
		{contracts.Connections, &impl.Connections, nil},
		{contracts.StorageNodes, &impl.StorageNodes, nil},
		{contracts.Templates, &impl.Templates, nil},
		{contracts.Account, &impl.Account, []any{new(big.Int).SetUint64(uint64(seconds(s.RecoveryDelay)))}},
	} {
		if err := create(step.contract, step.address, step.args...); err != nil {
			return Addresses{}, err
		}
	}
	settings := struct {
		Admin                                    common.Address
		AdminDelay, UpgradeDelay, SignerValidity uint32
	}{s.Admin, seconds(s.AdminDelay), seconds(s.UpgradeDelay), seconds(s.SignerValidity)}
	if err := create(contracts.Genesis, &genesis, impl, settings); err != nil {
		return Addresses{}, err
	}
	return AddressesOf(genesis), nil
}

// AddressesOf computes the addresses from that of Genesis, which creates the
// contracts in a fixed order.
func AddressesOf(genesis common.Address) Addresses {
	return Addresses{
		Genesis:           genesis,
		AccessManager:     crypto.CreateAddress(genesis, 1),
		Grants:            crypto.CreateAddress(genesis, 2),
		Registry:          crypto.CreateAddress(genesis, 3),
		Manufacturer:      crypto.CreateAddress(genesis, 4),
		Vehicle:           crypto.CreateAddress(genesis, 5),
		AftermarketDevice: crypto.CreateAddress(genesis, 6),
		LicenseAccount:    crypto.CreateAddress(genesis, 7),
		DevLicense:        crypto.CreateAddress(genesis, 8),
		SyntheticDevice:   crypto.CreateAddress(genesis, 9),
		Connections:       crypto.CreateAddress(genesis, 10),
		StorageNodes:      crypto.CreateAddress(genesis, 11),
		Templates:         crypto.CreateAddress(genesis, 12),
		Accounts:          crypto.CreateAddress(genesis, 13),
	}
}

// seconds rounds down; 2^32-1 s, the most the contracts hold, is 136 years.
func seconds(d time.Duration) uint32 {
	const most = 1<<32 - 1
	return uint32(min(max(int64(d/time.Second), 0), most))
}

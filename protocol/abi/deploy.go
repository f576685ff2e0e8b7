package abi

import (
	"context"
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
}

// Settings are what a deployment decides. Delays are whole seconds.
type Settings struct {
	Admin common.Address
	// AdminDelay lies between announcing and doing an act of the AccessManager's
	// administrator, UpgradeDelay the same for upgrades. A public network wants
	// at least 48 hours for both.
	AdminDelay   time.Duration
	UpgradeDelay time.Duration
	// SignerValidity is how long a licence's signer may sign once enabled.
	SignerValidity time.Duration
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
)

// Deploy founds the protocol for a development chain: no delays, signers valid
// for a year, every role with admin. It takes seven transactions.
func Deploy(ctx context.Context, d Deployer, admin common.Address) (Addresses, error) {
	return DeployWith(ctx, d, Settings{Admin: admin, SignerValidity: 365 * 24 * time.Hour})
}

// DeployWith founds the protocol: six implementations, then Genesis, whose
// constructor creates and connects everything else.
func DeployWith(ctx context.Context, d Deployer, s Settings) (Addresses, error) {
	contracts, err := Load()
	if err != nil {
		return Addresses{}, err
	}
	// Field names and order are those of the tuple Genesis takes.
	var impl struct {
		Grants, Registry, Manufacturer, Vehicle, AftermarketDevice, DevLicense common.Address
	}
	for _, step := range []struct {
		contract Contract
		address  *common.Address
	}{
		{contracts.Grants, &impl.Grants},
		{contracts.Registry, &impl.Registry},
		{contracts.Manufacturer, &impl.Manufacturer},
		{contracts.Vehicle, &impl.Vehicle},
		{contracts.AftermarketDevice, &impl.AftermarketDevice},
		{contracts.DevLicense, &impl.DevLicense},
	} {
		if *step.address, err = d.Create(ctx, step.contract.Bytecode); err != nil {
			return Addresses{}, &sayso.Error{Op: "abi.Deploy", Subject: step.contract.Name, Err: err}
		}
	}
	settings := struct {
		Admin                                    common.Address
		AdminDelay, UpgradeDelay, SignerValidity uint32
	}{s.Admin, seconds(s.AdminDelay), seconds(s.UpgradeDelay), seconds(s.SignerValidity)}
	args, err := contracts.Genesis.ABI.Pack("", impl, settings)
	if err != nil {
		return Addresses{}, &sayso.Error{Op: "abi.Deploy", Subject: "Genesis", Err: err}
	}
	genesis, err := d.Create(ctx, append(append([]byte{}, contracts.Genesis.Bytecode...), args...))
	if err != nil {
		return Addresses{}, &sayso.Error{Op: "abi.Deploy", Subject: "Genesis", Err: err}
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
	}
}

// seconds rounds down; 2^32-1 s, the most the contracts hold, is 136 years.
func seconds(d time.Duration) uint32 {
	const most = 1<<32 - 1
	return uint32(min(max(int64(d/time.Second), 0), most))
}

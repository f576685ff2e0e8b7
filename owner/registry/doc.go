// Package registry knows who owns, paired, licensed and granted what: the state
// folded from chain events, each fact with its block position.
//
// [Open] loads it from one SQLite file; [Registry.Fold] adds a block, its facts
// and the cursor in one transaction; [Registry.Unwind] takes blocks back. The
// state is a pure function of the chain: folding, unwinding and folding again
// leaves the same rows. Reads come from memory and never wait for the disk.
//
// In memory, rows are packed bytes in an arena, keys are hashes, and what a row is
// looked for by leads to numbers: nothing of it has pointers, so a collection
// costs no more with a million cars than with one.
package registry

import (
	"math/big"
	"time"

	"sayso"
)

// Forever is the expiry of a grant without an end, and of any expiry beyond
// what fits a signed 64-bit count of seconds.
const Forever int64 = 1<<63 - 1

// Manufacturer is a maker of vehicles or devices.
type Manufacturer struct {
	ID         uint64            `json:"id"`
	Name       string            `json:"name"`
	Owner      sayso.Address     `json:"owner"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Table      uint64            `json:"table,omitempty"` // of its device definitions, 0 = none
	MintedAt   int64             `json:"mintedAt"`        // Unix seconds
}

// Ownership is one interval of a vehicle's history. Its epoch is its place in
// [Vehicle.Owners], from 1.
type Ownership struct {
	Owner sayso.Address `json:"owner"`
	From  int64         `json:"from"`  // Unix seconds of the block
	Block uint64        `json:"block"` // the block that began it
}

// Vehicle is a car with an identity.
type Vehicle struct {
	ID           uint64            `json:"id"`
	Manufacturer uint64            `json:"manufacturer"`
	Definition   string            `json:"definition"`
	Attributes   map[string]string `json:"attributes,omitempty"` // Make, Model, Year, ImageURI …
	MintedAt     int64             `json:"mintedAt"`
	Device       uint64            `json:"device,omitempty"`      // paired aftermarket device, 0 = none
	Synthetic    uint64            `json:"synthetic,omitempty"`   // its synthetic device, 0 = none
	Connection   string            `json:"connection,omitempty"`  // that of its synthetic device
	StorageNode  string            `json:"storageNode,omitempty"` // id of the chosen storage node, decimal; "" = the default one
	Owners       []Ownership       `json:"owners"`
	Burned       bool              `json:"burned,omitempty"`
}

// Owner is the current owner; the zero address once burned.
func (v *Vehicle) Owner() sayso.Address {
	if v.Burned || len(v.Owners) == 0 {
		return sayso.Address{}
	}
	return v.Owners[len(v.Owners)-1].Owner
}

// Epoch is the number of the current ownership.
func (v *Vehicle) Epoch() uint32 { return uint32(len(v.Owners)) }

// EpochAt is the ownership to which a time belongs. What lies before the first
// ownership belongs to the first owner.
func (v *Vehicle) EpochAt(t sayso.Instant) uint32 {
	for i := len(v.Owners) - 1; i > 0; i-- {
		if int64(t) >= v.Owners[i].From*1_000_000 {
			return uint32(i + 1)
		}
	}
	return 1
}

// Pairing is one interval in which a device was in a vehicle. To is 0 while it
// lasts.
type Pairing struct {
	Vehicle uint64 `json:"vehicle"`
	From    int64  `json:"from"`
	To      int64  `json:"to,omitempty"`
}

// Device is an aftermarket device: a key in a car.
type Device struct {
	ID           uint64            `json:"id"`
	Manufacturer uint64            `json:"manufacturer"`
	Address      sayso.Address     `json:"address"`
	Owner        sayso.Address     `json:"owner"`
	Beneficiary  sayso.Address     `json:"beneficiary"`
	Attributes   map[string]string `json:"attributes,omitempty"` // Serial, IMEI, DevEUI, HardwareRevision
	MintedAt     int64             `json:"mintedAt"`
	ClaimedAt    int64             `json:"claimedAt,omitempty"`
	Pairings     []Pairing         `json:"pairings,omitempty"`
}

// Earner is who gets what the device earns.
func (d *Device) Earner() sayso.Address {
	if d.Beneficiary.IsZero() {
		return d.Owner
	}
	return d.Beneficiary
}

// Paired is the vehicle in which the device is now, and since when.
func (d *Device) Paired() (Pairing, bool) {
	if n := len(d.Pairings); n > 0 && d.Pairings[n-1].To == 0 {
		return d.Pairings[n-1], true
	}
	return Pairing{}, false
}

// PairedAt says whether the device was in the vehicle at a time.
func (d *Device) PairedAt(vehicle uint64, t sayso.Instant) bool {
	for _, p := range d.Pairings {
		if p.Vehicle == vehicle && int64(t) >= p.From*1_000_000 && (p.To == 0 || int64(t) < p.To*1_000_000) {
			return true
		}
	}
	return false
}

// Right is what a grant gives until when.
type Right struct {
	Permissions string `json:"permissions"` // uint256 as minimal hex with 0x
	Expires     int64  `json:"expires"`     // Unix seconds, at most Forever
}

// Set decodes the two-bit encoding.
func (r Right) Set() sayso.Permissions {
	n, ok := new(big.Int).SetString(r.Permissions, 0)
	if !ok {
		return sayso.Permissions{}
	}
	return sayso.PermissionsFromBits(n)
}

// Grant is a permission record of a vehicle for a grantee, at the vehicle's
// current grant version. A transfer of the vehicle ends it. Where Asset is set
// it is about that instead: about a token of a contract, or about a whole
// account, whose Token is empty.
type Grant struct {
	Vehicle      uint64        `json:"vehicle"`
	Asset        sayso.Address `json:"asset,omitzero"`
	Token        string        `json:"token,omitempty"` // decimal
	Grantee      sayso.Address `json:"grantee"`
	Right                      // as of Block
	Before       Right         `json:"-"` // what the grantee has in the final state; only what both give counts
	Source       string        `json:"source"`
	SourceBefore string        `json:"-"`                  // the source in the final state
	Template     string        `json:"template,omitempty"` // decimal; "" = none
	CreatedAt    int64         `json:"createdAt"`
	Block        uint64        `json:"block"`
}

// Licence is an app: a developer licence with its signers and redirect URIs,
// each with the Unix second at which it was enabled.
type Licence struct {
	ID           uint64                  `json:"id"`
	Owner        sayso.Address           `json:"owner"`
	ClientID     sayso.Address           `json:"clientId"`
	Alias        string                  `json:"alias,omitempty"`
	MintedAt     int64                   `json:"mintedAt"`
	Signers      map[sayso.Address]int64 `json:"signers,omitempty"`
	RedirectURIs map[string]int64        `json:"redirectURIs,omitempty"`
	Revoked      bool                    `json:"revoked,omitempty"`
}

// SignerTerm is how long an enabled signer of a licence counts.
const SignerTerm = 365 * 24 * time.Hour

// Signs says whether a key speaks for the licence at a time.
func (l *Licence) Signs(key sayso.Address, now time.Time) bool {
	enabled, ok := l.Signers[key]
	return ok && !l.Revoked && now.Unix() < enabled+int64(SignerTerm/time.Second)
}

// Block is a position of the chain.
type Block struct {
	Number uint64
	Hash   [32]byte
	Parent [32]byte
	Time   int64 // Unix seconds
}

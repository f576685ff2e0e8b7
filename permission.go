package sayso

import (
	"math/big"
	"math/bits"
	"strconv"
)

// Permission is the number of a right that an owner grants on a vehicle,
// 1 to 127 (spec contracts 4).
type Permission uint8

// The vehicle permissions in use.
const (
	NonLocationHistory  Permission = 1 // every signal that is not a position
	ExecuteCommands     Permission = 2 // lock, unlock, charge
	CurrentLocation     Permission = 3 // deprecated: no field uses it alone
	LocationHistory     Permission = 4 // positions at any time
	VINCredential       Permission = 5
	LiveData            Permission = 6
	RawData             Permission = 7 // cloud events as received
	ApproximateLocation Permission = 8 // the H3 cell, never the position
)

// permissionNames are the names in tokens and GraphQL enums.
var permissionNames = [...]struct{ claim, enum string }{
	NonLocationHistory:  {"privilege:GetNonLocationHistory", "VEHICLE_NON_LOCATION_DATA"},
	ExecuteCommands:     {"privilege:ExecuteCommands", "VEHICLE_COMMANDS"},
	CurrentLocation:     {"privilege:GetCurrentLocation", "VEHICLE_CURRENT_LOCATION"},
	LocationHistory:     {"privilege:GetLocationHistory", "VEHICLE_ALL_TIME_LOCATION"},
	VINCredential:       {"privilege:GetVINCredential", "VEHICLE_VIN_CREDENTIAL"},
	LiveData:            {"privilege:GetLiveData", "VEHICLE_LIVE_DATA"},
	RawData:             {"privilege:GetRawData", "VEHICLE_RAW_DATA"},
	ApproximateLocation: {"privilege:GetApproximateLocation", "VEHICLE_APPROXIMATE_LOCATION"},
}

// String returns the name used in tokens, such as
// privilege:GetNonLocationHistory, or privilege:<number> where none is defined.
func (p Permission) String() string {
	if int(p) < len(permissionNames) && permissionNames[p].claim != "" {
		return permissionNames[p].claim
	}
	return "privilege:" + strconv.Itoa(int(p))
}

// Enum returns the GraphQL name, such as VEHICLE_NON_LOCATION_DATA.
func (p Permission) Enum() string {
	if int(p) < len(permissionNames) {
		return permissionNames[p].enum
	}
	return ""
}

// ParsePermission reads either name.
func ParsePermission(s string) (Permission, bool) {
	for p, n := range permissionNames {
		if n.claim != "" && (s == n.claim || s == n.enum) {
			return Permission(p), true
		}
	}
	return 0, false
}

// Permissions is a set of permissions 0 to 127.
type Permissions struct{ lo, hi uint64 }

// PermissionSet builds a set.
func PermissionSet(list ...Permission) Permissions {
	var s Permissions
	for _, p := range list {
		s = s.With(p)
	}
	return s
}

// AllPermissions is every number that can be granted: what an owner has.
func AllPermissions() Permissions { return Permissions{^uint64(1), ^uint64(0)} }

// With adds a permission; numbers above 127 are ignored.
func (s Permissions) With(p Permission) Permissions {
	switch {
	case p < 64:
		s.lo |= 1 << p
	case p < 128:
		s.hi |= 1 << (p - 64)
	}
	return s
}

// Has says whether p is in the set.
func (s Permissions) Has(p Permission) bool {
	if p < 64 {
		return s.lo>>p&1 == 1
	}
	return p < 128 && s.hi>>(p-64)&1 == 1
}

// Or is the union, And the intersection, Without the difference.
func (s Permissions) Or(t Permissions) Permissions { return Permissions{s.lo | t.lo, s.hi | t.hi} }

// And is the intersection.
func (s Permissions) And(t Permissions) Permissions { return Permissions{s.lo & t.lo, s.hi & t.hi} }

// Without is what s has and t has not.
func (s Permissions) Without(t Permissions) Permissions {
	return Permissions{s.lo &^ t.lo, s.hi &^ t.hi}
}

// Empty says whether nothing is in the set.
func (s Permissions) Empty() bool { return s.lo == 0 && s.hi == 0 }

// List returns the members in ascending order.
func (s Permissions) List() []Permission {
	var out []Permission
	for w, base := s.lo, 0; ; w, base = s.hi, 64 {
		for ; w != 0; w &= w - 1 {
			out = append(out, Permission(base+bits.TrailingZeros64(w)))
		}
		if base == 64 {
			return out
		}
	}
}

// PermissionsFromBits decodes the on-chain form, two bits per permission, both
// of which must be 1 (spec contracts 4).
func PermissionsFromBits(v *big.Int) Permissions {
	var s Permissions
	for p := range Permission(128) {
		if v.Bit(2*int(p)) == 1 && v.Bit(2*int(p)+1) == 1 {
			s = s.With(p)
		}
	}
	return s
}

// Bits encodes the on-chain form.
func (s Permissions) Bits() *big.Int {
	v := new(big.Int)
	for _, p := range s.List() {
		v.SetBit(v, 2*int(p), 1)
		v.SetBit(v, 2*int(p)+1, 1)
	}
	return v
}

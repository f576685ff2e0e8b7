// Package consent holds the only function that decides who may see what of a
// vehicle. Tokens are issued on its answer, and every later read asks it again,
// so that a revocation acts when its block is seen.
package consent

import (
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/owner/registry"
)

// Reason says why somebody may see nothing; it is empty where something may be
// seen.
type Reason string

// The reasons.
const (
	NoSuchVehicle Reason = "there is no such vehicle"
	NotShared     Reason = "the owner has not shared this vehicle with the caller"
	Expired       Reason = "the owner's grant has expired"
	NotFinal      Reason = "the owner's grant is not final on the chain yet"
	ChainStale    Reason = "the node has lost sight of the chain and cannot tell who is allowed"
	Anonymous     Reason = "the caller has not proven who it is"
)

// Right is what may be seen of one ownership of a vehicle.
type Right struct {
	Epoch       uint32
	Permissions sayso.Permissions
	Own         bool // it is the principal's own time
}

// Verdict is the answer about one principal and one vehicle at one moment.
type Verdict struct {
	Vehicle uint64
	Owner   bool    // the principal owns the vehicle now
	Rights  []Right // ascending by epoch; an epoch that is not there is refused
	Reason  Reason
	Events  []EventRight // ascending by epoch
	Paper   Reason       // why the document behind the grant adds nothing; empty where it does, or there is none
}

// State is what the decision is taken from; [registry.Registry] is one.
type State interface {
	Vehicle(id uint64) (registry.Vehicle, bool)
	Grant(vehicle uint64, grantee sayso.Address) (registry.Grant, bool)
	// AccountGrant is what an account granted on everything that it has.
	AccountGrant(grantor, grantee sayso.Address) (registry.Grant, bool)
	Final(block uint64) bool
	Fresh(now time.Time) bool
}

// Decide answers what who may see of a vehicle at a moment.
//
//   - Owners see everything of every time at which they owned it, also after
//     they sold it.
//   - A grantee sees what the current owner granted, of the current ownership,
//     until the grant expires, is revoked, or the vehicle changes hands. What
//     the document behind the grant says comes on top, where s has [Papers].
//   - What an account granted on everything that it has, it granted on each
//     vehicle for as long as that is its own.
//   - What a grantee sees is what the final state and the head both give: a
//     grant or a purchase counts once its block is final, a revocation or a
//     sale when its block is seen.
//   - Without sight of the chain nobody sees anything.
func Decide(s State, who sayso.Address, vehicle uint64, now time.Time) Verdict {
	refuse := func(r Reason) Verdict { return Verdict{Vehicle: vehicle, Reason: r} }
	if who.IsZero() {
		return refuse(Anonymous)
	}
	if !s.Fresh(now) {
		return refuse(ChainStale)
	}
	v, ok := s.Vehicle(vehicle)
	for ok {
		verdict, then := decide(s, who, &v, now), v
		// A block may have come between: a grant counts of the ownership that it was read with.
		if v, ok = s.Vehicle(vehicle); ok && v.Epoch() == then.Epoch() && v.Owner() == then.Owner() {
			return verdict
		}
	}
	return refuse(NoSuchVehicle)
}

// decide is [Decide] for a vehicle that there is.
func decide(s State, who sayso.Address, v *registry.Vehicle, now time.Time) Verdict {
	verdict := Verdict{Vehicle: v.ID}
	for i, o := range v.Owners {
		if o.Owner != who || !s.Final(o.Block) {
			continue
		}
		verdict.Rights = append(verdict.Rights, Right{uint32(i + 1), sayso.AllPermissions(), true})
		verdict.Events = append(verdict.Events, EventRight{Epoch: uint32(i + 1), All: true})
	}
	current := v.Epoch()
	if n := len(verdict.Rights); n > 0 && verdict.Rights[n-1].Epoch == current && !v.Burned {
		verdict.Owner = true
		return verdict
	}
	granted, reason := granted(s, v, who, now)
	granted = granted.Or(verdict.paper(s, v, who, now))
	byAccount, why := verdict.ofOwner(s, v, who, now)
	granted = granted.Or(byAccount)
	if reason == NotShared && why != "" {
		reason = why
	}
	if !granted.Empty() {
		verdict.Rights = append(verdict.Rights, Right{current, granted, false})
	}
	if len(verdict.Rights) == 0 {
		verdict.Reason = reason
	}
	return verdict
}

// granted is what the current owner's grant gives at a moment.
func granted(s State, v *registry.Vehicle, who sayso.Address, now time.Time) (sayso.Permissions, Reason) {
	g, ok := s.Grant(v.ID, who)
	if !ok || v.Burned {
		return sayso.Permissions{}, NotShared
	}
	return given(&g, now)
}

// given is what a grant gives at a moment: what the final state and the head
// both have.
func given(g *registry.Grant, now time.Time) (sayso.Permissions, Reason) {
	none := sayso.Permissions{}
	set := g.Set().And(g.Before.Set())
	switch {
	case g.Set().Empty():
		return none, NotShared
	case now.Unix() >= g.Expires:
		return none, Expired
	case set.Empty(), now.Unix() >= g.Before.Expires:
		return none, NotFinal
	}
	return set, ""
}

// Limit keeps of a verdict only the permissions that a token claims.
func (v Verdict) Limit(claimed sayso.Permissions) Verdict {
	kept := make([]Right, 0, len(v.Rights))
	for _, r := range v.Rights {
		if r.Permissions = r.Permissions.And(claimed); !r.Permissions.Empty() {
			kept = append(kept, r)
		}
	}
	v.Rights = kept
	if len(kept) == 0 && v.Reason == "" {
		v.Reason = NotShared
	}
	return v
}

// Permissions is the set that a token may carry: everything that is allowed of
// some ownership. Which of them holds for which ownership is decided at every
// read, so that a former owner to whom the car is lent reads all of the time
// when it was theirs and of the present what was granted.
func (v Verdict) Permissions() sayso.Permissions {
	var all sayso.Permissions
	for _, r := range v.Rights {
		all = all.Or(r.Permissions)
	}
	return all
}

// Sight says how a field is answered.
type Sight uint8

// The sights.
const (
	Refuse Sight = iota
	Mask         // only the approximate position
	Allow
)

// Field decides one signal: how it is seen, and in which ownerships. A signal
// that any one of several permissions opens is the approximate position.
func (v Verdict) Field(s *catalogue.Signal) (Sight, []uint32) {
	if len(s.OneOf) > 0 {
		return v.Approximate()
	}
	return v.all(s.Need...)
}

// Approximate decides the approximate position, which approximate or exact
// location rights open.
func (v Verdict) Approximate() (Sight, []uint32) {
	var epochs []uint32
	for _, r := range v.Rights {
		if r.Permissions.Has(sayso.ApproximateLocation) || r.Permissions.Has(sayso.LocationHistory) {
			epochs = append(epochs, r.Epoch)
		}
	}
	if epochs == nil {
		return Refuse, nil
	}
	return Mask, epochs
}

func (v Verdict) all(need ...sayso.Permission) (Sight, []uint32) {
	var epochs []uint32
	for _, r := range v.Rights {
		missing := sayso.PermissionSet(need...).Without(r.Permissions)
		if missing.Empty() {
			epochs = append(epochs, r.Epoch)
		}
	}
	if epochs == nil {
		return Refuse, nil
	}
	return Allow, epochs
}

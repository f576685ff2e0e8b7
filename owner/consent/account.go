package consent

import (
	"time"

	"sayso"
	"sayso/owner/registry"
)

// NotTheirs is why a token for everything of an account opens no vehicle of
// somebody else.
const NotTheirs Reason = "the vehicle is not one of the account that the token is for"

// ofOwner is what the current owner granted on everything that it has. It counts
// of the current ownership, once the owner's purchase is final.
func (v *Verdict) ofOwner(s State, car *registry.Vehicle, who sayso.Address, now time.Time) (sayso.Permissions, Reason) {
	owner := car.Owner()
	if owner.IsZero() {
		return sayso.Permissions{}, ""
	}
	g, ok := s.AccountGrant(owner, who)
	if !ok {
		return sayso.Permissions{}, ""
	}
	if !s.Final(car.Owners[car.Epoch()-1].Block) {
		return sayso.Permissions{}, NotFinal
	}
	set, why := given(&g, now)
	return set.Or(v.written(s, matter{grantor: owner, epoch: car.Epoch()}, &g, now)), why
}

// Account answers what may be asked of somebody about everything that an account
// has: what a token for the account may carry. Which vehicles it opens is decided
// by [Under] at every read.
func Account(s State, who, grantor sayso.Address, now time.Time) Verdict {
	switch {
	case who.IsZero() || grantor.IsZero():
		return Verdict{Reason: Anonymous}
	case !s.Fresh(now):
		return Verdict{Reason: ChainStale}
	case who == grantor:
		return Verdict{Owner: true, Rights: []Right{{Permissions: sayso.AllPermissions(), Own: true}}, Events: []EventRight{{All: true}}}
	}
	g, ok := s.AccountGrant(grantor, who)
	if !ok {
		return Verdict{Reason: NotShared}
	}
	var v Verdict
	set, why := given(&g, now)
	if set = set.Or(v.written(s, matter{grantor: grantor}, &g, now)); set.Empty() {
		v.Reason = why
		return v
	}
	v.Rights = []Right{{Permissions: set}}
	return v
}

// Under is [Decide] for a token that is for everything of an account: it opens
// the vehicles that the account owns now.
func Under(s State, who, account sayso.Address, vehicle uint64, now time.Time) Verdict {
	verdict := Decide(s, who, vehicle, now)
	v, ok := s.Vehicle(vehicle)
	if verdict.Reason == ChainStale || !ok {
		return verdict
	}
	if v.Burned || account.IsZero() || v.Owner() != account || !s.Final(v.Owners[v.Epoch()-1].Block) {
		return Verdict{Vehicle: vehicle, Reason: NotTheirs}
	}
	return verdict
}

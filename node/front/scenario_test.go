package front_test

import (
	"strings"
	"time"

	"sayso"
	"sayso/owner/registry"
	"sayso/owner/token"
)

// scene is a state of the world in which somebody asks.
type scene struct {
	bearer       map[uint64]string // by vehicle
	grant, token sayso.Permissions // what the grant gives that counts, and what the token carries
	wants        sayso.Permissions // what a new exchange asks for
}

// stage plays scenarios.
type stage struct {
	*world
	who string
	set sayso.Permissions
}

// both does something for the car and its twin.
func (s *stage) both(do func(tx *registry.Tx, vehicle uint64)) {
	s.fold(func(tx *registry.Tx) { do(tx, car); do(tx, twin) })
}

func (s *stage) grant(set sayso.Permissions, expires int64) {
	s.both(func(tx *registry.Tx, v uint64) { tx.PutGrant(grant(v, s.who, set, expires, tx.Block.Number)) })
	s.final()
}

// change replaces a grant that stands by one that is not final, as the follower
// does.
func (s *stage) change(from, to sayso.Permissions) {
	s.grant(from, registry.Forever)
	s.both(func(tx *registry.Tx, v uint64) {
		g := grant(v, s.who, to, registry.Forever, tx.Block.Number)
		g.Before = right(from, registry.Forever)
		tx.PutGrant(g)
	})
}

func (s *stage) revoke() {
	s.both(func(tx *registry.Tx, v uint64) { tx.DeleteGrant(v, account(s.who)) })
}

// sell gives the vehicles to the new owner.
func (s *stage) sell() {
	s.both(func(tx *registry.Tx, id uint64) {
		v, _ := tx.Vehicle(id)
		v.Owners = append(append([]registry.Ownership{}, v.Owners...), registry.Ownership{Owner: account("new-owner"), From: bought[3].Unix(), Block: tx.Block.Number})
		tx.PutVehicle(v)
		tx.DeleteGrants(id)
	})
}

func (s *stage) burn() {
	s.both(func(tx *registry.Tx, id uint64) {
		v, _ := tx.Vehicle(id)
		v.Burned = true
		tx.PutVehicle(v)
		tx.DeleteGrants(id)
	})
}

// buy gets a token for each vehicle.
func (s *stage) buy(set sayso.Permissions, audience ...string) map[uint64]string {
	s.t.Helper()
	bearer := map[uint64]string{}
	for _, v := range []uint64{car, twin} {
		t, body := s.exchange(s.who, v, set, audience...)
		if (t == "") != set.Empty() {
			s.t.Fatalf("%s cannot buy a token for %v: %s", s.who, set.List(), body)
		}
		bearer[v] = t
	}
	return bearer
}

// buyThenUndo buys a token with everything while a grant stands that the chain
// then takes back: a token without a grant behind it.
func (s *stage) buyThenUndo() map[uint64]string {
	s.grant(everything, registry.Forever)
	bearer := s.buy(everything)
	s.must(s.registry.Unwind(s.base))
	s.look()
	return bearer
}

// play brings the world into a state of the policy.
func (w *world) play(r row, set sayso.Permissions) scene {
	w.t.Helper()
	w.must(w.registry.Unwind(w.base))
	w.look()
	s := &stage{w, r.who, set}
	sc := scene{grant: set, token: everything, wants: set}
	switch r.who {
	case "owner", "prior-owner", "new-owner":
		sc.wants = everything
		s.owners(r.state, &sc)
	case "app", "person":
		s.grantee(r.state, &sc)
	case "other-app":
		t, _ := w.exchange(r.who, elsewhere, everything)
		sc.bearer = map[uint64]string{car: t, twin: t}
	case "device":
		t := w.login("device")
		sc.bearer = map[uint64]string{car: t, twin: t}
	}
	return sc
}

// owners plays the states of those who own or owned the car.
func (s *stage) owners(state string, sc *scene) {
	if s.who == "new-owner" {
		s.sell()
		s.final()
	}
	if state == "token-of-less" {
		sc.token, sc.grant, sc.wants = s.set, everything, s.set
		sc.bearer = s.buy(s.set)
		return
	}
	sc.bearer = s.buy(everything)
	switch state {
	case "now":
	case "sold-not-final":
		s.sell()
	case "sold":
		s.sell()
		s.final()
	case "purchase-not-final":
		s.must(s.registry.Unwind(s.base))
		s.sell()
	case "burned":
		s.burn()
	case "chain-stale":
		s.wall.Advance(registry.Horizon + time.Second)
	case "token-too-old":
		s.wall.Advance(token.VehicleTerm)
		s.look()
	case "lent-back":
		s.grant(s.set, registry.Forever)
	case "lent-back-expired":
		s.grant(s.set, s.clock.Now().Unix()+30)
		s.wall.Advance(30 * time.Second)
		s.look()
	default:
		s.t.Fatalf("there is no state %s of an owner", state)
	}
}

// grantee plays the states of a grant. Where it ends or does not count yet, the
// token was bought while another one stood.
func (s *stage) grantee(state string, sc *scene) {
	switch state {
	case "none":
		sc.bearer = s.buyThenUndo()
		return
	case "document", "document-to-another", "document-over", "document-on-an-expired-record", "document-on-a-revoked-record", "document-not-final", "document-sold":
		s.papers(state, sc)
		return
	case "account", "account-expired", "account-revoked", "account-not-final", "account-sold", "account-of-the-buyer", "account-and-grant",
		"account-token", "account-token-sold", "account-token-revoked":
		s.accounts(state, sc)
		return
	case "not-final":
		sc.bearer = s.buyThenUndo()
		s.both(func(tx *registry.Tx, v uint64) {
			tx.PutGrant(grant(v, s.who, s.set, registry.Forever, tx.Block.Number))
		})
		return
	}
	s.grant(everything, s.clock.Now().Unix()+3600)
	switch state {
	case "token-of-less":
		sc.token, sc.grant = s.set, everything
		sc.bearer = s.buy(s.set)
		return
	case "other-audience":
		sc.bearer = s.buy(everything, "example.org")
	case "other-vehicle":
		t, _ := s.exchange(s.who, elsewhere, everything)
		sc.bearer = map[uint64]string{car: t, twin: t}
	default:
		sc.bearer = s.buy(everything)
	}
	s.grant(s.set, s.clock.Now().Unix()+3600)
	s.end(state, sc)
}

// share has an account grant everything that it has.
func (s *stage) share(from string, set sayso.Permissions, expires int64) {
	s.fold(func(tx *registry.Tx) {
		tx.PutShare(registry.Grant{Asset: account(from), Grantee: account(s.who), Block: tx.Block.Number, Right: right(set, expires)})
	})
}

func (s *stage) unshare(from string) {
	s.fold(func(tx *registry.Tx) { tx.DeleteShare(account(from), "", account(s.who)) })
}

// accounts plays the states of what an account granted on everything that it has.
// In those of a token, that is for the account and not for a vehicle.
func (s *stage) accounts(state string, sc *scene) {
	s.share("owner", everything, registry.Forever)
	s.final()
	if strings.HasPrefix(state, "account-token") {
		t, body := s.exchangeFor(s.who, sayso.Account(testChain.ID, account("owner")), everything)
		if t == "" {
			s.t.Fatalf("no token for an account: %s", body)
		}
		sc.bearer = map[uint64]string{car: t, twin: t}
	} else {
		sc.bearer = s.buy(everything)
	}
	soon := s.clock.Now().Unix() + 30
	switch state {
	case "account", "account-token":
		s.share("owner", s.set, registry.Forever)
		s.final()
	case "account-expired":
		s.share("owner", s.set, soon)
		s.final()
		s.wall.Advance(30 * time.Second)
		s.look()
	case "account-revoked", "account-token-revoked":
		s.unshare("owner")
	case "account-not-final":
		s.unshare("owner")
		s.final()
		s.share("owner", s.set, registry.Forever)
	case "account-sold", "account-token-sold":
		s.sell()
		s.final()
	case "account-of-the-buyer":
		s.unshare("owner")
		s.share("new-owner", s.set, registry.Forever)
		s.sell()
		s.final()
	case "account-and-grant":
		s.share("owner", s.set, registry.Forever)
		s.grant(onChain, registry.Forever)
		sc.grant = s.set.Or(onChain)
		sc.wants = sc.grant
	}
}

// onChain is what the record says in those states in which the document behind
// it says more.
var onChain = sayso.PermissionSet(sayso.RawData)

// papers plays the states of a grant with a document behind it.
func (s *stage) papers(state string, sc *scene) {
	s.grant(everything, registry.Forever)
	sc.bearer = s.buy(everything)
	to, until, expires := s.who, time.Time{}, s.clock.Now().Unix()+3600
	sc.grant = s.set.Or(onChain)
	switch state {
	case "document-to-another":
		to, sc.grant = "other-app", onChain
	case "document-over":
		until, sc.grant = s.clock.Now().Truncate(time.Second), onChain
	case "document-on-an-expired-record":
		expires = s.clock.Now().Unix()
	}
	if sc.wants = sc.grant; state == "document-not-final" {
		s.revoke() // else what stood before would be seen
		s.final()
	}
	sources := map[uint64]string{}
	for _, v := range []uint64{car, twin} {
		sources[v] = s.paper(to, v, s.set, until)
	}
	s.both(func(tx *registry.Tx, v uint64) {
		g := grant(v, s.who, onChain, expires, tx.Block.Number)
		g.Source = sources[v]
		tx.PutGrant(g)
	})
	switch state {
	case "document-not-final":
		return
	case "document-sold":
		s.sell()
	case "document-on-a-revoked-record":
		s.final()
		s.revoke()
	}
	if state != "document-on-a-revoked-record" && state != "document-sold" {
		s.final()
	}
}

// end plays what happens to a grant that stands.
func (s *stage) end(state string, sc *scene) {
	switch state {
	case "active", "other-audience", "other-vehicle":
	case "expired":
		s.grant(s.set, s.clock.Now().Unix()+30)
		s.wall.Advance(30 * time.Second)
		s.look()
	case "revoked":
		s.revoke()
	case "renounced-then-regranted":
		s.revoke()
		s.grant(s.set, registry.Forever)
	case "sold":
		s.sell()
	case "sold-and-granted-anew":
		s.sell()
		s.grant(s.set, registry.Forever)
	case "widened-not-final":
		s.change(s.set, everything)
	case "narrowed-not-final":
		s.change(everything, s.set)
	case "changed-not-final":
		old := sayso.PermissionSet(sayso.NonLocationHistory, sayso.ApproximateLocation)
		s.change(old, s.set)
		sc.grant, sc.wants = s.set.And(old), s.set.And(old)
	case "burned":
		s.burn()
	case "chain-stale":
		s.wall.Advance(registry.Horizon + time.Second)
	case "licence-revoked", "signer-removed":
		s.fold(func(tx *registry.Tx) {
			l, _ := tx.Licence(1)
			l.Revoked = state == "licence-revoked"
			if !l.Revoked {
				l.Signers = map[sayso.Address]int64{account("another signer"): noon.Unix()}
			}
			tx.PutLicence(l)
		})
	default:
		s.t.Fatalf("there is no state %s of a grant", state)
	}
}

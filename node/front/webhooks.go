package front

import (
	"iter"
	"net/http"

	"sayso"
	"sayso/node/watch"
	"sayso/owner/consent"
	"sayso/owner/registry"
	"sayso/owner/token"
)

// Webhooks opens the engine of the webhooks and adds its routes. What a licence
// may be told is decided as its reads are. The caller runs the engine.
func (f *Front) Webhooks(cfg watch.Config) (*watch.Engine, error) {
	cfg.Catalogue, cfg.Vault, cfg.Chain, cfg.Clock, cfg.Log = f.Door.Catalogue, f.cfg.Vault, f.cfg.Registry.Chain(), f.cfg.Clock, f.cfg.Log
	cfg.Decide = func(c watch.Caller, vehicle uint64) consent.Verdict {
		now := f.cfg.Clock.Now()
		if !f.isLicence(c.Licence) || !token.Speaks(f.cfg.Registry, c.Licence, signer(c), now) {
			return consent.Verdict{Vehicle: vehicle, Reason: consent.NotShared}
		}
		return consent.Decide(f.state, c.Licence, vehicle, now)
	}
	cfg.Shared = f.sharedWith
	e, err := watch.Open(cfg)
	if err != nil {
		return nil, err
	}
	watch.Routes(f, e, f.licence)
	return e, nil
}

// signer is the key of a caller as tokens have it: nil where a contract signed.
func signer(c watch.Caller) *sayso.Address {
	if c.Signer.IsZero() {
		return nil
	}
	return &c.Signer
}

// licence is the developer licence, and its key, that a request proves.
func (f *Front) licence(r *http.Request) (watch.Caller, error) {
	who, claims, err := f.developer(r, f.callers)
	switch {
	case err != nil:
		return watch.Caller{}, err
	case who.IsZero():
		return watch.Caller{}, sayso.Fail(sayso.Unauthorized, "front.licence", "a developer token is needed: Authorization: Bearer ...")
	case !f.isLicence(who):
		return watch.Caller{}, sayso.Fail(sayso.Denied, "front.licence", "JWT is not from a developer license")
	}
	c := watch.Caller{Licence: who}
	if claims.Signer != nil {
		c.Signer = *claims.Signer
	}
	return c, nil
}

func (f *Front) isLicence(who sayso.Address) bool {
	l, ok := f.cfg.Registry.LicenceByClient(who)
	return ok && !l.Revoked
}

// sharedWith lists the vehicles on which a licence has a grant or that it owns.
func (f *Front) sharedWith(licence sayso.Address) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for v := range f.cfg.Registry.Vehicles(registry.VehicleFilter{Privileged: &licence, Now: f.cfg.Clock.Now()}) {
			if !yield(v.ID) {
				return
			}
		}
	}
}

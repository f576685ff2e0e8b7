package front

import (
	"context"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/car/door"
	"sayso/node/vault"
	"sayso/owner/attest"
	"sayso/owner/consent"
	"sayso/owner/token"
)

// Devices bounds what devices send and says what their signatures are for. Its
// zero value does neither.
type Devices struct {
	Signatures door.SignatureMode
	Rate       int                  // events per second of one device; 0 for no bound
	Gate       *door.Gate           // nil for no bound
	Checked    func(outcome string) // notes what became of a signature; needed for [door.Record]
}

// equip adds to the door what it does beyond keeping one event at a time.
func (f *Front) equip(d *door.Door) {
	d.Begin = func(ctx context.Context, p *door.Parcel) (func(context.Context) (bool, error), error) {
		wait, err := f.cfg.Vault.Begin(ctx, (*vault.Deposit)(p))
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (bool, error) {
			kept, err := wait(ctx)
			return kept.Duplicate, err
		}, nil
	}
	d.Signatures, d.Rates, d.Gate = f.cfg.Devices.Signatures, door.NewRates(f.cfg.Devices.Rate), f.cfg.Devices.Gate
	d.Statements = f.statements()
	if d.Signatures == door.Record {
		d.Checks = &door.Checks{Keep: d.Keep, Count: f.cfg.Devices.Checked}
	}
}

// statements says who may state something about a vehicle, which is who may see
// something of it.
func (f *Front) statements() *door.Statements {
	s := &door.Statements{
		Caller: func(r *http.Request) (sayso.Address, error) { return f.caller(r, f.callers) },
		Decide: func(who sayso.Address, vehicle uint64) consent.Verdict {
			return consent.Decide(f.state, who, vehicle, f.cfg.Clock.Now())
		},
	}
	if f.cfg.Contract == nil {
		s.Checker = attest.NewChecker(nil)
		return s
	}
	s.Checker = attest.NewChecker(func(ctx context.Context, account common.Address, digest common.Hash, sig []byte) (bool, error) {
		return f.cfg.Contract(ctx, account, digest, sig), nil
	})
	return s
}

// DeviceToken reads the token of a signed-in device and tells until when it is
// good.
func (f *Front) DeviceToken(raw string) (device sayso.Address, until time.Time, err error) {
	c, err := f.callers.Verify(raw, token.DeviceClient, f.cfg.Clock.Now())
	if err != nil {
		return device, until, err
	}
	if c.Address == nil {
		return device, until, sayso.Fail(sayso.Unauthorized, "door", "the token names no device")
	}
	return *c.Address, c.Expiry.Time(), nil
}

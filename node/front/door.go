package front

import (
	"context"
	"time"

	"sayso"
	"sayso/car/door"
	"sayso/node/vault"
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
		deposit := vault.Deposit(*p)
		wait, err := f.cfg.Vault.Begin(ctx, &deposit)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (bool, error) {
			kept, err := wait(ctx)
			return kept.Duplicate, err
		}, nil
	}
	d.Signatures, d.Rates, d.Gate = f.cfg.Devices.Signatures, door.NewRates(f.cfg.Devices.Rate), f.cfg.Devices.Gate
	if d.Signatures == door.Record {
		d.Checks = &door.Checks{Keep: d.Keep, Count: f.cfg.Devices.Checked}
	}
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

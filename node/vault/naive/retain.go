package naive

import (
	"slices"
	"time"

	"sayso"
	"sayso/node/vault"
)

const bucket = 6 * 3600 * 1_000_000

// Retain lets go what a policy lets go at this moment, as a vault does that has just
// packed everything. It knows policies that leave no hours: those whose Hourly is
// not longer than Raw, and not zero.
func (n *Vault) Retain(p vault.Policy) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := sayso.At(n.clock.Now())
	for _, k := range n.kept {
		if p.Readings != nil {
			k.readings = slices.DeleteFunc(k.readings, func(r sayso.Reading) bool {
				end := endOf(r.Time)
				raw := p.Readings(k.vehicle, r.Signal).Raw
				return raw > 0 && end <= now && time.Duration(now-end)*time.Microsecond > raw
			})
		}
		if p.Messages == nil {
			continue
		}
		keep := p.Messages(k.vehicle)
		if keep <= 0 {
			continue
		}
		before := now - sayso.Instant(keep/time.Microsecond)
		k.events = slices.DeleteFunc(k.events, func(e sayso.Event) bool { return e.Time < before })
		if k.envelope != nil && vault.ClassOf(k.envelope.Type) == vault.Streamed && sayso.At(k.envelope.Time) < before {
			k.envelope, k.rejected = nil, nil
		}
	}
}

// endOf is the end of the six hours in which a time is: readings go by these.
func endOf(t sayso.Instant) sayso.Instant {
	return t - (t%bucket+bucket)%bucket + bucket
}

package fetch

import (
	"context"

	"sayso"
	"sayso/node/vault"
)

// maxSearch is how many events are looked at for one that may not be there.
const maxSearch = 100_000

// Newest finds the newest statement of some ownerships that want accepts; nil if
// there is none. What was refused does not count. That the caller may know it is
// decided before.
func (r *Reader) Newest(ctx context.Context, vehicle uint64, epochs []uint32, want func(*sayso.CloudEvent) bool) (*vault.Stored, error) {
	return r.search(ctx, vehicle, epochs, vault.Statement, maxLook, want)
}

// Identified finds the newest event of some ownerships that want accepts among
// those that may tell the identification number: first those that are about
// nothing else, then the newest of what the car streams.
func (r *Reader) Identified(ctx context.Context, vehicle uint64, epochs []uint32, want func(*sayso.CloudEvent) bool) (*vault.Stored, error) {
	found, err := r.search(ctx, vehicle, epochs, vault.Statement, maxLook, func(e *sayso.CloudEvent) bool {
		return e.Type == sayso.TypeFingerprint && want(e)
	})
	if found != nil || err != nil {
		return found, err
	}
	return r.search(ctx, vehicle, epochs, vault.Streamed, maxSearch, func(e *sayso.CloudEvent) bool { return identifies(e) && want(e) })
}

func (r *Reader) search(ctx context.Context, vehicle uint64, epochs []uint32, of vault.Class, most int, want func(*sayso.CloudEvent) bool) (found *vault.Stored, err error) {
	view := vault.View{Vehicle: vehicle, Epochs: epochs}
	err = r.Vault.CloudEventsOf(ctx, view, of, never, forever, func(s vault.Stored) bool {
		if most--; !refused(&s) && want(&s.Envelope) {
			found = &s
		}
		return found == nil && most > 0
	})
	return found, err
}

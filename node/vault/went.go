package vault

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// went says up to when something of an ownership may have gone with time. Retention
// writes it in the batch that lets something go, sealed, so that what is missing
// without it is known to be lost, whatever the policy is today.
type went struct {
	messages, events sayso.Instant
	readings         sayso.Instant // all of an hour
	values           sayso.Instant // of some signals
}

const wentFormat = 1

var wentNothing = went{minInstant, minInstant, minInstant, minInstant}

func (w *went) encode() []byte {
	b := []byte{wentFormat}
	for _, t := range [...]sayso.Instant{w.messages, w.events, w.readings, w.values} {
		b = binary.LittleEndian.AppendUint64(b, uint64(t))
	}
	return b
}

func decodeWent(b []byte) (w went, err error) {
	r := reader{b: b}
	if r.byte() != wentFormat {
		return wentNothing, errShort
	}
	for _, t := range [...]*sayso.Instant{&w.messages, &w.events, &w.readings, &w.values} {
		*t = sayso.Instant(r.u64())
	}
	if r.bad || len(r.b) != 0 {
		return wentNothing, errShort
	}
	return w, nil
}

// has says whether a part may have gone.
func (w *went) has(p *place) bool {
	switch p.kind {
	case kindReadings:
		return startOf(p.hour) < w.readings
	case kindEvent:
		return p.time < w.events
	case kindCloudEvent:
		return p.time < w.messages
	}
	return false
}

// wentOf reads what is said of an ownership.
func (v *Vault) wentOf(rows pebble.Reader, own owner) (went, error) {
	key := appendPrefix(nil, kindWent, own.vehicle, own.epoch)
	sealed, closer, err := rows.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return wentNothing, nil
	}
	if err != nil {
		return wentNothing, err
	}
	plain, err := v.keys.open(nil, sealed, key, own)
	if err = errors.Join(err, closer.Close()); errors.Is(err, errErased) {
		return wentNothing, nil
	}
	if err != nil {
		return wentNothing, err
	}
	return decodeWent(plain)
}

// went puts what goes with a batch into it.
func (p *packer) went(batch *pebble.Batch, own owner, note func(*went)) error {
	k, err := p.v.keys.current(own)
	if k == nil || err != nil { // erased, and with it what was to go
		if errors.Is(err, errErased) {
			err = nil
		}
		return err
	}
	w, err := p.v.wentOf(p.v.db, own)
	if err != nil {
		return err
	}
	was := w
	if note(&w); w == was {
		return nil
	}
	return p.set(batch, k, &place{kind: kindWent, vehicle: own.vehicle, epoch: own.epoch}, w.encode())
}

package door

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"sayso"
)

// TypeRefused is the type of the record that is kept of a message nobody can
// read. Its payload is the message.
const TypeRefused = "sayso.refused"

// Quarantine keeps a message that cannot be read, for the owner of the vehicle
// in which the device is now, and returns when it is kept. It is for transports
// on which a refusal does not reach the device, which would send the message for
// ever. The device must have proven itself. The same bytes are kept once; of a
// message over the limit of one event, the part up to it.
func (d *Door) Quarantine(ctx context.Context, device sayso.Address, payload []byte, reason string) error {
	sum := sha256.Sum256(payload)
	if int64(len(payload)) > d.MaxBody {
		reason = fmt.Sprintf("%s; these are the first %d of %d bytes", reason, d.MaxBody, len(payload))
		payload = payload[:d.MaxBody]
	}
	ce := sayso.CloudEvent{
		Type: TypeRefused, Source: device, Subject: d.unnamed(), Producer: d.unnamed(),
		ID: "refused/" + hex.EncodeToString(sum[:16]), Time: d.Clock.Now().UTC(),
		DataContentType: "application/octet-stream", Data: payload, Base64: true,
	}
	who, err := d.sender(&ce, from{device: device})
	if err != nil {
		return err
	}
	p := &Parcel{
		Vehicle: who.vehicle.ID, Envelope: ce, Body: sum,
		Rejected: []sayso.Rejection{{Name: "message", Reason: reason}},
	}
	p.dateTo(&who.vehicle)
	if _, err := d.Keep(ctx, p); err != nil {
		return err
	}
	d.Count("quarantined")
	return nil
}

// Paired says why a device may not send now; nil if it may. The error is
// [sayso.Denied].
func (d *Door) Paired(device sayso.Address) error {
	ce := sayso.CloudEvent{Source: device, Subject: d.unnamed(), Producer: d.unnamed()}
	_, err := d.sender(&ce, from{device: device})
	return err
}

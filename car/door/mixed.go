package door

import (
	"time"

	"sayso"
	"sayso/car/dialect"
	"sayso/owner/registry"
)

// ahead is how far the clock of a device may be.
const ahead = 5 * time.Minute

// mixed says whether a message has values of more than one owner: from before
// and after a sale, or of another vehicle in which the device was then. Values
// that were refused count, since they stand in the payload.
func (s *sender) mixed(m *dialect.Message, now time.Time) bool {
	if len(s.vehicle.Owners) < 2 && len(s.device.Pairings) < 2 {
		return false
	}
	first := uint32(0)
	other := func(t sayso.Instant) bool {
		e := s.vehicle.EpochAt(t)
		if first == 0 {
			first = e
		}
		return e != first || !wasInNoOther(&s.device, s.vehicle.ID, t)
	}
	for i := range m.Readings {
		if other(m.Readings[i].Time) {
			return true
		}
	}
	for i := range m.Events {
		if other(m.Events[i].Time) {
			return true
		}
	}
	born, end := sayso.Instant(s.vehicle.Owners[0].From*1_000_000), sayso.At(now.Add(ahead))
	for _, t := range m.Refused { // of those that can be a time at all
		if t >= born && t <= end && other(t) {
			return true
		}
	}
	return false
}

// withhold keeps of a mixed message only its values, each of which goes to the
// owner of its time: no owner may read another's in the payload, in a member
// that nobody here knows, or in why a value was refused.
func (p *Parcel) withhold(v *registry.Vehicle) {
	e := &p.Envelope
	e.Data, e.Base64, e.DataContentType, e.Extras, e.Tags, e.Signature = nil, false, "", nil, nil, ""
	kept := []sayso.Rejection{{Name: "data", Reason: "the message has values of more than one owner; its payload is not kept, and each value is kept for the owner of its time"}}
	for _, r := range p.Rejected {
		if r.Name == "signature" {
			kept = append(kept, r)
		}
	}
	p.Rejected = kept
	p.Epoch = v.EpochAt(sayso.At(e.Time))
}

// signed notes a wrong signature of a message whose payload will not be there to
// check it.
func (p *Parcel) signed(by sayso.Address) {
	if p.Envelope.Signature == "" {
		return
	}
	if err := proveSignature(&p.Envelope, by); err != nil {
		p.Rejected = append(p.Rejected, sayso.Rejection{Name: "signature", Reason: sayso.MessageOf(err)})
	}
}

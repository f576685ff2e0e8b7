package door

import (
	"fmt"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect"
	"sayso/owner/registry"
)

// TypeRaw is the type of a message that a connection wants kept as it is.
const TypeRaw = "dimo.raw.status"

// sender is the device that a message is from, and the vehicle that it speaks
// for now.
type sender struct {
	device    registry.Device // of a synthetic one: its key, and the time that it may speak of
	did       sayso.DID
	synthetic bool
	vehicle   registry.Vehicle
	told      []sayso.Rejection // what it is told of its message
}

func deny(format string, args ...any) (sender, error) {
	return sender{}, sayso.Fail(sayso.Denied, op, fmt.Sprintf(format, args...))
}

// mayBring refuses types that are none of a device: attestations and what takes
// them back have a door of their own, where they must be signed.
func (f *from) mayBring(ce *sayso.CloudEvent) error {
	switch ce.Type {
	case "", sayso.TypeStatus, sayso.TypeEvents, sayso.TypeFingerprint, "dimo.signals":
		return nil
	case TypeRaw:
		if f.connection != nil {
			return nil
		}
	default:
		if f.connection == nil && !strings.HasPrefix(ce.Type, "dimo.") {
			return nil
		}
	}
	return sayso.Fail(sayso.Invalid, op, fmt.Sprintf("the type %q is not one that this door takes: want %s, %s, %s or, of a connection, %s", ce.Type, sayso.TypeStatus, sayso.TypeEvents, sayso.TypeFingerprint, TypeRaw))
}

// sender checks that a message is from a registered device which is in a vehicle
// now, and that it is about that device and vehicle. It fills in what the
// message left out.
func (d *Door) sender(ce *sayso.CloudEvent, f from) (s sender, err error) {
	if f.connection != nil {
		s, err = d.behind(f.connection, ce.Producer)
	} else {
		s, err = d.keyed(ce.Source)
	}
	if err != nil {
		return s, err
	}
	pairing, ok := s.device.Paired()
	if !ok {
		return deny("the device %s is not paired with a vehicle: sayso device pair --device %d --vehicle <id>", s.device.Address, s.device.ID)
	}
	if s.vehicle, ok = d.State.Vehicle(pairing.Vehicle); !ok || s.vehicle.Burned {
		return deny("the vehicle %d of the device %s is no more", pairing.Vehicle, s.device.Address)
	}
	unnamed := func(did sayso.DID) bool {
		id, ours := did.Is(d.Chain.ID, d.Chain.AftermarketDevice)
		return ours && id == 0 && f.connection == nil || same(did, s.did)
	}
	if !unnamed(ce.Producer) {
		return deny("the producer is %s, but the sender is %s", ce.Producer, s.did)
	}
	subject := ce.Subject
	if id, ours := subject.Is(d.Chain.ID, d.Chain.Vehicle); !ours || id != s.vehicle.ID {
		subject = sayso.NFT(d.Chain.ID, d.Chain.Vehicle, s.vehicle.ID)
	}
	if !same(ce.Subject, subject) && !unnamed(ce.Subject) {
		return deny("the subject is %s, but the sender is paired with %s", ce.Subject, subject)
	}
	ce.Producer, ce.Subject = s.did, subject
	return s, nil
}

// same says whether two DIDs are of one token.
func same(a, b sayso.DID) bool {
	return a.Method == sayso.MethodERC721 && a.Method == b.Method && a.Chain == b.Chain && a.Address == b.Address && a.Token.Cmp(b.Token) == 0
}

// keyed finds the device of a key.
func (d *Door) keyed(key sayso.Address) (sender, error) {
	if device, ok := d.State.DeviceByAddress(key); ok {
		return d.aftermarket(device), nil
	}
	if s, ok := d.State.SyntheticByAddress(key); ok {
		return d.synthetic(s), nil
	}
	return deny("no device with the key %s is registered: sayso device new", key)
}

// behind finds the producer of a message of a connection, which must be behind
// it: a synthetic device that was made for it, or an aftermarket device of a
// manufacturer that belongs to whom the connection belongs to.
func (d *Door) behind(c *registry.Connection, producer sayso.DID) (sender, error) {
	if id, ok := producer.Is(d.Chain.ID, d.Chain.SyntheticDevice); ok && !d.Chain.SyntheticDevice.IsZero() {
		s, there := d.State.Synthetic(id)
		if there && s.BurnedAt == 0 && s.Connection == c.ID {
			return d.synthetic(s), nil
		}
		return deny("%s is no synthetic device of the connection %s", producer, c.Name)
	}
	if id, ok := producer.Is(d.Chain.ID, d.Chain.AftermarketDevice); ok {
		device, there := d.State.Device(id)
		maker, known := d.State.Manufacturer(device.Manufacturer)
		if there && known && !c.Owner.IsZero() && maker.Owner == c.Owner {
			return d.aftermarket(device), nil
		}
		return deny("%s is no device of a manufacturer that belongs to the owner of the connection %s", producer, c.Name)
	}
	return deny("the producer %s is no device of this chain", producer)
}

func (d *Door) aftermarket(device registry.Device) sender {
	return sender{device: device, did: sayso.NFT(d.Chain.ID, d.Chain.AftermarketDevice, device.ID)}
}

// synthetic is a synthetic device as one that is in its vehicle from the
// beginning of the ownership in which it was made.
func (d *Door) synthetic(s registry.Synthetic) sender {
	since := s.MintedAt
	if v, ok := d.State.Vehicle(s.Vehicle); ok {
		switch epoch := v.EpochAt(sayso.Instant(s.MintedAt) * 1_000_000); {
		case epoch == 1:
			since = 0
		case int(epoch) <= len(v.Owners):
			since = v.Owners[epoch-1].From
		}
	}
	return sender{
		device:    registry.Device{ID: s.ID, Address: s.Address, Pairings: []registry.Pairing{{Vehicle: s.Vehicle, From: since, To: s.BurnedAt}}},
		did:       sayso.NFT(d.Chain.ID, d.Chain.SyntheticDevice, s.ID),
		synthetic: true,
	}
}

// onlyOfThisCar drops what was measured in another car. A signature over the
// payload alone says nothing of the vehicle, so it counts only for times at
// which the device was in this one. A device that signed in says now that it
// is in this car, which counts for all times at which it was in no other. A
// synthetic device says nothing of the time of owners before the one who had it
// made. Where that leaves nothing of what there was, the message is refused.
func onlyOfThisCar(cat *catalogue.Catalogue, m *dialect.Message, s *sender, signedIn bool) error {
	device, vehicle := &s.device, s.vehicle.ID
	counts, why, refusal := wasIn, "the device was not paired with the vehicle at that time",
		"the device was not in this vehicle at any time that the message is about: sign in and send the token as a bearer, which says that it is"
	switch {
	case s.synthetic:
		why, refusal = "the vehicle had another owner, who did not have the synthetic device made",
			"the message is about the time of another owner only, who did not have the synthetic device made"
	case signedIn:
		counts, why, refusal = wasInNoOther, "the device was in another vehicle at that time",
			"the device was in another vehicle at every time that the message is about"
	}
	had := len(m.Readings) + len(m.Events)
	readings := m.Readings[:0]
	for _, r := range m.Readings {
		if counts(device, vehicle, r.Time) {
			readings = append(readings, r)
			continue
		}
		m.Rejected = append(m.Rejected, sayso.Rejection{Name: cat.ByID(r.Signal).Name, Reason: why})
	}
	events := m.Events[:0]
	for _, e := range m.Events {
		if counts(device, vehicle, e.Time) {
			events = append(events, e)
			continue
		}
		m.Rejected = append(m.Rejected, sayso.Rejection{Name: e.Name, Reason: why})
	}
	m.Readings, m.Events = readings, events
	if had > 0 && len(readings)+len(events) == 0 {
		return sayso.Fail(sayso.Denied, op, refusal)
	}
	return nil
}

// chainSlack is how far the clock of a chain may be ahead of a device's.
const chainSlack = 15 * sayso.Instant(time.Second/time.Microsecond)

// wasIn says whether the device was in the vehicle at a time, or came into it a
// moment later and was in no other.
func wasIn(device *registry.Device, vehicle uint64, t sayso.Instant) bool {
	return device.PairedAt(vehicle, t) || (wasInNoOther(device, vehicle, t) && device.PairedAt(vehicle, t+chainSlack))
}

// wasInNoOther says whether the device was in no vehicle but this one at a time.
func wasInNoOther(device *registry.Device, vehicle uint64, t sayso.Instant) bool {
	for _, p := range device.Pairings {
		if p.Vehicle != vehicle && device.PairedAt(p.Vehicle, t) {
			return false
		}
	}
	return true
}

// Package door takes what devices send: it proves the sender, caps the size,
// decodes, has it kept, and only then acknowledges. What keeps and what is
// known of the chain is handed to it.
package door

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect"
	"sayso/internal/clock"
	"sayso/owner/registry"
)

// State is what the door asks about devices and vehicles, at the moment of each
// message; [registry.Registry] is one.
type State interface {
	DeviceByAddress(sayso.Address) (registry.Device, bool)
	Vehicle(id uint64) (registry.Vehicle, bool)
}

// Parcel is one accepted message, ready to be kept whole or not at all.
type Parcel struct {
	Vehicle  uint64
	Epoch    uint32
	Envelope sayso.CloudEvent
	Body     [32]byte
	Readings []sayso.Reading
	Events   []sayso.Event
	Rejected []sayso.Rejection
	Backfill bool
}

// Door is the way in. All members are needed.
type Door struct {
	Catalogue *catalogue.Catalogue
	State     State
	Clock     clock.Clock
	Chain     registry.ChainInfo
	MaxBody   int64

	// Device reads the token of a signed-in device.
	Device func(token string) (sayso.Address, error)
	// Keep returns once the parcel is on stable storage. A [sayso.Conflict]
	// says that another message has the same source, subject and id.
	Keep func(context.Context, *Parcel) (duplicate bool, err error)
	// Count notes an outcome: kept, duplicate, or the name of a fault.
	Count func(outcome string)
}

// Result is what became of one event (spec ingest 8).
type Result struct {
	ID        string            `json:"id"`
	Accepted  bool              `json:"accepted"`
	Duplicate bool              `json:"duplicate,omitempty"`
	Signals   int               `json:"signals"`
	Events    int               `json:"events"`
	Rejected  []sayso.Rejection `json:"rejected"`
}

const op = "door"

// Take handles one cloud event. Signed is the address of a device that signed
// in; the zero address means that the event must carry the device's signature.
func (d *Door) Take(ctx context.Context, body []byte, signedIn sayso.Address, backfill bool) (Result, error) {
	now := d.Clock.Now()
	unnamed := sayso.NFT(d.Chain.ID, d.Chain.AftermarketDevice, 0) // stands for a producer that is not given
	ce, err := dialect.Envelope(body, dialect.Arrival{Source: signedIn, Producer: unnamed, Time: now})
	if err != nil {
		return Result{}, err
	}
	if signedIn.IsZero() {
		if err := proveSignature(&ce); err != nil {
			return Result{}, err
		}
	}
	device, vehicle, err := d.pairing(&ce)
	if err != nil {
		return Result{}, err
	}
	m, err := dialect.Decode(d.Catalogue, ce, dialect.Window{Now: now, Backfill: backfill})
	if err != nil {
		return Result{}, err
	}
	if signedIn.IsZero() {
		onlyWhilePaired(d.Catalogue, &m, &device, vehicle.ID)
	}
	ce.Type = kept(m.Types)
	p := &Parcel{
		Vehicle: vehicle.ID, Envelope: ce, Body: sha256.Sum256(body), Backfill: backfill,
		Readings: m.Readings, Events: m.Events, Rejected: m.Rejected,
	}
	p.dateTo(&vehicle)
	return d.keep(ctx, p)
}

// keep has a parcel kept and words the result.
func (d *Door) keep(ctx context.Context, p *Parcel) (Result, error) {
	duplicate, err := d.Keep(ctx, p)
	if sayso.FaultOf(err) == sayso.Conflict && err != nil {
		return Result{}, d.conflict(ctx, p)
	}
	if err != nil {
		return Result{}, err
	}
	r := Result{ID: p.Envelope.ID, Accepted: true, Duplicate: duplicate, Signals: len(p.Readings), Events: len(p.Events), Rejected: p.Rejected}
	if r.Rejected == nil {
		r.Rejected = []sayso.Rejection{}
	}
	return r, nil
}

// conflict keeps a record, for the owner, of a message whose id was used before
// for another one. Its readings do not count.
func (d *Door) conflict(ctx context.Context, p *Parcel) error {
	id := p.Envelope.ID
	record := *p
	record.Envelope.ID += "/" + hex.EncodeToString(p.Body[:8])
	record.Readings, record.Events = nil, nil
	record.Rejected = []sayso.Rejection{{Name: "id", Reason: "another message of this source has the id " + id}}
	if _, err := d.Keep(ctx, &record); err != nil && sayso.FaultOf(err) != sayso.Conflict {
		return err
	}
	return sayso.Fail(sayso.Conflict, op, fmt.Sprintf("another message with the id %q was kept before; this one was kept as a record for the owner and counts for nothing", id))
}

// pairing checks that the source is a registered device, that it is in a
// vehicle now, and that the message is about that device and vehicle. It fills
// in what the message left out.
func (d *Door) pairing(ce *sayso.CloudEvent) (registry.Device, registry.Vehicle, error) {
	deny := func(format string, args ...any) (registry.Device, registry.Vehicle, error) {
		return registry.Device{}, registry.Vehicle{}, sayso.Fail(sayso.Denied, op, fmt.Sprintf(format, args...))
	}
	device, ok := d.State.DeviceByAddress(ce.Source)
	if !ok {
		return deny("no device with the key %s is registered: sayso device new", ce.Source)
	}
	pairing, ok := device.Paired()
	if !ok {
		return deny("the device %s is not paired with a vehicle: sayso device pair --device %d --vehicle <id>", ce.Source, device.ID)
	}
	vehicle, ok := d.State.Vehicle(pairing.Vehicle)
	if !ok || vehicle.Burned {
		return deny("the vehicle %d of the device %s is no more", pairing.Vehicle, ce.Source)
	}
	producer := sayso.NFT(d.Chain.ID, d.Chain.AftermarketDevice, device.ID)
	subject := sayso.NFT(d.Chain.ID, d.Chain.Vehicle, vehicle.ID)
	unnamed := func(did sayso.DID) bool {
		id, ours := did.Is(d.Chain.ID, d.Chain.AftermarketDevice)
		return ours && (id == 0 || id == device.ID)
	}
	if !unnamed(ce.Producer) {
		return deny("the producer is %s, but the sender is %s", ce.Producer, producer)
	}
	if id, ours := ce.Subject.Is(d.Chain.ID, d.Chain.Vehicle); !(ours && id == vehicle.ID) && !unnamed(ce.Subject) {
		return deny("the subject is %s, but the sender is paired with %s", ce.Subject, subject)
	}
	ce.Producer, ce.Subject = producer, subject
	return device, vehicle, nil
}

// proveSignature checks the device's own signature: secp256k1 over the Keccak
// hash of the payload bytes as received, r, s and v of 27 or 28 (spec ingest
// 1.6). A signature with a high s is refused, since anybody can make it from
// the one with the low s.
func proveSignature(ce *sayso.CloudEvent) error {
	refuse := func(why string) error {
		return sayso.Fail(sayso.Unauthorized, op, why+": sign the bytes of data with the device's key, or sign in and send the token as a bearer")
	}
	if ce.Signature == "" {
		return refuse("neither a token nor a signature")
	}
	sig, err := hex.DecodeString(strings.TrimPrefix(ce.Signature, "0x"))
	if err != nil || len(sig) != 65 || (sig[64] != 27 && sig[64] != 28) {
		return refuse("the signature is not of 65 bytes r, s, v with v of 27 or 28")
	}
	sig[64] -= 27
	if half := highS(sig[32:64]); half {
		return refuse("the signature has a high s")
	}
	hash := sayso.Keccak256(ce.Data)
	key, err := crypto.SigToPub(hash[:], sig)
	if err != nil || sayso.Address(crypto.PubkeyToAddress(*key)) != ce.Source {
		return refuse("the signature is not by " + ce.Source.String())
	}
	return nil
}

// halfOrder is half the order of secp256k1.
var halfOrder = [32]byte{
	0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
}

func highS(s []byte) bool { return string(s) > string(halfOrder[:]) }

// onlyWhilePaired drops what lies outside the pairing. A signature over the
// payload alone says nothing of the vehicle, so it counts only for times at
// which the device was in it.
func onlyWhilePaired(cat *catalogue.Catalogue, m *dialect.Message, device *registry.Device, vehicle uint64) {
	why := "the device was not paired with the vehicle at that time"
	readings := m.Readings[:0]
	for _, r := range m.Readings {
		if device.PairedAt(vehicle, r.Time) {
			readings = append(readings, r)
			continue
		}
		m.Rejected = append(m.Rejected, sayso.Rejection{Name: cat.ByID(r.Signal).Name, Reason: why})
	}
	events := m.Events[:0]
	for _, e := range m.Events {
		if device.PairedAt(vehicle, e.Time) {
			events = append(events, e)
			continue
		}
		m.Rejected = append(m.Rejected, sayso.Rejection{Name: e.Name, Reason: why})
	}
	m.Readings, m.Events = readings, events
}

// dateTo gives everything to the owner of its time. The envelope goes to the
// earliest of them, so that no later owner reads a former one's values in it.
func (p *Parcel) dateTo(v *registry.Vehicle) {
	p.Epoch = v.EpochAt(sayso.At(p.Envelope.Time))
	for i := range p.Readings {
		p.Readings[i].Epoch = v.EpochAt(p.Readings[i].Time)
		p.Epoch = min(p.Epoch, p.Readings[i].Epoch)
	}
	for i := range p.Events {
		p.Events[i].Epoch = v.EpochAt(p.Events[i].Time)
		p.Epoch = min(p.Epoch, p.Events[i].Epoch)
	}
}

// kept is the type of the envelope as kept: one message may be several things,
// of which the readings come first.
func kept(types []string) string {
	best := ""
	for _, t := range types {
		if t == sayso.TypeStatus || best == "" || best == sayso.TypeFingerprint {
			best = t
		}
	}
	return best
}

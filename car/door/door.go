// Package door takes what devices send: it proves the sender, caps the size,
// decodes, has it kept, and only then acknowledges. What keeps and what is
// known of the chain is handed to it.
package door

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect"
	"sayso/internal/clock"
	"sayso/internal/cores"
	"sayso/owner/registry"
)

// State is what the door asks about devices and vehicles, at the moment of each
// message; [registry.Registry] is one.
type State interface {
	Vehicle(id uint64) (registry.Vehicle, bool)
	Device(id uint64) (registry.Device, bool)
	DeviceByAddress(sayso.Address) (registry.Device, bool)
	Synthetic(id uint64) (registry.Synthetic, bool)
	SyntheticByAddress(sayso.Address) (registry.Synthetic, bool)
	Manufacturer(id uint64) (registry.Manufacturer, bool)
	ConnectionByAddress(sayso.Address) (registry.Connection, bool)
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

// Door is the way in. The members of the first two groups are needed.
type Door struct {
	Catalogue *catalogue.Catalogue
	State     State
	Clock     clock.Clock
	Chain     registry.ChainInfo
	MaxBody   int64 // of one event, in bytes; a batch may have [BatchFactor] times as many

	// Device reads the token of a signed-in device.
	Device func(token string) (sayso.Address, error)
	// Keep returns once the parcel is on stable storage. A [sayso.Conflict]
	// says that another message has the same source, subject and id.
	Keep func(context.Context, *Parcel) (duplicate bool, err error)
	// Count notes an outcome: kept, duplicate, or the name of a fault.
	Count func(outcome string)

	// Begin is Keep in two halves: it puts the parcel in line, and wait, which
	// is called once, returns when it is on stable storage. Without it the
	// events of a batch are kept one after the other.
	Begin func(context.Context, *Parcel) (wait func(context.Context) (duplicate bool, err error), err error)
	// Signatures is what the signature of a signed-in device's event is for.
	Signatures SignatureMode
	// Checks takes the signatures that are checked after the acknowledgement;
	// needed for [Record].
	Checks *Checks
	// Rates bounds how many events a device may send; nil for no bound.
	Rates *Rates
	// Gate bounds what is under way at once; nil for no bound.
	Gate *Gate
	// Statements says who may state something about a vehicle; needed for
	// [Door.Attestations].
	Statements *Statements

	decoders decoders
	nobody   struct {
		once sync.Once
		did  sayso.DID
	}
}

// Result is what became of one event (spec ingest 8).
type Result struct {
	ID        string            `json:"id"`
	Accepted  bool              `json:"accepted"`
	Duplicate bool              `json:"duplicate,omitempty"`
	Signals   int               `json:"signals"`
	Events    int               `json:"events"`
	Rejected  []sayso.Rejection `json:"rejected"`
	Error     *Refusal          `json:"error,omitempty"` // of an event of a batch that was not accepted
}

const op = "door"

// from is who hands a message in, and how.
type from struct {
	device     sayso.Address        // signed in; the zero address if nobody is
	connection *registry.Connection // that its certificate names; nil if there is none
	states     bool                 // a statement, handed in by the account in device
	backfill   bool
}

// proven says whether the sender is known before the message is read.
func (f *from) proven() bool { return f.connection != nil || !f.device.IsZero() }

// underway is a message in line to be kept.
type underway struct {
	parcel   *Parcel
	rejected []sayso.Rejection // what the sender is told
	check    *sayso.Address    // whose signature it should bear, once it is kept; nil for none
	wait     func(context.Context) (duplicate bool, err error)
}

// Take handles one cloud event and returns when it is kept. Signed is the
// address of a device that signed in; the zero address means that the event
// must carry the device's signature. The id of the result is that of the event,
// also beside an error, if it could be read.
func (d *Door) Take(ctx context.Context, body []byte, signedIn sayso.Address, backfill bool) (Result, error) {
	return d.take(ctx, body, from{device: signedIn, backfill: backfill})
}

func (d *Door) take(ctx context.Context, body []byte, f from) (Result, error) {
	u, id, err := d.begin(ctx, body, f)
	if err != nil {
		return Result{ID: id}, err
	}
	return d.finish(ctx, u)
}

// begin judges one cloud event and puts it in line. It does not wait.
func (d *Door) begin(ctx context.Context, body []byte, f from) (u underway, id string, err error) {
	judge := d.inTurn
	if f.states {
		judge = d.statement // may ask the chain meanwhile
	}
	p, s, id, err := judge(ctx, body, f)
	if err != nil {
		return underway{}, id, err
	}
	u = underway{parcel: p, rejected: s.told}
	if d.Signatures == Record && f.proven() && !f.states && p.Envelope.Data != nil {
		key := s.device.Address // a copy, or all of the sender would outlive the message
		u.check = &key
	}
	if d.Begin == nil {
		u.wait = func(ctx context.Context) (bool, error) { return d.Keep(ctx, p) }
		return u, id, nil
	}
	u.wait, err = d.Begin(ctx, p)
	return u, id, err
}

// turns are as many as there are CPUs to judge on. Who waits for a turn is not
// ready to run, so that whoever keeps, applies and answers does not stand in line
// behind every sender for whom there is no CPU anyway.
var turns = make(chan struct{}, cores.Count())

func (d *Door) inTurn(ctx context.Context, body []byte, f from) (*Parcel, sender, string, error) {
	turns <- struct{}{}
	defer func() { <-turns }()
	return d.judge(ctx, body, f)
}

// judge proves the sender of one cloud event and decodes it. White space around
// the event does not belong to it, so that it is the same alone and in a batch.
func (d *Door) judge(_ context.Context, body []byte, f from) (p *Parcel, s sender, id string, err error) {
	now := d.Clock.Now()
	body = bytes.Trim(body, space)
	ce, err := dialect.Envelope(body, d.arrival(f, now))
	if err != nil {
		return nil, s, "", err
	}
	id = ce.ID
	if err := f.mayBring(&ce); err != nil {
		return nil, s, id, err
	}
	if s, err = d.sender(&ce, f); err != nil {
		return nil, s, id, err
	}
	if !f.proven() || d.Signatures == Require {
		if err := proveSignature(&ce, s.device.Address); err != nil {
			return nil, s, id, err
		}
	}
	if f.device.IsZero() {
		if err := d.Rates.take(s.device.Address, 1, now); err != nil {
			return nil, s, id, err
		}
	}
	m, err := d.decode(&ce, dialect.Window{Now: now, Backfill: f.backfill})
	if err != nil {
		return nil, s, id, err
	}
	mixed := s.mixed(&m, now)
	if err := onlyOfThisCar(d.Catalogue, &m, &s, f.proven()); err != nil {
		return nil, s, id, err
	}
	if ce.Type != TypeRaw {
		ce.Type = kept(m.Types)
	}
	p = &Parcel{
		Vehicle: s.vehicle.ID, Envelope: ce, Body: sha256.Sum256(body), Backfill: f.backfill,
		Readings: m.Readings, Events: m.Events, Rejected: m.Rejected,
	}
	p.dateTo(&s.vehicle)
	s.told = p.Rejected
	if mixed {
		if d.Signatures == Record && f.proven() {
			p.signed(s.device.Address)
		}
		p.withhold(&s.vehicle)
	} else if len(m.Refused) > 0 && len(m.Readings)+len(m.Events) == 0 && s.device.PairedAt(s.vehicle.ID, m.Refused[0]) {
		p.Epoch = s.vehicle.EpochAt(m.Refused[0]) // they stand in the envelope all the same
	}
	return p, s, id, nil
}

// arrival is what is known of a message before it is read.
func (d *Door) arrival(f from, now time.Time) dialect.Arrival {
	if f.connection != nil {
		return dialect.Arrival{Source: f.connection.Address, Time: now, Names: d.names()}
	}
	return dialect.Arrival{Source: f.device, Producer: d.unnamed(), Time: now, Names: d.names()}
}

// decode reads the payload; one that is called raw is kept as it is.
func (d *Door) decode(ce *sayso.CloudEvent, w dialect.Window) (dialect.Message, error) {
	if ce.Type == TypeRaw {
		return dialect.Message{}, nil
	}
	return dialect.Decode(d.Catalogue, *ce, w)
}

// names are the contracts of messages that name vehicle and device by number.
func (d *Door) names() dialect.Names {
	return dialect.Names{Chain: d.Chain.ID, Vehicle: d.Chain.Vehicle, Aftermarket: d.Chain.AftermarketDevice, Synthetic: d.Chain.SyntheticDevice}
}

// unnamed stands for a producer that is not given.
func (d *Door) unnamed() sayso.DID {
	d.nobody.once.Do(func() { d.nobody.did = sayso.NFT(d.Chain.ID, d.Chain.AftermarketDevice, 0) })
	return d.nobody.did
}

// finish waits until a message is kept and words the result. This is the only
// place that says kept: what it accepts is on stable storage.
func (d *Door) finish(ctx context.Context, u underway) (Result, error) {
	p := u.parcel
	duplicate, err := u.wait(ctx)
	if err != nil && sayso.FaultOf(err) == sayso.Conflict {
		err = d.conflict(ctx, p)
	}
	if err != nil {
		return Result{ID: p.Envelope.ID}, err
	}
	if u.check != nil && !duplicate {
		d.Checks.add(p, *u.check)
	}
	r := Result{ID: p.Envelope.ID, Accepted: true, Duplicate: duplicate, Signals: len(p.Readings), Events: len(p.Events), Rejected: u.rejected}
	if r.Rejected == nil {
		r.Rejected = []sayso.Rejection{}
	}
	return r, nil
}

// UsedID begins the reason in the record of a message whose id was used before.
const UsedID = "another message of this source has the id "

// conflict keeps a record, for the owner, of a message whose id was used before
// for another one. Its readings do not count.
func (d *Door) conflict(ctx context.Context, p *Parcel) error {
	id := p.Envelope.ID
	record := *p
	record.Envelope.ID += "/" + hex.EncodeToString(p.Body[:8])
	record.Readings, record.Events = nil, nil
	record.Rejected = []sayso.Rejection{{Name: "id", Reason: UsedID + id}}
	if _, err := d.Keep(ctx, &record); err != nil && sayso.FaultOf(err) != sayso.Conflict {
		return err
	}
	return sayso.Fail(sayso.Conflict, op, fmt.Sprintf("another message with the id %q was kept before; this one was kept as a record for the owner and counts for nothing", id))
}

// dateTo gives everything to the owner of its time, and the envelope to the owner
// of its values; to that of its own time if there are none.
func (p *Parcel) dateTo(v *registry.Vehicle) {
	p.Epoch = v.EpochAt(sayso.At(p.Envelope.Time))
	for i := range p.Readings {
		p.Readings[i].Epoch = v.EpochAt(p.Readings[i].Time)
		p.Epoch = p.Readings[i].Epoch
	}
	for i := range p.Events {
		p.Events[i].Epoch = v.EpochAt(p.Events[i].Time)
		p.Epoch = p.Events[i].Epoch
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

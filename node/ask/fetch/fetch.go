// Package fetch reads cloud events as they were received (spec api 5): the ones
// that a caller may see, the newest first, without what was taken back. It has
// the GraphQL answers about them too, for the service of its own on /fetch/query
// and for the fields of /query.
//
// Every event is decided alone, by [consent.Verdict.Message], when it is read.
// What is refused is not counted and leaves no gap.
package fetch

import (
	"context"
	"slices"
	"strings"
	"time"

	"sayso"
	"sayso/node/vault"
	"sayso/owner/attest"
	"sayso/owner/consent"
	"sayso/owner/registry"
	"sayso/owner/token"
)

// Vault is what is read from; [vault.Engine] has it.
type Vault interface {
	CloudEventsOf(ctx context.Context, v vault.View, of vault.Class, from, to sayso.Instant, yield func(vault.Stored) bool) error
}

// Devices says which devices were in which vehicle; [registry.Registry] is one.
type Devices interface {
	Device(id uint64) (registry.Device, bool)
	Synthetic(id uint64) (registry.Synthetic, bool)
}

// Reader reads cloud events.
type Reader struct {
	Vault   Vault
	Chain   registry.ChainInfo
	Devices Devices // nil where no device can be asked for
	// Link is where a payload can be had that is too long to stand in an answer;
	// nil where every payload stands in it.
	Link func(c *Caller, at Place) string
}

// Caller is who asks, as a token proves it. Decide is what the owner allows and
// the token carries, at this moment.
type Caller struct {
	Who    sayso.Address
	Asset  *sayso.DID // the vehicle that the token is for; nil: any
	Decide func(vehicle uint64) consent.Verdict
	Token  *token.Vehicle // what proves it, for links; nil where nothing does
}

// Subject is what is asked about: a vehicle, or what one device said of it.
type Subject struct {
	Vehicle  uint64
	Producer *sayso.DID
}

// Query chooses among the cloud events of a subject.
type Query struct {
	Subject
	Classes       vault.Class // to look at; 0 for all
	Match         func(*sayso.CloudEvent) bool
	After, Before time.Time // exclusive; zero for none
	Deleted       bool      // also what was taken back
	Tombstones    bool      // also what takes back
	Ascending     bool      // the oldest first
	Limit         int
	Bytes         int // of all payloads; over it the answer is [sayso.TooLarge]
}

// How much one question may take.
const (
	MaxLimit = 1000      // events
	maxLook  = 1_000_000 // events that are looked at
)

// Clamp brings a limit within 1 and [MaxLimit] (spec api 5.2).
func Clamp(n int64) int { return int(min(max(n, 1), MaxLimit)) }

// Find says what a DID stands for with a caller: the vehicle of the token, or a
// device that is or was paired with it.
func (r *Reader) Find(c *Caller, text string) (Subject, error) {
	if c == nil {
		return Subject{}, refuse(sayso.Unauthorized, "unauthorized: no token claims", "jwt missing")
	}
	none := refuse(sayso.Denied, "token does not have access to this subject",
		"the DID in the query does not match the vehicle of the token, and is of no device that was paired with it")
	did, err := sayso.ParseDID(text)
	if err != nil {
		return Subject{}, none
	}
	if id, ok := did.Is(r.Chain.ID, r.Chain.Vehicle); ok {
		if c.Asset != nil && did.String() != c.Asset.String() {
			return Subject{}, none
		}
		return Subject{Vehicle: id}, nil
	}
	if c.Asset == nil || r.Devices == nil {
		return Subject{}, none
	}
	vehicle, ok := c.Asset.Is(r.Chain.ID, r.Chain.Vehicle)
	if !ok || !r.paired(did, vehicle) {
		return Subject{}, none
	}
	return Subject{Vehicle: vehicle, Producer: &did}, nil
}

// paired says whether a device is or was in a vehicle. What it said is kept with
// the vehicle in which it was then.
func (r *Reader) paired(did sayso.DID, vehicle uint64) bool {
	if id, ok := did.Is(r.Chain.ID, r.Chain.AftermarketDevice); ok {
		d, there := r.Devices.Device(id)
		return there && slices.ContainsFunc(d.Pairings, func(p registry.Pairing) bool { return p.Vehicle == vehicle })
	}
	if id, ok := did.Is(r.Chain.ID, r.Chain.SyntheticDevice); ok && !r.Chain.SyntheticDevice.IsZero() {
		s, there := r.Devices.Synthetic(id)
		return there && s.Vehicle == vehicle
	}
	return false
}

// Open decides what a caller may see of a subject. Where that is nothing, the
// error says so.
func (r *Reader) Open(c *Caller, s Subject) (consent.Verdict, error) {
	v := c.Decide(s.Vehicle)
	switch {
	case len(v.Messages()) > 0:
		return v, nil
	case v.Reason == consent.ChainStale:
		return v, sayso.Fail(sayso.Busy, "fetch", string(consent.ChainStale))
	}
	reason := string(v.Reason)
	if reason == "" {
		reason = "the token carries neither " + sayso.RawData.String() + ", nor " + sayso.LocationHistory.String() + " with " + sayso.NonLocationHistory.String() + ", nor a filter on cloud events"
	}
	e := refuse(sayso.Denied, "token does not have required permission for this operation", reason)
	e.extensions["missing"] = []string{sayso.RawData.String()}
	return v, e
}

// List gives the events that a query chooses, the newest first or the oldest.
func (r *Reader) List(ctx context.Context, v consent.Verdict, q Query) (list []vault.Stored, err error) {
	size := 0
	err = r.each(ctx, v, q, func(s *vault.Stored) (bool, error) {
		if q.Ascending && len(list) == q.Limit { // the oldest stay
			size -= len(list[0].Envelope.Data)
			list = append(list[:0], list[1:]...)
		}
		list = append(list, *s)
		if size += len(s.Envelope.Data); q.Bytes > 0 && size > q.Bytes && len(list) > 1 && !q.Ascending {
			return false, sayso.Fail(sayso.TooLarge, "fetch", "the payloads are too long for one answer: ask for fewer")
		}
		return q.Ascending || len(list) < q.Limit, nil
	})
	if q.Ascending {
		if q.Bytes > 0 && size > q.Bytes {
			return nil, sayso.Fail(sayso.TooLarge, "fetch", "the payloads are too long for one answer: ask for fewer")
		}
		slices.Reverse(list)
	}
	return list, err
}

// Counted is what there is of one type.
type Counted struct {
	Type        string
	Count       int64
	First, Last time.Time
}

// Types counts the events that a query chooses by type, in ascending order.
func (r *Reader) Types(ctx context.Context, v consent.Verdict, q Query) ([]Counted, error) {
	by := map[string]*Counted{}
	err := r.each(ctx, v, q, func(s *vault.Stored) (bool, error) {
		e := &s.Envelope
		c := by[e.Type]
		if c == nil {
			c = &Counted{Type: e.Type, Last: e.Time}
			by[e.Type] = c
		}
		c.Count++
		c.First = e.Time
		return true, nil
	})
	list := make([]Counted, 0, len(by))
	for _, c := range by {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b Counted) int { return strings.Compare(a.Type, b.Type) })
	return list, err
}

// each gives the events that a query chooses and the verdict opens, the newest
// first, until yield says no.
func (r *Reader) each(ctx context.Context, v consent.Verdict, q Query, yield func(*vault.Stored) (bool, error)) error {
	view := vault.View{Vehicle: q.Vehicle, Epochs: v.Messages()}
	looked, failed := 0, error(nil)
	look := func() bool {
		if looked++; looked > maxLook {
			failed = sayso.Fail(sayso.TooLarge, "fetch", "over 1,000,000 cloud events would have to be looked at: ask for fewer types, or for less time, with the filters type, before and after")
		}
		return failed == nil
	}
	void := map[voided]bool{}
	if !q.Deleted {
		err := r.Vault.CloudEventsOf(ctx, view, vault.Tombstone, never, forever, func(s vault.Stored) bool {
			if id, ok := voids(&s.Envelope); ok {
				void[voided{s.Epoch, s.Envelope.Source, s.Envelope.Subject.String(), id}] = true
			}
			return look()
		})
		if err != nil || failed != nil {
			return cmpError(failed, err)
		}
	}
	if q.Classes == 0 {
		q.Classes = vault.AnyClass
	}
	if !q.Tombstones {
		q.Classes &^= vault.Tombstone
	}
	from, to := q.window()
	err := r.Vault.CloudEventsOf(ctx, view, q.Classes, from, to, func(s vault.Stored) bool {
		if !look() || !q.chooses(&s) || !v.Message(messageOf(&s)) {
			return failed == nil
		}
		e := &s.Envelope
		if e.Type != sayso.TypeTombstone && len(void) > 0 && void[voided{s.Epoch, e.Source, e.Subject.String(), e.ID}] {
			return true
		}
		var more bool
		more, failed = yield(&s)
		return more && failed == nil
	})
	return cmpError(failed, err)
}

func cmpError(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

const (
	never   = sayso.Instant(-1 << 63)
	forever = sayso.Instant(1<<63 - 1)
)

// window is the time to look at, at the resolution of the vault; [Query.chooses]
// decides the rest.
func (q *Query) window() (from, to sayso.Instant) {
	from, to = never, forever
	if !q.After.IsZero() {
		from = sayso.At(q.After)
	}
	if !q.Before.IsZero() {
		to = sayso.At(q.Before) + 1
	}
	return from, to
}

func (q *Query) chooses(s *vault.Stored) bool {
	e := &s.Envelope
	return (q.After.IsZero() || e.Time.After(q.After)) && (q.Before.IsZero() || e.Time.Before(q.Before)) &&
		(q.Producer == nil || e.Producer.String() == q.Producer.String()) &&
		(q.Match == nil || q.Match(e))
}

// voided names an event that was taken back. It is one of the same source and
// subject, and of the same ownership.
type voided struct {
	epoch   uint32
	source  sayso.Address
	subject string
	id      string
}

// voids is the id of what a tombstone takes back.
func voids(e *sayso.CloudEvent) (string, bool) {
	id, _, err := attest.Voids(e)
	return id, err == nil
}

package door

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sayso"
	"sayso/car/dialect"
	"sayso/owner/attest"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// Statements is what the door of statements asks: who signed in, who signed, and
// who may say something about a vehicle.
type Statements struct {
	// Caller is the account that the token of a request names; the zero address
	// where there is none.
	Caller  func(*http.Request) (sayso.Address, error)
	Checker *attest.Checker
	// Decide is [consent.Decide] at this moment: who may see something of an
	// ownership may say something about it.
	Decide func(who sayso.Address, vehicle uint64) consent.Verdict
}

// Attestations is the door of signed statements about a vehicle (spec ingest
// 1.4 and 1.6): a POST to any path with a developer token. The source of a
// statement is whoever signed it, as an account does or as its contract says.
// What takes a statement back is one too. It needs [Door.Statements].
func (d *Door) Attestations() http.Handler { return d.posted(d.attester) }

// posted answers a POST to any path.
func (d *Door) posted(proof func(*http.Request) (from, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			reply(w, http.StatusMethodNotAllowed, Refusal{Code: http.StatusMethodNotAllowed, Message: "post cloud events here"})
			return
		}
		d.serve(w, r, proof)
	})
}

func (d *Door) attester(r *http.Request) (f from, err error) {
	f.states = true
	if f.device, err = d.Statements.Caller(r); err == nil && f.device.IsZero() {
		err = sayso.Fail(sayso.Unauthorized, op, "sign in, and send the token as a bearer")
	}
	return f, err
}

// statement judges one statement and dates it to the owner of its time.
func (d *Door) statement(ctx context.Context, body []byte, f from) (p *Parcel, s sender, id string, err error) {
	body = bytes.Trim(body, space)
	ce, err := dialect.Envelope(body, dialect.Arrival{Source: f.device, Time: d.Clock.Now(), Statement: true})
	if err != nil {
		return nil, s, "", err
	}
	id = ce.ID
	if err := stated(&ce); err != nil {
		return nil, s, id, err
	}
	vehicle, err := d.about(ce.Subject)
	if err != nil {
		return nil, s, id, err
	}
	p = &Parcel{Vehicle: vehicle.ID, Envelope: ce, Body: sha256.Sum256(body), Backfill: f.backfill}
	p.dateTo(&vehicle)
	if err := d.mayState(ce.Source, p); err != nil {
		return nil, s, id, err
	}
	return p, s, id, d.Statements.Checker.Event(ctx, &p.Envelope)
}

// stated checks the type of a statement (spec ingest 1.3).
func stated(ce *sayso.CloudEvent) error {
	switch ce.Type {
	case "":
		ce.Type = sayso.TypeAttestation
	case sayso.TypeAttestation:
	case sayso.TypeTombstone:
		_, _, err := attest.Voids(ce)
		return err
	default:
		for _, family := range []string{"dimo.raw.", "dimo.document."} {
			if rest, ok := strings.CutPrefix(ce.Type, family); ok && rest != "" && ce.Type != TypeRaw {
				return nil
			}
		}
		return sayso.Fail(sayso.Invalid, op, fmt.Sprintf("the type %q is none of a statement: want %s, %s, dimo.document.<kind> or dimo.raw.<kind>", ce.Type, sayso.TypeAttestation, sayso.TypeTombstone))
	}
	return nil
}

// about finds the vehicle that a statement is about: its own DID, or that of a
// device which is in it now.
func (d *Door) about(subject sayso.DID) (v registry.Vehicle, err error) {
	id, ok := subject.Is(d.Chain.ID, d.Chain.Vehicle)
	if !ok {
		if n, is := subject.Is(d.Chain.ID, d.Chain.AftermarketDevice); is {
			device, _ := d.State.Device(n)
			var in registry.Pairing
			in, ok = device.Paired()
			id = in.Vehicle
		} else if n, is := subject.Is(d.Chain.ID, d.Chain.SyntheticDevice); is && !d.Chain.SyntheticDevice.IsZero() {
			device, there := d.State.Synthetic(n)
			id, ok = device.Vehicle, there && device.BurnedAt == 0
		}
	}
	if ok {
		v, ok = d.State.Vehicle(id)
	}
	if !ok || v.Burned {
		return v, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("the subject %s is no vehicle of this chain, and no device that is in one", subject))
	}
	return v, nil
}

// mayState says whether somebody may say something about the ownership of a
// statement.
func (d *Door) mayState(who sayso.Address, p *Parcel) error {
	v := d.Statements.Decide(who, p.Vehicle)
	of := slices.ContainsFunc(v.Rights, func(r consent.Right) bool { return r.Epoch == p.Epoch }) ||
		slices.ContainsFunc(v.Events, func(r consent.EventRight) bool { return r.Epoch == p.Epoch })
	switch {
	case of:
		return nil
	case v.Reason == consent.ChainStale:
		return sayso.Fail(sayso.Busy, op, string(v.Reason))
	case v.Reason == "":
		v.Reason = "the statement is about the time of another owner"
	}
	return sayso.Fail(sayso.Denied, op, fmt.Sprintf("%s may say nothing about the vehicle %d: %s", who, p.Vehicle, v.Reason))
}

// Package vouch has the node sign what it knows of a vehicle: the identification
// number, the odometer, the health, the cell of a position (spec api 6). It reads
// only what the caller may see, of one ownership, and keeps the credential there
// as a cloud event, in the vault's one way.
package vouch

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/car/dialect"
	"sayso/internal/clock"
	"sayso/internal/h3"
	"sayso/node/ask/fetch"
	"sayso/node/vault"
	"sayso/owner/attest"
	"sayso/owner/registry"
)

// Vault is what is read from and kept in; [vault.Engine] has it.
type Vault interface {
	Latest(ctx context.Context, v vault.View, signals []sayso.SignalID) ([]vault.Row, error)
	Scan(ctx context.Context, v vault.View, signals []sayso.SignalID, from, to sayso.Instant, yield func(vault.Row) bool) error
	Commit(ctx context.Context, d *vault.Deposit) (vault.Kept, error)
}

// Registry finds who a source is; [registry.Registry] is one.
type Registry interface {
	Chain() registry.ChainInfo
	DeviceByAddress(sayso.Address) (registry.Device, bool)
}

// Service makes credentials.
type Service struct {
	Vault     Vault
	Registry  Registry
	Catalogue *catalogue.Catalogue
	Raw       *fetch.Reader
	Issuer    *attest.Issuer
	Clock     clock.Clock
}

// The signals that credentials are about.
const (
	odometer   = "powertrainTransmissionTravelledDistance"
	position   = "currentLocationCoordinates"
	codes      = "obdDTCList"
	lamp       = "obdDistanceWithMIL" // above 0 while the warning lamp is on
	frontLeft  = "chassisAxleRow1WheelLeftTirePressure"
	frontRight = "chassisAxleRow1WheelRightTirePressure"
	rearLeft   = "chassisAxleRow2WheelLeftTirePressure"
	rearRight  = "chassisAxleRow2WheelRightTirePressure"
)

// How long credentials hold, and how far from the time that is asked for a value
// may be (spec api 6.2).
const (
	odometerTerm = time.Hour
	healthTerm   = 24 * time.Hour
	positionTerm = 5 * time.Minute
	movementTerm = 24 * time.Hour
	near         = sayso.Instant(time.Hour / time.Microsecond)
	maxRange     = 30 * 24 * time.Hour
	week         = 7 * 24 * time.Hour
)

// About is a vehicle, and the ownerships of it of which the caller may see what
// the credential tells.
type About struct {
	Vehicle uint64
	Epochs  []uint32
}

func nothing(what string) error {
	return sayso.Fail(sayso.NotFound, "vouch", "the vehicle said nothing of its "+what+" that could be attested")
}

// VIN attests the identification number as a device last read it. A credential
// that still holds and says the same is not made again.
func (s *Service) VIN(ctx context.Context, a About) error {
	now, vin := s.Clock.Now(), ""
	found, err := s.Raw.Identified(ctx, a.Vehicle, a.Epochs, func(e *sayso.CloudEvent) bool {
		m, err := dialect.Decode(s.Catalogue, *e, dialect.Window{Now: e.Time, Backfill: true})
		vin = m.VIN
		return err == nil && vin != ""
	})
	if err != nil {
		return err
	}
	if found == nil {
		return nothing("identification number")
	}
	old, err := s.Raw.Newest(ctx, a.Vehicle, []uint32{found.Epoch}, func(e *sayso.CloudEvent) bool {
		return e.Type == sayso.TypeAttestation && e.DataVersion == attest.VINVersion && e.Source == s.Issuer.Address()
	})
	if err != nil {
		return err
	}
	if old != nil {
		var c attest.VIN
		if json.Unmarshal(old.Envelope.Data, &c) == nil && c.Subject.VIN == vin && now.Before(c.ValidTo) {
			return nil
		}
	}
	chain := s.Registry.Chain()
	vehicle := sayso.NFT(chain.ID, chain.Vehicle, a.Vehicle)
	ce, err := attest.Issue(s.Issuer, attest.VINKind, vehicle, found.Envelope.Producer, now, attest.WeekEnd(now), attest.VINSubject{
		ID: vehicle.String(), TokenID: a.Vehicle, Contract: chain.Vehicle.String(), VIN: vin,
		RecordedBy: found.Envelope.Producer.String(), RecordedAt: found.Envelope.Time.UTC(),
	})
	return s.keep(ctx, a.Vehicle, found.Epoch, ce, err)
}

// Odometer attests the reading nearest to a time, or the newest.
func (s *Service) Odometer(ctx context.Context, a About, at *time.Time) error {
	row, epoch, err := s.nearest(ctx, a, odometer, at)
	if err != nil {
		return err
	}
	vehicle, producer := s.parties(a, row.Source)
	ce, err := attest.Issue(s.Issuer, attest.OdometerKind, vehicle, producer, s.Clock.Now(), s.Clock.Now().Add(odometerTerm), attest.OdometerSubject{
		Vehicle: vehicle.String(), Source: row.Source.String(), Requested: at, Producer: producer.String(),
		Reading: attest.Measured{Value: row.Value.Number, Unit: "km", Time: row.Time.Time()},
	})
	return s.keep(ctx, a.Vehicle, epoch, ce, err)
}

// Position attests the cell of the position nearest to a time.
func (s *Service) Position(ctx context.Context, a About, at time.Time) error {
	row, epoch, err := s.nearest(ctx, a, position, &at)
	if err != nil {
		return err
	}
	vehicle, producer := s.parties(a, row.Source)
	ce, err := attest.Issue(s.Issuer, attest.PositionKind, vehicle, producer, s.Clock.Now(), s.Clock.Now().Add(positionTerm), attest.PositionSubject{
		Vehicle: vehicle.String(), Requested: at.UTC(), Producer: producer.String(),
		Location: located(row),
	})
	return s.keep(ctx, a.Vehicle, epoch, ce, err)
}

// Movement attests that the vehicle came from one cell into another within the last
// week: the latest time it did.
func (s *Service) Movement(ctx context.Context, a About) error {
	now := s.Clock.Now()
	var from, to vault.Row // of the latest change of cells
	var epoch uint32
	for _, e := range a.Epochs {
		view := vault.View{Vehicle: a.Vehicle, Epochs: []uint32{e}}
		var last vault.Row
		cell := ""
		err := s.Vault.Scan(ctx, view, []sayso.SignalID{s.Catalogue.Signal(position).ID}, sayso.At(now.Add(-week)), sayso.At(now)+1, func(r vault.Row) bool {
			if r.Value.Location.Latitude == 0 && r.Value.Location.Longitude == 0 {
				return true
			}
			at := cellOf(r)
			if cell != "" && at != cell && (epoch == 0 || r.Time >= to.Time) {
				from, to, epoch = last, r, e
			}
			last, cell = r, at
			return true
		})
		if err != nil {
			return err
		}
	}
	if epoch == 0 {
		return nothing("movement within a week")
	}
	vehicle, producer := s.parties(a, to.Source)
	ce, err := attest.Issue(s.Issuer, attest.MovementKind, vehicle, producer, now, now.Add(movementTerm), attest.MovementSubject{
		Vehicle: vehicle.String(), Locations: []attest.Located{located(from), located(to)}, Producer: producer.String(),
	})
	return s.keep(ctx, a.Vehicle, epoch, ce, err)
}

// cellOf names the cell of a position.
func cellOf(r vault.Row) string {
	return fmt.Sprintf("%x", h3.Cell(r.Value.Location.Latitude, r.Value.Location.Longitude))
}

func located(r vault.Row) attest.Located {
	return attest.Located{Type: "h3Cell", Value: attest.CellID{ID: cellOf(r)}, Time: r.Time.Time()}
}

// nearest finds the reading of a signal nearest to a time, within an hour, or the
// newest, and of which ownership it is.
func (s *Service) nearest(ctx context.Context, a About, signal string, at *time.Time) (best vault.Row, epoch uint32, err error) {
	id := []sayso.SignalID{s.Catalogue.Signal(signal).ID}
	for _, e := range a.Epochs {
		view := vault.View{Vehicle: a.Vehicle, Epochs: []uint32{e}}
		if at == nil {
			rows, err := s.Vault.Latest(ctx, view, id)
			if err != nil {
				return best, 0, err
			}
			if len(rows) > 0 && (epoch == 0 || rows[0].Time >= best.Time) {
				best, epoch = rows[0], e
			}
			continue
		}
		wanted := sayso.At(*at)
		err := s.Vault.Scan(ctx, view, id, wanted-near, wanted+near+1, func(r vault.Row) bool {
			nowhere := r.Value.Kind == sayso.Position && r.Value.Location.Latitude == 0 && r.Value.Location.Longitude == 0
			if !nowhere && (epoch == 0 || apart(r.Time, wanted) < apart(best.Time, wanted)) {
				best, epoch = r, e
			}
			return true
		})
		if err != nil {
			return best, 0, err
		}
	}
	if epoch == 0 {
		return best, 0, nothing(map[string]string{odometer: "odometer", position: "position"}[signal] + " near that time")
	}
	return best, epoch, nil
}

func apart(a, b sayso.Instant) sayso.Instant { return max(a-b, b-a) }

// parties are the vehicle, and the device whose key a source is; the issuer where
// it is none.
func (s *Service) parties(a About, source sayso.Address) (vehicle, producer sayso.DID) {
	chain := s.Registry.Chain()
	vehicle, producer = sayso.NFT(chain.ID, chain.Vehicle, a.Vehicle), s.Issuer.DID()
	if d, ok := s.Registry.DeviceByAddress(source); ok {
		producer = sayso.NFT(chain.ID, chain.AftermarketDevice, d.ID)
	}
	return vehicle, producer
}

// keep keeps a credential with the ownership whose data it tells.
func (s *Service) keep(ctx context.Context, vehicle uint64, epoch uint32, ce sayso.CloudEvent, err error) error {
	if err != nil {
		return err
	}
	_, err = s.Vault.Commit(ctx, &vault.Deposit{Vehicle: vehicle, Epoch: epoch, Envelope: ce, Body: sha256.Sum256(dialect.Encode(ce))})
	return err
}

// Health attests what trouble codes and tyres said within a time.
func (s *Service) Health(ctx context.Context, a About, from, to time.Time) error {
	if !from.Before(to) || to.Sub(from) > maxRange {
		return sayso.Fail(sayso.Invalid, "vouch", "startTime must be before endTime, by at most 30 days")
	}
	for _, epoch := range slices.Backward(slices.Sorted(slices.Values(a.Epochs))) {
		last, err := s.last(ctx, vault.View{Vehicle: a.Vehicle, Epochs: []uint32{epoch}}, from, to)
		if err != nil {
			return err
		}
		if len(last) == 0 {
			continue
		}
		status, source := judge(last)
		vehicle, producer := s.parties(a, source)
		ce, err := attest.Issue(s.Issuer, attest.HealthKind, vehicle, producer, s.Clock.Now(), s.Clock.Now().Add(healthTerm), attest.HealthSubject{
			Vehicle: vehicle.String(), Status: status, Range: attest.Range{Start: from.UTC(), End: to.UTC()}, Producer: producer.String(),
		})
		return s.keep(ctx, a.Vehicle, epoch, ce, err)
	}
	return nothing("health in that time")
}

// last are the newest readings within a time, by signal.
func (s *Service) last(ctx context.Context, view vault.View, from, to time.Time) (map[string]vault.Row, error) {
	var ids []sayso.SignalID
	for _, name := range []string{codes, lamp, frontLeft, frontRight, rearLeft, rearRight} {
		ids = append(ids, s.Catalogue.Signal(name).ID)
	}
	out := map[string]vault.Row{}
	err := s.Vault.Scan(ctx, view, ids, sayso.At(from), sayso.At(to)+1, func(r vault.Row) bool {
		out[s.Catalogue.ByID(r.Signal).Name] = r
		return true
	})
	return out, err
}

// judge words the health, and tells the source of what is newest in it.
func judge(last map[string]vault.Row) (h attest.Health, source sayso.Address) {
	h.DTCs = []attest.DTC{}
	for _, r := range last {
		if t := r.Time.Time(); t.After(h.Updated) {
			h.Updated, source = t, r.Source
		}
	}
	if r, ok := last[codes]; ok {
		var list []string
		if json.Unmarshal([]byte(r.Value.Text), &list) == nil {
			for _, code := range list {
				h.DTCs = append(h.DTCs, attest.DTC{Code: code, Time: r.Time.Time()})
			}
		}
	}
	tyres := attest.Tyres{}
	for name, p := range map[string]**float64{frontLeft: &tyres.FrontLeft, frontRight: &tyres.FrontRight, rearLeft: &tyres.RearLeft, rearRight: &tyres.RearRight} {
		if r, ok := last[name]; ok {
			*p = &r.Value.Number
			if t := r.Time.Time(); t.After(tyres.Time) {
				tyres.Time = t
			}
			h.Tyres = &tyres
		}
	}
	h.Judge(last[lamp].Value.Number > 0)
	return h, source
}

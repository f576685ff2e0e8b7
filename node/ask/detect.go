package ask

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"sayso"
	"sayso/node/ask/segment"
	"sayso/node/vault"
	"sayso/owner/consent"
)

// The signals that segments are made of and described with.
const (
	signalIgnition = "isIgnitionOn"
	signalRPM      = "powertrainCombustionEngineSpeed"
	signalFuel     = "powertrainFuelSystemRelativeLevel"
	signalCharge   = "powertrainTractionBatteryStateOfChargeCurrent"
	signalOdometer = "powertrainTransmissionTravelledDistance"
	signalSpeed    = "speed"
)

// parts checks that the catalogue has the signals of segments.
func (a *answers) parts() error {
	for _, name := range []string{signalIgnition, signalRPM, signalFuel, signalCharge, signalOdometer, signalSpeed} {
		if x := a.access[name]; x == nil || x.signal.Kind != sayso.Number {
			return fmt.Errorf("the catalogue has no number %s, which segments are made of", name)
		}
	}
	return nil
}

// shared are the ownerships of which both the root field and a signal may be
// seen.
func (r *reader) shared(x *access) (out []uint32) {
	if sight, epochs := r.see(x); sight == consent.Allow {
		for _, e := range epochs {
			if slices.Contains(r.epochs, e) {
				out = append(out, e)
			}
		}
	}
	return out
}

// detect finds the segments of the window.
func (s *search) detect() iter.Seq[segment.Range] {
	q := s.q
	switch s.m {
	case byIgnition:
		ago, past := s.past()
		return segment.Ignition(ago, past, s.samples(signalIgnition, q.From, q.To), q)
	case byFrequency:
		return segment.Frequency(s.rows(q.From-q.MaxGap, q.To), q)
	case byChangePoint:
		return segment.ChangePoint(s.rows(q.From-q.MaxGap, q.To), q)
	case idling:
		return segment.Idling(s.samples(signalRPM, q.From-q.MaxGap, q.To), q)
	case refuel:
		return segment.Refuel(s.samples(signalFuel, q.From-segment.RefuelBefore, q.To+segment.RefuelAfter), q)
	}
	rises := segment.Rises(s.samples(signalCharge, q.From, q.To), q)
	if len(rises) == 0 {
		return slices.Values(rises)
	}
	from, to := rises[0].Start, rises[len(rises)-1].End+1
	return segment.Recharge(rises, s.samples(signalCharge, from, to), s.samples(signalOdometer, from, to))
}

// samples are the values of a signal; a read that fails ends them.
func (s *search) samples(name string, from, to sayso.Instant) iter.Seq[segment.Sample] {
	x := s.r.a.access[name]
	return func(yield func(segment.Sample) bool) {
		s.scan([]sayso.SignalID{x.signal.ID}, s.r.shared(x), from, to, func(row vault.Row) bool {
			return row.Value.Kind != sayso.Number || yield(segment.Sample{Time: row.Time, Value: row.Value.Number})
		})
	}
}

// rows are the readings of all signals that are seen of the same ownerships as
// the segments.
func (s *search) rows(from, to sayso.Instant) iter.Seq[segment.Row] {
	var ids []sayso.SignalID
	for _, x := range s.r.a.list {
		if !x.signal.Computed() && slices.Equal(s.r.shared(x), s.r.epochs) {
			ids = append(ids, x.signal.ID)
		}
	}
	return func(yield func(segment.Row) bool) {
		s.scan(ids, s.r.epochs, from, to, func(row vault.Row) bool { return yield(segment.Row{Time: row.Time, Signal: row.Signal}) })
	}
}

func (s *search) scan(ids []sayso.SignalID, epochs []uint32, from, to sayso.Instant, yield func(vault.Row) bool) {
	if s.err == nil && len(epochs) > 0 && from < to {
		s.err = s.r.a.Vault.Scan(s.c.Context, s.r.view(epochs), ids, from, to, yield)
	}
}

// past reads the ignition before the window, back to its last change, and if
// there is none within the time that is looked back, the value before that.
func (s *search) past() (ago float64, past segment.Past) {
	x := s.r.a.access[signalIgnition]
	start := s.q.From - segment.Lookback
	for from, to := range backwards(start, s.q.From) {
		var part segment.Past
		for sample := range s.samples(signalIgnition, from, to) {
			part.Add(sample)
		}
		if past = past.After(part); past.Changed || s.err != nil {
			return 0, past
		}
	}
	row, err := s.r.newestBefore(s.c.Context, s.r.shared(x), x.signal.ID, start-longest, start)
	if s.err = err; row != nil {
		ago = row.Value.Number
	}
	return ago, past
}

// backwards cuts a stretch of time into parts, from its end, each twice as long
// as the one before.
func backwards(from, to sayso.Instant) iter.Seq2[sayso.Instant, sayso.Instant] {
	return func(yield func(from, to sayso.Instant) bool) {
		for step := 12 * hour; to > from; step *= 2 {
			start := max(from, to-step)
			if !yield(start, to) {
				return
			}
			to = start
		}
	}
}

// newestBefore is the newest row of a signal within [from, to); of positions,
// those exactly at (0,0) do not count.
func (r *reader) newestBefore(ctx context.Context, epochs []uint32, id sayso.SignalID, from, to sayso.Instant) (*vault.Row, error) {
	if len(epochs) == 0 || from >= to {
		return nil, nil
	}
	newest, err := r.a.Vault.Latest(ctx, r.view(epochs), []sayso.SignalID{id})
	switch {
	case err != nil || len(newest) == 0 || newest[0].Time < from:
		return nil, err
	case newest[0].Time < to:
		return &newest[0], nil
	}
	for from, to := range backwards(from, to) {
		var last vault.Row
		err := r.a.Vault.Scan(ctx, r.view(epochs), []sayso.SignalID{id}, from, to, func(row vault.Row) bool {
			if l := row.Value.Location; row.Value.Kind != sayso.Position || l.Latitude != 0 || l.Longitude != 0 {
				last = row
			}
			return true
		})
		if err != nil {
			return nil, err
		}
		if last.Value.Kind != 0 {
			return &last, nil
		}
	}
	return nil, nil
}

// earlier remembers the newest position before a time, so that going forward in
// time nothing is read twice.
type earlier struct {
	known bool
	at    sayso.Instant
	row   *vault.Row
}

// fixBefore is the newest position before a time, if there is one within ten
// years.
func (s *search) fixBefore(at sayso.Instant) (*vault.Row, error) {
	fix := s.r.a.access[s.r.a.fix.Name]
	from, last := at-longest, &s.last
	if last.known && last.at <= at {
		from = last.at
	} else {
		last.row = nil
	}
	row, err := s.r.newestBefore(s.c.Context, s.r.shared(fix), fix.signal.ID, from, at)
	if err != nil {
		return nil, err
	}
	last.known, last.at = true, at
	if row != nil {
		last.row = row
	}
	return last.row, nil
}

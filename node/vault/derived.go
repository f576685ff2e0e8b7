package vault

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"sayso"
)

// Derived is what [Vault.CompareDerived] has compared.
type Derived struct {
	Vehicles uint64    `json:"vehicles"`
	Rows     uint64    `json:"rows"`  // readings from which everything was derived again
	Hours    uint64    `json:"hours"` // of a signal, compared with what is served
	Faults   uint64    `json:"faults"`
	Findings []Finding `json:"findings,omitempty"`
}

// CompareDerived derives latest values, summaries and the hourly figures of numbers
// again from the readings that are kept, vehicle by vehicle, and compares them with
// what is served. Of vehicles of which readings have gone with time, latest values
// alone are compared. A vehicle that gets readings meanwhile is looked at again.
func (v *Vault) CompareDerived(ctx context.Context, tell func(vehicles, of uint64)) (Derived, error) {
	var d Derived
	owned := v.keys.owners()
	for n, view := range owned {
		if tell != nil {
			tell(uint64(n), uint64(len(owned)))
		}
		var found []string
		for range 3 {
			before := v.Seq()
			c := &deriving{v: v, ctx: ctx, view: view}
			var err error
			if found, err = c.compare(&d); ctx.Err() != nil || v.failure() != nil {
				return d, err
			} else if err != nil {
				found = append(found, "it cannot be read: "+firstLine(err))
			}
			if len(found) == 0 || v.Seq() == before {
				break
			}
		}
		d.Vehicles++
		for _, what := range found {
			if d.Faults++; len(d.Findings) < maxFindings {
				d.Findings = append(d.Findings, Finding{Part: "derived", What: what, Vehicles: []uint64{view.Vehicle}})
			}
		}
	}
	return d, nil
}

// owners are the views of everybody with a key, by vehicle.
func (r *keyring) owners() (list []View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := make(map[uint64][]uint32)
	for o := range r.live {
		if o != house {
			of[o.vehicle] = append(of[o.vehicle], o.epoch)
		}
	}
	for vehicle, epochs := range of {
		slices.Sort(epochs)
		list = append(list, View{Vehicle: vehicle, Epochs: epochs})
	}
	slices.SortFunc(list, func(a, b View) int { return cmp.Compare(a.Vehicle, b.Vehicle) })
	return list
}

// deriving is what is derived of one vehicle.
type deriving struct {
	v       *Vault
	ctx     context.Context
	view    View
	signals map[sayso.SignalID]*derivedSignal
	found   []string
	gone    bool // values have gone with time
}

type derivedSignal struct {
	SignalSummary
	latest Row
	has    bool            // a latest value
	behind []sayso.Instant // when later readings are positions that mean none
	hours  map[sayso.Instant]*derivedHour
}

type derivedHour struct{ sum, low, high float64 }

func (c *deriving) fault(format string, a ...any) {
	c.found = append(c.found, fmt.Sprintf(format, a...))
}

// compare gives what differs.
func (c *deriving) compare(d *Derived) ([]string, error) {
	c.signals, c.gone = make(map[sayso.SignalID]*derivedSignal), c.v.cfg.Retain.Readings != nil
	for _, epoch := range c.view.Epochs {
		w, err := c.v.wentOf(c.v.db, owner{c.view.Vehicle, epoch})
		if err != nil {
			return nil, err
		}
		c.gone = c.gone || w.values > minInstant
	}
	err := c.v.Scan(c.ctx, c.view, nil, minInstant, maxInstant, func(r Row) bool {
		d.Rows++
		c.take(&r)
		return true
	})
	if err == nil {
		err = c.compareLatest()
	}
	if err == nil && !c.gone {
		err = c.compareSummary()
		for id, s := range c.signals {
			if err == nil && len(s.hours) > 0 {
				d.Hours += uint64(len(s.hours))
				err = c.compareHours(id, s)
			}
		}
	}
	return c.found, err
}

// take derives from one reading.
func (c *deriving) take(r *Row) {
	s := c.signals[r.Signal]
	if s == nil {
		s = &derivedSignal{SignalSummary: SignalSummary{Signal: r.Signal, First: r.Time}, hours: make(map[sayso.Instant]*derivedHour)}
		c.signals[r.Signal] = s
	}
	s.Count++
	s.Last = r.Time
	if !absent(&r.Value) {
		s.latest, s.has, s.behind = *r, true, s.behind[:0] // they ascend by time, one for each
	} else {
		s.behind = append(s.behind, r.Time)
	}
	if r.Value.Kind != sayso.Number {
		return
	}
	at, n := startOf(hourOf(r.Time)), r.Value.Number
	h := s.hours[at]
	if h == nil {
		h = &derivedHour{low: n, high: n}
		s.hours[at] = h
	}
	h.sum, h.low, h.high = h.sum+n, min(h.low, n), max(h.high, n)
}

func (c *deriving) compareLatest() error {
	rows, err := c.v.Latest(c.ctx, c.view, nil)
	if err != nil {
		return err
	}
	served := make(map[sayso.SignalID]Row, len(rows))
	for _, r := range rows {
		served[r.Signal] = r
	}
	for id, s := range c.signals {
		have, ok := served[id]
		mayBe := have == s.latest ||
			c.gone && have.Time >= s.latest.Time || // its reading has gone, and earlier ones came late
			slices.Contains(s.behind, have.Time) // a position that means none came first, which a scan shows in its place
		if s.has && !(ok && mayBe) {
			c.fault("the latest value of signal %d is %+v, derived it is %+v", id, have, s.latest)
		}
		delete(served, id)
	}
	if !c.gone {
		for id := range served {
			c.fault("the latest value of signal %d comes from no reading", id)
		}
	}
	return nil
}

func (c *deriving) compareSummary() error {
	sum, err := c.v.Summary(c.ctx, c.view)
	if err != nil {
		return err
	}
	if len(sum.Signals) != len(c.signals) {
		c.fault("the summary has %d signals, derived are %d", len(sum.Signals), len(c.signals))
	}
	for _, have := range sum.Signals {
		if s := c.signals[have.Signal]; s == nil || s.SignalSummary != have {
			c.fault("the summary of signal %d is %+v, derived it is %+v", have.Signal, have, s)
		}
	}
	return nil
}

// compareHours compares the figures of whole hours, which roll-ups answer.
func (c *deriving) compareHours(id sayso.SignalID, s *derivedSignal) error {
	cols := []Column{{Signal: id, Agg: Sum}, {Signal: id, Agg: Min}, {Signal: id, Agg: Max}}
	seen := 0
	look := func(b *Bucket) bool {
		h := s.hours[b.Start]
		if !b.Has[0] {
			return true
		}
		if seen++; h == nil || !near(b.Values[0].Number, h.sum) || b.Values[1].Number != h.low || b.Values[2].Number != h.high {
			c.fault("signal %d in the hour from %s: served are %+v, derived %+v", id, b.Start.Time().Format("2006-01-02T15:04Z"), b.Values, h)
		}
		return len(c.found) < maxFindings
	}
	var err error
	const most = MaxBuckets / 2 * hour // that one question may be about
	for from, end := startOf(hourOf(s.First)), startOf(hourOf(s.Last))+hour; from < end && err == nil; from += most {
		err = c.v.EachBucket(c.ctx, c.view, cols, from, min(from+most, end), hour, look)
	}
	if err == nil && seen != len(s.hours) && len(c.found) == 0 {
		c.fault("signal %d is served in %d hours, derived are %d", id, seen, len(s.hours))
	}
	return err
}

// near says of two sums that they are the same up to rounding.
func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b), 1)
}

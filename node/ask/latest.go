package ask

import (
	"cmp"
	"slices"
	"time"

	"sayso"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
	"sayso/owner/consent"
)

// latest is the answer of signalsLatest. Rows are by slot, from 0; nil where
// the vehicle never said it.
type latest struct {
	r        *reader
	rows     []*vault.Row
	lastSeen sayso.Instant
}

func (l *latest) refused(f *graphql.Field) error { return l.r.refuse(l.r.a.access[f.Name]) }

// newest are the newest values of signals that the caller may see.
type newest struct {
	rows        map[sayso.SignalID]*vault.Row
	approximate *vault.Row // the position, as an approximate one
}

// lastSeen is the greatest time.
func (n *newest) lastSeen() sayso.Instant {
	last := never
	for _, row := range n.rows {
		last = max(last, row.Time)
	}
	if n.approximate != nil {
		last = max(last, n.approximate.Time)
	}
	return last
}

// newest reads the signals that want says and the caller may see. The
// approximate position is read for its own sake; it moves lastSeen only where
// the exact one is not seen, since it is not newer.
func (r *reader) newest(c *graphql.Call, want func(*access) bool) (*newest, error) {
	out := &newest{rows: map[sayso.SignalID]*vault.Row{}}
	var plan groups
	for _, x := range r.a.list {
		if !want(x) {
			continue
		}
		switch sight, epochs := r.see(x); sight {
		case consent.Allow:
			plan.add(epochs, false, vault.Column{Signal: x.signal.ID}, 0)
		case consent.Mask:
			var err error
			if out.approximate, err = r.approximate(c); err != nil {
				return nil, cause(c, err)
			}
		}
	}
	for _, g := range plan {
		ids := make([]sayso.SignalID, len(g.columns))
		for i, col := range g.columns {
			ids[i] = col.Signal
		}
		slices.Sort(ids)
		rows, err := r.a.Vault.Latest(c.Context, r.view(g.epochs), ids)
		if err != nil {
			return nil, cause(c, err)
		}
		for i := range rows {
			out.rows[rows[i].Signal] = &rows[i]
		}
	}
	return out, nil
}

func everything(*access) bool { return true }

// signalsLatest answers the root field of that name.
func (a *answers) signalsLatest(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	below := c.Select(f, "SignalCollection")
	r, err := a.open(c, f, below)
	if err != nil {
		return nil, err
	}
	selected, all := map[*access]bool{}, false
	for _, s := range below {
		all = all || s.Name == "lastSeen"
		if x := a.access[s.Name]; x != nil {
			selected[x] = true
		}
	}
	_, exact := r.see(a.access[a.fix.Name])
	_, rough := r.verdict.Approximate()
	now, err := r.newest(c, func(x *access) bool {
		return selected[x] || all && (!x.signal.Computed() || !slices.Equal(exact, rough))
	})
	if err != nil {
		return nil, err
	}
	out := &latest{r: r, lastSeen: now.lastSeen(), rows: make([]*vault.Row, 0, len(below))}
	for _, s := range below {
		x := a.access[s.Name]
		if x == nil {
			continue
		}
		sight, _ := r.see(x)
		if s.Refused = sight == consent.Refuse; s.Refused {
			continue
		}
		row := now.rows[x.signal.ID]
		if sight == consent.Mask {
			row = now.approximate
		}
		out.rows = append(out.rows, row)
		s.Slot = len(out.rows)
	}
	return out, nil
}

// latestOf answers a signal of a collection.
func latestOf(_ *graphql.Call, parent any, f *graphql.Field) (any, error) {
	if row := parent.(*latest).rows[f.Slot-1]; row != nil {
		return row, nil
	}
	return nil, nil
}

// latestSignal are the functions of SignalFloat and its likes.
func latestSignal(value func(*sayso.Value) any) graphql.Fields {
	return graphql.Fields{
		"timestamp": graphql.Of(func(r *vault.Row) any { return r.Time.Time() }),
		"value":     graphql.Of(func(r *vault.Row) any { return value(&r.Value) }),
	}
}

// named is a signal with its newest value.
type named struct {
	signal string
	*vault.Row
}

type snapped struct {
	lastSeen sayso.Instant
	signals  graphql.Slice[named]
}

// signalsSnapshot answers the root field of that name: every signal that the
// caller may see, by name.
func (a *answers) signalsSnapshot(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	r, err := a.open(c, f, nil)
	if err != nil {
		return nil, err
	}
	now, err := r.newest(c, everything)
	if err != nil {
		return nil, err
	}
	out := &snapped{lastSeen: now.lastSeen()}
	for _, x := range a.list {
		row := now.rows[x.signal.ID]
		if x.signal.Computed() {
			row = now.approximate
		}
		if row != nil {
			out.signals = append(out.signals, named{x.signal.Name, row})
		}
	}
	return out, nil
}

func snapshot() graphql.Fields {
	return graphql.Fields{
		"lastSeen": graphql.Of(func(s *snapped) any { return moment(s.lastSeen) }),
		"signals":  graphql.Of(func(s *snapped) any { return s.signals }),
	}
}

func snapshotSignal() graphql.Fields {
	only := func(kind sayso.Kind, value func(*sayso.Value) any) graphql.Func {
		return graphql.Of(func(n named) any {
			if n.Value.Kind != kind {
				return nil
			}
			return value(&n.Value)
		})
	}
	return graphql.Fields{
		"name":          graphql.Of(func(n named) any { return n.signal }),
		"timestamp":     graphql.Of(func(n named) any { return n.Time.Time() }),
		"valueNumber":   only(sayso.Number, func(v *sayso.Value) any { return v.Number }),
		"valueString":   only(sayso.Text, func(v *sayso.Value) any { return v.Text }),
		"valueLocation": only(sayso.Position, func(v *sayso.Value) any { return &v.Location }),
	}
}

// availableSignals answers the root field of that name; null where there are
// none.
func (a *answers) availableSignals(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	r, err := a.open(c, f, nil)
	if err != nil {
		return nil, err
	}
	now, err := r.newest(c, func(x *access) bool { return !x.signal.Computed() })
	if err != nil {
		return nil, err
	}
	var names graphql.Slice[string]
	for _, x := range a.list {
		if now.rows[x.signal.ID] != nil {
			names = append(names, x.signal.Name)
		}
	}
	if names == nil {
		return nil, nil
	}
	return names, nil
}

// counted is the answer of dataSummary.
type counted struct {
	signals graphql.Slice[signalCount]
	events  graphql.Slice[vault.EventSummary]
}

type signalCount struct {
	name string
	vault.SignalSummary
}

// dataSummary answers the root field of that name.
func (a *answers) dataSummary(c *graphql.Call, _ any, f *graphql.Field) (any, error) {
	r, err := a.open(c, f, nil)
	if err != nil {
		return nil, err
	}
	var plan groups
	for _, x := range a.list {
		if sight, epochs := r.see(x); sight == consent.Allow {
			plan.add(epochs, false, vault.Column{Signal: x.signal.ID}, 0)
		}
	}
	_, events := r.see(a.roots["events"])
	if events != nil {
		plan.add(events, false, vault.Column{}, -1)
	}
	out := &counted{}
	for _, g := range plan {
		s, err := a.Vault.Summary(c.Context, r.view(g.epochs))
		if err != nil {
			return nil, cause(c, err)
		}
		for _, row := range s.Signals {
			if slices.ContainsFunc(g.columns, func(col vault.Column) bool { return col.Signal == row.Signal }) {
				out.signals = append(out.signals, signalCount{a.Catalogue.ByID(row.Signal).Name, row})
			}
		}
		if slices.Contains(g.slots, -1) {
			out.events = s.Events
		}
	}
	slices.SortFunc(out.signals, func(a, b signalCount) int { return cmp.Compare(a.name, b.name) })
	return out, nil
}

// beforeAll is what a vehicle that never spoke was last seen at (spec api 3.8).
var beforeAll = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

func (a *answers) summary() graphql.Fields {
	return graphql.Fields{
		"numberOfSignals": graphql.Of(func(s *counted) any {
			var n uint64
			for i := range s.signals {
				n += s.signals[i].Count
			}
			return n
		}),
		"availableSignals": graphql.Of(func(s *counted) any {
			names := make(graphql.Slice[string], len(s.signals))
			for i := range s.signals {
				names[i] = s.signals[i].name
			}
			return names
		}),
		"firstSeen": graphql.Of(func(s *counted) any {
			if len(s.signals) == 0 {
				return a.Clock.Now()
			}
			return slices.MinFunc(s.signals, func(a, b signalCount) int { return cmp.Compare(a.First, b.First) }).First.Time()
		}),
		"lastSeen": graphql.Of(func(s *counted) any {
			if len(s.signals) == 0 {
				return beforeAll
			}
			return slices.MaxFunc(s.signals, func(a, b signalCount) int { return cmp.Compare(a.Last, b.Last) }).Last.Time()
		}),
		"signalDataSummary": graphql.Of(func(s *counted) any { return s.signals }),
		"eventDataSummary":  graphql.Of(func(s *counted) any { return s.events }),
	}
}

func signalSummary() graphql.Fields {
	return graphql.Fields{
		"name":            graphql.Of(func(s signalCount) any { return s.name }),
		"numberOfSignals": graphql.Of(func(s signalCount) any { return s.Count }),
		"firstSeen":       graphql.Of(func(s signalCount) any { return s.First.Time() }),
		"lastSeen":        graphql.Of(func(s signalCount) any { return s.Last.Time() }),
	}
}

func eventSummary() graphql.Fields {
	return graphql.Fields{
		"name":           graphql.Of(func(s vault.EventSummary) any { return s.Name }),
		"numberOfEvents": graphql.Of(func(s vault.EventSummary) any { return s.Count }),
		"firstSeen":      graphql.Of(func(s vault.EventSummary) any { return s.First.Time() }),
		"lastSeen":       graphql.Of(func(s vault.EventSummary) any { return s.Last.Time() }),
	}
}

package vault

import (
	"cmp"
	"context"
	"math/bits"
	"slices"

	"sayso"
)

const opSummary = "vault.Summary"

// Summary counts rows and events, see [Engine].
func (v *Vault) Summary(ctx context.Context, view View) (s Summary, err error) {
	err = v.readOf(ctx, opSummary, view, func(r *Reader) error {
		s, err = r.Summary(ctx, view)
		return err
	})
	return s, err
}

// Summary is [Vault.Summary]. It reads the heads of the chunks, and every row
// only where two sources speak at once.
func (r *Reader) Summary(ctx context.Context, view View) (s Summary, err error) {
	err = r.call(ctx, opSummary, func() error {
		c := counting{ctx: ctx, r: r, signals: make(map[sayso.SignalID]*SignalSummary)}
		if err := r.spans(ctx, view, nil, minInstant, maxInstant, true, c.span); err != nil {
			return err
		}
		for _, t := range c.signals {
			s.Signals = append(s.Signals, *t)
		}
		slices.SortFunc(s.Signals, func(a, b SignalSummary) int { return cmp.Compare(a.Signal, b.Signal) })
		rows, err := r.v.events(ctx, r.snap.Snapshot, view, minInstant, maxInstant)
		s.Events = summariseEvents(rows)
		return err
	})
	return s, err
}

// counting is a summary under way. Spans come in the order of time.
type counting struct {
	ctx     context.Context
	r       *Reader
	signals map[sayso.SignalID]*SignalSummary
	runs    []run
}

func (c *counting) span(ws []*walker, from, to sayso.Instant) (bool, error) {
	var here signalSet
	for _, w := range ws {
		for _, ch := range w.chunks {
			for i := range ch.cols {
				here = here.with(ch.cols[i].signal)
			}
		}
		for i := range w.rows {
			here = here.with(w.rows[i].Signal)
		}
	}
	for word, set := range here {
		for ; set != 0; set &= set - 1 {
			if err := c.signal(ws, sayso.SignalID(word<<6+bits.TrailingZeros64(set)), from, to); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// with is the set and one more.
func (s signalSet) with(id sayso.SignalID) signalSet {
	for int(id>>6) >= len(s) {
		s = append(s, 0)
	}
	s[id>>6] |= 1 << (id & 63)
	return s
}

func (c *counting) signal(ws []*walker, s sayso.SignalID, from, to sayso.Instant) error {
	c.runs = runsOf(c.runs[:0], ws, s, from, to)
	if apart(c.runs) {
		for i := range c.runs {
			run := &c.runs[i]
			n := len(run.rows)
			if run.c != nil {
				n = run.col.n
			}
			c.count(s, uint64(n), run.first, run.last)
		}
		return nil
	}
	for i := range c.runs {
		if run := &c.runs[i]; run.c != nil && run.col.gone {
			c.count(s, uint64(run.col.n), run.first, run.last)
		}
	}
	rows, err := rowsOfRuns(c.ctx, c.r, c.runs, from, to)
	if err == nil && len(rows) > 0 {
		c.count(s, uint64(len(rows)), rows[0].Time, rows[len(rows)-1].Time)
	}
	return err
}

func (c *counting) count(s sayso.SignalID, n uint64, first, last sayso.Instant) {
	t := c.signals[s]
	if t == nil {
		t = &SignalSummary{Signal: s, First: first, Last: last}
		c.signals[s] = t
	}
	t.Count += n
	t.First, t.Last = min(t.First, first), max(t.Last, last)
}

// summariseEvents counts events that come newest first.
func summariseEvents(rows []EventRow) []EventSummary {
	byName := make(map[string]*EventSummary)
	for i := range rows {
		t := byName[rows[i].Name]
		if t == nil {
			t = &EventSummary{Name: rows[i].Name, Last: rows[i].Time}
			byName[t.Name] = t
		}
		t.Count++
		t.First = rows[i].Time
	}
	var out []EventSummary
	for _, t := range byName {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b EventSummary) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

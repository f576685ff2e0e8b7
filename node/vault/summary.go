package vault

import (
	"cmp"
	"context"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"sayso"
)

// Summary counts rows and events, see [Engine]. It reads all of the view.
func (v *Vault) Summary(ctx context.Context, view View) (Summary, error) {
	const op = "vault.Summary"
	var s Summary
	signals := make(map[sayso.SignalID]*SignalSummary)
	err := v.hours(ctx, op, view, nil, minInstant, maxInstant, func(rows []Row) bool {
		for i := range rows {
			r := &rows[i]
			t := signals[r.Signal]
			if t == nil {
				t = &SignalSummary{Signal: r.Signal, First: r.Time}
				signals[r.Signal] = t
			}
			t.Count++
			t.Last = r.Time
		}
		return true
	})
	if err != nil {
		return s, err
	}
	for _, t := range signals {
		s.Signals = append(s.Signals, *t)
	}
	slices.SortFunc(s.Signals, func(a, b SignalSummary) int { return cmp.Compare(a.Signal, b.Signal) })
	err = v.reading(ctx, op, func(snap *pebble.Snapshot) error {
		rows, err := v.events(ctx, snap, view, minInstant, maxInstant)
		s.Events = summariseEvents(rows)
		return err
	})
	return s, err
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

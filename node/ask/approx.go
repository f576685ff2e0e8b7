package ask

import (
	"time"

	"sayso"
	"sayso/internal/h3"
	"sayso/node/ask/graphql"
	"sayso/node/vault"
)

// slot is how often an approximate position can change.
const slot = sayso.Instant(15 * time.Minute / time.Microsecond)

// snap is the centre of the cell that holds a position.
func snap(l sayso.Location) sayso.Location {
	lat, lng := h3.CellCentre(l.Latitude, l.Longitude)
	return sayso.Location{Latitude: lat, Longitude: lng}
}

func coarse() *vault.Coarse { return &vault.Coarse{Period: slot, Snap: snap} }

// slotOf is the beginning of the slot of a time.
func slotOf(t sayso.Instant) sayso.Instant {
	n := t % slot
	if n < 0 {
		n += slot
	}
	return t - n
}

// approximate is the newest approximate position: that of the slot of the
// newest position, with the time at which the slot begins. It does not change
// while the slot lasts, so that it tells nothing of the way within it.
func (r *reader) approximate(c *graphql.Call) (*vault.Row, error) {
	_, epochs := r.verdict.Approximate()
	if epochs == nil {
		return nil, nil
	}
	fix := []sayso.SignalID{r.a.fix.ID}
	rows, err := r.a.Vault.Latest(c.Context, r.view(epochs), fix)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	at := slotOf(rows[0].Time)
	var first *vault.Row
	err = r.a.Vault.Scan(c.Context, r.view(epochs), fix, at, at+slot, func(row vault.Row) bool {
		if row.Value.Location.Latitude == 0 && row.Value.Location.Longitude == 0 {
			return true
		}
		first = &row
		return false
	})
	if err != nil || first == nil {
		return nil, err
	}
	return &vault.Row{Time: at, Value: sayso.LocationValue(snap(first.Value.Location))}, nil
}

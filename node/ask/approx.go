package ask

import (
	"context"
	"math/rand/v2"
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

// slotOf is the beginning of the slot of a time.
func slotOf(t sayso.Instant) sayso.Instant {
	n := t % slot
	if n < 0 {
		n += slot
	}
	return t - n
}

// coarse gives the approximate position of every slot that a window touches: the
// cell of the first position in the slot, with the time at which the slot
// begins. Slots are read whole, so that neither the times of the positions
// within them nor how many there are can be told.
func (r *reader) coarse(ctx context.Context, epochs []uint32, from, to sayso.Instant) ([]vault.Row, error) {
	var rows []vault.Row
	err := r.a.Vault.Scan(ctx, r.view(epochs), []sayso.SignalID{r.a.fix.ID}, slotOf(from), slotOf(to-1)+slot, func(row vault.Row) bool {
		at, l := slotOf(row.Time), row.Value.Location
		if l.Latitude == 0 && l.Longitude == 0 || len(rows) > 0 && rows[len(rows)-1].Time == at {
			return true
		}
		rows = append(rows, vault.Row{Time: at, Value: sayso.LocationValue(snap(l))})
		return true
	})
	return rows, err
}

// approximate is the newest approximate position, that of the slot of the newest
// position. It does not change while the slot lasts, so that it tells nothing of
// the way within it.
func (r *reader) approximate(c *graphql.Call) (*vault.Row, error) {
	_, epochs := r.verdict.Approximate()
	if epochs == nil {
		return nil, nil
	}
	newest, err := r.a.Vault.Latest(c.Context, r.view(epochs), []sayso.SignalID{r.a.fix.ID})
	if err != nil || len(newest) == 0 {
		return nil, err
	}
	at := newest[0].Time
	rows, err := r.coarse(c.Context, epochs, at, at+1)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// quarters aggregates approximate positions. Each counts once, at the beginning
// of its slot; that of the slot in which the window begins, at the beginning of
// the window.
func (n *intervals) quarters(g *group, from, to sayso.Instant) ([]vault.Bucket, error) {
	rows, err := n.r.coarse(n.c.Context, g.epochs, from, to)
	if err != nil {
		return nil, err
	}
	var out []vault.Bucket
	for len(rows) > 0 {
		at := max(rows[0].Time, n.start)
		if at < from {
			rows = rows[1:] // it was in the part before
			continue
		}
		start := from + (at-from)/n.interval*n.interval
		count := 1
		for count < len(rows) && rows[count].Time < start+n.interval {
			count++
		}
		b := vault.Bucket{Start: start, Values: make([]sayso.Value, len(g.columns)), Has: make([]bool, len(g.columns))}
		for i, col := range g.columns {
			b.Values[i], b.Has[i] = sayso.LocationValue(joined(col.Agg, rows[:count])), true
		}
		out, rows = append(out, b), rows[count:]
	}
	return out, nil
}

// joined is one position for several.
func joined(agg vault.Agg, rows []vault.Row) sayso.Location {
	switch agg {
	case vault.First:
		return rows[0].Value.Location
	case vault.Last:
		return rows[len(rows)-1].Value.Location
	case vault.Rand:
		return rows[rand.IntN(len(rows))].Value.Location
	}
	var sum sayso.Location
	for _, row := range rows {
		sum.Latitude += row.Value.Location.Latitude
		sum.Longitude += row.Value.Location.Longitude
	}
	count := float64(len(rows))
	return sayso.Location{Latitude: sum.Latitude / count, Longitude: sum.Longitude / count}
}

package message

import (
	"slices"
	"time"

	"sayso"
)

// PositionSignal is the signal that holds positions.
const PositionSignal = "currentLocationCoordinates"

// PairWithin is how far the halves of a position may lie apart, exclusively
// (spec ingest 1.9).
const PairWithin = 500 * time.Millisecond

// Part is a part of a position that a device sends by itself.
type Part uint8

// The parts.
const (
	Latitude Part = iota
	Longitude
	HDOP
	parts
)

var partNames = [parts]string{"latitude", "longitude", "hdop"}

// Half is one part of a position at its own time.
type Half struct {
	Time  time.Time
	Part  Part
	Value float64
}

// Fix is a joined position, not yet checked, at the time of its first part.
type Fix struct {
	Time     time.Time
	Location sayso.Location
}

// Pair joins latitudes, longitudes and dilutions of precision to positions. A
// group begins with the earliest part that is left and takes what follows
// within [PairWithin], until a part comes that it already has. Parts without
// their counterpart make no position. Halves is sorted by time.
func Pair(halves []Half) (fixes []Fix, rejected []sayso.Rejection) {
	slices.SortStableFunc(halves, func(a, b Half) int { return a.Time.Compare(b.Time) })
	var group [parts]*Half
	var first time.Time
	empty := true
	finish := func() {
		if empty {
			return
		}
		if group[Latitude] != nil && group[Longitude] != nil {
			f := Fix{Time: first, Location: sayso.Location{Latitude: group[Latitude].Value, Longitude: group[Longitude].Value}}
			if group[HDOP] != nil {
				f.Location.HDOP = group[HDOP].Value
			}
			fixes = append(fixes, f)
		} else {
			for p, h := range group {
				if h != nil {
					rejected = append(rejected, sayso.Rejection{Name: PositionSignal + "." + partNames[p],
						Reason: "no counterpart within " + PairWithin.String() + " of " + first.UTC().Format(time.RFC3339Nano)})
				}
			}
		}
		group, empty = [parts]*Half{}, true
	}
	for i := range halves {
		h := &halves[i]
		if !empty && (group[h.Part] != nil || h.Time.Sub(first) >= PairWithin) {
			finish()
		}
		if empty {
			first, empty = h.Time, false
		}
		group[h.Part] = h
	}
	finish()
	return fixes, rejected
}

// Positions joins the halves and takes the positions.
func (b *Builder) Positions(halves []Half) {
	fixes, rejected := Pair(halves)
	for _, r := range rejected {
		b.Reject(r.Name, r.Reason)
	}
	if len(rejected) > 0 {
		for _, h := range halves {
			b.RefusedAt(h.Time)
		}
	}
	for _, f := range fixes {
		b.Position(f.Time, f.Location)
	}
}

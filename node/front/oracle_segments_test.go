package front_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sayso/car/catalogue"
)

// minutesOf asks for drives by frequency, of a minute at least.
func minutesOf(dialect, field string) string {
	mechanism := map[string]string{"telemetry": "frequencyAnalysis", "subject": "FREQUENCY_ANALYSIS"}[dialect]
	own := map[string]string{"segments": "isOngoing startedBeforeRange", "dailyActivity": "segmentCount"}[field]
	return `{` + field + `($V, from: "2026-03-02T05:00:00Z", to: "2026-03-02T12:00:00Z", mechanism: ` + mechanism + `, config: {minSegmentDurationSeconds: 60}){` +
		`start{timestamp value{latitude longitude hdop}} end{timestamp value{latitude longitude hdop}} duration ` + own + ` signals{name agg value} eventCounts{name count}}}`
}

// rows are the readings of the ownerships of which segments are seen, by time.
func (o *oracle) rows() (list []said) {
	seen := o.p.seen(o.row.values, "events", o.grant, o.token)
	for _, r := range o.d.said {
		if seen[r.ownership] != "" {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b said) int { return a.at.Compare(b.at) })
	return list
}

// drives are the minutes with ten readings or more, joined over five minutes.
func (o *oracle) drives() (list [][2]time.Time) {
	counts := map[time.Time]int{}
	for _, r := range o.rows() {
		counts[r.at.Truncate(time.Minute)]++
	}
	var minutes []time.Time
	for m, n := range counts {
		if n >= 10 {
			minutes = append(minutes, m)
		}
	}
	slices.SortFunc(minutes, time.Time.Compare)
	for _, m := range minutes {
		if n := len(list); n > 0 && m.Sub(list[n-1][1]) <= 5*time.Minute {
			list[n-1][1] = m.Add(time.Minute)
		} else {
			list = append(list, [2]time.Time{m, m.Add(time.Minute)})
		}
	}
	return list
}

// placeOf is the first or the last position within [from, to), else the newest
// before.
func (o *oracle) placeOf(cat *catalogue.Catalogue, from, to time.Time, last bool) any {
	place := any(map[string]any{"latitude": "0", "longitude": "0", "hdop": "0"})
	fix := cat.Signal("currentLocationCoordinates")
	for _, r := range o.rows() {
		if r.signal != fix || !r.at.Before(to) {
			continue
		}
		place = r.value
		if !r.at.Before(from) && !last {
			break
		}
	}
	return place
}

// described are the aggregations that every segment and day has, and the events.
func (o *oracle) described(cat *catalogue.Catalogue, from, to time.Time) (signals, events []any) {
	signals, events = []any{}, []any{}
	for _, column := range []string{
		"powertrainFuelSystemRelativeLevel FIRST", "powertrainFuelSystemRelativeLevel LAST",
		"powertrainTractionBatteryStateOfChargeCurrent FIRST", "powertrainTractionBatteryStateOfChargeCurrent LAST",
		"powertrainTransmissionTravelledDistance FIRST", "powertrainTransmissionTravelledDistance LAST", "speed MAX",
	} {
		name, agg, _ := strings.Cut(column, " ")
		var values []string
		for _, r := range o.rows() {
			if r.signal == cat.Signal(name) && !r.at.Before(from) && r.at.Before(to) {
				values = append(values, r.value.(string))
			}
		}
		if values == nil {
			continue
		}
		value := map[string]string{"FIRST": values[0], "LAST": values[len(values)-1], "MAX": slices.Max(values)}[agg] // all have as many digits
		signals = append(signals, map[string]any{"name": name, "agg": agg, "value": value})
	}
	for _, e := range o.seenEvents() {
		if !e.at.Before(from) && e.at.Before(to) {
			events = append(events, map[string]any{"name": e.name, "count": "1"})
		}
	}
	slices.SortFunc(events, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
	})
	return signals, events
}

// segments is the answer of segments.
func (o *oracle) segments(cat *catalogue.Catalogue) any {
	list := []any{}
	for _, d := range o.drives() {
		signals, events := o.described(cat, d[0], d[1])
		list = append(list, map[string]any{
			"start": map[string]any{"timestamp": stamp(d[0]), "value": o.placeOf(cat, d[0], d[1], false)}, "end": map[string]any{"timestamp": stamp(d[1]), "value": o.placeOf(cat, d[0], d[1], true)},
			"duration": fmt.Sprint(int(d[1].Sub(d[0]).Seconds())), "isOngoing": false, "startedBeforeRange": false, "signals": signals, "eventCounts": events,
		})
	}
	return list
}

// days is the answer of dailyActivity of the one day.
func (o *oracle) days(cat *catalogue.Catalogue) any {
	from := noon.Truncate(24 * time.Hour)
	to, drives, total := from.Add(24*time.Hour), o.drives(), 0
	signals, events := o.described(cat, from, to)
	start, end := o.placeOf(cat, from, to, false), o.placeOf(cat, from, to, true)
	for i, d := range drives {
		total += int(d[1].Sub(d[0]).Seconds())
		if i == 0 {
			start = o.placeOf(cat, d[0], d[1], false)
		}
		end = o.placeOf(cat, d[0], d[1], true)
	}
	return []any{map[string]any{
		"start": map[string]any{"timestamp": stamp(from), "value": start}, "end": map[string]any{"timestamp": stamp(to), "value": end},
		"segmentCount": fmt.Sprint(len(drives)), "duration": fmt.Sprint(total), "signals": signals, "eventCounts": events,
	}}
}

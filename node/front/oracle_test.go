package front_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
)

// oracle says what every answer must be, from the policy and what was said.
type oracle struct {
	p            *policy
	d            *data
	row          row
	grant, token sayso.Permissions
}

// letter is how lists name a class.
func letter(class string) string { return class[:1] }

// values are the readings of a signal that are seen, by time.
func (o *oracle) values(s *catalogue.Signal) []said {
	return o.pick(s, o.p.seen(o.row.values, o.p.class(s.Name), o.grant, o.token), "x")
}

// listed are the readings of a signal that a list may tell of.
func (o *oracle) listed(s *catalogue.Signal, column string) []said {
	return o.pick(s, o.p.seen(o.row.lists, column, o.grant, o.token), letter(o.p.class(s.Name)))
}

func (o *oracle) pick(s *catalogue.Signal, seen [4]string, mark string) (list []said) {
	all := o.d.said
	if s.Computed() {
		all = nil
		for _, r := range o.d.approximate[1:] {
			r.signal = s
			all = append(all, r)
		}
	}
	for _, r := range all {
		if r.signal == s && strings.Contains(seen[r.ownership], mark) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b said) int { return a.at.Compare(b.at) })
	return list
}

// latest is the answer of signalsLatest to a selection.
func (o *oracle) latest(cat *catalogue.Catalogue, selected []*catalogue.Signal) map[string]any {
	out := map[string]any{"lastSeen": o.lastSeen(cat, "lastSeen")}
	for _, s := range selected {
		out[s.Name] = nil
		if list := o.values(s); list != nil {
			r := list[len(list)-1]
			out[s.Name] = map[string]any{"timestamp": stamp(r.at), "value": r.value}
		}
	}
	return out
}

func (o *oracle) lastSeen(cat *catalogue.Catalogue, column string) any {
	var last time.Time
	for _, s := range cat.Signals() {
		for _, r := range o.listed(s, column) {
			if r.at.After(last) {
				last = r.at
			}
		}
	}
	if last.IsZero() {
		return nil
	}
	return stamp(last)
}

// snapshot is the answer of signalsSnapshot.
func (o *oracle) snapshot(cat *catalogue.Catalogue) map[string]any {
	list := []any{}
	for _, s := range cat.Signals() {
		seen := o.listed(s, "signalsSnapshot")
		if seen == nil {
			continue
		}
		r := seen[len(seen)-1]
		e := map[string]any{"name": s.Name, "timestamp": stamp(r.at), "valueNumber": nil, "valueString": nil, "valueLocation": nil}
		e[map[sayso.Kind]string{sayso.Number: "valueNumber", sayso.Text: "valueString", sayso.Position: "valueLocation"}[s.Kind]] = r.value
		list = append(list, e)
	}
	return map[string]any{"lastSeen": o.lastSeen(cat, "signalsSnapshot"), "signals": list}
}

// available is the answer of availableSignals.
func (o *oracle) available(cat *catalogue.Catalogue) any {
	var list []any
	for _, s := range cat.Signals() {
		if o.listed(s, "availableSignals") != nil {
			list = append(list, s.Name)
		}
	}
	if list == nil {
		return nil
	}
	return list
}

// summary is the answer of dataSummary.
func (o *oracle) summary(cat *catalogue.Catalogue, now time.Time) map[string]any {
	total, available, signals := 0, []any{}, []any{}
	first, last := time.Time{}, time.Time{}
	for _, s := range cat.Signals() {
		list := o.listed(s, "dataSummary")
		if list == nil || s.Computed() {
			continue
		}
		total += len(list)
		from, to := list[0].at, list[len(list)-1].at
		if first.IsZero() || from.Before(first) {
			first = from
		}
		if to.After(last) {
			last = to
		}
		available = append(available, s.Name)
		signals = append(signals, map[string]any{"name": s.Name, "numberOfSignals": fmt.Sprint(len(list)), "firstSeen": stamp(from), "lastSeen": stamp(to)})
	}
	if total == 0 {
		first, last = now, time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	events := []any{}
	by := o.p.seen(o.row.lists, "dataSummary", o.grant, o.token)
	for _, e := range o.d.happened {
		if strings.Contains(by[e.ownership], "e") {
			events = append(events, map[string]any{"name": e.name, "numberOfEvents": "1", "firstSeen": stamp(e.at), "lastSeen": stamp(e.at)})
		}
	}
	slices.SortFunc(events, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
	})
	return map[string]any{
		"numberOfSignals": fmt.Sprint(total), "availableSignals": available, "firstSeen": stamp(first), "lastSeen": stamp(last),
		"signalDataSummary": signals, "eventDataSummary": events,
	}
}

// signals is the answer of signals at one second per interval.
func (o *oracle) signals(selected []*catalogue.Signal) any {
	byTime := map[string]map[string]any{}
	for _, s := range selected {
		for _, r := range o.values(s) {
			at := stamp(r.at)
			if byTime[at] == nil {
				byTime[at] = map[string]any{"timestamp": at}
				for _, other := range selected {
					byTime[at][other.Name] = nil
				}
			}
			byTime[at][s.Name] = r.value
		}
	}
	var list []any
	for _, b := range byTime {
		list = append(list, b)
	}
	if list == nil {
		return nil
	}
	slices.SortFunc(list, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["timestamp"].(string), b.(map[string]any)["timestamp"].(string))
	})
	return list
}

// events is the answer of events.
func (o *oracle) events() any {
	var list []any
	for _, e := range slices.Backward(o.seenEvents()) {
		list = append(list, map[string]any{"timestamp": stamp(e.at), "name": e.name, "source": account("device").String(), "durationNs": "0", "metadata": nil})
	}
	if list == nil {
		return nil
	}
	return list
}

// seenEvents are those that are seen, by time.
func (o *oracle) seenEvents() (list []happened) {
	seen := o.p.seen(o.row.values, "events", o.grant, o.token)
	for _, e := range o.d.happened {
		if seen[e.ownership] != "" {
			list = append(list, e)
		}
	}
	return list
}

// nothing says whether an operation may tell nothing at all.
func (o *oracle) nothing(op operation) bool {
	columnsOf := map[string][]string{
		"values": {"other", "location", "approximate"}, "lastSeen": {"lastSeen"}, "lists": {"availableSignals", "signalsSnapshot", "dataSummary"}, "events": {"events"}, "raw": {"raw"}, "vin": {"vin"},
	}
	for _, tells := range op.tells {
		cells := o.row.values
		if tells == "lists" {
			cells = o.row.lists
		}
		for _, column := range columnsOf[tells] {
			if o.p.seen(cells, column, o.grant, o.token) != [4]string{} {
				return false
			}
		}
	}
	return true
}

package naive

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"

	"sayso"
	"sayso/node/vault"
)

// allEvents lists one event per time, name and source, the newest first.
func (n *Vault) allEvents(v vault.View) []vault.EventRow {
	first := make(map[string]vault.EventRow)
	var keys []string
	for _, k := range n.kept {
		if k.vehicle != v.Vehicle {
			continue
		}
		byEpoch := slices.Clone(k.events)
		sort.SliceStable(byEpoch, func(i, j int) bool { return byEpoch[i].Epoch < byEpoch[j].Epoch })
		for _, e := range byEpoch {
			key := fmt.Sprintf("%d|%s|%x", e.Time, e.Name, k.source)
			if _, ok := first[key]; !ok && sees(v, e.Epoch, k.source) {
				first[key] = vault.EventRow{Event: e, Source: k.source, Seq: k.seq}
				keys = append(keys, key)
			}
		}
	}
	out := make([]vault.EventRow, len(keys))
	for i, key := range keys {
		out[i] = first[key]
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		switch {
		case a.Time != b.Time:
			return a.Time > b.Time
		case a.Name != b.Name:
			return a.Name < b.Name
		}
		return string(a.Source[:]) < string(b.Source[:])
	})
	return out
}

// Events filters what there is.
func (n *Vault) Events(_ context.Context, v vault.View, from, to sayso.Instant, yield func(vault.EventRow) bool) error {
	n.mu.Lock()
	all := n.allEvents(v)
	n.mu.Unlock()
	for _, e := range all {
		if e.Time >= from && e.Time < to && !yield(e) {
			break
		}
	}
	return nil
}

func (k *kept) stored() vault.Stored {
	return vault.Stored{
		Seq: k.seq, Epoch: k.epoch, Envelope: *k.envelope, Rejected: k.rejected, Backfill: k.backfill, KeptAt: k.at,
	}
}

func (n *Vault) envelopes(v vault.View) (out []vault.Stored) {
	for _, k := range n.kept {
		if k.vehicle == v.Vehicle && k.envelope != nil && sees(v, k.epoch, k.source) {
			out = append(out, k.stored())
		}
	}
	return out
}

// CloudEvents sorts what there is.
func (n *Vault) CloudEvents(ctx context.Context, v vault.View, from, to sayso.Instant, yield func(vault.Stored) bool) error {
	return n.CloudEventsOf(ctx, v, vault.AnyClass, from, to, yield)
}

// CloudEventsOf sorts what there is of some classes.
func (n *Vault) CloudEventsOf(_ context.Context, v vault.View, of vault.Class, from, to sayso.Instant, yield func(vault.Stored) bool) error {
	n.mu.Lock()
	all := slices.DeleteFunc(n.envelopes(v), func(s vault.Stored) bool { return of&vault.ClassOf(s.Envelope.Type) == 0 })
	n.mu.Unlock()
	slices.Reverse(all)
	sort.SliceStable(all, func(i, j int) bool { return sayso.At(all[i].Envelope.Time) > sayso.At(all[j].Envelope.Time) })
	for _, s := range all {
		if t := sayso.At(s.Envelope.Time); t >= from && t < to && !yield(s) {
			break
		}
	}
	return nil
}

// Export gives what there is.
func (n *Vault) Export(_ context.Context, v vault.View, yield func(vault.Stored) bool) error {
	n.mu.Lock()
	all := n.envelopes(v)
	n.mu.Unlock()
	for _, s := range all {
		if !yield(s) {
			break
		}
	}
	return nil
}

// Summary counts what there is.
func (n *Vault) Summary(_ context.Context, v vault.View) (s vault.Summary, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	times := make(map[sayso.SignalID][]sayso.Instant)
	for _, r := range n.distinct(v) {
		times[r.Signal] = append(times[r.Signal], r.Time)
	}
	for _, id := range slices.Sorted(maps.Keys(times)) {
		t := times[id]
		s.Signals = append(s.Signals, vault.SignalSummary{
			Signal: id, Count: uint64(len(t)), First: slices.Min(t), Last: slices.Max(t),
		})
	}
	named := make(map[string][]sayso.Instant)
	for _, e := range n.allEvents(v) {
		named[e.Name] = append(named[e.Name], e.Time)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		t := named[name]
		s.Events = append(s.Events, vault.EventSummary{
			Name: name, Count: uint64(len(t)), First: slices.Min(t), Last: slices.Max(t),
		})
	}
	return s, nil
}

// Erase removes what is there of an epoch.
func (n *Vault) Erase(_ context.Context, vehicle uint64, epoch uint32) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seq++
	maps.DeleteFunc(n.last, func(of lastOf, _ vault.Row) bool { return of.vehicle == vehicle && of.epoch == epoch })
	for _, k := range n.kept {
		if k.vehicle != vehicle {
			continue
		}
		if k.epoch == epoch {
			k.envelope, k.rejected = nil, nil
		}
		k.readings = slices.DeleteFunc(k.readings, func(r sayso.Reading) bool { return r.Epoch == epoch })
		k.events = slices.DeleteFunc(k.events, func(e sayso.Event) bool { return e.Epoch == epoch })
	}
	return nil
}

// Follow gives what there is.
func (n *Vault) Follow(_ context.Context, since uint64, yield func(vault.Entry) bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.kept {
		if k.seq <= since || k.envelope == nil && len(k.readings) == 0 && len(k.events) == 0 {
			continue
		}
		e := vault.Entry{Vehicle: k.vehicle, Events: k.events}
		if k.envelope != nil {
			e.Stored = k.stored()
		}
		e.Seq = k.seq
		e.Readings = k.readings
		if !yield(e) {
			break
		}
	}
	return nil
}

// ordered sorts readings by epoch, time and signal and leaves repetitions out.
func ordered(in []sayso.Reading) (out []sayso.Reading) {
	type slot struct {
		epoch uint32
		when
	}
	seen := make(map[slot]bool)
	for _, r := range in {
		s := slot{r.Epoch, when{r.Signal, r.Time}}
		if !seen[s] {
			out = append(out, r)
		}
		seen[s] = true
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		switch {
		case a.Epoch != b.Epoch:
			return a.Epoch < b.Epoch
		case a.Time != b.Time:
			return a.Time < b.Time
		}
		return a.Signal < b.Signal
	})
	return out
}

// Seq is the number of commits and erasures.
func (n *Vault) Seq() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seq
}

// Close does nothing.
func (n *Vault) Close() error { return nil }

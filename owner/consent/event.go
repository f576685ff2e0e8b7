package consent

import (
	"slices"
	"strings"

	"sayso"
	"sayso/owner/document"
)

// Event decides one cloud event: how it is seen, and in which ownerships. An
// event with several tags is picked by each of them; one without is picked only
// where every tag is.
func (v Verdict) Event(eventType, source, id string, tags []string) (Sight, []uint32) {
	picks := func(f document.Filter) bool {
		return one(f.EventType, eventType) && one(f.Source, source) && among(f.IDs, id) &&
			(slices.Contains(f.Tags, document.Any) || slices.ContainsFunc(tags, func(t string) bool { return slices.Contains(f.Tags, t) }))
	}
	var epochs []uint32
	for _, r := range v.Events {
		if r.passes(func(list []document.Filter) bool { return slices.ContainsFunc(list, picks) }) {
			epochs = append(epochs, r.Epoch)
		}
	}
	if epochs == nil {
		return Refuse, nil
	}
	return Allow, epochs
}

// Covers says whether a token may carry a filter: whether every pair of an id
// and a tag that it asks for is in some agreement. Asking for all of something
// needs an agreement about all of it.
func (v Verdict) Covers(want document.Filter) bool {
	return slices.ContainsFunc(v.Events, func(r EventRight) bool {
		return r.passes(func(list []document.Filter) bool { return covered(list, want) })
	})
}

// passes says whether what is allowed and every limit agree.
func (r EventRight) passes(agrees func([]document.Filter) bool) bool {
	return (r.All || agrees(r.Allowed)) && !slices.ContainsFunc(r.Limits, func(l []document.Filter) bool { return !agrees(l) })
}

func covered(by []document.Filter, want document.Filter) bool {
	for _, id := range want.IDs {
		for _, tag := range want.Tags {
			if !slices.ContainsFunc(by, func(f document.Filter) bool {
				return one(f.EventType, want.EventType) && one(f.Source, want.Source) && among(f.IDs, id) && among(f.Tags, tag)
			}) {
				return false
			}
		}
	}
	return len(want.IDs) > 0 && len(want.Tags) > 0
}

// LimitEvents keeps of a verdict only the cloud events that a token claims.
func (v Verdict) LimitEvents(claimed []document.Filter) Verdict {
	kept := make([]EventRight, 0, len(v.Events))
	for _, r := range v.Events {
		if len(claimed) > 0 {
			r.Limits = append(slices.Clip(r.Limits), claimed)
			kept = append(kept, r)
		}
	}
	v.Events = kept
	return v
}

// one compares a type or a source; addresses are the same in any case.
func one(granted, asked string) bool {
	if granted == document.Any || granted == asked {
		return true
	}
	if !strings.EqualFold(granted, asked) {
		return false
	}
	a, err := sayso.ParseAddress(granted)
	b, err2 := sayso.ParseAddress(asked)
	return err == nil && err2 == nil && a == b
}

func among(granted []string, asked string) bool {
	return slices.Contains(granted, document.Any) || slices.Contains(granted, asked)
}

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"sayso/owner/document"
)

// eventFilter is a filter on cloud events as the command line takes it: TYPE,
// TYPE,SOURCE or a JSON object.
type eventFilter document.Filter

// UnmarshalText reads one.
func (f *eventFilter) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if strings.HasPrefix(s, "{") {
		d := json.NewDecoder(strings.NewReader(s))
		d.DisallowUnknownFields()
		var in struct {
			EventType, Source string
			IDs, Tags         []string
		}
		if err := d.Decode(&in); err != nil {
			return fmt.Errorf(`want {"eventType","source","ids","tags"}: %w`, err)
		}
		*f = eventFilter{EventType: in.EventType, Source: in.Source, IDs: in.IDs, Tags: in.Tags}
		return nil
	}
	kind, source, _ := strings.Cut(s, ",")
	if kind == "" || strings.ContainsAny(s, " \t") {
		return fmt.Errorf("%q is no event filter: want a type such as dimo.attestation, or TYPE,SOURCE, or a JSON object", s)
	}
	*f = eventFilter{EventType: kind, Source: source}
	return nil
}

package front_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"sayso"
	"sayso/car/catalogue"
	"sayso/node/vault"
)

// rawEvent is a cloud event whose payload holds a text that nothing else has.
type rawEvent struct {
	kind, id, note string
	ownership      int
	at             time.Time
}

// message stands for the payloads of cloud events where worlds are made that
// differ in what somebody may not see.
var message = &catalogue.Signal{Name: "message", Kind: sayso.Text}

type altering func(s *catalogue.Signal, ownership, n int, v sayso.Value) (sayso.Value, bool)

// note makes the payload of a cloud event.
func (d *data) note(kind, id string, vehicle uint64, ownership, n int, at time.Time, alter altering) []byte {
	text := fmt.Sprintf("raw-%s-%d-%d-%d", strings.TrimPrefix(kind, "dimo."), vehicle, ownership, n)
	d.raw = append(d.raw, rawEvent{kind, id, text, ownership, at})
	if _, keep := alter(message, ownership, n, sayso.TextValue(text)); !keep {
		text = "hidden"
	}
	return []byte(`{"note":"` + text + `"}`)
}

// attested keeps an attestation about a vehicle.
func (w *world) attested(d *data, vehicle, as uint64, ownership, n int, alter altering) {
	w.t.Helper()
	e := sayso.CloudEvent{
		Type: sayso.TypeAttestation, Source: account("maker"), Subject: sayso.NFT(testChain.ID, testChain.Vehicle, vehicle),
		ID: fmt.Sprintf("note-%d-%d-%d", vehicle, ownership, n), Time: bought[ownership].Add(50 * time.Minute), Signature: "0x00", Tags: []string{"note"},
	}
	e.Data = d.note(e.Type, e.ID, as, ownership, n, e.Time, alter)
	_, err := w.vault.Commit(context.Background(), &vault.Deposit{Vehicle: vehicle, Epoch: uint32(ownership), Envelope: e, Body: sha256.Sum256(e.Data)})
	w.must(err)
}

// rawQuestions ask for cloud events.
var rawQuestions = map[string]string{
	"latestCloudEvent":         `{latestCloudEvent($V){header{id type time} data}}`,
	"cloudEvents":              `{cloudEvents($V, limit: 1000){header{id type time} data}}`,
	"latestIndex":              `{latestIndex($V){header{id type time} indexKey}}`,
	"indexes":                  `{indexes($V, limit: 1000){header{id type time} indexKey}}`,
	"availableCloudEventTypes": `{availableCloudEventTypes($V){type count firstSeen lastSeen}}`,
	"attestations":             `{attestations($V, filter: {limit: 1000}){id time attestation}}`,
	"vinVCLatest":              `{vinVCLatest($V){vin rawVC}}`,
}

// messages is the answer of an operation about cloud events.
func (o *oracle) messages(field string) (any, bool) {
	list := o.seenMessages()
	field = strings.TrimPrefix(field, "grpc.")
	word := func(e rawEvent) any {
		out := map[string]any{"header": map[string]any{"id": e.id, "type": e.kind, "time": stamp(e.at)}}
		if strings.Contains(field, "ndex") && field != "ListCloudEventsFromIndex" {
			source := account("device")
			if e.kind == sayso.TypeAttestation {
				source = account("maker")
			}
			out["indexKey"] = strings.Join([]string{carDID(car), stamp(e.at), e.kind, source.String(), e.id}, "!")
		} else {
			out["data"] = map[string]any{"note": e.note}
		}
		return out
	}
	switch field {
	case "latestCloudEvent", "latestIndex", "GetLatestCloudEvent", "GetLatestIndex":
		return word(list[0]), true
	case "cloudEvents", "indexes", "ListCloudEvents", "ListIndexes", "ListCloudEventsFromIndex":
		out := []any{}
		for _, e := range list {
			out = append(out, word(e))
		}
		return out, true
	case "availableCloudEventTypes":
		return countedTypes(list), true
	case "attestations":
		out := []any{}
		for _, e := range list {
			if e.kind == sayso.TypeAttestation {
				out = append(out, map[string]any{"id": e.id, "time": stamp(e.at), "attestation": `{"note":"` + e.note + `"}`})
			}
		}
		return out, true
	}
	return nil, false
}

func countedTypes(list []rawEvent) []any {
	out := []any{}
	for _, kind := range []string{sayso.TypeAttestation, sayso.TypeStatus} {
		n, first, last := 0, time.Time{}, time.Time{}
		for _, e := range list {
			if e.kind == kind {
				n, first = n+1, e.at
				if last.IsZero() {
					last = e.at
				}
			}
		}
		if n > 0 {
			out = append(out, map[string]any{"type": kind, "count": fmt.Sprint(n), "firstSeen": stamp(first), "lastSeen": stamp(last)})
		}
	}
	return out
}

// seenMessages are the cloud events that are seen, the newest first, of equal
// times that which was kept last.
func (o *oracle) seenMessages() (list []rawEvent) {
	seen := o.p.seen(o.row.values, "raw", o.grant, o.token)
	for _, e := range o.d.raw {
		if seen[e.ownership] != "" {
			list = append(list, e)
		}
	}
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b rawEvent) int { return b.at.Compare(a.at) })
	return list
}

package attest

import (
	"encoding/json"
	"strings"

	"sayso"
)

// maxReason is the longest reason of a tombstone, in bytes.
const maxReason = 512

// Voids reads a tombstone: the id of the event of the same source that it takes
// back, and the reason, if one is given. The error is [sayso.Invalid].
func Voids(ce *sayso.CloudEvent) (id, reason string, err error) {
	bad := func(why string) (string, string, error) {
		return "", "", sayso.Fail(sayso.Invalid, "attest.Voids", "a tombstone has data {\"voidsId\": <id>, \"reason\": <text>}: "+why)
	}
	if ce.Type != sayso.TypeTombstone || ce.Base64 {
		return bad("the type must be " + sayso.TypeTombstone + ", and the payload JSON")
	}
	var data struct {
		VoidsID string `json:"voidsId"`
		Reason  string `json:"reason"`
	}
	switch err := json.Unmarshal(ce.Data, &data); {
	case err != nil:
		return bad("the data cannot be read")
	case data.VoidsID == "" || strings.ContainsFunc(data.VoidsID, notInID):
		return bad("voidsId must be the id of an event")
	case len(data.Reason) > maxReason:
		return bad("the reason is over 512 bytes")
	}
	return data.VoidsID, data.Reason, nil
}

// notInID says whether a character is none of an identifier (spec ingest 1.5).
func notInID(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_/,. :", r))
}

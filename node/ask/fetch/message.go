package fetch

import (
	"bytes"
	"strings"
	"time"

	"sayso"
	"sayso/car/door"
	"sayso/node/vault"
	"sayso/owner/consent"
)

// messageOf is what the decision needs to know of an event.
func messageOf(s *vault.Stored) consent.Message {
	e := &s.Envelope
	return consent.Message{
		Epoch: s.Epoch, Type: e.Type, Source: e.Source.String(), ID: e.ID, Tags: e.Tags,
		Identifies: identifies(e), Refused: refused(s),
	}
}

// refused says whether a message was not accepted: nobody could read it, or its
// id had been used. The node keeps it for the owner.
func refused(s *vault.Stored) bool {
	return s.Envelope.Type == door.TypeRefused || len(s.Rejected) == 1 && s.Rejected[0].Name == "id" && strings.HasPrefix(s.Rejected[0].Reason, door.UsedID)
}

// identifies says whether an event may tell the vehicle identification number:
// by its type, by a member of that name, or because its payload is of a form
// that cannot be looked through here.
func identifies(e *sayso.CloudEvent) bool {
	switch {
	case e.Type == sayso.TypeFingerprint, strings.HasPrefix(e.DataVersion, "vin/"), strings.HasPrefix(e.DataVersion, "r/v0/"):
		return true
	case e.Base64 && e.DataContentType != "application/json":
		return true
	}
	return bytes.Contains(e.Data, []byte(`\u`)) || hasVIN(e.Data)
}

// hasVIN says whether JSON has a member whose name ends in vin, in any case.
func hasVIN(b []byte) bool {
	for i := 0; i+4 <= len(b); i++ {
		if b[i]|0x20 != 'v' || b[i+1]|0x20 != 'i' || b[i+2]|0x20 != 'n' || b[i+3] != '"' {
			continue
		}
		if bytes.HasPrefix(bytes.TrimLeft(b[i+4:], " \t\r\n"), []byte(":")) {
			return true
		}
	}
	return false
}

// IndexKey names an event: subject, time, type, source and id (spec ingest 1.1).
func IndexKey(e *sayso.CloudEvent) string {
	return KeyOf(did(e.Subject), e.Time, e.Type, e.Source.String(), e.ID)
}

// KeyOf joins the parts of an index key.
func KeyOf(subject string, at time.Time, eventType, source, id string) string {
	return strings.Join([]string{subject, at.UTC().Truncate(time.Second).Format(time.RFC3339), eventType, source, id}, "!")
}

// ParseKey reads the second and the type in an index key.
func ParseKey(key string) (at time.Time, eventType string, err error) {
	parts := strings.SplitN(key, "!", 5)
	if len(parts) == 5 {
		at, err = time.Parse(time.RFC3339, parts[1])
	}
	if len(parts) != 5 || err != nil {
		return at, "", sayso.Fail(sayso.Invalid, "fetch", "an index key has the form subject!time!type!source!id")
	}
	return at, parts[2], nil
}

func did(d sayso.DID) string {
	if d.Method == "" {
		return ""
	}
	return d.String()
}

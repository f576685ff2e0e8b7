package consent_test

import (
	"slices"
	"testing"

	"sayso"
	"sayso/owner/consent"
	"sayso/owner/document"
)

// Each row says which messages are open with a set of permissions of one time,
// and that nothing of another time is.
func TestWhichMessagesAreOpen(t *testing.T) {
	status := consent.Message{Epoch: 3, Type: sayso.TypeStatus, Source: "s", ID: "1"}
	fingerprint := status
	fingerprint.Type, fingerprint.Identifies = sayso.TypeFingerprint, true
	attestation := status
	attestation.Type = sayso.TypeAttestation
	refused := status
	refused.Refused = true
	all := []consent.Message{status, fingerprint, attestation, refused}
	set := sayso.PermissionSet
	grant := func(p sayso.Permissions) consent.Verdict {
		return consent.Verdict{Rights: []consent.Right{{Epoch: 3, Permissions: p}}}
	}
	own := func(p sayso.Permissions) consent.Verdict {
		return consent.Verdict{Rights: []consent.Right{{Epoch: 3, Permissions: p, Own: true}}}
	}
	filtered := func(kind string) consent.Verdict {
		return consent.Verdict{Events: []consent.EventRight{{Epoch: 3, Allowed: []document.Filter{filter(kind, "*", every, every)}}}}
	}
	for name, c := range map[string]struct {
		v    consent.Verdict
		open []consent.Message
	}{
		"nothing":                        {grant(set()), nil},
		"signals":                        {grant(set(sayso.NonLocationHistory)), nil},
		"positions":                      {grant(set(sayso.LocationHistory)), nil},
		"VIN":                            {grant(set(sayso.VINCredential)), nil},
		"everything but":                 {grant(set(sayso.NonLocationHistory, sayso.CurrentLocation, sayso.ApproximateLocation, sayso.VINCredential, sayso.ExecuteCommands, sayso.LiveData)), nil},
		"raw data":                       {grant(set(sayso.RawData)), []consent.Message{status, fingerprint, attestation}},
		"signals and positions":          {grant(set(sayso.NonLocationHistory, sayso.LocationHistory)), []consent.Message{status, attestation}},
		"signals, positions and VIN":     {grant(set(sayso.NonLocationHistory, sayso.LocationHistory, sayso.VINCredential)), []consent.Message{status, fingerprint, attestation}},
		"owner with a token for raw":     {own(set(sayso.RawData)), all},
		"owner with a token for signals": {own(set(sayso.NonLocationHistory)), nil},
		"an agreement on attestations":   {filtered(sayso.TypeAttestation), []consent.Message{attestation}},
		"an agreement on fingerprints":   {filtered(sayso.TypeFingerprint), []consent.Message{fingerprint}},
		"an agreement on everything":     {filtered("*"), []consent.Message{status, fingerprint, attestation}},
		"owner with a token for nothing": {consent.Verdict{Events: []consent.EventRight{{Epoch: 3, All: true}}}.LimitEvents(nil), nil},
	} {
		for _, m := range all {
			want := slices.ContainsFunc(c.open, func(o consent.Message) bool { return o.Type == m.Type && o.Refused == m.Refused })
			if got := c.v.Message(m); got != want {
				t.Errorf("%s: %s, refused %v: open %v", name, m.Type, m.Refused, got)
			}
			if m.Epoch = 2; c.v.Message(m) {
				t.Errorf("%s: %s of another time is open", name, m.Type)
			}
		}
		if may := slices.Equal(c.v.Messages(), []uint32{3}); may != (c.open != nil) {
			t.Errorf("%s: ownerships %v", name, c.v.Messages())
		}
	}
}

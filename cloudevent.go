package sayso

import "time"

// The types of cloud events that a node keeps.
const (
	TypeStatus      = "dimo.status"
	TypeEvents      = "dimo.events"
	TypeFingerprint = "dimo.fingerprint"
	TypeAttestation = "dimo.attestation" // a signed fact
	TypeTombstone   = "dimo.tombstone"   // takes another event of its source back
)

// CloudEvent is the CloudEvents 1.0 envelope with the extensions of the DIMO
// wire format (spec ingest 1.1). Data is the payload as received, byte for
// byte; Base64 says that it came as data_base64.
type CloudEvent struct {
	Type            string
	Source          Address
	Subject         DID
	Producer        DID
	ID              string
	Time            time.Time
	DataContentType string
	DataSchema      string
	DataVersion     string
	Signature       string
	RawEventID      string
	Tags            []string
	Extras          map[string][]byte // unknown members, raw JSON
	Data            []byte
	Base64          bool
}

package attest

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"time"

	"sayso"
	"sayso/protocol/chain"
)

// The versions of the credentials that a node signs (spec api 6.2).
const (
	VINVersion      = "vin/v1.0"
	OdometerVersion = "vehicleodometer/v1.0.0"
	HealthVersion   = "vehiclehealth/v1.0.0"
	PositionVersion = "vehicleposition/v1.0.0"
	MovementVersion = "pom/v1.0"
)

// Kind is a kind of credential.
type Kind struct {
	Version string
	Tag     string
	Name    string // the type of the credential
}

// The kinds.
var (
	VINKind      = Kind{VINVersion, "vehicle.vin", "VehicleVINCredential"}
	OdometerKind = Kind{OdometerVersion, "vehicle.odometer", "VehicleOdometerCredential"}
	HealthKind   = Kind{HealthVersion, "vehicle.health", "VehicleHealthCredential"}
	PositionKind = Kind{PositionVersion, "vehicle.position", "VehiclePositionCredential"}
	MovementKind = Kind{MovementVersion, "vehicle.movement", "VehicleMovementCredential"}
)

// Credential is the payload of an attestation: a verifiable credential of the
// W3C data model 2.0. validTo says the same as validUntil, under the name that
// clients of DIMO read.
type Credential[S any] struct {
	Context    []string  `json:"@context"`
	Type       []string  `json:"type"`
	Issuer     string    `json:"issuer"`
	ValidFrom  time.Time `json:"validFrom"`
	ValidUntil time.Time `json:"validUntil"`
	ValidTo    time.Time `json:"validTo"`
	Subject    S         `json:"credentialSubject"`
}

// VIN is the credential about a vehicle identification number.
type VIN = Credential[VINSubject]

// VINSubject says which number a vehicle has, and who read it from the vehicle.
type VINSubject struct {
	ID          string    `json:"id"`
	TokenID     uint64    `json:"vehicleTokenId"`
	Contract    string    `json:"vehicleContractAddress"`
	VIN         string    `json:"vehicleIdentificationNumber"`
	RecordedBy  string    `json:"recordedBy"`
	RecordedAt  time.Time `json:"recordedAt"`
	CountryCode string    `json:"countryCode,omitempty"`
}

// OdometerSubject says what the odometer showed.
type OdometerSubject struct {
	Vehicle   string     `json:"vehicleDID"`
	Source    string     `json:"source"`
	Reading   Measured   `json:"odometerReading"`
	Requested *time.Time `json:"requestedTimestamp,omitempty"`
	Producer  string     `json:"producer"`
}

// Measured is a number with its unit and time.
type Measured struct {
	Value float64   `json:"value"`
	Unit  string    `json:"unit"`
	Time  time.Time `json:"timestamp"`
}

// PositionSubject says in which H3 cell the vehicle was.
type PositionSubject struct {
	Vehicle   string    `json:"vehicleDID"`
	Location  Located   `json:"location"`
	Requested time.Time `json:"requestedTimestamp"`
	Producer  string    `json:"producer"`
}

// MovementSubject says that the vehicle was in different H3 cells, in the order of
// time.
type MovementSubject struct {
	Vehicle   string    `json:"vehicleDID"`
	Locations []Located `json:"locations"`
	Producer  string    `json:"producer"`
}

// Located is a cell with its time.
type Located struct {
	Type  string    `json:"locationType"` // h3Cell
	Value CellID    `json:"locationValue"`
	Time  time.Time `json:"timestamp"`
}

// CellID names an H3 cell.
type CellID struct {
	ID string `json:"cellId"`
}

// Issuer signs credentials with the node's key. The signature is that of
// personal_sign over the bytes of data; the key is published in a DID document.
type Issuer struct {
	Key   *chain.Key
	Chain uint64
}

// Address is the source of what the issuer signs.
func (i *Issuer) Address() sayso.Address { return sayso.Address(i.Key.Address()) }

// DID is the issuer as an account of the chain.
func (i *Issuer) DID() sayso.DID { return sayso.Account(i.Chain, i.Address()) }

// Issue makes the cloud event of a credential that holds from now until a time.
// Producer is the device from which the data came; without one, the issuer.
func Issue[S any](i *Issuer, kind Kind, vehicle, producer sayso.DID, now, until time.Time, subject S) (sayso.CloudEvent, error) {
	now = now.UTC().Truncate(time.Second)
	data, err := json.Marshal(Credential[S]{
		Context: []string{"https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/undefined-terms/v2"},
		Type:    []string{"VerifiableCredential", kind.Name},
		Issuer:  i.DID().String(), ValidFrom: now, ValidUntil: until.UTC(), ValidTo: until.UTC(), Subject: subject,
	})
	if err != nil {
		return sayso.CloudEvent{}, err
	}
	sig, err := i.Key.PersonalSign(data)
	if err != nil {
		return sayso.CloudEvent{}, err
	}
	if producer.Method == "" {
		producer = i.DID()
	}
	return sayso.CloudEvent{
		Type: sayso.TypeAttestation, Source: i.Address(), Subject: vehicle, Producer: producer, ID: newID(now), Time: now,
		DataContentType: "application/json", DataVersion: kind.Version, Tags: []string{kind.Tag, "vehicle"},
		Signature: "0x" + hex.EncodeToString(sig), Data: data,
	}, nil
}

// WeekEnd is until when a VIN credential of a time holds: the midnight in UTC at
// which the week ends that contains it.
func WeekEnd(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), t.Day()+7-int(t.Weekday()), 0, 0, 0, 0, time.UTC)
}

// The form of a KSUID: seconds since an epoch of its own, and chance, in base 62.
const (
	idEpoch  = 1_400_000_000
	idLength = 27
	base62   = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newID makes a KSUID.
func newID(now time.Time) string {
	var b [20]byte
	rand.Read(b[4:])
	seconds := uint32(now.Unix() - idEpoch)
	for i := range 4 {
		b[i] = byte(seconds >> (24 - 8*i))
	}
	n, radix, digit := new(big.Int).SetBytes(b[:]), big.NewInt(62), new(big.Int)
	var out [idLength]byte
	for i := idLength - 1; i >= 0; i-- {
		n.DivMod(n, radix, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out[:])
}

package token

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"sayso"
	"sayso/owner/document"
)

// How long tokens live (spec api 1.1).
const (
	DeveloperTerm = 14 * 24 * time.Hour
	VehicleTerm   = 10 * time.Minute
)

// Audience is what a vehicle token is for unless the exchange asks otherwise.
const Audience = "dimo.zone"

// The clients that need no licence.
const (
	DriverClient = "dimo-driver"  // people: an account that signs for itself
	DeviceClient = "sayso-device" // devices: the key registered on chain signs
)

// Developer are the claims of a developer token (spec api 1.4). Signer is ours:
// the key of a licence that signed in for it.
type Developer struct {
	jwt.Claims
	ProviderID string         `json:"provider_id"`
	Email      string         `json:"email"`
	Verified   bool           `json:"email_verified"`
	Address    *sayso.Address `json:"ethereum_address,omitempty"`
	AtHash     string         `json:"at_hash,omitempty"`
	Signer     *sayso.Address `json:"signer,omitempty"`
}

// EventFilter is a granted filter on cloud events; it is part of the wire form
// of a vehicle token.
type EventFilter struct {
	EventType string   `json:"event_type"`
	Source    string   `json:"source"`
	IDs       []string `json:"ids"`
	Tags      []string `json:"tags"`
}

// Vehicle are the claims of a vehicle token (spec api 1.6). Grantee and Signer
// are ours: who the grant is decided for again at every read, and the key that
// signed in for it, where the grantee is a licence.
type Vehicle struct {
	jwt.Claims
	Asset       string         `json:"asset"`
	Permissions []string       `json:"permissions"`
	Contract    string         `json:"contract_address,omitempty"` // of a vehicle, as its token id
	TokenID     string         `json:"token_id,omitempty"`
	Privileges  []int          `json:"privilege_ids"`
	CloudEvents events         `json:"cloud_events"`
	Grantee     sayso.Address  `json:"ethereum_address"`
	Signer      *sayso.Address `json:"signer,omitempty"`
}

type events struct {
	Events []EventFilter `json:"events"`
}

func eventFilters(list []document.Filter) []EventFilter {
	out := make([]EventFilter, 0, len(list))
	for _, f := range list {
		out = append(out, EventFilter(f))
	}
	return out
}

// Filters are the cloud events that the token claims.
func (v *Vehicle) Filters() []document.Filter {
	var out []document.Filter
	for _, f := range v.CloudEvents.Events {
		out = append(out, document.Filter(f))
	}
	return out
}

// Set is what the token claims: the named permissions, or the numbers where a
// token has only those.
func (v *Vehicle) Set() sayso.Permissions {
	var set sayso.Permissions
	for _, name := range v.Permissions {
		if p, ok := sayso.ParsePermission(name); ok {
			set = set.With(p)
		}
	}
	if len(v.Permissions) == 0 {
		for _, n := range v.Privileges {
			if n > 0 && n < 128 {
				set = set.With(sayso.Permission(n))
			}
		}
	}
	return set
}

// subject is the `sub` of a developer token: a protobuf message of two strings,
// the user id and the connector, in base64url (spec api 1.4).
func subject(a sayso.Address) string {
	var b []byte
	for field, s := range []string{a.String(), "web3"} {
		b = append(b, byte(field+1)<<3|2, byte(len(s)))
		b = append(b, s...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// subjectAddress reads the user id of such a `sub`.
func subjectAddress(s string) (sayso.Address, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 2 || b[0] != 1<<3|2 || len(b) < 2+int(b[1]) {
		return sayso.Address{}, fmt.Errorf("the subject of the token is not of the expected form")
	}
	return sayso.ParseAddress(string(b[2 : 2+int(b[1])]))
}

// developerTokens issues the access and the id token of a sign-in.
func (i *Issuer) developerTokens(client string, who sayso.Address, signer *sayso.Address, withAddress bool, now time.Time) (access, id string, err error) {
	c := Developer{
		Claims: jwt.Claims{
			Issuer: i.URL, Subject: subject(who), Audience: jwt.Audience{client},
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(DeveloperTerm)),
		},
		ProviderID: "web3", Signer: signer,
	}
	if withAddress {
		c.Address = &who
	}
	key := i.signer(now)
	if access, err = key.sign(c); err != nil {
		return "", "", err
	}
	sum := sha256.Sum256([]byte(access))
	c.AtHash = base64.RawURLEncoding.EncodeToString(sum[:16])
	id, err = key.sign(c)
	return access, id, err
}

// vehicleToken issues what an exchange gives.
func (i *Issuer) vehicleToken(d deal, now time.Time) (string, error) {
	v := Vehicle{
		Claims: jwt.Claims{
			Issuer: i.URL, Subject: d.subject, Audience: d.audience,
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(VehicleTerm)),
		},
		Asset: d.asset.String(), Grantee: d.grantee, Signer: d.signer,
		Permissions: []string{}, Privileges: []int{}, CloudEvents: events{eventFilters(d.events)},
	}
	if d.asset.Token != nil {
		v.Contract, v.TokenID = d.asset.Address.Lower(), d.asset.Token.String()
	}
	for _, p := range d.set.List() {
		v.Permissions = append(v.Permissions, p.String())
		v.Privileges = append(v.Privileges, int(p))
	}
	return i.signer(now).sign(struct {
		Vehicle
		Audience []string `json:"aud"` // always a list on the wire (spec api 1.6)
	}{v, d.audience})
}

// ParseSet reads permissions as names of tokens or enums, or as numbers.
func ParseSet(list []string) (sayso.Permissions, error) {
	var set sayso.Permissions
	for _, s := range list {
		if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 128 {
			set = set.With(sayso.Permission(n))
			continue
		}
		p, ok := sayso.ParsePermission(s)
		if !ok {
			if p, ok = sayso.ParsePermission("privilege:" + s); !ok {
				return set, fmt.Errorf("%q is not a permission: want a number or a name such as %s", s, sayso.NonLocationHistory)
			}
		}
		set = set.With(p)
	}
	return set, nil
}

// ParseBits reads the on-chain form that identity answers print, such as 0x3ffc.
func ParseBits(s string) (sayso.Permissions, error) {
	n, ok := new(big.Int).SetString(s, 0)
	if !ok {
		return sayso.Permissions{}, fmt.Errorf("%q is not a permission number", s)
	}
	return sayso.PermissionsFromBits(n), nil
}

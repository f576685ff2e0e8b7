package token

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/registry"
	"sayso/protocol/chain"
)

// How long a challenge can be answered, and how many can be open at once.
const (
	challengeTerm = 10 * time.Minute
	maxChallenges = 20_000
)

// State is what sign-in and exchange read of the registry.
type State interface {
	LicenceByClient(sayso.Address) (registry.Licence, bool)
	DeviceByAddress(sayso.Address) (registry.Device, bool)
	SyntheticByAddress(sayso.Address) (registry.Synthetic, bool)
	Vehicle(id uint64) (registry.Vehicle, bool)
	Grant(vehicle uint64, grantee sayso.Address) (registry.Grant, bool)
	AccountGrant(grantor, grantee sayso.Address) (registry.Grant, bool)
	Final(block uint64) bool
	Fresh(now time.Time) bool
}

// SignIn proves that a caller controls an account.
type SignIn struct {
	Issuer *Issuer
	State  State
	Clock  clock.Clock
	Home   string // the node's own URL: the domain of clients without a licence
	// Contract asks a contract account whether it approves a signature
	// (ERC-1271); nil where there is no chain to ask.
	Contract func(ctx context.Context, account common.Address, digest common.Hash, sig []byte) bool

	mu   sync.Mutex
	open map[string]challenge
}

type challenge struct {
	client, domain, text string
	account              sayso.Address
	withAddress          bool
	expires              time.Time
}

// Request is what a challenge is asked with (spec api 1.2).
type Request struct{ ClientID, Domain, Scope, Address string }

// Challenge answers with a state to hand back and a text to sign.
func (s *SignIn) Challenge(r Request) (state, text string, err error) {
	const op = "token.Challenge"
	account, err := sayso.ParseAddress(r.Address)
	if err != nil {
		return "", "", sayso.Fail(sayso.Invalid, op, "Invalid Ethereum address.")
	}
	if !strings.Contains(" "+r.Scope+" ", " openid ") {
		return "", "", sayso.Fail(sayso.Invalid, op, "scope must contain openid")
	}
	if err := s.admit(r.ClientID, r.Domain, account); err != nil {
		return "", "", err
	}
	now := s.Clock.Now()
	text = s.text(account, r.Domain, now)
	state = random(20)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= maxChallenges {
		s.sweep(now)
	}
	if len(s.open) >= maxChallenges {
		return "", "", sayso.Fail(sayso.Busy, op, "too many open challenges: try again in a minute")
	}
	if s.open == nil {
		s.open = map[string]challenge{}
	}
	s.open[state] = challenge{
		client: r.ClientID, domain: r.Domain, text: text, account: account, expires: now.Add(challengeTerm),
		withAddress: strings.Contains(" "+r.Scope+" ", " email ") || r.ClientID == DriverClient || r.ClientID == DeviceClient,
	}
	return state, text, nil
}

// isDevice says whether a key is that of a device of either kind.
func (s *SignIn) isDevice(key sayso.Address) bool {
	_, aftermarket := s.State.DeviceByAddress(key)
	_, synthetic := s.State.SyntheticByAddress(key)
	return aftermarket || synthetic
}

// admit checks the client and the domain.
func (s *SignIn) admit(client, domain string, account sayso.Address) error {
	const op = "token.Challenge"
	switch client {
	case DriverClient, DeviceClient:
		if domain != s.Home {
			return sayso.Fail(sayso.Invalid, op, "domain must be "+s.Home+" for the client "+client)
		}
		if client == DeviceClient && !s.isDevice(account) {
			return sayso.Fail(sayso.NotFound, op, "no device with the key "+account.String()+" is registered: sayso device new")
		}
		return nil
	}
	address, err := sayso.ParseAddress(client)
	if err != nil {
		return sayso.Fail(sayso.Invalid, op, "client_id must be the client id of a developer licence, "+DriverClient+" or "+DeviceClient)
	}
	licence, ok := s.State.LicenceByClient(address)
	if !ok || licence.Revoked {
		return sayso.Fail(sayso.NotFound, op, "no developer licence has the client id "+address.String()+": sayso app new")
	}
	if _, ok := licence.RedirectURIs[domain]; !ok {
		return sayso.Fail(sayso.Invalid, op, "domain "+domain+" is not a redirect URI of the licence "+licence.ClientID.String())
	}
	return nil
}

// text is the message to sign, in the layout of EIP-4361.
func (s *SignIn) text(account sayso.Address, domain string, now time.Time) string {
	host := func(raw string) string {
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			return u.Host
		}
		return raw
	}
	return host(s.Issuer.URL) + " wants you to sign in with your Ethereum account:\n" +
		account.String() + "\n\n" +
		host(domain) + " is asking you sign in.\n\n" +
		"URI: " + s.Issuer.URL + "\nVersion: 1\nChain ID: 1\nNonce: " + random(15) +
		"\nIssued At: " + now.UTC().Format(time.RFC3339)
}

// Tokens is what a sign-in gives.
type Tokens struct {
	Access  string
	ID      string
	Expires time.Duration
}

// Submit takes the signed challenge. A state is used up by a success alone.
func (s *SignIn) Submit(ctx context.Context, client, domain, state, signature string) (Tokens, error) {
	const op = "token.Submit"
	now := s.Clock.Now()
	s.mu.Lock()
	c, ok := s.open[state]
	s.mu.Unlock()
	switch {
	case !ok:
		return Tokens{}, sayso.Fail(sayso.Invalid, op, "Requested resource does not exist.")
	case !now.Before(c.expires):
		return Tokens{}, sayso.Fail(sayso.Invalid, op, "User session has expired.")
	case !strings.EqualFold(client, c.client):
		return Tokens{}, sayso.Fail(sayso.Unauthorized, op, "Invalid client credentials.")
	case domain != c.domain:
		return Tokens{}, sayso.Fail(sayso.Invalid, op, "redirect_uri did not match URI from initial request.")
	}
	signer, ok := s.signed(ctx, c, signature, now)
	if !ok {
		return Tokens{}, sayso.Fail(sayso.Invalid, op, "Could not verify signature.")
	}
	s.mu.Lock()
	_, unused := s.open[state]
	delete(s.open, state)
	s.mu.Unlock()
	if !unused {
		return Tokens{}, sayso.Fail(sayso.Invalid, op, "Requested resource does not exist.")
	}
	access, id, err := s.Issuer.developerTokens(c.client, c.account, signer, c.withAddress, now)
	return Tokens{access, id, DeveloperTerm}, err
}

// signed says whether the signature over the challenge is the account's own,
// that of an enabled signer of the licence whose client id the account is, or
// one that the account's contract approves. The signer is that of a licence,
// else nil.
func (s *SignIn) signed(ctx context.Context, c challenge, signature string, now time.Time) (signer *sayso.Address, ok bool) {
	sig, err := hex.DecodeString(strings.TrimPrefix(signature, "0x"))
	if err != nil || len(sig) > 4096 {
		return nil, false
	}
	digest := chain.PersonalDigest([]byte(c.text))
	key, ok := recoverSigner(digest, sig)
	if ok && key == c.account {
		return nil, true
	}
	if licence, is := s.State.LicenceByClient(c.account); is {
		return &key, ok && licence.Signs(key, now)
	}
	return nil, s.Contract != nil && s.Contract(ctx, common.Address(c.account), digest, sig)
}

// recoverSigner reads a 65-byte signature whose v is 0, 1, 27 or 28 and whose s
// is the lower of the two that there are.
func recoverSigner(digest common.Hash, sig []byte) (sayso.Address, bool) {
	a, err := chain.Recover(digest, sig)
	return sayso.Address(a), err == nil
}

func (s *SignIn) sweep(now time.Time) {
	for state, c := range s.open {
		if !now.Before(c.expires) {
			delete(s.open, state)
		}
	}
}

// random is n random bytes in hexadecimal.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"sayso"
)

// leeway is how much the clocks of issuer and verifier may differ.
const leeway = time.Minute

// maxTokenBytes is far above any token we issue.
const maxTokenBytes = 8192

// verified is how many tokens whose signature was checked are remembered, so
// that a caller's next request costs a hash instead of an RSA operation.
const verified = 16384

// Verifier checks tokens of one issuer. It takes neither the algorithm nor a
// key from the token, and a token has one form: the header that the issuer
// writes, byte for byte, and no other base64 of the same bytes.
type Verifier[C any] struct {
	issuer *Issuer
	term   time.Duration // no token of the issuer lives longer
	std    func(*C) *jwt.Claims
	other  func(*C) bool // a token of the issuer that proves nothing to a service

	mu    sync.Mutex
	known map[string]checked[C] // by token, as it was sent
}

// checked is a token whose signature was found right, with the key.
type checked[C any] struct {
	claims *C
	header string
}

// NewDeveloperVerifier checks developer tokens.
func NewDeveloperVerifier(i *Issuer) *Verifier[Developer] {
	return &Verifier[Developer]{issuer: i, term: DeveloperTerm, std: func(c *Developer) *jwt.Claims { return &c.Claims },
		other: func(c *Developer) bool { return c.AtHash != "" }, known: map[string]checked[Developer]{}}
}

// NewVehicleVerifier checks vehicle tokens.
func NewVehicleVerifier(i *Issuer) *Verifier[Vehicle] {
	return &Verifier[Vehicle]{issuer: i, term: VehicleTerm, std: func(c *Vehicle) *jwt.Claims { return &c.Claims },
		other: func(*Vehicle) bool { return false }, known: map[string]checked[Vehicle]{}}
}

// Verify returns the claims of a token that the issuer signed, that is in its
// time and, where an audience is given, that is for it. The claims are shared:
// they must not be changed.
func (v *Verifier[C]) Verify(raw, audience string, now time.Time) (*C, error) {
	refuse := func(why string) (*C, error) { return nil, sayso.Fail(sayso.Unauthorized, "token.Verify", why) }
	if raw == "" || len(raw) > maxTokenBytes {
		return refuse("missing or oversized token")
	}
	c, err := v.signed(raw, now)
	if err != nil {
		return refuse("not a token of this node")
	}
	std := v.std(c)
	switch {
	case v.other(c):
		return refuse("an id token tells a client who signed in; send the access token")
	case std.Issuer != v.issuer.URL:
		return refuse("the token is of another issuer")
	case std.Expiry == nil || !now.Before(std.Expiry.Time()):
		return refuse("the token has expired")
	case std.IssuedAt == nil || std.IssuedAt.Time().After(now.Add(leeway)):
		return refuse("the token is from the future")
	case std.Expiry.Time().Sub(std.IssuedAt.Time()) > v.term:
		return refuse("the token lives longer than any that is issued")
	case std.NotBefore != nil && std.NotBefore.Time().After(now.Add(leeway)):
		return refuse("the token is not valid yet")
	case audience != "" && !slices.Contains(std.Audience, audience):
		return refuse("the token is for another audience")
	}
	return c, nil
}

// signed checks the signature, or finds that it was checked before. The key must
// still stand.
func (v *Verifier[C]) signed(raw string, now time.Time) (*C, error) {
	v.mu.Lock()
	found, ok := v.known[raw]
	v.mu.Unlock()
	if ok {
		if v.issuer.key(found.header, now) == nil {
			return nil, errForm
		}
		return found.claims, nil
	}
	parts := strings.Split(raw, ".")
	key := v.issuer.key(parts[0], now)
	if len(parts) != 3 || key == nil || !canonical(parts[1]) || !canonical(parts[2]) {
		return nil, errForm
	}
	t, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	c := new(C)
	var payload json.RawMessage
	if err := t.Claims(&key.private.PublicKey, c, &payload); err != nil {
		return nil, err
	}
	if err := unambiguous(payload); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.known) >= verified {
		clear(v.known)
	}
	v.known[strings.Clone(raw)] = checked[C]{c, key.header}
	return c, nil
}

var errForm = errors.New("not of the form in which this issuer writes tokens")

// canonical says whether a part of a token is the one way to write its bytes.
func canonical(part string) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && base64.RawURLEncoding.EncodeToString(b) == part
}

// unambiguous refuses claims that two readers could read differently: a member
// that is there twice, in whatever case, or a time that is not a plain whole
// number of seconds.
func unambiguous(payload []byte) error {
	const digits = 12 // beyond the year 30,000
	d := json.NewDecoder(bytes.NewReader(payload))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return errForm
	}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name := strings.ToLower(key.(string))
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		isTime := name == "exp" || name == "iat" || name == "nbf"
		if seen[name] || isTime && (len(value) > digits || strings.Trim(string(value), "0123456789") != "") {
			return errForm
		}
		seen[name] = true
	}
	return nil
}

// Bearer reads the token of an Authorization header. A header of another form
// is an error; none at all is not.
func Bearer(header string) (string, error) {
	if header == "" {
		return "", nil
	}
	scheme, raw, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(raw) == "" {
		return "", sayso.Fail(sayso.Unauthorized, "token.Bearer", "the Authorization header is not of the form: Bearer <token>")
	}
	return strings.TrimSpace(raw), nil
}

package token_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	foreign "github.com/golang-jwt/jwt/v5"

	"sayso/internal/mutant"
)

// A library that is not ours verifies our tokens with nothing but what is
// published: the discovery document and the key set.
func TestPublishedKeysVerifyTokens(t *testing.T) {
	w := newWorld(t)
	developer := w.access(app())
	vehicle := w.exchange(developer, `{"asset":"`+did(ownerID)+`","privileges":[1]}`).body["token"].(string)
	for path, raw := range map[string]string{"/auth": developer, "/roles": vehicle} {
		found := w.call("GET", path+"/.well-known/openid-configuration", "", "", "")
		if found.status != 200 || found.body["issuer"] != w.server.URL+path || found.body["jwks_uri"] != w.server.URL+path+"/keys" ||
			found.body["authorization_endpoint"] == nil || found.body["token_endpoint"] == nil {
			t.Fatalf("%s: %s", path, found.raw)
		}
		keys := w.call("GET", strings.TrimPrefix(found.body["jwks_uri"].(string), w.server.URL), "", "", "")
		var age int
		if _, err := fmt.Sscanf(keys.header.Get("Cache-Control"), "max-age=%d, must-revalidate", &age); err != nil || age < 120 {
			t.Errorf("%s: Cache-Control %q", path, keys.header.Get("Cache-Control"))
		}
		verified, err := foreign.Parse(raw, func(u *foreign.Token) (any, error) { return published(keys.raw, u.Header["kid"]) },
			foreign.WithValidMethods([]string{"RS256"}), foreign.WithIssuer(w.server.URL+path), foreign.WithTimeFunc(w.clock.Now), foreign.WithExpirationRequired())
		if err != nil || !verified.Valid {
			t.Errorf("%s: %v", path, err)
		}
		if strings.Contains(keys.raw, `"d":`) || strings.Contains(keys.raw, `"p":`) {
			t.Errorf("%s publishes a secret: %s", path, keys.raw)
		}
	}
}

// published reads the key of an id out of a key set.
func published(set string, kid any) (*rsa.PublicKey, error) {
	var body struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(set), &body); err != nil {
		return nil, err
	}
	for _, k := range body.Keys {
		if k["kid"] != kid || k["use"] != "sig" || k["kty"] != "RSA" || k["alg"] != "RS256" {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(k["n"])
		if err != nil {
			return nil, err
		}
		e, err := base64.RawURLEncoding.DecodeString(k["e"])
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, err
	}
	return nil, fmt.Errorf("no key %v in %s", kid, set)
}

// No mutant passes either verifier, whether or not the token it came from was
// seen before.
func TestMutants(t *testing.T) {
	w := newWorld(t)
	developer := w.access(person("frank"))
	vehicle := w.exchange(developer, `{"asset":"`+did(ownerID)+`","privileges":[1]}`).body["token"].(string)
	check := map[string]func(raw string) error{
		"developer": func(raw string) error { _, err := w.developers.Verify(raw, "dimo-driver", w.clock.Now()); return err },
		"vehicle":   func(raw string) error { _, err := w.vehicles.Verify(raw, "dimo.zone", w.clock.Now()); return err },
	}
	total := 0
	for name, raw := range map[string]string{"developer": developer, "vehicle": vehicle} {
		f := mutant.New(t, raw, filepath.Join(w.keys, name+"-tokens.pem"))
		if err := check[name](f.Claims(nil)); err != nil {
			t.Fatalf("%s: the forge cannot even copy a token: %v", name, err)
		}
		for what, crowd := range f.All(w.clock.Now()) {
			for mutant, raw := range crowd {
				total++
				for verifier := range check {
					if err := check[verifier](raw); err == nil {
						t.Errorf("a %s token passed as a %s token: %s: %s: %.300s", name, verifier, what, mutant, raw)
					}
				}
			}
		}
		for verifier := range check {
			if err := check[verifier](raw); (err == nil) != (verifier == name) {
				t.Errorf("a %s token at the verifier of %s tokens: %v", name, verifier, err)
			}
		}
	}
	if _, err := w.developers.Verify(developer, "", noon.Add(14*24*time.Hour)); err == nil {
		t.Error("an old developer token passes")
	}
	if _, err := w.vehicles.Verify(vehicle, "", noon.Add(10*time.Minute)); err == nil {
		t.Error("an old vehicle token passes")
	}
	if total < 2*64 {
		t.Errorf("only %d mutants", total)
	}
	t.Logf("%d mutants at two verifiers, none passed", total)
}

// Each mutant is refused where it would be used, with an error that says no more
// than that.
func TestMutantsOverHTTP(t *testing.T) {
	w := newWorld(t)
	developer := w.access(person("frank"))
	f := mutant.New(t, developer, filepath.Join(w.keys, "developer-tokens.pem"))
	body := `{"asset":"` + did(ownerID) + `","privileges":[1]}`
	for mutant, raw := range f.Forms() {
		if strings.ContainsAny(raw, "\n\r\x00") || len(raw) > 1<<16 || strings.TrimSpace(raw) == developer {
			continue // such a header cannot be sent, or is the token
		}
		r := w.call("POST", "/v1/tokens/exchange", "application/json", "Bearer "+raw, body)
		if r.status != http.StatusUnauthorized && r.status != http.StatusBadRequest || strings.Contains(r.raw, "token\":") {
			t.Errorf("%s: %d %s", mutant, r.status, r.raw)
		}
	}
}

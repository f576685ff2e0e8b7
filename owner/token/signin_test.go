package token_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/owner/registry"
	"sayso/protocol/chain"
)

// bend changes a signature of somebody.
func bend(name string, change func(sig []byte) []byte) func(string) string {
	return func(text string) string { return "0x" + hex.EncodeToString(change(signature(name, text))) }
}

func setV(v byte) func([]byte) []byte { return func(s []byte) []byte { s[64] = v; return s } }

// other is the second signature that the curve gives for one: n - s.
func other(s []byte) []byte {
	high := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(s[32:64]))
	high.FillBytes(s[32:64])
	s[64] = 27 + 28 - s[64]
	return s
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	const unproven, gone, expired = "Could not verify signature.", "Requested resource does not exist.", "User session has expired."
	with := func(a attempt, change func(*attempt)) attempt { change(&a); return a }
	for _, c := range []struct {
		name    string
		attempt attempt
		status  int
		says    string
	}{
		{"a person", person("frank"), 200, ""},
		{"an app by its signer", app(), 200, ""},
		{"a device", with(person("device"), func(a *attempt) { a.client = "sayso-device" }), 200, ""},
		{"a person through an app", with(app(), func(a *attempt) { a.address, a.sign = account("frank").String(), personal("frank") }), 200, ""},
		{"lower case", with(app(), func(a *attempt) { a.client, a.address = strings.ToLower(a.client), strings.ToLower(a.address) }), 200, ""},
		{"the form instead of the query", with(app(), func(a *attempt) { a.inQuery = false }), 200, ""},
		{"v 0 or 1", with(person("frank"), func(a *attempt) {
			a.sign = bend("frank", func(s []byte) []byte { s[64] -= 27; return s })
		}), 200, ""},
		{"without 0x", with(person("frank"), func(a *attempt) {
			a.sign = func(x string) string { return hex.EncodeToString(signature("frank", x)) }
		}), 200, ""},

		{"the key of somebody else", with(person("frank"), func(a *attempt) { a.sign = personal("eve") }), 400, unproven},
		{"the owner of a licence is no signer", with(app(), func(a *attempt) { a.sign = personal("dora") }), 400, unproven},
		{"a signer whose term is over", with(app(), func(a *attempt) { a.sign = personal("old signer") }), 400, unproven},
		{"a key that never was a signer", with(app(), func(a *attempt) { a.sign = personal("eve") }), 400, unproven},
		{"a high s", with(person("frank"), func(a *attempt) { a.sign = bend("frank", other) }), 400, unproven},
		{"v 2", with(person("frank"), func(a *attempt) { a.sign = bend("frank", setV(2)) }), 400, unproven},
		{"v 26", with(person("frank"), func(a *attempt) { a.sign = bend("frank", setV(26)) }), 400, unproven},
		{"v 29", with(person("frank"), func(a *attempt) { a.sign = bend("frank", setV(29)) }), 400, unproven},
		{"v 255", with(person("frank"), func(a *attempt) { a.sign = bend("frank", setV(255)) }), 400, unproven},
		{"the other v", with(person("frank"), func(a *attempt) {
			a.sign = bend("frank", func(s []byte) []byte { s[64] = 27 + 28 - s[64]; return s })
		}), 400, unproven},
		{"a byte short", with(person("frank"), func(a *attempt) { a.sign = bend("frank", func(s []byte) []byte { return s[:64] }) }), 400, unproven},
		{"a byte long", with(person("frank"), func(a *attempt) { a.sign = bend("frank", func(s []byte) []byte { return append(s, 0) }) }), 400, unproven},
		{"no signature", with(person("frank"), func(a *attempt) { a.sign = nil }), 400, unproven},
		{"0x alone", with(person("frank"), func(a *attempt) { a.sign = func(string) string { return "0x" } }), 400, unproven},
		{"no hexadecimal", with(person("frank"), func(a *attempt) { a.sign = func(string) string { return "0xzz" } }), 400, unproven},
		{"zeros", with(person("frank"), func(a *attempt) { a.sign = bend("frank", func(s []byte) []byte { return make([]byte, 65) }) }), 400, unproven},
		{"a megabyte", with(person("frank"), func(a *attempt) { a.sign = func(string) string { return strings.Repeat("ab", 1<<17) } }), 400, unproven},
		{"the text without the prefix", with(person("frank"), func(a *attempt) {
			a.sign = func(x string) string {
				s, _ := crypto.Sign(crypto.Keccak256([]byte(x)), key("frank"))
				return hex.EncodeToString(s)
			}
		}), 400, unproven},
		{"another text", with(person("frank"), func(a *attempt) {
			a.sign = func(x string) string { return hex.EncodeToString(signature("frank", x+" ")) }
		}), 400, unproven},

		{"a domain that the licence has not", with(app(), func(a *attempt) { a.domain = "https://evil.test" }), 400, "not a redirect URI"},
		{"a domain with a slash more", with(app(), func(a *attempt) { a.domain += "/" }), 400, "not a redirect URI"},
		{"an app's domain for a person", with(person("frank"), func(a *attempt) { a.domain = back }), 400, "domain must be"},
		{"no domain", with(app(), func(a *attempt) { a.domain = "" }), 400, "not a redirect URI"},
		{"an unknown client", with(app(), func(a *attempt) { a.client = account("eve").String() }), 404, "no developer licence"},
		{"a revoked licence", with(app(), func(a *attempt) { a.client, a.address = ended.String(), ended.String() }), 404, "no developer licence"},
		{"a signer of a revoked licence, as a person", with(person("frank"), func(a *attempt) { a.address, a.sign = ended.String(), personal("signer") }), 400, unproven},
		{"a client that is no address", with(app(), func(a *attempt) { a.client = "app" }), 400, "client_id must be"},
		{"no client", with(app(), func(a *attempt) { a.client = "" }), 400, "client_id must be"},
		{"an account that is none", with(person("frank"), func(a *attempt) { a.address = "0x12" }), 400, "Invalid Ethereum address."},
		{"no account", with(person("frank"), func(a *attempt) { a.address = "" }), 400, "Invalid Ethereum address."},
		{"a scope without openid", with(person("frank"), func(a *attempt) { a.scope = "email" }), 400, "openid"},
		{"a scope that only holds the letters", with(person("frank"), func(a *attempt) { a.scope = "notopenid" }), 400, "openid"},
		{"a device that is not registered", with(person("frank"), func(a *attempt) { a.client = "sayso-device" }), 404, "no device"},

		{"another client at the second step", with(person("frank"), func(a *attempt) { a.submit = url.Values{"client_id": {licence.String()}} }), 401, "client"},
		{"another domain at the second step", with(person("frank"), func(a *attempt) { a.submit = url.Values{"domain": {back}} }), 400, "redirect_uri"},
		{"another kind of grant", with(person("frank"), func(a *attempt) { a.submit = url.Values{"grant_type": {"password"}} }), 400, "grant_type"},
		{"an unknown state", with(person("frank"), func(a *attempt) { a.submit = url.Values{"state": {"x"}} }), 400, gone},
		{"no state", with(person("frank"), func(a *attempt) { a.submit = url.Values{"state": nil} }), 400, gone},
		{"too late", with(person("frank"), func(a *attempt) { a.between = func(string) { w.clock.Advance(24 * time.Hour) } }), 400, expired},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.signIn(c.attempt)
			if r.status != c.status || c.status == 200 && r.body["access_token"] == nil {
				t.Fatalf("%d %s", r.status, r.raw)
			}
			if c.status != 200 {
				errorShape(t, r, c.says)
			}
		})
	}
}

// errorShape checks that an error has every form that clients read.
func errorShape(t *testing.T, r reply, says string) {
	t.Helper()
	message, _ := r.body["message"].(string)
	if r.body["code"] != float64(r.status) || r.body["status"] != float64(r.status) || !strings.Contains(message, says) || message == "" ||
		r.body["error_description"] != message || r.body["error"] == "" || r.body["access_token"] != nil || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s, want every form of an error with %q", r.status, r.raw, says)
	}
}

func TestChallengeText(t *testing.T) {
	w := newWorld(t)
	r := w.challenge(app())
	host := strings.TrimPrefix(w.server.URL, "http://")
	want := regexp.MustCompile(`^` + regexp.QuoteMeta(host) + ` wants you to sign in with your Ethereum account:
` + licence.String() + `

app\.test is asking you sign in\.

URI: ` + regexp.QuoteMeta(w.server.URL) + `/auth
Version: 1
Chain ID: 1
Nonce: [0-9a-zA-Z]{30}
Issued At: 2026-03-02T12:00:00Z$`)
	if text := r.body["challenge"].(string); !want.MatchString(text) {
		t.Errorf("%s", text)
	}
	if again := w.challenge(app()); again.body["challenge"] == r.body["challenge"] || again.body["state"] == r.body["state"] {
		t.Error("two challenges are the same")
	}
}

// A state is good for one sign-in, whoever races for it.
func TestAStateIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	first := w.challenge(person("frank"))
	v := url.Values{"client_id": {"dimo-driver"}, "domain": {home}, "grant_type": {"authorization_code"},
		"state": {first.body["state"].(string)}, "signature": {"0x00"}}
	if r := w.call("POST", "/auth/web3/submit_challenge", form, "", v.Encode()); r.status != 400 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	v.Set("signature", personal("frank")(first.body["challenge"].(string))) // a failure does not use it up
	if r := w.call("POST", "/auth/web3/submit_challenge", form, "", v.Encode()); r.status != 200 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	if r := w.call("POST", "/auth/web3/submit_challenge", form, "", v.Encode()); r.status != 400 {
		t.Errorf("a second time: %d %s", r.status, r.raw)
	}
}

// Also where all of them had their signature checked before the first was done.
func TestAStateIsUsedOnceByWhoeverRaces(t *testing.T) {
	w := newWorld(t)
	const racers = 8
	var arrived sync.WaitGroup
	arrived.Add(racers)
	w.contract = func(common.Address, common.Hash, []byte) bool {
		arrived.Done()
		arrived.Wait()
		return true
	}
	a := attempt{client: "dimo-driver", domain: home, address: wallet.String(), scope: "openid email"}
	v := url.Values{"client_id": {a.client}, "domain": {home}, "grant_type": {"authorization_code"}, "state": {w.challenge(a).body["state"].(string)}, "signature": {"0x00"}}
	statuses := make([]int, racers)
	var done sync.WaitGroup
	for i := range racers {
		done.Go(func() {
			res, err := http.Post(w.server.URL+"/auth/web3/submit_challenge", form, strings.NewReader(v.Encode()))
			if err != nil {
				t.Error(err)
				return
			}
			res.Body.Close()
			statuses[i] = res.StatusCode
		})
	}
	done.Wait()
	if slices.Sort(statuses); statuses[0] != 200 || statuses[1] != 400 {
		t.Errorf("one state was answered with %v", statuses)
	}
}

// A signer that was taken off the licence signs in no more, from the next block.
func TestADisabledSigner(t *testing.T) {
	w := newWorld(t)
	w.access(app())
	w.fold(func(tx *registry.Tx) {
		l, _ := tx.Licence(1)
		l.Signers = map[sayso.Address]int64{account("new signer"): noon.Unix()}
		tx.PutLicence(l)
	})
	if r := w.signIn(app()); r.status != 400 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	again := app()
	again.sign = personal("new signer")
	w.access(again)
}

// A contract account is asked about the very digest and signature.
func TestContractAccounts(t *testing.T) {
	w := newWorld(t)
	var asked []string
	w.contract = func(a common.Address, digest common.Hash, sig []byte) bool {
		asked = append(asked, fmt.Sprintf("%x %x %x", a, digest, sig))
		return string(sig) == "approved"
	}
	text := ""
	a := attempt{client: "dimo-driver", domain: home, address: wallet.String(), scope: "openid email"}
	a.sign = func(challenge string) string { text = challenge; return "0x" + hex.EncodeToString([]byte("approved")) }
	w.access(a)
	if want := fmt.Sprintf("%x %x %x", wallet[:], chain.PersonalDigest([]byte(text)), "approved"); len(asked) != 1 || asked[0] != want {
		t.Errorf("asked %q, want %q", asked, want)
	}
	a.sign = func(string) string { return "0x" + hex.EncodeToString([]byte("refused")) }
	if r := w.signIn(a); r.status != 400 {
		t.Errorf("%d %s", r.status, r.raw)
	}
	asked = nil
	bad := app()
	bad.sign = func(string) string { return "0x" + hex.EncodeToString([]byte("approved")) }
	if r := w.signIn(bad); r.status != 400 || asked != nil {
		t.Errorf("a licence is not to be asked about its signers: %d %s %q", r.status, r.raw, asked)
	}
}

func TestDeveloperClaims(t *testing.T) {
	w := newWorld(t)
	r := w.signIn(app())
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Pragma") != "no-cache" || r.body["token_type"] != "bearer" || r.body["expires_in"] != float64(14*86400-1) {
		t.Errorf("%v %s", r.header, r.raw)
	}
	c := part(t, r.body["access_token"].(string), 1)
	sub, err := base64.RawURLEncoding.DecodeString(c["sub"].(string))
	if want := "\n*" + licence.String() + "\x12\x04web3"; err != nil || string(sub) != want {
		t.Errorf("sub %q, want %q", sub, want)
	}
	for name, want := range map[string]any{
		"iss": w.server.URL + "/auth", "exp": float64(noon.Unix() + 14*86400), "iat": float64(noon.Unix()), "provider_id": "web3",
		"email": "", "email_verified": false, "ethereum_address": licence.String(), "at_hash": nil,
	} {
		if c[name] != want {
			t.Errorf("%s: %v, want %v", name, c[name], want)
		}
	}
	if part(t, r.body["id_token"].(string), 1)["at_hash"] == nil {
		t.Error("the id token has no at_hash")
	}
	if r := w.exchange(r.body["id_token"].(string), `{"asset":"x","permissions":["privilege:GetNonLocationHistory"]}`); r.status != 401 {
		t.Errorf("the id token was taken for an access token: %d %s", r.status, r.raw)
	}
	plain := app()
	plain.scope = "openid"
	if c := part(t, w.access(plain), 1); c["ethereum_address"] != nil {
		t.Error("an address without the scope email")
	}
}

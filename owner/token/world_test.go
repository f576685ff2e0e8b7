package token_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

const (
	home    = "http://node.test"
	back    = "https://app.test/back"
	ownerID = 41 // a vehicle of anna's, granted to the app
)

var (
	noon      = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	testChain = registry.ChainInfo{ID: 31337, Vehicle: sayso.Address{1: 0xca, 19: 1}, AftermarketDevice: sayso.Address{1: 0xde, 19: 2}}
	alias     = sayso.Address{1: 0xa1, 19: 3}
	licence   = sayso.Address{1: 0xaa, 19: 4} // the client id of the app
	ended     = sayso.Address{1: 0xab, 19: 5} // of an app whose licence was revoked
	wallet    = sayso.Address{1: 0xac, 19: 6} // a contract account
	shared    = sayso.PermissionSet(1, 4, 8, 101)
)

func key(name string) *ecdsa.PrivateKey {
	sum := sayso.Keccak256([]byte("secret of " + name))
	k, err := crypto.ToECDSA(sum[:])
	if err != nil {
		panic(err)
	}
	return k
}

func account(name string) sayso.Address {
	return sayso.Address(crypto.PubkeyToAddress(key(name).PublicKey))
}

// world is the sign-in and the exchange over HTTP.
type world struct {
	t        testing.TB
	registry *registry.Registry
	clock    *clock.Manual
	server   *httptest.Server
	keys     string // the folder
	contract func(account common.Address, digest common.Hash, sig []byte) bool

	developers *token.Verifier[token.Developer]
	vehicles   *token.Verifier[token.Vehicle]
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, clock: clock.NewManual(noon), keys: t.TempDir()}
	var err error
	w.registry, err = registry.Open(registry.Config{Path: filepath.Join(t.TempDir(), "registry.db"), Chain: testChain})
	w.must(err)
	t.Cleanup(func() { w.registry.Close() })
	mux := http.NewServeMux()
	w.server = httptest.NewServer(mux)
	t.Cleanup(w.server.Close)
	developers, err := token.OpenIssuer(w.keys, "developer-tokens", w.server.URL+"/auth")
	w.must(err)
	vehicles, err := token.OpenIssuer(w.keys, "vehicle-tokens", w.server.URL+"/roles")
	w.must(err)
	w.developers, w.vehicles = token.NewDeveloperVerifier(developers), token.NewVehicleVerifier(vehicles)
	signIn := &token.SignIn{Issuer: developers, State: w.registry, Clock: w.clock, Home: home,
		Contract: func(_ context.Context, a common.Address, digest common.Hash, sig []byte) bool {
			return w.contract != nil && w.contract(a, digest, sig)
		}}
	exchange := &token.Exchange{Issuer: vehicles, Callers: w.developers, State: w.registry, Clock: w.clock,
		Chain: testChain.ID, Vehicle: testChain.Vehicle, Aliases: []sayso.Address{alias}}
	token.Routes(mux, signIn, exchange, [2]string{"/auth", "/roles"})
	w.fold(w.settle)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) fold(change func(*registry.Tx)) {
	w.t.Helper()
	head, _ := w.registry.Head()
	b := registry.Block{Number: head.Number + 1, Parent: head.Hash, Time: noon.Unix() - 3600}
	b.Hash = sayso.Keccak256([]byte(fmt.Sprint(b.Number)))
	w.must(w.registry.Fold(b, func(tx *registry.Tx) error { change(tx); return nil }))
	w.registry.Looked(w.clock.Now())
}

func (w *world) settle(tx *registry.Tx) {
	tx.PutVehicle(registry.Vehicle{ID: ownerID, Owners: []registry.Ownership{{Owner: account("anna"), From: noon.Unix() - 1e6, Block: 1}}})
	tx.PutLicence(registry.Licence{
		ID: 1, Owner: account("dora"), ClientID: licence, Alias: "app",
		Signers:      map[sayso.Address]int64{account("signer"): noon.Unix() - 1000, account("old signer"): noon.Add(-registry.SignerTerm).Unix()},
		RedirectURIs: map[string]int64{back: noon.Unix() - 1000},
	})
	tx.PutLicence(registry.Licence{ID: 2, ClientID: ended, Revoked: true, RedirectURIs: map[string]int64{back: 1}, Signers: map[sayso.Address]int64{account("signer"): noon.Unix()}})
	tx.PutDevice(registry.Device{ID: 5, Address: account("device"), Pairings: []registry.Pairing{{Vehicle: ownerID, From: noon.Unix() - 1000}}})
	for _, to := range []sayso.Address{licence, ended, account("frank")} {
		tx.PutGrant(registry.Grant{Vehicle: ownerID, Grantee: to, Block: tx.Block.Number, Right: registry.Right{Permissions: fmt.Sprintf("0x%x", shared.Bits()), Expires: registry.Forever}})
		tx.PutShare(registry.Grant{Asset: account("sharer"), Grantee: to, Block: tx.Block.Number, Right: registry.Right{Permissions: "0xc", Expires: registry.Forever}})
		tx.PutShare(registry.Grant{Asset: account("expired"), Grantee: to, Block: tx.Block.Number, Right: registry.Right{Permissions: "0xc", Expires: noon.Unix()}})
	}
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (w *world) call(method, path, contentType, bearer, body string) reply {
	w.t.Helper()
	r, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(body))
	w.must(err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if bearer != "" {
		r.Header.Set("Authorization", bearer)
	}
	res, err := w.server.Client().Do(r)
	w.must(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	w.must(err)
	out := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	json.Unmarshal(raw, &out.body)
	return out
}

const form = "application/x-www-form-urlencoded"

// attempt is a sign-in: the form fields of both steps, and how the challenge is
// signed.
type attempt struct {
	client, domain, address, scope string
	sign                           func(challenge string) string
	submit                         url.Values // replaces fields of the second step
	between                        func(state string)
	inQuery                        bool // the first step's fields in the query, as the npm SDK sends them
}

func (w *world) challenge(a attempt) reply {
	v := url.Values{"client_id": {a.client}, "domain": {a.domain}, "scope": {a.scope}, "response_type": {"code"}, "address": {a.address}}
	if a.inQuery {
		return w.call("POST", "/auth/web3/generate_challenge?"+v.Encode(), "", "", "")
	}
	return w.call("POST", "/auth/web3/generate_challenge", form, "", v.Encode())
}

// signIn goes through both steps and answers the last reply there was.
func (w *world) signIn(a attempt) reply {
	w.t.Helper()
	first := w.challenge(a)
	if first.status != http.StatusOK {
		return first
	}
	state := first.body["state"].(string)
	v := url.Values{"client_id": {a.client}, "domain": {a.domain}, "grant_type": {"authorization_code"}, "state": {state}}
	if a.sign != nil {
		v.Set("signature", a.sign(first.body["challenge"].(string)))
	}
	for k, x := range a.submit {
		v[k] = x
	}
	if a.between != nil {
		a.between(state)
	}
	return w.call("POST", "/auth/web3/submit_challenge", form, "", v.Encode())
}

// personal signs as wallets do.
func personal(name string) func(string) string {
	return func(text string) string { return "0x" + hex.EncodeToString(signature(name, text)) }
}

func signature(name, text string) []byte {
	sig, err := crypto.Sign(chain.PersonalDigest([]byte(text)).Bytes(), key(name))
	if err != nil {
		panic(err)
	}
	sig[64] += 27
	return sig
}

func person(name string) attempt {
	return attempt{client: "dimo-driver", domain: home, address: account(name).String(), scope: "openid email", sign: personal(name)}
}

func app() attempt {
	return attempt{client: licence.String(), domain: back, address: licence.String(), scope: "openid email", sign: personal("signer"), inQuery: true}
}

// access signs in and answers the token.
func (w *world) access(a attempt) string {
	w.t.Helper()
	r := w.signIn(a)
	t, ok := r.body["access_token"].(string)
	if !ok {
		w.t.Fatalf("sign-in: %d %s", r.status, r.raw)
	}
	return t
}

func (w *world) exchange(developer string, body string) reply {
	return w.call("POST", "/v1/tokens/exchange", "application/json", "Bearer "+developer, body)
}

// part decodes a part of a token.
func part(t testing.TB, raw string, n int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

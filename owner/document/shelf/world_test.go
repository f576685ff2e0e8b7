package shelf_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/owner/attest"
	"sayso/owner/document"
	"sayso/owner/document/shelf"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

const (
	home = "http://node.test"
	car  = 7 // anna's
	van  = 8 // bert's
)

var (
	noon  = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	where = registry.ChainInfo{ID: 31337, Vehicle: sayso.Address{1: 0xca, 19: 1}, Templates: sayso.Address{1: 0xcb, 19: 1}}
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

// sign is personal_sign.
func sign(name string, message []byte) []byte {
	sig, err := crypto.Sign(chain.PersonalDigest(message).Bytes(), key(name))
	if err != nil {
		panic(err)
	}
	sig[64] += 27
	return sig
}

// options say how a world differs from the plain one.
type options struct {
	gateway  string
	contract attest.Contract
	dir      string // of an earlier world
	root     byte
	former   byte // 0: none
}

// world is a node's registry, shelf and tokens, over HTTP.
type world struct {
	t        testing.TB
	dir      string
	registry *registry.Registry
	clock    *clock.Manual
	shelf    *shelf.Shelf
	server   *httptest.Server
	logins   map[string]string
	vehicles *token.Verifier[token.Vehicle]
	log      strings.Builder
}

func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{t: t, dir: o.dir, clock: clock.NewManual(noon), logins: map[string]string{}}
	fresh := w.dir == ""
	if fresh {
		w.dir = t.TempDir()
	}
	var err error
	w.registry, err = registry.Open(registry.Config{Path: filepath.Join(w.dir, "registry.db"), Chain: where})
	w.must(err)
	t.Cleanup(func() { w.registry.Close() })
	root, err := rootkey.New([32]byte{o.root})
	w.must(err)
	var former shelf.RootKey
	if o.former != 0 {
		former, err = rootkey.New([32]byte{o.former})
		w.must(err)
	}
	w.shelf, err = shelf.Open(shelf.Config{
		Path: filepath.Join(w.dir, "documents.db"), RootKey: root, Former: former, Registry: w.registry, Clock: w.clock,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Gateway: o.gateway, Contract: o.contract,
	})
	w.must(err)
	t.Cleanup(func() { w.shelf.Close() })
	w.listen(o.contract)
	if fresh {
		w.settle()
	}
	w.registry.Looked(w.clock.Now())
	return w
}

// listen serves sign-in, exchange and documents as a node does.
func (w *world) listen(contract attest.Contract) {
	mux := http.NewServeMux()
	w.server = httptest.NewServer(mux)
	w.t.Cleanup(w.server.Close)
	keys := tokenKeys
	developers, err := token.OpenIssuer(keys, token.DeveloperKeys, w.server.URL+"/auth")
	w.must(err)
	vehicles, err := token.OpenIssuer(keys, token.VehicleKeys, w.server.URL+"/roles")
	w.must(err)
	callers := token.NewDeveloperVerifier(developers)
	w.vehicles = token.NewVehicleVerifier(vehicles)
	state := shelf.State{Registry: w.registry, Shelf: w.shelf}
	signIn := &token.SignIn{Issuer: developers, State: state, Clock: w.clock, Home: home}
	if contract != nil {
		signIn.Contract = func(ctx context.Context, a common.Address, digest common.Hash, sig []byte) bool {
			ok, err := contract(ctx, a, digest, sig)
			return ok && err == nil
		}
	}
	exchange := &token.Exchange{Issuer: vehicles, Callers: callers, State: state, Clock: w.clock, Chain: where.ID, Vehicle: where.Vehicle, Fetch: w.shelf.Fetch}
	token.Routes(mux, signIn, exchange, [2]string{"/auth", "/roles"})
	shelf.Routes(mux, w.shelf, func(r *http.Request) (sayso.Address, error) {
		raw, err := token.Bearer(r.Header.Get("Authorization"))
		if err != nil || raw == "" {
			return sayso.Address{}, err
		}
		c, err := callers.Verify(raw, "", w.clock.Now())
		if err != nil {
			return sayso.Address{}, err
		}
		return *c.Address, nil
	})
}

var tokenKeys string // made once: RSA keys take their time

func TestMain(m *testing.M) {
	var err error
	if tokenKeys, err = os.MkdirTemp("", "sayso-shelf-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(tokenKeys)
	os.Exit(code)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) settle() {
	w.fold(func(tx *registry.Tx) {
		tx.PutVehicle(registry.Vehicle{ID: car, Owners: []registry.Ownership{{Owner: account("anna"), Block: 1}}})
		tx.PutVehicle(registry.Vehicle{ID: van, Owners: []registry.Ownership{{Owner: account("bert"), Block: 1}}})
		tx.PutLicence(registry.Licence{ID: 1, Owner: account("dora"), ClientID: account("app")})
	})
}

func (w *world) fold(change func(*registry.Tx)) {
	w.t.Helper()
	head, _ := w.registry.Head()
	b := registry.Block{Number: head.Number + 1, Parent: head.Hash, Time: noon.Unix() - 3600}
	b.Hash = sayso.Keccak256([]byte(fmt.Sprint(b.Number)))
	w.must(w.registry.Fold(b, func(tx *registry.Tx) error { change(tx); return nil }))
	w.registry.Looked(w.clock.Now())
}

// grant writes the record on chain: one harmless permission, and a source.
func (w *world) grant(vehicle uint64, to, source string) {
	w.t.Helper()
	w.fold(func(tx *registry.Tx) {
		tx.PutGrant(registry.Grant{
			Vehicle: vehicle, Grantee: account(to), Right: registry.Right{Permissions: "0xc", Expires: registry.Forever}, Source: source, Block: tx.Block.Number,
		})
	})
}

func did(vehicle uint64) sayso.DID { return sayso.NFT(where.ID, where.Vehicle, vehicle) }

// draft is a grant of anna's car to the app.
func draft() document.Draft {
	return document.Draft{
		Grantor: account("anna"), Grantee: account("app"), Asset: did(car), Permissions: sayso.PermissionSet(sayso.RawData),
		Events: []document.Filter{{EventType: "dimo.attestation", Source: account("garage").String(), Tags: []string{"vehicle.odometer"}}},
	}
}

// written is a draft, signed by somebody.
func written(d document.Draft, by string) []byte {
	data, err := d.Data()
	if err != nil {
		panic(err)
	}
	return envelope(document.TypeGrant, data, sign(by, data))
}

func envelope(kind string, data, signature []byte) []byte {
	body, err := document.Envelope(kind, data, signature, noon)
	if err != nil {
		panic(err)
	}
	return body
}

// answer is a reply.
type answer struct {
	status int
	raw    string
	body   map[string]any
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

func (w *world) call(method, path, bearer, contentType string, body []byte) answer {
	w.t.Helper()
	r, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(string(body)))
	w.must(err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := w.server.Client().Do(r)
	w.must(err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	w.must(err)
	out := answer{status: res.StatusCode, raw: string(raw)}
	json.Unmarshal(raw, &out.body)
	return out
}

func (w *world) post(body []byte) answer { return w.call("POST", "/v1/documents", "", "", body) }

// kept posts a document and answers its source.
func (w *world) kept(body []byte) string {
	w.t.Helper()
	r := w.post(body)
	if r.status != http.StatusCreated && r.status != http.StatusOK {
		w.t.Fatalf("posting: %d %s", r.status, r.raw)
	}
	return r.text("source")
}

// login signs somebody in, as an account whose key is theirs.
func (w *world) login(name string) string {
	w.t.Helper()
	if w.logins[name] == "" {
		r := w.signIn(account(name), func(text []byte) []byte { return sign(name, text) })
		if w.logins[name] = r.text("access_token"); w.logins[name] == "" {
			w.t.Fatalf("sign-in of %s: %s", name, r.raw)
		}
	}
	return w.logins[name]
}

func (w *world) signIn(who sayso.Address, sign func([]byte) []byte) answer {
	w.t.Helper()
	form := "application/x-www-form-urlencoded"
	v := url.Values{"client_id": {token.DriverClient}, "domain": {home}, "scope": {"openid email"}, "response_type": {"code"}, "address": {who.String()}}
	asked := w.call("POST", "/auth/web3/generate_challenge", "", form, []byte(v.Encode()))
	sig := sign([]byte(asked.text("challenge")))
	v = url.Values{"client_id": {token.DriverClient}, "domain": {home}, "grant_type": {"authorization_code"}, "state": {asked.text("state")}, "signature": {"0x" + hex.EncodeToString(sig)}}
	return w.call("POST", "/auth/web3/submit_challenge", "", form, []byte(v.Encode()))
}

// exchange asks for a permission and attestations of a vehicle.
func (w *world) exchange(login string, vehicle uint64, permissions, events string) answer {
	w.t.Helper()
	return w.call("POST", "/v1/tokens/exchange", login, "application/json", fmt.Appendf(nil, `{"asset":%q,"permissions":[%s],"cloudEvents":%s}`, did(vehicle), permissions, events))
}

const (
	rawData  = `"privilege:GetRawData"`
	odometer = `{"events":[{"eventType":"dimo.attestation","source":"%s","tags":["vehicle.odometer"]}]}`
)

func attestations() string { return fmt.Sprintf(odometer, account("garage")) }

package front_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/grpc"

	"sayso"
	"sayso/car/door"
	"sayso/internal/clock"
	"sayso/internal/express"
	"sayso/internal/rootkey"
	"sayso/node/erasure"
	"sayso/node/front"
	"sayso/node/vault"
	"sayso/node/watch"
	"sayso/owner/document"
	"sayso/owner/document/shelf"
	"sayso/owner/registry"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

const (
	home          = "http://node.test"
	car           = 7001 // whose data are asked about
	twin          = 7002 // the same on the chain, but it never spoke
	elsewhere     = 7003 // somebody else's, granted to the apps
	confirmations = 2
)

var (
	noon      = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	bought    = [4]time.Time{1: noon.Add(-6 * time.Hour), 2: noon.Add(-3 * time.Hour), 3: noon.Add(-time.Hour)} // by ownership
	testChain = registry.ChainInfo{ID: 31337, Vehicle: sayso.Address{1: 0xca, 19: 1}, AftermarketDevice: sayso.Address{1: 0xde, 19: 2}, SyntheticDevice: sayso.Address{1: 0x5d, 19: 6}}
	alias     = sayso.Address{1: 0xa1, 19: 3}
	licenceOf = map[string]sayso.Address{"app": {1: 0xaa, 19: 4}, "other-app": {1: 0xab, 19: 5}}
)

// key is the secret key of somebody, made from the name.
func key(name string) *ecdsa.PrivateKey {
	sum := sayso.Keccak256([]byte("secret of " + name))
	k, err := crypto.ToECDSA(sum[:])
	if err != nil {
		panic(err)
	}
	return k
}

// account is how the chain knows somebody: an app by its licence.
func account(name string) sayso.Address {
	if a, ok := licenceOf[name]; ok {
		return a
	}
	return sayso.Address(crypto.PubkeyToAddress(key(name).PublicKey))
}

// world is a node without a chain: its facts are folded by the test.
type world struct {
	t         *testing.T
	registry  *registry.Registry
	vault     *vault.Vault
	documents *shelf.Shelf
	erasures  *erasure.Ledger
	wall      *clock.Manual
	clock     *registry.Clock
	front     *front.Front
	webhooks  *watch.Engine
	reach     *watch.Reach
	server    *httptest.Server
	conn      *grpc.ClientConn  // of gRPC
	base      uint64            // the block to which every scenario goes back
	keys      string            // folder of the keys
	logins    map[string]string // developer tokens by name and client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, wall: clock.NewManual(noon), logins: map[string]string{}}
	var err error
	w.registry, err = registry.Open(registry.Config{Path: filepath.Join(t.TempDir(), "registry.db"), Chain: testChain, Confirmations: confirmations})
	w.must(err)
	t.Cleanup(func() { w.registry.Close() })
	w.clock, err = w.registry.Clock(w.wall)
	w.must(err)
	root, err := rootkey.New([32]byte{7})
	w.must(err)
	w.vault, err = vault.Open(vault.Config{
		FS: vfs.NewMem(), Dir: "vault", RootKey: root, Clock: w.clock,
		SegmentBytes: 4 << 20, MemTableBytes: 1 << 20, CacheBytes: 4 << 20, MinFreeBytes: 1, CommitTimeout: time.Minute,
	})
	w.must(err)
	t.Cleanup(func() { w.vault.Close() })
	w.documents, err = shelf.Open(shelf.Config{
		Path: filepath.Join(t.TempDir(), "documents.db"), RootKey: root, Registry: w.registry, Clock: w.clock, Log: slog.New(slog.DiscardHandler),
	})
	w.must(err)
	t.Cleanup(func() { w.documents.Close() })
	keys := t.TempDir()
	w.keys = keys
	certifier, err := token.OpenCertifier(keys, home+"/certificates", w.clock)
	w.must(err)
	w.erasures, err = erasure.Open(t.Context(), erasure.Config{
		Path: filepath.Join(t.TempDir(), "erasures.db"), Vault: w.vault, State: w.registry, Chain: testChain,
		Signer: certifier, Issuer: certifier.URL, Clock: w.clock, Log: slog.New(slog.DiscardHandler),
	})
	w.must(err)
	t.Cleanup(func() { w.erasures.Close() })
	w.front, err = front.New(front.Config{
		Erasures: w.erasures, Certifier: certifier, Documents: w.documents, Registry: w.registry, Vault: w.vault, Clock: w.clock, Log: slog.New(slog.DiscardHandler),
		Keys: keys, BaseURL: home, MaxBody: 1 << 20, Aliases: []sayso.Address{alias}, Count: func(string) {},
	})
	w.must(err)
	w.openWebhooks(root)
	w.server = httptest.NewUnstartedServer(w.front)
	clearHTTP2(w.server.Config)
	w.server.Listener = express.New(w.server.Listener, door.Path, w.front, slog.New(slog.DiscardHandler))
	w.server.Start()
	t.Cleanup(w.server.Close)
	w.dialGRPC()
	w.settle()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// fold adds a block.
func (w *world) fold(change func(*registry.Tx)) {
	w.t.Helper()
	head, _ := w.registry.Head()
	b := registry.Block{Number: head.Number + 1, Parent: head.Hash, Time: noon.Unix() - 3600}
	b.Hash = sayso.Keccak256([]byte(fmt.Sprint(b.Number)))
	w.must(w.registry.Fold(b, func(tx *registry.Tx) error { change(tx); return nil }))
	w.look()
}

// final adds blocks until all that was folded before is final.
func (w *world) final() {
	for range confirmations {
		w.fold(func(*registry.Tx) {})
	}
}

func (w *world) look() { w.registry.Looked(w.clock.Now()) }

// settle makes what is on the chain at the beginning of every scenario.
func (w *world) settle() {
	w.fold(func(tx *registry.Tx) {
		tx.PutManufacturer(registry.Manufacturer{ID: 1, Name: "Maker", Owner: account("maker"), MintedAt: noon.Unix() - 1e6})
		for _, id := range []uint64{car, twin} {
			tx.PutVehicle(registry.Vehicle{ID: id, Manufacturer: 1, MintedAt: bought[1].Unix(), Owners: []registry.Ownership{
				{Owner: account("prior-owner"), From: bought[1].Unix(), Block: tx.Block.Number},
				{Owner: account("owner"), From: bought[2].Unix(), Block: tx.Block.Number},
			}})
		}
		tx.PutVehicle(registry.Vehicle{ID: elsewhere, Manufacturer: 1, Owners: []registry.Ownership{{Owner: account("stranger"), From: bought[1].Unix(), Block: tx.Block.Number}}})
		for i, app := range []string{"app", "other-app"} {
			tx.PutLicence(registry.Licence{
				ID: uint64(i + 1), Owner: account(app + " owner"), ClientID: licenceOf[app], Alias: app,
				Signers:      map[sayso.Address]int64{account(app + " signer"): noon.Unix() - 1e6},
				RedirectURIs: map[string]int64{"https://" + app + ".test/back": noon.Unix() - 1e6},
			})
			tx.PutGrant(grant(elsewhere, app, everything, registry.Forever, tx.Block.Number))
		}
		tx.PutDevice(registry.Device{
			ID: 5, Manufacturer: 1, Address: account("device"), Owner: account("owner"),
			Pairings: []registry.Pairing{{Vehicle: car, From: bought[1].Unix()}},
		})
	})
	w.final()
	head, _ := w.registry.Head()
	w.base = head.Number
}

func grant(vehicle uint64, to string, set sayso.Permissions, expires int64, block uint64) registry.Grant {
	return registry.Grant{Vehicle: vehicle, Grantee: account(to), Block: block, Right: right(set, expires)}
}

func right(set sayso.Permissions, expires int64) registry.Right {
	return registry.Right{Permissions: fmt.Sprintf("0x%x", set.Bits()), Expires: expires}
}

// call sends a request and answers status and body.
func (w *world) call(method, path, bearer, contentType, body string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(body))
	w.must(err)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := w.server.Client().Do(r)
	w.must(err)
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	w.must(err)
	return res.StatusCode, string(out)
}

// login signs somebody in and answers the developer token.
func (w *world) login(name string) string {
	w.t.Helper()
	client := "dimo-driver"
	if id, ok := licenceOf[name]; ok {
		client = id.String()
	}
	if name == "device" {
		client = "sayso-device"
	}
	return w.loginAs(name, client)
}

// loginAs signs somebody in under a client.
func (w *world) loginAs(name, client string) string {
	w.t.Helper()
	if t, ok := w.logins[name+client]; ok {
		return t
	}
	domain, signer := home, name
	if _, ok := licenceOf[name]; ok {
		domain, signer = "https://"+name+".test/back", name+" signer"
	}
	form := url.Values{"client_id": {client}, "domain": {domain}, "scope": {"openid email"}, "response_type": {"code"}, "address": {account(name).String()}}
	status, body := w.call("POST", "/auth/web3/generate_challenge?"+form.Encode(), "", "", "")
	var challenge struct{ State, Challenge string }
	if json.Unmarshal([]byte(body), &challenge); status != http.StatusOK {
		w.t.Fatalf("%s cannot ask for a challenge: %d %s", name, status, body)
	}
	sig, err := crypto.Sign(chain.PersonalDigest([]byte(challenge.Challenge)).Bytes(), key(signer))
	w.must(err)
	sig[64] += 27
	form = url.Values{"client_id": {client}, "domain": {domain}, "grant_type": {"authorization_code"}, "state": {challenge.State}, "signature": {"0x" + hex.EncodeToString(sig)}}
	status, body = w.call("POST", "/auth/web3/submit_challenge", "", "application/x-www-form-urlencoded", form.Encode())
	var tokens struct {
		Access string `json:"access_token"`
	}
	if json.Unmarshal([]byte(body), &tokens); status != http.StatusOK {
		w.t.Fatalf("%s cannot sign in: %d %s", name, status, body)
	}
	w.logins[name+client] = tokens.Access
	return tokens.Access
}

// paper brings a document of the owner to the node and answers how a grant names
// it.
func (w *world) paper(to string, vehicle uint64, set sayso.Permissions, until time.Time) string {
	w.t.Helper()
	data, err := document.Draft{
		Grantor: account("owner"), Grantee: account(to), Asset: sayso.NFT(testChain.ID, testChain.Vehicle, vehicle),
		Permissions: set, Window: document.Window{Until: until},
	}.Data()
	w.must(err)
	sig, err := crypto.Sign(chain.PersonalDigest(data).Bytes(), key("owner"))
	w.must(err)
	sig[64] += 27
	body, err := document.Envelope(document.TypeGrant, data, sig, noon)
	w.must(err)
	status, answer := w.call("POST", "/v1/documents", "", "application/json", string(body))
	var out struct{ Source string }
	if json.Unmarshal([]byte(answer), &out); status != http.StatusOK && status != http.StatusCreated {
		w.t.Fatalf("the document is not taken: %d %s", status, answer)
	}
	return out.Source
}

// exchange asks for a vehicle token. The answer is the token, or empty, and the
// body.
func (w *world) exchange(name string, vehicle uint64, set sayso.Permissions, audience ...string) (token, body string) {
	w.t.Helper()
	return w.exchangeFor(name, sayso.NFT(testChain.ID, testChain.Vehicle, vehicle), set, audience...)
}

// exchangeFor asks for a token for a vehicle or an account.
func (w *world) exchangeFor(name string, asset sayso.DID, set sayso.Permissions, audience ...string) (token, body string) {
	w.t.Helper()
	request := map[string]any{"asset": asset.String(), "permissions": names(set)}
	if audience != nil {
		request["audience"] = audience
	}
	in, _ := json.Marshal(request)
	status, body := w.call("POST", "/v1/tokens/exchange", w.login(name), "application/json", string(in))
	var out struct{ Token string }
	if json.Unmarshal([]byte(body), &out); (status == http.StatusOK) != (out.Token != "") {
		w.t.Fatalf("exchange: %d %s", status, body)
	}
	return out.Token, body
}

func names(set sayso.Permissions) []string {
	list := []string{}
	for _, p := range set.List() {
		list = append(list, p.String())
	}
	return list
}

// answer is what a query gave.
type answer struct {
	status int
	raw    string
	data   map[string]any
	errors string // as JSON
}

// ask sends a query in a dialect.
func (w *world) ask(dialect, bearer, query string) answer {
	w.t.Helper()
	in, _ := json.Marshal(map[string]string{"query": query})
	if dialect == "grpc" {
		return w.askGRPC(bearer, query)
	}
	path := map[string]string{"telemetry": "/telemetry/query", "subject": "/query", "fetch": "/fetch/query"}[dialect]
	status, raw := w.call("POST", path, bearer, "application/json", string(in))
	var out struct {
		Data    map[string]any
		Errors  json.RawMessage
		Message string
	}
	d := json.NewDecoder(bytes.NewReader([]byte(raw)))
	d.UseNumber()
	w.must(d.Decode(&out))
	return answer{status, raw, out.Data, string(out.Errors) + out.Message}
}

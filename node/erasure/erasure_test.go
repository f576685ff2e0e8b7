package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-jose/go-jose/v4"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/rootkey"
	"sayso/node/vault"
	"sayso/owner/registry"
	"sayso/owner/token"
)

const car = 7

var (
	noon   = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	alice  = sayso.Address{19: 0xa1} // had the car first
	bob    = sayso.Address{19: 0xb0} // has it now
	friend = sayso.Address{19: 0xf0} // bob granted everything to him
)

// chain is a state in which alice sold the car to bob.
type chain struct{ fresh bool }

func (chain) Vehicle(id uint64) (registry.Vehicle, bool) {
	return registry.Vehicle{ID: car, Owners: []registry.Ownership{{Owner: alice, From: 1, Block: 1}, {Owner: bob, From: 100, Block: 2}}}, id == car
}

func (chain) Grant(vehicle uint64, grantee sayso.Address) (registry.Grant, bool) {
	all := registry.Right{Permissions: "0xffffffffffffffffffff", Expires: noon.Add(time.Hour).Unix()}
	return registry.Grant{Vehicle: car, Grantee: friend, Right: all, Before: all}, vehicle == car && grantee == friend
}

func (chain) AccountGrant(_, _ sayso.Address) (g registry.Grant, ok bool) { return g, false }
func (chain) Final(uint64) bool                                           { return true }
func (c chain) Fresh(time.Time) bool                                      { return c.fresh }

// cuts is a signer that fails, as if the process died before the certificate.
type cuts struct{}

func (cuts) Certify(string, any) (string, error) { return "", errors.New("cut") }

type world struct {
	t      *testing.T
	cfg    Config
	vault  *vault.Vault
	keys   *token.Issuer
	ledger *Ledger
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	now := clock.NewManual(noon)
	root, err := rootkey.New([32]byte{9})
	w.must(err)
	w.vault, err = vault.Open(vault.Config{
		FS: vfs.NewMem(), Dir: "vault", RootKey: root, Clock: now, SegmentBytes: 1 << 20, MemTableBytes: 1 << 20,
		CacheBytes: 4 << 20, MinFreeBytes: 1, CommitTimeout: time.Minute,
	})
	w.must(err)
	t.Cleanup(func() { w.vault.Close() })
	w.keys, err = token.OpenCertifier(t.TempDir(), "https://node", now)
	w.must(err)
	w.cfg = Config{
		Path: filepath.Join(t.TempDir(), "erasures.db"), Vault: w.vault, State: chain{fresh: true}, Chain: registry.ChainInfo{ID: 31337, Vehicle: sayso.Address{19: 0xca}},
		Signer: w.keys, Issuer: "https://node", Clock: now, Log: slog.New(slog.DiscardHandler),
	}
	w.open()
	for n := range 5 {
		w.keep(n, 1+uint32(n%2)) // alice's 3, bob's 2
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// open starts the ledger, once more if there is one.
func (w *world) open() {
	w.t.Helper()
	if w.ledger != nil {
		w.must(w.ledger.Close())
	}
	var err error
	w.ledger, err = Open(context.Background(), w.cfg)
	w.must(err)
	w.t.Cleanup(func() { w.ledger.Close() })
}

func (w *world) keep(n int, epoch uint32) {
	w.t.Helper()
	at := sayso.At(noon.Add(time.Duration(n-60) * time.Second))
	_, err := w.vault.Commit(context.Background(), &vault.Deposit{Vehicle: car, Epoch: epoch, Envelope: sayso.CloudEvent{
		Type: sayso.TypeStatus, Source: sayso.Address{19: 1}, Subject: sayso.NFT(31337, sayso.Address{19: 0xca}, car),
		ID: fmt.Sprint(n), Time: at.Time(), Data: []byte(`{}`),
	}, Readings: []sayso.Reading{{Signal: 1, Epoch: epoch, Time: at, Value: sayso.NumberValue(float64(n))}}})
	w.must(err)
}

// left is how many cloud events there are of an ownership.
func (w *world) left(epoch uint32) uint64 {
	w.t.Helper()
	n, err := w.vault.CountEvents(context.Background(), car, epoch)
	w.must(err)
	return n
}

// read checks a certificate with the published keys.
func (w *world) read(text string) (c Certificate) {
	w.t.Helper()
	s, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	w.must(err)
	set := w.keys.KeySet()
	body, err := s.Verify(set)
	w.must(err)
	w.must(json.Unmarshal(body, &c))
	return c
}

func TestAnOwnerErasesWhatIsHisAndNothingElse(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	for name, ask := range map[string]struct {
		who       sayso.Address
		vehicle   uint64
		ownership uint32
		want      sayso.Fault
	}{
		"nobody":                {sayso.Address{}, car, 0, sayso.Unauthorized},
		"who was granted all":   {friend, car, 0, sayso.Denied},
		"a stranger":            {sayso.Address{19: 0xee}, car, 0, sayso.Denied},
		"the former of now":     {alice, car, 2, sayso.Denied},
		"the present of before": {bob, car, 1, sayso.Denied},
		"one that never was":    {bob, car, 9, sayso.Denied},
		"no such car":           {bob, 99, 0, sayso.NotFound},
	} {
		list, err := w.ledger.Erase(ctx, ask.who, ask.vehicle, ask.ownership)
		if sayso.FaultOf(err) != ask.want || len(list) > 0 {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
	if a, b := w.left(1), w.left(2); a != 3 || b != 2 {
		t.Fatalf("after refusals there are %d of the first and %d of the second owner", a, b)
	}
	list, err := w.ledger.Erase(ctx, alice, car, 0)
	w.must(err)
	if a, b := w.left(1), w.left(2); a != 0 || b != 2 {
		t.Errorf("after the first owner's erasure there are %d of hers and %d of the second", a, b)
	}
	c := w.read(list[0])
	if len(list) != 1 || c.Owner != alice.String() || c.Ownership != 1 || c.Events != 3 || !strings.HasSuffix(c.Subject, ":7") || c.ErasedAt != "2026-03-02T12:00:00Z" {
		t.Errorf("%d certificates: %+v", len(list), c)
	}
	for who, want := range map[sayso.Address]int{alice: 1, bob: 0, friend: 0} {
		got, err := w.ledger.Certificates(ctx, who, car)
		if err != nil || len(got) != want {
			t.Errorf("%v sees %d certificates, %v", who, len(got), err)
		}
	}
}

func TestAChainOutOfSightErasesNothing(t *testing.T) {
	w := newWorld(t)
	w.cfg.State = chain{fresh: false}
	w.open()
	if _, err := w.ledger.Erase(context.Background(), bob, car, 0); sayso.FaultOf(err) != sayso.Busy {
		t.Errorf("%v", err)
	}
	if n := w.left(2); n != 2 {
		t.Errorf("%d are left", n)
	}
}

// TestAnErasureThatWasCutOffIsFinished dies between the erasure and the
// certificate: the next start erases once more, what came since included, and the
// certificate tells the whole number.
func TestAnErasureThatWasCutOffIsFinished(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.cfg.Signer = cuts{}
	w.open()
	if list, err := w.ledger.Erase(ctx, bob, car, 0); err == nil || len(list) > 0 {
		t.Fatalf("%v, %v", list, err)
	}
	if list, err := w.ledger.Certificates(ctx, bob, car); err != nil || len(list) != 0 {
		t.Fatalf("a certificate of what was not finished: %v, %v", list, err)
	}
	w.cfg.Signer = w.keys
	w.open()
	list, err := w.ledger.Certificates(ctx, bob, car)
	w.must(err)
	if len(list) != 1 {
		t.Fatalf("%d certificates after the start", len(list))
	}
	if c := w.read(list[0]); c.Events != 2 || c.Ownership != 2 {
		t.Errorf("%+v", c)
	}
	if a, b := w.left(1), w.left(2); a != 3 || b != 0 {
		t.Errorf("%d of the first and %d of the second owner are left", a, b)
	}
	w.open()
	if again, err := w.ledger.Certificates(ctx, bob, car); err != nil || len(again) != 1 || again[0] != list[0] {
		t.Errorf("another start: %v, %v", again, err)
	}
}

func TestRoutes(t *testing.T) {
	w := newWorld(t)
	who := bob
	mux := http.NewServeMux()
	Routes(mux, w.ledger, http.NotFoundHandler(), func(*http.Request) (sayso.Address, error) { return who, nil })
	ask := func(method, path string) (int, string) {
		r := httptest.NewRecorder()
		mux.ServeHTTP(r, httptest.NewRequest(method, path, nil))
		return r.Code, r.Body.String()
	}
	for path, want := range map[string]int{
		"/v1/vehicles/seven/data":          400,
		"/v1/vehicles/7/data?ownership=0":  400,
		"/v1/vehicles/7/data?ownership=-1": 400,
		"/v1/vehicles/7/data?ownership=1":  403,
		"/v1/vehicles/99/data":             404,
	} {
		if code, body := ask("DELETE", path); code != want || !strings.Contains(body, `"message"`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, body := ask("GET", "/v1/vehicles/7/erasures"); code != 200 || body != `{"certificates":[]}`+"\n" {
		t.Errorf("before: %d %s", code, body)
	}
	if code, body := ask("DELETE", "/v1/vehicles/7/data?ownership=2"); code != 200 || w.left(2) != 0 {
		t.Errorf("erasing: %d %s, %d left", code, body, w.left(2))
	}
	who = sayso.Address{}
	if code, _ := ask("GET", "/v1/vehicles/7/erasures"); code != 401 {
		t.Errorf("certificates are shown to nobody: %d", code)
	}
}

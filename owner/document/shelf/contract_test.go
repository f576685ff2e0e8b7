package shelf_test

import (
	"context"
	"encoding/hex"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/document"
	"sayso/owner/registry"
	"sayso/protocol/chain"
	"sayso/protocol/chain/devchain"
)

// The contract accounts of these tests, each one byte code.
var (
	// approves what its owner's key signed: ecrecover over the arguments of
	// isValidSignature(bytes32, bytes), compared with the owner in the code.
	ecdsaAccount = "600435600052" + // the digest
		"60a43560f81c602052" + // v
		"606435604052" + "608435606052" + // r and s
		"602060806080600060015afa50" + // staticcall ecrecover(digest, v, r, s)
		"60805173" + "%owner" + "14" + // equal to the owner
		"631626ba7e60e01b02" + // times the magic value
		"60005260206000f3"
	hostile = map[string]string{
		"reverts":                  "60006000fd",
		"burns all its gas":        "5b600056",
		"answers nothing":          "00",
		"answers the first bytes":  "631626ba7e60e01b60005260046000f3",
		"answers one":              "600160005260206000f3",
		"answers every bit":        "60001960005260206000f3",
		"answers the magic number": "631626ba7e60005260206000f3", // not padded to the right
		"answers a great deal":     "631626ba7e60e01b6000526303ffffff6000f3",
		"is no code at all":        "fe",
	}
	trusting = "631626ba7e60e01b60005260206000f3" // approves everything
)

func code(t *testing.T, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// contracts is the chain of a node in one process, with contract accounts on it,
// by name.
func contracts(t *testing.T, codes map[string]string) (*chain.Client, map[string]sayso.Address) {
	t.Helper()
	payer, err := chain.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	own, err := devchain.Open(devchain.Config{Dir: t.TempDir(), Alloc: []common.Address{payer.Address()}, Clock: clock.System{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	c := chain.New(own.Client(), "own")
	sender := chain.NewSender(c, payer)
	at := map[string]sayso.Address{}
	for name, digits := range codes {
		body := code(t, digits)
		// The creation code copies what follows it into memory and returns it.
		create := append([]byte{0x61, byte(len(body) >> 8), byte(len(body)), 0x80, 0x60, 12, 0x60, 0, 0x39, 0x60, 0, 0xf3}, body...)
		receipt, err := sender.Send(t.Context(), nil, create, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		at[name] = sayso.Address(receipt.ContractAddress)
	}
	return c, at
}

func ask(c *chain.Client) func(context.Context, common.Address, common.Hash, []byte) (bool, error) {
	return func(ctx context.Context, a common.Address, digest common.Hash, sig []byte) (bool, error) {
		return chain.IsValidSignature(ctx, c, a, digest, sig)
	}
}

// annasAccount is a contract account whose key is anna's.
func annasAccount() string {
	return strings.Replace(ecdsaAccount, "%owner", account("anna").Lower()[2:], 1)
}

// An owner that is a contract does everything that an owner with a key does:
// signs in, gets tokens, lets somebody in with a document.
func TestAContractAccountOwnsACar(t *testing.T) {
	c, at := contracts(t, map[string]string{"vault": annasAccount()})
	vault := at["vault"]
	w := newWorld(t, options{contract: ask(c)})
	w.fold(func(tx *registry.Tx) {
		tx.PutVehicle(registry.Vehicle{ID: car, Owners: []registry.Ownership{{Owner: vault, Block: 1}}})
	})
	for name, c := range map[string]struct {
		by   string
		bend func([]byte) []byte
		want int
	}{
		"its key":         {"anna", func(s []byte) []byte { return s }, 200},
		"another key":     {"bert", func(s []byte) []byte { return s }, 400},
		"another message": {"anna", func([]byte) []byte { return sign("anna", []byte("x")) }, 400},
		"no signature":    {"anna", func([]byte) []byte { return nil }, 400},
		"a long one":      {"anna", func(s []byte) []byte { return append(s, make([]byte, 5000)...) }, 400},
	} {
		r := w.signIn(vault, func(text []byte) []byte { return c.bend(sign(c.by, text)) })
		if r.status != c.want {
			t.Errorf("signed by %s: %d %s", name, r.status, r.raw)
		}
	}
	owner := w.signIn(vault, func(text []byte) []byte { return sign("anna", text) }).text("access_token")
	if r := w.exchange(owner, car, rawData, `{"events":[{}]}`); r.status != 200 {
		t.Errorf("the owner's token: %d %s", r.status, r.raw)
	}
	if r := w.exchange(w.login("anna"), car, rawData, "null"); r.status != http.StatusForbidden {
		t.Errorf("the key of the account is not the account: %d %s", r.status, r.raw)
	}
	d := draft()
	d.Grantor = vault
	if r := w.post(written(d, "bert")); r.status != http.StatusBadRequest {
		t.Errorf("a document by another key: %d %s", r.status, r.raw)
	}
	w.grant(car, "app", w.kept(written(d, "anna")))
	if r := w.exchange(w.login("app"), car, rawData, attestations()); r.status != 200 {
		t.Errorf("on the document of a contract account: %d %s", r.status, r.raw)
	}
	if r := w.call("GET", "/ipfs/"+document.Of(written(d, "anna")).String(), owner, "", nil); r.status != 200 {
		t.Errorf("the owner reads its document: %d %s", r.status, r.raw)
	}
}

// A contract speaks for its own account alone, whatever it does.
func TestHostileContractAccounts(t *testing.T) {
	codes := maps.Clone(hostile)
	codes["approves everything"] = trusting
	c, at := contracts(t, codes)
	easy := at["approves everything"]
	delete(at, "approves everything")
	at["is not there"] = sayso.Address{0: 0xff, 19: 99}
	w := newWorld(t, options{contract: ask(c)})
	garbage := func([]byte) []byte { return []byte("let me in") }
	for name, a := range at {
		began := time.Now()
		if r := w.signIn(a, garbage); r.status != http.StatusBadRequest || r.text("message") != "Could not verify signature." {
			t.Errorf("an account that %s: %d %s", name, r.status, r.raw)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("an account that %s holds up the sign-in for %s", name, took)
		}
	}
	r := w.signIn(easy, garbage)
	if r.status != 200 {
		t.Fatalf("the account that approves everything is anybody's: %d %s", r.status, r.raw)
	}
	for _, vehicle := range []uint64{car, van} {
		if x := w.exchange(r.text("access_token"), vehicle, rawData, "null"); x.status != http.StatusForbidden {
			t.Errorf("it gets into vehicle %d: %d %s", vehicle, x.status, x.raw)
		}
	}
	for _, other := range []string{"anna", "app"} {
		if x := w.signIn(account(other), garbage); x.status != http.StatusBadRequest {
			t.Errorf("it signs in as %s: %d", other, x.status)
		}
	}
	d := draft()
	d.Grantor = easy // about anna's car
	if x := w.post(written(d, "bert")); x.status != http.StatusForbidden {
		t.Errorf("it grants anna's car: %d %s", x.status, x.raw)
	}
}

// A chain that does not answer: nobody gets in on a contract's word, and the one
// who asks is told to come again.
func TestASilentChain(t *testing.T) {
	wait := make(chan struct{})
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-wait:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(node.Close)
	t.Cleanup(func() { close(wait) })
	c, err := chain.Dial(t.Context(), node.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	impatient := func(ctx context.Context, a common.Address, digest common.Hash, sig []byte) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		return ask(c)(ctx, a, digest, sig)
	}
	vault := sayso.Address{0: 0xac, 19: 1}
	w := newWorld(t, options{contract: impatient})
	w.fold(func(tx *registry.Tx) {
		tx.PutVehicle(registry.Vehicle{ID: car, Owners: []registry.Ownership{{Owner: vault, Block: 1}}})
	})
	if r := w.signIn(vault, func(text []byte) []byte { return sign("anna", text) }); r.status != http.StatusBadRequest {
		t.Errorf("sign-in: %d %s", r.status, r.raw)
	}
	d := draft()
	d.Grantor = vault
	body := written(d, "anna")
	if r := w.post(body); r.status != http.StatusServiceUnavailable {
		t.Errorf("a document: %d %s", r.status, r.raw)
	}
	if _, ok := w.shelf.Document(document.Of(body).Source()); ok {
		t.Error("kept without an answer")
	}
	if w.login("anna") == "" {
		t.Error("an account with a key is held up")
	}
}

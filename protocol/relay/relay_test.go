package relay_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"sayso/internal/clock"
	"sayso/protocol/abi"
	"sayso/protocol/chain"
	"sayso/protocol/chain/devchain"
	"sayso/protocol/relay"
)

var far = big.NewInt(4102444800) // 2100-01-01

// world is the embedded chain with the protocol on it, and an operator who relays.
type world struct {
	t         *testing.T
	client    *chain.Client
	sender    *chain.Sender
	contracts *abi.Contracts
	at        abi.Addresses
	id        *big.Int
	clock     *clock.Manual
}

func newWorld(t *testing.T) *world {
	t.Helper()
	operator, err := chain.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	own, err := devchain.Open(devchain.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Alloc: []common.Address{operator.Address()}, Heartbeat: time.Hour,
		Backdate: 10 * time.Minute, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	w := &world{t: t, client: chain.New(own.Client(), "the test's chain"), clock: clock.NewManual(time.Unix(1_800_000_000, 0))}
	w.sender = chain.NewSender(w.client, operator)
	if w.contracts, err = abi.Load(); err != nil {
		t.Fatal(err)
	}
	if w.at, err = abi.Deploy(t.Context(), w.sender, operator.Address()); err != nil {
		t.Fatal(err)
	}
	w.id = new(big.Int).SetUint64(own.ChainID())
	return w
}

func (w *world) relay(perAccount, total uint64) *relay.Relay {
	w.t.Helper()
	r, err := relay.New(relay.Config{Sender: w.sender, Accounts: w.at.Accounts, PerAccount: perAccount, Total: total, Clock: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// post sends a request as a page does and decodes the answer.
func post(t *testing.T, r http.Handler, body any) (int, relay.Done, string) {
	t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/relay", bytes.NewReader([]byte(text))))
	var done relay.Done
	var failed struct{ Error string }
	for _, out := range []any{&done, &failed} {
		if err := json.Unmarshal(rec.Body.Bytes(), out); err != nil {
			t.Fatalf("answer %q: %v", rec.Body, err)
		}
	}
	return rec.Code, done, failed.Error
}

// passkey answers challenges as an authenticator does.
type passkey struct {
	key     *ecdsa.PrivateKey
	signers relay.Signers
}

func newPasskey(t *testing.T) passkey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return passkey{key, relay.Signers{QX: common.Hash(point[1:33]), QY: common.Hash(point[33:])}}
}

func (p passkey) sign(t *testing.T, challenge common.Hash) []byte {
	t.Helper()
	rp := sha256.Sum256([]byte("localhost"))
	data := append(rp[:], 0x05, 0, 0, 0, 1)
	client := fmt.Sprintf(`{"type":"webauthn.get","challenge":"%s","origin":"http://localhost:8480","crossOrigin":false}`,
		base64.RawURLEncoding.EncodeToString(challenge[:]))
	hash := sha256.Sum256([]byte(client))
	message := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	der, err := ecdsa.SignASN1(rand.Reader, p.key, message[:])
	if err != nil {
		t.Fatal(err)
	}
	sig, err := abi.EncodeAssertion(data, []byte(client), der)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// template is a call that anyone may make: it creates a template, owned by whoever calls.
func (w *world) template(name string) abi.Call {
	data, err := w.contracts.Templates.Pack("createTemplate", w.at.Vehicle, big.NewInt(12), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return abi.Call{Target: w.at.Templates, Value: new(big.Int), Data: data}
}

func (w *world) signed(p passkey, account common.Address, nonce int64, calls ...abi.Call) *relay.Execute {
	l := abi.Lapse{Nonce: big.NewInt(nonce), Deadline: far}
	e := &relay.Execute{
		Account: account, Nonce: (*hexutil.Big)(l.Nonce), Deadline: (*hexutil.Big)(far),
		Signature: p.sign(w.t, abi.ExecuteDigest(w.id, account, calls, l)),
	}
	for _, c := range calls {
		e.Calls = append(e.Calls, relay.Call{Target: c.Target, Value: (*hexutil.Big)(c.Value), Data: c.Data})
	}
	return e
}

type body struct {
	Create  *relay.Signers `json:"create,omitempty"`
	Execute *relay.Execute `json:"execute,omitempty"`
}

func TestRelay(t *testing.T) {
	w := newWorld(t)
	r := w.relay(0, 0)
	p, other := newPasskey(t), newPasskey(t)

	status, made, problem := post(t, r, body{Create: &p.signers})
	if status != http.StatusOK || made.Tx == (common.Hash{}) {
		t.Fatalf("create: %d %+v %s", status, made, problem)
	}
	if _, again, _ := post(t, r, body{Create: &p.signers}); again.Account != made.Account || again.Gas != 0 {
		t.Errorf("made again: %+v, want %s for nothing", again, made.Account)
	}
	account := made.Account

	first := w.signed(p, account, 0, w.template("ipfs://one"))
	status, done, problem := post(t, r, body{Execute: first})
	if status != http.StatusOK || done.Gas == 0 {
		t.Fatalf("execute: %d %+v %s", status, done, problem)
	}
	receipt, err := w.client.Receipt(t.Context(), done.Tx)
	if err != nil || receipt.BlockNumber.Uint64() != done.Block {
		t.Errorf("receipt %+v, %v; want block %d", receipt, err, done.Block)
	}
	if one, all := r.Used(account); one != made.Gas+done.Gas || all != one {
		t.Errorf("used %d of the account, %d of all; want %d", one, all, made.Gas+done.Gas)
	}

	strange := w.signed(p, account, 1, w.template("ipfs://two"))
	strange.Account = w.at.Registry
	changed := w.signed(p, account, 1, w.template("ipfs://two"))
	changed.Calls[0].Data[40] ^= 1
	for name, c := range map[string]struct {
		body   any
		status int
		text   string
	}{
		"replayed":               {body{Execute: first}, 400, "InvalidAccountNonce"},
		"another's passkey":      {body{Execute: w.signed(other, account, 1, w.template("ipfs://two"))}, 400, "InvalidSignature"},
		"changed after signing":  {body{Execute: changed}, 400, "InvalidSignature"},
		"refused by the target":  {body{Execute: w.signed(p, account, 1, w.template("ipfs://one"))}, 400, "ERC721InvalidSender"},
		"not an account of ours": {body{Execute: strange}, 404, "is not an account"},
		"a key that is none":     {body{Create: &relay.Signers{QX: common.Hash{1}}}, 400, "InvalidPublicKey"},
		"neither":                {"{}", 400, "either"},
		"both":                   {body{Create: &p.signers, Execute: first}, 400, "either"},
		"no calls":               {body{Execute: w.signed(p, account, 1)}, 400, "needs"},
		"unknown field":          {`{"created":{}}`, 400, "unknown field"},
		"too large":              {`{"create":"` + strings.Repeat("x", 70_000) + `"}`, 413, "64 KiB"},
	} {
		status, _, problem := post(t, r, c.body)
		if status != c.status || !strings.Contains(problem, c.text) {
			t.Errorf("%s: %d %q, want %d with %q", name, status, problem, c.status, c.text)
		}
	}
	if _, all := r.Used(account); all != made.Gas+done.Gas {
		t.Errorf("refused calls used quota: %d", all)
	}
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/relay", nil))
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", rec.Code)
	}
}

func TestQuota(t *testing.T) {
	w := newWorld(t)
	p, other := newPasskey(t), newPasskey(t)
	r := w.relay(450_000, 700_000)
	ctx := context.Background()
	made, err := r.Create(ctx, p.signers)
	if err != nil {
		t.Fatal(err)
	}
	for i := int64(0); ; i++ {
		if i > 4 {
			t.Fatal("the account's quota does not end")
		}
		_, err = r.Execute(ctx, *w.signed(p, made.Account, i, w.template(fmt.Sprint("ipfs://", i))))
		if err != nil {
			break
		}
	}
	if !strings.Contains(err.Error(), "the account's quota") {
		t.Fatal(err)
	}
	one, _ := r.Used(made.Account)
	if one == 0 || one > 450_000 {
		t.Errorf("used %d", one)
	}
	// Another account has its own quota, within the operator's.
	if _, err := r.Create(ctx, other.signers); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err = r.Create(ctx, newPasskey(t).signers); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "the operator's quota") {
		t.Errorf("%v, want the end of the operator's quota", err)
	}
	more := newPasskey(t)
	status, _, problem := post(t, r, body{Create: &more.signers})
	if status != http.StatusServiceUnavailable || !strings.Contains(problem, "tomorrow") {
		t.Errorf("%d %q", status, problem)
	}
	w.clock.Advance(24 * time.Hour)
	if _, err := r.Create(ctx, newPasskey(t).signers); err != nil {
		t.Errorf("the next day: %v", err)
	}
	if one, _ := r.Used(made.Account); one != 0 {
		t.Errorf("the next day begins with %d", one)
	}
}

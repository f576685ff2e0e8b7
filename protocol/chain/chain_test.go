package chain

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"sayso"
)

// The example of the EIP-712 text: Cow writes to Bob.
func TestTypedDigestIsTheOneOfEIP712(t *testing.T) {
	domain, domainType := Domain("Ether Mail", "1", big.NewInt(1), common.HexToAddress("0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"))
	person := func(name, wallet string) map[string]any { return map[string]any{"name": name, "wallet": wallet} }
	data := apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": domainType,
			"Person":       {{Name: "name", Type: "string"}, {Name: "wallet", Type: "address"}},
			"Mail":         {{Name: "from", Type: "Person"}, {Name: "to", Type: "Person"}, {Name: "contents", Type: "string"}},
		},
		PrimaryType: "Mail",
		Domain:      domain,
		Message: map[string]any{
			"from":     person("Cow", "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"),
			"to":       person("Bob", "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"),
			"contents": "Hello, Bob!",
		},
	}
	digest, err := TypedDigest(data)
	if err != nil || digest != common.HexToHash("0xbe609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2") {
		t.Fatalf("digest %s, %v", digest, err)
	}
	cow, err := ParseKey(hex.EncodeToString(crypto.Keccak256([]byte("cow"))))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := cow.Sign(digest)
	want := "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d" +
		"07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562" + "1c"
	if err != nil || hex.EncodeToString(sig) != want {
		t.Errorf("signature %x, %v", sig, err)
	}
	if who, err := Recover(digest, sig); err != nil || who != cow.Address() {
		t.Errorf("recovered %s, %v", who, err)
	}
	data.Message = map[string]any{"from": "not a person"}
	if d, err := TypedDigest(data); err == nil {
		t.Errorf("malformed data has digest %s", d)
	}
}

// The example of the web3.js documentation of accounts.sign.
func TestPersonalSign(t *testing.T) {
	k, err := ParseKey("0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318")
	if err != nil {
		t.Fatal(err)
	}
	if d := PersonalDigest([]byte("Some data")); d != common.HexToHash("0x1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655") {
		t.Errorf("digest %s", d)
	}
	sig, err := k.PersonalSign([]byte("Some data"))
	want := "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd" +
		"6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a029" + "1c"
	if err != nil || hex.EncodeToString(sig) != want {
		t.Errorf("signature %x, %v", sig, err)
	}
}

func TestRecoverRefusesWhatIsNoSignature(t *testing.T) {
	k, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	digest := crypto.Keccak256Hash([]byte("x"))
	sig, err := k.Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	zeroV := append(sig[:64:64], sig[64]-27)
	if who, err := Recover(digest, zeroV); err != nil || who != k.Address() {
		t.Errorf("v 0 or 1: %s, %v", who, err)
	}
	// The other form of the same signature: s' = n - s and the other v.
	high := append([]byte(nil), sig...)
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(sig[32:64]))
	s.FillBytes(high[32:64])
	high[64] = 27 + 28 - sig[64]
	for name, bad := range map[string][]byte{
		"nothing": nil, "short": sig[:64], "long": append(sig[:65:65], 0), "v 29": append(sig[:64:64], 29),
		"v 26": append(sig[:64:64], 26), "zero": make([]byte, 65), "high s": high,
	} {
		if who, err := Recover(digest, bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %s, %v", name, who, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "key")
	if _, err := LoadKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing key: %v", err)
	}
	const n = 8
	addresses := make([]common.Address, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			k, err := LoadOrCreateKey(path)
			if err != nil {
				t.Error(err)
				return
			}
			addresses[i] = k.Address()
		})
	}
	wg.Wait()
	k, err := LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if a != k.Address() {
			t.Errorf("created at once: %s and %s", a, k.Address())
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	secret, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(string(secret))
	for _, shown := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k), k.LogValue().String()} {
		if strings.Contains(shown, text[:16]) || !strings.Contains(shown, k.Address().Hex()) {
			t.Errorf("a key shows as %s", shown)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that all may read: %v", err)
	}
	if err := os.WriteFile(path, []byte("12"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o600)
	if _, err := LoadOrCreateKey(path); err == nil {
		t.Error("a broken key file was replaced or read")
	}
}

// Errors say what kind they are and which node it was, and never show its key.
func TestErrorsNameTheNode(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	never := make(chan struct{})
	defer close(never)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    sayso.Fault
		says    string
	}{
		{"refused", answer(401, "no"), sayso.Busy, "HTTP 401"},
		{"no block", answer(200, `{"jsonrpc":"2.0","id":1,"result":null}`), sayso.NotFound, "no such block"},
		{"pending block", answer(200, `{"jsonrpc":"2.0","id":1,"result":{"number":null,"hash":null}}`), sayso.NotFound, "no such block"},
		{"error", answer(200, `{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"limit exceeded"}}`), sayso.Busy, "limit exceeded"},
		{"not JSON", answer(200, `<html>`), sayso.Busy, "cannot be reached"},
		{"silent", func(w http.ResponseWriter, r *http.Request) { <-never }, sayso.Busy, "in time"},
		{"gone", nil, sayso.Busy, "cannot be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(c.handler)
			if c.handler == nil {
				srv.Close()
			} else {
				t.Cleanup(srv.CloseClientConnections)
			}
			client, err := Dial(t.Context(), srv.URL+"/v3/secretkey?also=secret")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err = client.Head(ctx)
			if sayso.FaultOf(err) != c.want || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), srv.URL) {
				t.Errorf("%v; want %v, %q and %s", err, c.want, c.says, srv.URL)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, err), "secret") {
				t.Errorf("the error shows the access key: %v", err)
			}
		})
	}
	if _, err := Dial(t.Context(), "ftp://example.com/secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("unknown scheme: %v", err)
	}
}

// A Sender is what protocol/abi.Deploy asks for.
var _ interface {
	Create(ctx context.Context, initCode []byte) (common.Address, error)
	Call(ctx context.Context, to common.Address, data []byte) error
} = (*Sender)(nil)

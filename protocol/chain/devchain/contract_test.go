package devchain

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"sayso"
	"sayso/protocol/chain"
)

// deploy creates a contract with up to 32 bytes of run-time code, given in hex.
func (w *world) deploy(t testing.TB, code string) common.Address {
	t.Helper()
	b := common.FromHex(code)
	n := byte(len(b))
	init := append([]byte{0x5f + n}, b...)                     // PUSHn code
	init = append(init, 0x5f, 0x52, 0x60, n, 0x60, 32-n, 0xf3) // PUSH0 MSTORE PUSH n PUSH 32-n RETURN
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	at, err := w.sender.Create(ctx, init)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.client.CodeAt(ctx, at); err != nil || string(got) != string(b) {
		t.Fatalf("code at %s is %x, %v; want %x", at, got, err, b)
	}
	return at
}

// inPool waits until the key's transactions with nonces below n are known to the node.
func (w *world) inPool(t testing.TB, n uint64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		got, err := w.client.Nonce(t.Context(), w.key.Address())
		if err == nil && got == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d transactions in the pool, %v; want %d", got, err, n)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Run-time code of the contracts here.
const (
	echoRevert = "365f5f37365ffd"                      // reverts with its calldata
	once       = "5f54600a5760015f55005b" + echoRevert // SLOAD(0) ? revert : SSTORE(0, 1)
	yes        = "631626ba7e60e01b5f5260205ff3"        // answers the ERC-1271 magic value
	yesRight   = "631626ba7e5f5260205ff3"              // the same at the wrong end of the word
	yesShort   = "631626ba7e60e01b5f5260045ff3"        // four bytes instead of a word
	refuse     = "5f5ffd"                              // reverts without data
	broken     = "fe"                                  // invalid instruction
	endless    = "5b5f56"                              // jumps to itself
	logs       = "5f5fa000"                            // an anonymous log
)

const errorsABI = `[{"type":"error","name":"Nope","inputs":[{"name":"who","type":"address"},{"name":"n","type":"uint256"},{"type":"bytes4","name":""}]}]`

func TestRevertsAreReadable(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	parsed, err := abi.JSON(strings.NewReader(errorsABI))
	if err != nil {
		t.Fatal(err)
	}
	def := parsed.Errors["Nope"]
	args, err := def.Inputs.Pack(someone, big.NewInt(7), [4]byte{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	nope := append(def.ID.Bytes()[:4:4], args...)
	w.sender = chain.NewSender(w.client, key, parsed)
	at := w.deploy(t, echoRevert)
	for _, c := range []struct{ name, data, want string }{
		{"custom", string(nope), "reverted: Nope(who=" + someone.Hex() + ", n=7, arg2=0x01020304)"},
		{"unknown", "\x01\x02\x03\x04", "reverted: with unknown error 0x01020304"},
		{"cut off", string(nope[:10]), "reverted: with unknown error 0x"},
		{"empty", "", "reverted: without a reason"},
		{"text", string(common.FromHex("08c379a0" + "0000000000000000000000000000000000000000000000000000000000000020" +
			"0000000000000000000000000000000000000000000000000000000000000003" + "6e6f210000000000000000000000000000000000000000000000000000000000")), "reverted: no!"},
		{"panic", string(common.FromHex("4e487b71" + "0000000000000000000000000000000000000000000000000000000000000011")), "reverted: arithmetic underflow or overflow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := w.head(t)
			err := w.sender.Call(t.Context(), at, []byte(c.data))
			var r *chain.RevertError
			if !errors.As(err, &r) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if w.head(t) != before {
				t.Error("a call that must revert was sent")
			}
			if _, err := w.client.Call(t.Context(), at, []byte(c.data)); !errors.As(err, &r) {
				t.Errorf("eth_call: %v", err)
			}
		})
	}
}

// A transaction can revert in its block although it did not when it was estimated.
func TestRevertInTheBlockHasItsReason(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	at := w.deploy(t, once)
	release, entered := make(chan struct{}), make(chan struct{}, 8)
	w.journal.SetDisk(nil, func(f *os.File) error {
		entered <- struct{}{}
		<-release
		return f.Sync()
	})
	reason := common.FromHex("08c379a0" + "0000000000000000000000000000000000000000000000000000000000000020" +
		"0000000000000000000000000000000000000000000000000000000000000005" + "7477696365000000000000000000000000000000000000000000000000000000")
	results := make(chan error, 2)
	send := func() { results <- w.sender.Call(t.Context(), at, reason) }
	go send()
	<-entered // the first is in a block that is not visible yet
	go send()
	w.inPool(t, 3) // the second has been estimated
	close(release)
	var failed error
	for range 2 {
		if err := <-results; err != nil {
			if failed != nil {
				t.Fatalf("both failed: %v; %v", failed, err)
			}
			failed = err
		}
	}
	var r *chain.RevertError
	if !errors.As(failed, &r) || r.Text != "twice" || !strings.Contains(failed.Error(), "in block") {
		t.Errorf("error %v, want the reason and the block", failed)
	}
}

func TestContractSignatures(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	digest := crypto.Keccak256Hash([]byte("what is signed"))
	sig, err := key.Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		account common.Address
		digest  common.Hash
		sig     []byte
		want    bool
	}{
		{"own key", key.Address(), digest, sig, true},
		{"own key, other digest", key.Address(), common.Hash{1}, sig, false},
		{"own key, cut", key.Address(), digest, sig[:64], false},
		{"account without code", someone, digest, sig, false},
		{"contract agrees", w.deploy(t, yes), digest, []byte("anything"), true},
		{"contract agrees to nothing", w.deploy(t, yes), digest, nil, true},
		{"contract refuses", w.deploy(t, refuse), digest, sig, false},
		{"contract is broken", w.deploy(t, broken), digest, sig, false},
		{"contract never ends", w.deploy(t, endless), digest, sig, false},
		{"wrong end of the word", w.deploy(t, yesRight), digest, sig, false},
		{"four bytes", w.deploy(t, yesShort), digest, sig, false},
	} {
		got, err := chain.IsValidSignature(t.Context(), w.client, c.account, c.digest, c.sig)
		if got != c.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	w.Close()
	if ok, err := chain.IsValidSignature(t.Context(), w.client, someone, digest, sig); ok || err == nil {
		t.Errorf("without a chain: %v, %v; want an error", ok, err)
	}
}

func TestLogsByBlockAndRange(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	at := w.deploy(t, logs)
	r, err := w.sender.Send(t.Context(), &at, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]ethereum.FilterQuery{
		"by hash": {BlockHash: &r.BlockHash},
		"range":   {FromBlock: big.NewInt(0), ToBlock: r.BlockNumber, Addresses: []common.Address{at}},
	} {
		got, err := w.client.Logs(t.Context(), q)
		if err != nil || len(got) != 1 || got[0].TxHash != r.TxHash || got[0].Address != at {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	none, err := w.client.Logs(t.Context(), ethereum.FilterQuery{FromBlock: big.NewInt(0), Addresses: []common.Address{someone}})
	if err != nil || len(none) != 0 {
		t.Errorf("logs of another address: %v, %v", none, err)
	}
}

// The endpoint serves what wallets need to local programs, and nothing to web pages
// of elsewhere.
func TestEndpoint(t *testing.T) {
	key := newKey(t)
	cfg := config(t.TempDir(), key)
	cfg.Listen, cfg.Origins = "127.0.0.1:0", []string{"http://localhost:8480"}
	w := start(t, cfg, key)
	url := w.Endpoint()
	for _, u := range []string{url, strings.Replace(url, "http", "ws", 1)} {
		c, err := chain.Dial(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := chain.NewSender(c, key).Send(t.Context(), &someone, nil, big.NewInt(1)); err != nil {
			t.Errorf("%s: %v", u, err)
		}
		for _, method := range []string{"eth_chainId", "net_version", "web3_clientVersion"} {
			var s string
			if err := c.RPC().CallContext(t.Context(), &s, method); err != nil || s == "" {
				t.Errorf("%s %s: %q, %v", u, method, s, err)
			}
		}
		for _, method := range []string{"admin_nodeInfo", "debug_setHead", "miner_setGasPrice", "txpool_content", "engine_newPayloadV4", "personal_listAccounts", "dev_addWithdrawal", "testing_buildBlockV1"} {
			var raw json.RawMessage
			err := c.RPC().CallContext(t.Context(), &raw, method)
			var answer rpc.Error
			if !errors.As(err, &answer) || answer.ErrorCode() != -32601 {
				t.Errorf("%s must not have %s: %s, %v", u, method, raw, err)
			}
		}
		c.Close()
	}
	post := func(host, origin string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Origin", origin)
		if host != "" {
			req.Host = host
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if r := post("", "http://localhost:8480"); r.StatusCode != 200 || r.Header.Get("Access-Control-Allow-Origin") != "http://localhost:8480" {
		t.Errorf("our own page: %d, %v", r.StatusCode, r.Header)
	}
	if r := post("", "http://evil.example"); r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a foreign page may read the answer: %v", r.Header)
	}
	if r := post("evil.example", ""); r.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign host name (DNS rebinding) gets %d", r.StatusCode)
	}
	h := rpc.WithHeader("Origin", "http://evil.example")
	if c, err := rpc.DialOptions(t.Context(), strings.Replace(url, "http", "ws", 1), h); err == nil {
		c.Close()
		t.Error("a foreign page opened a WebSocket")
	}
}

// No space for the journal: no blocks, no loss, and on as soon as there is space.
func TestFullDiskHoldsTheChain(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	w.transfer(t, someone)
	before := w.head(t)
	w.journal.SetDisk(func(*os.File, []byte, int64) (int, error) { return 0, syscall.ENOSPC }, nil)
	sent := make(chan error, 1)
	go func() {
		_, err := w.sender.Send(t.Context(), &someone, nil, big.NewInt(1))
		sent <- err
	}()
	select {
	case err := <-sent:
		t.Fatalf("sent without space: %v", err)
	case <-w.Done():
		t.Fatalf("the chain stopped: %v", w.Err())
	case <-time.After(300 * time.Millisecond):
	}
	if got := w.head(t); got != before {
		t.Fatalf("block %d without space for it", got.Number)
	}
	w.journal.SetDisk((*os.File).WriteAt, nil)
	if err := <-sent; err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// The process with the chain starts anew while a transaction waits.
func TestSenderWaitsThroughARestart(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	cfg := config(dir, key)
	cfg.Listen = "127.0.0.1:0"
	w := start(t, cfg, key)
	url := w.Endpoint()
	client, err := chain.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	sender := chain.NewSender(client, key)
	w.journal.SetDisk(func(*os.File, []byte, int64) (int, error) { return 0, syscall.ENOSPC }, nil)
	sent := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := sender.Send(ctx, &someone, nil, big.NewInt(1))
		sent <- err
	}()
	w.inPool(t, 1)
	w.Close()
	cfg.Listen = strings.TrimPrefix(url, "http://")
	start(t, cfg, key)
	if err := <-sent; err != nil {
		t.Errorf("after the restart: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sender.Send(ctx, &someone, nil, nil); sayso.FaultOf(err) != sayso.Cancelled {
		t.Errorf("with a cancelled context: %v", err)
	}
	if _, err := sender.Send(t.Context(), &someone, nil, big.NewInt(1)); err != nil {
		t.Errorf("after a cancelled one: %v", err)
	}
}

// What the compiler emits and passkeys need runs from block 0 on.
func TestForksAreActive(t *testing.T) {
	key := newKey(t)
	w := start(t, config(t.TempDir(), key), key)
	for name, code := range map[string]string{
		"PUSH0 and MCOPY": "60015f5260205f60205e60205160205260206020f3", // copies word 0 to word 1 and returns it
		"TLOAD":           "60015f5d5f5c5f5260205ff3",
		"CLZ":             "60fe60011e035f5260205ff3", // clz(1) - 254
	} {
		out, err := w.client.CallMsg(t.Context(), ethereum.CallMsg{Data: common.FromHex(code)}, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if new(big.Int).SetBytes(out).Int64() != 1 {
			t.Errorf("%s returned %x", name, out)
		}
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := crypto.Keccak256([]byte("passkey"))
	r, s, err := ecdsa.Sign(rand.Reader, signer, digest)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(digest []byte) []byte { // EIP-7951: digest, r, s, x, y
		in := append([]byte(nil), digest...)
		for _, n := range []*big.Int{r, s, signer.X, signer.Y} {
			in = append(in, n.FillBytes(make([]byte, 32))...)
		}
		out, err := w.client.Call(t.Context(), common.HexToAddress("0x100"), in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := verify(digest); new(big.Int).SetBytes(out).Int64() != 1 {
		t.Errorf("a good passkey signature gives %x", out)
	}
	if out := verify(crypto.Keccak256([]byte("other"))); len(out) != 0 {
		t.Errorf("a bad passkey signature gives %x", out)
	}
}

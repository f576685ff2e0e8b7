package shelf_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/registry"
	"sayso/protocol/abi"
	"sayso/protocol/chain"
	"sayso/protocol/chain/devchain"
)

// person is somebody with a passkey and a contract account of ours, and no other
// key.
type person struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	account common.Address
	chainID *big.Int
}

// sign is what a browser makes of a message that the account shall stand for:
// personal_sign, nested as ERC-7739 says, approved with the passkey.
func (p *person) sign(message []byte) []byte {
	p.t.Helper()
	challenge := abi.NestedAccountDigest(p.chainID, p.account, chain.PersonalDigest(message))
	rp := sha256.Sum256([]byte("localhost"))
	data := append(rp[:], 0x05, 0, 0, 0, 1) // user present and verified; counter
	client := fmt.Appendf(nil, `{"type":"webauthn.get","challenge":"%s","origin":"http://localhost:8480","crossOrigin":false}`, base64.RawURLEncoding.EncodeToString(challenge[:]))
	sum := sha256.Sum256(client)
	sum = sha256.Sum256(append(append([]byte{}, data...), sum[:]...))
	der, err := ecdsa.SignASN1(rand.Reader, p.key, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	sig, err := abi.EncodeAssertion(data, client, der)
	if err != nil {
		p.t.Fatal(err)
	}
	return sig
}

// people deploys the contracts and makes accounts.
func people(t *testing.T, count int) (*chain.Client, []*person) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	payer, err := chain.NewKey()
	must(err)
	own, err := devchain.Open(devchain.Config{Dir: t.TempDir(), Alloc: []common.Address{payer.Address()}, Clock: clock.System{}})
	must(err)
	t.Cleanup(func() { own.Close() })
	c := chain.New(own.Client(), "own")
	sender := chain.NewSender(c, payer)
	at, err := abi.Deploy(t.Context(), sender, payer.Address())
	must(err)
	contracts, err := abi.Load()
	must(err)
	var out []*person
	for range count {
		p := &person{t: t, chainID: new(big.Int).SetUint64(own.ChainID())}
		p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		point, err := p.key.PublicKey.Bytes() // 4, x, y
		must(err)
		qx, qy := [32]byte(point[1:33]), [32]byte(point[33:])
		data, err := contracts.Accounts.Pack("createAccount", qx, qy, common.Address{})
		must(err)
		_, err = sender.Send(t.Context(), &at.Accounts, data, nil)
		must(err)
		data, err = contracts.Accounts.Pack("accountOf", qx, qy, common.Address{})
		must(err)
		answer, err := c.Call(t.Context(), at.Accounts, data)
		must(err)
		p.account = common.BytesToAddress(answer)
		out = append(out, p)
	}
	return c, out
}

// A person with a passkey alone owns a car, signs in, and lets an app in with a
// document; nobody else's passkey does, nor a signature for another account.
func TestAPasskeyOwnsACar(t *testing.T) {
	c, all := people(t, 2)
	mine, other := all[0], all[1]
	me := sayso.Address(mine.account)
	w := newWorld(t, options{contract: ask(c)})
	w.fold(func(tx *registry.Tx) {
		tx.PutVehicle(registry.Vehicle{ID: car, Owners: []registry.Ownership{{Owner: me, Block: 1}}})
	})
	r := w.signIn(me, mine.sign)
	if r.status != http.StatusOK {
		t.Fatalf("sign-in: %d %s", r.status, r.raw)
	}
	if x := w.exchange(r.text("access_token"), car, rawData, `{"events":[{}]}`); x.status != http.StatusOK {
		t.Errorf("the owner's token: %d %s", x.status, x.raw)
	}
	stolen := &person{t: t, key: mine.key, account: other.account, chainID: mine.chainID}
	elsewhere := &person{t: t, key: mine.key, account: mine.account, chainID: big.NewInt(1)}
	for name, sign := range map[string]func([]byte) []byte{
		"another's passkey":                   other.sign,
		"the passkey, for another account":    stolen.sign,
		"the passkey, for another chain":      elsewhere.sign,
		"the passkey, over something else":    func([]byte) []byte { return mine.sign([]byte("x")) },
		"a key":                               func(text []byte) []byte { return sign("anna", text) },
		"a signature that is cut":             func(text []byte) []byte { s := mine.sign(text); return s[:len(s)-32] },
		"a signature with another r":          func(text []byte) []byte { s := mine.sign(text); s[31] ^= 1; return s },
		"a signature with another first word": func(text []byte) []byte { s := mine.sign(text); s[95] ^= 1; return s },
	} {
		if r := w.signIn(me, sign); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	d := draft()
	d.Grantor = me
	data, err := d.Data()
	w.must(err)
	if r := w.post(envelope("dimo.sacd", data, other.sign(data))); r.status != http.StatusBadRequest {
		t.Errorf("a document by another's passkey: %d %s", r.status, r.raw)
	}
	w.grant(car, "app", w.kept(envelope("dimo.sacd", data, mine.sign(data))))
	if r := w.exchange(w.login("app"), car, rawData, attestations()); r.status != http.StatusOK {
		t.Errorf("on the document of a passkey: %d %s", r.status, r.raw)
	}
}

package abi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"sayso/protocol/abi"
)

// passkey answers challenges as an authenticator does.
type passkey struct {
	key    *ecdsa.PrivateKey
	qx, qy [32]byte
}

func newPasskey(t *testing.T) passkey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	return passkey{key, [32]byte(point[1:33]), [32]byte(point[33:])}
}

// sign gives the signature an account takes for a challenge.
func (p passkey) sign(t *testing.T, challenge common.Hash) []byte {
	t.Helper()
	rp := sha256.Sum256([]byte("localhost"))
	data := append(rp[:], 0x05, 0, 0, 0, 1) // user present and verified; counter
	client := fmt.Sprintf(`{"type":"webauthn.get","challenge":"%s","origin":"http://localhost:8480","crossOrigin":false}`,
		base64.RawURLEncoding.EncodeToString(challenge[:]))
	clientHash := sha256.Sum256([]byte(client))
	message := sha256.Sum256(append(append([]byte{}, data...), clientHash[:]...))
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

// TestAccountActsByPasskey has a person with nothing but a passkey own a car,
// share it, sign for it, lose the passkey and get the account back.
func TestAccountActsByPasskey(t *testing.T) {
	w := newWorld(t)
	first, next := newPasskey(t), newPasskey(t)
	account := w.view(w.at.Accounts, "accountOf", first.qx, first.qy, w.bob.addr).(common.Address)
	// The account owns a car before it exists.
	w.do(w.alice, w.at.Registry, mintVehicle, one, account, "tesla_model-3_2020", model3)
	r := w.do(w.alice, w.at.Accounts, "createAccount", first.qx, first.qy, w.bob.addr)
	wantEvents(t, w.chain, r, "AccountCreated")
	t.Logf("creating an account costs %d gas", r.GasUsed)
	kind := w.abi.Account

	grant, err := w.abi.Grants.Pack(setPermissions, w.at.Vehicle, one, w.bob.addr, allEight, far, cid)
	if err != nil {
		t.Fatal(err)
	}
	calls := []abi.Call{{Target: w.at.Grants, Value: new(big.Int), Data: grant}}
	execute := func(p passkey, nonce *big.Int) error {
		l := abi.Lapse{Nonce: nonce, Deadline: far}
		data, err := kind.Pack("execute", calls, l.Nonce, l.Deadline, p.sign(t, abi.ExecuteDigest(w.id, account, calls, l)))
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.transact(t.Context(), w.maker, &account, data)
		if err == nil {
			t.Logf("a grant by passkey, relayed, costs %d gas", r.GasUsed)
		}
		return err
	}
	if err := execute(next, new(big.Int)); err == nil {
		t.Error("another passkey acts for the account")
	}
	if err := execute(first, new(big.Int)); err != nil {
		t.Fatal(err)
	}
	w.wantView(true, w.at.Grants, "hasPermission", w.at.Vehicle, one, w.bob.addr, uint8(8))

	// An owner's signature in the registry's and the grant store's own forms.
	l := abi.Lapse{Nonce: new(big.Int), Deadline: far}
	revoke := abi.RevokeAllDigest(w.id, w.at.Grants, w.at.Vehicle, one, l)
	w.do(w.maker, w.at.Grants, "revokeAllBySig", w.at.Vehicle, one, l.Nonce, l.Deadline,
		first.sign(t, abi.NestedAccountDigest(w.id, account, revoke)))
	w.wantView(false, w.at.Grants, "hasPermission", w.at.Vehicle, one, w.bob.addr, uint8(8))

	// The second signer announces another passkey; it waits for the delay.
	recover := w.sign(w.bob, abi.RecoverDigest(w.id, account, next.qx, next.qy, l))
	data, err := kind.Pack("announceRecovery", next.qx, next.qy, l.Nonce, l.Deadline, recover)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.transact(t.Context(), w.maker, &account, data); err != nil {
		t.Fatal(err)
	}
	finish, err := kind.Pack("finishRecovery")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.transact(t.Context(), w.maker, &account, finish); err == nil {
		t.Error("recovered before the delay")
	}
	// The pool lets go of mined transactions in the background.
	err = w.backend.AdjustTime(49 * time.Hour)
	for tries := 0; err != nil && tries < 1000; tries++ {
		time.Sleep(time.Millisecond)
		err = w.backend.AdjustTime(49 * time.Hour)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.transact(t.Context(), w.maker, &account, finish); err != nil {
		t.Fatal(err)
	}
	if err := execute(first, one); err == nil {
		t.Error("the lost passkey still acts")
	}
	if err := execute(next, one); err != nil {
		t.Error(err)
	}
}

func TestAssertionsThatAreNone(t *testing.T) {
	good := `{"type":"webauthn.get","challenge":"x"}`
	der := []byte{0x30, 6, 2, 1, 1, 2, 1, 1}
	if _, err := abi.EncodeAssertion(nil, []byte(good), der); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		client string
		der    []byte
	}{
		"of a registration":   {`{"type":"webauthn.create","challenge":"x"}`, der},
		"without a challenge": {`{"type":"webauthn.get"}`, der},
		"64 bytes":            {good, make([]byte, 64)},
		"empty":               {good, nil},
		"with a tail":         {good, append(append([]byte{}, der...), 0)},
		"zero":                {good, []byte{0x30, 6, 2, 1, 0, 2, 1, 1}},
		"negative":            {good, []byte{0x30, 6, 2, 1, 0xff, 2, 1, 1}},
	} {
		if _, err := abi.EncodeAssertion(nil, []byte(c.client), c.der); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

package attest_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/owner/attest"
	"sayso/protocol/chain"
)

// The reference's signatures count as the reference says.
func TestSignaturesOfTheReference(t *testing.T) {
	text, err := os.ReadFile("../../../shared/samples/dimo/signature_vectors.json")
	if err != nil {
		t.Skip("the samples are not beside the project: ", err)
	}
	var file struct {
		Vectors []struct{ AttestationSignature, DeviceSignature, DataRawJSON, Signer string }
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Vectors) == 0 {
		t.Fatal(err, len(file.Vectors))
	}
	c := attest.NewChecker(nil)
	for i, v := range file.Vectors {
		signer, err := sayso.ParseAddress(v.Signer)
		if err != nil {
			t.Fatal(err)
		}
		ce := sayso.CloudEvent{Source: signer, Signature: v.AttestationSignature, Data: []byte(v.DataRawJSON)}
		if err := c.Event(t.Context(), &ce); err != nil {
			t.Errorf("vector %d: %v", i, err)
		}
		ce.Data = []byte(v.DataRawJSON + " ")
		if err := c.Event(t.Context(), &ce); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("vector %d with a space more: %v", i, err)
		}
		ce.Data, ce.Signature = []byte(v.DataRawJSON), v.DeviceSignature
		if err := c.Event(t.Context(), &ce); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("vector %d with the signature of a device: %v", i, err)
		}
	}
}

// What is signed is the text of the payload as it stands, and each signature has
// one form.
func TestWhatASignatureCovers(t *testing.T) {
	key, err := chain.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(`{"a": 1}`)
	sign := func(b []byte) []byte {
		sig, err := key.PersonalSign(b)
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	change := func(sig []byte, f func(b []byte) []byte) []byte { return f(append([]byte(nil), sig...)) }
	good := sign(data)
	for name, c := range map[string]struct {
		ce sayso.CloudEvent
		ok bool
	}{
		"data":                    {sayso.CloudEvent{Data: data, Signature: hexed(good)}, true},
		"base64 text":             {sayso.CloudEvent{Data: []byte("hello"), Base64: true, Signature: hexed(sign([]byte("aGVsbG8=")))}, true},
		"the bytes behind base64": {sayso.CloudEvent{Data: []byte("hello"), Base64: true, Signature: hexed(sign([]byte("hello")))}, false},
		"v of 0 or 1":             {sayso.CloudEvent{Data: data, Signature: hexed(change(good, func(b []byte) []byte { b[64] -= 27; return b }))}, false},
		"high s": {sayso.CloudEvent{Data: data, Signature: hexed(change(good, func(b []byte) []byte {
			n := crypto.S256().Params().N
			s := common.BytesToHash(b[32:64]).Big()
			copy(b[32:], common.BigToHash(s.Sub(n, s)).Bytes())
			b[64] ^= 27 ^ 28
			return b
		}))}, false},
		"a byte short": {sayso.CloudEvent{Data: data, Signature: hexed(good[:64])}, false},
		"a byte more":  {sayso.CloudEvent{Data: data, Signature: hexed(append(good[:65:65], 0))}, false},
		"no 0x":        {sayso.CloudEvent{Data: data, Signature: hex.EncodeToString(good)}, false},
		"no hex":       {sayso.CloudEvent{Data: data, Signature: "0xzz"}, false},
		"none":         {sayso.CloudEvent{Data: data}, false},
		"empty":        {sayso.CloudEvent{Data: data, Signature: "0x"}, false},
		"by another":   {sayso.CloudEvent{Source: sayso.Address{1}, Data: data, Signature: hexed(good)}, false},
	} {
		if c.ce.Source.IsZero() {
			c.ce.Source = sayso.Address(key.Address())
		}
		err := attest.NewChecker(nil).Event(t.Context(), &c.ce)
		if (err == nil) != c.ok || err != nil && sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%s: %v, want accepted: %v", name, err, c.ok)
		}
	}
}

// A contract decides for itself, is asked about no monster, and a chain that is
// away is not a wrong signature.
func TestAContractDecides(t *testing.T) {
	account, asked := sayso.Address{7}, 0
	c := attest.NewChecker(func(_ context.Context, a common.Address, digest common.Hash, sig []byte) (bool, error) {
		asked++
		if string(sig) == "away" {
			return false, errors.New("no route")
		}
		return a == common.Address(account) && digest == chain.PersonalDigest([]byte("x")) && string(sig) == "yes", nil
	})
	for sig, want := range map[string]sayso.Fault{"yes": 0, "no": sayso.Invalid, "away": sayso.Busy} {
		err := c.Signed(t.Context(), account, []byte("x"), []byte(sig))
		if want == 0 && err != nil || want != 0 && sayso.FaultOf(err) != want {
			t.Errorf("%s: %v", sig, err)
		}
	}
	if err := c.Signed(t.Context(), account, []byte("x"), []byte(strings.Repeat("y", 8193))); sayso.FaultOf(err) != sayso.Invalid || asked != 3 {
		t.Errorf("a monstrous signature: %v, asked %d times", err, asked)
	}
}

func TestVoids(t *testing.T) {
	for data, want := range map[string]string{
		`{"voidsId":"a-1"}`:                      "a-1",
		`{"reason":"wrong car","voidsId":"a:1"}`: "a:1",
		`{}`:                                     "", `{"voidsId":""}`: "", `{"voidsId":7}`: "", `[]`: "", `{"voidsId":"a\u0000"}`: "", ``: "",
		`{"voidsId":"a","reason":"` + strings.Repeat("r", 513) + `"}`: "",
	} {
		id, _, err := attest.Voids(&sayso.CloudEvent{Type: sayso.TypeTombstone, Data: []byte(data)})
		if id != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q %v", data, id, err)
		}
	}
	if _, _, err := attest.Voids(&sayso.CloudEvent{Type: sayso.TypeAttestation, Data: []byte(`{"voidsId":"a"}`)}); err == nil {
		t.Error("an attestation takes something back")
	}
}

func hexed(b []byte) string { return "0x" + hex.EncodeToString(b) }

package mqtt

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"sayso"
	"sayso/car/door"
)

// The example of the page is what the code says: text, hash and password.
func TestThePageIsRight(t *testing.T) {
	page, err := os.ReadFile("../../../docs/formats/mqtt.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```\n")
	if len(blocks) != 5 {
		t.Fatalf("%d parts", len(blocks))
	}
	text, written := strings.TrimSuffix(blocks[1], "\n"), strings.TrimSuffix(blocks[3], "\n")
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	device := sayso.Address(crypto.PubkeyToAddress(key.PublicKey))
	p, ok, err := ParsePassword(written)
	if err != nil || !ok {
		t.Fatalf("%q: %v %v", written, ok, err)
	}
	if got := SignInText("http://localhost:8480", device, p.Time, p.Nonce); got != text {
		t.Errorf("the text is\n%s", got)
	}
	hash := personal(text)
	if !strings.Contains(blocks[2], "`"+hex.EncodeToString(hash[:])+"`") {
		t.Errorf("the hash is %x", hash)
	}
	if signer, err := door.Signer(hash, p.Signature); err != nil || signer != device {
		t.Errorf("signed by %s, %v", signer, err)
	}
}

// Package token proves who calls: it challenges an account to sign, issues the
// developer token to whoever did, exchanges it for a vehicle token on the
// owner's grant, and verifies both (spec api 1). Every grant is decided by
// owner/consent, never here.
package token

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"sayso/internal/durable"
)

// keyBits is the size of the RSA keys; RS256 is what DIMO's clients expect.
const keyBits = 2048

// Issuer signs the tokens of one kind under one URL with a key of its own.
type Issuer struct {
	URL    string // without a trailing slash
	key    *rsa.PrivateKey
	kid    string
	header string // the first part of every token that the key signed
}

// OpenIssuer loads the issuer's key from dir/<name>.pem, making it where there
// is none. The file is readable by its owner alone.
func OpenIssuer(dir, name, url string) (*Issuer, error) {
	path := filepath.Join(dir, name+".pem")
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		body, err = makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("token: key %s: %w", path, err)
	}
	block, _ := pem.Decode(body)
	if block == nil {
		return nil, fmt.Errorf("token: key %s: not a PEM file: move it away to have a new key made; tokens signed with the old one end", path)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("token: key %s: %w", path, err)
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	i := &Issuer{URL: url, key: key, kid: hex.EncodeToString(sum[:8])}
	sample, err := i.sign(struct{}{})
	if err != nil {
		return nil, fmt.Errorf("token: key %s: %w", path, err)
	}
	i.header, _, _ = strings.Cut(sample, ".")
	return i, nil
}

func makeKey(path string) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	body := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return body, durable.WriteFile(path, body, 0o600)
}

// KeySet is the public half as a JWK Set.
func (i *Issuer) KeySet() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{
		Key: &i.key.PublicKey, KeyID: i.kid, Algorithm: string(jose.RS256), Use: "sig",
	}}}
}

// Package rootkey makes the key that wraps a vault's data keys: from a file
// that belongs outside the data directory, or from a passphrase. A key service
// of a cloud fits in the same place, because the vault knows only Wrap and
// Unwrap.
package rootkey

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Size is the length of a key in bytes.
const Size = 32

// Key wraps data keys with AES-256-GCM under a key held in memory.
type Key struct{ aead cipher.AEAD }

// New makes a key of 32 bytes.
func New(secret [Size]byte) (*Key, error) {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	return &Key{aead}, nil
}

// Wrap seals plain and binds it to ad. It adds 28 bytes.
func (k *Key) Wrap(plain, ad []byte) ([]byte, error) {
	return k.aead.Seal(nil, nil, plain, ad), nil
}

// Unwrap opens what Wrap sealed, if ad is the same.
func (k *Key) Unwrap(wrapped, ad []byte) ([]byte, error) {
	plain, err := k.aead.Open(nil, nil, wrapped, ad)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	return plain, nil
}

// FromFile reads a key of 64 hexadecimal digits. Where there is no file, it
// makes a random key and writes it, readable by its owner alone, and durable
// before it is used.
func FromFile(name string) (*Key, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		var secret [Size]byte
		rand.Read(secret[:])
		if err := create(name, []byte(hex.EncodeToString(secret[:])+"\n")); err != nil {
			return nil, err
		}
		return New(secret)
	}
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != Size {
		return nil, fmt.Errorf("root key: %s does not hold %d hexadecimal digits", name, 2*Size)
	}
	return New([Size]byte(secret))
}

// The cost of Argon2id, the second recommendation of RFC 9106 section 4.
const (
	passes  = 3
	memory  = 64 << 10 // KiB
	threads = 4
)

const saltSize = 16

// saltPrefix names the derivation in the salt file, so that another cost can
// come beside it later.
const saltPrefix = "argon2id-3-65536-4 "

// FromPassphrase derives a key from a passphrase and the salt in a file, which
// is made where there is none. The salt is no secret, but without it the key
// cannot be derived again: keep it with the data.
func FromPassphrase(passphrase []byte, saltFile string) (*Key, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("root key: the passphrase is empty")
	}
	salt := make([]byte, saltSize)
	text, err := os.ReadFile(saltFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		rand.Read(salt)
		if err := create(saltFile, []byte(saltPrefix+hex.EncodeToString(salt)+"\n")); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("root key: %w", err)
	default:
		digits, ok := strings.CutPrefix(strings.TrimSpace(string(text)), saltPrefix)
		if salt, err = hex.DecodeString(digits); !ok || err != nil || len(salt) != saltSize {
			return nil, fmt.Errorf("root key: %s does not hold a salt", saltFile)
		}
	}
	return New([Size]byte(argon2.IDKey(passphrase, salt, passes, memory, threads, Size)))
}

// create writes a new file under another name first, so that a crash leaves
// either nothing or all of it.
func create(name string, content []byte) error {
	wrap := func(err error) error { return fmt.Errorf("root key: %w", err) }
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wrap(err)
	}
	f, err := os.CreateTemp(dir, filepath.Base(name)+".new-*") // mode 0600
	if err != nil {
		return wrap(err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		// Link, unlike Rename, does not replace a key that another process made.
		err = os.Link(f.Name(), name)
	}
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return wrap(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return wrap(err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return wrap(err)
	}
	return nil
}

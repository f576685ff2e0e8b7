package chain

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"sayso/internal/durable"
)

// Key is a secp256k1 private key. Printing or logging it shows its address only.
type Key struct{ private *ecdsa.PrivateKey }

// NewKey makes a random key.
func NewKey() (*Key, error) {
	k, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	return &Key{k}, nil
}

// ParseKey reads 32 bytes in hex, with or without 0x.
func ParseKey(s string) (*Key, error) {
	k, err := crypto.HexToECDSA(strings.TrimPrefix(strings.TrimSpace(s), "0x"))
	if err != nil {
		return nil, errors.New("not a private key: 64 hexadecimal digits are needed")
	}
	return &Key{k}, nil
}

// LoadKey reads a key from a file that only its owner may read. A missing file
// is fs.ErrNotExist.
func LoadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key file %s may be read by others (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	k, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// LoadOrCreateKey reads the key in path or, if there is no such file, makes a
// random one and stores it there in hex with mode 0600, synced. Two processes
// that create at once end up with the same key.
func LoadOrCreateKey(path string) (*Key, error) {
	k, err := LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k, err = NewKey(); err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hex.EncodeToString(crypto.FromECDSA(k.private)) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("store key: %w", err)
	}
	// A link, unlike a rename, does not replace a key that came first.
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return LoadKey(path)
	} else if err != nil {
		return nil, fmt.Errorf("store key: %w", err)
	}
	if err := durable.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("store key: %w", err)
	}
	return k, nil
}

// Address is the account of the key.
func (k *Key) Address() common.Address { return crypto.PubkeyToAddress(k.private.PublicKey) }

// Sign signs a 32-byte digest: r, s and v (27 or 28), 65 bytes, as contracts expect.
func (k *Key) Sign(digest common.Hash) ([]byte, error) {
	sig, err := crypto.Sign(digest[:], k.private)
	if err != nil {
		return nil, err
	}
	sig[64] += 27
	return sig, nil
}

// PersonalSign signs a text as wallets do for personal_sign (EIP-191, version 0x45).
func (k *Key) PersonalSign(message []byte) ([]byte, error) { return k.Sign(PersonalDigest(message)) }

// SignTx signs a transaction for the chain.
func (k *Key) SignTx(tx *types.Transaction, chainID *big.Int) (*types.Transaction, error) {
	return types.SignTx(tx, types.LatestSignerForChainID(chainID), k.private)
}

// String is the address.
func (k *Key) String() string { return k.Address().Hex() }

// GoString is the address, so that %#v does not print the secret.
func (k *Key) GoString() string { return "chain.Key(" + k.String() + ")" }

// LogValue is the address.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

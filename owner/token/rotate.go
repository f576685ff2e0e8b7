package token

import (
	"cmp"
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
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"sayso/internal/durable"
)

// keyBits is the size of the RSA keys; RS256 is what DIMO's clients expect.
const keyBits = 2048

// cacheFor is how long others may keep the key set and the discovery document.
const cacheFor = 5 * time.Minute

// Lead is how long a new key is published before it signs: longer than others
// keep a key set and a node leaves the folder alone.
const Lead = 2 * cacheFor

// stamp is how the time at which a key begins to sign is written in the name of
// its file, <name>.<stamp>.pem. The first key has none.
const stamp = "20060102T150405Z"

// ring are keys, and when they were read.
type ring struct {
	keys []*signingKey // ascending by from
	read time.Time
}

// keyFile is the file of a key.
type keyFile struct {
	path string
	from time.Time // when it begins to sign; zero for the first
}

// signingKey is a key of an issuer.
type signingKey struct {
	file    keyFile
	from    time.Time
	private *rsa.PrivateKey
	kid     string
	header  string // the first part of every token that the key signs
}

func keyPath(dir, name string, from time.Time) string {
	if from.IsZero() {
		return filepath.Join(dir, name+".pem")
	}
	return filepath.Join(dir, name+"."+from.UTC().Format(stamp)+".pem")
}

// keyFiles lists the files of an issuer's keys in the order in which they begin
// to sign.
func keyFiles(dir, name string) ([]keyFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []keyFile
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), name)
		rest, pem := strings.CutSuffix(rest, ".pem")
		if !ok || !pem {
			continue
		}
		f := keyFile{path: filepath.Join(dir, e.Name())}
		if rest != "" {
			if f.from, err = time.Parse("."+stamp, rest); err != nil {
				return nil, fmt.Errorf("%s: the name says no time: want %s", f.path, filepath.Base(keyPath(dir, name, time.Unix(0, 0))))
			}
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b keyFile) int { return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.path, b.path)) })
	return out, err
}

func makeKey(path string) error {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	body := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return durable.WriteFile(path, body, 0o600)
}

func loadKey(f keyFile) (*signingKey, error) {
	body, err := os.ReadFile(f.path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(body)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file: move it away to have a new key made; tokens signed with the old one end", f.path)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(&key.PublicKey))
	k := &signingKey{file: f, from: f.from, private: key, kid: hex.EncodeToString(sum[:8])}
	sample, err := k.sign(struct{}{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	k.header, _, _ = strings.Cut(sample, ".")
	return k, nil
}

// sign makes a compact RS256 token.
func (k *signingKey) sign(claims any) (string, error) { return k.signAs("JWT", claims) }

// signAs signs claims under a type.
func (k *signingKey) signAs(kind jose.ContentType, claims any) (string, error) {
	options := (&jose.SignerOptions{}).WithType(kind).WithHeader("kid", k.kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: k.private}, options)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// Rotate makes the next key of an issuer and tells when it begins to sign, after
// the [Lead]. A running node takes it in by itself. Files of keys that verify
// nothing any more are removed.
//
// With atOnce, for a key that was stolen, the new key signs from now and every
// other is removed: all tokens of the issuer end as soon as the node looks.
func Rotate(dir, name string, now time.Time, atOnce bool) (from time.Time, err error) {
	old, err := keyFiles(dir, name)
	if err != nil {
		return from, err
	}
	from = now.Truncate(time.Second)
	if !atOnce {
		from = from.Add(Lead)
	}
	for slices.ContainsFunc(old, func(f keyFile) bool { return f.from.Equal(from) }) {
		from = from.Add(time.Second)
	}
	if err := makeKey(keyPath(dir, name, from)); err != nil {
		return from, err
	}
	for n, f := range old {
		ended := n+1 < len(old) && now.After(old[n+1].from.Add(DeveloperTerm+leeway))
		if atOnce || ended {
			if err := os.Remove(f.path); err != nil {
				return from, err
			}
		}
	}
	return from, durable.SyncDir(dir)
}

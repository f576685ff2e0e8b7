// Package token proves who calls: it challenges an account to sign, issues the
// developer token to whoever did, exchanges it for a vehicle token on the
// owner's grant, and verifies both (spec api 1). Every grant is decided by
// owner/consent, never here.
package token

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sayso/internal/clock"
)

// The names of the issuers' keys in the folder of secret keys.
const (
	DeveloperKeys = "developer-tokens"
	VehicleKeys   = "vehicle-tokens"
)

// Issuer signs the tokens of one kind under one URL. It has one key, and for a
// time more of them while it goes from one to the next: the next is published
// before it signs, the last one verifies until every token that it signed has
// expired.
type Issuer struct {
	URL   string        // without a trailing slash
	Clock clock.Clock   // says which key signs
	Term  time.Duration // no token of the issuer lives longer

	dir, name string
	ring      atomic.Pointer[ring]
	reading   sync.Mutex
}

// OpenIssuer loads the issuer's keys from dir, making one where there is none.
// Its tokens live at most as long as a developer's, by the clock of the machine.
func OpenIssuer(dir, name, url string) (*Issuer, error) {
	i := &Issuer{URL: url, Clock: clock.System{}, Term: DeveloperTerm, dir: dir, name: name}
	files, err := keyFiles(dir, name)
	if err == nil && len(files) == 0 {
		err = makeKey(keyPath(dir, name, time.Time{}))
	}
	if err == nil {
		err = i.read()
	}
	if err != nil {
		return nil, fmt.Errorf("token: keys %s in %s: %w", name, dir, err)
	}
	return i, nil
}

// look is how often the folder is looked at for a new key.
const look = 10 * time.Second

// keys are those that there are now, in the order in which they begin to sign.
// A folder that cannot be read leaves the keys as they were.
func (i *Issuer) keys() []*signingKey {
	r := i.ring.Load()
	if age := i.Clock.Now().Sub(r.read); (age >= look || age < 0) && i.reading.TryLock() {
		defer i.reading.Unlock()
		if err := i.read(); err != nil {
			i.ring.Store(&ring{r.keys, i.Clock.Now()})
		}
		r = i.ring.Load()
	}
	return r.keys
}

// read takes in the folder. Keys that it knows already are kept.
func (i *Issuer) read() error {
	files, err := keyFiles(i.dir, i.name)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return os.ErrNotExist
	}
	var old []*signingKey
	if r := i.ring.Load(); r != nil {
		old = r.keys
	}
	next := &ring{read: i.Clock.Now()}
	for _, f := range files {
		known := slices.IndexFunc(old, func(k *signingKey) bool { return k.file == f })
		if known >= 0 {
			next.keys = append(next.keys, old[known])
			continue
		}
		k, err := loadKey(f)
		if err != nil {
			return err
		}
		next.keys = append(next.keys, k)
	}
	i.ring.Store(next)
	return nil
}

// signer is the newest key that has begun to sign.
func (i *Issuer) signer(now time.Time) *signingKey {
	keys := i.keys()
	for _, k := range slices.Backward(keys) {
		if !k.from.After(now) {
			return k
		}
	}
	return keys[0]
}

// live are the keys whose tokens may be accepted: all but those whose last
// token has expired since the next key began.
func (i *Issuer) live(now time.Time) []*signingKey {
	keys := i.keys()
	for n := len(keys) - 1; n > 0; n-- {
		if now.After(keys[n].from.Add(i.Term + leeway)) {
			return keys[n:]
		}
	}
	return keys
}

// key finds the live key that begins its tokens with a header.
func (i *Issuer) key(header string, now time.Time) *signingKey {
	for _, k := range i.live(now) {
		if k.header == header {
			return k
		}
	}
	return nil
}

// KeySet is the public half of every key, as a JWK Set: also of one that does
// not sign yet, so that whoever keeps the set for a while knows it by then.
func (i *Issuer) KeySet() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for _, k := range slices.Backward(i.live(i.Clock.Now())) {
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: &k.private.PublicKey, KeyID: k.kid, Algorithm: string(jose.RS256), Use: "sig",
		})
	}
	return set
}

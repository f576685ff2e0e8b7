package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"sayso"
)

// A sealed part is: key slot u32, opening u32, counter u64, ciphertext, tag.
// Opening and counter are the nonce of AES-256-GCM. The key is derived from the
// data key in the slot and the salt in the opening, so that a counter that
// starts again (a restored copy of the store) never meets the same key.
const (
	sealHead     = 16
	sealTail     = 16
	sealOverhead = sealHead + sealTail
)

const (
	infoSeal   = "sayso vault: seal 1"
	infoSource = "sayso vault: source tag 1"
)

// owner is a vehicle and ownership epoch: the domain of one data key.
type owner struct {
	vehicle uint64
	epoch   uint32
}

// dataKey is an unwrapped data key with what is derived from it.
type dataKey struct {
	owner
	slot   uint32
	secret [32]byte

	mu    sync.Mutex
	aeads []openedAEAD // of some openings
	tags  []sourceTag
}

type openedAEAD struct {
	opening uint32
	aead    cipher.AEAD
}

type sourceTag struct {
	source sayso.Address
	tag    uint32
}

// aead derives the key of an opening.
func (k *dataKey) aead(r *keyring, opening uint32) (cipher.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range k.aeads {
		if o.opening == opening {
			return o.aead, nil
		}
	}
	salt, ok := r.saltOf(opening)
	if !ok {
		return nil, fmt.Errorf("vault: opening %d is not in the key file", opening)
	}
	sub, err := hkdf.Key(sha256.New, k.secret[:], salt[:], infoSeal, 32)
	if err != nil {
		return nil, fmt.Errorf("vault: deriving a key: %w", err)
	}
	block, err := aes.NewCipher(sub)
	if err != nil {
		return nil, fmt.Errorf("vault: deriving a key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("vault: deriving a key: %w", err)
	}
	if len(k.aeads) >= 8 {
		k.aeads = k.aeads[1:]
	}
	k.aeads = append(k.aeads, openedAEAD{opening, aead})
	return aead, nil
}

// tag is a hash of a source under the data key: it groups the rows of a source
// without saying who the source is. Two sources may share a tag; the source
// itself is inside the part.
func (k *dataKey) tag(source sayso.Address) (uint32, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.tags {
		if t.source == source {
			return t.tag, nil
		}
	}
	sub, err := hkdf.Key(sha256.New, k.secret[:], nil, infoSource, 32)
	if err != nil {
		return 0, fmt.Errorf("vault: deriving a key: %w", err)
	}
	mac := hmac.New(sha256.New, sub)
	mac.Write(source[:])
	t := sourceTag{source, binary.BigEndian.Uint32(mac.Sum(nil))}
	if len(k.tags) >= 8 {
		k.tags = k.tags[1:]
	}
	k.tags = append(k.tags, t)
	return t.tag, nil
}

// seal encrypts part[sealHead:len-sealTail] in place; ad is the part's key in
// the store.
func (r *keyring) seal(k *dataKey, part, ad []byte) error {
	aead, err := k.aead(r, r.opening)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(part, k.slot)
	binary.BigEndian.PutUint32(part[4:], r.opening)
	binary.BigEndian.PutUint64(part[8:], r.counter.Add(1))
	body := part[sealHead : len(part)-sealTail]
	aead.Seal(body[:0], part[4:sealHead], body, ad)
	return nil
}

// open decrypts a sealed part and appends what it holds to dst.
func (r *keyring) open(dst, part, ad []byte, want owner) ([]byte, error) {
	if len(part) < sealOverhead {
		return nil, errShort
	}
	k, err := r.bySlot(binary.LittleEndian.Uint32(part))
	if err != nil {
		return nil, err
	}
	if k.owner != want {
		return nil, fmt.Errorf("vault: key slot %d is of another vehicle or epoch", k.slot)
	}
	aead, err := k.aead(r, binary.BigEndian.Uint32(part[4:]))
	if err != nil {
		return nil, err
	}
	out, err := aead.Open(dst, part[4:sealHead], part[sealHead:], ad)
	if err != nil {
		return nil, fmt.Errorf("vault: a sealed part of vehicle %d does not open: %w", want.vehicle, err)
	}
	return out, nil
}

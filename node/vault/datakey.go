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
	sub   [32]byte     // the key of this opening
	has   byte         // what of sub and tags is derived
	aeads []openedAEAD // of some openings
	tags  []sourceTag
}

// What is derived of a data key.
const (
	hasSub = 1 << iota
	hasTag
)

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
	sub, err := k.subOf(r, opening)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(sub[:])
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

// subOf derives the key of an opening; that of this one is remembered.
func (k *dataKey) subOf(r *keyring, opening uint32) (sub [32]byte, err error) {
	if opening == r.opening && k.has&hasSub != 0 {
		return k.sub, nil
	}
	salt, ok := r.saltOf(opening)
	if !ok {
		return sub, fmt.Errorf("vault: opening %d is not in the key file", opening)
	}
	b, err := hkdf.Key(sha256.New, k.secret[:], salt[:], infoSeal, 32)
	if err != nil {
		return sub, fmt.Errorf("vault: deriving a key: %w", err)
	}
	if sub = [32]byte(b); opening == r.opening {
		k.sub, k.has = sub, k.has|hasSub
		r.remember(k)
	}
	return sub, nil
}

// tag is a hash of a source under the data key: it groups the rows of a source
// without saying who the source is. Two sources may share a tag; the source
// itself is inside the part.
func (k *dataKey) tag(r *keyring, source sayso.Address) (uint32, error) {
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
	k.tags, k.has = append(k.tags, t), k.has|hasTag
	r.remember(k)
	return t.tag, nil
}

// shelved is the length of a data key on the shelf: vehicle 8, epoch 4, what is
// derived 1, secret 32, the key of this opening 32, a source 20 and its tag 4.
const shelved = 8 + 4 + 1 + 32 + 32 + len(sayso.Address{}) + 4

// slotOwner is the name of a key on the shelf.
func slotOwner(slot uint32) owner { return owner{vehicle: uint64(slot)} }

// remember puts a key with what is derived from it on the shelf, unless it is
// destroyed by now.
func (r *keyring) remember(k *dataKey) {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, shelved), k.vehicle)
	b = append(binary.LittleEndian.AppendUint32(b, k.epoch), k.has)
	b = append(append(b, k.secret[:]...), k.sub[:]...)
	var last sourceTag
	if n := len(k.tags); n > 0 {
		last = k.tags[n-1]
	}
	b = binary.LittleEndian.AppendUint32(append(b, last.source[:]...), last.tag)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, dead := r.dead[k.slot]; !dead {
		r.shelf.put(slotOwner(k.slot), b)
	}
}

// shelvedKey makes a key of what is on the shelf, nil where nothing is.
func (r *keyring) shelvedKey(slot uint32) *dataKey {
	b, _, ok := r.shelf.get(make([]byte, 0, shelved), slotOwner(slot))
	if !ok {
		return nil
	}
	k := &dataKey{owner: owner{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])}, slot: slot, has: b[12]}
	b = b[13:]
	k.secret, k.sub = [32]byte(b), [32]byte(b[32:])
	if b = b[64:]; k.has&hasTag != 0 {
		k.tags = []sourceTag{{sayso.Address(b[:len(sayso.Address{})]), binary.LittleEndian.Uint32(b[len(sayso.Address{}):])}}
	}
	return k
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

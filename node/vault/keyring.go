package vault

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The key file is an array of slots of 128 bytes, none of which straddles a
// sector. A slot is written once, and once more when its key is destroyed:
// then it is overwritten where it is. docs/formats/vault-keys.md has the bytes.
const (
	slotSize  = 128
	slotBody  = 16
	slotCRC   = slotSize - 4
	keyFormat = 1

	slotChunk  = 128 // the file grows by a multiple of so many slots of zeros
	slotsAhead = 64  // so many free ones are kept ready
)

const (
	slotFree    = 0 // never written
	slotHead    = 1 // slot 0: format, store id, proof of the root key
	slotKey     = 2 // wrapped data key of a vehicle and epoch
	slotOpening = 3 // salt of an opening of the store
	slotErased  = 4 // a data key was here and is destroyed
	slotVoid    = 5 // lost in a crash before anything used it
)

// errErased says that the key of a part is destroyed: what was asked for was
// erased by its owner.
var errErased = errors.New("vault: erased")

type slot struct {
	kind  byte
	owner owner
	body  []byte
}

func (s *slot) encode() (b [slotSize]byte) {
	b[0], b[1] = s.kind, byte(len(s.body))
	binary.LittleEndian.PutUint32(b[4:], s.owner.epoch)
	binary.LittleEndian.PutUint64(b[8:], s.owner.vehicle)
	copy(b[slotBody:slotCRC], s.body)
	binary.LittleEndian.PutUint32(b[slotCRC:], crc32.Checksum(b[:slotCRC], castagnoli))
	return b
}

func decodeSlot(b []byte) (s slot, ok bool) {
	n := int(b[1])
	if binary.LittleEndian.Uint32(b[slotCRC:]) != crc32.Checksum(b[:slotCRC], castagnoli) ||
		n > slotCRC-slotBody || b[0] == slotFree || b[0] > slotVoid {
		return s, false
	}
	s.kind = b[0]
	s.owner = owner{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint32(b[4:])}
	s.body = b[slotBody : slotBody+n]
	return s, true
}

// keyring is the key file and the keys taken from it.
type keyring struct {
	root    RootKey
	file    vfs.File
	store   [16]byte
	opening uint32 // the slot of this opening
	salt    [16]byte
	counter atomic.Uint64
	cache   *lru[uint32, *dataKey]
	shelf   *shelf // of more of them

	numbers    numbered // the writer's
	numberedTo func(owner) (uint64, error)

	io     sync.Mutex // writes of the file; taken before mu
	mu     sync.Mutex
	live   map[owner]uint32
	spare  map[owner][]uint32 // further keys: a crash came between a new key and the record of the erasure before it
	dead   map[uint32]struct{}
	salts  map[uint32][16]byte
	next   uint32 // first free slot
	length uint32 // slots that the file has, the free ones included
	synced uint32 // slots that are on stable storage
	fresh  []byte // slots from synced to next, not yet written
}

// slotAD binds a wrapped key to its store, slot, vehicle and epoch.
func (r *keyring) slotAD(n uint32, o owner) []byte {
	ad := append([]byte("sayso vault: data key 1"), r.store[:]...)
	ad = binary.LittleEndian.AppendUint32(ad, n)
	ad = binary.LittleEndian.AppendUint64(ad, o.vehicle)
	return binary.LittleEndian.AppendUint32(ad, o.epoch)
}

// openKeyring reads the key file, or creates it where create says that the
// store is new. Slots below promised must be there. Nothing of an existing file
// may be believed to be durable until begin.
func openKeyring(fs vfs.FS, name string, root RootKey, promised uint32, create bool, held int, shelf int64) (*keyring, error) {
	r := &keyring{
		root: root, cache: newLRU[uint32, *dataKey](held), shelf: newShelf(shelf, 0),
		live: make(map[owner]uint32), spare: make(map[owner][]uint32), dead: make(map[uint32]struct{}), salts: make(map[uint32][16]byte),
	}
	_, err := fs.Stat(name)
	switch {
	case err == nil:
	case !create:
		return nil, fmt.Errorf("vault: the key file %s is missing: %w", name, err)
	}
	if r.file, err = fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified); err != nil {
		return nil, fmt.Errorf("vault: key file: %w", err)
	}
	if err := r.load(name, promised, create); err != nil {
		return nil, errors.Join(err, r.file.Close())
	}
	return r, nil
}

func (r *keyring) load(name string, promised uint32, create bool) error {
	info, err := r.file.Stat()
	if err != nil {
		return fmt.Errorf("vault: key file: %w", err)
	}
	all := make([]byte, info.Size()/slotSize*slotSize)
	if _, err := io.ReadFull(io.NewSectionReader(r.file, 0, int64(len(all))), all); err != nil {
		return fmt.Errorf("vault: key file: %w", err)
	}
	head, ok := slot{}, false
	if len(all) >= slotSize {
		head, ok = decodeSlot(all[:slotSize])
	}
	if !ok || head.kind != slotHead || len(head.body) < 17 {
		if create {
			return r.create()
		}
		return fmt.Errorf("vault: the key file %s has no valid head", name)
	}
	if head.body[0] != keyFormat {
		return fmt.Errorf("vault: the key file %s has format %d, this program reads %d", name, head.body[0], keyFormat)
	}
	copy(r.store[:], head.body[1:17])
	if _, err := r.root.Unwrap(head.body[17:], r.store[:]); err != nil {
		return fmt.Errorf("vault: the root key is not the one of %s: %w", name, err)
	}
	var void []uint32
	r.next, r.length = 1, uint32(len(all)/slotSize)
	for n := uint32(1); int(n)*slotSize < len(all); n++ {
		s, ok := decodeSlot(all[int(n)*slotSize:][:slotSize])
		if !ok {
			if n < promised {
				return fmt.Errorf("vault: slot %d of the key file %s is damaged", n, name)
			}
			void = append(void, n)
			continue
		}
		r.take(n, &s)
		r.next = n + 1
	}
	if r.next < promised {
		return fmt.Errorf("vault: the key file %s has %d slots, the checkpoint promises %d", name, r.next, promised)
	}
	r.synced = r.next
	if promised = max(promised, 1); r.next > promised {
		// Like the last group of the log: read, and maybe never written.
		at := int64(promised) * slotSize
		if _, err := r.file.WriteAt(all[at:int64(r.next)*slotSize], at); err != nil {
			return fmt.Errorf("vault: key file: %w", err)
		}
	}
	return r.fill(void)
}

// take notes what a slot holds.
func (r *keyring) take(n uint32, s *slot) {
	switch s.kind {
	case slotKey:
		// Of two keys the first is in use until an erasure in the log destroys it.
		if _, ok := r.live[s.owner]; ok {
			r.spare[s.owner] = append(r.spare[s.owner], n)
		} else {
			r.live[s.owner] = n
		}
	case slotOpening:
		r.salts[n] = [16]byte(append(s.body[:len(s.body):len(s.body)], make([]byte, 16)...))
	case slotErased:
		r.dead[n] = struct{}{}
	}
}

// fill marks the gaps that a crash left between valid slots. Their keys were
// never used: a key is synced before the first record under it is. What is
// written here is synced by begin, before recovery builds on it.
func (r *keyring) fill(void []uint32) error {
	for _, n := range void {
		if n >= r.next {
			break
		}
		b := (&slot{kind: slotVoid}).encode()
		if _, err := r.file.WriteAt(b[:], int64(n)*slotSize); err != nil {
			return fmt.Errorf("vault: key file: %w", err)
		}
	}
	return nil
}

func (r *keyring) create() error {
	rand.Read(r.store[:])
	proof, err := r.root.Wrap(r.store[:], r.store[:])
	if err != nil {
		return fmt.Errorf("vault: root key: %w", err)
	}
	body := append(append([]byte{keyFormat}, r.store[:]...), proof...)
	if len(body) > slotCRC-slotBody {
		return fmt.Errorf("vault: the root key wraps 16 bytes into %d, at most %d fit", len(proof), slotCRC-slotBody-17)
	}
	b := (&slot{kind: slotHead, body: body}).encode()
	if _, err := r.file.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("vault: key file: %w", err)
	}
	r.next, r.synced, r.length = 1, 1, 1
	return r.file.Sync()
}

// begin makes a new opening durable; what is sealed from now on is under it.
func (r *keyring) begin() error {
	if err := r.room(1); err != nil {
		return err
	}
	rand.Read(r.salt[:])
	r.mu.Lock()
	r.opening = r.add(&slot{kind: slotOpening, body: r.salt[:]})
	r.salts[r.opening] = r.salt
	r.mu.Unlock()
	return r.flush()
}

// lacking is how many new keys a group can need at most.
func (r *keyring) lacking(list []*pending) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range list {
		if p.kind == frameErase {
			n++ // and then another one for the same owner
		}
		for i := range p.parts {
			if _, ok := r.live[owner{p.parts[i].vehicle, p.parts[i].epoch}]; !ok {
				n++
			}
		}
	}
	return n
}

// room has space for so many new slots on the disk, so that writing a key needs
// none. The error is errNoSpace where the disk is full.
func (r *keyring) room(slots int) error {
	r.io.Lock()
	defer r.io.Unlock()
	r.mu.Lock()
	need, have := int(r.next)+slots, int(r.length)
	r.mu.Unlock()
	if need <= have {
		return nil
	}
	// A sixteenth more at a time, so that a store of many vehicles seldom waits for it.
	grow := (max(need-have, have/16) + slotChunk - 1) / slotChunk * slotChunk
	_, err := r.file.WriteAt(make([]byte, grow*slotSize), int64(have)*slotSize)
	if err == nil {
		err = r.file.Sync()
	}
	switch {
	case vfs.IsNoSpaceError(err):
		return errNoSpace
	case err != nil:
		return fmt.Errorf("vault: key file: %w", err)
	}
	r.mu.Lock()
	r.length = uint32(have + grow)
	r.mu.Unlock()
	return nil
}

// add puts a slot at the end; flush writes it.
func (r *keyring) add(s *slot) uint32 {
	n := r.next
	b := s.encode()
	r.fresh = append(r.fresh, b[:]...)
	r.next++
	return n
}

// flush makes the added slots durable. Only one goroutine may call it.
func (r *keyring) flush() error {
	r.io.Lock()
	defer r.io.Unlock()
	r.mu.Lock()
	fresh, at, next := r.fresh, r.synced, r.next
	r.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	if _, err := r.file.WriteAt(fresh, int64(at)*slotSize); err != nil {
		return fmt.Errorf("vault: key file: %w", err)
	}
	if err := r.file.SyncData(); err != nil {
		return fmt.Errorf("vault: key file: %w", err)
	}
	r.mu.Lock()
	r.synced, r.fresh = next, r.fresh[:0]
	r.mu.Unlock()
	return nil
}

// content is every slot that is on stable storage, as it is there.
func (r *keyring) content() ([]byte, error) {
	r.io.Lock()
	defer r.io.Unlock()
	b := make([]byte, int(r.slots())*slotSize)
	if _, err := r.file.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("vault: key file: %w", err)
	}
	return b, nil
}

// slots is the number of slots on stable storage, for the checkpoint.
func (r *keyring) slots() uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.synced
}

// current gives the data key of an owner, or nil where there is none.
func (r *keyring) current(o owner) (*dataKey, error) {
	r.mu.Lock()
	n, ok := r.live[o]
	r.mu.Unlock()
	if !ok {
		return nil, nil
	}
	return r.bySlot(n)
}

// ensure gives the data key of an owner, a new one where there is none. A new
// one must be flushed before anything sealed with it is written.
func (r *keyring) ensure(o owner) (*dataKey, error) {
	if k, err := r.current(o); k != nil || err != nil {
		return k, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := &dataKey{owner: o, slot: r.next}
	rand.Read(k.secret[:])
	wrapped, err := r.root.Wrap(k.secret[:], r.slotAD(k.slot, o))
	if err != nil {
		return nil, fmt.Errorf("vault: root key: %w", err)
	}
	if len(wrapped) > slotCRC-slotBody {
		return nil, fmt.Errorf("vault: the root key wraps 32 bytes into %d, at most %d fit", len(wrapped), slotCRC-slotBody)
	}
	r.add(&slot{kind: slotKey, owner: o, body: wrapped})
	r.live[o] = k.slot
	r.cache.put(k.slot, k)
	return k, nil
}

// bySlot gives the data key in a slot.
func (r *keyring) bySlot(n uint32) (*dataKey, error) {
	k, generation, ok := r.cache.get(n)
	if ok {
		return k, nil
	}
	if k = r.shelvedKey(n); k != nil {
		r.cache.offer(n, k, generation)
		return k, nil
	}
	r.mu.Lock()
	_, dead := r.dead[n]
	var b [slotSize]byte
	var err error
	if at := int64(n) - int64(r.synced); at >= 0 && at < int64(len(r.fresh))/slotSize {
		copy(b[:], r.fresh[at*slotSize:])
	} else if !dead {
		_, err = r.file.ReadAt(b[:], int64(n)*slotSize)
	}
	r.mu.Unlock()
	if dead {
		return nil, errErased
	}
	if err != nil {
		return nil, fmt.Errorf("vault: key file: %w", err)
	}
	s, ok := decodeSlot(b[:])
	if !ok || s.kind != slotKey {
		return nil, fmt.Errorf("vault: slot %d of the key file holds no key", n)
	}
	secret, err := r.root.Unwrap(s.body, r.slotAD(n, s.owner))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("vault: the key in slot %d does not unwrap: %w", n, errors.Join(err))
	}
	k = &dataKey{owner: s.owner, slot: n, secret: [32]byte(secret)}
	r.cache.offer(n, k, generation)
	return k, nil
}

func (r *keyring) saltOf(opening uint32) (salt [16]byte, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	salt, ok = r.salts[opening]
	return salt, ok
}

// destroyed says whether the key that was in a slot is destroyed.
func (r *keyring) destroyed(n uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, dead := r.dead[n]
	return dead
}

// retire makes the next part of an owner be sealed with a new key and gives
// the slots of the keys so far.
func (r *keyring) retire(o owner) []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.spare[o]
	if n, ok := r.live[o]; ok {
		list = append(list, n)
	}
	delete(r.live, o)
	delete(r.spare, o)
	return list
}

// destroy overwrites keys where they are and returns when that is durable. It
// may be repeated. The log has the erasure already, so from its beginning on nobody
// needs to find them, and nobody looks at a slot that is being overwritten.
func (r *keyring) destroy(o owner, slots []uint32) error {
	r.io.Lock()
	defer r.io.Unlock()
	r.mu.Lock()
	for _, n := range slots {
		r.dead[n] = struct{}{}
	}
	r.mu.Unlock()
	b := (&slot{kind: slotErased, owner: o}).encode()
	for _, n := range slots {
		if _, err := r.file.WriteAt(b[:], int64(n)*slotSize); err != nil {
			return fmt.Errorf("vault: key file: %w", err)
		}
	}
	if err := r.file.SyncData(); err != nil {
		return fmt.Errorf("vault: key file: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range slots {
		r.cache.drop(n)
		r.shelf.drop(slotOwner(n))
	}
	left := slices.DeleteFunc(r.spare[o], func(n uint32) bool { return slices.Contains(slots, n) })
	if n, ok := r.live[o]; ok && slices.Contains(slots, n) {
		delete(r.live, o)
		if len(left) > 0 {
			r.live[o], left = left[0], left[1:]
		}
	}
	if r.spare[o] = left; len(left) == 0 {
		delete(r.spare, o)
	}
	return nil
}

package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The names that the key file has on its way to another root key. Until keysNext
// is there, the old root key opens everything and the new one nothing; from then
// on the new one opens everything, and the next opening finishes the way.
const (
	keysName  = "keys"
	keysDraft = "keys.draft" // being written
	keysNext  = "keys.next"  // whole, and not yet in its place
	keysWaste = "keys.waste" // in its place, to be overwritten and removed
)

// ErrInUse says that another process has a store open.
var ErrInUse = errors.New("vault: the directory is in use")

// ErrOtherRootKey says that a store is under neither of the root keys.
var ErrOtherRootKey = errors.New("vault: the store is under another root key")

// Rewrap puts the data keys of a store that nobody has open under another root
// key. No data is written again: only the key file is, in its place, so that the
// old wrapping is gone from it. It may be repeated, also after a crash at any
// moment: a store that is under the new root key already is left as it is.
func Rewrap(fs vfs.FS, dir string, from, to RootKey) (err error) {
	path := func(name string) string { return fs.PathJoin(dir, name) }
	unlock, err := lockDir(fs, path("lock"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := finishRewrap(fs, dir, to); err != nil {
		return err
	}
	content, err := readNamed(fs, path(keysName))
	if err != nil {
		return fmt.Errorf("vault: key file: %w", err)
	}
	if opensKeys(content, to) {
		return nil
	}
	if !opensKeys(content, from) {
		return ErrOtherRootKey
	}
	if err := rewrapped(content, from, to); err != nil {
		return err
	}
	if err := writeNamed(fs, path(keysDraft), content); err != nil {
		return fmt.Errorf("vault: rewrapping the keys: %w", err)
	}
	if err := rename(fs, dir, keysDraft, keysNext); err != nil {
		return err
	}
	return finishRewrap(fs, dir, to)
}

// finishRewrap takes up a rewrapping where a crash has left it. The caller has the
// lock of the directory.
func finishRewrap(fs vfs.FS, dir string, root RootKey) error {
	path := func(name string) string { return fs.PathJoin(dir, name) }
	for _, name := range []string{keysDraft, keysWaste} {
		if err := wipe(fs, dir, name); err != nil {
			return err
		}
	}
	content, err := readNamed(fs, path(keysNext))
	if isNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("vault: rewrapping the keys: %w", err)
	}
	if !opensKeys(content, root) {
		return fmt.Errorf("%w: it was being put under a new one when that was cut off; give the new one", ErrOtherRootKey)
	}
	if err := writeNamed(fs, path(keysName), content); err != nil {
		return fmt.Errorf("vault: rewrapping the keys: %w", err)
	}
	if err := rename(fs, dir, keysNext, keysWaste); err != nil {
		return err
	}
	return wipe(fs, dir, keysWaste)
}

// opensKeys says whether a key file is under a root key.
func opensKeys(content []byte, root RootKey) bool {
	if len(content) < slotSize {
		return false
	}
	head, ok := decodeSlot(content[:slotSize])
	if !ok || head.kind != slotHead || len(head.body) < 17 {
		return false
	}
	store, err := root.Unwrap(head.body[17:], head.body[1:17])
	return err == nil && bytes.Equal(store, head.body[1:17])
}

// rewrapped changes the wrapping in a key file.
func rewrapped(content []byte, from, to RootKey) error {
	r := &keyring{}
	for n := range len(content) / slotSize {
		b := content[n*slotSize:][:slotSize]
		s, ok := decodeSlot(b)
		if !ok || s.kind != slotHead && s.kind != slotKey {
			continue
		}
		var old, ad []byte
		if s.kind == slotHead {
			copy(r.store[:], s.body[1:17])
			old, ad = s.body[17:], r.store[:]
		} else {
			old, ad = s.body, r.slotAD(uint32(n), s.owner)
		}
		plain, err := from.Unwrap(old, ad)
		if err != nil {
			return fmt.Errorf("vault: the key in slot %d does not unwrap: %w", n, err)
		}
		wrapped, err := to.Wrap(plain, ad)
		if err != nil {
			return fmt.Errorf("vault: root key: %w", err)
		}
		if s.kind == slotHead {
			wrapped = append(bytes.Clone(s.body[:17]), wrapped...)
		}
		if len(wrapped) > slotCRC-slotBody {
			return fmt.Errorf("vault: the root key wraps %d bytes into %d, at most %d fit", len(plain), len(wrapped), slotCRC-slotBody)
		}
		s.body = wrapped
		next := s.encode()
		copy(b, next[:])
	}
	return nil
}

func readNamed(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// writeNamed writes a whole file where it is, durably.
func writeNamed(fs vfs.FS, name string, content []byte) error {
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	return errors.Join(err, f.Sync(), f.Close())
}

func rename(fs vfs.FS, dir, from, to string) error {
	err := syncDir(fs, dir) // the name so far
	if err == nil {
		err = fs.Rename(fs.PathJoin(dir, from), fs.PathJoin(dir, to))
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	if err != nil {
		return fmt.Errorf("vault: rewrapping the keys: %w", err)
	}
	return nil
}

// wipe overwrites a file, if it is there, and removes it.
func wipe(fs vfs.FS, dir, name string) error {
	full := fs.PathJoin(dir, name)
	info, err := fs.Stat(full)
	if isNotExist(err) {
		return nil
	}
	if err == nil {
		err = writeNamed(fs, full, make([]byte, info.Size()))
	}
	if err == nil {
		err = fs.Remove(full)
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	if err != nil {
		return fmt.Errorf("vault: rewrapping the keys: %w", err)
	}
	return nil
}

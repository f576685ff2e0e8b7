package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/internal/durable"
	"sayso/internal/rootkey"
	"sayso/node/vault"
)

// OpenRootKey opens the key that the vault's keys are sealed with: from a
// passphrase where one is given, else from a file outside the data folder.
func (c Config) OpenRootKey() (vault.RootKey, error) {
	for _, file := range []string{c.rootKeyFile(), c.saltFile()} {
		if _, err := os.Stat(file + fresh); err == nil {
			return nil, sayso.Fail(sayso.Conflict, "root key", fmt.Sprintf("changing the root key was cut off, %s is there: finish it with the command that began it, `sayso keys rotate-root`", file+fresh))
		}
	}
	return c.rootKey("")
}

// rootKey opens the present root key, or, with a suffix, the next one.
func (c Config) rootKey(suffix string) (*rootkey.Key, error) {
	if c.Passphrase != "" {
		return rootkey.FromPassphrase([]byte(c.Passphrase), c.saltFile()+suffix)
	}
	return rootkey.FromFile(c.rootKeyFile() + suffix)
}

// saltFile is where the salt of the passphrase is.
func (c Config) saltFile() string { return filepath.Join(c.Data, "passphrase.salt") }

// rootKeyFile is where the root key is, if there is no passphrase.
func (c Config) rootKeyFile() string {
	if c.RootKey != "" {
		return c.RootKey
	}
	return filepath.Join(c.Keys, "root.key")
}

// fresh is behind the name of a key file or salt that is not in use yet.
const fresh = ".new"

// RotateRoot puts everything that a node keeps under a new root key: another
// passphrase where one is given, else a new random key in the file. The node must
// not run. It may be repeated after a crash at any moment, with the same
// passphrase. What the old key was in is kept under another name, which it tells:
// older backups need it.
func (c Config) RotateRoot(passphrase string, now time.Time) (old string, err error) {
	next := c
	next.Passphrase = passphrase
	for _, file := range []string{c.rootKeyFile(), c.saltFile()} {
		other := file == c.saltFile() != (passphrase != "")
		if _, err := os.Stat(file + fresh); err == nil && other {
			return "", sayso.Fail(sayso.Conflict, "root key", fmt.Sprintf("changing the root key was cut off, %s is there: finish that first, with a passphrase if it was begun with one and without if not", file+fresh))
		}
	}
	file, nextFile := c.rootKeyFile(), next.rootKeyFile()
	if c.Passphrase != "" {
		file = c.saltFile()
	}
	if passphrase != "" {
		nextFile = c.saltFile()
	}
	if _, err := os.Stat(file); err != nil {
		return "", sayso.Fail(sayso.NotFound, "root key", fmt.Sprintf("there is no %s: name the folders of the node with --data and --keys, and give the passphrase if there is one", file))
	}
	from, err := c.rootKey("")
	if err != nil {
		return "", err
	}
	_, begun := os.Stat(nextFile + fresh)
	to, err := next.rootKey(fresh)
	if err != nil {
		return "", err
	}
	if err := vault.Rewrap(vfs.Default, c.VaultDir(), from, to); err != nil {
		if begun != nil && (errors.Is(err, vault.ErrOtherRootKey) || errors.Is(err, vault.ErrInUse)) {
			err = errors.Join(err, os.Remove(nextFile+fresh)) // nothing has begun
		}
		return "", err
	}
	old = file + "." + now.UTC().Format("20060102T150405Z")
	if err := os.Link(file, old); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	if err := os.Rename(nextFile+fresh, nextFile); err != nil {
		return "", err
	}
	if nextFile != file {
		err = os.Remove(file)
	}
	return old, errors.Join(err, durable.SyncDir(filepath.Dir(file)), durable.SyncDir(filepath.Dir(nextFile)))
}

package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"sayso"
	"sayso/node/vault"
)

// openVaultOf opens the vault of settings and closes it again.
func openVaultOf(c Config) error {
	root, err := c.OpenRootKey()
	if err != nil {
		return err
	}
	v, err := vault.Open(vault.Config{Dir: c.VaultDir(), RootKey: root, Inner: true, MinFreeBytes: 1, SegmentBytes: 1 << 20})
	if err != nil {
		return err
	}
	return v.Close()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRotateRoot goes from a file to another one, to a passphrase, to another
// passphrase, and back to a file. What was before opens nothing each time.
func TestRotateRoot(t *testing.T) {
	dir := t.TempDir()
	c := Config{Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys")}
	must(t, os.MkdirAll(c.Data, 0o700))
	must(t, openVaultOf(c))
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for n, passphrase := range []string{"", "first words", "second words", ""} {
		now = now.Add(time.Hour)
		before := c
		text, err := os.ReadFile(c.rootKeyFile())
		if c.Passphrase == "" {
			must(t, err)
		}
		old, err := c.RotateRoot(passphrase, now)
		must(t, err)
		c.Passphrase = passphrase
		must(t, openVaultOf(c))
		if before.Passphrase == "" {
			kept, err := os.ReadFile(old)
			if must(t, err); string(kept) != string(text) {
				t.Errorf("change %d: %s is not the old key", n, old)
			}
			must(t, os.WriteFile(filepath.Join(dir, "old.key"), kept, 0o600))
			before.RootKey = filepath.Join(dir, "old.key")
		}
		if before.Passphrase != passphrase || before.RootKey != "" {
			if err := openVaultOf(before); err == nil {
				t.Errorf("change %d: the old root key still opens the vault", n)
			}
		}
		for _, left := range []string{c.rootKeyFile() + fresh, c.saltFile() + fresh} {
			if _, err := os.Stat(left); err == nil {
				t.Errorf("change %d: %s is left", n, left)
			}
		}
		if passphrase != "" {
			os.Remove(c.rootKeyFile()) // a try with the old settings has made one
		}
	}
}

// TestARotationThatWasCutOffIsFinished: a start refuses until the command is given
// again, which then ends it.
func TestARotationThatWasCutOffIsFinished(t *testing.T) {
	for _, done := range []bool{false, true} { // cut off before or behind the vault
		dir := t.TempDir()
		c := Config{Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys")}
		must(t, os.MkdirAll(c.Data, 0o700))
		must(t, openVaultOf(c))
		from, err := c.rootKey("")
		must(t, err)
		to, err := c.rootKey(fresh)
		must(t, err)
		if done {
			must(t, vault.Rewrap(vfs.Default, c.VaultDir(), from, to))
		}
		err = openVaultOf(c)
		if sayso.FaultOf(err) != sayso.Conflict || !strings.Contains(err.Error(), "rotate-root") {
			t.Errorf("a start says %v", err)
		}
		if _, err := c.RotateRoot("words", time.Unix(1, 0)); sayso.FaultOf(err) != sayso.Conflict {
			t.Errorf("another change instead: %v", err)
		}
		if _, err := c.RotateRoot("", time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		must(t, openVaultOf(c))
	}
}

// TestRotateRootRefuses what cannot be right, and changes nothing.
func TestRotateRootRefuses(t *testing.T) {
	dir := t.TempDir()
	c := Config{Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "keys")}
	must(t, os.MkdirAll(c.Data, 0o700))
	if _, err := c.RotateRoot("", time.Unix(1, 0)); sayso.FaultOf(err) != sayso.NotFound {
		t.Errorf("without a root key: %v", err)
	}
	must(t, openVaultOf(c))
	other := c
	other.RootKey = filepath.Join(dir, "other.key")
	must(t, os.WriteFile(other.RootKey, []byte(strings.Repeat("ab", 32)), 0o600))
	if _, err := other.RotateRoot("", time.Unix(1, 0)); !errors.Is(err, vault.ErrOtherRootKey) {
		t.Errorf("with another root key: %v", err)
	}
	for _, c := range []Config{other, c} {
		if _, err := os.Stat(c.rootKeyFile() + fresh); err == nil {
			t.Errorf("%s was made", c.rootKeyFile()+fresh)
		}
	}
	must(t, openVaultOf(c))
	root, err := c.OpenRootKey()
	must(t, err)
	v, err := vault.Open(vault.Config{Dir: c.VaultDir(), RootKey: root, MinFreeBytes: 1, SegmentBytes: 1 << 20})
	must(t, err)
	if _, err := c.RotateRoot("", time.Unix(1, 0)); !errors.Is(err, vault.ErrInUse) {
		t.Errorf("under a running node: %v", err)
	}
	must(t, v.Close())
	must(t, openVaultOf(c))
}

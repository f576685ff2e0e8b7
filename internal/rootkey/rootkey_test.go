package rootkey

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestWrapBindsWhatItIsFor(t *testing.T) {
	k, err := New([Size]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte("a data key of thirty-two bytes..")
	w, err := k.Wrap(plain, []byte("vehicle 7"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(w, plain) || len(w) != len(plain)+28 {
		t.Fatalf("wrapped to %x", w)
	}
	if got, err := k.Unwrap(w, []byte("vehicle 7")); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("unwrapped to %q, %v", got, err)
	}
	if _, err := k.Unwrap(w, []byte("vehicle 8")); err == nil {
		t.Fatal("a key of vehicle 7 unwrapped for vehicle 8")
	}
	other, err := New([Size]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Unwrap(w, []byte("vehicle 7")); err == nil {
		t.Fatal("another root key unwrapped it")
	}
}

// opens says whether both keys are the same.
func opens(t *testing.T, a, b *Key) bool {
	t.Helper()
	w, err := a.Wrap([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Unwrap(w, nil)
	return err == nil
}

func TestFileKeepsTheKey(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys", "root.key")
	a, err := FromFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := FromFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !opens(t, a, b) {
		t.Fatal("the second reading gave another key")
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(left) != 1 {
		t.Fatalf("files left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(name, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := FromFile(name); err == nil {
		t.Fatal("a file without a key gave one")
	}
}

func TestPassphraseNeedsItsSalt(t *testing.T) {
	dir := t.TempDir()
	salt := filepath.Join(dir, "salt")
	key := func(pass, file string) *Key {
		t.Helper()
		k, err := FromPassphrase([]byte(pass), file)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	a := key("correct horse", salt)
	if !opens(t, a, key("correct horse", salt)) {
		t.Fatal("the same passphrase and salt gave another key")
	}
	if opens(t, a, key("wrong horse", salt)) {
		t.Fatal("another passphrase gave the same key")
	}
	if opens(t, a, key("correct horse", filepath.Join(dir, "other"))) {
		t.Fatal("another salt gave the same key")
	}
	if _, err := FromPassphrase(nil, salt); err == nil {
		t.Fatal("an empty passphrase gave a key")
	}
}

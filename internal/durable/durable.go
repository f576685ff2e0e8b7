// Package durable writes files that are there, whole, after a power cut: the
// content is synced before the file gets its name, and the folder after.
package durable

import (
	"net/url"
	"os"
	"path/filepath"
)

// WriteFile replaces a file by one of that content, or leaves the old one.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := fill(f, content, mode); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

func fill(f *os.File, content []byte, mode os.FileMode) error {
	defer f.Close()
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// FileURI is the file: URI of a path, as SQLite takes it; a path may hold the
// characters that end a URI's path.
func FileURI(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

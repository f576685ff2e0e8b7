package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sayso"
	"sayso/internal/durable"
)

// Read reads the manifest of a backup and checks it against its digest.
func Read(from string) (Manifest, error) {
	const op = "backup"
	var m Manifest
	body, err := os.ReadFile(filepath.Join(from, ManifestName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, sayso.Fail(sayso.NotFound, op, fmt.Sprintf("%s is no backup: it has no %s, which is written last; a backup that was cut off has none", from, ManifestName))
	case err != nil:
		return m, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("the manifest of %s is damaged: %v", from, err))
	}
	if m.Format != Format {
		return m, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("the backup in %s has format %d, this program reads %d", from, m.Format, Format))
	}
	if m.Digest != m.digest() {
		return m, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("the manifest of %s is damaged: it does not have the digest that it says", from))
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) || f.Name == ManifestName {
			return m, sayso.Fail(sayso.Invalid, op, fmt.Sprintf("the manifest of %s names a file outside it: %s", from, f.Name))
		}
	}
	return m, nil
}

// Check compares every file of a backup with its manifest. The error names all
// that are missing or altered.
func Check(ctx context.Context, from string, tell func(bytes int64)) (Manifest, error) {
	m, err := Read(from)
	if err != nil {
		return m, err
	}
	return m, m.each(from, func(f File, path string) error { return f.copy(ctx, path, nil, tell) })
}

// each calls do for every file and gathers what is wrong.
func (m *Manifest) each(from string, do func(f File, path string) error) error {
	var wrong []string
	for _, f := range m.Files {
		err := do(f, filepath.Join(from, filepath.FromSlash(f.Name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			wrong = append(wrong, f.Name+" is missing")
		case errors.Is(err, errAltered):
			wrong = append(wrong, f.Name+" is altered")
		case err != nil:
			return fmt.Errorf("backup: %s: %w", f.Name, err)
		}
	}
	if wrong != nil {
		return sayso.Fail(sayso.Invalid, "backup", fmt.Sprintf("the backup in %s is damaged: %s; take another one", from, strings.Join(wrong, ", ")))
	}
	return nil
}

var errAltered = errors.New("the content is another one")

// copy reads a file, into another one where to is given, and compares it with
// what the manifest says.
func (f File) copy(ctx context.Context, path string, to io.Writer, tell func(int64)) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := sha256.New()
	out := []io.Writer{h, counted{ctx, tell}}
	if to != nil {
		out = append(out, to)
	}
	n, err := io.Copy(io.MultiWriter(out...), in)
	if err != nil {
		return err
	}
	if n != f.Size || hex.EncodeToString(h.Sum(nil)) != f.SHA256 {
		return errAltered
	}
	return nil
}

// unfinished is what is behind the name of a data folder while it is filled, so
// that a node does not start on part of it.
const unfinished = ".restoring"

// Restore puts a backup into a data folder, which must not be there or be empty.
// Every file is checked on the way. The folder has its name when all of it is
// there and durable.
func Restore(ctx context.Context, from, data string, tell func(bytes int64)) (Manifest, error) {
	m, err := Read(from)
	if err != nil {
		return m, err
	}
	if err := empty(data); err != nil {
		return m, sayso.Fail(sayso.Conflict, "restore", data+" is not empty: a backup is restored into a folder that is not there yet; name one with --data")
	}
	part := filepath.Clean(data) + unfinished
	if err := os.RemoveAll(part); err != nil {
		return m, err
	}
	err = m.each(from, func(f File, path string) error {
		to := filepath.Join(part, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		return errors.Join(f.copy(ctx, path, out, tell), out.Sync(), out.Close())
	})
	if err == nil {
		err = syncFolders(part)
	}
	if err != nil {
		return m, errors.Join(err, os.RemoveAll(part))
	}
	if err := os.Remove(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if err := os.Rename(part, data); err != nil {
		return m, err
	}
	return m, durable.SyncDir(filepath.Dir(filepath.Clean(data)))
}

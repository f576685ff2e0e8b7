// Package backup copies everything that a node needs to start again, except its
// secret keys, while the node goes on, and puts such a copy in place on another
// machine. docs/formats/backup.md has the form.
package backup

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"sayso"
	"sayso/internal/durable"
)

// ManifestName is the file that makes a folder a backup. It is written last.
const ManifestName = "manifest.json"

// Format is the version of the form.
const Format = 1

// vaultDir is where the vault is in a data folder.
const vaultDir = "vault"

// Manifest says what a backup holds.
type Manifest struct {
	Format   int       `json:"format"`
	Taken    time.Time `json:"taken"`
	Sequence uint64    `json:"sequence"` // every deposit up to it is there
	Files    []File    `json:"files"`    // ascending by name
	Digest   string    `json:"digest"`   // of all the above, see [Manifest.digest]
}

// File is a file of a backup.
type File struct {
	Name   string `json:"name"` // relative, with slashes
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Bytes is the size of all files.
func (m *Manifest) Bytes() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// digest is the SHA-256 of a line with format, time and sequence, and a line for
// each file.
func (m *Manifest) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "sayso backup %d %s %d\n", m.Format, m.Taken.UTC().Format(time.RFC3339), m.Sequence)
	for _, f := range m.Files {
		fmt.Fprintf(h, "%s %d %s\n", f.SHA256, f.Size, f.Name)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Store is a vault as far as it is copied.
type Store interface {
	Backup(ctx context.Context, put func(name string, content io.Reader) error) (seq uint64, err error)
}

// Take copies a data folder into another one, which must not be there or be
// empty. The vault of the folder is open as store, and the rest may be in use. It
// calls tell, if given, with what it has copied.
//
// The vault comes first and the blocks of the node's own chain last: a registry
// may be behind its chain, never ahead of it.
func Take(ctx context.Context, data string, store Store, to string, now time.Time, tell func(bytes int64)) (Manifest, error) {
	w := &writer{ctx: ctx, to: to, tell: tell, m: Manifest{Format: Format, Taken: now.UTC().Truncate(time.Second)}}
	if err := empty(to); err != nil {
		return w.m, err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return w.m, err
	}
	var err error
	w.m.Sequence, err = store.Backup(ctx, func(name string, r io.Reader) error { return w.put(vaultDir+"/"+name, r) })
	if err != nil {
		return w.m, err
	}
	names, err := others(data)
	if err != nil {
		return w.m, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".db") {
			err = w.database(data, name)
		} else {
			err = w.file(data, name)
		}
		if err != nil {
			return w.m, err
		}
	}
	return w.m, w.finish()
}

// empty refuses a folder with something in it.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return sayso.Fail(sayso.Conflict, "backup", dir+" is not empty: name a folder that is not there yet")
	}
	return nil
}

// others lists what is kept beside the vault: databases and plain files, without
// what is derived. What the chain is made of comes last.
func others(data string) (names []string, err error) {
	var chain []string
	err = filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(data, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		switch {
		case e.IsDir() && (name == vaultDir || strings.HasPrefix(name, "chain/") && name != "chain/blocks"):
			return fs.SkipDir
		case !e.Type().IsRegular() || derived(name):
		case strings.HasPrefix(name, "chain/"):
			chain = append(chain, name)
		default:
			names = append(names, name)
		}
		return nil
	})
	return append(names, chain...), err
}

// derived says of a file that it is made anew where it is missing.
func derived(name string) bool {
	base := name[strings.LastIndex(name, "/")+1:]
	return strings.HasPrefix(base, ".") || strings.HasSuffix(base, "-wal") || strings.HasSuffix(base, "-shm") ||
		strings.HasPrefix(name, "chain/") && !strings.HasPrefix(name, "chain/blocks/")
}

// writer fills a folder.
type writer struct {
	ctx  context.Context
	to   string
	tell func(int64)
	m    Manifest
}

// put writes one file durably and notes its hash.
func (w *writer) put(name string, r io.Reader) error {
	path := filepath.Join(w.to, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h, counted{w.ctx, w.tell}), r)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("backup: %s: %w", name, err)
	}
	w.m.Files = append(w.m.Files, File{name, n, hex.EncodeToString(h.Sum(nil))})
	return nil
}

// counted tells how much was copied, and ends when its context does.
type counted struct {
	ctx  context.Context
	tell func(int64)
}

func (c counted) Write(b []byte) (int, error) {
	if c.tell != nil {
		c.tell(int64(len(b)))
	}
	return len(b), c.ctx.Err()
}

// file copies a plain file as long as it is now.
func (w *writer) file(data, name string) error {
	f, err := os.Open(filepath.Join(data, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return w.put(name, io.LimitReader(f, info.Size()))
}

// database copies a SQLite database as it is at one moment, without what was
// deleted from it.
func (w *writer) database(data, name string) error {
	db, err := sql.Open("sqlite", durable.FileURI(filepath.Join(data, filepath.FromSlash(name)))+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	whole := filepath.Join(w.to, ".database")
	if _, err := db.ExecContext(w.ctx, "VACUUM INTO ?", whole); err != nil {
		return fmt.Errorf("backup: %s: %w", name, err)
	}
	defer os.Remove(whole)
	f, err := os.Open(whole)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.put(name, f)
}

// finish makes every name durable and then writes the manifest.
func (w *writer) finish() error {
	slices.SortFunc(w.m.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	w.m.Digest = w.m.digest()
	if err := syncFolders(w.to); err != nil {
		return err
	}
	body, err := json.MarshalIndent(w.m, "", " ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(w.to, ManifestName), append(body, '\n'), 0o600); err != nil {
		return err
	}
	parent, err := filepath.Abs(filepath.Join(w.to, ".."))
	if err != nil {
		return err
	}
	return durable.SyncDir(parent)
}

// syncFolders makes the names below a folder durable.
func syncFolders(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		return durable.SyncDir(path)
	})
}

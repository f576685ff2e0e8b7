package backup

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sayso"
	"sayso/internal/durable"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// rows stands for a vault: two files as of a sequence.
type rows struct{}

func (rows) Backup(_ context.Context, put func(string, io.Reader) error) (uint64, error) {
	for name, content := range map[string]string{"rows/000001.sst": "a table", "log/1": "events"} {
		if err := put(name, strings.NewReader(content)); err != nil {
			return 0, err
		}
	}
	return 41, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

// folder is a data folder in use: its database is open, and its newest row is in
// the write-ahead log alone.
func folder(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "data")
	write(t, dir, "vault/rows/000001.sst", "not this one: the vault gives its own")
	write(t, dir, "chain/blocks/1", "a block")
	write(t, dir, "chain/state/1", "made from the blocks")
	write(t, dir, "documents/baf", "a document")
	write(t, dir, ".half", "half a file")
	db, err := sql.Open("sqlite", durable.FileURI(filepath.Join(dir, "registry.db"))+"?_pragma=journal_mode(wal)&_pragma=wal_autocheckpoint(0)")
	must(t, err)
	t.Cleanup(func() { db.Close() })
	_, err = db.Exec("CREATE TABLE cars (id INTEGER); INSERT INTO cars VALUES (7)")
	must(t, err)
	return dir
}

// content is everything in a folder, by name.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(rel)] = string(b)
		return err
	}))
	return all
}

func take(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	m, err := Take(context.Background(), folder(t), rows{}, to, noon, nil)
	must(t, err)
	if m.Sequence != 41 || len(m.Files) != 5 {
		t.Fatalf("%+v", m)
	}
	return to
}

func TestWhatWasTakenIsRestored(t *testing.T) {
	from := take(t)
	var told int64
	data := filepath.Join(t.TempDir(), "data")
	m, err := Restore(context.Background(), from, data, func(n int64) { told += n })
	must(t, err)
	if told != m.Bytes() || told == 0 {
		t.Errorf("%d of %d bytes were told", told, m.Bytes())
	}
	got := content(t, data)
	for name, want := range map[string]string{"vault/rows/000001.sst": "a table", "vault/log/1": "events", "chain/blocks/1": "a block", "documents/baf": "a document"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) != 1 || got["registry.db"] == "" {
		t.Errorf("beside it there are %d files", len(got))
	}
	db, err := sql.Open("sqlite", durable.FileURI(filepath.Join(data, "registry.db")))
	must(t, err)
	defer db.Close()
	var id int
	if err := db.QueryRow("SELECT id FROM cars").Scan(&id); err != nil || id != 7 {
		t.Errorf("the row that was in the write-ahead log: %d, %v", id, err)
	}
}

// TestDamageIsNamed turns a bit of each file, shortens it and removes it. The
// check names it, and nothing of the backup gets into a data folder.
func TestDamageIsNamed(t *testing.T) {
	from := take(t)
	whole := content(t, from)
	for name, text := range whole {
		path := filepath.Join(from, filepath.FromSlash(name))
		turned := []byte(text)
		turned[len(turned)/2] ^= 4
		for how, damage := range map[string]func() error{
			"turned":    func() error { return os.WriteFile(path, turned, 0o600) },
			"shortened": func() error { return os.Truncate(path, int64(len(text)-1)) },
			"longer":    func() error { return os.WriteFile(path, []byte(text+"{}"), 0o600) },
			"removed":   func() error { return os.Remove(path) },
		} {
			must(t, damage())
			data := filepath.Join(t.TempDir(), "data")
			if name == ManifestName && how == "shortened" {
				continue // its last byte is the end of a line, and says nothing
			}
			_, err := Check(context.Background(), from, nil)
			if f := sayso.FaultOf(err); err == nil || f != sayso.Invalid && f != sayso.NotFound || !strings.Contains(err.Error(), name) && name != ManifestName {
				t.Errorf("%s %s: the check says %v", name, how, err)
			}
			if _, err := Restore(context.Background(), from, data, nil); err == nil {
				t.Errorf("%s %s: it was restored", name, how)
			}
			for _, left := range []string{data, data + unfinished} {
				if _, err := os.Stat(left); err == nil {
					t.Errorf("%s %s: %s is left", name, how, filepath.Base(left))
				}
			}
			must(t, os.WriteFile(path, []byte(text), 0o600))
		}
	}
	_, err := Check(context.Background(), from, nil)
	must(t, err)
}

// TestAManifestLeadsNowhereElse has a well-formed manifest name files outside.
func TestAManifestLeadsNowhereElse(t *testing.T) {
	for _, name := range []string{"../stolen", "/etc/hosts", "vault/../../stolen", ManifestName} {
		dir := t.TempDir()
		m := Manifest{Format: Format, Taken: noon, Files: []File{{Name: name}}}
		m.Digest = m.digest()
		body, err := json.Marshal(m)
		must(t, err)
		write(t, dir, ManifestName, string(body))
		if _, err := Restore(context.Background(), dir, filepath.Join(t.TempDir(), "data"), nil); sayso.FaultOf(err) != sayso.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	from, full := take(t), t.TempDir()
	write(t, full, "mine", "precious")
	if _, err := Restore(context.Background(), from, full, nil); sayso.FaultOf(err) != sayso.Conflict {
		t.Errorf("restore into a full folder: %v", err)
	}
	if _, err := Take(context.Background(), folder(t), rows{}, full, noon, nil); sayso.FaultOf(err) != sayso.Conflict {
		t.Errorf("backup into a full folder: %v", err)
	}
	if got := content(t, full); len(got) != 1 || got["mine"] != "precious" {
		t.Errorf("%v", got)
	}
}

// TestABackupThatWasCutOffIsNone ends at every file.
func TestABackupThatWasCutOffIsNone(t *testing.T) {
	data := folder(t)
	for after := range 5 {
		ctx, cancel := context.WithCancel(context.Background())
		to, files := filepath.Join(t.TempDir(), "copy"), 0
		_, err := Take(ctx, data, rows{}, to, noon, func(int64) {
			if files++; files > after {
				cancel()
			}
		})
		if err == nil {
			t.Fatalf("cut off at file %d, and all well", after)
		}
		if _, err := Read(to); sayso.FaultOf(err) != sayso.NotFound || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("cut off at file %d: %v", after, err)
		}
		cancel()
	}
}

func FuzzManifest(f *testing.F) {
	for _, m := range []Manifest{{Format: 1, Taken: noon, Sequence: 3, Files: []File{{"a/b", 1, "00"}}}, {Format: 2}} {
		m.Digest = m.digest()
		body, _ := json.Marshal(m)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		dir := t.TempDir()
		write(t, dir, ManifestName, string(body))
		m, err := Read(dir)
		if err != nil {
			return
		}
		if m.Digest != m.digest() {
			t.Errorf("accepted without its digest: %+v", m)
		}
		for _, file := range m.Files {
			if !strings.HasPrefix(filepath.Join(dir, file.Name), dir+"/") {
				t.Errorf("leads outside: %s", file.Name)
			}
		}
	})
}

// Package shelf keeps grant documents, sealed, under the names that grants on
// chain have for them, checks their signatures when they come in, serves them to
// the people that they name, and fetches those that another node keeps, where
// the operator allows that. It decides nothing: what a document is worth,
// owner/consent says.
package shelf

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"sayso"
	"sayso/internal/clock"
	"sayso/internal/durable"
	"sayso/owner/attest"
	"sayso/owner/consent"
	"sayso/owner/document"
	"sayso/owner/registry"
)

// RootKey seals small things; [rootkey.Key] is one. The second argument binds
// what is sealed to its place.
type RootKey interface {
	Wrap(plain, ad []byte) ([]byte, error)
	Unwrap(wrapped, ad []byte) ([]byte, error)
}

// Config says where documents are kept and who is asked about them. Gateway and
// Contract may be empty.
type Config struct {
	Path     string // the SQLite file
	RootKey  RootKey
	Former   RootKey // sealed the documents of older files; it is needed once
	Registry *registry.Registry
	Clock    clock.Clock
	Log      *slog.Logger
	Contract attest.Contract // asks contract accounts; without it only keys sign
	Gateway  string          // URL that a CID is put behind, to fetch documents that are not here
}

// Shelf keeps documents. It is safe for concurrent use.
type Shelf struct {
	cfg     Config
	db      *sql.DB
	gateway *gateway   // nil where there is none
	lock    sync.Mutex // held while a place on the shelf is taken
	checker *attest.Checker

	open    context.Context // ends with the shelf
	close   context.CancelFunc
	fetches sync.WaitGroup

	mu      sync.Mutex
	changes int                                 // how often something came or went
	read    map[document.CID]*document.Document // nil: looked for, not here
	tried   map[document.CID]*try
}

// remembered is how many documents are held in memory, read.
const remembered = 4096

const schema = `
-- Documents by the two digests that a CID of them can hold: of the bytes, and of
-- the IPFS file around them. The body is sealed and bound to the first.
CREATE TABLE IF NOT EXISTS documents (
  raw     BLOB PRIMARY KEY,
  file    BLOB NOT NULL,
  grantor BLOB NOT NULL,
  vehicle BIGINT NOT NULL,  -- 0 for templates and for vehicles of other chains
  kept    BIGINT NOT NULL,  -- Unix seconds
  body    BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS documents_file ON documents (file);
CREATE INDEX IF NOT EXISTS documents_grantor ON documents (grantor, kept);
`

// Open opens the shelf, making it where there is none.
func Open(cfg Config) (*Shelf, error) {
	s := &Shelf{cfg: cfg, read: map[document.CID]*document.Document{}, tried: map[document.CID]*try{}, checker: attest.NewChecker(cfg.Contract)}
	s.open, s.close = context.WithCancel(context.Background())
	var err error
	if cfg.Gateway != "" {
		if s.gateway, err = newGateway(cfg.Gateway); err != nil {
			return nil, err
		}
	}
	s.db, err = sql.Open("sqlite", durable.FileURI(cfg.Path)+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(5000)&_pragma=secure_delete(on)")
	if err != nil {
		return nil, fmt.Errorf("documents: open %s: %w", cfg.Path, err)
	}
	s.db.SetMaxOpenConns(1)
	if _, err := s.db.Exec(schema); err != nil {
		return nil, errors.Join(fmt.Errorf("documents: %s: %w", cfg.Path, err), s.db.Close())
	}
	if err := s.reseal(); err != nil {
		return nil, errors.Join(fmt.Errorf("documents: %s: %w", cfg.Path, err), s.db.Close())
	}
	return s, nil
}

// Close ends what is being fetched and closes the file.
func (s *Shelf) Close() error {
	s.close()
	s.fetches.Wait()
	return s.db.Close()
}

// State is a registry with the documents that its grants point to.
type State struct {
	*registry.Registry
	Shelf *Shelf
}

var _ consent.Papers = State{}

// Document finds what the source of a grant names.
func (s State) Document(source string) (*document.Document, bool) { return s.Shelf.Document(source) }

// Document finds what the source of a grant names, if it is here.
func (s *Shelf) Document(source string) (*document.Document, bool) {
	c, ok := document.ParseSource(source)
	if !ok {
		return nil, false
	}
	s.mu.Lock()
	d, known := s.read[c]
	changes := s.changes
	s.mu.Unlock()
	if known {
		return d, d != nil
	}
	_, d, err := s.Get(s.open, c)
	if err != nil && sayso.FaultOf(err) != sayso.NotFound {
		s.cfg.Log.Error("a document that is kept cannot be read", "cid", c, "error", err)
		return nil, false
	}
	s.remember(c, d, changes)
	return d, d != nil
}

var errAbsent = sayso.Fail(sayso.NotFound, "shelf.Get", "there is no such document here")

// Get reads a document that is kept. sayso.NotFound: it is not here.
func (s *Shelf) Get(ctx context.Context, c document.CID) ([]byte, *document.Document, error) {
	digest := c.Digest()
	var raw, sealed []byte
	err := s.db.QueryRowContext(ctx, `SELECT raw, body FROM documents WHERE `+column(c)+` = ?`, digest[:]).Scan(&raw, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, errAbsent
	}
	if err != nil {
		return nil, nil, fmt.Errorf("documents: %s: %w", c, err)
	}
	body, err := s.cfg.RootKey.Unwrap(sealed, place(raw))
	if err != nil {
		return nil, nil, fmt.Errorf("documents: %s: %w", c, err)
	}
	if !c.Names(body) {
		return nil, nil, fmt.Errorf("documents: %s: what is kept under it has another hash", c)
	}
	d, err := document.Parse(body)
	if err != nil {
		return nil, nil, fmt.Errorf("documents: %s: %w", c, err)
	}
	return body, d, nil
}

func column(c document.CID) string {
	if c.File() {
		return "file"
	}
	return "raw"
}

// place binds a sealed body to its row.
func place(raw []byte) []byte { return append([]byte("sayso document "), raw...) }

// remember holds a document, or that it is not here, in memory, unless something
// came or went since.
func (s *Shelf) remember(c document.CID, d *document.Document, changes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes != changes {
		return
	}
	if len(s.read) >= remembered {
		clear(s.read)
	}
	s.read[c] = d
}

// forget drops what is remembered about a content.
func (s *Shelf) forget(names ...document.CID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	for _, c := range names {
		delete(s.read, c)
	}
}

// quota is how many documents of one grantor are kept.
const quota = 256

// Put keeps a document that somebody brings: a grant on a vehicle of this node
// by its present owner, or a template by the holder of a licence, signed. It
// returns its name, and whether it is new here.
func (s *Shelf) Put(ctx context.Context, body []byte) (document.CID, bool, error) {
	c := document.Of(body)
	d, err := document.Parse(body)
	if err != nil {
		return c, false, err
	}
	vehicle, err := s.welcome(d)
	if err != nil {
		return c, false, err
	}
	if _, _, err := s.Get(ctx, c); err == nil {
		return c, false, nil
	}
	if err := s.signed(ctx, d); err != nil {
		return c, false, err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if err := s.makeRoom(ctx, d.Grantor); err != nil {
		return c, false, err
	}
	return c, true, s.keep(ctx, body, d, vehicle)
}

// welcome says whether a document is one that this node keeps for people, and
// which vehicle it is about.
func (s *Shelf) welcome(d *document.Document) (vehicle uint64, err error) {
	const op = "shelf.Put"
	if d.Type == document.TypeTemplate {
		for range s.cfg.Registry.Licences(registry.LicenceFilter{Owner: &d.Grantor}) {
			return 0, nil
		}
		return 0, sayso.Fail(sayso.Denied, op, "this node keeps templates of those who hold a developer licence here: "+d.Grantor.String()+" holds none")
	}
	chain := s.cfg.Registry.Chain()
	id := s.about(d)
	if v, ok := s.cfg.Registry.Vehicle(id); ok && v.Owner() == d.Grantor {
		return id, nil
	}
	return 0, sayso.Fail(sayso.Denied, op, fmt.Sprintf("this node keeps grants on its vehicles by their owners: %s owns none that the document is about; they are did:erc721:%d:%s:<token>", d.Grantor, chain.ID, chain.Vehicle))
}

// about is the vehicle of this node that a document is about, 0 for none.
func (s *Shelf) about(d *document.Document) uint64 {
	chain := s.cfg.Registry.Chain()
	assets := []string{d.Asset}
	for _, a := range d.Agreements {
		assets = append(assets, a.Asset)
	}
	for _, asset := range assets {
		if did, err := sayso.ParseDID(asset); err == nil {
			if id, ok := did.Is(chain.ID, chain.Vehicle); ok {
				return id
			}
		}
	}
	return 0
}

// makeRoom drops the oldest documents of a grantor who has too many, but none
// that a grant on chain points to.
func (s *Shelf) makeRoom(ctx context.Context, grantor sayso.Address) error {
	rows, err := s.db.QueryContext(ctx, `SELECT raw, file, vehicle FROM documents WHERE grantor = ? ORDER BY kept, rowid`, grantor[:])
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	type entry struct {
		raw, file []byte
		vehicle   uint64
	}
	var all []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.raw, &e.file, &e.vehicle); err != nil {
			return errors.Join(err, rows.Close())
		}
		all = append(all, e)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	over := len(all) - quota + 1
	for _, e := range all {
		if over <= 0 {
			break
		}
		raw, file := document.Named([32]byte(e.raw), false), document.Named([32]byte(e.file), true)
		if s.used(e.vehicle, raw, file) {
			continue
		}
		if _, err := s.db.ExecContext(ctx, `DELETE FROM documents WHERE raw = ?`, e.raw); err != nil {
			return fmt.Errorf("documents: %w", err)
		}
		s.forget(raw, file)
		over--
	}
	if over > 0 {
		return sayso.Fail(sayso.Full, "shelf.Put", fmt.Sprintf("%s has %d documents here that grants point to: end some of those grants first", grantor, quota))
	}
	return nil
}

// used says whether a grant on a vehicle points to one of two names. Templates
// are always in use.
func (s *Shelf) used(vehicle uint64, raw, file document.CID) bool {
	if vehicle == 0 {
		return true
	}
	for _, g := range s.cfg.Registry.Grants(vehicle) {
		if c, ok := document.ParseSource(g.Source); ok && (c == raw || c == file) {
			return true
		}
	}
	return false
}

// keep writes a document that was found right. It is there, durable, when keep
// returns.
func (s *Shelf) keep(ctx context.Context, body []byte, d *document.Document, vehicle uint64) error {
	raw, file := document.Of(body), document.FileOf(body)
	rawDigest, fileDigest := raw.Digest(), file.Digest()
	sealed, err := s.cfg.RootKey.Wrap(body, place(rawDigest[:]))
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	_, err = s.db.ExecContext(ctx, `INSERT INTO documents (raw, file, grantor, vehicle, kept, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		rawDigest[:], fileDigest[:], d.Grantor[:], vehicle, s.cfg.Clock.Now().Unix(), sealed)
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	s.forget(raw, file)
	return nil
}

// try is a fetch under way, or one that has failed lately.
type try struct {
	done   chan struct{}
	failed time.Time
}

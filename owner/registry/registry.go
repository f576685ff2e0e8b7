package registry

import (
	"database/sql"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"sayso"
	"sayso/internal/durable"
)

//go:embed schema.sql
var schema string

// Horizon is how long reads of data go on without a successful look at the
// chain.
const Horizon = 60 * time.Second

// Depth is how many blocks a fork may be deep and still be unwound.
const Depth = 256

// ChainInfo is the chain that a registry follows and the contracts on it.
type ChainInfo struct {
	ID                uint64        `json:"id"`
	Registry          sayso.Address `json:"registry"`
	Vehicle           sayso.Address `json:"vehicle"`
	Manufacturer      sayso.Address `json:"manufacturer"`
	AftermarketDevice sayso.Address `json:"aftermarketDevice"`
	Grants            sayso.Address `json:"grants"`
	DevLicense        sayso.Address `json:"devLicense"`
	Templates         sayso.Address `json:"templates,omitzero"` // zero where the chain has none, as those below
	Accounts          sayso.Address `json:"accounts,omitzero"`  // the factory of people's accounts
	SyntheticDevice   sayso.Address `json:"syntheticDevice,omitzero"`
	Connections       sayso.Address `json:"connections,omitzero"`
	StorageNodes      sayso.Address `json:"storageNodes,omitzero"`
	Staking           sayso.Address `json:"staking,omitzero"`
	Names             sayso.Address `json:"names,omitzero"`    // the register of vehicles' names
	Resolver          sayso.Address `json:"resolver,omitzero"` // what the names stand for
	Reward            sayso.Address `json:"reward,omitzero"`
}

// Config says where the registry lives and what it follows.
type Config struct {
	Path          string // the SQLite file
	Chain         ChainInfo
	Confirmations uint64 // blocks on top of one before it is final, at most Depth; 0 on the embedded chain
}

// Registry is the folded state. Reads are safe for concurrent use; one
// goroutine folds.
type Registry struct {
	cfg   Config
	db    *sql.DB
	reads *sql.DB // for what is not held in memory

	mu     sync.RWMutex
	state  *state
	recent map[fact][]past // by fact, lowest block first: what it was before the blocks that are not final
	head   Block
	begun  bool      // a block has been folded
	seen   time.Time // last successful look at the chain

	headMicros atomic.Int64 // the time of the head block, the lowest number before the first
}

// Open loads the registry, making the file where there is none. It refuses a
// file that belongs to another chain or to other contracts.
func Open(cfg Config) (*Registry, error) {
	if cfg.Confirmations > Depth {
		return nil, fmt.Errorf("registry: %d confirmations: at most %d", cfg.Confirmations, Depth)
	}
	db, err := sql.Open("sqlite", durable.FileURI(cfg.Path)+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, fmt.Errorf("registry: open %s: %w", cfg.Path, err)
	}
	db.SetMaxOpenConns(1)
	r := &Registry{cfg: cfg, db: db, state: newState()}
	if err = r.load(); err == nil {
		r.reads, err = sql.Open("sqlite", durable.FileURI(cfg.Path)+"?_pragma=query_only(true)&_pragma=busy_timeout(5000)")
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("registry: %s: %w", cfg.Path, err)
	}
	return r, nil
}

// Close closes the file.
func (r *Registry) Close() error { return errors.Join(r.reads.Close(), r.db.Close()) }

func (r *Registry) load() error {
	if _, err := r.db.Exec(schema); err != nil {
		return err
	}
	if err := r.bind(); err != nil {
		return err
	}
	if err := r.loadFacts(); err != nil {
		return err
	}
	return r.loadHead()
}

// bind ties the file to its chain at the first opening and checks it at others.
func (r *Registry) bind() error {
	want, _ := json.Marshal(r.cfg.Chain)
	switch have, ok, err := r.meta("chain"); {
	case err != nil:
		return err
	case !ok:
		_, err = r.db.Exec(putMeta, "chain", string(want))
		return err
	case have != string(want):
		return fmt.Errorf("the facts belong to another chain (%s); this one is %s: use another data directory, or remove the file to index again", have, want)
	}
	return nil
}

// loading is a fact on its way from the file into memory.
type loading struct {
	fact
	body []byte
	row  any
}

// loadBatch is how many facts go on together.
const loadBatch = 512

// loadFacts reads, decodes and takes in at the same time: of a million cars there
// are millions of facts.
func (r *Registry) loadFacts() error {
	read, decoded := make(chan []loading, 4), make(chan []loading, 4)
	var readErr, decodeErr error
	go func() {
		defer close(read)
		readErr = r.readFacts(read)
	}()
	go func() {
		defer close(decoded)
		for batch := range read {
			for i := range batch {
				f := &batch[i]
				var err error
				if f.row, err = decode(f.kind, f.body); err != nil && decodeErr == nil {
					decodeErr = fmt.Errorf("fact %s %s: %w", f.kind, f.key, err)
				}
				f.body = nil
			}
			decoded <- batch
		}
	}()
	for batch := range decoded {
		for _, f := range batch {
			if f.row != nil {
				r.state.put(f.fact, f.row)
			}
		}
	}
	return errors.Join(readErr, decodeErr)
}

// readFacts hands every fact of the file on, those that are not held in memory
// left out.
func (r *Registry) readFacts(out chan<- []loading) error {
	rows, err := r.db.Query(`SELECT kind, key, body FROM facts WHERE kind <> ?`, earnings)
	if err != nil {
		return err
	}
	defer rows.Close()
	var batch []loading
	for rows.Next() {
		var f loading
		if err := rows.Scan(&f.kind, &f.key, &f.body); err != nil {
			return err
		}
		if batch = append(batch, f); len(batch) == loadBatch {
			out <- batch
			batch = nil
		}
	}
	out <- batch
	return rows.Err()
}

func (r *Registry) loadHead() error {
	b, ok, err := r.blockWhere(`ORDER BY number DESC LIMIT 1`)
	r.setHead(b, ok)
	if err == nil {
		r.recent, err = r.loadRecent(r.db, b)
	}
	return err
}

func (r *Registry) setHead(b Block, begun bool) {
	r.head, r.begun = b, begun
	micros := int64(math.MinInt64)
	if begun {
		micros = min(b.Time, math.MaxInt64/1_000_000) * 1_000_000
	}
	r.headMicros.Store(micros)
}

func (r *Registry) blockWhere(clause string, args ...any) (b Block, ok bool, err error) {
	var hash, parent string
	err = r.db.QueryRow(`SELECT number, hash, parent, time FROM blocks `+clause, args...).Scan(&b.Number, &hash, &parent, &b.Time)
	if errors.Is(err, sql.ErrNoRows) {
		return b, false, nil
	}
	if err != nil {
		return b, false, err
	}
	if _, err = hex.Decode(b.Hash[:], []byte(hash)); err == nil {
		_, err = hex.Decode(b.Parent[:], []byte(parent))
	}
	return b, err == nil, err
}

// Chain is the chain that the registry follows.
func (r *Registry) Chain() ChainInfo { return r.cfg.Chain }

// Head is the last block folded; ok is false before the first.
func (r *Registry) Head() (b Block, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.head, r.begun
}

// At is a block that was folded and can still be unwound to.
func (r *Registry) At(number uint64) (Block, bool, error) {
	return r.blockWhere(`WHERE number = ?`, number)
}

// putMeta sets a member of the table meta.
const putMeta = `INSERT INTO meta (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body`

// meta reads a member of the table meta.
func (r *Registry) meta(name string) (text string, ok bool, err error) {
	err = r.db.QueryRow(`SELECT body FROM meta WHERE name = ?`, name).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return text, err == nil, err
}

// First is the number of the first block that was folded; ok is false before
// there is one.
func (r *Registry) First() (number uint64, ok bool, err error) {
	text, ok, err := r.meta("first")
	if ok {
		number, err = strconv.ParseUint(text, 10, 64)
	}
	return number, ok, err
}

// Genesis is the hash of block 0 of the chain that the facts came from; ok is
// false before [Registry.PinGenesis].
func (r *Registry) Genesis() (hash [32]byte, ok bool, err error) {
	text, ok, err := r.meta("genesis")
	if ok {
		_, err = hex.Decode(hash[:], []byte(text))
	}
	return hash, ok, err
}

// PinGenesis binds the facts to the chain with that block 0.
func (r *Registry) PinGenesis(hash [32]byte) error {
	_, err := r.db.Exec(putMeta, "genesis", hex.EncodeToString(hash[:]))
	return err
}

// Path is the file of the registry.
func (r *Registry) Path() string { return r.cfg.Path }

// Confirmations is how many blocks lie on top of one that is final.
func (r *Registry) Confirmations() uint64 { return r.cfg.Confirmations }

// Blind ends what the last look at the chain was good for: nobody is [Registry.Fresh]
// until the next one.
func (r *Registry) Blind() {
	r.mu.Lock()
	r.seen = time.Time{}
	r.mu.Unlock()
}

// Looked notes a successful look at the chain, whether or not there was a new
// block.
func (r *Registry) Looked(now time.Time) {
	r.mu.Lock()
	r.seen = now
	r.mu.Unlock()
}

// Fresh says whether the chain was looked at within the [Horizon].
func (r *Registry) Fresh(now time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.begun && now.Sub(r.seen) <= Horizon
}

// Dump writes every fact as text, one per line in order of kind and key: two
// registries that followed the same chain dump the same.
func (r *Registry) Dump() (string, error) {
	rows, err := r.db.Query(`SELECT kind || ' ' || key || ' ' || body FROM facts UNION ALL SELECT 'earning ' || key || ' ' || body FROM earnings ORDER BY 1`)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var out []byte
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return "", err
		}
		out = append(append(out, line...), '\n')
	}
	return string(out), rows.Err()
}

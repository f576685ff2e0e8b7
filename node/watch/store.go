package watch

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite"

	"sayso/internal/durable"
)

// RootKey seals small things; [rootkey.Key] is one. The second argument binds
// what is sealed to its place.
type RootKey interface {
	Wrap(plain, ad []byte) ([]byte, error)
	Unwrap(wrapped, ad []byte) ([]byte, error)
}

// store is the file of the webhooks. It holds no data of cars: what is fired is
// read from the vault, which is the outbox.
type store struct {
	db   *sql.DB
	root RootKey
}

const schema = `
CREATE TABLE IF NOT EXISTS hooks (
  id   TEXT PRIMARY KEY,
  done BLOB NOT NULL,  -- what was delivered last: commit sequence u64, number in it u32
  body BLOB NOT NULL   -- the hook as JSON, sealed and bound to its id
);
CREATE TABLE IF NOT EXISTS subscriptions (
  hook    TEXT   NOT NULL,
  vehicle BIGINT NOT NULL,
  created BIGINT NOT NULL,  -- Unix microseconds
  fired   BIGINT NOT NULL,  -- Unix microseconds; 0: never
  PRIMARY KEY (hook, vehicle)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), seq BIGINT NOT NULL);
`

func openStore(path string, root RootKey) (*store, error) {
	db, err := sql.Open("sqlite", durable.FileURI(path)+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(5000)&_pragma=secure_delete(on)")
	if err != nil {
		return nil, fmt.Errorf("webhooks: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(schema); err != nil {
		return nil, errors.Join(fmt.Errorf("webhooks: %s: %w", path, err), db.Close())
	}
	return &store{db, root}, nil
}

func (s *store) close() error { return s.db.Close() }

// bound binds a sealed hook to its row.
func bound(id string) []byte { return []byte("sayso webhook " + id) }

// load reads everything. fresh says that the store was never used.
func (s *store) load() (hooks []*watched, seq uint64, fresh bool, err error) {
	err = s.db.QueryRow(`SELECT seq FROM cursor`).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, true, nil
	}
	if err != nil {
		return nil, 0, false, fmt.Errorf("webhooks: %w", err)
	}
	rows, err := s.db.Query(`SELECT id, done, body FROM hooks ORDER BY id`)
	if err != nil {
		return nil, 0, false, fmt.Errorf("webhooks: %w", err)
	}
	defer rows.Close()
	byID := map[string]*watched{}
	for rows.Next() {
		var id string
		var done, sealed []byte
		if err := rows.Scan(&id, &done, &sealed); err != nil {
			return nil, 0, false, fmt.Errorf("webhooks: %w", err)
		}
		w := &watched{subs: map[uint64]*Subscription{}}
		if err := s.unseal(id, sealed, &w.Hook); err != nil {
			return nil, 0, false, err
		}
		if w.done, err = parseMark(done); err != nil {
			return nil, 0, false, fmt.Errorf("webhooks: %s: %w", id, err)
		}
		byID[id] = w
		hooks = append(hooks, w)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, false, fmt.Errorf("webhooks: %w", err)
	}
	return hooks, seq, false, s.loadSubscriptions(byID)
}

func (s *store) unseal(id string, sealed []byte, h *Hook) error {
	body, err := s.root.Unwrap(sealed, bound(id))
	if err == nil {
		err = json.Unmarshal(body, h)
	}
	if err != nil {
		return fmt.Errorf("webhooks: %s cannot be read: %w", id, err)
	}
	return nil
}

func (s *store) loadSubscriptions(byID map[string]*watched) error {
	rows, err := s.db.Query(`SELECT hook, vehicle, created, fired FROM subscriptions`)
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var sub Subscription
		var vehicle, created, fired int64
		if err := rows.Scan(&sub.Hook, &vehicle, &created, &fired); err != nil {
			return fmt.Errorf("webhooks: %w", err)
		}
		sub.Vehicle, sub.Created, sub.Fired = uint64(vehicle), micro(created), micro(fired)
		if w := byID[sub.Hook]; w != nil {
			w.subs[sub.Vehicle] = &sub
		}
	}
	return rows.Err()
}

// micro is a time kept as Unix microseconds; 0 is none.
func micro(t int64) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(t).UTC()
}

// put writes a hook.
func (s *store) put(h *Hook, done mark) error {
	body, err := json.Marshal(h)
	if err != nil {
		return err
	}
	sealed, err := s.root.Wrap(body, bound(h.ID))
	if err != nil {
		return err
	}
	_, err = s.db.Exec(`INSERT INTO hooks (id, done, body) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET done = excluded.done, body = excluded.body`, h.ID, done.bytes(), sealed)
	return wrap(err)
}

// delivered notes that a hook is done with something, and what became of it.
func (s *store) delivered(id string, done mark, vehicle uint64, fired time.Time) error {
	tx, err := s.db.Begin()
	if err != nil {
		return wrap(err)
	}
	defer tx.Rollback()
	if _, err := tx.Exec(`UPDATE hooks SET done = ? WHERE id = ?`, done.bytes(), id); err != nil {
		return wrap(err)
	}
	if _, err := tx.Exec(`UPDATE subscriptions SET fired = ? WHERE hook = ? AND vehicle = ?`, fired.UnixMicro(), id, int64(vehicle)); err != nil {
		return wrap(err)
	}
	return wrap(tx.Commit())
}

func (s *store) drop(id string) error {
	tx, err := s.db.Begin()
	if err != nil {
		return wrap(err)
	}
	defer tx.Rollback()
	for _, q := range []string{`DELETE FROM subscriptions WHERE hook = ?`, `DELETE FROM hooks WHERE id = ?`} {
		if _, err := tx.Exec(q, id); err != nil {
			return wrap(err)
		}
	}
	return wrap(tx.Commit())
}

// subscribe writes subscriptions, all or none; unsubscribe takes them away.
func (s *store) subscribe(subs []*Subscription) error {
	tx, err := s.db.Begin()
	if err != nil {
		return wrap(err)
	}
	defer tx.Rollback()
	for _, sub := range subs {
		_, err := tx.Exec(`INSERT OR REPLACE INTO subscriptions (hook, vehicle, created, fired) VALUES (?, ?, ?, 0)`,
			sub.Hook, int64(sub.Vehicle), sub.Created.UnixMicro())
		if err != nil {
			return wrap(err)
		}
	}
	return wrap(tx.Commit())
}

func (s *store) unsubscribe(hook string, vehicles []uint64) error {
	tx, err := s.db.Begin()
	if err != nil {
		return wrap(err)
	}
	defer tx.Rollback()
	for _, v := range vehicles {
		if _, err := tx.Exec(`DELETE FROM subscriptions WHERE hook = ? AND vehicle = ?`, hook, int64(v)); err != nil {
			return wrap(err)
		}
	}
	return wrap(tx.Commit())
}

// reached notes up to which commit everything was looked at and done.
func (s *store) reached(seq uint64) error {
	_, err := s.db.Exec(`INSERT INTO cursor (one, seq) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET seq = excluded.seq`, int64(seq))
	return wrap(err)
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("webhooks: %w", err)
}

// Package erasure lets owners have what was kept in their time erased for ever,
// and gives them a signed certificate of it. Who may, owner/consent decides; how,
// is the vault's. docs/formats/erasure-certificate.md has the form.
package erasure

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
	"sayso/node/vault"
	"sayso/owner/consent"
	"sayso/owner/registry"
)

// CertificateType is the type in the header of a certificate.
const CertificateType = "erasure+jwt"

// Vault erases; [vault.Vault] is one.
type Vault interface {
	CountEvents(ctx context.Context, vehicle uint64, epoch uint32) (uint64, error)
	EraseCounted(ctx context.Context, vehicle uint64, epoch uint32) (vault.Erased, error)
}

// Signer signs certificates; a certifier of owner/token is one.
type Signer interface {
	Certify(kind string, claims any) (string, error)
}

// Config is what [Open] needs, all of it.
type Config struct {
	Path   string // the SQLite file
	Vault  Vault
	State  consent.State
	Chain  registry.ChainInfo
	Signer Signer
	Issuer string // URL below which the keys of certificates are published
	Clock  clock.Clock
	Log    *slog.Logger
}

// Ledger keeps the certificates of erasures. It is safe for concurrent use.
type Ledger struct {
	cfg   Config
	db    *sql.DB
	doing sync.Mutex // held while one is under way
}

const schema = `
-- Erasures asked for. Until the certificate is there, the erasure may or may not
-- have happened, and it is done again.
CREATE TABLE IF NOT EXISTS erasures (
  id          INTEGER PRIMARY KEY,
  vehicle     BIGINT NOT NULL,
  epoch       BIGINT NOT NULL,
  owner       BLOB NOT NULL,
  asked       BIGINT NOT NULL,  -- Unix seconds
  events      BIGINT NOT NULL,  -- counted before it began
  certificate TEXT
);
CREATE INDEX IF NOT EXISTS erasures_owner ON erasures (vehicle, owner);
`

// Open opens the ledger, making it where there is none, and finishes what a crash
// has cut off.
func Open(ctx context.Context, cfg Config) (*Ledger, error) {
	db, err := sql.Open("sqlite", durable.FileURI(cfg.Path)+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, fmt.Errorf("erasures: open %s: %w", cfg.Path, err)
	}
	db.SetMaxOpenConns(1)
	l := &Ledger{cfg: cfg, db: db}
	if _, err = db.Exec(schema); err == nil {
		err = l.resume(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("erasures: %s: %w", cfg.Path, err), db.Close())
	}
	return l, nil
}

// Close closes the file.
func (l *Ledger) Close() error { return l.db.Close() }

// request is a row without a certificate.
type request struct {
	id      int64
	vehicle uint64
	epoch   uint32
	owner   sayso.Address
	events  uint64
}

// Certificate is what a certificate says. All of it is in the signed claims.
type Certificate struct {
	Issuer    string `json:"iss"`
	ID        string `json:"jti"`
	IssuedAt  int64  `json:"iat"`
	Subject   string `json:"sub"`       // DID of the vehicle
	Owner     string `json:"owner"`     // who asked: the owner of that time
	Ownership uint32 `json:"ownership"` // the how-manieth owner that was
	Events    uint64 `json:"events"`    // cloud events that were erased, with everything that came from them
	Sequence  uint64 `json:"sequence"`  // everything that was kept of that ownership before it
	ErasedAt  string `json:"erasedAt"`
}

// Erase erases what was kept of the ownerships of who, one of them or (0) all, and
// returns a certificate for each.
func (l *Ledger) Erase(ctx context.Context, who sayso.Address, vehicle uint64, ownership uint32) ([]string, error) {
	epochs, err := l.may(who, vehicle, ownership)
	if err != nil {
		return nil, err
	}
	// What is erased is erased, also if the one who asked does not wait for it.
	ctx = context.WithoutCancel(ctx)
	l.doing.Lock()
	defer l.doing.Unlock()
	var list []string
	for _, epoch := range epochs {
		r := request{vehicle: vehicle, epoch: epoch, owner: who}
		if r.events, err = l.cfg.Vault.CountEvents(ctx, vehicle, epoch); err != nil {
			return list, err
		}
		res, err := l.db.ExecContext(ctx, `INSERT INTO erasures (vehicle, epoch, owner, asked, events) VALUES (?, ?, ?, ?, ?)`,
			vehicle, epoch, who[:], l.cfg.Clock.Now().Unix(), r.events)
		if err == nil {
			r.id, err = res.LastInsertId()
		}
		if err != nil {
			return list, fmt.Errorf("erasures: %w", err)
		}
		certificate, err := l.finish(ctx, &r)
		if err != nil {
			return list, err
		}
		list = append(list, certificate)
	}
	return list, nil
}

// may says which ownerships who may have erased.
func (l *Ledger) may(who sayso.Address, vehicle uint64, ownership uint32) ([]uint32, error) {
	const op = "erasure.Erase"
	if who.IsZero() {
		return nil, sayso.Fail(sayso.Unauthorized, op, "sign in as the owner first: no developer token is given, or it is not good any more")
	}
	verdict := consent.Decide(l.cfg.State, who, vehicle, l.cfg.Clock.Now())
	var epochs []uint32
	for _, e := range verdict.Erasable() {
		if ownership == 0 || ownership == e {
			epochs = append(epochs, e)
		}
	}
	switch {
	case epochs != nil:
		return epochs, nil
	case verdict.Reason == consent.ChainStale:
		return nil, sayso.Fail(sayso.Busy, op, string(verdict.Reason))
	case verdict.Reason == consent.NoSuchVehicle:
		return nil, sayso.Fail(sayso.NotFound, op, string(verdict.Reason))
	case ownership != 0:
		return nil, sayso.Fail(sayso.Denied, op, fmt.Sprintf("ownership %d of vehicle %d is not the caller's: only its owner of that time can have it erased", ownership, vehicle))
	}
	return nil, sayso.Fail(sayso.Denied, op, fmt.Sprintf("the caller does not own vehicle %d and never did: only its owner can have it erased", vehicle))
}

// finish erases and keeps the certificate.
func (l *Ledger) finish(ctx context.Context, r *request) (string, error) {
	took, err := l.cfg.Vault.EraseCounted(ctx, r.vehicle, r.epoch)
	if err != nil {
		return "", err
	}
	now := l.cfg.Clock.Now()
	text, err := l.cfg.Signer.Certify(CertificateType, Certificate{
		Issuer: l.cfg.Issuer, ID: fmt.Sprintf("erasure-%d", r.id), IssuedAt: now.Unix(), Subject: sayso.NFT(l.cfg.Chain.ID, l.cfg.Chain.Vehicle, r.vehicle).String(),
		Owner: r.owner.String(), Ownership: r.epoch, Events: max(r.events, took.Events), Sequence: took.Seq, ErasedAt: now.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return "", fmt.Errorf("erasures: signing: %w", err)
	}
	if _, err := l.db.ExecContext(ctx, `UPDATE erasures SET certificate = ? WHERE id = ?`, text, r.id); err != nil {
		return "", fmt.Errorf("erasures: %w", err)
	}
	l.cfg.Log.Info("an owner has had an ownership erased", "vehicle", r.vehicle, "ownership", r.epoch, "sequence", took.Seq)
	return text, nil
}

// resume finishes the erasures that were cut off.
func (l *Ledger) resume(ctx context.Context) error {
	rows, err := l.db.QueryContext(ctx, `SELECT id, vehicle, epoch, owner, events FROM erasures WHERE certificate IS NULL ORDER BY id`)
	if err != nil {
		return err
	}
	var list []request
	for rows.Next() {
		var r request
		var owner []byte
		if err := rows.Scan(&r.id, &r.vehicle, &r.epoch, &owner, &r.events); err != nil {
			return errors.Join(err, rows.Close())
		}
		copy(r.owner[:], owner)
		list = append(list, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for i := range list {
		if _, err := l.finish(ctx, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

// Certificates are those of a vehicle that were made out to somebody, the oldest
// first.
func (l *Ledger) Certificates(ctx context.Context, who sayso.Address, vehicle uint64) ([]string, error) {
	list := []string{}
	rows, err := l.db.QueryContext(ctx, `SELECT certificate FROM erasures WHERE vehicle = ? AND owner = ? AND certificate IS NOT NULL ORDER BY id`, vehicle, who[:])
	if err != nil {
		return nil, fmt.Errorf("erasures: %w", err)
	}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		list = append(list, text)
	}
	return list, errors.Join(rows.Err(), rows.Close())
}

package registry

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
)

// past is what a fact was before a block changed it; the row is nil where it
// was not.
type past struct {
	fact
	block uint64
	row   any
}

// writer holds the statements of one transaction.
type writer struct {
	tx                     *sql.Tx
	block, undo, put, drop *sql.Stmt
}

func (r *Registry) begin() (*writer, error) {
	tx, err := r.db.Begin()
	if err != nil {
		return nil, err
	}
	w := &writer{tx: tx}
	for text, s := range map[string]**sql.Stmt{
		`INSERT INTO blocks (number, hash, parent, time) VALUES (?, ?, ?, ?)`: &w.block,
		`INSERT INTO undo (number, kind, key, body) VALUES (?, ?, ?, ?)`:      &w.undo,
		`INSERT INTO facts (kind, key, body) VALUES (?, ?, ?)
			ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body`: &w.put,
		`DELETE FROM facts WHERE kind = ? AND key = ?`: &w.drop,
	} {
		if *s, err = tx.Prepare(text); err != nil {
			tx.Rollback()
			return nil, err
		}
	}
	return w, nil
}

// store writes a move in one transaction. It returns what the facts were before
// the blocks that are not final.
func (r *Registry) store(m Move, d *draft, head Block) (map[fact][]past, error) {
	w, err := r.begin()
	if err != nil {
		return nil, err
	}
	defer w.tx.Rollback() // no effect after the commit
	if m.Back {
		err = w.forget(`DELETE FROM undo WHERE number > ?`, m.To)
		if err == nil {
			err = w.forget(`DELETE FROM blocks WHERE number > ?`, m.To)
		}
	}
	for i := 0; i < len(d.blocks) && err == nil; i++ {
		err = w.fold(&d.blocks[i], head.Number, r.kept())
	}
	for f, row := range d.over {
		if err == nil {
			err = w.write(f, row)
		}
	}
	if err == nil && head.Number > Depth {
		err = w.forget(`DELETE FROM blocks WHERE number < ?`, head.Number-Depth)
	}
	if err == nil && head.Number > r.kept() {
		err = w.forget(`DELETE FROM undo WHERE number <= ?`, head.Number-r.kept())
	}
	if err != nil {
		return nil, err
	}
	recent, err := r.recentAfter(w.tx, m, d, head)
	if err != nil {
		return nil, err
	}
	return recent, w.tx.Commit()
}

// kept is for how many blocks the undo is kept: so many that after the deepest
// fork the state of the last final block is still known.
func (r *Registry) kept() uint64 { return Depth + r.cfg.Confirmations }

func (w *writer) forget(statement string, number uint64) error {
	_, err := w.tx.Exec(statement, number)
	return err
}

// fold writes a block and its undo, but of a long move only what the end of it
// still keeps.
func (w *writer) fold(b *folded, head, kept uint64) error {
	if b.Number+kept > head {
		for _, e := range b.edits {
			body, err := encode(e.before)
			if err != nil {
				return err
			}
			if _, err := w.undo.Exec(b.Number, e.kind, e.key, body); err != nil {
				return err
			}
		}
	}
	if b.Number+Depth < head {
		return nil
	}
	_, err := w.block.Exec(b.Number, hex.EncodeToString(b.Hash[:]), hex.EncodeToString(b.Parent[:]), b.Time)
	return err
}

func (w *writer) write(f fact, row any) error {
	if row == nil {
		_, err := w.drop.Exec(f.kind, f.key)
		return err
	}
	body, err := encode(row)
	if err != nil {
		return err
	}
	_, err = w.put.Exec(f.kind, f.key, body)
	return err
}

// encode is the text of a row, NULL where there is none.
func encode(row any) (sql.NullString, error) {
	if row == nil {
		return sql.NullString{}, nil
	}
	body, err := json.Marshal(row)
	return sql.NullString{String: string(body), Valid: true}, err
}

// querier is the file, or a transaction in it.
type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

// pasts reads the undo of the blocks above one, lowest block first.
func pasts(db querier, above int64) ([]past, error) {
	rows, err := db.Query(`SELECT number, kind, key, body FROM undo WHERE number > ? ORDER BY number`, above)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []past
	for rows.Next() {
		var p past
		var body sql.NullString
		if err := rows.Scan(&p.block, &p.kind, &p.key, &body); err != nil {
			return nil, err
		}
		if body.Valid {
			if p.row, err = decode(p.kind, []byte(body.String)); err != nil {
				return nil, err
			}
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

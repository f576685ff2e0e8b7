package registry

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// past is what a fact was before a block changed it; the row is nil where it
// was not.
type past struct {
	fact
	block uint64
	row   any
}

// writer is one transaction. After an error it does nothing more.
type writer struct {
	tx         *sql.Tx
	statements map[string]*sql.Stmt
	err        error
}

func (w *writer) exec(statement string, args ...any) {
	if w.err != nil {
		return
	}
	s, ok := w.statements[statement]
	if !ok {
		if s, w.err = w.tx.Prepare(statement); w.err != nil {
			return
		}
		w.statements[statement] = s
	}
	_, w.err = s.Exec(args...)
}

// store writes a move in one transaction. It returns what the facts were before
// the blocks that are not final.
func (r *Registry) store(m Move, d *draft, head Block) (map[fact][]past, error) {
	tx, err := r.db.Begin()
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // no effect after the commit
	w := &writer{tx: tx, statements: map[string]*sql.Stmt{}}
	if m.Back {
		w.exec(`DELETE FROM undo WHERE number > ?`, m.To)
		w.exec(`DELETE FROM blocks WHERE number > ?`, m.To)
	}
	if d.first && len(m.Blocks) > 0 {
		w.exec(putMeta, "first", strconv.FormatUint(m.Blocks[0].Number, 10))
	}
	for i := range d.blocks {
		w.fold(&d.blocks[i], head.Number, r.kept())
	}
	for f, row := range d.over {
		w.write(f, row)
	}
	if head.Number > Depth {
		w.exec(`DELETE FROM blocks WHERE number < ?`, head.Number-Depth)
	}
	if head.Number > r.kept() {
		w.exec(`DELETE FROM undo WHERE number <= ?`, head.Number-r.kept())
	}
	if w.err != nil {
		return nil, w.err
	}
	recent, err := r.recentAfter(tx, m, d, head)
	if err != nil {
		return nil, err
	}
	return recent, tx.Commit()
}

// kept is for how many blocks the undo is kept: so many that after the deepest
// fork the state of the last final block is still known.
func (r *Registry) kept() uint64 { return Depth + r.cfg.Confirmations }

// fold writes a block and its undo, but of a long move only what the end of it
// still keeps.
func (w *writer) fold(b *folded, head, kept uint64) {
	if b.Number+kept > head {
		for _, e := range b.edits {
			w.exec(`INSERT INTO undo (number, kind, key, body) VALUES (?, ?, ?, ?)`, b.Number, e.kind, e.key, w.encode(e.before))
		}
	}
	if b.Number+Depth >= head {
		w.exec(`INSERT INTO blocks (number, hash, parent, time) VALUES (?, ?, ?, ?)`,
			b.Number, hex.EncodeToString(b.Hash[:]), hex.EncodeToString(b.Parent[:]), b.Time)
	}
}

func (w *writer) write(f fact, row any) {
	if f.kind == earnings {
		w.earn(f.key, row)
		return
	}
	if row == nil {
		w.exec(`DELETE FROM facts WHERE kind = ? AND key = ?`, f.kind, f.key)
		return
	}
	w.exec(`INSERT INTO facts (kind, key, body) VALUES (?, ?, ?)
		ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body`, f.kind, f.key, w.encode(row))
}

// encode is the text of a row, NULL where there is none.
func (w *writer) encode(row any) sql.NullString {
	if row == nil {
		return sql.NullString{}
	}
	body, err := json.Marshal(row)
	if err != nil && w.err == nil {
		w.err = err
	}
	return sql.NullString{String: string(body), Valid: true}
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

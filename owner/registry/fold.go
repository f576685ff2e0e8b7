package registry

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"sayso"
)

// ErrFork says that a block does not follow the last one folded.
var ErrFork = errors.New("the block does not follow the last one folded")

// Tx collects the changes of one block. Reads see the changes made so far.
type Tx struct {
	Block Block
	r     *Registry
	over  map[fact]any // nil = removed
	order []fact
}

// Final says whether a block is deep enough below this one that a grant in it
// counts.
func (tx *Tx) Final(block uint64) bool { return block+tx.r.cfg.Confirmations <= tx.Block.Number }

func change[T any](tx *Tx, k kind, key string, v *T) {
	f := fact{k, key}
	if _, ok := tx.over[f]; !ok {
		tx.order = append(tx.order, f)
	}
	if v == nil {
		tx.over[f] = nil
		return
	}
	tx.over[f] = v
}

func read[T any](tx *Tx, k kind, key string) (out T, ok bool) {
	if v, changed := tx.over[fact{k, key}]; changed {
		p, ok := v.(*T)
		if !ok {
			return out, false
		}
		return *p, true
	}
	tx.r.mu.RLock()
	defer tx.r.mu.RUnlock()
	return row[T](tx.r.state, k, key)
}

// Vehicle, Device, Manufacturer, Licence and Grant read a row as it stands in
// the block so far.
func (tx *Tx) Vehicle(id uint64) (Vehicle, bool) { return read[Vehicle](tx, vehicles, numberKey(id)) }

// Device reads a device.
func (tx *Tx) Device(id uint64) (Device, bool) { return read[Device](tx, devices, numberKey(id)) }

// Manufacturer reads a manufacturer.
func (tx *Tx) Manufacturer(id uint64) (Manufacturer, bool) {
	return read[Manufacturer](tx, manufacturers, numberKey(id))
}

// Licence reads a licence.
func (tx *Tx) Licence(id uint64) (Licence, bool) { return read[Licence](tx, licences, numberKey(id)) }

// Grant reads a grant.
func (tx *Tx) Grant(vehicle uint64, grantee sayso.Address) (Grant, bool) {
	return read[Grant](tx, grants, grantKey(vehicle, grantee))
}

// PutVehicle writes a vehicle; the other Put functions their kinds.
func (tx *Tx) PutVehicle(v Vehicle) { change(tx, vehicles, numberKey(v.ID), &v) }

// PutDevice writes a device.
func (tx *Tx) PutDevice(d Device) { change(tx, devices, numberKey(d.ID), &d) }

// PutManufacturer writes a manufacturer.
func (tx *Tx) PutManufacturer(m Manufacturer) { change(tx, manufacturers, numberKey(m.ID), &m) }

// PutLicence writes a licence.
func (tx *Tx) PutLicence(l Licence) { change(tx, licences, numberKey(l.ID), &l) }

// PutGrant writes a grant.
func (tx *Tx) PutGrant(g Grant) { change(tx, grants, grantKey(g.Vehicle, g.Grantee), &g) }

// DeleteGrant removes a grant.
func (tx *Tx) DeleteGrant(vehicle uint64, grantee sayso.Address) {
	change[Grant](tx, grants, grantKey(vehicle, grantee), nil)
}

// DeleteDevice removes a device whose token was burned.
func (tx *Tx) DeleteDevice(id uint64) { change[Device](tx, devices, numberKey(id), nil) }

// DeleteGrants removes every grant of a vehicle.
func (tx *Tx) DeleteGrants(vehicle uint64) {
	tx.r.mu.RLock()
	var list []sayso.Address
	for g := range tx.r.state.grantees[vehicle] {
		list = append(list, g)
	}
	tx.r.mu.RUnlock()
	for _, g := range list {
		tx.DeleteGrant(vehicle, g)
	}
	for _, f := range tx.order {
		if g, ok := tx.over[f].(*Grant); ok && g.Vehicle == vehicle {
			tx.DeleteGrant(vehicle, g.Grantee)
		}
	}
}

// Fold adds one block: what apply changes, the undo of it, and the cursor, in
// one transaction. It returns [ErrFork] where the block's parent is not the
// last block folded; then nothing has changed.
func (r *Registry) Fold(b Block, apply func(*Tx) error) error {
	if head, ok := r.Head(); ok && (b.Number != head.Number+1 || b.Parent != head.Hash) {
		return fmt.Errorf("%w: block %d", ErrFork, b.Number)
	}
	tx := &Tx{Block: b, r: r, over: map[fact]any{}}
	if err := apply(tx); err != nil {
		return fmt.Errorf("registry: block %d: %w", b.Number, err)
	}
	if err := r.store(tx); err != nil {
		return fmt.Errorf("registry: block %d: %w", b.Number, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range tx.order {
		r.state.put(f, tx.over[f])
	}
	r.head, r.begun = b, true
	return nil
}

// store writes a block's changes, with what they replaced.
func (r *Registry) store(tx *Tx) error {
	return r.inTransaction(func(db *sql.Tx) error {
		for _, f := range tx.order {
			if err := saveUndo(db, tx.Block.Number, f); err != nil {
				return err
			}
			if err := writeFact(db, f, tx.over[f]); err != nil {
				return err
			}
		}
		b := tx.Block
		_, err := db.Exec(`INSERT INTO blocks (number, hash, parent, time) VALUES (?, ?, ?, ?)`,
			b.Number, hex.EncodeToString(b.Hash[:]), hex.EncodeToString(b.Parent[:]), b.Time)
		if err != nil || b.Number <= Depth {
			return err
		}
		for _, forget := range []string{`DELETE FROM undo WHERE number <= ?`, `DELETE FROM blocks WHERE number < ?`} {
			if _, err := db.Exec(forget, b.Number-Depth); err != nil {
				return err
			}
		}
		return nil
	})
}

func saveUndo(db *sql.Tx, number uint64, f fact) error {
	_, err := db.Exec(`INSERT INTO undo (number, kind, key, body) VALUES (?, ?, ?,
		(SELECT body FROM facts WHERE kind = ? AND key = ?))`, number, f.kind, f.key, f.kind, f.key)
	return err
}

func writeFact(db *sql.Tx, f fact, v any) error {
	if v == nil {
		_, err := db.Exec(`DELETE FROM facts WHERE kind = ? AND key = ?`, f.kind, f.key)
		return err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = db.Exec(`INSERT INTO facts (kind, key, body) VALUES (?, ?, ?)
		ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body`, f.kind, f.key, string(body))
	return err
}

// Unwind takes back every block above number, which must be one that
// [Registry.At] still knows, or 0 blocks below the first.
func (r *Registry) Unwind(number uint64) error {
	back := map[fact]any{}
	err := r.inTransaction(func(db *sql.Tx) error {
		old, err := undone(db, number)
		if err != nil {
			return err
		}
		for f, v := range old {
			if err := writeFact(db, f, v); err != nil {
				return err
			}
			back[f] = v
		}
		for _, forget := range []string{`DELETE FROM undo WHERE number > ?`, `DELETE FROM blocks WHERE number > ?`} {
			if _, err := db.Exec(forget, number); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("registry: unwind to block %d: %w", number, err)
	}
	head, begun, err := r.blockWhere(`ORDER BY number DESC LIMIT 1`)
	if err != nil {
		return fmt.Errorf("registry: unwind to block %d: %w", number, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for f, v := range back {
		r.state.put(f, v)
	}
	r.head, r.begun = head, begun
	return nil
}

// undone is what each fact was at the end of block number: the lowest undo row
// above it.
func undone(db *sql.Tx, number uint64) (map[fact]any, error) {
	rows, err := db.Query(`SELECT kind, key, body FROM undo WHERE number > ? ORDER BY number DESC`, number)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[fact]any{}
	for rows.Next() {
		var f fact
		var body sql.NullString
		if err := rows.Scan(&f.kind, &f.key, &body); err != nil {
			return nil, err
		}
		out[f] = nil
		if body.Valid {
			if out[f], err = decode(f.kind, []byte(body.String)); err != nil {
				return nil, err
			}
		}
	}
	return out, rows.Err()
}

func (r *Registry) inTransaction(do func(*sql.Tx) error) error {
	db, err := r.db.Begin()
	if err != nil {
		return err
	}
	if err := do(db); err != nil {
		db.Rollback()
		return err
	}
	return db.Commit()
}

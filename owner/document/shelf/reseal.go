package shelf

// resealed is the version of a file whose documents are all sealed with the key
// of the configuration.
const resealed = 1

// reseal seals the documents of an older file anew, all or none.
func (s *Shelf) reseal() error {
	if s.cfg.Former == nil {
		return nil
	}
	var version int
	if err := s.db.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil || version >= resealed {
		return err
	}
	list, err := s.sealed()
	if err != nil {
		return err
	}
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, d := range list {
		if _, err := s.cfg.RootKey.Unwrap(d.body, place(d.raw)); err == nil {
			continue
		}
		plain, err := s.cfg.Former.Unwrap(d.body, place(d.raw))
		if err != nil { // as before, it is not served
			s.cfg.Log.Error("a document that is kept opens with no key of this node", "error", err)
			continue
		}
		body, err := s.cfg.RootKey.Wrap(plain, place(d.raw))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`UPDATE documents SET body = ? WHERE raw = ?`, body, d.raw); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`PRAGMA user_version = 1`); err != nil { // resealed
		return err
	}
	return tx.Commit()
}

// sealed lists what is kept, as it is kept.
func (s *Shelf) sealed() (list []struct{ raw, body []byte }, err error) {
	rows, err := s.db.Query(`SELECT raw, body FROM documents`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d struct{ raw, body []byte }
		if err := rows.Scan(&d.raw, &d.body); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, rows.Err()
}

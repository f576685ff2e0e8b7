//go:build cgo

package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"sayso/bench/iot"
)

// duck is DuckDB in this process.
type duck struct {
	dialect
	dir        string
	connector  *duckdb.Connector
	db         *sql.DB
	number     string // of the version
	statements map[string]*sql.Stmt
}

func openDuckDB(ctx context.Context, d *iot.Data, dir string) (peer, error) {
	p := &duck{dir: dir, statements: map[string]*sql.Stmt{}}
	var err error
	if p.connector, err = duckdb.NewConnector(filepath.Join(dir, "duck.db"), nil); err != nil {
		return nil, errLeftOut{err}
	}
	p.db = sql.OpenDB(p.connector)
	p.dialect = dialect{
		d: d,
		bucket: func(interval, column, from string) string {
			return "time_bucket(INTERVAL '" + interval + "', " + column + ", " + from + "::TIMESTAMP)"
		},
		nowOf: func(table string, columns ...string) string {
			list := make([]string, len(columns))
			for i, c := range columns {
				list[i] = fmt.Sprintf("arg_max(%s, time) AS %s", c, c)
			}
			return fmt.Sprintf("SELECT name, %s FROM %s JOIN tags ON id = vehicle WHERE fleet = $1 AND time >= $2 GROUP BY name", strings.Join(list, ", "), table)
		},
		latest: func(c string) string { return "arg_max(" + c + ", time) FILTER (" + c + " IS NOT NULL)" },
		rows:   p.ask,
	}
	return p, p.db.QueryRowContext(ctx, "SELECT version()").Scan(&p.number)
}

func (p *duck) ask(ctx context.Context, query string, args []any, row func(func(...any) error) error) error {
	s := p.statements[query]
	if s == nil {
		var err error
		if s, err = p.db.PrepareContext(ctx, query); err != nil {
			return err
		}
		p.statements[query] = s
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Load appends.
func (p *duck) Load(ctx context.Context, d *iot.Data, batches func(func(*iot.Batch) bool)) (err error) {
	for _, s := range tables() {
		if _, err := p.db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	for _, t := range d.Trucks {
		if _, err := p.db.ExecContext(ctx, "INSERT INTO tags VALUES ($1, $2, $3, $4, $5, $6)", t.ID, t.Name, t.Fleet, t.Driver, t.Model, t.LoadCapacity); err != nil {
			return err
		}
	}
	conn, err := p.connector.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	appenders := map[*iot.Table]*duckdb.Appender{}
	defer func() {
		for _, a := range appenders {
			err = errors.Join(err, a.Close())
		}
	}()
	for _, t := range iot.Tables {
		if appenders[t], err = duckdb.NewAppenderFromConn(conn, "", t.Name); err != nil {
			return err
		}
	}
	for b := range batches {
		for i := range b.Tables {
			t := &b.Tables[i]
			for j := range t.Times {
				row := values(b.Vehicle, t, j)
				list := make([]driver.Value, len(row))
				for k := range row {
					list[k] = row[k]
				}
				if err := appenders[t.Table].AppendRow(list...); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *duck) settle(ctx context.Context) error {
	for _, t := range iot.Tables {
		for _, s := range []string{"CREATE TABLE sorted AS SELECT * FROM %s ORDER BY vehicle, time", "DROP TABLE %s", "ALTER TABLE sorted RENAME TO %s"} {
			if strings.Contains(s, "%s") {
				s = fmt.Sprintf(s, t.Name)
			}
			if _, err := p.db.ExecContext(ctx, s); err != nil {
				return err
			}
		}
	}
	_, err := p.db.ExecContext(ctx, "CHECKPOINT")
	return err
}

func (p *duck) version() string { return strings.TrimPrefix(p.number, "v") }
func (p *duck) use() usage      { return own() }

// disk is the blocks in use; the file also has those that were freed.
func (p *duck) disk() float64 {
	var used, size float64
	if p.db.QueryRow("SELECT used_blocks, block_size FROM pragma_database_size() LIMIT 1").Scan(&used, &size) != nil {
		return sizeOf(p.dir)
	}
	return used * size
}

func (p *duck) close() error {
	for _, s := range p.statements {
		s.Close()
	}
	return errors.Join(p.db.Close(), p.connector.Close())
}

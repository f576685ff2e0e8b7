package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"sayso/bench/iot"
)

// postgres is a PostgreSQL server of its own in a folder of its own.
type postgres struct {
	dialect
	dir    string
	server *exec.Cmd
	conn   *pgx.Conn
	number string // of the version
}

// postgresSettings are what its manual advises for a machine whose memory it may
// use, and for loading much.
var postgresSettings = []string{
	"listen_addresses=", "shared_buffers=2GB", "effective_cache_size=8GB", "work_mem=128MB", "maintenance_work_mem=1GB",
	"max_wal_size=8GB", "checkpoint_timeout=30min", "wal_compression=on", "random_page_cost=1.1", "jit=off", "log_min_messages=warning",
}

func openPostgres(ctx context.Context, d *iot.Data, dir string) (peer, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return nil, errLeftOut{errors.New("there is no /usr/lib/postgresql/*/bin/postgres: bench/peers/needs installs it where it may")}
	}
	program := found[len(found)-1]
	// It does not run as root, and its user may not see this folder.
	dir, err := os.MkdirTemp(placeOf(dir), "sayso-postgres-")
	if err != nil {
		return nil, err
	}
	p := &postgres{dir: dir}
	attr := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, errLeftOut{err}
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	begin := exec.CommandContext(ctx, filepath.Join(filepath.Dir(program), "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-instructions")
	begin.SysProcAttr, begin.Dir = attr, dir
	if out, err := begin.CombinedOutput(); err != nil {
		return nil, errLeftOut{fmt.Errorf("initdb: %w: %.500s", err, out)}
	}
	args := []string{"-D", data, "-k", dir}
	for _, s := range postgresSettings {
		args = append(args, "-c", s)
	}
	p.server = exec.CommandContext(ctx, program, args...)
	p.server.SysProcAttr, p.server.Dir = attr, dir
	if err := p.server.Start(); err != nil {
		return nil, errLeftOut{err}
	}
	for range 100 {
		if p.conn, err = p.connect(ctx); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err == nil {
		err = p.conn.QueryRow(ctx, "SHOW server_version").Scan(&p.number)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.dialect = dialect{
		d: d,
		bucket: func(interval, column, from string) string {
			return "date_bin('" + interval + "', " + column + ", " + from + ")"
		},
		nowOf: func(table string, columns ...string) string { // $2 is not needed: the index has the latest
			return fmt.Sprintf("SELECT tags.name, x.* FROM tags JOIN LATERAL (SELECT %s FROM %s WHERE vehicle = tags.id AND time >= $2 ORDER BY time DESC LIMIT 1) AS x ON true WHERE fleet = $1", strings.Join(columns, ", "), table)
		},
		latest: func(c string) string {
			return "(SELECT " + c + " FROM cars WHERE vehicle = $1 AND " + c + " IS NOT NULL ORDER BY time DESC LIMIT 1)"
		},
		rows: p.ask,
	}
	return p, nil
}

// placeOf is a folder on the same disk that other users may enter.
func placeOf(dir string) string {
	for at := dir; at != "/"; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err != nil || info.Mode().Perm()&0o005 != 0o005 {
			return os.TempDir()
		}
	}
	return filepath.Dir(dir)
}

func (p *postgres) connect(ctx context.Context) (*pgx.Conn, error) {
	c, err := pgx.Connect(ctx, "host="+p.dir+" user=postgres dbname=postgres")
	if err != nil {
		return nil, err
	}
	_, err = c.Exec(ctx, "SET timezone = 'UTC'")
	return c, err
}

func (p *postgres) ask(ctx context.Context, query string, args []any, row func(func(...any) error) error) error {
	rows, err := p.conn.Query(ctx, query, args...)
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

// copying is the rows of one table on their way.
type copying struct {
	ctx  context.Context
	list chan [][]any
	now  [][]any
	at   int
}

func (c *copying) Next() bool {
	if c.at++; c.at < len(c.now) {
		return true
	}
	c.now, c.at = <-c.list, 0
	return c.now != nil
}

func (c *copying) Values() ([]any, error) { return c.now[c.at], nil }
func (c *copying) Err() error             { return c.ctx.Err() }

// Load copies each table over a connection of its own.
func (p *postgres) Load(ctx context.Context, d *iot.Data, batches func(func(*iot.Batch) bool)) error {
	for _, s := range tables() {
		if _, err := p.conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	for _, t := range d.Trucks {
		if _, err := p.conn.Exec(ctx, "INSERT INTO tags VALUES ($1, $2, $3, $4, $5, $6)", t.ID, t.Name, t.Fleet, t.Driver, t.Model, t.LoadCapacity); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lists := map[*iot.Table]chan [][]any{}
	var wg sync.WaitGroup
	for _, t := range iot.Tables {
		list := make(chan [][]any, 4)
		lists[t] = list
		conn, err := p.connect(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		names := append(append([]string{"vehicle", "time"}, t.Numbers...), t.Texts...)
		wg.Go(func() {
			if _, err := conn.CopyFrom(ctx, pgx.Identifier{t.Name}, names, &copying{ctx: ctx, list: list, at: -1}); err != nil {
				cancel(err)
			}
		})
	}
	for b := range batches {
		for i := range b.Tables {
			t := &b.Tables[i]
			rows := make([][]any, len(t.Times))
			for j := range rows {
				rows[j] = values(b.Vehicle, t, j)
			}
			select {
			case lists[t.Table] <- rows:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	for _, list := range lists {
		close(list)
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (p *postgres) settle(ctx context.Context) error {
	for _, t := range iot.Tables {
		for _, s := range []string{"CREATE INDEX ON %s (vehicle, time)", "CREATE INDEX ON %s USING brin (time)", "VACUUM ANALYZE %s"} {
			if _, err := p.conn.Exec(ctx, fmt.Sprintf(s, t.Name)); err != nil {
				return err
			}
		}
	}
	_, err := p.conn.Exec(ctx, "ANALYZE tags")
	return err
}

func (p *postgres) version() string {
	number, _, _ := strings.Cut(p.number, " ")
	return number
}

func (p *postgres) use() usage    { return of(p.server.Process.Pid) }
func (p *postgres) disk() float64 { return sizeOf(filepath.Join(p.dir, "data", "base")) }

func (p *postgres) close() error {
	if p.conn != nil {
		p.conn.Close(context.Background())
	}
	p.server.Process.Signal(os.Interrupt) // it ends at once
	p.server.Wait()                       // how does not matter
	return os.RemoveAll(p.dir)
}

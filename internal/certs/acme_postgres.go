package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres keeps certificates in a table of PostgreSQL, for many gateways: each key is a row. Keys have the layout of files, so that what a
// directory has can be brought over.
//
// Locks are the server's advisory locks, each on a connection of its own: that of a gateway which ends, or is cut off, is given back by
// the server.
type postgres struct {
	pool *pgxpool.Pool

	mu   sync.Mutex // guards the fields below
	made bool       // the table is there
	held map[string]*pgxpool.Conn
}

// inPostgres reports whether a place to keep certificates in is a PostgreSQL.
func inPostgres(at string) bool {
	return strings.HasPrefix(at, "postgres:") || strings.HasPrefix(at, "postgresql:")
}

const (
	// postgresConns is how many connections there are at most: each of the tries at once may hold two locks and ask something.
	postgresConns = 3*triesAtOnce + 2
	postgresTime  = 5 * time.Second // for one call, which may have to connect
)

// openPostgres reads an address. Nobody is connected to before something is asked for.
func openPostgres(at string) (*postgres, error) {
	if rest, pairs := strings.CutPrefix(at, "postgres:"); pairs && !strings.HasPrefix(rest, "//") {
		at = rest // host=/run/postgresql dbname=whygate
	}
	conf, err := pgxpool.ParseConfig(at)
	if err != nil { // which may show a password
		return nil, errors.New("the address of PostgreSQL cannot be read: write postgres://user@host:5432/database")
	}
	conf.MaxConns = postgresConns
	conf.MaxConnIdleTime = time.Minute
	if conf.ConnConfig.ConnectTimeout == 0 {
		conf.ConnConfig.ConnectTimeout = postgresTime
	}
	conf.ConnConfig.RuntimeParams["statement_timeout"] = "5000"
	if conf.ConnConfig.RuntimeParams["application_name"] == "" {
		conf.ConnConfig.RuntimeParams["application_name"] = "whygate"
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), conf)
	if err != nil {
		return nil, err
	}
	return &postgres{pool: pool, held: map[string]*pgxpool.Conn{}}, nil
}

// close ends the connections. Nothing may be under way.
func (s *postgres) close() { s.pool.Close() }

// begin bounds a call, and has the table be there: a server that has fallen silent ends no statement. end is to be called.
func (s *postgres) begin(ctx context.Context) (bound context.Context, end context.CancelFunc, err error) {
	bound, end = context.WithTimeout(ctx, postgresTime)
	if err := s.ready(bound); err != nil {
		end()
		return nil, nil, err
	}
	return bound, end, nil
}

// ready makes the table where it is not there. Two gateways may do so at once, of which one fails and finds it.
func (s *postgres) ready(ctx context.Context) error {
	s.mu.Lock()
	made := s.made
	s.mu.Unlock()
	if made {
		return nil
	}
	const there = `SELECT to_regclass('whygate.certificates') IS NOT NULL`
	var is bool
	if err := s.pool.QueryRow(ctx, there).Scan(&is); err != nil {
		return err
	}
	if !is {
		_, err := s.pool.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS whygate;
			CREATE TABLE IF NOT EXISTS whygate.certificates (key text PRIMARY KEY, value bytea NOT NULL, modified timestamptz NOT NULL DEFAULT now())`)
		if err != nil {
			if again := s.pool.QueryRow(ctx, there).Scan(&is); again != nil || !is {
				return fmt.Errorf("make the table whygate.certificates: %w", err)
			}
		}
	}
	s.mu.Lock()
	s.made = true
	s.mu.Unlock()
	return nil
}

// clean is a key without what would give it two names.
func clean(key string) string { return strings.Trim(path.Clean("/"+key), "/") }

// below is the condition for a key, and for what is under it, as for a directory.
const below = ` WHERE key = $1 OR starts_with(key, $1 || '/')`

// Store writes a row.
func (s *postgres) Store(ctx context.Context, key string, value []byte) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	_, err = s.pool.Exec(ctx, `INSERT INTO whygate.certificates (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2, modified = now()`, clean(key), value)
	return err
}

// Load reads a row.
func (s *postgres) Load(ctx context.Context, key string) ([]byte, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var value []byte
	err = s.pool.QueryRow(ctx, `SELECT value FROM whygate.certificates WHERE key = $1`, clean(key)).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return value, err
}

// Delete removes a row, or all rows under a key.
func (s *postgres) Delete(ctx context.Context, key string) error {
	if key = clean(key); key == "" {
		return nil
	}
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	_, err = s.pool.Exec(ctx, `DELETE FROM whygate.certificates`+below, key)
	return err
}

// Exists reports whether there is such a row, or one under the key.
func (s *postgres) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List gives the keys under a key; without recursive those one level down alone.
func (s *postgres) List(ctx context.Context, key string, recursive bool) ([]string, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	key = clean(key)
	rows, err := s.pool.Query(ctx, `SELECT key FROM whygate.certificates WHERE $1 = '' OR starts_with(key, $1 || '/') ORDER BY key COLLATE "C"`, key)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, len(all))
	for _, k := range all {
		if !recursive {
			rest := strings.TrimPrefix(strings.TrimPrefix(k, key), "/")
			first, _, _ := strings.Cut(rest, "/")
			k = path.Join(key, first)
		}
		if n := len(out); n == 0 || out[n-1] != k {
			out = append(out, k)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	return out, nil
}

// Stat says what a key is.
func (s *postgres) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	defer end()
	info := certmagic.KeyInfo{Key: key}
	var rows int64
	var modified *time.Time
	err = s.pool.QueryRow(ctx, `SELECT count(*), max(modified), coalesce(sum(length(value)) FILTER (WHERE key = $1), 0), bool_or(key = $1) IS TRUE FROM whygate.certificates`+below, clean(key)).
		Scan(&rows, &modified, &info.Size, &info.IsTerminal)
	if err == nil && rows == 0 {
		err = fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	if err == nil && modified != nil {
		info.Modified = *modified
	}
	return info, err
}

// Lock waits until nobody else has the lock, in this process or another.
func (s *postgres) Lock(ctx context.Context, name string) error {
	for {
		got, err := s.tryLock(ctx, name)
		if got || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockLook):
		}
	}
}

// tryLock takes a lock if nobody has it.
func (s *postgres) tryLock(ctx context.Context, name string) (got bool, err error) {
	ctx, end := context.WithTimeout(ctx, postgresTime)
	defer end()
	c, err := s.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	if err = c.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`, "whygate "+name).Scan(&got); err != nil || !got {
		c.Release()
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[name] = c
	return true, nil
}

// Unlock gives a lock back. Where that fails its connection is ended, which gives it back too.
func (s *postgres) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	c := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if c == nil {
		return fmt.Errorf("the lock %s is not held", name)
	}
	defer c.Release()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), postgresTime)
	defer cancel()
	var was bool
	if err := c.QueryRow(ctx, `SELECT pg_advisory_unlock(hashtextextended($1, 0))`, "whygate "+name).Scan(&was); err != nil || !was {
		_ = c.Conn().Close(ctx)
		return err
	}
	return nil
}

// setAside moves what a key has to the same key below damaged, in place of what was moved there before, and says where that is.
func (s *postgres) setAside(ctx context.Context, key string) (string, error) {
	if key = clean(key); key == "" {
		return "", errors.New("there is no key to put aside")
	}
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	to := "damaged/" + key
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // for nothing after Commit
	if _, err = tx.Exec(ctx, `DELETE FROM whygate.certificates`+below, to); err == nil {
		_, err = tx.Exec(ctx, `UPDATE whygate.certificates SET key = 'damaged/' || key`+below, key)
	}
	if err == nil {
		err = tx.Commit(ctx)
	}
	return "whygate.certificates, key " + to, err
}

var _ storage = (*postgres)(nil)

package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	driver "modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Bounds of what is asked of a database.
const (
	openTime  = 20 * time.Second // to connect, to look whether a file is sound, to migrate
	writeTime = 5 * time.Second
	batchTime = 30 * time.Second // for all that waited while the database could not be reached
	readTime  = 2 * time.Second  // a reader that stays holds up SQLite's checkpoints
)

// database is an open one. Statements are written with $1, $2 as PostgreSQL has them.
type database struct {
	kind   kind
	write  *sql.DB // one connection where that is SQLite
	read   *sql.DB // the same as write in memory and for PostgreSQL
	anchor *sql.Conn
	at     string
}

// onDamage says what is done with a damaged file of SQLite.
type onDamage uint8

const (
	leaveDamaged onDamage = iota // by who only reads
	moveDamaged                  // it is renamed, and a new one is begun
)

// open opens a place and brings its tables up to date. moved is the new name of a damaged file that was moved aside. One that was never a file
// of SQLite is somebody else's, and is left as it is.
func open(ctx context.Context, p Place, damage onDamage) (db *database, moved string, err error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	switch p.kind {
	case postgres:
		db, err = openPostgres(ctx, p.at)
		return db, "", err
	case inMemory:
		db, err = openMemory(ctx)
		return db, "", err
	}
	db, err = openFile(ctx, p.at)
	if !damaged(err) {
		return db, "", err
	}
	if !beginsAsSQLite(p.at) {
		return nil, "", &HintError{fmt.Errorf("%s is no file of SQLite", p.at), "it is left as it is: name another file for incidents, or move it away"}
	}
	if damage == leaveDamaged {
		return nil, "", &HintError{fmt.Errorf("%s is damaged: %w", p.at, err), "a gateway that is started with it moves it aside and begins a new one"}
	}
	if moved, err = moveAside(p.at); err != nil {
		return nil, "", err
	}
	db, err = openFile(ctx, p.at)
	return db, moved, err
}

// memories numbers the databases in memory, whose names are the process's.
var memories atomic.Uint64

func openMemory(ctx context.Context) (*database, error) {
	dsn := fmt.Sprintf("file:whygate-%d?mode=memory&cache=shared&_txlock=immediate&_pragma=busy_timeout(5000)", memories.Add(1))
	one, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db := &database{kind: inMemory, write: one, read: one}
	if db.anchor, err = one.Conn(ctx); err == nil { // it keeps the database while others come and go
		one.SetMaxOpenConns(2)
		err = db.migrate(ctx)
	}
	if err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

// openFile opens an SQLite file: its own user's alone, in WAL mode, with one connection that writes and two that read.
func openFile(ctx context.Context, path string) (*database, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if onNFS(dir) {
		return nil, &HintError{fmt.Errorf("%s is on NFS, whose locks SQLite cannot rely on", dir), "keep it on a local disk, or in PostgreSQL: incidents: {store: postgres://...}"}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite would make it readable for others; its -wal has the same mode
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	dsn := func(extra ...string) string {
		q := url.Values{"_pragma": append([]string{"busy_timeout(5000)"}, extra...)}
		return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
	}
	db := &database{kind: sqlite, at: path}
	db.write, err = sql.Open("sqlite", dsn("auto_vacuum(INCREMENTAL)", "journal_mode(WAL)", "synchronous(NORMAL)", "journal_size_limit(67108864)")+"&_txlock=immediate")
	if err == nil {
		db.write.SetMaxOpenConns(1)
		db.read, err = sql.Open("sqlite", dsn("query_only(1)"))
	}
	if err == nil {
		db.read.SetMaxOpenConns(2)
		// Another process may make it a file in WAL mode at this moment, and SQLite does not wait for that.
		for tries := 1; ; tries++ {
			if err = db.sound(ctx); !busy(err) || tries == migrateTries || ctx.Err() != nil {
				break
			}
			<-time.After(migrateWait)
		}
	}
	if err == nil {
		err = db.migrate(ctx)
	}
	if err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

// soundTime bounds the look at a file: a large one is taken for sound then.
const soundTime = 2 * time.Second

// sound looks whether a file is damaged.
func (db *database) sound(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, soundTime)
	defer cancel()
	var verdict string
	err := db.write.QueryRowContext(short, "PRAGMA quick_check(1)").Scan(&verdict)
	switch {
	case err != nil && short.Err() != nil && ctx.Err() == nil:
		return nil
	case err != nil:
		return err
	case verdict != "ok":
		return &damageError{verdict}
	}
	return nil
}

// damageError is what SQLite found wrong with a file.
type damageError struct{ verdict string }

func (e *damageError) Error() string { return "the file is damaged: " + e.verdict }

// The result codes of SQLite for a damaged file: SQLITE_CORRUPT and SQLITE_NOTADB. The low octet of a code says its kind.
const (
	codeCorrupt = 11
	codeNotADB  = 26
)

// busy reports whether an error says that another connection has the file (SQLITE_BUSY).
func busy(err error) bool {
	const code = 5
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}

// damaged reports whether an error says that a file is no database any more.
func damaged(err error) bool {
	if d := new(damageError); errors.As(err, &d) {
		return true
	}
	var e *driver.Error
	return errors.As(err, &e) && (e.Code()&0xff == codeCorrupt || e.Code()&0xff == codeNotADB)
}

// sqliteMagic begins each file of SQLite (its file format, section 1.3).
const sqliteMagic = "SQLite format 3\x00"

func beginsAsSQLite(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(sqliteMagic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == sqliteMagic
}

// The result codes of SQLite for a value that does not fit its table: SQLITE_TOOBIG, SQLITE_CONSTRAINT and SQLITE_MISMATCH; and what the codes of
// PostgreSQL for that begin with (classes 22, data exception, and 23, integrity constraint violation).
const (
	codeTooBig     = 18
	codeConstraint = 19
	codeMismatch   = 20

	classData      = "22"
	classIntegrity = "23"
)

// refused reports whether an error is about what was to be written, so that the same again cannot go better.
func refused(err error) bool {
	var e *driver.Error
	var pg *pgconn.PgError
	var bad *json.MarshalerError
	var value *json.UnsupportedValueError
	switch {
	case errors.As(err, &e):
		switch e.Code() & 0xff {
		case codeTooBig, codeConstraint, codeMismatch:
			return true
		}
		return false
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, classData) || strings.HasPrefix(pg.Code, classIntegrity)
	}
	return errors.As(err, &bad) || errors.As(err, &value)
}

// moveAside renames a damaged file with what belongs to it.
func moveAside(path string) (string, error) {
	to := path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Rename(path, to); err != nil {
		return "", err
	}
	for _, part := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+part, to+part); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return to, nil
}

// onNFS reports whether a directory is on a network file system (statfs(2): NFS_SUPER_MAGIC).
func onNFS(dir string) bool {
	const nfs = 0x6969
	var st syscall.Statfs_t
	return syscall.Statfs(dir, &st) == nil && int64(st.Type) == nfs
}

// schema has our tables in PostgreSQL, where others may be as well.
const schema = "whygate"

func openPostgres(ctx context.Context, at string) (*database, error) {
	conf, err := pgx.ParseConfig(at)
	if err != nil {
		return nil, unreadable(err)
	}
	if conf.ConnectTimeout == 0 {
		conf.ConnectTimeout = writeTime
	}
	conf.RuntimeParams["search_path"] = schema
	conf.RuntimeParams["statement_timeout"] = "5000"
	if conf.RuntimeParams["application_name"] == "" {
		conf.RuntimeParams["application_name"] = "whygate"
	}
	one := stdlib.OpenDB(*conf)
	one.SetMaxOpenConns(4)
	one.SetConnMaxIdleTime(time.Minute)
	db := &database{kind: postgres, write: one, read: one}
	if _, err = one.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema); err != nil && !db.exists(ctx) { // two at once: one of them fails
		err = fmt.Errorf("schema %s: %w", schema, err)
	} else {
		err = db.migrate(ctx)
	}
	if err != nil {
		db.close()
		return nil, err
	}
	return db, nil
}

// exists reports whether the schema is there.
func (db *database) exists(ctx context.Context) bool {
	var n int
	err := db.write.QueryRowContext(ctx, "SELECT count(*) FROM information_schema.schemata WHERE schema_name = $1", schema).Scan(&n)
	return err == nil && n > 0
}

// migrate brings the tables up to date. In PostgreSQL one process does it at a time.
func (db *database) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.kind == postgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 10))
		if err != nil {
			return err
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db.write, files, options...)
	if err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		if pending, err := p.HasPending(ctx); err == nil && !pending {
			return nil // without the lock, which is asked for once a second
		}
		_, err := p.Up(ctx)
		if err == nil {
			return nil
		}
		// A file of SQLite has no such lock: another process may have made the tables meanwhile, and then nothing is left to do.
		if tries == migrateTries || db.kind != sqlite {
			return fmt.Errorf("tables: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("tables: %w", err)
		case <-time.After(migrateWait):
		}
	}
}

// How often, and after what pause, a file's tables are looked at again where another process made them at the same time.
const (
	migrateTries = 20
	migrateWait  = 50 * time.Millisecond
)

// q spells a statement for this database.
func (db *database) q(statement string) string {
	if db.kind == postgres {
		return statement
	}
	return strings.ReplaceAll(statement, "$", "?")
}

func (db *database) close() {
	if db.anchor != nil {
		_ = db.anchor.Close()
	}
	if db.read != nil && db.read != db.write {
		_ = db.read.Close()
	}
	if db.write != nil {
		_ = db.write.Close()
	}
}

// HintError is an error with what to do about it.
type HintError struct {
	Err  error
	Hint string
}

// Error is the error without the hint.
func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap gives the error itself.
func (e *HintError) Unwrap() error { return e.Err }

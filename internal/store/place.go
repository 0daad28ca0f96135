package store

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Place is where incidents are kept: the kind of database, and where it is.
type Place struct {
	kind kind
	at   string // the file's path, or PostgreSQL's URL or key=value text
}

type kind uint8

const (
	inMemory kind = iota // the zero Place
	sqlite
	postgres
	nowhere
)

// Nowhere keeps nothing beyond what the gateway itself has of the last incidents.
var Nowhere = Place{kind: nowhere}

// Memory keeps incidents for as long as the process lives.
var memory = Place{}

// ParsePlace reads "memory", "sqlite:PATH" or "postgres:URL", where URL is what libpq takes: postgres://user@host/database, or key=value pairs.
func ParsePlace(s string) (Place, error) {
	switch {
	case s == "memory":
		return memory, nil
	case strings.HasPrefix(s, "sqlite:"):
		path := strings.TrimPrefix(s, "sqlite:")
		if path == "" || strings.ContainsRune(path, 0) {
			return Place{}, errors.New("sqlite: needs the path of a file")
		}
		return Place{sqlite, path}, nil
	case strings.HasPrefix(s, "postgres://"), strings.HasPrefix(s, "postgresql://"):
		if _, err := url.Parse(s); err != nil {
			return Place{}, errors.New("the URL of PostgreSQL cannot be read")
		}
		return Place{postgres, s}, nil
	case strings.HasPrefix(s, "postgres:"):
		at := strings.TrimPrefix(s, "postgres:")
		if !strings.Contains(at, "=") && !strings.Contains(at, "://") {
			return Place{}, errors.New("postgres: needs a URL, postgres://user@host/database, or pairs such as host=/run/postgresql dbname=whygate")
		}
		return Place{postgres, at}, nil
	}
	return Place{}, errors.New("it is none of memory, sqlite:PATH and postgres://user@host/database")
}

// InFile is the Place of an SQLite file.
func InFile(path string) Place { return Place{sqlite, path} }

// IsMemory reports whether incidents end with the process.
func (p Place) IsMemory() bool { return p.kind == inMemory }

// String names the place without a password: of PostgreSQL the server, the user and the database, and nothing else of what was written.
func (p Place) String() string {
	switch p.kind {
	case sqlite:
		return "sqlite:" + p.at
	case postgres:
		conf, err := pgx.ParseConfig(p.at)
		if err != nil {
			return "postgres: " + unreadable(err).Error()
		}
		if strings.HasPrefix(conf.Host, "/") { // the directory of a Unix socket
			return fmt.Sprintf("postgres:host=%s port=%d user=%s dbname=%s", conf.Host, conf.Port, conf.User, conf.Database)
		}
		u := url.URL{Scheme: "postgres", User: url.User(conf.User), Host: net.JoinHostPort(conf.Host, strconv.Itoa(int(conf.Port))), Path: "/" + conf.Database}
		return u.String()
	}
	if p == Nowhere {
		return "nowhere"
	}
	return "memory"
}

// unreadable is why an address of PostgreSQL cannot be used, without the address, which may have a password anywhere in it.
func unreadable(err error) error {
	hint := "write postgres://user@host:5432/database, or pairs such as host=/run/postgresql dbname=whygate"
	if file := new(fs.PathError); errors.As(err, &file) {
		return &HintError{fmt.Errorf("a file that the address of PostgreSQL names: %w", file), "see that it is there and that the gateway may read it"}
	}
	return &HintError{errors.New("the address of PostgreSQL cannot be read"), hint}
}

// fileName is the file in the state directory.
const fileName = "incidents.db"

// StateDirectory is where a gateway keeps what outlives it: the directory that systemd gives the service ($STATE_DIRECTORY), or else one in
// the user's state directory (the XDG base directories). getenv is os.Getenv. The error says that there is neither.
func StateDirectory(getenv func(string) string) (string, error) {
	if dirs := getenv("STATE_DIRECTORY"); dirs != "" { // several are separated by colons
		dir, _, _ := strings.Cut(dirs, ":")
		return dir, nil
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "whygate"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		if info, err := os.Stat(home); err == nil && info.IsDir() {
			return filepath.Join(home, ".local", "state", "whygate"), nil
		}
	}
	return "", fmt.Errorf("neither STATE_DIRECTORY nor a home directory is there")
}

// Default is the Place where none is configured: a file in StateDirectory.
func Default(getenv func(string) string) (Place, error) {
	dir, err := StateDirectory(getenv)
	if err != nil {
		return memory, err
	}
	return InFile(filepath.Join(dir, fileName)), nil
}

// Package pgtest runs a real PostgreSQL for tests: its data and its socket are in a directory that goes with it, it has no port, and it is
// an unprivileged user's.
//
// It must not know what is kept in it.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL of the tests' own.
type Server struct {
	dir     string
	bin     string
	cred    *syscall.SysProcAttr
	process *exec.Cmd
	ended   chan error
	created atomic.Int64
}

// theServer is started by the first test that needs it.
var theServer struct {
	once   sync.Once
	server *Server
	why    error
}

// Close stops the server, if a test has started it: TestMain calls it when all tests have run.
func Close() {
	if s := theServer.server; s != nil {
		s.Stop(syscall.SIGQUIT)
		_ = os.RemoveAll(s.dir)
	}
}

// The gives the server, started by the first test that asks, or skips the test and says why.
func The(t *testing.T) *Server {
	t.Helper()
	theServer.once.Do(func() { theServer.server, theServer.why = newServer() })
	if theServer.why != nil {
		t.Skip("skipped: no PostgreSQL to test with: ", theServer.why)
	}
	return theServer.server
}

func newServer() (*Server, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "whygate-pg-") //nolint:usetesting // it outlives the test that starts it
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, cred: &syscall.SysProcAttr{}}
	if os.Getuid() == 0 {
		if err := s.unprivileged(); err != nil {
			return nil, err
		}
	}
	init := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "whygate", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	init.SysProcAttr, init.Dir = s.cred, dir
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// postgresPrograms finds the directory of initdb and postgres: Debian keeps them out of PATH.
func postgresPrograms() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	for _, dir := range dirs {
		if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("initdb is not installed (Debian: apt-get install postgresql)")
}

// unprivileged makes the server somebody's who is not root, whom it would refuse.
func (s *Server) unprivileged() error {
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return err
		}
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	s.cred = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if err := os.Chown(s.dir, uid, gid); err != nil {
		return err
	}
	return os.Chmod(s.dir, 0o755)
}

// Start runs the server, and returns when it answers.
func (s *Server) Start() error {
	s.process = exec.Command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-h", "", "-F", "-c", "max_connections=60")
	s.process.SysProcAttr = withUs(s.cred.Credential)
	s.process.Dir = s.dir
	if err := s.process.Start(); err != nil {
		return err
	}
	s.ended = make(chan error, 1)
	go func(p *exec.Cmd, ended chan error) { ended <- p.Wait() }(s.process, s.ended) // ends with the server
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		if c, err := pgx.Connect(context.Background(), s.URL("postgres")); err == nil {
			_ = c.Close(context.Background())
			return nil
		}
		select {
		case err := <-s.ended:
			return fmt.Errorf("postgres ended: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("postgres did not answer within 30 s")
}

// Stop sends the server a signal, and waits for its end: SIGQUIT stops it at once.
func (s *Server) Stop(how syscall.Signal) {
	_ = s.process.Process.Signal(how)
	<-s.ended
}

// URL is how a database of the server is connected to.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://whygate@/%s?host=%s", database, s.dir)
}

// Database makes an empty database, and gives its URL.
func (s *Server) Database(t *testing.T) string {
	t.Helper()
	name := "t" + strconv.FormatInt(s.created.Add(1), 10)
	c, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	if _, err := c.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.URL(name)
}

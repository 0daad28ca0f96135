package store

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
)

// server is a PostgreSQL of the tests' own: its data and its socket in a directory that goes with it, no port, and an unprivileged user.
type server struct {
	dir     string
	bin     string
	cred    *syscall.SysProcAttr
	process *exec.Cmd
	ended   chan error
	created atomic.Int64
}

// theServer is started by the first test that needs it, and stopped by TestMain.
var theServer struct {
	once   sync.Once
	server *server
	why    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if s := theServer.server; s != nil {
		s.stop(syscall.SIGQUIT)
		_ = os.RemoveAll(s.dir)
	}
	os.Exit(code)
}

// onPostgres gives a Place in a new database of a real server, or skips the test and says why.
func onPostgres(t *testing.T) Place {
	t.Helper()
	return Place{postgres, thePostgres(t).database(t)}
}

func thePostgres(t *testing.T) *server {
	t.Helper()
	theServer.once.Do(func() { theServer.server, theServer.why = newServer() })
	if theServer.why != nil {
		t.Skip("skipped: no PostgreSQL to test with: ", theServer.why)
	}
	return theServer.server
}

func newServer() (*server, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "whygate-pg-") //nolint:usetesting // it outlives the test that starts it
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, bin: bin, cred: &syscall.SysProcAttr{}}
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
	if err := s.start(); err != nil {
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
func (s *server) unprivileged() error {
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

func (s *server) start() error {
	s.process = exec.Command(filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-h", "", "-F", "-c", "max_connections=60")
	s.process.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred.Credential, Pdeathsig: syscall.SIGQUIT}
	s.process.Dir = s.dir
	if err := s.process.Start(); err != nil {
		return err
	}
	s.ended = make(chan error, 1)
	go func(p *exec.Cmd, ended chan error) { ended <- p.Wait() }(s.process, s.ended) // ends with the server
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		db, _, err := open(context.Background(), Place{postgres, s.url("postgres")}, moveDamaged)
		if err == nil {
			db.close()
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

func (s *server) stop(how syscall.Signal) {
	_ = s.process.Process.Signal(how)
	<-s.ended
}

func (s *server) url(database string) string {
	return fmt.Sprintf("host=%s user=whygate dbname=%s", s.dir, database)
}

// database makes an empty database.
func (s *server) database(t *testing.T) string {
	t.Helper()
	name := "t" + strconv.FormatInt(s.created.Add(1), 10)
	db, _, err := open(t.Context(), Place{postgres, s.url("postgres")}, moveDamaged)
	if err != nil {
		t.Fatal(err)
	}
	defer db.close()
	if _, err := db.write.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}

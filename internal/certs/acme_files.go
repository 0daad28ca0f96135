package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddyserver/certmagic"
)

// storage keeps certificates, keys and accounts.
type storage interface {
	certmagic.Storage
	// setAside moves what a key has out of the way, and says where it is.
	setAside(ctx context.Context, key string) (string, error)
	close()
}

// openStorage opens a directory, or a PostgreSQL where an address of one is given.
func openStorage(at string) (storage, error) {
	if inPostgres(at) {
		return openPostgres(at)
	}
	return openFiles(at)
}

// files keep certificates in a directory, in the layout of certmagic's own, which can be taken over. Files are 0600 and directories 0700.
// Locks are the kernel's (flock), so that a process that ends leaves none behind.
type files struct {
	dir string

	mu   sync.Mutex // guards held
	held map[string]*os.File
}

var _ storage = (*files)(nil)

func (s *files) close() {}

// openFiles makes the directory where it is not there, and refuses one that others may read.
func openFiles(dir string) (*files, error) {
	if dir == "" {
		return nil, errors.New("there is no directory to keep certificates in")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (mode %04o), and private keys are kept in it: chmod 700 %s", dir, perm, dir)
	}
	return &files{dir: dir, held: map[string]*os.File{}}, nil
}

// at is a key's path. A key that leads out of the directory is refused.
func (s *files) at(key string) (string, error) {
	if key = filepath.FromSlash(key); key != "" && !filepath.IsLocal(key) {
		return "", fmt.Errorf("the key %q is none", key)
	}
	return filepath.Join(s.dir, key), nil
}

// Store writes a file, whole or not at all.
func (s *files) Store(_ context.Context, key string, value []byte) error {
	name, err := s.at(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(value)
	if err == nil {
		err = f.Sync()
	}
	if wrong := f.Close(); err == nil {
		err = wrong
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// Load reads a file.
func (s *files) Load(_ context.Context, key string) ([]byte, error) {
	name, err := s.at(key)
	if err != nil {
		return nil, err
	}
	return read(name)
}

// Delete removes a file, or a directory with what is in it.
func (s *files) Delete(_ context.Context, key string) error {
	name, err := s.at(key)
	if err != nil || name == s.dir {
		return err
	}
	return os.RemoveAll(name)
}

// Exists reports whether there is such a file or directory.
func (s *files) Exists(_ context.Context, key string) bool {
	name, err := s.at(key)
	if err != nil {
		return false
	}
	_, err = os.Stat(name)
	return err == nil
}

// List gives the keys below a directory.
func (s *files) List(ctx context.Context, key string, recursive bool) ([]string, error) {
	top, err := s.at(key)
	if err != nil {
		return nil, err
	}
	var out []string
	err = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == top {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rest, err := filepath.Rel(s.dir, name)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(d.Name(), ".new-") {
			out = append(out, filepath.ToSlash(rest))
		}
		if d.IsDir() && !recursive {
			return fs.SkipDir
		}
		return nil
	})
	return out, err
}

// Stat says what a key is.
func (s *files) Stat(_ context.Context, key string) (certmagic.KeyInfo, error) {
	name, err := s.at(key)
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	return certmagic.KeyInfo{Key: key, Modified: info.ModTime(), Size: info.Size(), IsTerminal: !info.IsDir()}, nil
}

// lockLook is how often a lock that somebody else has is looked at.
const lockLook = 200 * time.Millisecond

// Lock waits until nobody else has the lock, in this process or another.
func (s *files) Lock(ctx context.Context, name string) error {
	file, err := s.at("locks/" + certmagic.StorageKeys.Safe(name) + ".lock")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			s.mu.Lock()
			s.held[name] = f
			s.mu.Unlock()
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return err
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return ctx.Err()
		case <-time.After(lockLook):
		}
	}
}

// Unlock gives a lock back. Its file stays: whoever removed it could remove another's.
func (s *files) Unlock(_ context.Context, name string) error {
	s.mu.Lock()
	f := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if f == nil {
		return fmt.Errorf("the lock %s is not held", name)
	}
	return f.Close()
}

package certs

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/whygate/whygate/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Close()
	os.Exit(code)
}

// TestStorage: a directory and a PostgreSQL keep the same, as two gateways see it.
func TestStorage(t *testing.T) {
	t.Parallel()
	for kind, place := range map[string]func(*testing.T) string{
		"directory":  func(t *testing.T) string { return filepath.Join(t.TempDir(), "acme") },
		"PostgreSQL": func(t *testing.T) string { return pgtest.The(t).Database(t) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			at := place(t)
			one, other := storageAt(t, at), storageAt(t, at)
			ctx := t.Context()
			if _, err := one.Load(ctx, "a/none"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("nothing: %v", err)
			}
			for key, value := range map[string]string{"a/b/one": "1", "a/b/two": "22", "a/bc": "3", "a%b": "4"} {
				if err := one.Store(ctx, key, []byte("old")); err != nil {
					t.Fatal(err)
				}
				if err := one.Store(ctx, key, []byte(value)); err != nil {
					t.Fatal(err)
				}
			}
			if b, err := other.Load(ctx, "a/b/two"); err != nil || string(b) != "22" {
				t.Errorf("%q, %v", b, err)
			}
			for _, key := range []string{"a/b", "a/b/one", "a"} {
				if !other.Exists(ctx, key) {
					t.Errorf("%s is not there", key)
				}
			}
			if other.Exists(ctx, "a/b/on") {
				t.Error("half a key is there")
			}
			below, err := other.List(ctx, "a", false)
			if slices.Sort(below); err != nil || strings.Join(below, " ") != "a/b a/bc" {
				t.Errorf("%q, %v", below, err)
			}
			info, err := other.Stat(ctx, "a/b/two")
			if err != nil || info.Size != 2 || !info.IsTerminal || time.Since(info.Modified) > time.Hour {
				t.Errorf("%+v, %v", info, err)
			}
			if info, err := other.Stat(ctx, "a/b"); err != nil || info.IsTerminal {
				t.Errorf("%+v, %v", info, err)
			}
			for range 2 { // what was put aside before is replaced
				if err := one.Store(ctx, "a/b/two", []byte("22")); err != nil {
					t.Fatal(err)
				}
				if where, err := one.setAside(ctx, "a/b"); err != nil || !strings.Contains(where, "damaged") {
					t.Errorf("%s, %v", where, err)
				}
			}
			if b, err := other.Load(ctx, "damaged/a/b/two"); err != nil || string(b) != "22" || other.Exists(ctx, "a/b/two") {
				t.Errorf("put aside: %q, %v", b, err)
			}
			if err := other.Delete(ctx, "a"); err != nil || one.Exists(ctx, "a/bc") || !one.Exists(ctx, "a%b") {
				t.Errorf("deleted: %v", err)
			}
			locked(t, one, other)
		})
	}
}

func storageAt(t *testing.T, at string) storage {
	t.Helper()
	s, err := openStorage(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// locked: one has a lock at a time, and one that waits gets it, or gives up.
func locked(t *testing.T, one, other storage) {
	ctx := t.Context()
	if err := one.Lock(ctx, "name"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := other.Lock(short, "name"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock that another has: %v", err)
	}
	if err := other.Lock(ctx, "another name"); err != nil {
		t.Error(err)
	}
	got := make(chan error, 1)
	go func() { got <- other.Lock(ctx, "name") }()
	if err := one.Unlock(ctx, "name"); err != nil {
		t.Error(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	for _, name := range []string{"name", "another name"} {
		if err := other.Unlock(ctx, name); err != nil {
			t.Error(err)
		}
	}
	if err := other.Unlock(ctx, "name"); err == nil {
		t.Error("a lock is given back twice")
	}
}

// What cannot be connected to says so, and shows no password.
func TestPostgresUnreachable(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"postgres://ann:s3cret@127.0.0.1:1/x", "postgres://ann:s3cret@127.0.0.1:port/x"} {
		s, err := openPostgres(at)
		if err == nil {
			_, err = s.Load(t.Context(), "a")
			s.close()
		}
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// silentPostgres is a server that lets everybody in, and answers no question. It gives its address, and how many have asked.
func silentPostgres(t *testing.T) (at string, asked *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked = new(atomic.Int64)
	var all sync.WaitGroup
	all.Go(func() { // ends with l
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { // ends with c
				defer c.Close()
				b := pgproto3.NewBackend(c, c)
				if _, err := b.ReceiveStartupMessage(); err != nil {
					return
				}
				b.Send(&pgproto3.AuthenticationOk{})
				b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
				if b.Flush() != nil {
					return
				}
				for {
					if _, err := b.Receive(); err != nil {
						return
					}
					asked.Add(1)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return "postgres://ann@" + l.Addr().String() + "/x?sslmode=disable", asked
}

// A database that has fallen silent is waited for as long as one statement may take: for all names together, where they are taken up while
// the configuration waits.
func TestPostgresSilent(t *testing.T) {
	t.Parallel()
	at, _ := silentPostgres(t)
	a, err := NewACME(ACMEOptions{Directory: "https://127.0.0.1:1/", Challenge: ChallengeTLS, Storage: at, Routed: func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.Manage([]string{"a.example.com", "b.example.com", "c.example.com"})
	}()
	select {
	case <-done:
		a.Close()
	case <-time.After(2 * postgresTime):
		t.Fatal("it is waited for still")
	}
}

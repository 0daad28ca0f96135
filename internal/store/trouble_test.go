package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/whygate/whygate/internal/fault"
)

// TestSomebodyElsesFileStays: a file that was never SQLite's is not renamed by anybody, and a damaged one not by who only reads.
func TestSomebodyElsesFileStays(t *testing.T) {
	text := strings.Repeat("my only copy of a long text, which is no database. ", 200)
	damagedFile := sqliteMagic + text
	for _, c := range []struct {
		name, content, want string
		make                func(Options) *Store
	}{
		{"a text, read", text, "is no file of SQLite", NewReader},
		{"a text, written", text, "is no file of SQLite", New},
		{"a damaged file, read", damagedFile, "is damaged", NewReader},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "thesis.txt")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			s := c.make(Options{Place: InFile(path)})
			_, err := s.Groups(t.Context(), Query{})
			s.Close()
			var hint *HintError
			if !errors.As(err, &hint) || !strings.Contains(err.Error(), c.want) || hint.Hint == "" {
				t.Errorf("%v", err)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != c.content {
				t.Errorf("the file is not what it was: %v", err)
			}
		})
	}
}

// TestAFullDiskLosesNothing: what the database cannot take for reasons of its own is tried until it can.
func TestAFullDiskLosesNothing(t *testing.T) {
	s := NewReader(Options{Place: InFile(filepath.Join(t.TempDir(), "i.db"))})
	defer s.Close()
	db, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.write.ExecContext(t.Context(), "PRAGMA max_page_count=1"); err != nil { // SQLITE_FULL, as of a full disk
		t.Fatal(err)
	}
	const many = 300
	for i := range many {
		s.Add(an(fmt.Sprintf("I%09d", i), "web", fault.CauseConnectionRefused, time.Now().Add(time.Duration(i)*time.Minute)))
	}
	for range 2 * triesMost {
		if s.flush(t.Context()) == nil {
			t.Fatal("it fits: the test tests nothing")
		}
	}
	if _, err := db.write.ExecContext(t.Context(), "PRAGMA max_page_count=1000000"); err != nil {
		t.Fatal(err)
	}
	if err := s.flush(t.Context()); err != nil || count(t, s) != many {
		t.Errorf("%d of %d, %v", count(t, s), many, err)
	}
}

// TestWhatIsRefused: a batch is given up for what is in it alone.
func TestWhatIsRefused(t *testing.T) {
	s := NewReader(Options{Place: InFile(filepath.Join(t.TempDir(), "i.db"))})
	defer s.Close()
	db, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, constraint := db.write.ExecContext(t.Context(), "INSERT INTO writer (process) VALUES (NULL)")
	_, syntax := db.write.ExecContext(t.Context(), "no statement")
	_, unmarshaled := json.Marshal(math.NaN())
	for _, c := range []struct {
		err  error
		want bool
	}{
		{constraint, true},
		{syntax, false},
		{unmarshaled, true},
		{&pgconn.PgError{Code: "22021"}, true},
		{&pgconn.PgError{Code: "23505"}, true},
		{&pgconn.PgError{Code: "53100"}, false},
		{&pgconn.PgError{Code: "57014"}, false},
		{&pgconn.PgError{Code: "40P01"}, false},
		{context.DeadlineExceeded, false},
		{&damageError{"x"}, false},
	} {
		if got := refused(fmt.Errorf("it was not written: %w", c.err)); got != c.want || c.err == nil {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}

// TestCountsThatWaitAreBounded: however long the database is away, the memory that counts take has a bound, and they stay exact.
func TestCountsThatWaitAreBounded(t *testing.T) {
	p := newPending()
	const minutes = bucketsMax + 5000
	begin := time.Unix(1_700_000_000, 0)
	for m := range minutes {
		for _, pool := range []string{"web", "api"} {
			p.add(an("I", pool, fault.CauseConnectionRefused, begin.Add(time.Duration(m)*time.Minute)), false)
		}
	}
	n := int64(0)
	for _, b := range p.buckets {
		n += b.n
	}
	if len(p.buckets) > bucketsMax+len(p.groups) || n != 2*minutes {
		t.Errorf("%d buckets, %d of %d incidents", len(p.buckets), n, 2*minutes)
	}
}

// silent is a place of PostgreSQL that accepts connections and never says anything.
func silent(t *testing.T) Place {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p, err := ParsePlace("postgres://u@" + l.Addr().String() + "/d?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestReadersDoNotQueue: who reads waits for a database that says nothing no longer than its own bound, whoever else waits for it.
func TestReadersDoNotQueue(t *testing.T) {
	s := NewReader(Options{Place: silent(t)})
	long, leave := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := s.Groups(long, Query{})
		first <- err
	}()
	eventually(t, "somebody opens it", func() bool { return len(s.opening) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Groups(ctx, Query{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	select {
	case err := <-first:
		t.Errorf("the one with the bound waited for the one without: %v", err)
	default:
	}
	leave()
	<-first
	s.Close()
}

// TestAFailureIsToldAtOnce: while nothing can be written, who reads is told why and does not try for itself.
func TestAFailureIsToldAtOnce(t *testing.T) {
	s := NewReader(Options{Place: silent(t)})
	defer s.Close()
	why := errors.New("no route to host")
	s.failed(t.Context(), why, retryFirst)
	if _, err := s.Groups(t.Context(), Query{}); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	if err := s.Decide(t.Context(), "x", StateResolved, "", time.Time{}, "ann"); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

// TestPlaceShowsNoPassword: however a password is written, no text of ours has it.
func TestPlaceShowsNoPassword(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"postgres://u:" + secret + "@db/w", "postgres://u@db/w?password=" + secret, "postgres://u@db/w?sslpassword=" + secret, "postgresql://u:" + secret + "@db:1/w?x=y",
		"postgres:host=db user=u password='" + secret + " " + secret + "' dbname=w", "postgres:host=db user=u password = " + secret + " dbname=w",
		"postgres:host=db user=u sslpassword=" + secret + " dbname=w", "postgres:host=db user=u PASSWORD=" + secret + " dbname=w",
		"postgres:host=db user=u dbname=w port=x password=" + secret, "postgres:host=db password='" + secret, "postgres://u:" + secret + "@db:port/w",
		"postgres:host=db sslmode=verify-full sslrootcert=/nowhere password=" + secret,
	} {
		p, err := ParsePlace(text)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if shown := p.String(); strings.Contains(shown, secret) || !strings.HasPrefix(shown, "postgres:") {
			t.Errorf("%q is shown as %q", text, shown)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // nobody is asked
		var log bytes.Buffer
		s := NewReader(Options{Place: p, Log: slog.New(slog.NewTextHandler(&log, nil))})
		_, err = s.Groups(ctx, Query{})
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
		s.failed(t.Context(), err, retryFirst)
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is logged as %s", text, log.String())
		}
		s.Close()
	}
}

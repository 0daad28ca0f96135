package explain

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// followed is what a followed log has told so far, by file's line.
type followed struct {
	t    *testing.T
	path string
	seen chan int
	stop context.CancelFunc
	done chan error
}

func follow(t *testing.T, path string) *followed {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	f := &followed{t: t, path: path, seen: make(chan int, 1000), stop: stop, done: make(chan error, 1)}
	go func() { // ends with the context, and Cleanup waits for it
		_, err := Explain(ctx, Options{
			Sources: []Source{FileSource(path)}, Follow: true, Now: corpusNow, Zone: time.UTC, Quiet: 10 * time.Millisecond,
			Seen: func(s *Seen) { f.seen <- s.Line }, Summary: func(*Report) {},
		})
		f.done <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-f.done; err != nil {
			t.Errorf("follow: %v", err)
		}
	})
	return f
}

// want waits for the next faults' line numbers.
func (f *followed) want(lines ...int) {
	f.t.Helper()
	for _, line := range lines {
		select {
		case got := <-f.seen:
			if got != line {
				f.t.Fatalf("a fault at line %d, want %d", got, line)
			}
		case <-time.After(20 * time.Second):
			f.t.Fatalf("no fault at line %d", line)
		}
	}
}

// write appends so many faults to the file.
func (f *followed) write(n int, flags int) {
	f.t.Helper()
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|flags, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	log := newNginx()
	for range n {
		log.fail(refused, "GET", "/", "10.0.1.7:80", 0)
	}
	if _, err := file.WriteString(log.errors.String()); err != nil {
		f.t.Fatal(err)
	}
}

// TestFollowRenamed: the log is renamed and a new one takes its name, as logrotate does by default.
func TestFollowRenamed(t *testing.T) {
	t.Parallel()
	f := &followed{t: t, path: filepath.Join(t.TempDir(), "error.log")}
	f.write(2, os.O_CREATE)
	f = follow(t, f.path)
	f.want(1, 2)
	f.write(1, 0)
	f.want(3)
	if err := os.Rename(f.path, f.path+".1"); err != nil {
		t.Fatal(err)
	}
	f.write(2, os.O_CREATE)
	f.want(1, 2)
	f.write(1, 0)
	f.want(3)
}

// TestFollowCut: the log is copied and cut to nothing, logrotate's copytruncate.
func TestFollowCut(t *testing.T) {
	t.Parallel()
	f := &followed{t: t, path: filepath.Join(t.TempDir(), "error.log")}
	f.write(3, os.O_CREATE)
	f = follow(t, f.path)
	f.want(1, 2, 3)
	if err := os.Truncate(f.path, 0); err != nil {
		t.Fatal(err)
	}
	f.write(1, 0)
	f.want(1)
	f.write(1, 0)
	f.want(2)
}

// TestFollowHalfALine: a line is read when its end is there.
func TestFollowHalfALine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "error.log")
	log := newNginx()
	log.fail(refused, "GET", "/", "10.0.1.7:80", 0)
	text := log.errors.String()
	if err := os.WriteFile(path, []byte(text+text[:50]), 0o600); err != nil {
		t.Fatal(err)
	}
	f := follow(t, path)
	f.want(1)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text[50:]); err != nil {
		t.Fatal(err)
	}
	f.want(2)
}

// TestFollowTellsNewFromOld: a fault that was in the file from the start is told apart from one that was appended, whatever
// the times of the lines are.
func TestFollowTellsNewFromOld(t *testing.T) {
	t.Parallel()
	f := &followed{t: t, path: filepath.Join(t.TempDir(), "error.log")}
	f.write(2, os.O_CREATE)
	ctx, stop := context.WithCancel(t.Context())
	type told struct {
		line  int
		grown bool
	}
	seen, done := make(chan told, 10), make(chan error, 1)
	go func() { // ends with the context, which is waited for below
		_, err := Explain(ctx, Options{
			Sources: []Source{FileSource(f.path)}, Follow: true, Now: corpusNow, Zone: time.UTC, Quiet: 10 * time.Millisecond,
			Seen: func(s *Seen) { seen <- told{s.Line, s.Grown} }, Summary: func(*Report) {},
		})
		done <- err
	}()
	for _, want := range []told{{1, false}, {2, false}, {3, true}} {
		if want.line == 3 {
			f.write(1, 0)
		}
		select {
		case got := <-seen:
			if got != want {
				t.Errorf("told %+v, want %+v", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%+v was not told", want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

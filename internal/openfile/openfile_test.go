package openfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestRegularFile(t *testing.T) {
	name := write(t, filepath.Join(t.TempDir(), "f"), "0123456789")
	for _, c := range []struct {
		max  int64
		want string
	}{{10, "0123456789"}, {11, "0123456789"}, {1 << 40, "0123456789"}} {
		if b, err := Read(t.Context(), name, Options{Max: c.max}); string(b) != c.want || err != nil {
			t.Errorf("at most %d: %q, %v", c.max, b, err)
		}
	}
	var large *TooLargeError
	if b, err := Read(t.Context(), name, Options{Max: 9}); !errors.As(err, &large) || b != nil || large.Max != 9 {
		t.Errorf("at most 9: %q, %v", b, err)
	}
	f, err := Open(t.Context(), name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); string(b) != "0123456789" || err != nil || f.Once() || f.Name() != name {
		t.Errorf("without a bound: %q, %v", b, err)
	}
	b := make([]byte, 3)
	if n, err := f.ReadAt(b, 7); n != 3 || err != nil || string(b) != "789" {
		t.Errorf("the end: %q, %v", b[:n], err)
	}
	if at, err := f.Seek(0, io.SeekStart); at != 0 || err != nil {
		t.Errorf("seek: %d, %v", at, err)
	}
}

// TestWhatGrowsIsBounded: the size at the beginning is only where the bound begins to be looked at.
func TestWhatGrowsIsBounded(t *testing.T) {
	name := write(t, filepath.Join(t.TempDir(), "f"), "01234")
	f, err := Open(t.Context(), name, Options{Max: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write(t, name, "0123456789")
	var large *TooLargeError
	if b, err := io.ReadAll(f); !errors.As(err, &large) || string(b) != "01234567" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestNothingElseIsOpened(t *testing.T) {
	dir := t.TempDir()
	var other *NotRegularError
	for _, kind := range []Kind{Regular, Named} {
		if _, err := Open(t.Context(), dir, Options{Kind: kind}); !errors.As(err, &other) || !strings.Contains(err.Error(), "is a directory, not a regular file") {
			t.Errorf("a directory: %v", err)
		}
		if _, err := Open(t.Context(), filepath.Join(dir, "none"), Options{Kind: kind}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
	}
}

// TestEndedContext: what nobody waits for any more is neither opened nor read on.
func TestEndedContext(t *testing.T) {
	name := write(t, filepath.Join(t.TempDir(), "f"), "0123456789")
	ctx, cancel := context.WithCancel(t.Context())
	f, err := Open(ctx, name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cancel()
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("read at an offset: %v", err)
	}
	if _, err := Open(ctx, name, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	if _, _, err := Root("").List(ctx, filepath.Dir(name), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v", err)
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"c", "a", "b"} {
		write(t, filepath.Join(dir, name), "")
	}
	names := func(entries []fs.DirEntry) (s string) {
		for _, e := range entries {
			s += e.Name()
		}
		return s
	}
	if all, whole, err := Root("").List(t.Context(), dir, 3); names(all) != "abc" || !whole || err != nil {
		t.Errorf("%v, %v, %v", all, whole, err)
	}
	if some, whole, err := Root("").List(t.Context(), dir, 2); len(some) != 2 || whole || err != nil {
		t.Errorf("two of three: %v, %v, %v", some, whole, err)
	}
	if _, _, err := Root("").List(t.Context(), filepath.Join(dir, "a"), 2); err == nil {
		t.Error("a file was listed")
	}
}

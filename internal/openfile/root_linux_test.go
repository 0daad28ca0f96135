package openfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestFIFOAndDeviceAreRefused at once, where a file is expected.
func TestFIFOAndDeviceAreRefused(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	for name, what := range map[string]string{fifo(t): "a FIFO", "/dev/zero": "a device", link: "a device"} {
		var other *NotRegularError
		if _, err := Read(t.Context(), name, Options{Max: 10}); !errors.As(err, &other) || !strings.HasSuffix(err.Error(), "is "+what+", not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := Root("").List(t.Context(), name, 1); err == nil {
			t.Errorf("%s was listed", name)
		}
	}
}

// TestNamedFIFO is waited for until somebody writes, and read to its end.
func TestNamedFIFO(t *testing.T) {
	name := fifo(t)
	f, err := Open(t.Context(), name, Options{Kind: Named})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !f.Once() {
		t.Error("a FIFO can be read again")
	}
	written := make(chan error, 1)
	go func() { // ends when it has written, or when the test closes the FIFO
		w, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			_, err = w.WriteString("all of it")
			w.Close()
		}
		written <- err
	}()
	if b, err := io.ReadAll(f); string(b) != "all of it" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// TestNamedFIFOEndsWithItsContext, with no writer and with one that is silent.
func TestNamedFIFOEndsWithItsContext(t *testing.T) {
	for _, silent := range []string{"nobody", "a silent writer"} {
		name := fifo(t)
		ctx, cancel := context.WithCancel(t.Context())
		f, err := Open(ctx, name, Options{Kind: Named})
		if err != nil {
			t.Fatal(err)
		}
		if silent != "nobody" {
			w, err := os.OpenFile(name, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if _, err := w.WriteString("x"); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		ended := make(chan error)
		go func() { // ends with ctx, which is the test
			_, err := f.Read(make([]byte, 10))
			ended <- err
		}()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", silent, err)
		}
		f.Close()
	}
}

// TestNamedPipe is what a shell's <(command) gives: the writer may have gone already, and nothing of what it wrote is lost.
func TestNamedPipe(t *testing.T) {
	for _, text := range []string{"", "some lines\n"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString(text); err != nil {
			t.Fatal(err)
		}
		w.Close()
		f, err := Open(t.Context(), fmt.Sprintf("/dev/fd/%d", r.Fd()), Options{Kind: Named, Max: 100})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(f); string(b) != text || err != nil || !f.Once() {
			t.Errorf("%q: %q, %v", text, b, err)
		}
		f.Close()
		r.Close()
	}
}

// TestNamedDevice without end is bounded by its bound, and by its context.
func TestNamedDevice(t *testing.T) {
	var large *TooLargeError
	if _, err := Read(t.Context(), "/dev/zero", Options{Kind: Named, Max: 1000}); !errors.As(err, &large) {
		t.Errorf("a bound: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	f, err := Open(ctx, "/dev/zero", Options{Kind: Named})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(io.Discard, f); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context: %v", err)
	}
}

// resolvers are the kernel's way and ours. Both must answer alike.
var resolvers = map[string]func(int, string, int) (int, error){"openat2": inRoot, "walk": walk}

// TestRoot follows links, absolute ones and ".." within the root, however deep the path is.
func TestRoot(t *testing.T) {
	top := t.TempDir()
	outside := write(t, filepath.Join(top, "outside/secret"), "secret")
	root := filepath.Join(top, "root")
	deep := strings.Repeat("/d", 45)
	write(t, root+"/etc/app.conf", "app")
	write(t, root+deep+"/file", "deep")
	for name, to := range map[string]string{
		"abs": "/etc/app.conf", "rel": "etc/app.conf", "out": outside, "up": "../outside/secret", "loop": "loop", "dir": "/etc",
		"dangling": "/nowhere", deep[1:] + "/abs": outside, deep[1:] + "/up": strings.Repeat("../", 60) + "outside/secret", deep[1:] + "/in": "/etc/app.conf",
		"magic": "/proc/self/cwd", "etc/out": outside, "dots": "/..//../etc/./app.conf",
	} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	chain(t, root, "/etc/app.conf")
	for kind, resolve := range resolvers {
		t.Run(kind, func(t *testing.T) {
			for _, c := range []struct {
				name, want string
				err        error
			}{
				{"/etc/app.conf", "app", nil},
				{"etc/app.conf", "app", nil},
				{"/abs", "app", nil},
				{"/rel", "app", nil},
				{"/dir/app.conf", "app", nil},
				{"/../../etc/app.conf", "app", nil},
				{"/dots", "app", nil},
				{deep + "/file", "deep", nil},
				{deep + "/in", "app", nil},
				{deep + strings.Repeat("/..", 60) + "/etc/app.conf", "app", nil},
				{"/l40", "app", nil},
				{"/l41", "", unix.ELOOP},
				{"/loop", "", unix.ELOOP},
				{"/out", "", unix.ENOENT},
				{"/up", "", unix.ENOENT},
				{"/dangling", "", unix.ENOENT},
				{"/dir/out", "", unix.ENOENT},
				{"/magic", "", unix.ENOENT},
				{deep + "/abs", "", unix.ENOENT},
				{deep + "/up", "", unix.ENOENT},
				{"/etc/app.conf/x", "", unix.ENOTDIR},
			} {
				got, err := resolved(t, resolve, root, c.name)
				if got != c.want || !errors.Is(err, c.err) {
					t.Errorf("%.60s: %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
				}
			}
		})
	}
	r := Root(root)
	if b, err := r.Read(t.Context(), "/abs", Options{Max: 10}); string(b) != "app" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if info, err := r.Stat("/abs"); err != nil || info.Size() != 3 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := r.Stat("/out"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is outside: %v", err)
	}
	if entries, whole, err := r.List(t.Context(), "/dir", 10); len(entries) != 2 || !whole || err != nil {
		t.Errorf("%v, %v", entries, err)
	}
	if entries, _, err := r.List(t.Context(), "", 100); len(entries) == 0 || err != nil {
		t.Errorf("the root itself: %v, %v", entries, err)
	}
}

// chain makes l1, which leads to a file, l2, which leads to l1, and so on beyond the kernel's bound.
func chain(t *testing.T, root, to string) {
	t.Helper()
	for i := 1; i <= linksMax+1; i++ {
		name := fmt.Sprintf("/l%d", i)
		if err := os.Symlink(to, root+name); err != nil {
			t.Fatal(err)
		}
		to = name
	}
}

// resolved reads a file below the root in one of the two ways.
func resolved(t *testing.T, resolve func(int, string, int) (int, error), root, name string) (string, error) {
	t.Helper()
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	fd, err := resolve(dir, name, unix.O_RDONLY|unix.O_NONBLOCK)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		t.Skip("skipped: this kernel has no openat2")
	}
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

// TestWalkHoldsNoDescriptor after it, whatever it met.
func TestWalkHoldsNoDescriptor(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/a/b/c/file", "x")
	if err := os.Symlink("/a/b", root+"/a/link"); err != nil {
		t.Fatal(err)
	}
	open := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("skipped: there is no /proc")
		}
		return len(all)
	}
	before := open()
	for range 50 {
		for _, name := range []string{"/a/link/c/file", "/a/b/c/../../none", "/a/b/c/file/x", strings.Repeat("/a/..", 300) + "/a/b/c/file"} {
			if got, err := resolved(t, walk, root, name); err == nil && got != "x" {
				t.Fatalf("%s: %q", name, got)
			}
		}
	}
	if after := open(); after > before {
		t.Errorf("%d descriptors were open, and %d are", before, after)
	}
}

package term

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal gives both ends of a pseudo-terminal of 100 columns.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: 100, Row: 30}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close(); master.Close() })
	return master, slave
}

func TestStyleOfTerminal(t *testing.T) {
	_, slave := openTerminal(t)
	t.Setenv("COLUMNS", "")
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	s := New(slave)
	if s.Width() != 100 || !s.Colour || s.Red("x") != "\x1b[31mx\x1b[0m" || s.Red("") != "" {
		t.Errorf("a terminal of 100 columns: %+v, %q", s, s.Red("x"))
	}
	if behind := New(NewGuard(slave)); *behind != *s || !IsTerminal(NewGuard(slave)) {
		t.Errorf("a guard hides the terminal: %+v", behind)
	}
	for _, styled := range []string{s.Bold("x"), s.Dim("x"), s.Underline("x"), s.Green("x"), s.Yellow("x"), s.Blue("x"), s.Cyan("x")} {
		if Columns(styled) != 1 || styled == "x" {
			t.Errorf("%q is not a styled x", styled)
		}
	}
	t.Setenv("NO_COLOR", "1")
	if New(slave).Colour {
		t.Error("colour in spite of NO_COLOR")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	if New(slave).Colour {
		t.Error("colour on a dumb terminal")
	}
}

func TestProgress(t *testing.T) {
	master, slave := openTerminal(t)
	t.Setenv("COLUMNS", "")
	t.Setenv("NO_COLOR", "1")
	p := NewProgress(NewGuard(slave), "reading", 8) // the line moves the cursor: the guard is passed by
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() { p.Add(1) })
	}
	wait.Wait()
	p.mu.Lock()
	p.drawn = time.Time{}
	p.mu.Unlock()
	p.Note("access.log\x1b")
	p.Done()
	got := make([]byte, 4096)
	n, err := master.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	for !bytes.HasSuffix(got[:n], []byte("\r\x1b[K")) || bytes.Count(got[:n], []byte("\r")) < 3 {
		k, err := master.Read(got[n:])
		if err != nil {
			t.Fatalf("%v after %q", err, got[:n])
		}
		n += k
	}
	if text := string(got[:n]); !strings.Contains(text, "reading  ████████████              50%  access.log\\x1b\x1b[K") {
		t.Errorf("%q", text)
	}
	p = NewProgress(slave, "reading", 0)
	p.Set(12)
	if line := p.line(); line != "reading  12" {
		t.Errorf("%q", line)
	}
}

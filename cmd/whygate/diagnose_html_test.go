//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/whygate/whygate/internal/diagnose"
)

// TestReportIntoAPipe: what is no regular file is written to, and not replaced: /dev/null is to stay what it is.
func TestReportIntoAPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 1)
	go func() { // until the writer has closed its end
		b, _ := os.ReadFile(pipe)
		got <- b
	}()
	r := &diagnose.Report{Walk: &diagnose.Walk{Target: diagnose.Target{Host: "a.test", URL: "http://a.test/<script>"}}}
	if err := writeDiagnosis(pipe, r); err != nil {
		t.Fatal(err)
	}
	if b := <-got; !bytes.Contains(b, []byte("a.test")) || bytes.Contains(b, []byte("/<script>")) {
		t.Errorf("%d octets", len(b))
	}
	if info, err := os.Stat(pipe); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is gone: %v, %v", info, err)
	}
}

// TestReportIsPrivate: a report has what stood in logs and configurations that not everybody may read. Who made the file before decides
// who reads it.
func TestReportIsPrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	made, there := filepath.Join(dir, "made"), filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(there, 0o644); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]os.FileMode{made: 0o600, there: 0o644} {
		if err := writeReport(file, []byte("page")); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", file, info.Mode().Perm(), err, want)
		}
	}
}

// TestReportThroughALink goes to the file that the link leads to.
func TestReportThroughALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := writeDiagnosis(link, &diagnose.Report{Walk: &diagnose.Walk{}}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || len(b) == 0 {
		t.Errorf("%d octets, %v", len(b), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
}

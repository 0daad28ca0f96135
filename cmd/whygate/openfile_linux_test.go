package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFIFOsAreNotWaitedFor: a configuration, a secret and certificates are regular files.
func TestFIFOsAreNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "whygate.yaml")
	text := fmt.Sprintf("version: 1\nlisten: [{address: \":8080\", tls: {cert: %[1]s, key: %[1]s}}]\nroutes: [{pool: web}]\npools: {web: {endpoints: [https://127.0.0.1:3000], tls: {ca: %[1]s, crl: %[1]s}}}\n", fifo)
	secret := "version: 1\nlisten: [{address: \":8080\"}]\nroutes: [{pool: web, set_request: {X-Token: \"file:" + fifo + "\"}}]\npools: {web: {endpoints: [http://127.0.0.1:3000]}}\n"
	for content, times := range map[string]int{text: 2, secret: 1} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if code := run(t.Context(), []string{"check", "-c", file}, nil, &out, &out); code != exitFault || strings.Count(out.String(), "is a FIFO, not a regular file") < times {
			t.Errorf("exit %d: %s", code, &out)
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"check", "-c", fifo}, nil, &out, &out); code != exitUsage || !strings.Contains(out.String(), "is a FIFO") {
		t.Errorf("the configuration itself: exit %d: %s", code, &out)
	}
	for _, flags := range [][]string{{"--ca", fifo}, {"--crl", fifo}, {"--cert", fifo, "--key", fifo}} {
		out.Reset()
		if code := run(t.Context(), append([]string{"diagnose", "http://127.0.0.1:1/"}, flags...), nil, &out, &out); code != exitUsage || !strings.Contains(out.String(), "is a FIFO") {
			t.Errorf("%v: exit %d: %s", flags, code, &out)
		}
	}
}

// TestTakeFileLeavesWhatIsNoFile in another process's root: a FIFO or a device in its place is said, and not waited for.
func TestTakeFileLeavesWhatIsNoFile(t *testing.T) {
	var out bytes.Buffer
	w := &world{stderr: &out}
	for name, kind := range map[string]string{"/dev/zero": "a device", "/dev": "a directory"} {
		out.Reset()
		if err := w.takeFile(t.Context(), os.Getpid(), name); err != nil || !strings.Contains(out.String(), "is "+kind+", not a regular file") {
			t.Errorf("%s: %v, %s", name, err, &out)
		}
	}
	out.Reset()
	if err := w.takeFile(t.Context(), os.Getpid(), "/etc/whygate-none"); err != nil || out.Len() > 0 {
		t.Errorf("no file: %v, %s", err, &out)
	}
}

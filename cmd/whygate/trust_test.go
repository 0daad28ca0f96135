package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/gateway"
)

// What is printed is the root alone; without an authority it is said how there comes to be one.
func TestTrustPrints(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	trust := func(more ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"trust", "--state", state}, more...), strings.NewReader(""), &out, &errs)
		return code, out.String(), errs.String()
	}
	if code, out, errs := trust(); code != exitUsage || out != "" || !strings.Contains(errs, "start the gateway with tls: internal") {
		t.Errorf("without an authority: exit %d\n%s%s", code, out, errs)
	}
	if _, err := certs.OpenLocal(gateway.LocalDirectory(state)); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := trust(); code != exitFine || !strings.HasPrefix(out, "-----BEGIN CERTIFICATE-----\n") || strings.Contains(out, "KEY") || errs != "" {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, _, errs := trust("--install", "--remove"); code != exitUsage || !strings.Contains(errs, "two opposites") {
		t.Errorf("exit %d\n%s", code, errs)
	}
}

// The root is put where the system looks for it, the system's program is run, and --remove undoes both.
func TestTrustInstalls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	program := filepath.Join(dir, "update")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho x >> '"+ran+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	system := systemAuthorities{filepath.Join(dir, "authorities"), program}
	var out bytes.Buffer
	w := &world{stdout: &out, stderr: &out}
	if err := w.trust(t.Context(), system, []byte("root")); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(system.directory, trustedName)
	if b, err := os.ReadFile(name); err != nil || string(b) != "root" {
		t.Errorf("%q, %v", b, err)
	}
	if err := w.untrust(t.Context(), systemAuthorities{system.directory, filepath.Join(dir, "missing")}); err == nil || !strings.Contains(err.Error(), "go on trusting") {
		t.Errorf("without the program: %v", err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Error("it was removed, and the system would still trust it")
	}
	for range 2 { // there is nothing to remove the second time
		if err := w.untrust(t.Context(), system); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("it is still there")
	}
	if b, _ := os.ReadFile(ran); string(b) != "x\nx\n" {
		t.Errorf("the system's program ran: %q", b)
	}
	if err := w.trust(t.Context(), systemAuthorities{dir, filepath.Join(dir, "missing")}, nil); err == nil || !strings.Contains(err.Error(), "is not on this machine") {
		t.Errorf("without the program: %v", err)
	}
}

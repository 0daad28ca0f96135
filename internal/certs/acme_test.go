package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Files are kept whole, where nobody else may read them, and a lock is held by one at a time, until its holder ends.
func TestFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	s, err := openFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := s.Store(ctx, "certificates/a/b.crt", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Load(ctx, "certificates/a/b.crt"); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if list, err := s.List(ctx, "certificates", true); err != nil || strings.Join(list, " ") != "certificates/a certificates/a/b.crt" {
		t.Errorf("%q, %v", list, err)
	}
	for name, mode := range map[string]fs.FileMode{"certificates/a/b.crt": 0o600, "certificates/a": 0o700, "": 0o700} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	for _, key := range []string{"../a", "/etc/passwd", "a/../../b"} {
		if err := s.Store(ctx, key, nil); err == nil {
			t.Errorf("%s is written", key)
		}
	}
	other, err := openFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Lock(ctx, "issue_cert_a"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 3*lockLook)
	defer cancel()
	if err := other.Lock(short, "issue_cert_a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lock that somebody has: %v", err)
	}
	if err := s.Unlock(ctx, "issue_cert_a"); err != nil {
		t.Error(err)
	}
	if err := other.Lock(ctx, "issue_cert_a"); err != nil {
		t.Error(err)
	}
	if err := other.Unlock(ctx, "issue_cert_a"); err != nil {
		t.Error(err)
	}
	if err := s.Delete(ctx, "certificates"); err != nil || s.Exists(ctx, "certificates/a/b.crt") {
		t.Errorf("it is still there: %v", err)
	}
	if _, err := s.Load(ctx, "certificates/a/b.crt"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := openFiles(dir); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a directory that others may read: %v", err)
	}
}

// Names that no authority gives a certificate for are not even decided about.
func TestPublicName(t *testing.T) {
	for name, want := range map[string]bool{
		"shop.example.com": true, "xn--bcher-kva.example": true, "a_b.example.com": true,
		"localhost": false, "10.0.0.1": false, "::1": false, "a..b": false, "-a.example.com": false, "a.example.com.": false, "*.example.com": false,
		"a b.example.com": false, "a/b.example.com": false, strings.Repeat("a", 64) + ".example.com": false, strings.Repeat("a.", 130) + "com": false,
	} {
		if publicName(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}

func TestSuffixed(t *testing.T) {
	for name, want := range map[string]bool{"example.com": true, "a.example.com": true, "a.b.example.com": true, "badexample.com": false, "example.com.evil.net": false, "x.example.org": true} {
		if suffixed(name, []string{"example.com", "*.example.org"}) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
	if !suffixed("any.name", nil) {
		t.Error("without suffixes every name is asked about")
	}
}

// What an authority refused is tried again ever more seldom, one that could not be reached soon; it is never given up.
func TestPauses(t *testing.T) {
	within := func(f *Failure, failed int, want time.Duration) {
		t.Helper()
		if got := pause(failed, f); got < want*8/10 || got > want*12/10 {
			t.Errorf("%q after %d failures: %s, want about %s", f.Problem, failed, got, want)
		}
	}
	refused, unheard, limited := &Failure{Problem: "unauthorized"}, &Failure{}, &Failure{Problem: "rateLimited"}
	within(refused, 0, time.Minute)
	within(refused, 3, time.Hour)
	within(refused, 1000, 6*time.Hour)
	within(unheard, 0, 2*time.Second)
	within(unheard, 1000, 5*time.Minute)
	within(limited, 0, time.Hour)
	within(&Failure{Problem: "badNonce"}, 0, 2*time.Second)
}

// A certificate is renewed in the last third of its time, whatever that is.
func TestRenewalOf(t *testing.T) {
	now := time.Now()
	for _, life := range []time.Duration{90 * 24 * time.Hour, 6 * 24 * time.Hour, time.Hour} {
		for serial := range int64(50) {
			leaf := &x509.Certificate{SerialNumber: big.NewInt(serial * 97), NotBefore: now, NotAfter: now.Add(life)}
			if left := leaf.NotAfter.Sub(renewalOf(leaf)); left < life/3 || left > life*2/5 {
				t.Errorf("of %s %s are left", life, left)
			}
		}
	}
}

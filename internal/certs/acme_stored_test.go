package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// keepIn puts certificates for names into the storage of an authority, as an order would.
func keepIn(t *testing.T, dir, directory string, names ...string) {
	t.Helper()
	key := issuer{&ACME{options: ACMEOptions{Directory: directory}}}.IssuerKey()
	f, err := openFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	parent := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, SubjectKeyId: []byte{1, 2, 3, 4}, IsCA: true}
	for _, name := range names {
		secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(80 * 24 * time.Hour), AuthorityKeyId: []byte{1, 2, 3, 4},
		}, parent, secret.Public(), secret)
		if err != nil {
			t.Fatal(err)
		}
		text, err := certmagic.PEMEncodePrivateKey(secret)
		if err != nil {
			t.Fatal(err)
		}
		for file, value := range map[string][]byte{
			certmagic.StorageKeys.SiteCert(key, name):       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
			certmagic.StorageKeys.SitePrivateKey(key, name): text,
			certmagic.StorageKeys.SiteMeta(key, name):       []byte("{}"),
		} {
			if err := f.Store(t.Context(), file, value); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// nobody is a directory where nobody listens.
const nobody = "http://127.0.0.1:1/dir"

// forTest is an ACME that ends with the test.
func forTest(t *testing.T, o ACMEOptions) *ACME {
	t.Helper()
	if o.Directory == "" {
		o.Directory = nobody
	}
	if o.Storage == "" {
		o.Storage = filepath.Join(t.TempDir(), "acme")
	}
	if o.Challenge == "" {
		o.Challenge = ChallengeTLS
	}
	if o.Routed == nil {
		o.Routed = func(string) bool { return true }
	}
	if o.Told == nil {
		o.Told = func(*Happening) {}
	}
	a, err := NewACME(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// A file that cannot be read now is no reason to throw a certificate away.
func TestUnreadableIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	keepIn(t, dir, nobody, "a.example.com")
	a := forTest(t, ACMEOptions{Storage: dir})
	site := filepath.Join(dir, certmagic.StorageKeys.CertsSitePrefix(issuer{a}.IssuerKey(), "a.example.com"))
	for _, ending := range []string{".json", ".key", ".crt"} {
		file := filepath.Join(site, "a.example.com"+ending)
		if err := os.Rename(file, file+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(file, 0o700); err != nil { // reading it fails, with another error than that it is not there
			t.Fatal(err)
		}
		if _, err := a.loaded(t.Context(), "a.example.com"); err == nil || errors.Is(err, errNoCertificate) {
			t.Errorf("%s: %v", ending, err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".away", file); err != nil {
			t.Fatal(err)
		}
		if _, err := a.loaded(t.Context(), "a.example.com"); err != nil {
			t.Errorf("%s, when it can be read again: %v", ending, err)
		}
	}
}

// What does not fit together may be half written by another gateway, which has the lock: nothing is done to it before that one is done.
// What is damaged then is moved away, not removed.
func TestHalfWrittenIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "acme")
	keepIn(t, dir, nobody, "a.example.com")
	a := forTest(t, ACMEOptions{Storage: dir})
	site := certmagic.StorageKeys.CertsSitePrefix(issuer{a}.IssuerKey(), "a.example.com")
	file := filepath.Join(dir, site, "a.example.com.key")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte("another"))
	other, err := openFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Lock(t.Context(), issueLock("a.example.com")); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 2*lockLook)
	defer cancel()
	if _, err := a.loaded(short, "a.example.com"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another has the lock: %v", err)
	}
	write(good)
	if err := other.Unlock(t.Context(), issueLock("a.example.com")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.loaded(t.Context(), "a.example.com"); err != nil {
		t.Errorf("written whole: %v", err)
	}
	for range 2 { // a second time too
		write([]byte("damaged"))
		if _, err := a.loaded(t.Context(), "a.example.com"); !errors.Is(err, errNoCertificate) {
			t.Errorf("damaged: %v", err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "damaged", site, "a.example.com.key")); err != nil || string(text) != "damaged" {
			t.Errorf("%q, %v", text, err)
		}
		keepIn(t, dir, nobody, "a.example.com")
	}
}

// The lock is the one that certmagic takes before it writes a certificate.
func TestIssueLock(t *testing.T) {
	a := forTest(t, ACMEOptions{})
	if err := a.storage.Lock(t.Context(), issueLock("a.example.com")); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 5*lockLook)
	defer cancel()
	err := a.magic.ObtainCertSync(short, "a.example.com")
	var problem acme.Problem
	if err == nil || errors.As(err, &problem) || short.Err() == nil {
		t.Errorf("it does not wait for the lock: %v", err)
	}
	if err := a.storage.Unlock(t.Context(), issueLock("a.example.com")); err != nil {
		t.Error(err)
	}
}

package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write makes a self-signed certificate and its key.
func write(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder}))
	put(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, key
}

func put(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWatchTakesNewFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := write(t, dir, "one.example.com")
	changed := make(chan error, 16)
	p, err := Watch(cert, key, func(err error) { changed <- err })
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	served := func() string {
		return p.current.Load().Leaf.Subject.CommonName
	}
	if got := served(); got != "one.example.com" {
		t.Errorf("serves %s", got)
	}
	write(t, dir, "two.example.com")
	if err := <-changed; err != nil || served() != "two.example.com" {
		t.Errorf("after a change: %v, serves %s", err, served())
	}
	put(t, cert, []byte("no certificate"))
	if err := <-changed; err == nil || served() != "two.example.com" {
		t.Errorf("after a bad change: %v, serves %s", err, served())
	}
	write(t, dir, "three.example.com")
	for served() != "three.example.com" {
		<-changed
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	cert, key := write(t, dir, "a")
	if _, err := LoadPool(cert); err != nil {
		t.Error(err)
	}
	if _, err := LoadPool(key); err == nil || !strings.Contains(err.Error(), "no PEM certificate") {
		t.Errorf("a key as authority: %v", err)
	}
	if _, err := LoadPair(cert, cert); err == nil {
		t.Error("a certificate as key")
	}
	if _, err := LoadPair(filepath.Join(dir, "missing"), key); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.Truncate(cert, fileMax+1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadPool(cert); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a huge file: %v", err)
	}
}

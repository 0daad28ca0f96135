package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/gateway"
)

// pair writes a certificate that signed itself, and its key.
func pair(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// The commands speak TLS with an admin address that does: they take the certificate in console.tls.cert for the gateway's and no other, and show the client
// certificate that the environment names.
func TestAskOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := pair(t, dir, "gateway")
	other, otherKey := pair(t, dir, "other")
	mine, myKey := pair(t, dir, "alice")
	shown := ""
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if shown = ""; len(r.TLS.PeerCertificates) > 0 {
			shown = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		fmt.Fprintf(w, `{"product": %q, "version": "1", "file": ""}`, gateway.Product)
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	defer s.Close()
	file := filepath.Join(dir, "whygate.yaml")
	text := fmt.Sprintf("version: 1\nlisten: [{address: \":8080\"}]\nadmin: %s\nconsole: {tls: {cert: %s, key: %s}}\nroutes: [{respond: {status: 200}}]\n", strings.TrimPrefix(s.URL, "https://"), cert, key)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	show := func(cert, key string) {
		c, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		s.TLS.Certificates = []tls.Certificate{c}
	}
	show(cert, key)
	if _, err := askGateway(t.Context(), file, ""); err != nil || shown != "" {
		t.Errorf("%v, shown %q", err, shown)
	}
	t.Setenv(adminCertVar, mine)
	t.Setenv(adminKeyVar, myKey)
	if _, err := askGateway(t.Context(), file, ""); err != nil || shown != "alice" {
		t.Errorf("%v, shown %q", err, shown)
	}
	show(other, otherKey)
	if _, err := askGateway(t.Context(), file, ""); err == nil || !strings.Contains(err.Error(), "is not the one in") {
		t.Errorf("another certificate is taken for the gateway's: %v", err)
	}
}

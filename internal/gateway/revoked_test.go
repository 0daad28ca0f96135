//go:build linux

package gateway_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A list that comes to name an upstream's certificate holds for the connections that were opened before.
func TestRevokedWhileServing(t *testing.T) {
	authority := newAuthority(t, "revoking", nil)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	leaf := authority.issue(t, "up.test", nil)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{leaf}}
	s.StartTLS()
	defer s.Close()
	served, err := x509.ParseCertificate(leaf.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	issuer := *authority.cert
	issuer.KeyUsage |= x509.KeyUsageCRLSign
	issuer.SubjectKeyId = []byte{1}
	file := filepath.Join(t.TempDir(), "list.crl")
	write := func(entries ...x509.RevocationListEntry) {
		b, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour), RevokedCertificateEntries: entries,
		}, &issuer, authority.key)
		if err == nil {
			err = os.WriteFile(file+".new", b, 0o600)
		}
		if err == nil {
			err = os.Rename(file+".new", file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write()
	g := start(t, "", map[string]route{"a": {endpoints: []string{s.URL}, pool: "tls: {ca: " + authority.file + ", server_name: up.test, crl: " + file + "}"}})
	client := &http.Client{}
	defer client.CloseIdleConnections()
	status := func() int {
		r, err := client.Get("http://" + g.address() + "/a")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		_, _ = io.Copy(io.Discard, r.Body)
		return r.StatusCode
	}
	if got := status(); got != 200 {
		t.Fatalf("before: %d", got)
	}
	write(x509.RevocationListEntry{SerialNumber: served.SerialNumber, RevocationTime: time.Now()})
	for end := time.Now().Add(10 * time.Second); status() == 200; { // each of these is on the connection that was kept
		if time.Now().After(end) {
			t.Fatal("requests still go to it")
		}
	}
	if got := status(); got != 502 {
		t.Errorf("after: %d", got)
	}
}

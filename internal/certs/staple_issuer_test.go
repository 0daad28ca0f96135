package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// below is an authority that another signed.
func (s signing) below(t *testing.T, name string) signing {
	t.Helper()
	key := ecKey(t)
	return signing{signedBy(t, &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, s.cert, key, s.key), key}
}

// An issuer may send its own certificate along with what it signs itself, whoever signed that certificate.
func TestStapleWithIssuerInIt(t *testing.T) {
	root := newSigning(t, "root")
	for what, by := range map[string]signing{"root": root, "intermediate": root.below(t, "intermediate")} {
		at := newResponder(t)
		raw := by.says(func(r *ocsp.Response) { r.Certificate = by.cert })
		at.answer(raw)
		st, _ := stapler(t, "")
		s, _ := server(t, Options{Pairs: []Files{by.issue(t, leafTemplate(at.URL, nil))}, Stapler: st})
		if got := stapledAt(t, s, tls.VersionTLS13); !bytes.Equal(got, raw) {
			t.Errorf("%s: %x", what, got)
		}
	}
}

// Who adds the issuer to the file, as he was told, gets a response without a restart.
func TestStapleAfterIssuerCame(t *testing.T) {
	root, at := newSigning(t, "root"), newResponder(t)
	raw := root.says(nil)
	at.answer(raw)
	files := root.issue(t, leafTemplate(at.URL, nil))
	whole, err := os.ReadFile(files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(whole)
	put(t, files.Cert, pem.EncodeToMemory(block))
	st, told := stapler(t, "")
	s, changed := server(t, Options{Pairs: []Files{files}, Stapler: st})
	if n := <-told; !errors.Is(n.Err, errNoIssuer) {
		t.Fatal(n.Err)
	}
	put(t, files.Cert, whole)
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if got := stapledAt(t, s, tls.VersionTLS13); !bytes.Equal(got, raw) {
		t.Errorf("%x", got)
	}
	if n := <-told; n.Err != nil {
		t.Errorf("told %v", n.Err)
	}
}

package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
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

//go:build linux

package gateway_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority issues certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate as PEM
}

// serial numbers need not be unique here: no two certificates of one authority meet.
var serial = big.NewInt(1)

func template(name string, edit func(*x509.Certificate)) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if edit != nil {
		edit(c)
	}
	return c
}

// asAuthority makes a template one of an authority.
func asAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.DNSNames, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil, nil
}

// newAuthority makes an authority; by is who signs it, nil for itself.
func newAuthority(t *testing.T, name string, by *authority) *authority {
	t.Helper()
	key := newKey(t)
	c := template(name, asAuthority)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	cert := sign(t, c, parent, key, signer)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, encode("CERTIFICATE", cert.Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, file}
}

// issue makes a certificate for a name, with the chain behind it.
func (a *authority) issue(t *testing.T, name string, edit func(*x509.Certificate), chain ...*authority) tls.Certificate {
	t.Helper()
	key := newKey(t)
	cert := sign(t, template(name, edit), a.cert, key, a.key)
	out := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
	for _, c := range chain {
		out.Certificate = append(out.Certificate, c.cert.Raw)
	}
	return out
}

// issueSelf makes a server certificate that signs itself.
func issueSelf(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key := newKey(t)
	c := template(name, nil)
	return tls.Certificate{Certificate: [][]byte{sign(t, c, c, key, key).Raw}, PrivateKey: key}
}

// files writes a certificate and its key as PEM.
func files(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, content := range map[string][]byte{cert: encode("CERTIFICATE", c.Certificate[0]), key: encode("PRIVATE KEY", der)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// secure does as b inside TLS, if the handshake succeeds. raw in b's peer is the connection below.
func secure(conf *tls.Config, b func(p *peer, raw *peer)) behaviour {
	return func(raw *peer) {
		c := tls.Server(raw.Conn, conf)
		if c.Handshake() != nil {
			hold(raw) // the alert is sent; the other side closes
			return
		}
		b(&peer{Conn: c, r: bufio.NewReader(c), nth: raw.nth, u: raw.u}, raw)
	}
}

// inside is secure for a behaviour that needs nothing below TLS.
func inside(conf *tls.Config, b behaviour) behaviour {
	return secure(conf, func(p, _ *peer) { b(p) })
}

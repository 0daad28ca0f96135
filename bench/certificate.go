package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// certificate is the one that all proxies show: self-signed, ECDSA P-256, as files and as the roots to verify it with.
type certificate struct {
	cert, key, bundle string // paths; HAProxy wants certificate and key in one file
	roots             *x509.CertPool
}

// makeCertificate writes a certificate for the loopback address that outlives the benchmark by far.
func makeCertificate(dir string) (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, fmt.Errorf("certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "bench"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(7 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return certificate{}, fmt.Errorf("certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return certificate{}, fmt.Errorf("certificate: %w", err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})

	c := certificate{
		cert:   filepath.Join(dir, "cert.pem"),
		key:    filepath.Join(dir, "key.pem"),
		bundle: filepath.Join(dir, "bundle.pem"),
		roots:  x509.NewCertPool(),
	}
	c.roots.AppendCertsFromPEM(certPEM)
	for path, b := range map[string][]byte{c.cert: certPEM, c.key: keyPEM, c.bundle: slices.Concat(certPEM, keyPEM)} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return certificate{}, fmt.Errorf("certificate: %w", err)
		}
	}
	return c, nil
}

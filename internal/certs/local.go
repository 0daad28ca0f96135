package certs

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The files of a local authority in its directory.
const (
	localRoot = "root.crt"
	localKey  = "root.key"
)

// Bounds of a local authority.
const (
	localRootLife = 10 * 365 * 24 * time.Hour
	localLife     = 7 * 24 * time.Hour // of a certificate: nobody waits for a new one
	localMost     = 1000               // certificates kept in memory
)

// Local is an authority for development that is on this machine alone: it signs certificates for whatever name is asked for, and is trusted
// by whom its root was given to. Its key never leaves its directory; the certificates' own are in memory alone.
type Local struct {
	root *x509.Certificate
	key  *ecdsa.PrivateKey

	mu   sync.Mutex // guards made
	made map[string]*tls.Certificate
}

// OpenLocal reads the authority in a directory, and makes it where there is none, or where its root is about to end. A directory that others
// may read is refused.
func OpenLocal(dir string) (*Local, error) {
	s, err := openFiles(dir)
	if err != nil {
		return nil, err
	}
	ctx := context.Background() // the files are the machine's own, and the lock is held for a moment
	if err := s.Lock(ctx, "local-authority"); err != nil {
		return nil, err
	}
	defer func() { _ = s.Unlock(ctx, "local-authority") }()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, localRoot), filepath.Join(dir, localKey))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the local authority in %s: %w", dir, err)
	}
	if err != nil || time.Until(pair.Leaf.NotAfter) < 2*localLife {
		if pair, err = makeLocal(ctx, s); err != nil {
			return nil, err
		}
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("the local authority in %s: %s is no authority's certificate, or its key is none of ECDSA", dir, localRoot)
	}
	return &Local{root: pair.Leaf, key: key, made: map[string]*tls.Certificate{}}, nil
}

// makeLocal makes a root and its key, and keeps them.
func makeLocal(ctx context.Context, s *files) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	now := time.Now()
	of := &x509.Certificate{
		SerialNumber: serial(), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(localRootLife), BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		Subject:  pkix.Name{Organization: []string{"Whygate local authority"}, CommonName: "Whygate local authority of " + host},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	if err := s.Store(ctx, localKey, private); err != nil {
		return tls.Certificate{}, err
	}
	if err := s.Store(ctx, localRoot, chain); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, private)
}

// serial is a serial number by chance: RFC 5280, section 4.1.2.2.
func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

// LocalRoot reads the root certificate of a local authority, as PEM. It makes none: the error is fs.ErrNotExist then.
func LocalRoot(dir string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, localRoot)) }

// get is the certificate for a handshake, nil for a name that there can be none for. A hello without a connection is a look, for which none
// is made.
func (l *Local) get(hello *tls.ClientHelloInfo, routed func(string) bool) (*tls.Certificate, error) {
	name := localName(hello)
	if name == "" || !routed(name) {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.made[name]; c != nil && time.Until(c.Leaf.NotAfter) > localLife/3 || hello.Conn == nil {
		return c, nil
	}
	c, err := l.issue(name)
	if err != nil {
		return nil, err
	}
	if len(l.made) >= localMost {
		for other := range l.made { // any: the next handshake makes it again
			delete(l.made, other)
			break
		}
	}
	l.made[name] = c
	return c, nil
}

// localName is the name or address that a certificate is to be for: what the client asks for, or the address that it came to.
func localName(hello *tls.ClientHelloInfo) string {
	if name := nameOf(hello); name != "" {
		if len(name) > 253 || strings.ContainsFunc(name, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
		}) {
			return ""
		}
		return name
	}
	if hello.Conn == nil {
		return ""
	}
	if to, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
		return to.AddrPort().Addr().Unmap().WithZone("").String()
	}
	return "localhost"
}

// issue signs a certificate with a key of its own.
func (l *Local) issue(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	of := &x509.Certificate{
		SerialNumber: serial(), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(localLife), Subject: pkix.Name{Organization: []string{"Whygate, for development"}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		of.IPAddresses = []net.IP{ip.AsSlice()}
	} else {
		of.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, of, l.root, &key.PublicKey, l.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

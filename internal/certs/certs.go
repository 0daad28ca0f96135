// Package certs holds certificates, authorities and revocation lists from files, takes new ones when the files change, gets others from an
// authority by ACME (RFC 8555) or signs them itself for development, and chooses what a client is shown. It keeps the keys of session tickets too.
//
// It must not know which listener or pool uses them.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"

	"github.com/whygate/whygate/internal/openfile"
)

// fileMax bounds a PEM file, in octets: the largest real bundles have a few hundred kilobytes.
const fileMax = 4 << 20

// Pair is a certificate and its key from two files. It serves the last pair that loaded.
type Pair struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
	onChange          func(error)
	watch             *watch
}

// LoadPair reads a certificate chain, the leaf first, and its key, both PEM.
func LoadPair(certFile, keyFile string) (*tls.Certificate, error) {
	cert, err := read(certFile)
	if err != nil {
		return nil, err
	}
	key, err := read(keyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return &pair, nil
}

// LoadPool reads authorities from a PEM file.
func LoadPool(file string) (*x509.CertPool, error) {
	b, err := read(file)
	if err != nil {
		return nil, err
	}
	return poolOfPEM(file, b)
}

func poolOfPEM(file string, b []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s: no PEM certificate in it", file)
	}
	return pool, nil
}

func read(file string) ([]byte, error) { return readUpTo(file, fileMax) }

// readUpTo reads a regular file that has at most limit octets.
func readUpTo(file string, limit int64) ([]byte, error) {
	return openfile.Read(context.Background(), file, openfile.Options{Max: limit}) // a regular file: it is never waited for
}

// Watch loads a pair and loads it again whenever one of the files changes. onChange is told of each later load: nil, or
// why the old pair is still served.
func Watch(certFile, keyFile string, onChange func(error)) (*Pair, error) {
	files := []string{certFile, keyFile}
	last := stampOf(files) // before they are read: a change after that is seen
	first, err := LoadPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	p := &Pair{certFile: certFile, keyFile: keyFile, onChange: onChange}
	p.current.Store(first)
	p.watch = watchFiles(files, last, p.reload)
	return p, nil
}

// reload takes the pair in the files, if it is another and in order.
func (p *Pair) reload() {
	pair, err := LoadPair(p.certFile, p.keyFile)
	if err != nil {
		p.onChange(err)
		return
	}
	if same(p.current.Load(), pair) {
		return
	}
	p.current.Store(pair)
	p.onChange(nil)
}

func same(a, b *tls.Certificate) bool {
	if len(a.Certificate) != len(b.Certificate) {
		return false
	}
	for i := range a.Certificate {
		if string(a.Certificate[i]) != string(b.Certificate[i]) {
			return false
		}
	}
	return true
}

// Close ends the watch.
func (p *Pair) Close() { p.watch.close() }

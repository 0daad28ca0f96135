package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pairFor writes a self-signed certificate for names, the first of which is its common name.
func pairFor(t *testing.T, key crypto.Signer, names ...string) Files {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	put(t, f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder}))
	put(t, f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return f
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func rsaKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// server makes a Server that tells changes to a channel.
func server(t *testing.T, o Options) (*Server, chan error) {
	t.Helper()
	changed := make(chan error, 16)
	o.Changed = func(_ string, err error) { changed <- err }
	s, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, changed
}

// shake does a handshake with the server, and gives what the client saw.
func shake(t *testing.T, s *Server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		c := tls.Server(nc, s.Config())
		if c.Handshake() == nil {
			_, _ = c.Write([]byte("x")) // by which a client of TLS 1.3 learns that it was let in
		}
		_ = c.CloseWrite()
		_, _ = nc.Read(make([]byte, 1)) // so that what was sent is not lost by a reset
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	client.InsecureSkipVerify = true
	c := tls.Client(nc, client)
	n, err := c.Read(make([]byte, 1))
	if n > 0 {
		err = nil // it was let in, and the end came with it
	}
	state := c.ConnectionState()
	_ = nc.Close()
	<-served
	return state, err
}

// patience bounds every wait of a test.
const patience = 20 * time.Second

// A client is shown the certificate for its name: exact before wildcard, in any case, and the first of all where none fits.
func TestServerChoosesByName(t *testing.T) {
	first, shop, wild := pairFor(t, ecKey(t), "first.example.com"), pairFor(t, ecKey(t), "shop.example.com", "Other.example.org"), pairFor(t, ecKey(t), "*.example.com")
	s, _ := server(t, Options{Pairs: []Files{first, wild, shop}})
	for asked, want := range map[string]string{
		"":                      "first.example.com",
		"first.example.com":     "first.example.com",
		"shop.example.com":      "shop.example.com",
		"SHOP.example.com":      "shop.example.com",
		"other.example.org":     "shop.example.com",
		"any.example.com":       "*.example.com",
		"deep.any.example.com":  "first.example.com", // a wildcard is for one label
		"example.com":           "first.example.com",
		"elsewhere.example.net": "first.example.com",
	} {
		state, err := shake(t, s, &tls.Config{ServerName: asked})
		if err != nil {
			t.Errorf("%q: %v", asked, err)
			continue
		}
		if got := state.PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%q is shown %s, want %s", asked, got, want)
		}
	}
}

// Of two certificates for one name a client is shown the one that it can use.
func TestServerChoosesByKey(t *testing.T) {
	s, _ := server(t, Options{Pairs: []Files{pairFor(t, ecKey(t), "a.example.com"), pairFor(t, rsaKey(t), "a.example.com")}})
	for suite, want := range map[uint16]x509.PublicKeyAlgorithm{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: x509.ECDSA,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:   x509.RSA,
	} {
		state, err := shake(t, s, &tls.Config{ServerName: "a.example.com", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}})
		if err != nil {
			t.Fatalf("%s: %v", tls.CipherSuiteName(suite), err)
		}
		if got := state.PeerCertificates[0].PublicKeyAlgorithm; got != want {
			t.Errorf("%s is shown %s", tls.CipherSuiteName(suite), got)
		}
	}
}

// What is older than asked for, and what does not authenticate what it encrypts, is not spoken.
func TestServerRefusesOldWays(t *testing.T) {
	pair := pairFor(t, rsaKey(t), "a.example.com")
	plain, _ := server(t, Options{Pairs: []Files{pair}})
	strict, _ := server(t, Options{Pairs: []Files{pair}, MinVersion: tls.VersionTLS13})
	for name, tt := range map[string]struct {
		server *Server
		client *tls.Config
		fine   bool
	}{
		"TLS 1.1":            {plain, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
		"TLS 1.2 with CBC":   {plain, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}}, false},
		"TLS 1.2 with GCM":   {plain, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}}, true},
		"TLS 1.3":            {plain, &tls.Config{MinVersion: tls.VersionTLS13}, true},
		"1.2 where 1.3 is":   {strict, &tls.Config{MaxVersion: tls.VersionTLS12}, false},
		"1.3 where 1.3 is":   {strict, &tls.Config{}, true},
		"no forward secrecy": {plain, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, false},
	} {
		if _, err := shake(t, tt.server, tt.client); (err == nil) != tt.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Clients' authorities are read again when their file changes, and a session that the old ones vouched for is not resumed.
func TestServerTakesNewClientCA(t *testing.T) {
	good, other := pairFor(t, ecKey(t), "good client"), pairFor(t, ecKey(t), "other client")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	copyFile(t, good.Cert, ca)
	s, changed := server(t, Options{Pairs: []Files{pairFor(t, ecKey(t), "a.example.com")}, ClientCA: ca, ClientAuth: tls.RequireAndVerifyClientCert})
	conf := func(f Files) *tls.Config {
		pair, err := LoadPair(f.Cert, f.Key)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{ServerName: "a.example.com", Certificates: []tls.Certificate{*pair}, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	}
	first, second := conf(good), conf(other)
	for range 2 {
		if _, err := shake(t, s, first); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := shake(t, s, second); err == nil {
		t.Error("a client of another authority is let in")
	}
	if _, err := shake(t, s, &tls.Config{ServerName: "a.example.com"}); err == nil {
		t.Error("a client without a certificate is let in")
	}
	copyFile(t, other.Cert, ca)
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if _, err := shake(t, s, second); err != nil {
		t.Error(err)
	}
	if _, err := shake(t, s, first); err == nil {
		t.Error("a client of the old authority is let in")
	}
	put(t, ca, []byte("nothing"))
	if err := <-changed; err == nil {
		t.Error("a file without a certificate is taken")
	}
	if _, err := shake(t, s, second); err != nil {
		t.Errorf("after a bad file: %v", err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := read(from)
	if err != nil {
		t.Fatal(err)
	}
	put(t, to, b)
}

// A subject is one value of a header, whatever is in the certificate.
func TestSubject(t *testing.T) {
	spiffe, err := url.Parse("spiffe://example.org/web")
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]*x509.Certificate{
		"CN=alice,O=Example":           {Subject: pkix.Name{CommonName: "alice", Organization: []string{"Example"}}},
		`CN=a\, b`:                     {Subject: pkix.Name{CommonName: "a, b"}},
		`CN=a\0D\0AX-Evil: 1`:          {Subject: pkix.Name{CommonName: "a\r\nX-Evil: 1"}},
		`CN=J\C3\BCrgen`:               {Subject: pkix.Name{CommonName: "Jürgen"}},
		"URI:spiffe://example.org/web": {URIs: []*url.URL{spiffe}, DNSNames: []string{"web"}},
		"email:a@example.org":          {EmailAddresses: []string{"a@example.org"}},
		"DNS:web.example.org":          {DNSNames: []string{"web.example.org"}},
		"":                             {Subject: pkix.Name{CommonName: strings.Repeat("x", subjectMax)}},
	} {
		if got := Subject(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

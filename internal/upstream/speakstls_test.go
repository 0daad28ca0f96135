package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// serveOne serves every connection to an address until the test ends.
func serveOne(t *testing.T, network, address string, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when the listener is closed
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func TestSpeaksTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	shake := func(c net.Conn) { _ = tls.Server(c, conf).Handshake() }
	reject := func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("no such name") }}).Handshake()
	}
	said := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Read(make([]byte, 2048))
			_, _ = io.WriteString(c, text)
		}
	}
	unix := filepath.Join(t.TempDir(), "s")
	serveOne(t, "unix", unix, shake)
	for name, tt := range map[string]struct {
		addr   string
		is     bool
		failed bool
	}{
		"a TLS server":           {serveOne(t, "tcp", "127.0.0.1:0", shake), true, false},
		"one on a unix socket":   {"unix:" + unix, true, false},
		"an alert":               {serveOne(t, "tcp", "127.0.0.1:0", reject), true, false},
		"plain HTTP":             {serveOne(t, "tcp", "127.0.0.1:0", said("HTTP/1.1 400 Bad Request\r\n\r\n")), false, false},
		"garbage":                {serveOne(t, "tcp", "127.0.0.1:0", said("220 mail.example.com ESMTP\r\n")), false, false},
		"one that only closes":   {serveOne(t, "tcp", "127.0.0.1:0", said("")), false, true},
		"nobody":                 {"127.0.0.1:1", false, true},
		"an address that is not": {"nowhere", false, true},
	} {
		is, err := SpeaksTLS(t.Context(), tt.addr)
		if is != tt.is || (err != nil) != tt.failed {
			t.Errorf("%s: %v, %v", name, is, err)
		}
	}
}

// It ends with its context, whatever the other side does not do.
func TestSpeaksTLSEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := serveOne(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		cancel()
		_, _ = io.Copy(io.Discard, c) // until the other side goes
	})
	if is, err := SpeaksTLS(ctx, addr); is || err == nil {
		t.Errorf("%v, %v", is, err)
	}
}

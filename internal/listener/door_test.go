package listener_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
)

// atTheDoor runs a TLS listener, and gives its address and the handshakes that failed.
func atTheDoor(t *testing.T, conf *tls.Config) (addr string, failures <-chan listener.Handshake, panics <-chan any) {
	t.Helper()
	failed, told := make(chan listener.Handshake, 16), make(chan any, 4)
	s := &listener.Server{
		Serve:  func(x *exchange.Exchange) { x.Head(&exchange.Head{Status: 204, NoBody: true}); x.End(nil) },
		Refuse: func(*exchange.Exchange, *fault.Evidence) {},
		Limits: func() listener.Limits {
			return listener.Limits{Connections: 100, RequestHead: 32 << 10, HeadTime: 3 * time.Second, Idle: time.Second}
		},
		Failed:   func(h *listener.Handshake) { failed <- *h },
		Panicked: func(reason any, _ []byte) { told <- reason },
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Listen(l, func() *tls.Config { return conf }, nil) }() // ends when Drain closes the socket
	t.Cleanup(func() { s.Drain(0); <-done })
	return l.Addr().String(), failed, told
}

// A handshake that fails leaves its reason and the first bytes; a client that speaks HTTP in clear is told.
func TestHandshakesThatFail(t *testing.T) {
	conf := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, MinVersion: tls.VersionTLS12}
	addr, failed, _ := atTheDoor(t, conf)
	shake := func(c *tls.Config) func(net.Conn) {
		return func(nc net.Conn) { _ = tls.Client(nc, c).Handshake() }
	}
	for _, tt := range []struct {
		name   string
		client func(net.Conn)
		reason listener.Reason
		first  string
	}{
		{"nothing", func(nc net.Conn) { nc.Close() }, listener.Silent, ""},
		{"garbage", func(nc net.Conn) { _, _ = io.WriteString(nc, "\x00\x01\x02\x03\x04\x05\x06") }, listener.NotTLS, "\x00\x01"},
		{"old", shake(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}), listener.NoCommonWays, "\x16\x03"},
		{"distrust", shake(&tls.Config{ServerName: "a.test"}), listener.AlertReceived, "\x16\x03"},
		{"half", func(nc net.Conn) { _, _ = io.WriteString(nc, "\x16\x03\x01\x00\xff\x01"); nc.Close() }, listener.LeftHalfway, "\x16\x03"},
		{"slow", func(nc net.Conn) { _, _ = io.WriteString(nc, "\x16\x03\x01"); _, _ = io.ReadAll(nc) }, listener.TooSlow, "\x16\x03"},
	} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		tt.client(nc)
		select {
		case h := <-failed:
			if h.Reason != tt.reason || !strings.HasPrefix(string(h.First), tt.first) || h.Client != "127.0.0.1" || len(h.First) > 64 {
				t.Errorf("%s: %s, %q from %s: %s", tt.name, h.Reason, h.First, h.Client, h.Detail)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: nothing is told", tt.name)
		}
		nc.Close()
	}
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000))
	res, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if h := <-failed; h.Reason != listener.PlainHTTP || res.StatusCode != 400 || !strings.Contains(string(body), "https://") {
		t.Errorf("%s, %d %q", h.Reason, res.StatusCode, body)
	}
	good, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	good.Close()
}

// A bug of ours in a handshake, or in the handler, costs one connection.
func TestAPanicCostsOneConnection(t *testing.T) {
	var calls atomic.Int32
	conf := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if calls.Add(1) == 1 {
			panic("a bug of ours")
		}
		c := selfSigned(t)
		return &c, nil
	}}
	addr, failed, told := atTheDoor(t, conf)
	if c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}); err == nil {
		c.Close()
		t.Error("the handshake succeeds")
	}
	if reason := <-told; reason != "a bug of ours" {
		t.Errorf("told %v", reason)
	}
	<-failed
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// selfSigned is a certificate, made once.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	c, err := madeOnce()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var madeOnce = sync.OnceValues(makeCertificate)

func makeCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"a.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

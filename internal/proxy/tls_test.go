package proxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/upstream"
)

// certificate is a certificate for 127.0.0.1 and the pool that trusts it, made once.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
})

func serverTLS() *tls.Config {
	c, _ := certificate()
	return &tls.Config{Certificates: []tls.Certificate{c}}
}

func clientTLS() *tls.Config {
	_, pool := certificate()
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// secured is a gateway with TLS on both sides.
func secured(t *testing.T, serve func(*peer)) (*gateway, *origin) {
	t.Helper()
	o := upstreamOn(t, serverTLS(), serve)
	g := start(t, setup{front: serverTLS(), options: func(o *upstream.Options) { o.TLSConf = clientTLS() }}, "https://"+o.addr)
	return g, o
}

func (g *gateway) dialTLS() *peer {
	g.t.Helper()
	c, err := tls.Dial("tcp", g.addr, clientTLS())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return newPeer(g.t, c)
}

func TestTLSBothSides(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 1)
	body := noise(300_000)
	g, o := secured(t, capturing(requests, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
	c := g.dialTLS()
	for i := range 4 {
		framed := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
		if i%2 == 1 {
			framed = "Transfer-Encoding: chunked\r\n\r\n" + chunkedBody(body[:1000], body[1000:])
		}
		<-time.After(settled)
		go c.send("POST / HTTP/1.1\r\nHost: a.test\r\n" + framed)
		m, q := c.response("POST"), <-requests
		same(t, "down", m.body, body)
		same(t, "up", q.body, body)
		if q.get("X-Forwarded-Proto") != "https" || !strings.Contains(q.get("Forwarded"), "proto=https") {
			t.Errorf("X-Forwarded-Proto: %s, Forwarded: %s", q.get("X-Forwarded-Proto"), q.get("Forwarded"))
		}
		if r := g.want(200, fault.CauseNone); !r.Secure {
			t.Error("the record is not of a secure one")
		}
	}
	for range 5 {
		c.send(get("/small"))
		c.response("GET")
		<-requests
	}
	if n := o.conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestTLSPipelining(t *testing.T) {
	t.Parallel()
	g, _ := secured(t, answering(ok))
	c := g.dialTLS()
	c.send(strings.Repeat(get("/"), 10))
	for range 10 {
		if m := c.response("GET"); m.status() != 200 {
			t.Errorf("%s", m.line)
		}
	}
}

func TestTLSRetryAfterReuse(t *testing.T) {
	t.Parallel()
	g, o := secured(t, func(p *peer) {
		p.request()
		p.send(ok)
		p.request()
	})
	c := g.dialTLS()
	for range 3 {
		c.send(get("/"))
		if m := c.response("GET"); m.status() != 200 {
			t.Errorf("%s", m.line)
		}
		g.record()
	}
	if n := o.conns.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}

// An endpoint that ends its idle TLS connection in order is not asked on it again.
func TestTLSIdleConnectionClosed(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 4)
	g, _ := secured(t, func(p *peer) {
		p.request()
		p.send(ok)
		p.Close() // close_notify and FIN
		p.arrived()
		closed <- struct{}{}
	})
	c := g.dialTLS()
	for range 3 {
		c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx")
		if m := c.response("POST"); m.status() != 200 {
			t.Errorf("%s", m.line)
		}
		<-closed
		g.want(200, fault.CauseNone)
	}
}

// A body that ends with the connection is complete with close_notify, and cut without.
func TestTLSBodyUntilClose(t *testing.T) {
	t.Parallel()
	for _, truncated := range []bool{false, true} {
		g, _ := secured(t, func(p *peer) {
			p.request()
			p.send("HTTP/1.1 200 OK\r\n\r\nhello")
			if truncated {
				_ = p.Conn.(*tls.Conn).NetConn().Close()
			}
		})
		for _, version := range []string{"1.1", "1.0"} {
			c := g.dialTLS()
			c.send("GET / HTTP/" + version + "\r\nHost: a.test\r\n\r\n")
			m := c.response("GET")
			if m.body != "hello" || m.complete == truncated {
				t.Errorf("truncated %t to %s: %q complete %t %v", truncated, version, m.body, m.complete, m.err)
			}
			if r := g.record(); r.Late != truncated {
				t.Errorf("truncated %t: cause %s, late %t", truncated, r.Fault.Cause, r.Late)
			}
			c.Close()
		}
	}
}

func TestTLSUpgrade(t *testing.T) {
	t.Parallel()
	g, _ := secured(t, func(p *peer) {
		p.head()
		p.send(switched + "first")
		p.want("early")
		p.send("bye")
		p.fin()
		p.gone()
	})
	c := g.dialTLS()
	c.send(handshake + "early")
	c.response("GET")
	c.want("first")
	c.want("bye")
	c.fin()
	c.ended()
	g.want(101, fault.CauseNone)
}

func TestTLSClientLeaves(t *testing.T) {
	t.Parallel()
	reached, closed := make(chan struct{}), make(chan struct{})
	g, _ := secured(t, func(p *peer) {
		p.request()
		close(reached)
		p.gone()
		close(closed)
	})
	c := g.dialTLS()
	c.send(get("/"))
	<-reached
	c.Close()
	select {
	case <-closed:
	case <-time.After(3 * time.Second):
		t.Error("the endpoint's connection stays open")
	}
	g.want(499, fault.CauseClientLeft)
}

// A client that never finishes its handshake is let go.
func TestTLSHandshakeThatNeverEnds(t *testing.T) {
	t.Parallel()
	g, _ := secured(t, answering(ok))
	_ = g
	c := g.dial()
	c.send("\x16\x03\x01")
	c.Close()
	eventually(t, func() bool { return g.server.Open() == 0 }, "the connection stays open")
}

// TLS to a plain port is called so; what was sent to a port by somebody who speaks HTTP badly is not kept.
func TestTLSToAPlainPort(t *testing.T) {
	t.Parallel()
	g := start(t, setup{}, refusing(t))
	c := g.dial()
	_ = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
	if r := g.want(400, fault.CauseRequestTLSOnPlainPort); len(r.evidence.Sample) == 0 || len(r.evidence.Sample) > 64 {
		t.Errorf("%d bytes are kept", len(r.evidence.Sample))
	}
	g.ask("GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: SECRET\r\nBad Field: 1\r\n\r\n")
	if r := g.want(400, fault.CauseRequestMalformed); len(r.evidence.Sample) != 0 {
		t.Errorf("%q is kept", r.evidence.Sample)
	}
}

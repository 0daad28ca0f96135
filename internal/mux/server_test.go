package mux

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/httpmsg"
)

// certificate is one for loopback, valid for an hour.
func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// site is a Server with its listener.
type site struct {
	*Server
	addr string
	tls  *tls.Config // of its clients, nil in clear
}

// listen starts a server, and ends it with the test.
func listen(t testing.TB, secure bool, o Config) *site {
	t.Helper()
	return listenWith(t, secure, o, func(nc net.Conn) net.Conn { return nc })
}

// listenWith is listen with something between it and each connection.
func listenWith(t testing.TB, secure bool, o Config, between func(net.Conn) net.Conn) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &site{Server: NewServer(o), addr: l.Addr().String()}
	var conf *tls.Config
	if secure {
		conf = &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{"h2"}, DynamicRecordSizingDisabled: true}
		w.tls = &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}} // it is this test's own
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			nc = between(nc)
			conns.Go(func() { w.accept(nc, conf) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		w.Server.Close()
		conns.Wait()
	})
	return w
}

func (w *site) accept(nc net.Conn, conf *tls.Config) {
	if conf == nil {
		w.Serve(nc, nil, nil)
		return
	}
	r := NewRecords(nc)
	session := tls.Server(r, conf)
	if err := session.Handshake(); err != nil || session.ConnectionState().NegotiatedProtocol != "h2" {
		_ = nc.Close()
		return
	}
	w.ServeTLS(session, r, nil)
}

// dialAny connects as the site wants it.
func (w *site) dialAny(t testing.TB) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	if w.tls != nil {
		nc = tls.Client(nc, w.tls)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}

// field is a section of one field.
func field(name, value string) *httpmsg.Fields {
	var f httpmsg.Fields
	f.Reset(nil)
	f.Append(name, []byte(value), httpmsg.Identify([]byte(name)))
	return &f
}

var large = bytes.Repeat([]byte("0123456789abcdef"), 1<<16)

// echo answers by path: /echo the request's body with its trailers, /size=N so many octets, /hold when the client goes, and else
// a hundred octets.
func echo(st *Stream) {
	path := string(st.Request().Path)
	switch {
	case path == "/echo":
		_ = st.WriteHead(200, nil, httpmsg.LengthUnknown)
		for {
			data, end, err := st.Next()
			if err != nil {
				return
			}
			if st.Write(data) != nil {
				return
			}
			if end {
				break
			}
			st.Flush()
		}
		_ = st.End(st.Trailers())
	case len(path) > 6 && path[:6] == "/size=":
		n, _ := strconv.ParseInt(path[6:], 10, 64)
		_ = st.WriteHead(200, nil, n)
		for n > 0 {
			k := min(n, int64(len(large)))
			if st.Write(large[:k]) != nil {
				return
			}
			n -= k
		}
		_ = st.End(nil)
	case path == "/hold":
		gone := make(chan struct{})
		st.Hold(func(error) { close(gone) })
		<-gone
	default:
		if _, whole := st.WholeBody(); !whole {
			for end := false; !end; {
				var err error
				if _, end, err = st.Next(); err != nil {
					return
				}
			}
		}
		_ = st.WriteHead(200, field("content-type", "text/plain"), 100)
		_ = st.Write(large[:100])
		_ = st.End(nil)
	}
}

package listener

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/certs"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/serve1"
	"github.com/whygate/whygate/internal/serve2"
)

// session is one client connection: its way in, and the protocol that is spoken on it then.
type session struct {
	tlsConf *tls.Config // nil in clear
	server  *Server
	conn    *conn.Conn
	http    serve1.Session
	http2   atomic.Pointer[serve2.Session] // where HTTP/2 is spoken, else nil
	limits  *Limits
	over    bool     // it is one connection too many
	h2c     bool     // a client may begin HTTP/2 in clear
	raw     net.Conn // what was accepted
	door    *door    // what TLS runs over, else nil
}

// run serves the connection until it ends or is parked.
func (ss *session) run() { ss.own(ss.begin) }

// resume goes on with a connection that was parked.
func (ss *session) resume(w conn.Wakeup) {
	ss.own(func() bool { return ss.park(ss.http.Resume(w)) })
}

// own has the connection served by who owns it now. When that is done it is closed, unless it is parked: then it is the Lot's, and nothing of
// it is touched here any more.
func (ss *session) own(serve func() (parked bool)) {
	parked := false
	defer func() {
		if parked {
			return
		}
		if r := recover(); r != nil { // a bug of ours costs one connection
			ss.server.panicked(r)
		}
		defer ss.server.forget(ss)
		ss.conn.Close()
	}()
	parked = serve()
}

// begin is a connection's first owner. It reports whether it parked it.
func (ss *session) begin() (parked bool) {
	switch {
	case ss.over && ss.conn.TLS() != nil:
		ss.tooMany()
	case ss.over:
		ss.http.TurnAway()
	case ss.conn.TLS() == nil:
		if ss.h2c && ss.prefaced() {
			ss.serveHTTP2(nil)
			return false
		}
		return ss.park(ss.http.Run())
	case ss.handshake():
		switch ss.agreed() {
		case "h2":
			ss.serveHTTP2(ss.door)
			return false
		case certs.ALPNChallenge: // the authority has seen what it wanted to see
			return false
		}
		return ss.park(ss.http.Run())
	}
	return false
}

// tooMany tells of a TLS connection too many. It gets no answer: a handshake is what costs most. It is not inlined, as serveHTTP2 and handshake
// are not: a connection of HTTP/1 stands on begin's frame for as long as its first owner lives.
//
//go:noinline
func (ss *session) tooMany() {
	if ss.server.Failed == nil {
		return
	}
	p := ss.http.Peer()
	ss.server.Failed(&Handshake{Client: p.Client, Local: p.Local, Reason: TooMany, Detail: "limits.connections is reached", Max: ss.limits.Connections})
}

// agreed takes the client's name from its certificate, and gives the protocol that the handshake agreed on. It is not inlined, for the
// same reason.
//
//go:noinline
func (ss *session) agreed() string {
	state := ss.conn.TLS().ConnectionState()
	if len(state.VerifiedChains) > 0 {
		p := ss.http.Peer()
		if p.Shown == nil {
			p.Shown = &exchange.Shown{}
		}
		p.Shown.Subject = certs.Subject(state.VerifiedChains[0][0])
	}
	return state.NegotiatedProtocol
}

// park parks the connection if it is quiet, and reports whether it did. While it cannot be parked it is served here.
func (ss *session) park(quiet bool) (parked bool) {
	for quiet {
		if ss.server.lot.Park(ss.conn, ss.http.IdleUntil(), ss.resume) {
			return true
		}
		quiet = ss.http.Stay()
	}
	return false
}

// prefaced reads the first octets, and reports whether they are HTTP/2's (RFC 9113, section 3.3). What was read stays buffered.
func (ss *session) prefaced() bool {
	ss.conn.SetReadUntil(mono.Now().Until(ss.limits.Idle))
	for {
		b := ss.conn.Buffered()
		switch {
		case len(b) >= len(h2.Preface):
			return bytes.HasPrefix(b, []byte(h2.Preface))
		case !bytes.HasPrefix([]byte(h2.Preface), b):
			return false
		}
		if ss.conn.Fill() != fault.Completed {
			return false // the end is met again, and told of, by whoever reads next
		}
		ss.conn.SetReadUntil(mono.Now().Until(ss.limits.HeadTime))
	}
}

// serveHTTP2 serves the connection as HTTP/2, over a door or in clear. From here on its socket is mux's.
//
//go:noinline
func (ss *session) serveHTTP2(d *door) {
	server := ss.server.overHTTP2(ss.limits)
	if server == nil {
		return
	}
	peer := *ss.http.Peer()
	if d != nil {
		if peer.Shown == nil {
			peer.Shown = &exchange.Shown{}
		}
		peer.Shown.Covers = ss.covers
	}
	two := serve2.NewSession(&peer, ss.limits)
	ss.http2.Store(two)
	if !ss.http.Release() {
		return
	}
	_ = ss.raw.SetDeadline(time.Time{})
	if d == nil {
		server.Serve(ss.raw, ss.conn.Buffered(), two)
		return
	}
	server.ServeTLS(ss.conn.TLS(), d.take(ss.raw), two)
}

// covers reports whether the certificate that new connections are shown has a host name. A client that has one connection for several names
// looks at that before it uses it for another (RFC 9113, section 9.1.1).
func (ss *session) covers(host string) bool { return covers(ss.tlsConf, host) }

func covers(conf *tls.Config, host string) bool {
	var shown *tls.Certificate
	switch {
	case conf == nil:
		return true
	case conf.GetCertificate != nil:
		shown, _ = conf.GetCertificate(&tls.ClientHelloInfo{ServerName: host})
	case len(conf.Certificates) > 0:
		shown = &conf.Certificates[0]
	}
	if shown == nil || len(shown.Certificate) == 0 {
		return true
	}
	leaf := shown.Leaf
	if leaf == nil { // such requests are rare
		var err error
		if leaf, err = x509.ParseCertificate(shown.Certificate[0]); err != nil {
			return true
		}
	}
	return leaf.VerifyHostname(host) == nil
}

// stopWaiting ends what requests under way wait for elsewhere.
func (ss *session) stopWaiting() {
	ss.http.StopWaiting()
	if two := ss.http2.Load(); two != nil {
		two.StopWaiting()
	}
}

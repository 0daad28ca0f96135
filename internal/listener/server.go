package listener

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/proxyproto"
	"github.com/whygate/whygate/internal/serve2"
	"github.com/whygate/whygate/internal/serve3"
)

// Limits are what a connection is held to.
type Limits = exchange.Limits

// Server serves any number of sockets with one handler. The funcs are called on the connection's goroutine, and must not
// keep the Exchange.
type Server struct {
	Serve  func(*exchange.Exchange)                  // answers a request
	Refuse func(*exchange.Exchange, *fault.Evidence) // answers what was no request, or one too many
	Limits func() Limits

	Failed   func(*Handshake)               // is told of TLS handshakes that failed; nil to tell nobody
	Panicked func(reason any, stack []byte) // is told of a bug of ours that ended a connection; nil to tell nobody

	host      exchange.Host  // the funcs above, for the connections; made by the first Listen
	mu        sync.Mutex     // guards the fields below
	http2     *serve2.Server // made by the first connection that speaks it
	http3     *serve3.Server // made by the first OpenQUIC
	quic      map[*QUIC]struct{}
	listeners map[net.Listener]struct{}
	sessions  map[*session]struct{}
	open      atomic.Int64
	wait      sync.WaitGroup

	limits atomic.Pointer[Limits] // as the last connection has them

	lot conn.Lot // the idle connections that have no goroutine
}

// acceptPause is how long accepting rests when descriptors have run out: the condition does not pass by asking faster.
const acceptPause = 50 * time.Millisecond

// Listen serves one socket until it is closed. conf and h2c are called for each connection. A nil conf, or a nil result, means plain
// HTTP; with h2c, HTTP/2 in clear too, for clients that begin with it. With TLS, HTTP/2 is spoken where the handshake agrees on it. The
// error is nil after Drain or a close.
func (s *Server) Listen(l net.Listener, conf func() *tls.Config, h2c func() bool) error {
	return s.ListenAs(l, Spoken{TLS: conf, H2C: h2c})
}

// Spoken is what is spoken on a socket. The funcs are called for each connection, and AltSvc for each answer; nil ones are none.
type Spoken struct {
	TLS    func() *tls.Config // a nil result means in clear
	H2C    func() bool        // HTTP/2 in clear
	AltSvc func() []byte      // where else the same is served: Alt-Svc's value (RFC 7838), nil for none at present
}

// prepare makes what all sockets share. mu is held.
func (s *Server) prepare() {
	if s.listeners == nil {
		s.listeners, s.quic = map[net.Listener]struct{}{}, map[*QUIC]struct{}{}
		s.sessions = map[*session]struct{}{}
		s.host.Serve, s.host.Refuse, s.host.Panicked = s.Serve, s.Refuse, s.panicked
	}
}

// ListenAs is Listen for a socket whose answers may name an alternative.
func (s *Server) ListenAs(l net.Listener, as Spoken) error {
	conf, h2c := as.TLS, as.H2C
	s.mu.Lock()
	s.prepare()
	s.listeners[l] = struct{}{}
	draining := s.host.Draining.Load() // Drain closes what was listed before it; what comes later closes itself
	s.mu.Unlock()
	if draining {
		return l.Close()
	}
	for {
		nc, err := l.Accept()
		if err == nil {
			var tlsConf *tls.Config
			if conf != nil {
				tlsConf = conf()
			}
			s.accept(nc, tlsConf, h2c != nil && h2c(), as.AltSvc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		var errno syscall.Errno
		if errors.As(err, &errno) && (errno.Temporary() || fault.EndOf(errno) == fault.Exhausted || errno == syscall.ECONNABORTED) {
			time.Sleep(acceptPause)
			continue
		}
		return err
	}
}

// accept starts a connection's goroutine. It ends when the connection does, or is parked; Drain waits for the connection's end.
func (s *Server) accept(nc net.Conn, tlsConf *tls.Config, h2c bool, altSvc func() []byte) {
	limits := s.shared(s.Limits())
	announced, _ := nc.(*proxyproto.Conn)
	if announced != nil {
		nc = announced.Conn // the socket itself
	}
	ss := &session{server: s, limits: limits, h2c: h2c, raw: nc, tlsConf: tlsConf}
	ss.over = s.open.Add(1) > int64(max(limits.Connections, 1))
	if tlsConf == nil {
		ss.conn = conn.New(nc)
	} else {
		ss.conn = conn.NewTLS(nc, func(nc net.Conn) *tls.Conn {
			ss.door = newDoor(nc)
			return tls.Server(ss.door, tlsConf)
		})
	}
	ss.http.Init(ss.conn, &s.host, limits)
	if altSvc != nil && tlsConf != nil {
		ss.http.Peer().Shown = &exchange.Shown{AltSvc: altSvc}
	}
	if announced != nil {
		p, h := ss.http.Peer(), announced.Header
		p.Addr, p.Client, p.Port, p.Local = h.Source.Addr(), h.Source.Addr().String(), h.Source.Port(), h.Destination.String()
	}
	s.mu.Lock()
	if s.host.Draining.Load() { // Drain has looked, or is about to: it would not wait for this one
		s.mu.Unlock()
		s.open.Add(-1)
		_ = nc.Close()
		return
	}
	s.sessions[ss] = struct{}{}
	s.wait.Add(1)
	s.mu.Unlock()
	go ss.run()
}

// shared is the one copy that all connections with these limits have.
func (s *Server) shared(l Limits) *Limits {
	if last := s.limits.Load(); last != nil && *last == l {
		return last
	}
	fresh := l // the argument itself would be allocated for each connection
	s.limits.Store(&fresh)
	return &fresh
}

// forget removes an ended connection.
func (s *Server) forget(ss *session) {
	s.mu.Lock()
	delete(s.sessions, ss)
	s.mu.Unlock()
	s.open.Add(-1)
	s.wait.Done()
}

// Open is the number of client connections.
func (s *Server) Open() int64 { return s.open.Load() }

// Parked is the number of client connections that are idle and have no goroutine.
func (s *Server) Parked() int { return s.lot.Parked() }

// Busy is the number of exchanges under way.
func (s *Server) Busy() int64 { return s.host.Busy.Load() }

// CloseListeners stops accepting. Connections go on.
func (s *Server) CloseListeners() {
	s.mu.Lock()
	for l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.eachQUIC((*serve3.Endpoint).Stop)
}

// CloseListener stops accepting on one socket. Its connections go on.
func (s *Server) CloseListener(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	_ = l.Close()
}

// cutGrace is how long an exchange that Drain cut may take to answer that the gateway is going.
const cutGrace = 250 * time.Millisecond

// Drain stops accepting, closes connections that are idle, answers those under way with Connection: close, and waits for
// them up to the bound. What still waits for an upstream then is told to stop, and answers so; what is left after cutGrace is
// cut. It is called once, and reports whether all ended in time.
func (s *Server) Drain(bound time.Duration) bool {
	s.host.Draining.Store(true)
	s.CloseListeners()
	s.mu.Lock()
	for ss := range s.sessions {
		ss.http.CloseIdle()
	}
	http2, http3 := s.http2, s.http3
	s.http2 = nil
	s.mu.Unlock()
	if http2 != nil {
		http2.Leave()
	}
	if http3 != nil {
		http3.Leave()
		defer s.eachQUIC((*serve3.Endpoint).Close)
	}
	done := make(chan struct{})
	defer s.lot.Close()
	defer func() {
		if http2 != nil {
			http2.Close()
		}
	}()
	go func() { s.wait.Wait(); close(done) }() // ends when the last connection has, at the latest after the cut below
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	}
	s.each((*session).stopWaiting)
	if http3 != nil {
		http3.StopWaiting()
	}
	timer.Reset(cutGrace)
	select {
	case <-done:
		return false
	case <-timer.C:
	}
	s.each(func(ss *session) { ss.http.Cut() })
	if http2 != nil {
		http2.Kill()
	}
	if http3 != nil {
		http3.Kill()
	}
	<-done
	return false
}

// quietLook is how often Quiet looks whether somebody is left.
const quietLook = 10 * time.Millisecond

// Quiet is what comes before Drain where another process has the sockets already: no connection is accepted any more, and each answer says
// that its connection ends, so that busy clients leave by themselves instead of meeting a close that crosses with their next request. It
// takes grace at most.
func (s *Server) Quiet(grace time.Duration) {
	s.host.Leaving.Store(true)
	s.CloseListeners()
	end := time.After(grace)
	look := time.NewTicker(quietLook)
	defer look.Stop()
	for s.Open() > 0 {
		select {
		case <-end:
			return
		case <-look.C:
		}
	}
}

// each does one thing to each session.
func (s *Server) each(do func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ss := range s.sessions {
		do(ss)
	}
}

// overHTTP2 is the server of connections that speak HTTP/2, for one with these limits. It is nil once the gateway drains.
func (s *Server) overHTTP2(l *Limits) *serve2.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.http2 != nil:
		s.http2.Use(l) // a reload may have changed them
	case !s.host.Draining.Load():
		s.http2 = serve2.New(&s.host, l)
	}
	return s.http2
}

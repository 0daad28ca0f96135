package serve2

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mux"
)

// Server serves all HTTP/2 connections of a listener. Make it with New, and end it with Close.
type Server struct {
	mux  *mux.Server
	host *exchange.Host
}

// New makes a Server. l has the limits of its connections until Use.
func New(h *exchange.Host, l *exchange.Limits) *Server {
	s := &Server{host: h}
	s.mux = mux.NewServer(mux.Config{
		Handler:  s.serve,
		Limits:   limitsOf(l),
		Refused:  s.refused,
		TooLarge: s.tooLarge,
		Late:     s.late,
	})
	return s
}

// Use sets the limits of connections that come from now on.
func (s *Server) Use(l *exchange.Limits) { s.mux.SetLimits(limitsOf(l)) }

// exchangeSize is what an exchange costs beside its head, body and replay buffer, in octets: its state in package proxy and what of a
// stack and a connection is its own. 2,700 at once are let be before anybody is asked to be modest.
const exchangeSize = 12 << 10

func limitsOf(l *exchange.Limits) mux.Limits {
	return mux.Limits{
		Head: l.RequestHead, Trailers: l.RequestHead, Preface: l.HeadTime, HeadTime: l.HeadTime, Idle: l.Idle, BodyTime: l.Idle, Write: l.Idle,
		Stream: exchangeSize,
	}
}

// Close cuts off what is left, and waits for its goroutines. Whoever called ServeTLS or Serve has seen it return.
func (s *Server) Close() { s.mux.Close() }

// Leave tells every client that no new requests are taken. A connection ends with its last request.
func (s *Server) Leave() { s.mux.Leave() }

// Kill cuts off every connection.
func (s *Server) Kill() { s.mux.Kill() }

// Session is one client connection that speaks HTTP/2.
type Session struct {
	peer   exchange.Peer
	limits exchange.Limits

	mu      sync.Mutex // guards the fields below
	active  []*stream
	drained bool
}

// NewSession makes a session of a connection from a peer.
func NewSession(p *exchange.Peer, l *exchange.Limits) *Session { return &Session{peer: *p, limits: *l} }

// ServeTLS serves a connection whose handshake has agreed on h2, until it ends. records is what crypto/tls runs over.
func (s *Server) ServeTLS(session *tls.Conn, records *mux.Records, ss *Session) {
	s.mux.ServeTLS(session, records, ss)
}

// Serve serves a connection in clear, until it ends. already are octets of it that were read.
func (s *Server) Serve(nc net.Conn, already []byte, ss *Session) { s.mux.Serve(nc, already, ss) }

// StopWaiting ends what the requests under way wait for elsewhere. It may be called from any goroutine.
func (ss *Session) StopWaiting() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.drained = true
	for _, s := range ss.active {
		s.cancel.Cancel(cancel.Drained)
	}
}

// enter counts a stream among those under way, and leave takes it out.
func (ss *Session) enter(s *stream) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.place = len(ss.active)
	ss.active = append(ss.active, s)
	if ss.drained {
		s.cancel.Cancel(cancel.Drained)
	}
}

func (ss *Session) leave(s *stream) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	last := len(ss.active) - 1
	ss.active[s.place] = ss.active[last]
	ss.active[s.place].place = s.place
	ss.active[last] = nil
	ss.active = ss.active[:last]
}

// streams keeps what requests need between requests.
var streams = sync.Pool{New: func() any { return newStream() }}

// serve makes an exchange of a stream. It runs on a worker of mux, and a bug of ours costs one stream.
func (s *Server) serve(st *mux.Stream) {
	ss := st.Owner().(*Session)
	x := streams.Get().(*stream)
	s.host.Busy.Add(1)
	x.begin(st, ss)
	ss.enter(x)
	st.Hold(x.left)
	defer func() {
		reason := recover()
		st.Hold(nil) // from here on another exchange may have the Cancel
		ss.leave(x)
		s.host.Busy.Add(-1)
		x.release()
		streams.Put(x)
		if reason != nil {
			s.host.Panicked(reason)
		}
	}()
	if limit := ss.limits.RequestBody; limit > 0 && x.x.Request.Length > limit {
		e := tooLarge(limit, x.x.Request.Length)
		s.host.Refuse(&x.x, &e)
		return
	}
	s.host.Serve(&x.x)
}

// tooLarge answers a request whose head is larger than the limits. It runs as serve does.
func (s *Server) tooLarge(st *mux.Stream, err *h2.Error) {
	ss := st.Owner().(*Session)
	x := streams.Get().(*stream)
	x.begin(st, ss)
	x.x.Broken = true
	defer func() {
		reason := recover()
		x.release()
		streams.Put(x)
		if reason != nil {
			s.host.Panicked(reason)
		}
	}()
	e := brokenRule(err)
	s.host.Refuse(&x.x, &e)
}

// late has a head told of that did not come to its end in time. The connection ends with it.
func (s *Server) late(owner any, after time.Duration) {
	s.tell(owner, &fault.Evidence{Stage: fault.Receive, End: fault.Timeout, Timer: fault.TimerRequest, After: after})
}

// refused has a request told of that is none: HTTP/2 has answered it by an error code.
func (s *Server) refused(owner any, err *h2.Error) {
	e := brokenRule(err)
	s.tell(owner, &e)
}

// tell has a line written of what no handler sees. It is called with the connection locked.
func (s *Server) tell(owner any, e *fault.Evidence) {
	x := streams.Get().(*stream)
	defer func() {
		if reason := recover(); reason != nil {
			s.host.Panicked(reason)
		}
	}()
	x.refuse(owner.(*Session))
	s.host.Refuse(&x.x, e)
	x.release()
	streams.Put(x)
}

// brokenRule is the evidence of a request, or a connection, that broke a rule.
func brokenRule(err *h2.Error) fault.Evidence {
	e := fault.Evidence{
		Stage: fault.Receive, End: fault.Malformed, Rule: err.Rule, Offset: err.Offset, Limit: err.Limit, Size: err.Size, Field: err.Field,
	}
	switch err.Rule {
	case fault.RuleHeadSize, fault.RuleFieldSize, fault.RuleFieldCount, fault.RuleTrailerSize, fault.RuleH2BlockSize:
		e.End = fault.TooLarge
	}
	return e
}

func tooLarge(limit, size int64) fault.Evidence {
	return fault.Evidence{Stage: fault.Receive, End: fault.TooLarge, Rule: fault.RuleBodySize, Limit: limit, Size: size}
}

// begin prepares for a request.
func (s *stream) begin(st *mux.Stream, ss *Session) {
	s.st, s.ss = st, ss
	s.cancel.Clear()
	s.obeys, s.taken, s.ended = nil, 0, false
	x := &s.x
	x.Begin(&ss.peer, &s.cancel, ss.limits.Idle)
	x.Request, x.BodyRead = *st.Request(), false
	if x.Request.Protocol != nil { // what comes are octets of a tunnel, and no body
		return
	}
	if body, here := st.WholeBody(); here {
		x.Body, x.BodyHere, x.BodyRead = body, len(body) > 0, len(body) == 0
		x.Request.Length = int64(len(body)) // known now, said or not
	}
}

// refuse prepares for a request that is none: there is nothing to read, and nothing to write any more.
func (s *stream) refuse(ss *Session) {
	s.cancel.Clear()
	s.x.Begin(&ss.peer, &s.cancel, ss.limits.Idle)
	s.x.Broken, s.x.Aborted = true, true
}

// release lets go of what belongs to others.
func (s *stream) release() {
	s.st, s.ss = nil, nil
	s.x.Request = httpmsg.Request{} // its memory is mux's
	s.x.Release()
}

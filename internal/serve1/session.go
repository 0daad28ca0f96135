package serve1

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/mono"
)

// Session is one client connection that speaks HTTP/1. It is small, since thousands of them may be idle; what a request needs is
// in a stream, which is taken from a pool when there is one. Make it with Init.
type Session struct {
	host   *exchange.Host
	conn   *conn.Conn
	limits *exchange.Limits
	head   h1.Limits
	peer   exchange.Peer
	now    mono.Time     // the clock as it was last read
	rest   *stream       // a request that was answered inside conn.Each, but whose end needs a read or a wait; nil for none
	state  atomic.Int32  // idle or busy; a drain closes only the idle
	waits  cancel.Cancel // the exchange's: ends waits for anything but the client, such as an endpoint's answer
	cut    cancel.Cancel // the connection's: ends waits for the client
	over   bool          // it is one connection too many: its answer is not waited for long
}

const (
	stateIdle int32 = iota
	stateBusy
	stateClosing
)

// clientLeast is how many octets of its answer a client must take within limits.Idle. Then that time begins anew.
const clientLeast = 16 << 10

// Init makes the session of a connection, which nobody has read yet. The limits do not change any more.
func (ss *Session) Init(c *conn.Conn, h *exchange.Host, l *exchange.Limits) {
	ss.host, ss.conn, ss.limits = h, c, l
	ss.head = h1.Limits{Head: l.RequestHead, Trailers: l.RequestHead}
	c.SetMax(l.RequestHead)
	c.SetWriteLeast(clientLeast)
	c.Obey(&ss.cut, &ss.cut, 0)
}

// Peer is who is at the other end. It costs a look at the connection's addresses the first time.
func (ss *Session) Peer() *exchange.Peer {
	p := &ss.peer
	if p.Local == "" {
		if t, ok := ss.conn.RemoteAddr().(*net.TCPAddr); ok {
			p.Addr = t.AddrPort().Addr().Unmap()
			p.Client, p.Port = p.Addr.String(), t.AddrPort().Port()
		}
		p.Local = ss.conn.LocalAddr().String()
		p.Secure = ss.conn.TLS() != nil
	}
	return p
}

// A drain takes three steps, so that a client may still be told. They may be called from any goroutine.

// CloseIdle ends the connection if no request is under way.
func (ss *Session) CloseIdle() {
	if ss.state.CompareAndSwap(stateIdle, stateClosing) {
		ss.cut.Cancel(cancel.Drained)
	}
}

// StopWaiting ends what the request under way waits for elsewhere.
func (ss *Session) StopWaiting() { ss.waits.Cancel(cancel.Drained) }

// Cut ends what is waited for on the connection itself.
func (ss *Session) Cut() { ss.cut.Cancel(cancel.Drained) }

// Release gives up the connection, since another protocol is spoken on it. It is false when a drain has closed it already; later
// steps of a drain do not reach it any more.
func (ss *Session) Release() bool {
	if !ss.state.CompareAndSwap(stateIdle, stateBusy) {
		return false
	}
	ss.conn.Obey(nil, nil, 0)
	return true
}

// Drained reports whether CloseIdle or Cut ended it.
func (ss *Session) Drained() bool { return ss.cut.Reason() == cancel.Drained }

// streams keeps what requests need between requests.
var streams = sync.Pool{New: func() any { return newStream() }}

// Run serves the connection until it ends, or until nothing has come for limits.Park: then it is true. Nothing of the connection is
// buffered then and no exchange is under way, so it may be parked. A drain ends it as before. Whoever has it goes on with Resume.
func (ss *Session) Run() (quiet bool) {
	ss.now = mono.Now()
	ss.idleUntil()
	return ss.serve()
}

// Resume is Run again, of a connection that was quiet and has been parked.
func (ss *Session) Resume(w conn.Wakeup) (quiet bool) {
	if w == conn.Expired {
		return false
	}
	// What came in time is read in time, however late its goroutine begins.
	grace := mono.Now().Add(max(wakeGrace, ss.park()))
	if w == conn.Readable && ss.limits.Idle > 0 {
		ss.now = max(ss.now, grace.Add(-ss.limits.Idle))
	}
	ss.conn.SetReadUntil(mono.Earlier(ss.IdleUntil(), grace))
	return ss.serve()
}

// wakeGrace is how long a connection that was woken waits at least before it is quiet again: time enough to read what woke it.
const wakeGrace = time.Second

// Stay is Run again, of a connection that was quiet and could not be parked. It is quiet next after another request.
func (ss *Session) Stay() (quiet bool) {
	ss.conn.SetReadUntil(ss.IdleUntil())
	return ss.serve()
}

// serve serves the connection until it ends or is quiet.
func (ss *Session) serve() (quiet bool) {
	defer ss.letGo()
	inPlace := ss.serveInPlace // made once: a method value is an allocation
	for {
		switch end := ss.conn.Each(inPlace); {
		case end == fault.Timeout:
			return ss.quiet()
		case end != fault.Completed || !ss.serveBuffered():
			return false
		}
		ss.idleUntil()
		// Say idle first, then look at the flag. A drain does the reverse (flag, then the idle), so either it closes us or we see the flag.
		if !ss.state.CompareAndSwap(stateBusy, stateIdle) || ss.host.Draining.Load() {
			return false
		}
	}
}

// quiet reports whether a wait for a request that timed out may go on elsewhere: its limit is not over.
func (ss *Session) quiet() bool {
	until := ss.IdleUntil()
	return ss.park() > 0 && (until == 0 || mono.Now() < until) && !ss.host.Draining.Load()
}

// TurnAway answers one connection too many without waiting for its request.
func (ss *Session) TurnAway() {
	ss.over = true
	s := streams.Get().(*stream)
	s.begin(ss)
	s.refuse(fault.Evidence{Stage: fault.Receive, End: fault.Limit, Limit: int64(ss.limits.Connections)})
	s.release()
	streams.Put(s)
}

// letGo gives rest back to the pool, if there is one: the connection may end before serveBuffered has seen it.
func (ss *Session) letGo() {
	if s := ss.rest; s != nil {
		ss.rest = nil
		ss.host.Busy.Add(-1)
		s.release()
		streams.Put(s)
	}
}

// IdleUntil is when the client will have been idle for too long, 0 for never.
func (ss *Session) IdleUntil() mono.Time { return ss.now.Until(ss.limits.Idle) }

// park is the silence after which it may be parked, 0 for never.
func (ss *Session) park() time.Duration {
	if !ss.conn.CanPark() {
		return 0
	}
	return ss.limits.Park
}

// idleUntil bounds the wait for the next request.
func (ss *Session) idleUntil() {
	ss.conn.SetReadUntil(mono.Earlier(ss.IdleUntil(), ss.now.Until(ss.park())))
}

// serveInPlace serves the requests that are buffered, as long as each is whole and ends without another read. It leaves any other, and the
// end of one that it could not finish (rest), to serveBuffered. It runs inside conn.Each.
//
// hot: once per wait.
func (ss *Session) serveInPlace() (now mono.Time, stay bool) {
	if !ss.state.CompareAndSwap(stateIdle, stateBusy) {
		return 0, false
	}
	s := streams.Get().(*stream)
	ss.host.Busy.Add(1)
	for len(ss.conn.Buffered()) > 0 {
		s.begin(ss)
		if !s.whole() {
			break
		}
		ss.host.Serve(&s.x)
		if !s.settle() {
			ss.rest = s
			return 0, false
		}
	}
	ss.host.Busy.Add(-1)
	s.release()
	streams.Put(s)
	if len(ss.conn.Buffered()) > 0 {
		return 0, false
	}
	ss.idleUntil()
	// Say idle first, then look at the flag. A drain does the reverse (flag, then the idle), so either it closes us or we see the flag.
	if !ss.state.CompareAndSwap(stateBusy, stateIdle) || ss.host.Draining.Load() {
		ss.conn.Close()
		return 0, false
	}
	return ss.now, true
}

// serveBuffered serves requests as long as octets of one are buffered. False ends the connection.
func (ss *Session) serveBuffered() bool {
	s := ss.rest
	if s == nil {
		if ss.state.Load() == stateIdle && !ss.state.CompareAndSwap(stateIdle, stateBusy) || ss.state.Load() == stateClosing {
			return false
		}
		s = streams.Get().(*stream)
		ss.host.Busy.Add(1)
	}
	rest := ss.rest != nil
	ss.rest = s
	defer ss.letGo()
	if rest && !s.finish() {
		return false
	}
	for len(ss.conn.Buffered()) > 0 {
		s.begin(ss)
		if !s.readHead() {
			return false
		}
		ss.host.Serve(&s.x)
		if !s.finish() {
			return false
		}
	}
	return true
}

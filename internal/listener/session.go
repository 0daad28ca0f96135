package listener

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/mono"
)

// session is one client connection. It is small, since thousands of them may be idle; what a request needs is in the
// Exchange, which is taken from a pool when there is one.
type session struct {
	server *Server
	conn   *conn.Conn
	limits Limits
	head   h1.Limits
	client string     // the peer's address without port, as text
	peer   netip.Addr // the same, as an address; invalid for a unix socket
	local  string
	now    mono.Time     // the clock as it was last read
	rest   *Exchange     // answered in place, but with something left to do before the connection goes on or ends
	over   bool          // it is one connection too many
	raw    net.Conn      // what was accepted
	door   *door         // what a TLS handshake under way runs over, else nil
	state  atomic.Int32  // idle or busy; Drain closes only the idle
	waits  cancel.Cancel // ends what a request waits for elsewhere: upstream, first of all
	cut    cancel.Cancel // ends what is waited for here: the client
}

const (
	stateIdle int32 = iota
	stateBusy
	stateClosing
)

// exchanges keeps what requests need between requests.
var exchanges = sync.Pool{New: func() any { return new(Exchange) }}

// run serves the connection until it ends.
func (ss *session) run() {
	defer ss.server.forget(ss)
	defer ss.conn.Close()
	defer func() { // a bug of ours costs one connection
		if r := recover(); r != nil {
			ss.server.panicked(r)
		}
	}()
	ss.address()
	if ss.over {
		ss.turnAway()
		return
	}
	if ss.conn.TLS() != nil && !ss.handshake() {
		return
	}
	ss.now = mono.Now()
	defer ss.letGo()
	inPlace := ss.serveInPlace // made once: a method value is an allocation
	for {
		ss.idleUntil()
		if ss.conn.Each(inPlace) != fault.Completed || !ss.serveBuffered() {
			return
		}
		// Idle first, then the look: Drain sets its flag first and then closes the idle, so one of the two sees the other.
		if !ss.state.CompareAndSwap(stateBusy, stateIdle) || ss.server.draining.Load() {
			return
		}
	}
}

// turnAway answers one connection too many without waiting for its request. A TLS client gets no answer: a handshake is
// what costs most.
func (ss *session) turnAway() {
	if ss.conn.TLS() != nil {
		if ss.server.Failed != nil {
			ss.server.Failed(&Handshake{Client: ss.client, Local: ss.local, Reason: TooMany, Detail: "limits.connections is reached", Max: ss.limits.Connections})
		}
		return
	}
	x := exchanges.Get().(*Exchange)
	x.begin(ss)
	x.refuse(fault.Evidence{Stage: fault.Receive, End: fault.Limit, Limit: int64(ss.limits.Connections)})
	x.release()
	exchanges.Put(x)
}

func (ss *session) address() {
	if t, ok := ss.conn.RemoteAddr().(*net.TCPAddr); ok {
		ss.peer = t.AddrPort().Addr().Unmap()
		ss.client = ss.peer.String()
	}
	ss.local = ss.conn.LocalAddr().String()
}

// letGo gives the exchange back that the connection has, if it has one: also where the connection ended inside Each.
func (ss *session) letGo() {
	if x := ss.rest; x != nil {
		ss.rest = nil
		ss.server.busy.Add(-1)
		x.release()
		exchanges.Put(x)
	}
}

// idleUntil bounds the wait for the next request.
func (ss *session) idleUntil() {
	ss.conn.SetReadUntil(ss.now.Until(ss.limits.Idle))
}

// serveInPlace serves what is buffered if it is whole requests that end without another read. Else it leaves them, or what
// is left of the last one, to serveBuffered. It runs inside conn.Each.
//
// hot: once per wait.
func (ss *session) serveInPlace() (now mono.Time, stay bool) {
	if !ss.state.CompareAndSwap(stateIdle, stateBusy) {
		return 0, false
	}
	x := exchanges.Get().(*Exchange)
	ss.server.busy.Add(1)
	for len(ss.conn.Buffered()) > 0 {
		x.begin(ss)
		if !x.whole() {
			break
		}
		ss.server.Serve(x)
		if !x.settle() {
			ss.rest = x
			return 0, false
		}
	}
	ss.server.busy.Add(-1)
	x.release()
	exchanges.Put(x)
	if len(ss.conn.Buffered()) > 0 {
		return 0, false
	}
	ss.idleUntil()
	// Idle first, then the look: Drain sets its flag first and then closes the idle, so one of the two sees the other.
	if !ss.state.CompareAndSwap(stateBusy, stateIdle) || ss.server.draining.Load() {
		ss.conn.Close()
		return 0, false
	}
	return ss.now, true
}

// serveBuffered serves requests as long as octets of one are buffered. False ends the connection.
func (ss *session) serveBuffered() bool {
	x := ss.rest
	if x == nil {
		if ss.state.Load() == stateIdle && !ss.state.CompareAndSwap(stateIdle, stateBusy) || ss.state.Load() == stateClosing {
			return false
		}
		x = exchanges.Get().(*Exchange)
		ss.server.busy.Add(1)
	}
	rest := ss.rest != nil
	ss.rest = x
	defer ss.letGo()
	if rest && !x.finish() {
		return false
	}
	for len(ss.conn.Buffered()) > 0 {
		x.begin(ss)
		if !x.readHead() {
			return false
		}
		ss.server.Serve(x)
		if !x.finish() {
			return false
		}
	}
	return true
}

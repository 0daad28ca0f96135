package listener

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
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
	now    int64        // the clock as it was last read
	over   bool         // it is one connection too many
	state  atomic.Int32 // idle or busy; Drain closes only the idle
	cut    atomic.Bool  // Drain's time is up
}

const (
	stateIdle int32 = iota
	stateBusy
	stateClosing
)

// exchanges keeps what requests need between requests.
var exchanges = sync.Pool{New: func() any { return newExchange() }}

// run serves the connection until it ends.
func (ss *session) run() {
	defer ss.server.forget(ss)
	defer ss.conn.Close()
	ss.address()
	if ss.over {
		ss.turnAway()
		return
	}
	if ss.conn.TLS() != nil && !ss.handshake() {
		return
	}
	ss.now = conn.Now()
	for ss.awaitRequest() {
		if !ss.serveBuffered() {
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

// handshake runs TLS on a goroutine of its own, whose stack grows deep and then goes.
func (ss *session) handshake() bool {
	done := make(chan bool, 1)
	go func() {
		session := ss.conn.TLS()
		_ = session.SetDeadline(time.Now().Add(ss.limits.HeadTime))
		err := session.HandshakeContext(context.Background())
		_ = session.SetDeadline(time.Time{})
		done <- err == nil
	}()
	return <-done
}

// awaitRequest waits for the first octets of a request. Until they come the connection holds no buffer.
func (ss *session) awaitRequest() bool {
	if len(ss.conn.Buffered()) > 0 {
		return ss.state.CompareAndSwap(stateIdle, stateBusy)
	}
	until := int64(0)
	if ss.limits.Idle > 0 {
		until = ss.now + int64(ss.limits.Idle)
	}
	ss.conn.SetReadUntil(until)
	if ss.conn.Await() != fault.Completed {
		return false
	}
	return ss.state.CompareAndSwap(stateIdle, stateBusy)
}

// serveBuffered serves requests as long as octets of one are buffered. False ends the connection.
func (ss *session) serveBuffered() bool {
	x := exchanges.Get().(*Exchange)
	defer func() { x.release(); exchanges.Put(x) }()
	ss.server.busy.Add(1)
	defer ss.server.busy.Add(-1)
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

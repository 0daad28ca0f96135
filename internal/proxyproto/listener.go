package proxyproto

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Policy says from whom headers are taken.
type Policy struct {
	Trusted func(net.Addr) bool          // whether a peer's header is believed; a connection of any other is closed
	Timeout func() time.Duration         // for the whole header, asked for with each connection
	Refused func(peer net.Addr, e error) // is told of a connection that was closed; e is nil for a peer that is not trusted
}

// waitingMax is how many connections may be without their header at a time. Then no other is accepted.
const waitingMax = 1024

// Listener accepts connections that begin with a header. Those it gives out are read up to its end, and are a *Conn where the header says
// who the client is.
type Listener struct {
	net.Listener
	policy atomic.Pointer[Policy] // nil takes connections as they are

	once    sync.Once
	ready   chan accepted
	waiting chan struct{}
	closed  chan struct{}
	close   sync.Once
	mu      sync.Mutex     // held while wait begins, and while closed is closed: nothing begins after it
	wait    sync.WaitGroup // every goroutine
}

type accepted struct {
	conn net.Conn
	err  error
}

// NewListener takes headers on a socket as Use says.
func NewListener(l net.Listener) *Listener {
	return &Listener{Listener: l, ready: make(chan accepted), waiting: make(chan struct{}, waitingMax), closed: make(chan struct{})}
}

// Use changes what later connections are taken by; nil takes them as they are.
func (l *Listener) Use(p *Policy) { l.policy.Store(p) }

// Accept gives the next connection whose header has been read.
func (l *Listener) Accept() (net.Conn, error) {
	l.once.Do(l.begin)
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// begin has connections accepted, if it is not closed yet.
func (l *Listener) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
	default:
		l.wait.Go(l.run) // ends with Close
	}
}

// Close closes the socket, and the connections that wait for their header. When it returns nothing is told to Refused any more; it is not
// to be called from there.
func (l *Listener) Close() error {
	l.close.Do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(l.closed)
	})
	err := l.Listener.Close()
	l.wait.Wait()
	return err
}

// File gives the socket to another process.
func (l *Listener) File() (*os.File, error) {
	if f, is := l.Listener.(interface{ File() (*os.File, error) }); is {
		return f.File()
	}
	return nil, errors.New("the listener has no descriptor")
}

// SyscallConn gives the socket.
func (l *Listener) SyscallConn() (syscall.RawConn, error) {
	if c, is := l.Listener.(syscall.Conn); is {
		return c.SyscallConn()
	}
	return nil, errors.New("the listener has no descriptor")
}

// run accepts until the socket is closed.
func (l *Listener) run() {
	for {
		nc, err := l.Listener.Accept()
		p := l.policy.Load()
		switch {
		case err != nil || p == nil:
			if !l.give(accepted{nc, err}) || errors.Is(err, net.ErrClosed) {
				return
			}
		case !p.Trusted(nc.RemoteAddr()):
			_ = nc.Close()
			p.Refused(nc.RemoteAddr(), nil)
		default:
			select {
			case l.waiting <- struct{}{}:
				l.wait.Go(func() { l.greet(nc, p) }) // ends with the timeout, or when the connection is taken or the socket closed
			case <-l.closed:
				_ = nc.Close()
				return
			}
		}
	}
}

// give hands a connection to who accepts. It is false when nobody does any more.
func (l *Listener) give(a accepted) bool {
	select {
	case l.ready <- a:
		return true
	case <-l.closed:
		if a.conn != nil {
			_ = a.conn.Close()
		}
		return false
	}
}

// greet reads a connection's header.
func (l *Listener) greet(nc net.Conn, p *Policy) {
	defer func() { <-l.waiting }()
	done := make(chan struct{})
	defer close(done)
	_ = nc.SetReadDeadline(time.Now().Add(p.Timeout()))
	l.wait.Go(func() { // ends with done
		select {
		case <-l.closed:
			_ = nc.SetReadDeadline(time.Unix(1, 0))
		case <-done:
		}
	})
	h, err := Read(nc)
	if err != nil {
		_ = nc.Close()
		p.Refused(nc.RemoteAddr(), err)
		return
	}
	_ = nc.SetReadDeadline(time.Time{})
	if h.Known() {
		nc = &Conn{nc, h}
	}
	l.give(accepted{nc, nil})
}

// Conn is a connection whose header said who the client is.
type Conn struct {
	net.Conn
	Header Header
}

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.Header.Source) }

// LocalAddr is where the client connected to.
func (c *Conn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.Header.Destination) }

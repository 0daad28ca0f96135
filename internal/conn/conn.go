package conn

import (
	"crypto/tls"
	"math"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// Conn is one connection. Make one with New or NewTLS.
type Conn struct {
	nc  net.Conn  // what is read, written and closed: the socket's connection, or TLS over it
	tls *tls.Conn // nc where it is TLS, else nil
	sys *socket   // the socket itself; nil over an in-memory network
	in  half
	out half

	buf  []byte // what was read and not yet used is buf[r:w]; nil while nothing is
	r, w int
	max  int // the largest buffer that Fill may grow to

	waiter cancel.Waiter // of the Cancels that the halves obey
	woken  atomic.Uint32 // how often wake was called, where there is no socket

	lot  *Lot          // where it is parked now and then; set once
	spot atomic.Uint64 // where it stands in lot, 0 if it is not parked. Lot.mu guards it; wake looks without

	inside  bool    // Each is under way: the socket cannot be closed from within
	closing closing // what to do when Each returns
}

// closing is a close that waits for Each to return.
type closing uint8

const (
	closeNot closing = iota
	closeInOrder
	closeAbort
)

// half is one direction's account. It belongs to whoever reads, or writes.
type half struct {
	octets int64         // moved since the connection began, without TLS's own
	errno  syscall.Errno // why it ended, where the kernel said
	err    error         // the error as it was, for what only an error says (a certificate, an alert)
	until  mono.Atomic   // the deadline, 0 for none
	cancel *cancel.Cancel
}

// deadline is when a wait to read ends as timed out: at the half's own deadline, or when what it obeys is late.
func (h *half) deadline() mono.Time { return mono.Earlier(h.until.Load(), h.cancel.Late()) }

// New makes a Conn of a connection in clear: a TCP or unix socket, or an in-memory one.
func New(nc net.Conn) *Conn {
	c := newConn(nc)
	c.nc = nc
	return c
}

// newConn makes a Conn with its socket, if it has one, in one piece of memory: they are used together.
func newConn(nc net.Conn) *Conn {
	both := &struct {
		Conn
		socket socket
	}{Conn: Conn{max: largeBuffer}}
	if both.socket.init(nc) {
		both.sys = &both.socket
	}
	return &both.Conn
}

// NewTLS makes a Conn of a TLS session that wrap builds over the socket: tls.Client or tls.Server with its configuration.
func NewTLS(nc net.Conn, wrap func(net.Conn) *tls.Conn) *Conn {
	c := newConn(nc)
	if c.sys != nil {
		c.sys.readHalf, c.sys.writeHalf = &c.in, &c.out
		c.tls = wrap(c.sys)
	} else {
		c.tls = wrap(nc)
	}
	c.nc = c.tls
	return c
}

// TLS is the session, nil in clear.
func (c *Conn) TLS() *tls.Conn { return c.tls }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// LocalAddr is our address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// Control calls f with the descriptor of the connection's socket, and reports whether there is one. It is for who looks at the
// socket: f must not read or write.
func (c *Conn) Control(f func(fd uintptr)) bool {
	nc := c.nc
	if c.tls != nil {
		nc = c.tls.NetConn()
	}
	if s, is := nc.(*socket); is {
		nc = s.Conn
	}
	sc, is := nc.(syscall.Conn)
	if !is {
		return false
	}
	raw, err := sc.SyscallConn()
	return err == nil && raw.Control(f) == nil
}

// SetMax bounds the buffer: a message head larger than n octets does not fit, and Fill says TooLarge.
func (c *Conn) SetMax(n int) { c.max = max(n, smallBuffer) }

// Received and Sent count the octets moved since the connection began, without TLS's own.
func (c *Conn) Received() int64 { return c.in.octets }

// Sent counts the octets given to the kernel since the connection began.
func (c *Conn) Sent() int64 { return c.out.octets }

// ReadErrno is what the kernel said when a read ended, 0 if nothing.
func (c *Conn) ReadErrno() syscall.Errno { return c.in.errno }

// WriteErrno is what the kernel said when a write ended, 0 if nothing.
func (c *Conn) WriteErrno() syscall.Errno { return c.out.errno }

// ReadErr is the error a read ended with, for what only an error says: a TLS alert's number.
func (c *Conn) ReadErr() error { return c.in.err }

// SetReadUntil sets when waiting for the peer's octets ends; 0 is never.
func (c *Conn) SetReadUntil(until mono.Time) { c.in.until.Store(until) }

// SetWriteUntil sets when waiting for room to write ends; 0 is never.
func (c *Conn) SetWriteUntil(until mono.Time) { c.out.until.Store(until) }

// SetWriteLeast sets how many octets the peer must take of what waits for it within the time of one write, for that time to
// begin anew: what is slow may go on, what has stalled may not. It is 1 at first; a client that takes a few octets now and
// then to keep us holding its answer is asked for more. WriteNever makes the deadline of a write its last.
func (c *Conn) SetWriteLeast(n int) {
	if c.sys != nil {
		c.sys.least = n
	}
}

// WriteNever is more than a peer can take: see SetWriteLeast.
const WriteNever = math.MaxInt

// Obey makes waits to read end with one Cancel, and waits to write with another, which may be the same; nil ends none. A wait
// that a reason ended says Canceled. now is the present, or some time ago: a Cancel's watch is asked a second after it. It is
// called by whoever owns the connection, while nobody waits for it.
//
// hot: twice per attempt.
func (c *Conn) Obey(read, write *cancel.Cancel, now mono.Time) {
	c.leave()
	c.in.cancel, c.out.cancel = read, write
	if c.waiter.Wake == nil && (read != nil || write != nil) {
		c.waiter.Wake = c.wake // made once: a method value is an allocation
	}
	if read != nil {
		read.Join(&c.waiter)
		if c.sys != nil {
			c.sys.watchSet(now)
		}
	}
	if write != nil && write != read {
		write.Join(&c.waiter)
	}
}

// leave undoes Obey.
func (c *Conn) leave() {
	if c.in.cancel != nil {
		c.in.cancel.Leave(&c.waiter)
	}
	if c.out.cancel != nil && c.out.cancel != c.in.cancel {
		c.out.cancel.Leave(&c.waiter)
	}
}

// wake makes waits look at what they obey again: they end as if their timers had fired, and arm them anew. A parked connection is
// given to its owner.
func (c *Conn) wake() {
	if id := c.spot.Load(); id != 0 && c.lot.unpark(id, Canceled) {
		return // its owner looks at the reason
	}
	if c.sys != nil {
		c.sys.kick()
		return
	}
	c.woken.Add(1)
	_ = c.nc.SetDeadline(time.Unix(1, 0))
}

// Buffered is what was read and not yet used.
func (c *Conn) Buffered() []byte { return c.buf[c.r:c.w] }

// Discard uses up the first n octets of Buffered.
func (c *Conn) Discard(n int) {
	if c.r += n; c.r == c.w {
		c.r, c.w = 0, 0
	}
}

// Release gives the buffer back if nothing is in it.
func (c *Conn) Release() {
	if c.r == c.w && c.buf != nil {
		putBuffer(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
}

// Enlarge makes the buffer a large one: for bodies that are copied.
func (c *Conn) Enlarge() { c.reserve(largeBuffer) }

// reserve makes the buffer at least size octets large, keeping what is in it.
func (c *Conn) reserve(size int) {
	if len(c.buf) >= size {
		return
	}
	b := getBuffer(size)
	n := copy(b, c.buf[c.r:c.w])
	if c.buf != nil {
		putBuffer(c.buf)
	}
	c.buf, c.r, c.w = b, 0, n
}

// room makes free space behind Buffered and reports whether there is any. What was discarded is dead from here on: the
// octets that are still buffered may move over it.
func (c *Conn) room() bool {
	poison(c.buf[:c.r])
	switch {
	case c.buf == nil:
		c.buf = getBuffer(smallBuffer)
	case c.w < len(c.buf):
	case c.r > 0:
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
		poison(c.buf[c.w:])
	case len(c.buf) < c.max:
		c.reserve(min(4*len(c.buf), c.max))
	default:
		return false
	}
	return true
}

// Fill reads once, behind what is buffered. It ends as Completed when octets came, as TooLarge when there is no room.
//
// hot: once per read.
func (c *Conn) Fill() fault.End {
	if !c.room() {
		return fault.TooLarge
	}
	n, end := c.read(c.buf[c.w:])
	c.w += n
	return end
}

// Each waits for octets and has use take them, again and again, until use wants out or the connection ends. It returns
// Completed when octets are buffered that use did not take.
//
// On a plain socket the goroutine stays in the poller all the while, so that going back to wait needs no read that finds
// nothing: a system call less per request. It relies on the rule of edge-triggered polling that a read which did not fill its
// buffer has emptied the socket, and that whatever comes later wakes the poller. A FIN that came together with the last octets
// is the exception: it is found by a read after Recheck.
//
// use returns the clock as it last read it, and whether it took all that was buffered. It must not read; Close and Abort take effect
// when Each returns. Elsewhere than on a plain socket Each is Fill, and use is not called.
//
// hot: once per wait.
func (c *Conn) Each(use func() (now mono.Time, stay bool)) fault.End {
	switch {
	case c.r != c.w:
		return fault.Completed
	case c.sys == nil || c.tls != nil:
		return c.Fill()
	}
	c.Release()
	c.inside = true
	end := c.sys.each(c, use)
	c.inside = false
	switch c.closing {
	case closeInOrder:
		c.Close()
		return fault.Closed
	case closeAbort:
		c.Abort()
		return fault.Closed
	}
	return end
}

// read reads once into p.
func (c *Conn) read(p []byte) (int, fault.End) {
	if c.sys != nil && c.tls == nil {
		n, end := c.sys.read(&c.in, p)
		c.in.octets += int64(n)
		return n, end
	}
	n, err := c.plainRead(p)
	c.in.octets += int64(n)
	if n > 0 {
		return n, fault.Completed
	}
	return 0, c.in.end(err)
}

// Write writes all of p.
//
// hot: once or twice per request.
func (c *Conn) Write(p []byte) fault.End {
	if c.sys != nil && c.tls == nil {
		return c.sys.writeAll(&c.out, p, nil)
	}
	n, err := c.plainWrite(p)
	c.out.octets += int64(n)
	if err == nil {
		return fault.Completed
	}
	return c.out.end(err)
}

// Write2 writes all of a and then all of b, on a plain socket with one system call.
func (c *Conn) Write2(a, b []byte) fault.End {
	if c.sys != nil && c.tls == nil {
		return c.sys.writeAll(&c.out, a, b)
	}
	if end := c.Write(a); end != fault.Completed {
		return end
	}
	return c.Write(b)
}

// Ask sends a request on a connection and waits for the first octets of the answer, as far as one call can do it. On a
// plain socket that is one pass through the poller: look whether the connection is still idle (where check is set), write,
// wait, read. It returns how far it came and how that ended. p is from GetBuffer, and is given back unless the stage is Select.
//
//	Select     the connection was not idle any more: closed by the peer, or with octets nobody asked for. Nothing was written.
//	Write      not all of p was written.
//	FirstByte  p was written, but no answer came.
//	Head       the first octets are buffered.
//
// hot: once per attempt.
func (c *Conn) Ask(p []byte, check bool) (fault.Stage, fault.End) {
	if c.sys != nil && c.tls == nil {
		stage, n, end := c.sys.ask(c, p, check)
		c.w += n
		c.in.octets += int64(n)
		return stage, end
	}
	if check {
		if end := c.Idle(); end != fault.Completed {
			return fault.Select, end
		}
	}
	end := c.Write(p)
	PutBuffer(p)
	if end != fault.Completed {
		return fault.Write, end
	}
	if end := c.Fill(); end != fault.Completed {
		return fault.FirstByte, end
	}
	return fault.Head, fault.Completed
}

// Wrote is when Ask had written the request, ; 0 where that took one call that did not wait.
func (c *Conn) Wrote() mono.Time {
	if c.sys == nil {
		return 0
	}
	return c.sys.wroteAt()
}

// Idle looks, without waiting, whether the connection is open and silent: Completed if so, Malformed if octets came that
// nobody asked for, else how the peer ended it. An in-memory connection cannot be looked at and counts as idle.
func (c *Conn) Idle() fault.End {
	if c.r != c.w {
		return fault.Malformed
	}
	if c.sys == nil {
		return fault.Completed
	}
	if c.tls == nil {
		return c.sys.peek(&c.in)
	}
	// A look at the socket is not enough: the session may hold a record that came with the last one. And what the socket has
	// may be a session ticket, which is no news, or a close_notify.
	c.room()
	until := c.in.until.Swap(0) // the last exchange's, or this one's: neither has to do with a look
	c.sys.dontWait = true
	n, err := c.tls.Read(c.buf[c.w:])
	c.sys.dontWait = false
	c.in.until.Store(until)
	if n > 0 {
		return fault.Malformed
	}
	if err == errWouldBlock {
		return fault.Completed
	}
	return c.in.end(err)
}

// Gone looks, without waiting, whether the peer has closed or reset the connection.
func (c *Conn) Gone() bool {
	if c.sys == nil {
		return false
	}
	var h half // the reader's account stays its own
	switch c.sys.peek(&h) {
	case fault.Completed:
		return false
	case fault.Malformed: // octets that nobody has read yet stand before the end
		return c.sys.endReceived(c.tls != nil)
	}
	return true
}

// leftAfter is how long after the last octets a FIN must have come to be a client's leaving. One that comes with the request
// is the habit of a client that sends no more and waits for its answer. Ten clock ticks of a kernel that has 250 a second.
const leftAfter = 40 * time.Millisecond

// Left looks, without waiting, whether the peer has gone away since it last sent something: by a reset, or by an end that
// came leftAfter or more behind its last octets. Where the system cannot tell when it came, an end counts.
func (c *Conn) Left() bool {
	if !c.Gone() {
		return false
	}
	return c.tls != nil || c.sys.endedLate(leftAfter)
}

// CloseWrite ends our side: the peer reads the end, and we can still read.
func (c *Conn) CloseWrite() {
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = cw.CloseWrite()
	}
}

// End ends the connection in order. What is buffered stays until Close.
func (c *Conn) End() {
	if c.inside {
		c.closing = max(c.closing, closeInOrder)
		return
	}
	_ = c.nc.Close()
}

// Truncated reports whether a TLS session ended without close_notify: what ends with the connection is not complete then
// (RFC 9112, section 9.8). crypto/tls itself says the same in both cases. Of an in-memory connection it cannot tell.
func (c *Conn) Truncated() bool { return c.tls != nil && c.sys != nil && c.sys.ended }

// Close ends the connection in order and gives the buffer back.
func (c *Conn) Close() {
	c.End()
	if c.buf != nil && !c.inside {
		putBuffer(c.buf)
		c.buf, c.r, c.w = nil, 0, 0
	}
}

// Abort ends the connection so that the peer cannot take what it got for complete: a TCP connection is reset, a TLS
// session ends without close_notify. What is buffered stays until Close.
func (c *Conn) Abort() {
	if c.inside {
		c.closing = closeAbort
		return
	}
	if c.sys != nil {
		if t, ok := c.sys.Conn.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		_ = c.sys.Conn.Close()
	}
	c.End()
}

// plainRead reads where there is no socket to wait with: an in-memory connection, or TLS, whose socket waits below it.
func (c *Conn) plainRead(p []byte) (int, error) {
	if c.sys != nil {
		return c.nc.Read(p) // NewTLS has told the socket where the deadline stands
	}
	for {
		until, woken := c.in.deadline(), c.woken.Load()
		_ = c.nc.SetReadDeadline(until.Wall())
		// What came before that deadline was set was undone by it. What comes later ends the read.
		if c.in.cancel.Reason() != cancel.None {
			return 0, errCanceled
		}
		if c.in.deadline() != until {
			continue
		}
		n, err := c.nc.Read(p)
		if n > 0 || !isTimeout(err) || c.woken.Load() == woken {
			return n, err
		}
	}
}

// plainWrite is plainRead for a write.
func (c *Conn) plainWrite(p []byte) (n int, err error) {
	if c.sys != nil {
		return c.nc.Write(p)
	}
	for {
		until, woken := c.out.until.Load(), c.woken.Load()
		_ = c.nc.SetWriteDeadline(until.Wall())
		if c.out.cancel.Reason() != cancel.None {
			return n, errCanceled
		}
		m, err := c.nc.Write(p[n:])
		n += m
		if !isTimeout(err) || c.tls != nil || c.woken.Load() == woken {
			return n, err
		}
	}
}

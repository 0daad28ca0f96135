package conn

import (
	"encoding/binary"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// socket talks to a non-blocking socket through its RawConn. A read or write that need not wait is one raw system call:
// the kernel answers such a call at once, so the Go scheduler need not be told of it.
//
// Deadlines are lazy: the runtime's timer is armed for the earliest moment anybody cared for and fires perhaps too early;
// whoever is woken looks at the clock, and arms it again if there is time left. A busy keep-alive connection thus
// touches a timer once a second instead of several times per request.
//
// It is also the net.Conn that TLS runs over.
//
// The fields that every read and write touches stand together: with hundreds of connections each cache line is a miss.
type socket struct {
	raw        syscall.RawConn
	readArmed  mono.Time // when the runtime's timer fires, 0 if it is not armed
	watchAt    mono.Time // the next time the Cancel's watch is asked
	watchFrom  mono.Time // when the connection began to obey it: it is not asked for watchFirst
	rd         reading
	writeArmed mono.Time
	wr         writing

	net.Conn                // *net.TCPConn or *net.UnixConn; deadlines, reads and writes of ours go past it
	watchIn   time.Duration // how long after watchAt watch is asked again
	least     int           // what a peer must take to be given more time for the rest, in octets
	dontWait  bool          // a read that would wait ends as errWouldBlock
	ended     bool          // TLS above has read the peer's FIN; after a close_notify it would not have come so far
	readHalf  *half         // TLS above: the halves of Conn, handed down; nil without
	writeHalf *half
}

// How often watch is asked: after a second, then at twice the distance each time, up to the last.
const (
	watchFirst = time.Second
	watchLast  = 15 * time.Second
)

// reading carries one read's arguments and results past the RawConn's callback, which is made once per socket so that a call does not
// allocate. It belongs to whoever reads.
type reading struct {
	fn      func(fd uintptr) bool
	op      op
	stage   fault.Stage
	settled bool // each: more than one request has come
	fresh   bool // ask: nothing was written on the connection before
	n       int
	errno   syscall.Errno
	conn    *Conn                    // each, ask: whose buffer is filled
	use     func() (mono.Time, bool) // each
	p       []byte                   // read: where to; ask: the request
	wrote   mono.Time                // ask: when the request had been written, if that took more than one call
	pipe    *pipe
	want    int // splice: how many octets to move
}

// writing is the same for one write, and belongs to whoever writes.
type writing struct {
	fn    func(fd uintptr) bool
	op    op
	n     int
	errno syscall.Errno
	p, q  []byte

	unsent  int       // what the peer had not taken when the socket was full last, -1 where that is not known
	stalled mono.Time // when that was

	pipe *pipe
	want int // splice: how many octets to move
}

type op uint8

const (
	opRead op = iota
	opEach
	opAskIdle
	opAskWrite
	opAskRead
	opWrite
	opSpliceIn
	opSpliceOut
)

// init makes s the socket of a TCP or unix connection. It is false for any other.
func (s *socket) init(nc net.Conn) bool {
	var sc syscall.Conn
	switch c := nc.(type) {
	case *net.TCPConn:
		sc = c
	case *net.UnixConn:
		sc = c
	default:
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	s.Conn, s.raw = nc, raw
	s.rd.fn = s.onReadable
	s.wr.fn = s.onWritable
	return true
}

// onReadable runs with the descriptor when it may be readable; false waits until it is.
//
// hot: once or twice per read.
func (s *socket) onReadable(fd uintptr) bool {
	c := &s.rd
	switch c.op {
	case opRead:
		c.n, c.errno = sysRead(fd, c.p)
		return c.errno != syscall.EAGAIN || s.dontWait
	case opEach:
		return s.onEach(fd)
	case opAskIdle:
		if c.n, c.errno = sysPeek(fd); c.errno != syscall.EAGAIN {
			c.stage = fault.Select
			return true
		}
		c.op = opAskWrite
		fallthrough
	case opAskWrite:
		c.stage = fault.Write
		if c.n, c.errno = sysWrite(fd, c.p); c.errno != 0 || c.n < len(c.p) {
			return true
		}
		PutBuffer(c.p)
		// The poller was reset before this write, so an answer that is already here still wakes us. What came before that reset
		// does not: on a connection that nobody has looked at yet, a server may have spoken, or gone, at once.
		c.op, c.n, c.wrote = opAskRead, 0, 0
		return c.fresh && s.readAnswer(fd)
	case opAskRead:
		return s.readAnswer(fd)
	case opSpliceIn:
		c.n, c.errno = sysSplice(int(fd), c.pipe.w, c.want)
		return c.errno != syscall.EAGAIN
	}
	panic("BUG: conn: a read callback without a read")
}

// readAnswer reads the first octets of an answer; false if there are none yet.
func (s *socket) readAnswer(fd uintptr) bool {
	c := &s.rd
	c.stage = fault.FirstByte
	c.conn.room()
	c.n, c.errno = sysRead(fd, c.conn.buf[c.conn.w:])
	return c.errno != syscall.EAGAIN
}

// Recheck is how long after a read that emptied the socket it is read once more: a FIN that came together with the octets
// has no edge of its own.
const Recheck = time.Second

// onEach reads and has the octets used, until there are no more (false: wait) or use wants out.
//
// hot: once per request.
func (s *socket) onEach(fd uintptr) bool {
	k := &s.rd
	for {
		b := getBuffer(smallBuffer)
		k.n, k.errno = sysRead(fd, b)
		if k.n == 0 {
			putBuffer(b)
			return k.errno != syscall.EAGAIN
		}
		c := k.conn
		c.buf, c.r, c.w = b, 0, k.n
		c.in.octets += int64(k.n)
		full := k.n == len(b)
		now, stay := k.use()
		if !stay {
			return true
		}
		c.Release()
		if full || !k.settled {
			k.settled = true // many a client sends one request and its end with it: after the first, look at once
			continue
		}
		if at := mono.Earlier(now.Add(Recheck), c.in.until.Load()); s.readArmed == 0 || s.readArmed > at {
			s.readArmed = at
			_ = s.Conn.SetReadDeadline(time.Now().Add(at.Sub(now)))
			if k.conn.in.cancel.Reason() != cancel.None { // it came before that deadline was set, and was undone by it
				s.kick()
			}
		}
		return false
	}
}

// each is Conn.Each on the socket.
func (s *socket) each(c *Conn, use func() (mono.Time, bool)) fault.End {
	s.rd.op, s.rd.conn, s.rd.use = opEach, c, use
	_, end := s.wait(&c.in)
	return end
}

// onWritable is onReadable for writes.
func (s *socket) onWritable(fd uintptr) bool {
	c := &s.wr
	if c.op == opSpliceOut {
		c.n, c.errno = sysSplice(c.pipe.r, int(fd), c.want)
	} else if len(c.q) > 0 {
		c.n, c.errno = sysWritev(fd, c.p, c.q)
	} else {
		c.n, c.errno = sysWrite(fd, c.p)
	}
	if c.errno != syscall.EAGAIN {
		return true
	}
	c.unsent, c.stalled = sysUnsent(fd), mono.Now()
	return false
}

// read reads once into p.
func (s *socket) read(h *half, p []byte) (int, fault.End) {
	s.rd.op, s.rd.p = opRead, p
	return s.wait(h)
}

// wait runs a prepared read until it ends.
func (s *socket) wait(h *half) (int, fault.End) {
	end := s.waitRead(h)
	s.rd.p = nil // the buffer may be somebody else's soon, and must not be kept alive from here
	if end != fault.Completed {
		h.errno = 0
		return 0, end
	}
	return s.result(h)
}

// result puts what a read's system call returned into fault's words.
func (s *socket) result(h *half) (int, fault.End) {
	c := &s.rd
	switch {
	case c.n > 0:
		return c.n, fault.Completed
	case c.errno == 0:
		return 0, fault.Closed
	}
	h.errno = c.errno
	return 0, fault.EndOf(c.errno)
}

// watchSet begins a watch. Where the one before had come to be asked seldom, this one begins anew.
func (s *socket) watchSet(now mono.Time) {
	s.watchFrom = now
	if s.watchAt > now.Add(watchFirst) {
		s.watchAt = 0
	}
}

// waitRead enters the poller until the prepared read is done, its deadline passes, or what it obeys ends it.
//
// The look at the reason comes before the poller is entered, and whoever gives a reason makes the timer fire after giving it:
// so either the look finds it, or the wait wakes. A wait that wakes without cause arms its timer anew.
func (s *socket) waitRead(h *half) fault.End {
	c := h.cancel
	until := h.deadline()
	if c.Reason() != cancel.None && !s.dontWait {
		return fault.Canceled
	}
	if !s.armed(until, c.Watched()) && !s.armRead(mono.Now(), h) {
		return fault.Canceled
	}
	for {
		err := s.raw.Read(s.rd.fn)
		if err == nil {
			return fault.Completed
		}
		if !isTimeout(err) {
			return fault.Closed // we closed it ourselves, from another goroutine
		}
		if c.Reason() != cancel.None && !s.dontWait {
			return fault.Canceled
		}
		now := mono.Now()
		until = h.deadline()
		if until != 0 && now >= until {
			s.readArmed = 0
			_ = s.Conn.SetReadDeadline(time.Time{})
			return fault.Timeout
		}
		if c.Watched() && s.watchAt != 0 && now >= s.watchAt && s.askWatch(now, c) {
			return fault.Canceled
		}
		if !s.armRead(now, h) {
			return fault.Canceled
		}
	}
}

// armed reports whether the runtime's timer fires early enough for a deadline, and for a watch if there is one.
func (s *socket) armed(until mono.Time, watched bool) bool {
	if s.readArmed == 0 {
		return until == 0 && !watched
	}
	return (until == 0 || s.readArmed <= until) && (!watched || s.watchAt != 0 && s.readArmed <= s.watchAt)
}

// askWatch asks whether anybody still waits, if it is time to, and sets the time of the next look. It reports whether the wait
// is over. A timer that was armed for an exchange before this one is too early: a client that ended its side with its request gets
// the answer of an endpoint that is quick.
func (s *socket) askWatch(now mono.Time, c *cancel.Cancel) bool {
	if first := s.watchFrom.Add(watchFirst); now < first {
		s.watchAt, s.watchIn = first, watchFirst
		return false
	}
	s.watchIn = min(2*s.watchIn, watchLast)
	s.watchAt = now.Add(s.watchIn)
	return c.Ask()
}

// armRead sets the runtime's timer for what comes first, the deadline or the watch. It is false once there is a reason to end:
// its look comes after the setting, since a wake-up in between was undone by it.
func (s *socket) armRead(now mono.Time, h *half) bool {
	watched := h.cancel.Watched()
	if watched && s.watchAt <= now {
		s.watchIn = watchFirst
		s.watchAt = now.Add(s.watchIn)
	}
	for {
		until := h.deadline()
		at := until
		if watched {
			at = mono.Earlier(at, s.watchAt)
		}
		s.readArmed = at
		var t time.Time
		if at != 0 {
			t = time.Now().Add(time.Duration(at - now))
		}
		_ = s.Conn.SetReadDeadline(t)
		if h.deadline() == until { // else it became late in between, and its wake-up was undone here
			return h.cancel.Reason() == cancel.None || s.dontWait
		}
	}
}

// peek looks whether the socket is open and silent (Completed), has octets (Malformed), or has ended.
func (s *socket) peek(h *half) fault.End {
	var n int
	var errno syscall.Errno
	err := s.raw.Control(func(fd uintptr) { n, errno = sysPeek(fd) })
	switch {
	case err != nil, errno == 0 && n == 0:
		return fault.Closed
	case n > 0:
		return fault.Malformed
	case errno == syscall.EAGAIN:
		return fault.Completed
	}
	h.errno = errno
	return fault.EndOf(errno)
}

// States of a TCP socket, as TCP_INFO gives them: linux/include/net/tcp_states.h.
const (
	tcpClose     = 7
	tcpCloseWait = 8 // the peer's FIN has come
)

// endReceived reports whether the peer has reset the connection or, where a FIN counts, has sent that, even if octets that came
// before it are unread. A FIN counts of a TLS peer, which sends a close_notify before it when it leaves; one in clear may have
// ended its side with the octets.
func (s *socket) endReceived(fin bool) bool {
	state := byte(0)
	err := s.raw.Control(func(fd uintptr) {
		var info [4]byte // its first octet is the state
		v, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
		if err == nil {
			binary.NativeEndian.PutUint32(info[:], uint32(v))
			state = info[0]
		}
	})
	return err != nil || state == tcpClose || fin && state == tcpCloseWait
}

// endedLate reports whether the end of a peer that is gone came at least so long after its last octets. A FIN counts as an
// acknowledgement, and is the last one of a peer that was not sent anything in between; a reset leaves no state to ask.
func (s *socket) endedLate(after time.Duration) bool {
	late := true
	_ = s.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.State == tcpCloseWait {
			late = int64(info.Last_data_recv)-int64(info.Last_ack_recv) >= after.Milliseconds()
		}
	})
	return late
}

// ask is Conn.Ask on the socket.
//
// hot: once per attempt.
func (s *socket) ask(c *Conn, p []byte, check bool) (fault.Stage, int, fault.End) {
	k := &s.rd
	k.op, k.p, k.conn, k.fresh = opAskWrite, p, c, c.out.octets == 0
	if check {
		k.op = opAskIdle
	}
	end := s.waitRead(&c.in)
	k.p, k.conn = nil, nil
	if k.op == opAskRead { // all of p was written, and p given back
		c.out.octets += int64(len(p))
		if end != fault.Completed {
			c.in.errno = 0
			return fault.FirstByte, 0, end
		}
		n, end := s.result(&c.in)
		if end == fault.Completed {
			return fault.Head, n, end
		}
		return fault.FirstByte, 0, end
	}
	if end != fault.Completed { // the wait ended before anything was tried
		PutBuffer(p)
		return fault.Write, 0, end
	}
	if k.stage == fault.Select {
		switch {
		case k.n > 0:
			return fault.Select, 0, fault.Malformed
		case k.errno == 0:
			return fault.Select, 0, fault.Closed
		}
		c.in.errno = k.errno
		return fault.Select, 0, fault.EndOf(k.errno)
	}
	stage, n, end := s.askSlowly(c, p, k.n, k.errno)
	PutBuffer(p)
	return stage, n, end
}

// askSlowly goes on where the socket did not take all of p at once.
func (s *socket) askSlowly(c *Conn, p []byte, n int, errno syscall.Errno) (fault.Stage, int, fault.End) {
	c.out.octets += int64(max(n, 0))
	began := mono.Now()
	if errno != 0 && errno != syscall.EAGAIN {
		c.out.errno = errno
		return fault.Write, 0, fault.EndOf(errno)
	}
	if end := s.writeAll(&c.out, p[max(n, 0):], nil); end != fault.Completed {
		return fault.Write, 0, end
	}
	s.rd.wrote = mono.Now()
	if until := c.in.until.Load(); until != 0 {
		c.in.until.Store(until + s.rd.wrote - began) // the wait for the answer begins with the last octet of the request
	}
	c.room()
	n, end := s.read(&c.in, c.buf[c.w:])
	if end != fault.Completed {
		return fault.FirstByte, 0, end
	}
	return fault.Head, n, end
}

// writeAll writes p and then q.
//
// hot: once or twice per request.
func (s *socket) writeAll(h *half, p, q []byte) fault.End {
	c := &s.wr
	c.op, c.stalled = opWrite, 0
	for len(p)+len(q) > 0 {
		if len(p) == 0 {
			p, q = q, nil
		}
		c.p, c.q = p, q
		if end := s.waitWrite(h); end != fault.Completed {
			h.errno = 0
			return end
		}
		if c.errno != 0 {
			h.errno = c.errno
			return fault.EndOf(c.errno)
		}
		h.octets += int64(c.n)
		k := min(c.n, len(p))
		p = p[k:]
		q = q[c.n-k:]
	}
	c.p, c.q = nil, nil
	return fault.Completed
}

// waitWrite is waitRead for the prepared write. The timer is armed before each wait only if it is not set to something earlier.
//
// The poller wakes a writer when a third of the socket's buffer is free, which a slow peer may take long to bring about. So at
// the deadline the peer is given as much time again if it has taken something meanwhile: only who takes nothing has stalled.
func (s *socket) waitWrite(h *half) fault.End {
	c := h.cancel
	until := h.until.Load()
	if c.Reason() != cancel.None {
		return fault.Canceled
	}
	if until != 0 && (s.writeArmed == 0 || s.writeArmed > until) && !s.armWrite(until, c) {
		return fault.Canceled
	}
	for {
		err := s.raw.Write(s.wr.fn)
		if err == nil {
			return fault.Completed
		}
		if !isTimeout(err) {
			return fault.Closed
		}
		now := mono.Now()
		if until != 0 && now >= until && s.took(now) {
			until = now + until - s.wr.stalled
			s.wr.stalled = now
			h.until.Store(until) // for what is left of the same write, too
		}
		switch {
		case c.Reason() != cancel.None:
			s.writeArmed = 0
			return fault.Canceled
		case until != 0 && now >= until:
			s.writeArmed = 0
			return fault.Timeout
		case !s.armWrite(until, c):
			return fault.Canceled
		}
	}
}

// took reports whether the peer has taken enough of what was written since the socket was last seen full: least octets.
func (s *socket) took(now mono.Time) bool {
	c := &s.wr
	if c.stalled == 0 || now <= c.stalled {
		return false
	}
	unsent := -1
	_ = s.raw.Control(func(fd uintptr) { unsent = sysUnsent(fd) })
	if unsent < 0 || c.unsent < 0 || c.unsent-unsent < max(s.least, 1) {
		return false
	}
	c.unsent = unsent
	return true
}

// armWrite sets the runtime's timer. It is false once there is a reason to end, as armRead is.
func (s *socket) armWrite(until mono.Time, c *cancel.Cancel) bool {
	s.writeArmed = until
	_ = s.Conn.SetWriteDeadline(until.Wall())
	return c.Reason() == cancel.None
}

// wroteAt is when ask had written the request.
func (s *socket) wroteAt() mono.Time { return s.rd.wrote }

// kick makes both timers fire.
func (s *socket) kick() { _ = s.Conn.SetDeadline(time.Unix(1, 0)) }

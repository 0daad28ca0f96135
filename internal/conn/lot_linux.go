package conn

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/mono"
)

// poller is an epoll set with the sockets of the parked. The Go runtime's own poller waits for the set, as for any descriptor.
//
// Contrary to the runtime's, it looks at the level: octets that came before the socket was added are reported as well as those
// that come later. So nothing is lost between the last read of a connection and its parking. Each is reported once.
type poller struct {
	file *os.File
	raw  syscall.RawConn
	fd   int // of file, as long as it is open
}

// CanPark reports whether the connection can be parked: it is a socket, in clear or under TLS.
func (c *Conn) CanPark() bool { return c.sys != nil }

// Park hands a connection over that nobody waits on: its owner has no buffered octets of it, and must not touch it again.
// resume is called on a goroutine of its own, once, and owns it. until is the deadline, 0 for none, and is kept to the second.
//
// It is false if the connection cannot be parked now: the system has no descriptor for that, the Lot is closed, or the Cancel that
// the connection obeys has a reason. Then the caller owns it still. A connection is always parked in the same Lot.
func (l *Lot) Park(c *Conn, until mono.Time, resume func(Wakeup)) bool {
	if c.sys == nil || c.r != c.w {
		return false
	}
	c.Release()
	c.sys.rd.conn, c.sys.rd.use = nil, nil
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open() {
		return false
	}
	if c.lot == nil {
		c.lot = l
	}
	added := false
	_ = c.sys.raw.Control(func(fd uintptr) {
		n := l.place(c, int32(fd), until, resume)
		if added = l.poller.add(int32(fd), spotID(n, l.ticket)); !added {
			l.vacate(n, Canceled)
			return
		}
		// Whoever gives a reason looks for the spot after giving it, and we look for the reason after taking the spot: either finds the other.
		if c.in.cancel.Reason() != cancel.None {
			l.vacate(n, Canceled)
			added = false
		}
	})
	return added
}

// open makes the poller with the first that is parked. l.mu is held.
func (l *Lot) open() bool {
	if l.closed || l.poller != nil {
		return !l.closed
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return false
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return false
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		_ = p.file.Close()
		return false
	}
	l.poller = p
	l.running.Go(l.watch) // ends by Close
	return true
}

// Close ends the Lot's goroutine. Nobody is parked any more: whoever parked has waited for that.
func (l *Lot) Close() {
	l.mu.Lock()
	if l.parked > 0 {
		l.mu.Unlock()
		panic("BUG: conn: a lot was closed with connections in it")
	}
	closed := l.closed
	l.closed = true
	p := l.poller
	l.mu.Unlock()
	if p != nil && !closed {
		_ = p.file.Close()
	}
	l.running.Wait()
}

// watch waits for the parked until the Lot is closed.
func (l *Lot) watch() {
	l.mu.Lock()
	p := l.poller
	l.mu.Unlock()
	var events [128]unix.EpollEvent
	out := make([]woken, 0, wakeMax)
	n := 0
	look := func(fd uintptr) bool {
		var err error
		n, err = unix.EpollWait(int(fd), events[:], 0)
		return n != 0 || err != nil && err != unix.EINTR
	}
	for {
		switch err := p.raw.Read(look); {
		case err == nil:
			out = l.report(events[:max(n, 0)], out[:0])
			start(out)
		case isTimeout(err): // comes before events: a Lot that is busy looks at its deadlines all the same
			now := mono.Now()
			for more := true; more; {
				out, more = l.expire(now, out[:0])
				start(out)
			}
		default:
			return // closed
		}
		clear(out[:cap(out)]) // it must not keep what has left
	}
}

// report takes out those with events.
func (l *Lot) report(events []unix.EpollEvent, out []woken) []woken {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range events {
		e := &events[i]
		if n, found := l.find(spotID(e.Fd, uint32(e.Pad))); found {
			out = append(out, l.vacate(n, Readable))
		}
	}
	return out
}

func (p *poller) add(fd int32, id uint64) bool {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(id >> 32), Pad: int32(uint32(id))}
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(fd), &e) == nil
}

// remove takes a socket out of the set, if it is there.
func (p *poller) remove(fd int32) { _ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, int(fd), nil) }

// ring makes watch look at the deadlines in that second, 0 for never.
func (p *poller) ring(at int64) { _ = p.file.SetReadDeadline(mono.Time(at * 1e9).Wall()) }

// hasCome reports whether there is something to read, or the peer's end.
func hasCome(fd int32) bool {
	_, errno := sysPeek(uintptr(fd))
	return errno != syscall.EAGAIN
}

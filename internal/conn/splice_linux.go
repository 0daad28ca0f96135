package conn

import (
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// pipe is the kernel buffer that splice(2) moves pages through.
type pipe struct{ r, w int }

const (
	pipeSize    = 1 << 20   // octets; the kernel's usual bound for an unprivileged process
	fPipeSz     = 1031      // F_SETPIPE_SZ
	spliceFlags = 0x1 | 0x2 // SPLICE_F_MOVE | SPLICE_F_NONBLOCK
	pipesMax    = 64        // pipes kept for reuse; more are closed
)

// pipes keeps empty pipes for reuse. mu guards free.
var pipes struct {
	mu   sync.Mutex
	free []*pipe
}

func getPipe() *pipe {
	pipes.mu.Lock()
	if n := len(pipes.free); n > 0 {
		p := pipes.free[n-1]
		pipes.free = pipes.free[:n-1]
		pipes.mu.Unlock()
		return p
	}
	pipes.mu.Unlock()
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil
	}
	// A smaller pipe works too, only slower: the error does not matter.
	_, _, _ = syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fds[1]), fPipeSz, pipeSize)
	return &pipe{fds[0], fds[1]}
}

// putPipe keeps an empty pipe; one with octets left in it is closed.
func putPipe(p *pipe, left int64) {
	if left == 0 {
		pipes.mu.Lock()
		if len(pipes.free) < pipesMax {
			pipes.free = append(pipes.free, p)
			p = nil
		}
		pipes.mu.Unlock()
	}
	if p != nil {
		_ = syscall.Close(p.r)
		_ = syscall.Close(p.w)
	}
}

// unspliceable is set for good when the system refuses splice(2) on sockets, as some sandboxes and kernels do.
//
// Contrary to house style it is a mutable global: it is a fact about the system, learned once.
var unspliceable atomic.Bool

// refusesSplice reports whether an errno says that the system does not splice between such descriptors.
func refusesSplice(errno syscall.Errno) bool {
	switch errno {
	case syscall.EINVAL, syscall.ENOSYS, syscall.EPERM, syscall.EOPNOTSUPP:
		return true
	}
	return false
}

// CanSplice reports whether a body can move from src to dst without passing through user space.
func CanSplice(dst, src *Conn) bool {
	return dst.sys != nil && src.sys != nil && dst.tls == nil && src.tls == nil && !unspliceable.Load()
}

// Gap is asked before each read and each write of Splice for the deadline, .
type Gap func() mono.Time

// Splice moves n octets from src to dst inside the kernel. It returns how many reached dst, and how each side stands:
// Completed for a side that is not at fault. readGap and writeGap bound each wait. Exhausted of the reading side says that
// the system has no pipe to give or does not splice: nothing is broken, and the rest is to be copied.
func Splice(dst, src *Conn, n int64, readGap, writeGap Gap) (moved int64, read, write fault.End) {
	p := getPipe()
	if p == nil {
		return 0, fault.Exhausted, fault.Completed
	}
	var inside int64
	defer func() {
		src.sys.rd.pipe, dst.sys.wr.pipe = nil, nil
		putPipe(p, inside)
	}()
	src.sys.rd.pipe, dst.sys.wr.pipe = p, p
	for moved < n {
		src.in.until.Store(readGap())
		got, end := src.sys.spliceIn(&src.in, min(n-moved, pipeSize))
		if end != fault.Completed && refusesSplice(src.in.errno) {
			unspliceable.Store(true)
			src.in.errno = 0
			return moved, fault.Exhausted, fault.Completed
		}
		if end != fault.Completed {
			return moved, end, fault.Completed
		}
		inside = got
		for inside > 0 {
			dst.out.until.Store(writeGap())
			put, end := dst.sys.spliceOut(&dst.out, inside)
			if end != fault.Completed && refusesSplice(dst.out.errno) {
				unspliceable.Store(true)
				dst.out.errno = 0
				put, end = drainPipe(p, dst, inside) // what is in the pipe has left src for good
			}
			inside -= put
			moved += put
			if end != fault.Completed {
				return moved, fault.Completed, end
			}
		}
	}
	return moved, fault.Completed, fault.Completed
}

// drainPipe copies the n octets that are in the pipe to dst, and returns how many got there.
func drainPipe(p *pipe, dst *Conn, n int64) (put int64, end fault.End) {
	b := getBuffer(largeBuffer)
	defer putBuffer(b)
	for put < n {
		got, err := syscall.Read(p.r, b[:min(int64(len(b)), n-put)])
		if err != nil || got == 0 {
			return put, fault.Failed
		}
		if end := dst.Write(b[:got]); end != fault.Completed {
			return put, end
		}
		put += int64(got)
	}
	return put, fault.Completed
}

func (s *socket) spliceIn(h *half, n int64) (int64, fault.End) {
	s.rd.op, s.rd.want = opSpliceIn, int(n)
	if end := s.waitRead(h); end != fault.Completed {
		h.errno = 0
		return 0, end
	}
	got, end := s.result(h)
	h.octets += int64(got)
	return int64(got), end
}

func (s *socket) spliceOut(h *half, n int64) (int64, fault.End) {
	c := &s.wr
	c.op, c.want, c.stalled = opSpliceOut, int(n), 0
	if end := s.waitWrite(h); end != fault.Completed {
		h.errno = 0
		return 0, end
	}
	if c.errno != 0 {
		h.errno = c.errno
		return 0, fault.EndOf(c.errno)
	}
	h.octets += int64(c.n)
	return int64(c.n), fault.Completed
}

func sysSplice(from, to, n int) (int, syscall.Errno) {
	for _, fd := range [...]int{from, to} {
		if errno := injected(uintptr(fd), OpSplice); errno != 0 {
			return 0, errno
		}
	}
	m, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), spliceFlags)
	return count(m, errno), errno
}

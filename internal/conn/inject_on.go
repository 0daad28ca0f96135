//go:build linux && (race || poison)

package conn

import (
	"sync/atomic"
	"syscall"
)

// Inject has tests fail the system calls of chosen sockets: f is asked before each with the descriptor, and what it returns
// other than 0 is the call's errno; EOF stands for a read of no octets. nil ends it. It exists only in builds with the race
// detector or -tags poison. f may be called from any goroutine, and from inside the poller: it must not wait.
func Inject(f func(fd uintptr, op Op) syscall.Errno) { inject.Store(&f) }

// EOF is the errno that makes an injected read return no octets: the peer's end.
const EOF = syscall.Errno(1 << 20)

// Contrary to house style it is a mutable global: it stands for the kernel, and only tests set it.
var inject atomic.Pointer[func(fd uintptr, op Op) syscall.Errno]

// injected is the errno that a test wants a system call to end with, 0 for none.
func injected(fd uintptr, op Op) syscall.Errno {
	if f := inject.Load(); f != nil && *f != nil {
		return (*f)(fd, op)
	}
	return 0
}

// ended is the result of an injected read.
func ended(errno syscall.Errno) (int, syscall.Errno) {
	if errno == EOF {
		return 0, 0
	}
	return 0, errno
}

// SpliceAgain forgets that the system refused to splice: a test had it do so.
func SpliceAgain() { unspliceable.Store(false) }

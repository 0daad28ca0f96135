package conn

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls. The descriptors are non-blocking, so none of them waits; EINTR cannot happen but is retried for the
// letter of POSIX.

// Op is a system call on a socket.
type Op uint8

// The system calls.
const (
	OpRead Op = iota
	OpPeek
	OpWrite
	OpWritev
	OpSplice
)

// sysRead is recvfrom(2), which has less to do on its way to a socket than read(2).
func sysRead(fd uintptr, p []byte) (int, syscall.Errno) {
	if errno := injected(fd, OpRead); errno != 0 {
		return ended(errno)
	}
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), 0, 0, 0)
		if errno != syscall.EINTR {
			return count(n, errno), errno
		}
	}
}

func sysPeek(fd uintptr) (int, syscall.Errno) {
	if errno := injected(fd, OpPeek); errno != 0 {
		return ended(errno)
	}
	var b [1]byte
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return count(n, errno), errno
}

func sysWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	if errno := injected(fd, OpWrite); errno != 0 {
		return 0, errno
	}
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0)
		if errno != syscall.EINTR {
			return count(n, errno), errno
		}
	}
}

func sysWritev(fd uintptr, p, q []byte) (int, syscall.Errno) {
	if errno := injected(fd, OpWritev); errno != 0 {
		return 0, errno
	}
	iov := [2]syscall.Iovec{{Base: &p[0]}, {Base: &q[0]}}
	iov[0].SetLen(len(p))
	iov[1].SetLen(len(q))
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&iov)), 2)
	return count(n, errno), errno
}

// sysUnsent is how many octets the peer has not acknowledged yet, SIOCOUTQ of tcp(7); -1 where the system does not say.
func sysUnsent(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}

func count(n uintptr, errno syscall.Errno) int {
	if errno != 0 {
		return 0
	}
	return int(n)
}

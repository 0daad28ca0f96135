package gateway

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// shareUDP lets the process that takes over bind the port while this one drains.
func shareUDP(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); e != nil {
		return e
	}
	return err
}

// receiveBuffer is the size of a socket's receive buffer in bytes, 0 where it is not known.
func receiveBuffer(pc net.PacketConn) (size int) {
	u, is := pc.(*net.UDPConn)
	if !is {
		return 0
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { size, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF) })
	return size
}

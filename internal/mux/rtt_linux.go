package mux

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// rttOf is the smoothed round-trip time that the kernel measured on a connection, 0 where it has none.
func rttOf(nc net.Conn) (rtt time.Duration) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			rtt = time.Duration(info.Rtt) * time.Microsecond
		}
	})
	return rtt
}

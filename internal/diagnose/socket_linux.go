package diagnose

import "golang.org/x/sys/unix"

// clampSegments makes a socket announce small segments, and send none larger.
func clampSegments(fd uintptr, octets int) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, octets)
}

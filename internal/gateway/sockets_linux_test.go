package gateway_test

import "golang.org/x/sys/unix"

// outQueue is how many octets of a socket its peer has not acknowledged.
func outQueue(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

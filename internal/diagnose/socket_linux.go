package diagnose

import "golang.org/x/sys/unix"

// clampSegments makes a socket announce small segments, and send none larger.
func clampSegments(fd uintptr, octets int) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, octets)
}

// retransmits is how many segments a TCP socket has sent anew since it was opened, the SYN too; 0 where that is not known.
func retransmits(fd uintptr) int {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return int(info.Total_retrans)
}

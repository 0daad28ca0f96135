package machine

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Netlink's socket diagnostics: linux/sock_diag.h and linux/inet_diag.h.
const (
	sockDiagByFamily = 20
	tcpListen        = 10
	diagRequestSize  = 56
	diagMessageSize  = 72
)

// AcceptQueue asks the kernel for the accept queue of the socket that listens at the address on this machine: how many connections wait
// there, and how many may. Nil if none listens.
func AcceptQueue(at netip.AddrPort) *Queue {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if q := diagListen(family, at); q != nil {
			return q
		}
	}
	return nil
}

func diagListen(family uint8, at netip.AddrPort) *Queue {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	req := make([]byte, unix.NLMSG_HDRLEN+diagRequestSize)
	e := binary.NativeEndian
	e.PutUint32(req, uint32(len(req)))
	e.PutUint16(req[4:], sockDiagByFamily)
	e.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := req[unix.NLMSG_HDRLEN:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	e.PutUint32(body[4:], 1<<tcpListen)
	if err := unix.Sendto(fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil
	}
	buf := make([]byte, 64<<10)
	for range 64 { // a dump of listening sockets is a few datagrams
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return nil
		}
		q, done := findListener(buf[:n], at)
		if q != nil || done {
			return q
		}
	}
	return nil
}

// findListener looks through a datagram of the dump. done means that it is the last.
func findListener(b []byte, at netip.AddrPort) (q *Queue, done bool) {
	e := binary.NativeEndian
	for len(b) >= unix.NLMSG_HDRLEN {
		length, kind := int(e.Uint32(b)), e.Uint16(b[4:])
		if kind == unix.NLMSG_DONE || kind == unix.NLMSG_ERROR || length < unix.NLMSG_HDRLEN || length > len(b) {
			return nil, true
		}
		m := b[unix.NLMSG_HDRLEN:length]
		if len(m) >= diagMessageSize && binary.BigEndian.Uint16(m[4:]) == at.Port() && listensAt(m, at.Addr()) {
			return &Queue{Length: int(e.Uint32(m[56:])), Max: int(e.Uint32(m[60:]))}, true
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return nil, false
}

// listensAt reports whether the socket of an inet_diag_msg takes connections to the address.
func listensAt(m []byte, a netip.Addr) bool {
	src := netip.AddrFrom4([4]byte(m[8:12]))
	if m[0] == unix.AF_INET6 {
		src = netip.AddrFrom16([16]byte(m[8:24])).Unmap()
	}
	return src.IsUnspecified() || src == a.Unmap()
}

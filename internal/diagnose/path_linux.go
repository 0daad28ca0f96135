package diagnose

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// canTrace: Linux passes ICMP errors on to the error queue of a TCP socket that asked for it (IP_RECVERR), since 5.8; before that
// root hears them on a raw socket.
const canTrace = true

// pollStep bounds one wait of a probe's socket, so that an ended context is noticed.
const pollStep = 100 * time.Millisecond

// dial tries to connect, and reads what the network says against it.
func dial(ctx context.Context, at netip.AddrPort, how dialing) (d dialled) {
	d.began = time.Now()
	defer func() { d.spent = time.Since(d.began) }()
	family := unix.AF_INET
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		d.errno, _ = err.(syscall.Errno)
		return d
	}
	defer unix.Close(fd)
	setErrorQueue(fd, family, how)
	err = unix.Connect(fd, sockaddr(at))
	if sa, err := unix.Getsockname(fd); err == nil {
		d.from, d.port = addrOf(sa)
	}
	if err == unix.EINPROGRESS {
		d.timeout = !awaitConnect(ctx, fd, d.began.Add(how.timeout))
		n, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		d.errno = syscall.Errno(n)
		d.timeout = d.timeout && n == 0
	} else if err != nil {
		d.errno, _ = err.(syscall.Errno)
	}
	d.resent = d.errno == 0 && !d.timeout && retransmits(uintptr(fd)) > 0
	if d.errno != 0 || d.timeout {
		d.from = ""
		d.icmp = readErrorQueue(fd, family == unix.AF_INET6)
	}
	return d
}

func setErrorQueue(fd, family int, how dialing) {
	level, queue, hops := unix.IPPROTO_IP, unix.IP_RECVERR, unix.IP_TTL
	if family == unix.AF_INET6 {
		level, queue, hops = unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.IPV6_UNICAST_HOPS
	}
	if !how.quiet {
		_ = unix.SetsockoptInt(fd, level, queue, 1)
	}
	if how.ttl > 0 {
		_ = unix.SetsockoptInt(fd, level, hops, how.ttl)
	}
}

// awaitConnect waits until the connection stands or failed; false if neither came in time.
func awaitConnect(ctx context.Context, fd int, until time.Time) bool {
	for {
		left := min(time.Until(until), pollStep)
		if left <= 0 || ctx.Err() != nil {
			return false
		}
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(p, int(left.Milliseconds())+1)
		if err != nil && err != unix.EINTR {
			return false
		}
		if n > 0 {
			return true
		}
	}
}

// readErrorQueue reads one ICMP error that came for the socket: struct sock_extended_err and the sender's address behind it.
func readErrorQueue(fd int, v6 bool) *ICMP {
	oob := make([]byte, 512)
	payload := make([]byte, 128)
	_, n, _, _, err := unix.Recvmsg(fd, payload, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if err != nil {
		return nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return nil
	}
	for _, m := range messages {
		if len(m.Data) < 16 || m.Header.Type != unix.IP_RECVERR && m.Header.Type != unix.IPV6_RECVERR {
			continue
		}
		origin := m.Data[4]
		if origin != unix.SO_EE_ORIGIN_ICMP && origin != unix.SO_EE_ORIGIN_ICMP6 {
			continue
		}
		i := &ICMP{Type: m.Data[5], Code: m.Data[6], v6: v6}
		i.Name, i.From = icmpName(i.Type, i.Code, v6), offender(m.Data[16:])
		return i
	}
	return nil
}

// offender reads the struct sockaddr behind a sock_extended_err.
func offender(b []byte) string {
	if len(b) < 8 {
		return ""
	}
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(b[4:8])).String()
	case unix.AF_INET6:
		if len(b) >= 24 {
			return netip.AddrFrom16([16]byte(b[8:24])).String()
		}
	}
	return ""
}

func sockaddr(at netip.AddrPort) unix.Sockaddr {
	if at.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16(), ZoneId: zoneID(at.Addr().Zone())}
}

func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}

func addrOf(sa unix.Sockaddr) (string, uint16) {
	switch s := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(s.Addr).String(), uint16(s.Port)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(s.Addr).String(), uint16(s.Port)
	}
	return "", 0
}

// dialUnix tries to connect to a unix socket.
func dialUnix(ctx context.Context, path string, timeout time.Duration) (syscall.Errno, bool) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		errno, _ := err.(syscall.Errno)
		return errno, false
	}
	defer unix.Close(fd)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	if err == unix.EINPROGRESS {
		return 0, !awaitConnect(ctx, fd, time.Now().Add(timeout))
	}
	errno, _ := err.(syscall.Errno)
	return errno, false
}

// hasRoute reports whether this machine has any route of the family that is not a link's own.
func hasRoute(v6 bool) bool {
	if !v6 {
		return true
	}
	b, err := os.ReadFile("/proc/net/ipv6_route")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		w := strings.Fields(line)
		if len(w) == 10 && w[9] != "lo" && !strings.HasPrefix(w[0], "fe80") && !strings.HasPrefix(w[0], "ff00") {
			return true
		}
	}
	return false
}

// States of a neighbour, as the probes name them.
const (
	neighbourFailed    = "no answer"
	neighbourReachable = "answers"
)

// neighbour gives the state of the address in the neighbour table, empty where it is not on our own link.
func neighbour(a netip.Addr) string {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	table, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, family)
	if err != nil {
		return ""
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return ""
	}
	const size = int(unsafe.Sizeof(unix.NdMsg{}))
	want := a.AsSlice()
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWNEIGH || len(m.Data) < size {
			continue
		}
		state := binary.NativeEndian.Uint16(m.Data[8:])
		for b := m.Data[size:]; len(b) >= 4; {
			length, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
			if length < 4 || length > len(b) {
				break
			}
			if kind == unix.NDA_DST && string(b[4:length]) == string(want) {
				if state&(unix.NUD_INCOMPLETE|unix.NUD_FAILED) != 0 {
					return neighbourFailed
				}
				return neighbourReachable
			}
			b = b[min((length+3)&^3, len(b)):]
		}
	}
	return ""
}

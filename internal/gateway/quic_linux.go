package gateway

import (
	"encoding/binary"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/whygate/whygate/internal/listener"
)

// shareUDP lets a socket have a port that another process has, which lent it.
func shareUDP(_, _ string, c syscall.RawConn) error {
	return onSocket(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
}

// lendUDP has a later process share a socket's port. before is the tag of the process that has it at present, nil where there is none:
// the kernel is told then which packets go to that one's socket, the first of the two. When that one has gone there is one socket, and it
// gets all of them.
func lendUDP(pc net.PacketConn, before *listener.Tag) error {
	u, is := pc.(*net.UDPConn)
	if !is {
		return errors.New("it is no UDP socket")
	}
	c, err := u.SyscallConn()
	if err != nil {
		return err
	}
	return onSocket(c, func(fd int) error {
		if before == nil {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
		p := steering(*before)
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF, &unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]})
	})
}

// steering is the program that finds the socket of a packet by its connection id, which stands behind the first octet of a short header,
// and behind the sixth of a long one (RFC 8999, section 5).
func steering(before listener.Tag) []unix.SockFilter {
	const (
		loadByte, loadHalf    = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		jump, jumpSet, jumpIs = unix.BPF_JMP | unix.BPF_JA, unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		give                  = unix.BPF_RET | unix.BPF_K
	)
	return []unix.SockFilter{
		{Code: loadByte, K: 0},
		{Code: jumpSet, Jt: 2, K: 0x80},
		{Code: loadHalf, K: 1},
		{Code: jump, K: 1},
		{Code: loadHalf, K: 6},
		{Code: jumpIs, Jf: 1, K: uint32(binary.BigEndian.Uint16(before[:]))},
		{Code: give, K: 0},
		{Code: give, K: 1},
	}
}

func onSocket(c syscall.RawConn, do func(fd int) error) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = do(int(fd)) }); e != nil {
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
	c, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	_ = onSocket(c, func(fd int) (err error) {
		size, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		return err
	})
	return size
}

// onlyIPv6 reports whether a listener of every IPv6 address takes no IPv4.
func onlyIPv6(l net.Listener) bool {
	t, is := l.(*net.TCPListener)
	if !is {
		return false
	}
	c, err := t.SyscallConn()
	if err != nil {
		return false
	}
	only := 0
	_ = onSocket(c, func(fd int) (err error) {
		only, err = unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		return err
	})
	return only != 0
}

package diagnose

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pinger is a socket for ICMP echo: a datagram one where the kernel lets anybody have it, else a raw one, which needs root.
type pinger struct {
	fd  int
	raw bool
	v6  bool
}

func newPinger(a netip.Addr) *pinger {
	family, protocol := unix.AF_INET, unix.IPPROTO_ICMP
	if a.Is6() {
		family, protocol = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	p := &pinger{v6: a.Is6()}
	var err error
	if p.fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol); err != nil {
		p.raw = true
		if p.fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol); err != nil {
			return nil
		}
	}
	_ = unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_RECVTTL, 1)
	if p.v6 {
		_ = unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1)
	}
	if err := unix.Connect(p.fd, sockaddr(netip.AddrPortFrom(a, 0))); err != nil {
		unix.Close(p.fd)
		return nil
	}
	return p
}

// id tells our echoes from others on a raw socket; the kernel sets it on a datagram one.
func (p *pinger) id() uint16 { return uint16(os.Getpid()) }

// send sends one echo request of so many octets of IP packet, with its sequence number.
func (p *pinger) send(seq uint16, size int) error {
	header := 20
	kind := byte(8)
	if p.v6 {
		header, kind = 40, 128
	}
	b := make([]byte, max(size-header, 8))
	b[0] = kind
	binary.BigEndian.PutUint16(b[4:], p.id())
	binary.BigEndian.PutUint16(b[6:], seq)
	if !p.v6 { // the kernel does it for IPv6
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return unix.Send(p.fd, b, 0)
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		sum += uint32(b[len(b)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// receive waits for one reply of ours and gives its sequence number and TTL; false if none came in time.
func (p *pinger) receive(ctx context.Context, until time.Time) (seq uint16, ttl int, ok bool) {
	b, oob := make([]byte, 2048), make([]byte, 128)
	for ctx.Err() == nil {
		left := min(time.Until(until), pollStep)
		if left <= 0 {
			return 0, 0, false
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if n <= 0 || err != nil {
			continue
		}
		n, beside, _, _, err := unix.Recvmsg(p.fd, b, oob, unix.MSG_DONTWAIT)
		if err != nil {
			continue
		}
		ttl = ttlOf(oob[:beside])
		m := b[:n]
		if p.raw && !p.v6 && n >= 20 { // a raw IPv4 socket gives the IP header, too
			m = m[min(int(m[0]&15)*4, n):]
		}
		reply := byte(0)
		if p.v6 {
			reply = 129
		}
		if len(m) >= 8 && m[0] == reply && (!p.raw || binary.BigEndian.Uint16(m[4:]) == p.id()) {
			return binary.BigEndian.Uint16(m[6:]), ttl, true
		}
	}
	return 0, 0, false
}

// ttlOf reads the TTL or the hop limit of a packet from what came beside it, 0 if it is not there.
func ttlOf(oob []byte) int {
	messages, _ := unix.ParseSocketControlMessage(oob)
	for _, m := range messages {
		ttl := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TTL || m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT
		if ttl && len(m.Data) >= 4 {
			return int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}

// echo asks for one ICMP echo. Nil if we may not.
func echo(ctx context.Context, a netip.Addr, timeout time.Duration) *Echo {
	p := newPinger(a)
	if p == nil {
		return nil
	}
	defer unix.Close(p.fd)
	began := time.Now()
	if p.send(1, 64) != nil {
		return &Echo{}
	}
	_, ttl, ok := p.receive(ctx, began.Add(timeout))
	return &Echo{Answered: ok, Took: Millis(time.Since(began)), TTL: ttl}
}

// mtuSizes are the packets that are sent: the least that IPv4 must carry, what tunnels leave of an Ethernet frame, and a whole one.
var mtuSizes = []int{576, 1024, 1280, 1400, 1450, 1500}

// mtuControl is the sequence number of a last small echo.
const mtuControl = 99

// mtuWait is how long the replies are waited for. The way is known to answer.
const mtuWait = 400 * time.Millisecond

// pathMTU sends echoes of several sizes that must not be fragmented, at once, and sees which are answered. Nil if we may not.
func pathMTU(ctx context.Context, a netip.Addr) *MTU {
	p := newPinger(a)
	if p == nil {
		return nil
	}
	defer unix.Close(p.fd)
	if p.v6 {
		_ = unix.SetsockoptInt(p.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	} else {
		_ = unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		_ = unix.SetsockoptInt(p.fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	}
	m := &MTU{}
	until := time.Now().Add(mtuWait)
	answered := map[int]bool{}
	sent := 0
	for i, size := range mtuSizes {
		if p.send(uint16(100+i), size) == nil {
			sent++
		}
	}
	_ = p.send(mtuControl, mtuSizes[0]) // where this has no answer either, it is the number that is limited, and not the size
	controlled := false
	for range sent + 1 {
		seq, _, ok := p.receive(ctx, until)
		if !ok {
			break
		}
		controlled = controlled || seq == mtuControl
		if i := int(seq) - 100; i >= 0 && i < len(mtuSizes) {
			answered[mtuSizes[i]] = true
			m.Passed = max(m.Passed, mtuSizes[i])
		}
	}
	for _, size := range mtuSizes[:sent] {
		if controlled && !answered[size] && size > m.Passed && m.Vanished == 0 {
			m.Vanished = size
		}
	}
	m.reported(p)
	return m
}

// reported reads from the error queue whether a router said what fits: then nothing vanished.
func (m *MTU) reported(p *pinger) {
	oob := make([]byte, 512)
	for range len(mtuSizes) {
		_, n, _, _, err := unix.Recvmsg(p.fd, make([]byte, 64), oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err != nil {
			return
		}
		messages, _ := unix.ParseSocketControlMessage(oob[:n])
		for _, c := range messages {
			if len(c.Data) >= 16 && c.Data[5] == 3 && c.Data[6] == 4 {
				m.Reported, m.Vanished = int(binary.NativeEndian.Uint32(c.Data[8:])), 0
			}
		}
	}
}

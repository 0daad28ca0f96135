package diagnose

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// rawSocket is a raw socket that a goroutine of its own reads until it is closed. Only root has one.
type rawSocket struct {
	fd   int
	stop chan struct{}
	done chan struct{}
}

// openRaw opens a raw socket for one protocol and reads it: take gets each packet, what came beside it, and its sender. Nil without the
// privilege. prepare may set options.
func openRaw(v6 bool, protocol int, prepare func(fd int) error, take func(packet, oob []byte, from unix.Sockaddr)) *rawSocket {
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil
	}
	if prepare != nil {
		if err := prepare(fd); err != nil {
			_ = unix.Close(fd)
			return nil
		}
	}
	r := &rawSocket{fd: fd, stop: make(chan struct{}), done: make(chan struct{})}
	go r.read(take) // until close
	return r
}

// rawPoll bounds one wait, and so how long close takes.
const rawPoll = 20 * time.Millisecond

// lastMax bounds what is still read of what had come before close.
const lastMax = 1000

func (r *rawSocket) read(take func(packet, oob []byte, from unix.Sockaddr)) {
	defer close(r.done)
	packet, oob := make([]byte, 2048), make([]byte, 128)
	one := func() bool {
		n, beside, _, from, err := unix.Recvmsg(r.fd, packet, oob, unix.MSG_DONTWAIT)
		if err == nil {
			take(packet[:n], oob[:beside], from)
		}
		return err == nil
	}
	for {
		select {
		case <-r.stop:
			for n := 0; n < lastMax && one(); n++ {
			}
			return
		default:
		}
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}, int(rawPoll.Milliseconds())); n > 0 && err == nil {
			one()
		}
	}
}

func (r *rawSocket) close() {
	close(r.stop)
	<-r.done
	_ = unix.Close(r.fd)
}

// icmpListener hears the ICMP errors about SYNs of ours.
type icmpListener struct {
	raw *rawSocket

	mu    sync.Mutex // guards the fields below
	heard map[uint16]heard
	more  chan struct{} // closed, and made anew, with each that is heard
}

// heard is an error and when it came.
type heard struct {
	icmp ICMP
	at   time.Time
}

// heardMax bounds what is kept: a traceroute sends fewer SYNs.
const heardMax = 1000

// listenICMP begins to listen. Nil without the privilege: its methods do nothing then.
func listenICMP(v6 bool) *icmpListener {
	l := &icmpListener{heard: map[uint16]heard{}, more: make(chan struct{})}
	protocol := unix.IPPROTO_ICMP
	if v6 {
		protocol = unix.IPPROTO_ICMPV6
	}
	l.raw = openRaw(v6, protocol, nil, func(packet, _ []byte, from unix.Sockaddr) {
		if v6 {
			sender, _ := addrOf(from)
			l.note(parseICMP6(packet, sender))
		} else {
			l.note(parseICMP4(packet))
		}
	})
	if l.raw == nil {
		return nil
	}
	return l
}

func (l *icmpListener) close() {
	if l != nil {
		l.raw.close()
	}
}

func (l *icmpListener) note(i *ICMP, port uint16) {
	if i == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.heard[port]; !known && len(l.heard) < heardMax {
		l.heard[port] = heard{*i, time.Now()}
		close(l.more)
		l.more = make(chan struct{})
	}
}

// lateICMP is how much later than the kernel's own the copy of an error may reach us.
const lateICMP = 50 * time.Millisecond

// explain adds the error that came for a connection which has none from the kernel, with its time.
func (l *icmpListener) explain(d *dialled) {
	unreached := d.errno == syscall.EHOSTUNREACH || d.errno == syscall.ENETUNREACH || d.errno == syscall.ENOPROTOOPT || d.errno == syscall.ECONNREFUSED
	if l == nil || d.icmp != nil || d.port == 0 || !d.timeout && !unreached {
		return
	}
	for late := time.After(lateICMP); ; {
		l.mu.Lock()
		h, found := l.heard[d.port]
		more := l.more
		l.mu.Unlock()
		if found {
			d.icmp, d.spent = &h.icmp, h.at.Sub(d.began)
			return
		}
		select {
		case <-more:
		case <-late:
			return
		}
	}
}

// parseICMP4 reads an IPv4 packet with an ICMP error about a TCP segment, and the port that the segment came from. Nil if it is none.
func parseICMP4(b []byte) (*ICMP, uint16) {
	m, protocol := ipv4Payload(b)
	if protocol != unix.IPPROTO_ICMP || len(m) < 8 || m[0] != 3 && m[0] != 11 {
		return nil, 0
	}
	segment, inner := ipv4Payload(m[8:])
	if inner != unix.IPPROTO_TCP || len(segment) < 4 {
		return nil, 0
	}
	i := &ICMP{Type: m[0], Code: m[1], From: netip.AddrFrom4([4]byte(b[12:16])).String()}
	i.Name = icmpName(i.Type, i.Code, false)
	return i, binary.BigEndian.Uint16(segment)
}

// ipv4Payload is what is behind an IPv4 header, as far as it is there, and its protocol; 0 if it is none.
func ipv4Payload(b []byte) ([]byte, byte) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil, 0
	}
	header := int(b[0]&15) * 4
	if header < 20 || header > len(b) {
		return nil, 0
	}
	return b[header:], b[9]
}

// parseICMP6 reads an ICMPv6 error about a TCP segment, which must follow its IPv6 header at once.
func parseICMP6(m []byte, from string) (*ICMP, uint16) {
	const header = 40
	if len(m) < 8+header+4 || m[0] != 1 && m[0] != 3 || m[8]>>4 != 6 || m[8+6] != unix.IPPROTO_TCP {
		return nil, 0
	}
	i := &ICMP{Type: m[0], Code: m[1], From: from, v6: true}
	i.Name = icmpName(i.Type, i.Code, true)
	return i, binary.BigEndian.Uint16(m[8+header:])
}

// ttlWatch looks at the SYN-ACKs and RSTs from one address and port, which show whether both come from as far away.
type ttlWatch struct {
	raw *rawSocket

	mu  sync.Mutex // guards ttl
	ttl TTL
}

// watchTTL begins to look. Nil without the privilege: its methods do nothing then.
func watchTTL(at netip.AddrPort) *ttlWatch {
	w := &ttlWatch{}
	v6 := at.Addr().Is6()
	w.raw = openRaw(v6, unix.IPPROTO_TCP, func(fd int) error {
		if v6 {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, 1)
		}
		if err := onlyHandshakes(fd, at.Port(), v6); err != nil {
			return err
		}
		return unix.Connect(fd, sockaddr(netip.AddrPortFrom(at.Addr(), 0))) // packets from there only
	}, func(packet, oob []byte, _ unix.Sockaddr) {
		if v6 {
			w.note(packet, ttlOf(oob))
		} else if segment, protocol := ipv4Payload(packet); protocol == unix.IPPROTO_TCP {
			w.note(segment, int(packet[8]))
		}
	})
	if w.raw == nil {
		return nil
	}
	return w
}

// onlyHandshakes makes the kernel give segments from the port with SYN or RST only: a busy upstream sends many others.
func onlyHandshakes(fd int, port uint16, v6 bool) error {
	load := unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH} // X is the length of the IPv4 header
	if v6 {
		load = unix.SockFilter{Code: unix.BPF_LDX | unix.BPF_W | unix.BPF_IMM} // an IPv6 socket begins behind it
	}
	program := []unix.SockFilter{
		load,
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 3, K: uint32(port)},
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 13},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jf: 1, K: tcpSYN | tcpRST},
		{Code: unix.BPF_RET | unix.BPF_K, K: 256},
		{Code: unix.BPF_RET | unix.BPF_K},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// Flags of a segment: RFC 9293, section 3.1.
const (
	tcpSYN = 2
	tcpRST = 4
)

// note keeps the TTL of the last SYN-ACK and of the last RST.
func (w *ttlWatch) note(segment []byte, ttl int) {
	if len(segment) < 14 || ttl == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if segment[13]&tcpRST != 0 {
		w.ttl.Reset = ttl
	} else if segment[13]&tcpSYN != 0 {
		w.ttl.Answer = ttl
	}
}

func (w *ttlWatch) close() {
	if w != nil {
		w.raw.close()
	}
}

// seen gives what was seen, nil if that was nothing.
func (w *ttlWatch) seen() *TTL {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ttl == (TTL{}) {
		return nil
	}
	ttl := w.ttl
	return &ttl
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/whygate/whygate/internal/config"
)

// alternativeTime is how long clients keep in mind that HTTP/3 is spoken here.
const alternativeTime = 24 * time.Hour

// quicGrace is how long requests over HTTP/3 have to end when a reload takes h3 away. The port is free for others after that.
const quicGrace = 5 * time.Second

// bindQUIC opens the UDP port of the address that a listener of TCP has. Where this process takes over from one that has the port, both
// have it for a while: packets of that one's connections go on to that one, all others come here.
func (g *Gateway) bindQUIC(l net.Listener, a config.Address, where string) (net.PacketConn, error) {
	t, is := l.Addr().(*net.TCPAddr)
	if !is {
		return nil, fmt.Errorf("listen on %s: HTTP/3 needs a UDP port, and this socket has none", a)
	}
	var lc net.ListenConfig
	before := g.inherited.tag
	if before != nil {
		lc.Control = shareUDP
	}
	pc, err := lc.ListenPacket(context.Background(), familyOf(l, t), net.JoinHostPort(hostOf(t), strconv.Itoa(t.Port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &HintError{fmt.Errorf("listen on UDP port %d for HTTP/3: %w", t.Port, syscall.EADDRINUSE), "another program has it (ss -lnup 'sport = :" + strconv.Itoa(t.Port) + "'): stop it, or set " + where + " to off"}
	case errors.Is(err, syscall.EACCES):
		return nil, &HintError{fmt.Errorf("listen on UDP port %d for HTTP/3: permission denied", t.Port), "ports below 1024 need CAP_NET_BIND_SERVICE"}
	case err != nil:
		return nil, fmt.Errorf("listen on UDP port %d for HTTP/3: %w", t.Port, err)
	}
	if err := lendUDP(pc, before); err != nil {
		g.log.Warn("HTTP/3's UDP port cannot be shared with another process: connections are lost when one takes over", "address", pc.LocalAddr().String(), "error", err)
	}
	return pc, nil
}

// familyOf is what the UDP socket beside a listener is opened by: it takes the addresses that the listener takes, and no others.
func familyOf(l net.Listener, t *net.TCPAddr) string {
	switch {
	case t.IP.To4() != nil:
		return "udp4"
	case onlyIPv6(l):
		return "udp6"
	}
	return "udp"
}

// hostOf is an address's host, empty for every address of the machine.
func hostOf(t *net.TCPAddr) string {
	if t.IP.IsUnspecified() {
		return ""
	}
	if t.Zone != "" {
		return t.IP.String() + "%" + t.Zone
	}
	return t.IP.String()
}

// openQUIC begins HTTP/3 on a UDP socket beside a listener. Nothing is accepted before serveQUIC. On an error pc is closed.
func (g *Gateway) openQUIC(s *socket, pc net.PacketConn) error {
	q, err := g.server.OpenQUIC(pc, g.tag, s.config)
	if err != nil {
		return fmt.Errorf("HTTP/3 on %s: %w", pc.LocalAddr(), err)
	}
	g.checkBuffer(pc)
	_, port, _ := net.SplitHostPort(pc.LocalAddr().String())
	value := []byte(fmt.Sprintf("h3=\":%s\"; ma=%d", port, int(alternativeTime/time.Second)))
	s.quic = q
	s.altSvc.Store(&value)
	return nil
}

// serveQUIC accepts connections on a goroutine of its own, which ends when the socket is closed, or the gateway drains.
func (g *Gateway) serveQUIC(s *socket) {
	if q := s.quic; q != nil {
		g.serving.Go(func() {
			err := errors.New("BUG: the goroutine that accepts QUIC connections ended")
			g.guarded("a listener of HTTP/3", func() { err = q.Serve() })
			g.failing(err)
		})
	}
}

// closeQUIC ends HTTP/3 beside a listener that goes on: its answers name it no more, and requests have a while to end.
func (g *Gateway) closeQUIC(s *socket) {
	q := s.quic
	if q == nil {
		return
	}
	s.quic = nil
	s.altSvc.Store(nil)
	g.serving.Go(func() { q.Close(quicGrace) }) // ends after quicGrace
}

// alternative is the value of Alt-Svc in answers of a socket, nil where HTTP/3 is not spoken.
func (s *socket) alternative() []byte {
	if v := s.altSvc.Load(); v != nil {
		return *v
	}
	return nil
}

// bufferLeast is how large the receive buffer of a UDP socket should be, in bytes: quic-go asks for as much.
const bufferLeast = 7 << 20

// checkBuffer says that the system gives a UDP socket little room: bursts are lost then, and sent again.
func (g *Gateway) checkBuffer(pc net.PacketConn) {
	if n := receiveBuffer(pc); n > 0 && n < bufferLeast {
		g.log.Warn("the receive buffer of HTTP/3's UDP port is small: bursts may be lost", "address", pc.LocalAddr().String(), "bytes", n, "do", "sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000, and the same in /etc/sysctl.d")
	}
}

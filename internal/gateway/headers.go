package gateway

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/whygate/whygate/internal/config"
	"github.com/whygate/whygate/internal/proxyproto"
)

// takeHeaders makes later connections of a socket be taken as the configuration says: with a header of the PROXY protocol in front, or as
// they are.
func (g *Gateway) takeHeaders(s *socket, l *config.Listen) {
	on := l.ProxyProtocol == config.On
	switch {
	case s.headed == nil && on:
		g.log.Warn("proxy_protocol is turned on with the next start only", "address", s.address.String())
	case s.headed == nil:
	case !on:
		s.headed.Use(nil)
	default:
		s.headed.Use(&proxyproto.Policy{Trusted: g.trustsPeer, Timeout: g.headerTime, Refused: g.headerRefused})
	}
}

// headerTime is how long a header may take: as long as a request's head, three seconds at most.
func (g *Gateway) headerTime() time.Duration {
	if limits := g.limits.Load(); limits != nil && limits.HeadTime > 0 {
		return min(limits.HeadTime, 3*time.Second)
	}
	return 3 * time.Second
}

// trustsPeer reports whether a peer may say who the client is: one of trusted_proxies, or one at a unix socket.
func (g *Gateway) trustsPeer(peer net.Addr) bool {
	t, is := peer.(*net.TCPAddr)
	if !is {
		return true
	}
	addr := t.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(g.served.Load().TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// headerRefused tells of a connection that was closed since it did not begin with a header of the PROXY protocol, or was of nobody who is
// trusted with one.
func (g *Gateway) headerRefused(peer net.Addr, err error) {
	if !g.refused.now() {
		return
	}
	args := []any{"client", peer.String()}
	if err == nil {
		args = append(args, "detail", "it is none of trusted_proxies", "do", "connect through the load balancer, or add its address to trusted_proxies")
	} else {
		args = append(args, "detail", err.Error(), "do", "the load balancer must send the PROXY protocol: send-proxy-v2 in HAProxy, proxy_protocol on in nginx's stream; health checks too")
	}
	g.log.Warn("a connection without the PROXY protocol was closed", g.refused.others(args)...)
}

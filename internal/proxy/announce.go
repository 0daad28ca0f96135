package proxy

import (
	"net/netip"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/proxyproto"
)

// announced is what an endpoint is told of a peer's connection by the PROXY protocol. Without addresses, as over a unix socket, it is that
// they are not known.
func announced(p *exchange.Peer) *proxyproto.Header {
	local, err := netip.ParseAddrPort(p.Local)
	if err != nil || !p.Addr.IsValid() {
		return &proxyproto.Header{}
	}
	return &proxyproto.Header{Source: netip.AddrPortFrom(p.Addr.WithZone(""), p.Port), Destination: netip.AddrPortFrom(local.Addr().Unmap().WithZone(""), local.Port())}
}

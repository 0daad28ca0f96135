package proxy

import (
	"bytes"
	"net/netip"

	"github.com/whygate/whygate/internal/httpmsg"
)

// client is a hash of who asks.
func (s *serving) client() uint64 {
	addr, unknown := s.clientAddr()
	if unknown != nil {
		return hash(fnvOffset, unknown)
	}
	return hashAddr(addr)
}

// clientAddr is who asks: the peer's address, or behind trusted proxies the one that the first of them saw. X-Forwarded-For is read
// from its end, as far as each address in it is trusted itself: what is further on the left its client may have written. unknown is
// what stands there in the place of an address: a name that a proxy gives its client (RFC 7239, section 6).
func (s *serving) clientAddr() (addr netip.Addr, unknown []byte) {
	peer := s.x.Peer.Addr.Unmap()
	f := &s.x.Request.Fields
	if !f.Has(httpmsg.XForwardedFor) || !s.snap.trusts(peer) {
		return peer, nil
	}
	for i := f.Len() - 1; i >= 0; i-- {
		if f.ID(i) != httpmsg.XForwardedFor {
			continue
		}
		for rest := f.Value(i); len(rest) > 0; {
			at := bytes.LastIndexByte(rest, ',')
			element := bytes.TrimSpace(rest[at+1:])
			rest = rest[:max(at, 0)]
			if len(element) == 0 {
				continue
			}
			addr, ok := addrOf(element)
			if !ok {
				return addr, element
			}
			if peer = addr; !s.snap.trusts(addr) {
				return addr, nil
			}
		}
	}
	return peer, nil
}

// addrOf reads an element of X-Forwarded-For: an address, which some proxies put a port behind.
func addrOf(element []byte) (netip.Addr, bool) {
	const longest = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%]:65535") + 16
	if len(element) > longest {
		return netip.Addr{}, false
	}
	text := string(element)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		if withPort, fault := netip.ParseAddrPort(text); fault == nil {
			addr, err = withPort.Addr(), nil
		} else if n := len(text); n > 2 && text[0] == '[' && text[n-1] == ']' {
			addr, err = netip.ParseAddr(text[1 : n-1])
		}
	}
	return addr.Unmap().WithZone(""), err == nil
}

// hashAddr is a hash of a client's address: of IPv6 the first 64 bits, for the rest is the client's to choose (RFC 4291, section 2.5.4,
// and RFC 8981).
func hashAddr(a netip.Addr) uint64 {
	b := a.As16()
	if a.Is4() {
		return hash(fnvOffset, b[:])
	}
	return hash(fnvOffset, b[:8])
}

// clientText is the client's address as text: the one that trusted proxies tell of, or the peer's. It is empty where there is none.
func (s *serving) clientText() string {
	if addr, unknown := s.clientAddr(); unknown == nil && addr.IsValid() && addr != s.x.Peer.Addr.Unmap() {
		return addr.String()
	}
	return s.x.Peer.Client
}

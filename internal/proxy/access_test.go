package proxy

import (
	"net/netip"
	"testing"
)

// Everybody is everybody: also who has a zone in the address, or none, as a client behind a unix socket.
func TestDenyAll(t *testing.T) {
	t.Parallel()
	all := NewAccess(nil, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	some := NewAccess([]netip.Prefix{netip.MustParsePrefix("fe80::/10")}, nil)
	for _, tt := range []struct {
		access *Access
		addr   netip.Addr
		want   bool
	}{
		{all, netip.Addr{}, false},
		{all, netip.MustParseAddr("fe80::1%eth0"), false},
		{all, netip.MustParseAddr("::ffff:192.0.2.1"), false},
		{some, netip.MustParseAddr("fe80::1%eth0"), true},
		{some, netip.Addr{}, false},
		{NewAccess(nil, nil), netip.Addr{}, true},
	} {
		if got := tt.access.allows(tt.addr); got != tt.want {
			t.Errorf("%v: %v", tt.addr, got)
		}
	}
}

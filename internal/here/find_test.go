package here

import (
	"net/netip"
	"testing"

	"github.com/whygate/whygate/internal/machine"
)

// TestAcceptorOfTheFamily: a socket of :: takes IPv4 only where none of IPv4's own does.
func TestAcceptorOfTheFamily(t *testing.T) {
	t.Parallel()
	all := []machine.Listener{{Address: netip.MustParseAddrPort("0.0.0.0:80"), Inode: 1}, {Address: netip.MustParseAddrPort("[::]:80"), Inode: 2}, {Address: netip.MustParseAddrPort("127.0.0.2:80"), Inode: 3}}
	for to, want := range map[string]uint64{"127.0.0.1:80": 1, "[::1]:80": 2, "127.0.0.2:80": 3} {
		if l := acceptor(all, []netip.AddrPort{netip.MustParseAddrPort(to)}); l == nil || l.Inode != want {
			t.Errorf("%s: %+v, want %d", to, l, want)
		}
	}
}

// An application whose port is near is more likely meant than a proxy, and that more than what every machine runs.
func TestOthersNamesTheNearestApplication(t *testing.T) {
	t.Parallel()
	var listeners []machine.Listener
	for _, l := range []struct {
		port uint16
		name string
	}{{22, "sshd"}, {20004, "whygate"}, {19005, "whygate"}, {4001, "nginx"}, {9999, "python3"}, {3000, "node"}, {3900, "node"}, {53, "dnsmasq"}} {
		listeners = append(listeners, machine.Listener{Address: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), l.port), Process: &machine.Process{Program: "/usr/bin/" + l.name}})
	}
	if got, want := others(listeners, "3999"), "; listened on are 3900 (node), 9999 (python3), 4001 (nginx)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := others(nil, "1"); got != "" {
		t.Errorf("%q", got)
	}
}

package proxy

import (
	"net/netip"
	"testing"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Two requests are of one client, or of two.
func TestClient(t *testing.T) {
	t.Parallel()
	type from struct {
		peer  string
		lines []string // of X-Forwarded-For
	}
	clientOf := func(f from) uint64 {
		s := &serving{x: &exchange.Exchange{}, snap: &Snapshot{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
		s.x.Peer = &exchange.Peer{Addr: netip.MustParseAddr(f.peer)}
		for _, v := range f.lines {
			s.x.Request.Fields.AppendKnown(httpmsg.XForwardedFor, []byte(v))
		}
		return s.client()
	}
	tests := []struct {
		name string
		a, b from
		same bool
	}{
		{"two addresses", from{peer: "192.0.2.1"}, from{peer: "192.0.2.2"}, false},
		{"IPv4 in IPv6", from{peer: "192.0.2.1"}, from{peer: "::ffff:192.0.2.1"}, true},
		{"one /64", from{peer: "2001:db8::1"}, from{peer: "2001:db8::ffff:2"}, true},
		{"two /64", from{peer: "2001:db8::1"}, from{peer: "2001:db8:0:1::1"}, false},
		{"not believed", from{"192.0.2.1", []string{"198.51.100.1"}}, from{"192.0.2.1", []string{"198.51.100.2"}}, true},
		{"behind a proxy", from{"10.0.0.1", []string{"198.51.100.1"}}, from{peer: "198.51.100.1"}, true},
		{"behind two, on one line", from{"10.0.0.1", []string{"198.51.100.1, 10.0.0.2"}}, from{peer: "198.51.100.1"}, true},
		{"behind two, on two lines", from{"10.0.0.1", []string{"198.51.100.1", "10.0.0.2"}}, from{peer: "198.51.100.1"}, true},
		{"what the client wrote itself", from{"10.0.0.1", []string{"203.0.113.9, 198.51.100.1, fd00::2"}}, from{peer: "198.51.100.1"}, true},
		{"ports", from{"10.0.0.1", []string{"198.51.100.1:1234, 10.0.0.2:80"}}, from{"10.0.0.1", []string{"198.51.100.1:1235"}}, true},
		{"IPv6 and a port", from{"10.0.0.1", []string{"[2001:db8::1]:1234, [fd00::2]"}}, from{peer: "2001:db8::2"}, true},
		{"all are trusted", from{"10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}}, from{peer: "10.0.0.3"}, true},
		{"no address", from{"10.0.0.1", []string{"_a"}}, from{"10.0.0.1", []string{"_b"}}, false},
		{"empty elements", from{"10.0.0.1", []string{"198.51.100.1, ,", ""}}, from{peer: "198.51.100.1"}, true},
		{"nothing in it", from{"10.0.0.1", []string{""}}, from{peer: "10.0.0.1"}, true},
	}
	for _, tt := range tests {
		if same := clientOf(tt.a) == clientOf(tt.b); same != tt.same {
			t.Errorf("%s: one client: %v", tt.name, same)
		}
	}
}

package machine

import (
	"net"
	"net/netip"
	"testing"
)

// FuzzNetlink reads octets as what netlink gives: nothing may panic.
func FuzzNetlink(f *testing.F) {
	f.Add([]byte{16, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, b []byte) { findListener(b, netip.MustParseAddrPort("127.0.0.1:80")) })
}

// TestAcceptQueue: the kernel tells how many may wait where somebody listens, and nothing where nobody does.
func TestAcceptQueue(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	if q := AcceptQueue(at); q == nil || q.Max < 1 || q.Length != 0 {
		t.Errorf("%+v", q)
	}
	_ = l.Close()
	if q := AcceptQueue(at); q != nil {
		t.Errorf("closed: %+v", q)
	}
}

package upstream

import (
	"crypto/x509"
	"net"
	"testing"
)

// A certificate belongs to every connection that showed it: what is kept of it writes nothing into its memory, which crypto/tls shares.
func TestShownLeavesTheCertificate(t *testing.T) {
	names := make([]string, 3, 4)
	copy(names, []string{"a.test", "b.test", "c.test"})
	x := &x509.Certificate{Raw: []byte("x"), DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	var target Target
	target.see([]*x509.Certificate{x})
	if got := target.Shown().Chain[0].Names; len(got) != 4 || got[3] != "127.0.0.1" {
		t.Errorf("the names are %q", got)
	}
	if beyond := names[:4][3]; beyond != "" {
		t.Errorf("the certificate's memory has %q", beyond)
	}
}

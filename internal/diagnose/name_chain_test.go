package diagnose

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/fault"
)

// zoneServer serves names on UDP of loopback: each has an alias, an address, or nothing ("-"); what is not there does not exist. A name
// with "tc" is answered truncated, and there is no TCP.
func zoneServer(t *testing.T, zone map[string]string) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	s := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		name := strings.ToLower(q.Question[0].Name)
		for range 6 {
			data, known := zone[strings.TrimSuffix(name, ".")]
			if _, parent, _ := strings.Cut(strings.TrimSuffix(name, "."), "."); !known {
				data, known = zone["*."+parent]
			}
			header := dns.RR_Header{Name: name, Class: dns.ClassINET, Ttl: 5}
			switch {
			case !known:
				m.Rcode = dns.RcodeNameError
			case data == "tc":
				m.Truncated = true
			case data == "-":
			case net.ParseIP(data) != nil:
				if q.Question[0].Qtype == dns.TypeA {
					header.Rrtype = dns.TypeA
					m.Answer = append(m.Answer, &dns.A{Hdr: header, A: net.ParseIP(data)})
				}
			default:
				header.Rrtype = dns.TypeCNAME
				m.Answer = append(m.Answer, &dns.CNAME{Hdr: header, Target: dns.Fqdn(data)})
				if q.Question[0].Qtype != dns.TypeCNAME {
					name = dns.Fqdn(data)
					continue
				}
			}
			break
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }() // until Shutdown
	<-ready
	t.Cleanup(func() { _ = s.Shutdown() })
	return pc.LocalAddr().String()
}

// TestBrokenLink names the link of a chain of aliases that is broken.
func TestBrokenLink(t *testing.T) {
	t.Parallel()
	server := zoneServer(t, map[string]string{
		"app.test": "lb.test", "lb.test": "gone.cdn.test",
		"old.test": "empty.test", "empty.test": "-",
		"round.test": "about.test", "about.test": "round.test",
		"plain-empty.test": "-", "big.test": "tc",
		"good.test": "web.test", "web.test": "127.0.0.1",
	})
	for host, c := range map[string]struct {
		cause []fault.Cause
		says  string
	}{
		"app.test":         {[]fault.Cause{fault.CauseDNSNXDomain}, "app.test is an alias of lb.test, that of gone.cdn.test: gone.cdn.test does not exist"},
		"old.test":         {[]fault.Cause{fault.CauseDNSNoData}, "old.test is an alias of empty.test: empty.test has no address"},
		"round.test":       {[]fault.Cause{fault.CauseDNSNoData, fault.CauseDNSError, fault.CauseDNSServFail}, "go round in a circle"},
		"nothing.test":     {[]fault.Cause{fault.CauseDNSNXDomain}, "does not exist: name server"},
		"plain-empty.test": {[]fault.Cause{fault.CauseDNSNoData}, "plain-empty.test"},
		"big.test":         {[]fault.Cause{fault.CauseDNSUnreachable, fault.CauseDNSError, fault.CauseDNSTimeout}, "does not fit a datagram"},
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			v := run(t, &Options{URL: "http://" + host + ".", Servers: []string{server}, Timeout: 2 * time.Second}).Verdict
			if !slices.Contains(c.cause, v.Cause) || !strings.Contains(v.Sentence, c.says) {
				t.Errorf("%v, want %v and %q: %s\n%q", v.Cause, c.cause, c.says, v.Sentence, v.Proof)
			}
		})
	}
}

// TestWildcard says of a name whose page is no site's that a wildcard may have caught a typing error.
func TestWildcard(t *testing.T) {
	t.Parallel()
	server := zoneServer(t, map[string]string{"shop.corp.test": "127.0.0.1", "*.corp.test": "127.0.0.1", "shop.only.test": "127.0.0.1"})
	a := serve(t, page(200, "<html><head><title>Welcome to nginx!</title></head><body>nginx.org</body></html>"))
	_, port, _ := net.SplitHostPort(a.Listener.Addr().String())
	for host, caught := range map[string]bool{"shpo.corp.test": true, "shop.only.test": false} {
		v := run(t, &Options{URL: "http://" + host + ":" + port, Servers: []string{server}, Count: 1}).Verdict
		if v.Cause != fault.CauseWrongHost || strings.Contains(v.Sentence, "may be a typing error") != caught {
			t.Errorf("%s: %v: %s", host, v.Cause, v.Sentence)
		}
	}
}

// TestHostsFileIsNamed: the address that a fault was met at comes from the hosts file, and DNS has another.
func TestHostsFileIsNamed(t *testing.T) {
	t.Parallel()
	w := refusedAt(gate)
	w.Name = &Name{Host: "app.test", Addresses: []string{"10.0.0.1"}, HostsFile: []string{"10.0.0.1"}, HostsDiffer: true, Servers: []*ServerSays{{Server: "10.0.0.53:53", A: &DNSAnswer{Answered: true, Addresses: []string{"10.0.0.7"}}, AAAA: &DNSAnswer{Answered: true}}}}
	v := Judge(report(w))
	if v.Cause != fault.CauseConnectionRefused || !strings.Contains(v.Sentence, "the hosts file of this machine has 10.0.0.1 for app.test, and DNS says 10.0.0.7") {
		t.Errorf("%v: %s", v.Cause, v.Sentence)
	}
}

//go:build linux

package gateway_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// nameServer is a name server on loopback that answers by the first label of the name asked for.
func nameServer(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, done := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(resolve), NotifyStartedFunc: func() { close(started) }}
	go func() { defer close(done); _ = s.ActivateAndServe() }() // ends with Shutdown
	<-started
	t.Cleanup(func() { _ = s.Shutdown(); <-done })
	return c.LocalAddr().String()
}

// resolve answers one question.
func resolve(w dns.ResponseWriter, q *dns.Msg) {
	r := new(dns.Msg).SetReply(q)
	label, _, _ := strings.Cut(q.Question[0].Name, ".")
	switch label {
	case "silent":
		return
	case "nodata":
	case "servfail":
		r.Rcode = dns.RcodeServerFailure
	case "refused":
		r.Rcode = dns.RcodeRefused
	case "formerr":
		r.Rcode = dns.RcodeFormatError
	case "notimp":
		r.Rcode = dns.RcodeNotImplemented
	case "bogus":
		r.Rcode = dns.RcodeServerFailure
		extended(q, r, dns.ExtendedErrorCodeDNSBogus, "signature expired")
	case "unreachable":
		r.Rcode = dns.RcodeServerFailure
		extended(q, r, dns.ExtendedErrorCodeNoReachableAuthority, "")
	case "blocked", "censored", "filtered", "prohibited":
		r.Rcode = dns.RcodeNameError
		extended(q, r, map[string]uint16{"blocked": 15, "censored": 16, "filtered": 17, "prohibited": 18}[label], "policy")
	case "dead": // the addresses are of a host that has gone
		addresses(q, r, "127.0.0.3", "127.0.0.4")
	case "moved": // one of the addresses is
		addresses(q, r, "127.0.0.3", "127.0.0.1")
	default:
		r.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(r)
}

func extended(q, r *dns.Msg, code uint16, text string) {
	if q.IsEdns0() == nil {
		return // RFC 6891, section 7: no OPT in an answer to a question without one
	}
	r.SetEdns0(1232, false)
	o := r.IsEdns0()
	o.Option = append(o.Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: text})
}

func addresses(q, r *dns.Msg, all ...string) {
	if q.Question[0].Qtype != dns.TypeA {
		return
	}
	for _, a := range all {
		r.Answer = append(r.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.ParseIP(a)})
	}
}

// TestDNSFaults has the rows in which the endpoint's name gives no address that works.
func TestDNSFaults(t *testing.T) {
	t.Parallel()
	failed := func(cause, rcode string, evidence map[string]any) want {
		return want{
			status: 502, typ: "dns_error", cause: cause, attempts: "0 resolve no_address",
			params: map[string]any{"rcode": rcode}, evidence: evidence,
		}
	}
	with := func(w want, code int64) want { w.params["info-code"] = code; return w }
	server := nameServer(t)
	dead := reserved(t)
	_, port, _ := net.SplitHostPort(dead)
	_, alive, _ := net.SplitHostPort(listen(t, well).address)
	run(t, fmt.Sprintf("resolver: {servers: ['%s'], timeout: 2s}", server), []row{
		{covers: "D1 NXDOMAIN", endpoint: "http://nxdomain.test", want: failed("dns-nxdomain", "NXDOMAIN", nil)},
		{covers: "D1 POST", endpoint: "http://nxdomain.test", request: post(5), want: failed("dns-nxdomain", "NXDOMAIN", nil)},
		{covers: "D2 NODATA", endpoint: "http://nodata.test", want: failed("dns-no-data", "NOERROR", nil)},
		{covers: "D3 SERVFAIL", endpoint: "http://servfail.test", want: failed("dns-servfail", "SERVFAIL", nil)},
		{covers: "D3 SERVFAIL and why", endpoint: "http://unreachable.test", want: with(failed("dns-servfail", "SERVFAIL", nil), 22)},
		{covers: "D4 REFUSED", endpoint: "http://refused.test", want: failed("dns-refused", "REFUSED", nil)},
		{covers: "D4 FORMERR", endpoint: "http://formerr.test", want: failed("dns-error", "FORMERR", nil)},
		{covers: "D4 NOTIMP", endpoint: "http://notimp.test", want: failed("dns-error", "NOTIMP", nil)},
		{
			covers: "D5 silence", endpoint: "http://silent.test",
			want: want{
				status: 504, typ: "dns_timeout", cause: "dns-timeout", attempts: "0 resolve timeout",
				evidence: map[string]any{"timer": "resolver.timeout", "after_ms": 2000},
			},
		},
		{covers: "D7 bogus", endpoint: "http://bogus.test", want: with(failed("dns-bogus", "SERVFAIL", nil), 6)},
		{covers: "D8 blocked", endpoint: "http://blocked.test", want: with(failed("dns-blocked", "NXDOMAIN", nil), 15)},
		{covers: "D8 censored", endpoint: "http://censored.test", want: with(failed("dns-blocked", "NXDOMAIN", nil), 16)},
		{covers: "D8 filtered", endpoint: "http://filtered.test", want: with(failed("dns-blocked", "NXDOMAIN", nil), 17)},
		{covers: "D8 prohibited", endpoint: "http://prohibited.test", want: with(failed("dns-blocked", "NXDOMAIN", nil), 18)},
		{
			covers: "D10 every address is dead", endpoint: "http://dead.test:" + port,
			want: want{status: 502, typ: "connection_refused", cause: "connection-refused", attempts: "0 dial refused"},
		},
		{
			covers: "D10 one address is dead", endpoint: "http://moved.test:" + alive,
			want: want{status: 200, attempts: "1 done", body: wellBody},
		},
	})
}

// TestSecondResolverFault has one name server that is silent and one that answers: the name resolves, in time.
func TestSecondResolverFault(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	_, port, _ := net.SplitHostPort(listen(t, well).address)
	served := want{status: 200, attempts: "1 done", body: wellBody}
	for name, servers := range map[string]string{
		"D5 the first is silent":  fmt.Sprintf("['%s', '%s']", silent.LocalAddr(), nameServer(t)),
		"D5 the second is silent": fmt.Sprintf("['%s', '%s']", nameServer(t), silent.LocalAddr()),
	} {
		run(t, "resolver: {timeout: 12s, servers: "+servers+"}", []row{{covers: name, endpoint: "http://moved.test:" + port, want: served}})
	}
}

// TestResolverClosedFault is D6: nothing listens on the resolver's port.
func TestResolverClosedFault(t *testing.T) {
	t.Parallel()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := c.LocalAddr().String()
	_ = c.Close()
	run(t, fmt.Sprintf("resolver: {servers: ['%s'], timeout: 1s}", address), []row{{
		covers: "D6 closed port", endpoint: "http://app.test",
		want: want{
			status: 502, typ: "dns_error", cause: "dns-unreachable", attempts: "0 resolve no_address",
			params: map[string]any{"rcode": nil}, evidence: map[string]any{"errno_name": "ECONNREFUSED"},
		},
	}})
}

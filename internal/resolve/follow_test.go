package resolve

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A service's records are given whole, for as long as they hold; what is no answer is told with its reason.
func TestServices(t *testing.T) {
	t.Parallel()
	server := serve(t, func(m *dns.Msg, _ bool) {
		switch m.Question[0].Name {
		case "_http._tcp.app.test.":
			m.Answer = []dns.RR{record(t, "_http._tcp.app.test. 30 IN SRV 10 60 8080 A.app.test."), record(t, "_http._tcp.app.test. 20 IN SRV 20 0 8081 b.app.test.")}
		case "_http._tcp.gone.test.":
			m.Answer = []dns.RR{record(t, "_http._tcp.gone.test. 5 IN SRV 0 0 0 .")}
		case "_http._tcp.empty.test.":
		case "_http._tcp.broken.test.":
			m.Rcode = dns.RcodeServerFailure
		default:
			m.Rcode = dns.RcodeNameError
		}
	})
	l := NewLookup([]string{server}, 5*time.Second)
	all, ttl, err := l.Services(t.Context(), "_http._tcp.app.test")
	if got := fmt.Sprint(all, ttl, err); got != "[{a.app.test 8080 10 60} {b.app.test 8081 20 0}] 20s <nil>" {
		t.Error(got)
	}
	if all, ttl, err := l.Services(t.Context(), "_http._tcp.gone.test"); len(all) != 0 || ttl != 5*time.Second || err != nil {
		t.Errorf("a service that is not there: %v, %v, %v", all, ttl, err)
	}
	for name, want := range map[string]string{"empty": "the name has no record of type SRV", "broken": "SERVFAIL", "other": "NXDOMAIN"} {
		_, _, err := l.Services(t.Context(), "_http._tcp."+name+".test")
		var e *net.DNSError
		if !errors.As(err, &e) || e.Err != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	var e *net.DNSError
	if _, _, err := NewLookup([]string{silent.LocalAddr().String()}, 100*time.Millisecond).Services(t.Context(), "_http._tcp.app.test"); !errors.As(err, &e) || !e.IsTimeout {
		t.Errorf("silence: %v", err)
	}
}

// One server that is silent leaves time for the next.
func TestServicesOfTheSecondServer(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	server := serve(t, func(m *dns.Msg, _ bool) {
		m.Answer = []dns.RR{record(t, m.Question[0].Name+" 30 IN SRV 10 60 8080 a.app.test.")}
	})
	if all, _, err := NewLookup([]string{silent.LocalAddr().String(), server}, 2*time.Second).Services(t.Context(), "_http._tcp.app.test"); len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// How long addresses hold is the least of both families.
func TestTTL(t *testing.T) {
	t.Parallel()
	server := serve(t, func(m *dns.Msg, _ bool) {
		switch q := m.Question[0]; {
		case q.Name == "app.test." && q.Qtype == dns.TypeA:
			m.Answer = []dns.RR{record(t, "app.test. 60 IN CNAME www.test."), record(t, "www.test. 30 IN A 192.0.2.7")}
		case q.Name == "app.test.":
			m.Answer = []dns.RR{record(t, "app.test. 12 IN AAAA 2001:db8::7")}
		default:
			m.Rcode = dns.RcodeNameError
		}
	})
	l := NewLookup([]string{server}, 5*time.Second)
	if ttl, known := l.TTL(t.Context(), "app.test"); ttl != 12*time.Second || !known {
		t.Errorf("%v, %v", ttl, known)
	}
	if _, known := l.TTL(t.Context(), "other.test"); known {
		t.Error("a name that does not exist holds")
	}
}

// A name that the search list makes, and that is there without such records, as under a wildcard, does not hide the one that was meant.
func TestSearchListUnderAWildcard(t *testing.T) {
	t.Parallel()
	server := serve(t, func(m *dns.Msg, _ bool) {
		if q := m.Question[0]; q.Name == "_http._tcp.app.test." {
			m.Answer = []dns.RR{record(t, "_http._tcp.app.test. 30 IN SRV 10 60 8080 a.app.test.")}
		} else if q.Name == "other.test." {
			m.Rcode = dns.RcodeNameError
		}
	})
	a, failed := askServer(t.Context(), server, []string{"_http._tcp.app.test.corp.test.", "_http._tcp.app.test."}, dns.TypeSRV)
	if failed != nil || len(a.Services) != 1 {
		t.Errorf("%v, %v", a.Services, failed)
	}
	if a, failed := askServer(t.Context(), server, []string{"other.test.corp.test.", "other.test."}, dns.TypeSRV); failed != nil || a.RCode != dns.RcodeSuccess {
		t.Errorf("one that is there in part is not there: %v", failed)
	}
}

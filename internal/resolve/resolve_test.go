package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/openfile"
)

// serve answers each question by UDP and TCP on one loopback address as say does, and gives the address.
func serve(t *testing.T, say func(m *dns.Msg, tcp bool)) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Skip("the port is taken by TCP: ", err)
	}
	for _, s := range []*dns.Server{{PacketConn: pc}, {Listener: l}} {
		s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg)
			m.SetReply(q)
			_, tcp := w.LocalAddr().(*net.TCPAddr)
			say(m, tcp)
			_ = w.WriteMsg(m)
		})
		go func() { _ = s.ActivateAndServe() }() // ends with Shutdown
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

func record(t *testing.T, line string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(line)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// What one server says is told whole: aliases, addresses, the least time to live, the code and the extended error, and by what it came.
func TestAsk(t *testing.T) {
	t.Parallel()
	server := serve(t, func(m *dns.Msg, tcp bool) {
		switch m.Question[0].Name {
		case "app.test.":
			m.Answer = []dns.RR{record(t, "app.test. 60 IN CNAME www.test."), record(t, "www.test. 30 IN A 192.0.2.7")}
		case "large.test.":
			if m.Truncated = !tcp; tcp {
				m.Answer = []dns.RR{record(t, "large.test. 5 IN A 192.0.2.8")}
			}
		case "bogus.test.":
			m.SetEdns0(1232, true)
			m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeDNSBogus, ExtraText: "no signature"})
			m.Rcode = dns.RcodeServerFailure
		default:
			m.Rcode = dns.RcodeNameError
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if a := Ask(ctx, server, "app.test", dns.TypeA, false); !a.Answered || a.TTL != 30 || a.EDE != -1 || !slices.Equal(a.Aliases, []string{"www.test"}) || !slices.Equal(a.Addresses, []netip.Addr{netip.MustParseAddr("192.0.2.7")}) {
		t.Errorf("an alias: %+v", a)
	}
	if a := Ask(ctx, server, "large.test", dns.TypeA, false); !a.TCP || !a.Truncated || len(a.Addresses) != 1 {
		t.Errorf("more than a datagram holds: %+v", a)
	}
	if a := Ask(ctx, server, "bogus.test", dns.TypeA, false); a.RCode != dns.RcodeServerFailure || a.EDE != int32(dns.ExtendedErrorCodeDNSBogus) || a.EDEText != "no signature" {
		t.Errorf("an extended error: %+v", a)
	}
	if a := Ask(ctx, server, "none.test", dns.TypeA, false); !a.Answered || a.RCode != dns.RcodeNameError || a.EDE != -1 {
		t.Errorf("no such name: %+v", a)
	}
	closed, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if a := Ask(ctx, closed.LocalAddr().String(), "app.test", dns.TypeA, false); a.Answered || a.Errno != syscall.ECONNREFUSED {
		t.Errorf("nobody listens: %+v", a)
	}
}

// The servers are asked in turn, and the one that answered is asked first the next time. A name that does not exist is an answer.
func TestLookupTakesTheNextServer(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	good := serve(t, func(m *dns.Msg, _ bool) {
		if m.Question[0].Name != "app.test." {
			m.Rcode = dns.RcodeNameError
		} else if m.Question[0].Qtype == dns.TypeA {
			m.Answer = []dns.RR{record(t, "app.test. 60 IN A 192.0.2.9")}
		}
	})
	l := NewLookup([]string{silent.LocalAddr().String(), good}, 4*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 2 {
		if got, err := l.Addresses(ctx, "app.test."); err != nil || !slices.Contains(got, netip.MustParseAddr("192.0.2.9")) {
			t.Fatalf("%v, %v", got, err)
		}
	}
	if l.first.Load() != 1 {
		t.Error("the server that answers is not the first now")
	}
	var e *net.DNSError
	if _, err := l.Addresses(ctx, "none.test."); !errors.As(err, &e) || !e.IsNotFound || e.Server != good {
		t.Errorf("no such name: %v", err)
	}
}

// In a container /etc/resolv.conf is what its maker put there: nothing is waited for, and nothing read without end.
func TestSystemMayBeAnything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(large, append([]byte("nameserver 10.0.0.53\n"), make([]byte, fileMax)...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{pipe, "/dev/zero", dir, large, filepath.Join(dir, "none")} {
		if conf, err := System(t.Context(), file); err == nil {
			t.Errorf("%s: %v", file, conf)
		}
	}
	if _, err := System(t.Context(), pipe); !errors.As(err, new(*openfile.NotRegularError)) {
		t.Errorf("of a FIFO it is said: %v", err)
	}
}

func TestServersHavePorts(t *testing.T) {
	t.Parallel()
	got := Servers([]string{"10.0.0.53", "10.0.0.53:5353", "2001:db8::53", "[2001:db8::53]", "[2001:db8::53]:5353"})
	want := []string{"10.0.0.53:53", "10.0.0.53:5353", "[2001:db8::53]:53", "[2001:db8::53]:53", "[2001:db8::53]:5353"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

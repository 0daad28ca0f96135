package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/fault"
)

// Resolver turns names into addresses. It asks as the system would (hosts file, search list), or the servers it was told,
// and remembers an answer for a few seconds. When a name fails it asks once more with a query of its own, since the
// standard library keeps neither the response code nor the extended error.
type Resolver struct {
	servers []string // host:port; empty means those of the system
	timeout time.Duration
	lookup  *net.Resolver

	mu    sync.Mutex // guards known
	known map[string]*answer
}

// answer is one name's addresses, or the lookup that will find them.
type answer struct {
	done  chan struct{} // closed when the fields below are set
	addrs []netip.Addr
	ev    fault.Evidence // how it failed
	ok    bool
	until time.Time
}

const (
	// answerTTL is how long an answer is used again. The system's resolver does not tell the record's TTL, so it is short:
	// it only keeps a burst of connections from becoming a burst of queries.
	answerTTL = 2 * time.Second
	// knownMax bounds the names remembered.
	knownMax = 4096
)

// NewResolver makes a resolver. Servers are addresses with or without a port; none means the system's.
func NewResolver(servers []string, timeout time.Duration) *Resolver {
	r := &Resolver{timeout: timeout, lookup: net.DefaultResolver, known: map[string]*answer{}}
	for _, s := range servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), "53")
		}
		r.servers = append(r.servers, s)
	}
	if len(r.servers) > 0 {
		r.lookup = &net.Resolver{PreferGo: true, Dial: r.dialServer()}
	}
	return r
}

// dialServer makes the standard resolver ask our servers, the next one after each failed try.
func (r *Resolver) dialServer() func(context.Context, string, string) (net.Conn, error) {
	var mu sync.Mutex // guards next
	next := 0
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		mu.Lock()
		server := r.servers[next%len(r.servers)]
		next++
		mu.Unlock()
		var d net.Dialer
		return d.DialContext(ctx, network, server)
	}
}

// resolve finds a name's addresses. An address is its own answer.
func (r *Resolver) resolve(ctx context.Context, host string, ev *fault.Evidence) ([]netip.Addr, bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, true
	}
	r.mu.Lock()
	a := r.known[host]
	mine := a == nil || !a.until.IsZero() && time.Now().After(a.until)
	if mine {
		if len(r.known) >= knownMax {
			clear(r.known)
		}
		a = &answer{done: make(chan struct{})}
		r.known[host] = a
	}
	r.mu.Unlock()
	if mine {
		r.ask(ctx, host, a)
		r.mu.Lock()
		a.until = time.Now().Add(answerTTL)
		if !a.ok && r.known[host] == a {
			delete(r.known, host) // a failure is not remembered: the next request asks again
		}
		r.mu.Unlock()
		close(a.done)
	} else {
		<-a.done // the one who asks has a bound
	}
	if !a.ok {
		ev.End, ev.Errno, ev.DNS, ev.Timer, ev.After, ev.Detail = a.ev.End, a.ev.Errno, a.ev.DNS, a.ev.Timer, a.ev.After, a.ev.Detail
	}
	return a.addrs, a.ok
}

// ask looks a name up and, if that fails, finds out why.
func (r *Resolver) ask(ctx context.Context, host string, a *answer) {
	ctx, cancel := bounded(ctx, r.timeout)
	defer cancel()
	addrs, err := r.lookup.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) > 0 {
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		a.addrs, a.ok = addrs, true
		return
	}
	a.ev.End = fault.NoAddress
	a.ev.Detail = text(err)
	a.ev.DNS, a.ev.Errno = r.inquire(host)
	var e *net.DNSError
	if errors.As(err, &e) && e.IsTimeout && !a.ev.DNS.Answered || ctx.Err() != nil && !a.ev.DNS.Answered {
		a.ev.End, a.ev.Timer, a.ev.After = fault.Timeout, fault.TimerResolve, r.timeout
	}
}

// inquireTimeout bounds the query that finds out why a name failed.
const inquireTimeout = time.Second

// inquire sends one EDNS0 query to learn the response code and the extended error (RFC 8914).
// The errno says why no server could be asked, 0 if one answered or all were silent.
func (r *Resolver) inquire(host string) (out *fault.DNS, errno syscall.Errno) {
	out = &fault.DNS{Name: host, EDE: -1}
	servers, names := r.servers, []string{dns.Fqdn(host)}
	if sys, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
		names = sys.NameList(host)
		if len(servers) == 0 {
			for _, s := range sys.Servers {
				servers = append(servers, net.JoinHostPort(s, sys.Port))
			}
		}
	}
	for _, server := range servers[:min(len(servers), 3)] {
		out.Server = server
		for _, name := range names[:min(len(names), 3)] {
			var answered bool
			if answered, errno = query(out, server, name); !answered || out.RCode == dns.RcodeSuccess {
				break // else the search list's next name may know more; the last answer counts
			}
		}
		if out.Answered {
			return out, 0
		}
	}
	return out, errno
}

// query sends one question and reports whether it was answered.
func query(out *fault.DNS, server, name string) (bool, syscall.Errno) {
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	m.SetEdns0(1232, true) // 1232: the size that passes every path, per DNS flag day 2020
	c := dns.Client{Timeout: inquireTimeout}
	in, _, err := c.Exchange(m, server)
	if err == nil && in.Truncated {
		c.Net = "tcp"
		in, _, err = c.Exchange(m, server)
	}
	if err != nil {
		var errno syscall.Errno
		if !os.IsTimeout(err) {
			errors.As(err, &errno)
		}
		return false, errno
	}
	out.Answered, out.RCode, out.EDE, out.EDEText = true, uint16(in.Rcode), -1, ""
	if opt := in.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				out.EDE, out.EDEText = int32(e.InfoCode), e.ExtraText
			}
		}
	}
	return true, 0
}

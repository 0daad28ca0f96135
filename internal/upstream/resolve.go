package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
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
	lookups []*net.Resolver // one per server, or the system's
	first   atomic.Int32    // the one that answered last

	mu    sync.Mutex // guards known
	known map[string]*answer
}

// answer is one name's addresses, or the lookup that will find them.
type answer struct {
	done  chan struct{} // closed when the fields below are set
	addrs []netip.Addr
	ev    fault.Evidence // how it failed
	ok    bool
	bug   *Panic // a bug of ours, for each who waited
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
	r := &Resolver{timeout: timeout, known: map[string]*answer{}}
	for _, s := range servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			s = net.JoinHostPort(strings.Trim(s, "[]"), "53")
		}
		r.servers = append(r.servers, s)
	}
	for _, server := range r.servers {
		r.lookups = append(r.lookups, &net.Resolver{PreferGo: true, Dial: r.dialServer(server)})
	}
	if len(r.lookups) == 0 {
		r.lookups = []*net.Resolver{net.DefaultResolver}
	}
	return r
}

// dialServer makes the standard resolver ask our server instead of the system's.
func (r *Resolver) dialServer(server string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, server)
		if err == nil && r.timeout > 0 {
			// net.Resolver gives each try five seconds, which may be all there is, and does not look at ctx while it reads.
			share := r.timeout / time.Duration(tries*len(r.servers))
			try := time.AfterFunc(share, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
			context.AfterFunc(ctx, func() { try.Stop(); _ = c.Close() }) // ctx ends with the try at the latest
		}
		return c, err
	}
}

// tries is how often net.Resolver asks at least before it gives a name up.
const tries = 2

// look asks one server after another until one knows whether the name exists, beginning with the one that did last time.
func (r *Resolver) look(ctx context.Context, host string) (addrs []netip.Addr, err error) {
	first := int(r.first.Load())
	for i := range r.lookups {
		at := (first + i) % len(r.lookups)
		share, cancel := ctx, context.CancelFunc(func() {})
		if end, ok := ctx.Deadline(); ok {
			share, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(len(r.lookups)-i))
		}
		addrs, err = r.lookups[at].LookupNetIP(share, "ip", host)
		cancel()
		var e *net.DNSError
		if errors.As(err, &e) && len(r.servers) > 0 {
			e.Server = r.servers[at] // net.Resolver believes that it asked the system's
		}
		if err == nil || e != nil && e.IsNotFound {
			r.first.Store(int32(at))
			break
		}
	}
	return addrs, err
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
		// Others may wait for the same answer, so it is not bound to the one who asked first: he may leave. It ends by timeout.
		go r.answer(host, a)
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		ev.End = fault.Timeout
		return nil, false
	}
	if a.bug != nil {
		panic(a.bug)
	}
	if !a.ok {
		ev.End, ev.Errno, ev.DNS, ev.Timer, ev.After, ev.Detail = a.ev.End, a.ev.Errno, a.ev.DNS, a.ev.Timer, a.ev.After, a.ev.Detail
	}
	return a.addrs, a.ok
}

// answer looks a name up for all who wait for it.
func (r *Resolver) answer(host string, a *answer) {
	defer close(a.done)
	defer func() {
		r.mu.Lock()
		a.until = time.Now().Add(answerTTL)
		if !a.ok && r.known[host] == a {
			delete(r.known, host) // a failure is not remembered: the next request asks again
		}
		r.mu.Unlock()
	}()
	defer caught(&a.bug)
	r.ask(host, a)
}

// ask looks a name up and, if that fails, finds out why.
func (r *Resolver) ask(host string, a *answer) {
	ctx, cancel := bounded(context.Background(), r.timeout)
	defer cancel()
	addrs, err := r.look(ctx, host)
	if err == nil && len(addrs) > 0 {
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		a.addrs, a.ok = addrs, true
		return
	}
	a.ev.End = fault.NoAddress
	a.ev.Detail = text(err)
	var e *net.DNSError
	silent := errors.As(err, &e) && e.IsTimeout || ctx.Err() != nil
	left := inquireTimeout
	if end, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(end))
	}
	if !silent {
		left = max(left, inquireLeast) // somebody answered, so it is worth a little more than the time there is
	}
	a.ev.DNS, a.ev.Errno = r.inquire(host, left)
	if silent && !a.ev.DNS.Answered {
		a.ev.End, a.ev.Timer, a.ev.After = fault.Timeout, fault.TimerResolve, r.timeout
	}
}

// inquireTimeout bounds the queries that find out why a name failed, within what is left of resolver.timeout.
const (
	inquireTimeout = time.Second
	inquireLeast   = 250 * time.Millisecond
)

// inquire sends one EDNS0 query to learn the response code and the extended error (RFC 8914).
// The errno says why no server could be asked, 0 if one answered or all were silent.
func (r *Resolver) inquire(host string, left time.Duration) (out *fault.DNS, errno syscall.Errno) {
	out = &fault.DNS{Name: host, EDE: -1}
	end := time.Now().Add(left)
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
		if time.Until(end) <= 0 {
			break // the lookup itself took all the time there was
		}
		for _, name := range names[:min(len(names), 3)] {
			var answered bool
			if answered, errno = query(out, server, name, time.Until(end)); !answered || out.RCode == dns.RcodeSuccess {
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
func query(out *fault.DNS, server, name string, left time.Duration) (bool, syscall.Errno) {
	m := new(dns.Msg)
	m.SetQuestion(name, dns.TypeA)
	m.SetEdns0(1232, true)                                // 1232: the size that passes every path, per DNS flag day 2020
	c := dns.Client{Timeout: max(left, time.Millisecond)} // 0 would be the client's default
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

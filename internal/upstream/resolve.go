package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/resolve"
)

// Resolver turns names into addresses. It asks as the system would (hosts file, search list), or the servers it was told,
// and remembers an answer for a few seconds. When a name fails it asks once more with a query of its own, since the
// standard library keeps neither the response code nor the extended error.
type Resolver struct {
	servers []string // as they were told; none means those of the system
	timeout time.Duration
	lookup  *resolve.Lookup

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
	return &Resolver{servers: servers, timeout: timeout, lookup: resolve.NewLookup(servers, timeout), known: map[string]*answer{}}
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
	defer Caught(&a.bug)
	r.ask(host, a)
}

// ask looks a name up and, if that fails, finds out why.
func (r *Resolver) ask(host string, a *answer) {
	ctx, cancel := bounded(context.Background(), r.timeout)
	defer cancel()
	addrs, err := r.lookup.Addresses(ctx, host)
	if err == nil && len(addrs) > 0 {
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

// inquire asks the servers one question each to learn the response code and the extended error (RFC 8914).
// The errno says why no server could be asked, 0 if one answered or all were silent.
func (r *Resolver) inquire(host string, left time.Duration) (out *fault.DNS, errno syscall.Errno) {
	out = &fault.DNS{Name: host, EDE: -1}
	ctx, cancel := context.WithTimeout(context.Background(), left)
	defer cancel()
	names, servers := resolve.Questions(ctx, host, r.servers)
	for _, server := range servers {
		out.Server = server
		if ctx.Err() != nil {
			break // the lookup itself took all the time there was
		}
		for _, name := range names {
			a := resolve.Ask(ctx, server, name, dns.TypeA, false)
			if errno = a.Errno; a.Answered {
				out.Answered, out.RCode, out.EDE, out.EDEText = true, a.RCode, a.EDE, a.EDEText
			}
			if !a.Answered || a.RCode == dns.RcodeSuccess {
				break // else the search list's next name may know more; the last answer counts
			}
		}
		if out.Answered {
			return out, 0
		}
	}
	return out, errno
}

package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/mono"
)

// Options are a pool's settings as far as one attempt needs them. Durations of 0 are no bound.
type Options struct {
	Connect  time.Duration // bound on opening the transport connection, over all addresses
	TLS      time.Duration // bound on the TLS handshake
	Write    time.Duration // bound on waiting for room to write
	Head     time.Duration // from the request's last octet to the last octet of the response head
	Read     time.Duration // bound on the gap between two reads of a body
	Idle     time.Duration // how long an unused connection is kept
	HeadMax  int           // octets of a response head
	TLSConf  *tls.Config   // for https endpoints; ServerName empty is the endpoint's host
	Resolver *Resolver

	// Refuse reports whether an address is not to be dialed: a name with such an address is not dialed at all. Nil refuses none.
	Refuse func(netip.Addr) bool
}

// idleMax is how many unused connections are kept per endpoint: more than that many clients at once is rare, and each
// costs the endpoint a descriptor.
const idleMax = 1024

// Target is one endpoint with the connections to it that may be used again.
type Target struct {
	Endpoint
	Options
	tlsConf *tls.Config

	mu     sync.Mutex // guards the fields below
	idle   []*Conn    // the last one used is last, so that a quiet pool shrinks
	closed bool
	names  addresses // what the endpoint's name was found to stand for
	era    int       // counts Renew

	suspicion suspicion
}

// Conn is a connection to an endpoint.
type Conn struct {
	*conn.Conn
	target *Target
	addr   string
	era    int       // the target's when it was opened
	nth    uint32    // exchanges begun on it
	since  mono.Time // when it became idle
	whole  Whole     // of the exchange it is used by, for who sends the request body

	mu       sync.Mutex // guards answered: who sends the body sets a deadline for the head only while it is awaited
	answered bool

	sent int64 // the counters as they stood when the exchange began
	got  int64
}

// New makes a target. It opens nothing.
func New(e Endpoint, o Options) *Target {
	t := &Target{Endpoint: e, Options: o}
	if e.Secure {
		t.tlsConf = clientConfig(&t.Endpoint, o.TLSConf)
	}
	return t
}

// take returns the idle connection that was used last, nil if there is none.
//
// hot: once per attempt.
func (t *Target) take(now mono.Time) *Conn {
	t.mu.Lock()
	n := len(t.idle)
	if n == 0 {
		t.mu.Unlock()
		return nil
	}
	c := t.idle[n-1]
	t.idle[n-1] = nil
	t.idle = t.idle[:n-1]
	t.mu.Unlock()
	if t.Idle > 0 && now.Sub(c.since) > t.Idle {
		c.Close()
		return t.take(now)
	}
	return c
}

// put keeps a connection for another exchange.
func (t *Target) put(c *Conn, now mono.Time) {
	c.since = now
	c.Release()
	t.mu.Lock()
	t.names.used = true
	if t.closed || len(t.idle) >= idleMax || t.Idle == 0 || c.era != t.era || t.names.vanished(c.addr) {
		t.mu.Unlock()
		c.Close()
		return
	}
	t.idle = append(t.idle, c)
	t.mu.Unlock()
}

// Sweep closes the idle connections that have been unused for too long, that the endpoint has closed, or whose address its
// name does not stand for any more. Call it about once a second: nothing else checks connections that stay idle. Each look is
// a system call, so they are made while nobody else has to wait for them.
func (t *Target) Sweep() {
	now := mono.Now()
	t.mu.Lock()
	looked := make([]resting, 0, len(t.idle))
	for _, c := range t.idle {
		looked = append(looked, resting{c, c.since, t.Idle > 0 && now.Sub(c.since) > t.Idle || t.names.vanished(c.addr)})
	}
	t.mu.Unlock()
	for i := range looked {
		looked[i].over = looked[i].over || looked[i].conn.Gone()
	}
	for _, c := range t.remove(looked) {
		c.Close()
	}
}

// resting is an idle connection, and whether it is to be closed if it still rests as it did at since.
type resting struct {
	conn  *Conn
	since mono.Time
	over  bool
}

// remove takes from the idle connections those of looked that are over, and gives them to the caller. One that was used
// meanwhile, and perhaps came back, is let be.
func (t *Target) remove(looked []resting) (gone []*Conn) {
	over := make(map[*Conn]mono.Time)
	for _, r := range looked {
		if r.over {
			over[r.conn] = r.since
		}
	}
	if len(over) == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.idle[:0]
	for _, c := range t.idle {
		if since, ok := over[c]; ok && c.since == since {
			gone = append(gone, c)
		} else {
			kept = append(kept, c)
		}
	}
	clear(t.idle[len(kept):])
	t.idle = kept
	return gone
}

// IdleCount is how many connections are kept for another request.
func (t *Target) IdleCount() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.idle)
}

// Close closes the idle connections; those in use are closed when their exchange ends.
func (t *Target) Close() { t.end(true) }

// Renew is Close of a target that goes on: what was verified when its connections were opened may hold no more.
func (t *Target) Renew() { t.end(false) }

func (t *Target) end(closed bool) {
	t.mu.Lock()
	idle := t.idle
	t.idle, t.closed = nil, t.closed || closed
	t.era++
	t.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
}

// dialAll resolves, dials and shakes hands. It ends soon after ctx does.
func (t *Target) dialAll(ctx context.Context, ev *fault.Evidence, now mono.Time) *Conn {
	t.mu.Lock()
	era := t.era
	t.mu.Unlock()
	var nc net.Conn
	if t.Network == "unix" {
		nc = t.dialUnix(ctx, ev)
	} else {
		ev.Stage = fault.Resolve
		addrs, ok := t.Resolver.resolve(ctx, t.Host, ev)
		now = stamp(ev, fault.Resolve, now)
		if !ok {
			return nil
		}
		if t.Refuse != nil && slices.ContainsFunc(addrs, t.Refuse) {
			ev.End, ev.Detail = fault.NoAddress, "its address is not to be dialed"
			return nil
		}
		t.learn(addrs, now)
		nc = t.dialTCP(ctx, ev, addrs)
	}
	now = stamp(ev, fault.Dial, now)
	if nc == nil {
		return nil
	}
	c := &Conn{target: t, addr: ev.Addr, era: era}
	if !t.Secure {
		c.Conn = conn.New(nc)
	} else {
		ev.Stage = fault.TLS
		heard := &overheard{}
		c.Conn = conn.NewTLS(nc, func(nc net.Conn) *tls.Conn {
			heard.Conn = nc
			return t.client(heard, &ev.ClientCert)
		})
		ok := t.handshake(ctx, c, ev, heard)
		stamp(ev, fault.TLS, now)
		if !ok {
			c.Close()
			return nil
		}
	}
	c.SetMax(max(t.HeadMax, 16<<10))
	return c
}

// stamp adds the time since then to a stage and returns the present.
func stamp(ev *fault.Evidence, s fault.Stage, then mono.Time) mono.Time {
	now := mono.Now()
	ev.Spent[s] += time.Duration(now - then)
	return now
}

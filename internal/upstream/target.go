package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
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
	Idle     time.Duration // how long an unused connection is kept at most
	Learn    IdleRule      // whether it is kept for less where the endpoint closes earlier
	HeadMax  int           // octets of a response head
	Protocol Protocol
	TLSConf  *tls.Config // for https endpoints; ServerName empty is the endpoint's host
	Resolver *Resolver
	Announce int // the version of the PROXY protocol that each connection begins with, 0 for none: none is used for another exchange then

	// Refuse reports whether an address is not to be dialed: a name with such an address is not dialed at all. Nil refuses none.
	Refuse func(netip.Addr) bool
}

// IdleRule says whether Options.Idle gives way to what an endpoint shows of its own limit on idle time.
type IdleRule bool

// The two rules.
const (
	IdleFixed   IdleRule = false
	IdleLearned IdleRule = true
)

// idleMax is how many unused connections are kept per endpoint: more than that many clients at once is rare, and each
// costs the endpoint a descriptor.
const idleMax = 1024

// Target is one endpoint with the connections to it that may be used again.
type Target struct {
	Endpoint
	Options
	tlsConf    *tls.Config   // for connections of HTTP/1.1
	tlsShared  *tls.Config   // for those that may turn out to speak HTTP/2
	protocol   Protocol      // Options.Protocol, and what the endpoint's scheme says
	negotiates bool          // HTTP/2 is offered in the TLS handshake
	streams    atomic.Uint32 // how many streams the endpoint takes on a link, as it said last; 0 if it has not

	mu     sync.Mutex // guards the fields below
	idle   []*Conn    // the last one used is last, so that a quiet pool shrinks
	closed bool
	names  addresses // what the endpoint's name was found to stand for
	era    int       // counts Renew
	habits manners   // how the endpoint ends connections

	said atomic.Int64 // nanoseconds: the timeout parameter of its last Keep-Alive field, 0 for none

	sharing

	suspicion suspicion

	shown atomic.Pointer[Shown] // the chain seen at the last handshake
	of    *Target               // the target that this one is Apart of, which is told of what is seen; nil for most
	only2 bool                  // but not that the endpoint wants HTTP/1.1: ApartForHTTP2
}

// Conn is a connection to an endpoint.
type Conn struct {
	*conn.Conn
	target *Target
	addr   string
	http2  bool      // HTTP/2 was agreed on, or is known
	link   *link     // what it became then
	era    int       // the target's when it was opened
	nth    uint32    // exchanges begun on it
	since  mono.Time // when it became idle
	alive  mono.Time // when it was last seen open since then, 0 if nobody looked; Target.mu guards it
	whole  Whole     // of the exchange it is used by, for who sends the request body

	mu       sync.Mutex // guards answered: who sends the body sets a deadline for the head only while it is awaited
	answered bool

	sent int64 // the counters as they stood when the exchange began
	got  int64
}

// New makes a target. It opens nothing.
func New(e Endpoint, o Options) *Target {
	t := &Target{Endpoint: e, Options: o, protocol: o.Protocol}
	if o.Announce != 0 {
		t.Options.Idle, t.Learn, t.protocol = 0, IdleFixed, ProtocolHTTP1
	}
	if e.Prior {
		t.protocol = ProtocolHTTP2
	}
	if e.Secure {
		t.negotiates = t.protocol != ProtocolHTTP1
		t.tlsConf = clientConfig(&t.Endpoint, o.TLSConf, "http/1.1")
		switch t.protocol {
		case ProtocolAuto:
			t.tlsShared = clientConfig(&t.Endpoint, o.TLSConf, "h2", "http/1.1")
		case ProtocolHTTP2:
			t.tlsShared = clientConfig(&t.Endpoint, o.TLSConf, "h2")
		}
	}
	return t
}

// Inherit takes over what another target of the same endpoint has learned of it, whatever the settings of the two are: how it ends connections, how
// many streams it takes, that it wants HTTP/1.1, what certificate it showed. It is called before the target is used.
func (t *Target) Inherit(old *Target) {
	old.mu.Lock()
	if old.Options.Announce == 0 && t.Options.Announce == 0 {
		t.habits = old.habits
	}
	old.mu.Unlock()
	t.said.Store(old.said.Load())
	t.streams.Store(old.streams.Load())
	t.shown.Store(old.shown.Load())
	if old.protocol == ProtocolAuto && t.protocol == ProtocolAuto { // one of HTTP/2 alone asks for nothing else
		t.http1.Store(old.http1.Load())
	}
	t.suspicion.answered.Store(old.suspicion.answered.Load())
}

// take returns an idle connection, nil if there is none that may be used: the one that was used last, or the one that rests
// longest where the endpoint must show first that it keeps connections open. again says that the request may be sent again.
//
// hot: once per attempt.
func (t *Target) take(again bool, now mono.Time) *Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		n := len(t.idle)
		if n == 0 {
			return nil
		}
		if !t.habits.proven(again, now) {
			return t.rested(now)
		}
		c := t.idle[n-1]
		t.idle[n-1] = nil
		t.idle = t.idle[:n-1]
		if t.Idle <= 0 || now.Sub(c.since) <= t.idleTime(now) {
			return c
		}
		t.mu.Unlock()
		c.Close()
		t.mu.Lock()
	}
}

// rested is the connection that rests longest, if that is long enough for its FIN to have come, and not too long. t.mu is held.
func (t *Target) rested(now mono.Time) *Conn {
	c := t.idle[0]
	if age := now.Sub(c.since); age < settle || t.Idle > 0 && age > t.idleTime(now) {
		return nil
	}
	t.idle = slices.Delete(t.idle, 0, 1)
	return c
}

// idleTime is how long a connection may rest now. t.mu is held.
func (t *Target) idleTime(now mono.Time) time.Duration {
	if t.Learn == IdleFixed {
		return t.Idle
	}
	return t.habits.idle(t.Idle, time.Duration(t.said.Load()), now)
}

// put keeps a connection for another exchange.
func (t *Target) put(c *Conn, now mono.Time) {
	c.Release()
	t.mu.Lock()
	c.since, c.alive = now, 0
	t.names.used = true
	t.habits.carried(c.nth)
	if t.closed || len(t.idle) >= idleMax || t.Idle == 0 || c.era != t.era || t.names.vanished(c.addr) || !t.habits.keeps(c.nth, len(t.idle), now) {
		t.mu.Unlock()
		c.Close()
		return
	}
	t.idle = append(t.idle, c)
	t.mu.Unlock()
}

// gone notes that the endpoint had ended a connection that rested after so many exchanges, found now that it was to be used.
func (t *Target) gone(c *Conn, exchanges uint32, now mono.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := span{hi: now.Sub(c.since)}
	if c.alive != 0 {
		s.lo = c.alive.Sub(c.since)
	}
	t.habits.ended(exchanges, s, now)
}

// Said notes the timeout parameter of a Keep-Alive field: how long the endpoint says that it keeps an idle connection.
func (a *Attempt) Said(timeout time.Duration) {
	if t := a.target; t.said.Load() != int64(timeout) { // read first: a write would take the line from other cores
		t.said.Store(int64(timeout))
	}
}

// raceLate is how long after a request was written the end of its connection may still be one that had crossed with it.
const raceLate = 2 * time.Second

// raced learns from a request that crossed with the end of its idle connection, and says in the evidence what was learned.
func (a *Attempt) raced() {
	ev := &a.Evidence
	if !ev.Reused || ev.Got > 0 || ev.End != fault.Closed && ev.End != fault.Reset || ev.Spent[fault.Write]+ev.Spent[fault.FirstByte] > raceLate {
		return
	}
	now := mono.Now()
	t, c := a.target, a.conn
	t.gone(c, c.nth-1, c.since.Add(ev.Idle))
	t.mu.Lock()
	ev.Detail = t.habits.text(t.idleTime(now))
	t.mu.Unlock()
}

// Sweep closes the idle connections that have been unused for too long, that the endpoint has closed, or whose address its
// name does not stand for any more. Call it about once a second: nothing else checks connections that stay idle. Each look is
// a system call, so they are made while nobody else has to wait for them.
func (t *Target) Sweep() {
	now := mono.Now()
	t.mu.Lock()
	most := t.idleTime(now)
	looked := make([]resting, 0, len(t.idle))
	for _, c := range t.idle {
		looked = append(looked, resting{conn: c, since: c.since, over: t.Idle > 0 && now.Sub(c.since) > most || t.names.vanished(c.addr)})
	}
	t.mu.Unlock()
	for i := range looked {
		if !looked[i].over {
			looked[i].dead = looked[i].conn.Gone()
		}
	}
	for _, c := range t.remove(looked, now) {
		c.Close()
	}
	t.sweepLinks(now)
}

// resting is an idle connection, and whether it is to be closed, or its peer has closed it, if it still rests as it did at since.
type resting struct {
	conn  *Conn
	since mono.Time
	over  bool
	dead  bool
}

// remove takes from the idle connections those of looked that are over or dead, and gives them to the caller. One that was used
// meanwhile, and perhaps came back, is let be.
func (t *Target) remove(looked []resting, now mono.Time) (gone []*Conn) {
	if len(looked) == 0 {
		return nil
	}
	found := make(map[*Conn]resting, len(looked))
	for _, r := range looked {
		found[r.conn] = r
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.idle[:0]
	for _, c := range t.idle {
		r, ok := found[c]
		switch {
		case !ok || c.since != r.since:
			kept = append(kept, c)
		case r.dead:
			s := span{hi: now.Sub(c.since)}
			if c.alive != 0 {
				s.lo = c.alive.Sub(c.since)
			}
			t.habits.ended(c.nth, s, now)
			gone = append(gone, c)
		case r.over:
			gone = append(gone, c)
		default:
			t.alive(c, now)
			kept = append(kept, c)
		}
	}
	clear(t.idle[len(kept):])
	t.idle = kept
	return gone
}

// alive notes that an idle connection was seen open: after settle that proves that the endpoint keeps it. t.mu is held.
func (t *Target) alive(c *Conn, now mono.Time) {
	c.alive = now
	if now.Sub(c.since) >= settle {
		t.habits.carried(c.nth + 1)
	}
}

// IdleCount is how many connections are kept for another request.
func (t *Target) IdleCount() int {
	t.mu.Lock()
	links := append([]*link(nil), t.links...)
	n := len(t.idle)
	t.mu.Unlock()
	for _, l := range links {
		if _, calls := l.quiet(0); calls == 0 {
			n++
		}
	}
	return n
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
	links := append([]*link(nil), t.links...)
	t.mu.Unlock()
	for _, c := range idle {
		c.Close()
	}
	for _, l := range links {
		l.sweep(0, true)
	}
}

// agreed notes what the handshake has agreed on, and is false if that is not what the pool is to speak.
func (t *Target) agreed(c *Conn, ev *fault.Evidence) bool {
	protocol := c.TLS().ConnectionState().NegotiatedProtocol
	c.http2 = protocol == "h2"
	if t.protocol == ProtocolHTTP2 && !c.http2 {
		ev.End, ev.Told, ev.Detail = fault.Malformed, fault.CauseTLSALPN, "HTTP/2 was not agreed on, and the pool is to speak nothing else"
		return false
	}
	return true
}

// dialAll resolves, dials and shakes hands. It ends soon after ctx does.
func (t *Target) dialAll(ctx context.Context, conf *tls.Config, ev *fault.Evidence, now mono.Time, first []byte) *Conn {
	t.mu.Lock()
	era := t.era
	t.mu.Unlock()
	nc, now := t.reach(ctx, ev, now)
	if nc == nil || !t.announce(nc, first, ev) {
		return nil
	}
	c := &Conn{target: t, addr: ev.Addr, era: era, http2: t.protocol == ProtocolHTTP2}
	if !t.Secure {
		c.Conn = conn.New(nc)
	} else {
		ev.Stage = fault.TLS
		heard := &overheard{}
		c.Conn = conn.NewTLS(nc, func(nc net.Conn) *tls.Conn {
			heard.Conn = nc
			return t.client(heard, conf, &ev.ClientCert)
		})
		ok := t.handshake(ctx, c, ev, heard) && t.agreed(c, ev)
		stamp(ev, fault.TLS, now)
		if !ok {
			c.Close()
			return nil
		}
	}
	c.SetMax(max(t.HeadMax, 16<<10))
	return c
}

// Reach opens a connection, for who speaks another protocol than HTTP on it. It ends soon after ctx does.
func (t *Target) Reach(ctx context.Context, ev *fault.Evidence) net.Conn {
	nc, _ := t.reach(ctx, ev, mono.Now())
	return nc
}

// reach resolves and dials; nil where that failed.
func (t *Target) reach(ctx context.Context, ev *fault.Evidence, now mono.Time) (net.Conn, mono.Time) {
	if t.Network == "unix" {
		nc := t.dialUnix(ctx, ev)
		return nc, stamp(ev, fault.Dial, now)
	}
	ev.Stage = fault.Resolve
	addrs, ok := []netip.Addr{t.At}, true
	if !t.At.IsValid() {
		addrs, ok = t.Resolver.resolve(ctx, t.Host, ev)
	}
	now = stamp(ev, fault.Resolve, now)
	if !ok {
		return nil, now
	}
	if t.Refuse != nil && slices.ContainsFunc(addrs, t.Refuse) {
		ev.End, ev.Detail = fault.NoAddress, "its address is not to be dialed"
		return nil, now
	}
	t.learn(addrs, now)
	nc := t.dialTCP(ctx, ev, addrs)
	return nc, stamp(ev, fault.Dial, now)
}

// stamp adds the time since then to a stage and returns the present.
func stamp(ev *fault.Evidence, s fault.Stage, then mono.Time) mono.Time {
	now := mono.Now()
	ev.Spent[s] += time.Duration(now - then)
	return now
}

package upstream

import (
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Protocol is which version of HTTP an endpoint is spoken to in.
type Protocol uint8

// The protocols.
const (
	ProtocolAuto  Protocol = iota // over TLS what both sides agree on (ALPN, RFC 7301); in clear HTTP/1.1
	ProtocolHTTP1                 // HTTP/1.1
	ProtocolHTTP2                 // HTTP/2, in clear with prior knowledge (RFC 9113, section 3.3)
)

const (
	// linksMax is how many connections of HTTP/2 an endpoint may have from us for new requests, and linksAll with those that only go on
	// for the exchanges on them: an endpoint may say good-bye to each connection at some age, and streams may last long.
	linksMax = 64
	linksAll = 4 * linksMax
	// vainMax is how many new connections in a row an attempt opens that take no stream.
	vainMax = 3
	// linkStreams is how many streams a link has before another one is opened beside it, even if the endpoint takes more: what a
	// connection loses, all of its streams lose.
	linkStreams = 64
	// http1Time is for how long it is believed that an endpoint speaks HTTP/1.1 alone.
	http1Time = 10 * time.Minute
	// refusedTime is for how long a link on which the endpoint refused a stream is the last choice, and freshTime how long ago a link
	// must have been heard of to be as good as a new one.
	refusedTime = time.Second
	freshTime   = time.Second
	// settleTime is for how long nobody but who opened a link begins a stream on it, at an endpoint that has never said how many it takes. What
	// is begun before it says so may be refused, and many that come at once would all be.
	settleTime = time.Second
	// settleAgain is how long nobody waits for that where a link ended, or time was over, before it came.
	settleAgain = 10 * time.Second
)

// sharing is the links of a target. Its mu is the target's, which is taken before a link's.
type sharing struct {
	links   []*link
	dialing *dialing
	waited  mono.Time   // when it was waited in vain for what a link takes; 0 for never
	http1   mono.Atomic // until then the endpoint is believed to speak HTTP/1.1 alone; 0 for not
}

// dialing is a connection on its way that several exchanges wait for, or one that is there and of which is not known yet how many streams it takes.
type dialing struct {
	done   chan struct{}
	failed *fault.Evidence // how it failed, for all of them; nil where it did not, or nobody waited for it to the end
}

// MayShare reports whether exchanges with the endpoint may go over one connection at once, as HTTP/2 has it.
func (t *Target) MayShare() bool { return t.negotiates || t.protocol == ProtocolHTTP2 }

// shares reports whether an attempt for h goes over HTTP/2, as far as that is known.
//
// hot: once per attempt.
func (t *Target) shares(h *Head, now mono.Time) bool {
	if !t.MayShare() {
		return false
	}
	if t.negotiates && t.protocol == ProtocolAuto {
		if h.Upgrade != nil { // what takes the connection over does so in HTTP/1.1
			return false
		}
		until := t.http1.Load()
		return until == 0 || now >= until && t.asksAgain(until, now)
	}
	return true
}

// asksAgain reports whether this attempt is the one that finds out whether an endpoint of HTTP/1.1 has come to speak HTTP/2. Nobody is while
// connections of HTTP/1.1 rest: an endpoint that is replaced closes them.
func (t *Target) asksAgain(until, now mono.Time) bool {
	t.mu.Lock()
	resting := len(t.idle)
	t.mu.Unlock()
	return resting == 0 && t.http1.CompareAndSwap(until, now.Add(http1Time))
}

// prefersHTTP1 notes that the endpoint wants HTTP/1.1. A link's mu may be held.
func (t *Target) prefersHTTP1(now mono.Time) {
	if t.protocol != ProtocolAuto {
		return
	}
	t.http1.Store(now.Add(http1Time))
	if t.of != nil && !t.only2 {
		t.of.http1.Store(now.Add(http1Time))
	}
}

// choose gives the link with the fewest streams that may take one more, whether another one should be opened, and whether there may be
// none. fresh asks for one that is known to be alive.
func (t *Target) choose(fresh Fresh, now mono.Time) (best *link, crowded, full bool) {
	least, usable := -1, 0
	for _, l := range t.links {
		l.mu.Lock()
		n, room := l.h2.Streams(), l.usable() && l.h2.Streams() < l.limit() && l.pinged == 0
		if fresh == FreshConnection && now.Sub(l.heard) > freshTime || l.refused != 0 && now.Sub(l.refused) < refusedTime {
			n, room = n+linkStreams, room && fresh == AnyConnection
		}
		if l.settles != nil && l.settles == t.dialing {
			room = false
		}
		if l.era != t.era || t.names.vanished(l.addr) {
			room = false
		} else if l.usable() {
			usable++
		}
		l.mu.Unlock()
		if room && (least < 0 || n < least) {
			best, least = l, n
		}
	}
	return best, least < 0 || least >= linkStreams, usable >= linksMax || len(t.links) >= linksAll
}

// share gets a stream with the head in a.call.frames on a connection that others may share. Where the endpoint turns out to speak HTTP/1.1
// the new connection is given back instead.
func (a *Attempt) share(fresh Fresh, end endOfHead) (plain *Conn, ok bool) {
	t := a.target
	for vain := 0; ; {
		now := mono.Now()
		if a.Cancel.Reason() != cancel.None || a.Whole.Until != 0 && now >= a.Whole.Until {
			a.abandon()
			return nil, false
		}
		l, d, mine, full := t.linkFor(fresh, now)
		switch {
		case mine:
			before := a.Evidence
			c := a.openShared(d)
			switch {
			case c == nil && l != nil && a.Cancel.Reason() == cancel.None && a.call.beginOn(a, l, end): // it is crowded, but there
				a.forgive(&before)
				return nil, true
			case c == nil:
				return nil, false
			case !c.http2:
				return c, true
			case a.call.beginOn(a, c.link, end):
				return nil, true
			}
			if vain++; vain == vainMax {
				a.noStream(c.link)
				return nil, false
			}
		case l != nil:
			if a.call.beginOn(a, l, end) {
				return nil, true
			}
		case d != nil:
			if !a.await(d.done) {
				a.abandon()
				return nil, false
			}
			if d.failed != nil {
				a.failAs(d.failed)
				return nil, false
			}
			if !t.sharesStill(now) {
				return a.open(), true
			}
			fresh = AnyConnection // it is as fresh as can be
		case full:
			a.noStream(nil)
			return nil, false
		}
	}
}

// linkFor gives the link for a new stream, nil for none, the connection on its way that there is to wait for, and whether that is the
// caller's to open. full is that there may be none.
func (t *Target) linkFor(fresh Fresh, now mono.Time) (l *link, d *dialing, mine, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names.used = true
	l, crowded, full := t.choose(fresh, now)
	if d = t.dialing; crowded && d == nil && !full {
		d = &dialing{done: make(chan struct{})}
		t.dialing, mine = d, true
	}
	return l, d, mine, full
}

// forgive takes out of the evidence how a connection failed that was to relieve a crowded link, which the stream has begun on after all. The
// time that it took stays.
func (a *Attempt) forgive(before *fault.Evidence) {
	ev, spent := &a.Evidence, a.Evidence.Spent
	*ev = *before
	ev.Spent = spent
	a.opened(a.call.link)
}

// noStream notes that no connection takes the request: a new one that ended at once says how, and nil is that there may be no more.
func (a *Attempt) noStream(l *link) {
	ev := &a.Evidence
	ev.Stage, ev.End, ev.Version = fault.Write, fault.Limit, httpmsg.HTTP2
	ev.Rule, ev.Limit = fault.RuleH2StreamLimit, linksMax
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ev.Limit = int64(l.limit())
	if e := l.gone; e != nil {
		e.write(ev)
		ev.Unprocessed = true // it was never sent
	} else if l.over != nil {
		l.over.write(ev)
	}
}

// sharesStill reports whether the endpoint has not turned out to speak HTTP/1.1.
func (t *Target) sharesStill(now mono.Time) bool {
	until := t.http1.Load()
	return until == 0 || now >= until
}

// openShared opens a connection for all that wait for d, and makes a link of it if it speaks HTTP/2.
func (a *Attempt) openShared(d *dialing) *Conn {
	t := a.target
	settles := false
	defer func() {
		if !settles {
			t.dialed(d)
		}
	}()
	c := a.openWith(t.tlsShared)
	if c == nil {
		if a.Evidence.End != fault.Canceled && a.Evidence.End != fault.Unavailable && a.Evidence.Timer != fault.TimerResponse && a.Evidence.Timer != fault.TimerGRPC {
			failed := a.Evidence
			d.failed = &failed
		}
		return nil
	}
	if !c.http2 {
		t.prefersHTTP1(mono.Now())
		return c
	}
	t.http1.Store(0)
	t.mu.Lock()
	if settles = t.streams.Load() == 0 && (t.waited == 0 || mono.Now().Sub(t.waited) > settleAgain); settles {
		c.link = newLink(c, d)
	} else {
		c.link = newLink(c, nil)
	}
	if t.closed || c.era != t.era {
		c.link.last.Store(true)
		c.link.era = t.era
	}
	t.links = append(t.links, c.link)
	t.mu.Unlock()
	return c
}

// dialed ends the wait for a connection. It does so once, whoever calls it again.
func (t *Target) dialed(d *dialing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dialing == d {
		t.dialing = nil
		close(d.done)
	}
}

// unsettled is dialed for a link that has not said how many streams it takes.
func (t *Target) unsettled(d *dialing) {
	t.mu.Lock()
	if t.dialing == d {
		t.waited = mono.Now()
	}
	t.mu.Unlock()
	t.dialed(d)
}

// failAs notes that the connection that was waited for failed as it did for the one who opened it.
func (a *Attempt) failAs(e *fault.Evidence) {
	spent := a.Evidence.Spent
	a.Evidence = *e
	a.Evidence.Spent = spent
	stamp(&a.Evidence, e.Stage, a.began)
}

// forget takes a link that is over from the target.
func (t *Target) forget(l *link) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range t.links {
		if other == l {
			last := len(t.links) - 1
			t.links[i], t.links[last] = t.links[last], nil
			t.links = t.links[:last]
			return
		}
	}
}

// sweepLinks ends links that are unused for too long, whose address has vanished, or that do not answer.
func (t *Target) sweepLinks(now mono.Time) {
	t.mu.Lock()
	links := append([]*link(nil), t.links...)
	gone := make([]bool, len(links))
	for i, l := range links {
		gone[i] = t.closed || l.era != t.era || t.names.vanished(l.addr)
	}
	t.mu.Unlock()
	for i, l := range links {
		quiet, calls := l.quiet(now)
		l.sweep(now, gone[i] || calls == 0 && t.Idle > 0 && time.Duration(quiet) > t.Idle)
	}
}

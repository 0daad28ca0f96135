package upstream

import (
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// event acts on what a frame means. mu is held.
//
// hot: once per frame.
func (l *link) event(ev *h2.Event) *h2.Error {
	switch ev.Kind {
	case h2.EventResponse:
		return l.response(ev)
	case h2.EventData:
		c := ev.Stream.Owner.(*call)
		c.in = append(c.in, ev.Data...)
		if n := int64(len(c.in)); n > c.counted && c.charge != nil {
			c.charge(n - c.counted)
			c.counted = n
		}
		c.got += int64(len(ev.Data))
		c.body += int64(len(ev.Data))
		c.inEnd = ev.End
		l.large = l.large || c.body > largeBody
		l.wake(c)
	case h2.EventTrailers:
		c := ev.Stream.Owner.(*call)
		buf, err := l.h2.ReadTrailers(ev, c.tailBuf[:0], &c.tail)
		c.tailBuf = buf
		if err != nil {
			return err
		}
		c.got += int64(len(buf))
		c.inEnd = true
		l.wake(c)
	case h2.EventReset:
		l.reset(ev)
	case h2.EventWindow, h2.EventSettings:
		l.out = l.h2.Answer(l.out, ev)
		if ev.Kind == h2.EventSettings {
			n := min(l.h2.Peer().MaxStreams, streamsBlind)
			l.target.streams.Store(n)
			if of := l.target.of; of != nil {
				of.streams.Store(n)
			}
		}
		l.wakeSenders()
	case h2.EventPing:
		l.out = l.h2.Answer(l.out, ev)
	case h2.EventPingAck:
		l.pinged = 0
	case h2.EventGoAway:
		l.goAway(ev)
	}
	return nil
}

// wake has an exchange look at what came, at the end of the read.
func (l *link) wake(c *call) {
	if n := len(l.woken); n == 0 || l.woken[n-1] != c {
		l.woken = append(l.woken, c)
	}
}

// response takes a response's head, interim or final.
func (l *link) response(ev *h2.Event) *h2.Error {
	c := ev.Stream.Owner.(*call)
	buf, err := l.h2.ReadResponse(ev, c.head[:0], &c.res)
	c.head = buf
	if err != nil {
		return err
	}
	c.got += int64(len(buf))
	l.wake(c)
	if c.res.Status >= 200 {
		c.answered, c.inEnd = true, ev.End
		return nil
	}
	if len(c.interims) <= interimMax { // one more than there may be tells all there is to tell
		c.interims = append(c.interims, c.res)
	}
	c.res, c.head = httpmsg.Response{}, nil
	return nil
}

// reset takes RST_STREAM. One that follows a whole answer says that the rest of the request is not wanted (RFC 9113, section 8.1).
func (l *link) reset(ev *h2.Event) {
	c := ev.Stream.Owner.(*call)
	e := &ending{end: fault.StreamReset, code: ev.Code}
	switch ev.Code {
	case h2.RefusedStream:
		e.unprocessed, l.refused = true, l.heard
	case h2.HTTP11Required:
		e.unprocessed = true
		l.target.prefersHTTP1(l.heard)
		l.retired = true
	}
	c.fail(e)
}

// goAway takes GOAWAY: streams above the last that it names were not acted on, and those below it go on.
func (l *link) goAway(ev *h2.Event) {
	l.gone = goneBy(ev)
	if ev.Code == h2.HTTP11Required {
		l.target.prefersHTTP1(l.heard)
	}
	above := *l.gone
	above.unprocessed = true
	var refused []*call
	l.h2.Each(func(st *h2.Stream) {
		if st.ID > ev.ID {
			refused = append(refused, st.Owner.(*call))
		}
	})
	for _, c := range refused {
		c.fail(&above)
		l.out = l.h2.Reset(l.out, c.h.ID, h2.Cancel)
	}
}

// broken tells the endpoint which rule it broke, and ends the stream or the link.
func (l *link) broken(err *h2.Error) {
	var sample []byte
	if !l.h2.Settled() {
		b := l.c.Buffered()
		sample = append(sample, b[:min(len(b), fault.SampleMax)]...)
	}
	e := broke(err, sample)
	if st := l.h2.Stream(err.Stream); st != nil {
		st.Owner.(*call).fail(e)
	}
	l.out = l.h2.Tell(l.out, err)
	if err.Fatal() {
		l.die(e)
	}
}

// When an endpoint is asked whether it is there, by PING: streams wait, and nothing came for pingQuiet. Servers of gRPC punish those who
// ask more often than they like, so it is asked no more often than each pingEvery.
const (
	pingQuiet = 10 * time.Second
	pingEvery = 30 * time.Second
	pingTime  = 5 * time.Second // until it counts as dead
)

// sweep looks whether the link is still good. over is set when the target has no more use for it.
func (l *link) sweep(now mono.Time, over bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over != nil:
	case over:
		l.retire()
	case l.pinged != 0 && now.Sub(max(l.heard, l.pinged)) > pingTime: // what came before the acknowledgement proves no more than its moment
		l.die(&ending{end: fault.Timeout, rule: fault.RuleH2Ping})
		l.stop.Cancel(cancel.NotWanted)
	case l.calls > 0 && l.pinged == 0 && now.Sub(l.heard) > pingQuiet && (l.asked == 0 || now.Sub(l.asked) > pingEvery):
		l.pinged, l.asked = now, now
		l.open()
		l.out = h2.AppendPing(l.out, false, [8]byte{'w', 'h', 'y', 'g', 'a', 't', 'e'})
		l.kick()
	}
}

// quiet is how long the link has had no exchange on it, 0 while it has one.
func (l *link) quiet(now mono.Time) (d mono.Time, calls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls > 0 {
		return 0, l.calls
	}
	return now - l.since, 0
}

package upstream

import (
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// An attempt over HTTP/2 has a call in place of a connection. What its methods do is the same.

// opened notes that the stream has begun: its head is on the way.
func (a *Attempt) opened(l *link) {
	c, ev := a.call, &a.Evidence
	ev.Version, ev.Stream, ev.Addr = httpmsg.HTTP2, c.h.ID, l.addr
	ev.Nth, ev.Reused, ev.Idle = c.nth, c.nth > 1, c.idle
	ev.Stage = fault.Write
	ev.Sent = c.sent
	a.began = mono.Now()
}

// askShared is Ask on a connection that others share. An empty body that nobody said would be empty ends by a frame of its own, as its sender
// wrote it: grpc-go 1.82 does not see the end of a stream whose head is its end.
func (a *Attempt) askShared(body []byte, head endOfHead) bool {
	c := a.call
	c.until = a.Whole.cap(a.began.Until(a.target.Head))
	if head == bodyFollows {
		if end := c.send(body, endOfBody, a.Cancel, a.Whole); end != fault.Completed {
			if end != fault.Canceled && c.early() {
				return a.awaitShared()
			}
			a.writeFailedShared(end)
			return false
		}
	}
	a.sentAll = true
	now := mono.Now()
	a.Evidence.Spent[fault.Write] = time.Duration(now - a.began)
	a.began = now
	return a.awaitShared()
}

// early reports whether an answer is here that needs no more of the request: a whole one, behind which the endpoint may have reset the stream
// (RFC 9113, section 8.1), or one that goes on.
func (c *call) early() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.answered && (c.inEnd || c.end == nil)
}

// awaitShared waits for a head.
func (a *Attempt) awaitShared() bool {
	c, l, ev := a.call, a.call.link, &a.Evidence
	for {
		l.mu.Lock()
		here, over := c.answered || len(c.interims) > 0, c.end
		ev.Sent = c.sent
		l.mu.Unlock()
		if here {
			ev.Spent[fault.FirstByte] = time.Duration(mono.Now() - a.began)
			a.began = mono.Now()
			ev.Stage = fault.Head
			return true
		}
		if over != nil {
			ev.Spent[fault.FirstByte] = time.Duration(mono.Now() - a.began)
			a.endedShared(fault.FirstByte, over)
			return false
		}
		if end := a.pauseToRead(c.until); end != fault.Completed {
			ev.Spent[fault.FirstByte] = time.Duration(mono.Now() - a.began)
			a.waitEndedShared(fault.FirstByte, end)
			return false
		}
	}
}

// readOneShared is readOne. The views in res are into memory of the call, which they keep until the attempt's end.
//
// hot: once per attempt.
func (a *Attempt) readOneShared(res *httpmsg.Response) bool {
	c, l, ev := a.call, a.call.link, &a.Evidence
	ev.Stage = fault.Head
	for {
		l.mu.Lock()
		found := true
		switch {
		case len(c.interims) > 0:
			*res = c.interims[0]
			c.interims = append(c.interims[:0], c.interims[1:]...)
		case c.answered:
			*res, c.res = c.res, *res
			a.headSize = len(c.head)
		default:
			found = false
		}
		over := c.end
		ev.Got = c.got
		l.mu.Unlock()
		if found {
			ev.Status = res.Status
			if !a.target.suspicion.answered.Load() {
				a.target.suspicion.answered.Store(true)
			}
			if a.uploading && res.Status >= 200 {
				a.headRead()
			}
			return true
		}
		end := fault.Completed
		if over == nil {
			end = a.pauseToRead(c.until)
		}
		if over == nil && end == fault.Completed {
			continue
		}
		ev.Spent[fault.Head] = time.Duration(mono.Now() - a.began)
		stage := fault.Head
		if ev.Got == 0 {
			stage = fault.FirstByte
		}
		if over != nil {
			a.endedShared(stage, over)
		} else {
			a.waitEndedShared(stage, end)
		}
		return false
	}
}

// nextShared is Next.
//
// hot: once or twice per piece of body.
func (a *Attempt) nextShared() ([]byte, Body) {
	c, l := a.call, a.call.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(c.taken); n > 0 {
		c.taken = c.taken[:0]
		l.h2.Consume(&c.h, int64(n))
		if l.over == nil {
			l.open()
			if l.h2.Due(&c.h) {
				l.h2.Grow(&c.h, min(2*c.h.Window(), streamWindow))
			}
			l.out = l.h2.AppendCredit(l.out, &c.h)
			l.kick()
			l.rest()
		}
	}
	switch {
	case a.ended != Awaited:
	case len(c.in) > 0:
		c.in, c.taken = c.taken, c.in
		return c.taken, Piece
	case c.inEnd:
		a.ended = Ended
		if a.trailers != nil && c.tail.Len() > 0 {
			*a.trailers, c.tail = c.tail, *a.trailers
		}
	case c.end != nil:
		a.Evidence.Got = c.got
		a.Evidence.Declared, a.Evidence.Body = max(a.length, -1), c.body
		a.endedShared(fault.Body, c.end)
		a.ended = Broken
	}
	return nil, a.ended
}

// awaitBodyShared is Await.
func (a *Attempt) awaitBodyShared() {
	c, l := a.call, a.call.link
	until := a.Whole.gap(a.target.Read)
	if a.tunnel {
		until = 0
	}
	for {
		l.mu.Lock()
		here := len(c.in) > 0 || c.inEnd || c.end != nil
		got, body := c.got, c.body
		l.mu.Unlock()
		if here {
			return
		}
		if end := a.pauseToRead(until); end != fault.Completed {
			a.Evidence.Got = got
			a.Evidence.Declared, a.Evidence.Body = max(a.length, -1), body
			a.waitEndedShared(fault.Body, end)
			a.ended = Broken
			return
		}
	}
}

// endedShared notes how the stream ended, or its link.
func (a *Attempt) endedShared(stage fault.Stage, e *ending) {
	ev := &a.Evidence
	ev.Stage = stage
	if e.writing && stage < fault.Head {
		ev.Stage = fault.Write
	}
	e.write(ev)
	if e.timer == fault.TimerWrite {
		ev.After = a.target.Write
	}
	if e.rule == fault.RuleH2Ping && e.end == fault.Timeout {
		ev.After = pingTime
	}
}

// waitEndedShared notes how a wait of ours ended. An endpoint that has not even begun to speak HTTP/2 is not asked again on this link.
func (a *Attempt) waitEndedShared(stage fault.Stage, end fault.End) {
	ev := &a.Evidence
	ev.Stage, ev.End = stage, end
	if end == fault.Canceled {
		a.canceled()
		return
	}
	a.timedOut(stage)
	if l := a.call.link; stage < fault.Body {
		l.mu.Lock()
		if !l.h2.Settled() {
			ev.Rule = fault.RuleH2Preface
			l.retire()
		}
		l.mu.Unlock()
	}
}

// writeFailedShared notes how sending the request ended.
func (a *Attempt) writeFailedShared(end fault.End) {
	c, l, ev := a.call, a.call.link, &a.Evidence
	l.mu.Lock()
	over := c.end
	ev.Sent, ev.Got = c.sent, c.got
	l.mu.Unlock()
	switch {
	case over != nil && end != fault.Canceled && end != fault.Timeout:
		a.endedShared(fault.Write, over)
		if over.end == fault.StreamReset || over.end == fault.GoAway {
			ev.Stage = fault.FirstByte // it was read, whatever was being written
		}
	case end == fault.Canceled:
		ev.Stage, ev.End = fault.Write, end
		a.canceled()
	default:
		ev.Stage, ev.End = fault.Write, end
		if end == fault.Timeout {
			a.writeTimedOut()
		}
	}
}

// answerAnywayShared is AnswerAnyway: what came before the end is here already.
func (a *Attempt) answerAnywayShared() bool {
	c, l := a.call, a.call.link
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.answered || len(c.interims) > 0
}

// progress is how many octets were sent and got, and how many of a body.
func (c *call) progress() (sent, got, body int64) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.sent, c.got, c.body
}

// dropShared ends what is left of the stream.
func (a *Attempt) dropShared() {
	c := a.call
	a.call = nil
	code := h2.Cancel
	if a.Evidence.End == fault.Malformed || a.Evidence.End == fault.TooLarge {
		code = h2.ProtocolError
	}
	c.release(a, code)
}

// headUntilShared is headUntil.
func (c *call) headUntil(a *Attempt, until mono.Time) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if !c.headTaken {
		a.Cancel.LateAt(until)
	}
}

// headRead tells that the final response head was read.
func (c *call) headRead(a *Attempt) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.headTaken = true
	a.Cancel.LateAt(0)
}

// sendEndShared is SendEnd.
func (a *Attempt) sendEndShared(trailers *httpmsg.Fields) fault.End {
	c := a.call
	end := fault.Completed
	if trailers != nil && trailers.Len() > 0 {
		end = c.sendTrailers(trailers)
	} else {
		end = c.send(nil, endOfBody, c.obeys(a), c.whole)
	}
	if end != fault.Completed {
		return end
	}
	a.sentAll = true
	a.headUntil(c.whole.cap(mono.Now().Until(a.target.Head)))
	return fault.Completed
}

// obey makes sends end with another Cancel than the attempt's; nil undoes that. Nobody may be sending.
func (c *call) obey(other *cancel.Cancel) {
	if c.under != nil {
		c.under.Leave(&c.sender)
	}
	if c.under = other; other != nil {
		other.Join(&c.sender)
	}
}

// obeys is what a send ends with.
func (c *call) obeys(a *Attempt) *cancel.Cancel {
	if c.under != nil {
		return c.under
	}
	return a.Cancel
}

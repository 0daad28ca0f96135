package upstream

import (
	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Send sends a piece of the request body. Like SendEnd it may be called from another goroutine than the reader's, and touches
// no evidence: Sent tells the reader's goroutine afterwards. It is Malformed when there are more octets than the head declared.
func (a *Attempt) Send(p []byte) fault.End {
	if c := a.call; c != nil {
		return c.send(p, moreFollows, c.obeys(a), c.whole)
	}
	frame, ok := a.enc.Begin(a.frame[:0], len(p))
	if !ok {
		return fault.Malformed
	}
	head := len(frame)
	a.frame = a.enc.Finish(frame)
	end := a.write(a.frame[:head], p)
	if end == fault.Completed && len(a.frame) > head {
		end = a.write(a.frame[head:], nil)
	}
	return end
}

// SendEnd ends the request body; trailers may be nil. The time for the response head begins here.
func (a *Attempt) SendEnd(trailers *httpmsg.Fields) fault.End {
	if a.tunnel {
		a.conn.CloseWrite()
		return fault.Completed
	}
	if a.call != nil {
		return a.sendEndShared(trailers)
	}
	frame, ok := a.enc.End(a.frame[:0], trailers)
	if !ok {
		return fault.Malformed
	}
	a.frame = frame
	if len(frame) > 0 {
		if end := a.write(frame, nil); end != fault.Completed {
			return end
		}
	}
	a.sentAll = true
	c := a.conn
	a.headUntil(c.whole.cap(mono.Now().Until(c.target.Head)))
	return fault.Completed
}

// SendFailed tells the reader that Send failed: an answer is waited for no longer than it takes to arrive if it is on its way.
// A peer that stopped reading has not answered either.
func (a *Attempt) SendFailed(end fault.End) {
	if end == fault.Timeout {
		a.headUntil(mono.Now())
	} else {
		a.headUntil(mono.Now().Add(answerGrace))
	}
}

// Sent notes how much of the request was sent, when who sent its body has ended.
func (a *Attempt) Sent() {
	if c := a.call; c != nil {
		a.Evidence.Sent, _, _ = c.progress()
		c.obey(nil)
	}
	if a.conn != nil {
		a.Evidence.Sent = a.conn.Sent() - a.conn.sent
		a.conn.Obey(a.Cancel, a.Cancel, a.began)
	}
}

// SentAll reports whether the request was sent to its end.
func (a *Attempt) SentAll() bool { return a.sentAll }

// SendUnder makes Send end with another Cancel than the reader's, until Sent. Nobody may be waiting.
func (a *Attempt) SendUnder(c *cancel.Cancel) {
	if a.call != nil {
		a.call.obey(c)
		return
	}
	a.conn.Obey(a.Cancel, c, a.began)
}

// boundWrite sets how long the next write may wait for room. That time begins anew while the endpoint takes something, except
// where the whole response's is over first.
func (c *Conn) boundWrite(now mono.Time, whole Whole) {
	until := now.Until(c.target.Options.Write)
	least := 1
	if capped := whole.cap(until); capped != until {
		until, least = capped, conn.WriteNever
	}
	c.SetWriteLeast(least)
	c.SetWriteUntil(until)
}

// write writes two pieces of the request body, of which the second may be nil.
func (a *Attempt) write(p, q []byte) fault.End {
	c := a.conn
	if a.tunnel {
		c.SetWriteLeast(1)
		c.SetWriteUntil(mono.Now().Until(a.tunnelIdle))
	} else {
		c.boundWrite(mono.Now(), c.whole)
	}
	return c.Write2(p, q)
}

// headUntil bounds the wait for the response head, from another goroutine than the reader's. Once that head was read it does
// nothing: the body has a time of its own.
func (a *Attempt) headUntil(until mono.Time) {
	if a.call != nil {
		a.call.headUntil(a, until)
		return
	}
	c := a.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answered {
		a.Cancel.LateAt(until)
	}
}

// headRead tells that the final response head was read.
func (a *Attempt) headRead() {
	if a.call != nil {
		a.call.headRead(a)
		return
	}
	c := a.conn
	c.mu.Lock()
	c.answered = true
	a.Cancel.LateAt(0)
	c.mu.Unlock()
}

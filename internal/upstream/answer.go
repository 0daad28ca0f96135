package upstream

import (
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// interimMax is how many interim responses one request may be answered with. Real ones need two or three.
const interimMax = 10

// AwaitHead waits for the first octets of an answer while the request body is being sent by another goroutine.
func (a *Attempt) AwaitHead() bool {
	if a.call != nil {
		return a.awaitShared()
	}
	end := a.conn.Fill()
	a.Evidence.Spent[fault.FirstByte] = time.Duration(mono.Now() - a.began)
	if end != fault.Completed {
		a.readFailed(fault.FirstByte, end)
		a.raced()
		return false
	}
	a.Evidence.Stage = fault.Head
	return true
}

// ReadHead reads the final response head into res, and hands interim ones to a.Interim. A 101 is final: it answers the
// protocols asked for, or breaks RuleUnaskedUpgrade. The views in res live until the next call of Next or Await.
//
// hot: once per attempt.
func (a *Attempt) ReadHead(res *httpmsg.Response) bool {
	for interim := 1; ; interim++ {
		if a.call != nil {
			if !a.readOneShared(res) {
				return false
			}
		} else if !a.readOne(res) {
			return false
		}
		switch {
		case res.Status >= 200, res.Status == 101 && switches(a.upgrade, res):
			a.body(res)
			return true
		case res.Status == 101:
			a.Violated(fault.RuleUnaskedUpgrade, 0, 0)
			return false
		case interim > interimMax:
			a.Violated(fault.RuleInterimCount, interimMax, int64(interim))
			return false
		}
		if a.Interim != nil {
			a.Interim(res)
		}
	}
}

// readOne reads one response head, interim or final, into res.
//
// hot: once per attempt.
func (a *Attempt) readOne(res *httpmsg.Response) bool {
	c := a.conn
	ev := &a.Evidence
	ev.Stage = fault.Head
	for {
		if len(c.Buffered()) > 0 {
			n, err := h1.ParseResponse(c.Buffered(), &a.parse, res, a.method, &a.limits)
			if err != nil {
				a.malformed(err)
				return false
			}
			if n > 0 {
				c.Discard(n)
				a.headSize = n
				a.parse.Reset()
				ev.Got = c.Received() - c.got
				ev.Status = res.Status
				if !a.target.suspicion.answered.Load() { // read first: a write would take the line from other cores
					a.target.suspicion.answered.Store(true)
				}
				if a.uploading && (res.Status >= 200 || res.Status == 101) {
					a.headRead()
				}
				return true
			}
		}
		stage := fault.Head
		if c.Received() == c.got {
			stage = fault.FirstByte
		}
		if end := c.Fill(); end != fault.Completed {
			ev.Spent[fault.Head] = time.Duration(mono.Now() - a.began)
			a.readFailed(stage, end)
			return false
		}
	}
}

// Body is what Next found.
type Body uint8

// What Next finds of a response body.
const (
	Piece   Body = iota // some octets of it
	Awaited             // nothing that is here already: Await waits for more
	Ended               // its end: the response is complete
	Broken              // an end that is not the body's; Evidence says how
)

// body prepares for the response's body.
func (a *Attempt) body(res *httpmsg.Response) {
	a.length, a.keep = res.Length, res.KeepAlive
	a.given, a.ended, a.trailers = 0, Awaited, &res.Trailers
	a.dec.Reset(res.Length, &a.limits, &res.Trailers)
}

// Answers says that the head that ReadHead read stands in res now. It is called before the body is read.
func (a *Attempt) Answers(res *httpmsg.Response) { a.body(res) }

// Next gives what is here of the response body, without waiting: a view that lives until the next call of a method of a.
//
// hot: once or twice per piece of body.
func (a *Attempt) Next() ([]byte, Body) {
	if a.call != nil {
		return a.nextShared()
	}
	c := a.conn
	if a.given > 0 {
		c.Discard(a.given)
		a.given = 0
	}
	if a.ended != Awaited {
		return nil, a.ended
	}
	for !a.dec.Done() && len(c.Buffered()) > 0 {
		data, n, err := a.dec.Next(c.Buffered())
		if err != nil {
			a.violation(err)
			a.ended = Broken
			return nil, Broken
		}
		if len(data) > 0 {
			a.given = n
			return data, Piece
		}
		if n == 0 { // half a trailer section
			break
		}
		c.Discard(n)
	}
	if a.dec.Done() {
		return nil, Ended
	}
	return nil, Awaited
}

// largeBody is how many octets of a body must have come for a large buffer to be worth its memory.
const largeBody = 64 << 10

// Await waits for more of the response body. Whatever it comes to, Next tells.
func (a *Attempt) Await() {
	if a.call != nil {
		a.awaitBodyShared()
		return
	}
	c := a.conn
	if a.dec.Received() > largeBody {
		c.Enlarge()
	}
	if a.tunnel {
		c.SetReadUntil(0)
	} else {
		c.SetReadUntil(a.Whole.gap(a.target.Read))
	}
	if end := c.Fill(); end != fault.Completed {
		a.bodyEnded(end)
	}
}

// bodyEnded judges the end of the endpoint's octets: for a body that ends with the connection a FIN is its end, and anything
// else is a body cut short.
func (a *Attempt) bodyEnded(end fault.End) {
	a.readFailed(fault.Body, end)
	ev := &a.Evidence
	ev.Declared, ev.Body = max(a.length, -1), a.dec.Received()
	a.ended = Broken
	if end != fault.Closed {
		return
	}
	if err := a.dec.EOF(); err != nil {
		ev.Rule, ev.Offset = err.Rule, err.Offset
		return
	}
	if !a.conn.Truncated() {
		a.ended = Ended
	}
}

// HeadSize is how many octets the last response head took.
func (a *Attempt) HeadSize() int { return a.headSize }

// A Sink takes octets of a body inside the kernel, from a connection in clear.
type Sink interface {
	// CanSplice reports whether it can take the next octets of the body so.
	CanSplice(src *conn.Conn) bool
	// Splice moves n octets from src, and says how each side stands. gap is a deadline for the next octets.
	Splice(src *conn.Conn, n int64, gap conn.Gap) (moved int64, read, write fault.End)
}

// spliceMin is how many octets must be to come for splice(2) to be worth its pipe.
const spliceMin = 64 << 10

// Splice moves the next octets of the response body to where it goes, if they can move inside the kernel: done is false where
// they cannot, or can no more, and Await must fetch them. write is how the other side stands; how the endpoint's does, Next
// tells.
func (a *Attempt) Splice(to Sink) (done bool, write fault.End) {
	c := a.conn
	if c == nil {
		return false, fault.Completed
	}
	n := a.dec.Left()
	if n <= spliceMin || len(c.Buffered()) > 0 || !to.CanSplice(c.Conn) {
		return false, fault.Completed
	}
	moved, read, write := to.Splice(c.Conn, n, func() mono.Time { return a.Whole.gap(a.target.Read) })
	a.dec.Skip(moved)
	switch {
	case write != fault.Completed:
	case read == fault.Exhausted: // no pipe, or a system that does not splice: the rest is copied
		return false, fault.Completed
	case read != fault.Completed:
		a.bodyEnded(read)
	}
	return true, write
}

// Control calls f with the descriptor of the connection's socket, if there is one at present. f must not read or write.
func (a *Attempt) Control(f func(fd uintptr)) {
	switch {
	case a.call != nil:
		a.call.link.c.Control(f)
	case a.conn != nil:
		a.conn.Control(f)
	}
}

// Tunnel makes a connection that was answered by 101 pass octets as they come: Next and Await read them, without a bound of their
// own, Send writes them, and SendEnd ends our direction. idle bounds each write.
func (a *Attempt) Tunnel(idle time.Duration) {
	a.tunnel, a.tunnelIdle = true, idle
	a.enc.Reset(httpmsg.LengthClose)
	a.dec.Reset(httpmsg.LengthClose, &a.limits, nil)
}

// answerGrace bounds the look for an answer after a failed write. It is on its way already, if there is one.
const answerGrace = 250 * time.Millisecond

// AnswerAnyway looks whether the endpoint had answered before the write failed (RFC 9112, section 9.6: a reset may overtake
// what was sent before it). It is true when octets of an answer are buffered.
func (a *Attempt) AnswerAnyway() bool {
	c := a.conn
	if a.call != nil {
		return a.answerAnywayShared()
	}
	if c == nil || a.Cancel.Reason() != cancel.None || a.Evidence.End == fault.Timeout {
		return false
	}
	if len(c.Buffered()) > 0 {
		return true
	}
	c.SetReadUntil(mono.Now().Add(answerGrace))
	return c.Fill() == fault.Completed
}

// Finish completes the evidence of an attempt whose response ended where it said.
//
// hot: once per exchange.
func (a *Attempt) Finish(now mono.Time) {
	ev := &a.Evidence
	ev.Stage, ev.End = fault.Done, fault.Completed
	if a.call != nil {
		ev.Sent, ev.Got, _ = a.call.progress()
	} else {
		ev.Got = a.conn.Received() - a.conn.got
		ev.Sent = a.conn.Sent() - a.conn.sent
	}
	ev.Spent[fault.Body] = time.Duration(now - a.began)
}

// Unwanted completes the evidence of an attempt whose response body nobody takes any more, somewhere before its end. The endpoint did
// nothing to end it.
func (a *Attempt) Unwanted(now mono.Time) {
	ev := &a.Evidence
	ev.Stage = fault.Body
	ev.Declared = max(a.length, -1)
	if a.call != nil {
		_, ev.Got, ev.Body = a.call.progress()
	} else {
		ev.Got, ev.Body = a.conn.Received()-a.conn.got, a.dec.Received()
	}
	ev.Spent[fault.Body] = time.Duration(now - a.began)
}

// Keep puts the connection back for another exchange, if both messages let it. The caller has seen the response end. If octets
// are left over the connection is closed instead, and Keep is false: the endpoint is out of step.
func (a *Attempt) Keep(now mono.Time) bool {
	if a.call != nil || !a.Reusable() {
		a.Drop()
		return true
	}
	c := a.letGo()
	if len(c.Buffered()) > 0 {
		a.Evidence.End, a.Evidence.Rule, a.Evidence.Size = fault.Malformed, fault.RuleExtraOctets, int64(len(c.Buffered()))
		a.Evidence.Sample = append([]byte(nil), c.Buffered()[:min(len(c.Buffered()), fault.SampleMax)]...)
		c.Close()
		return false
	}
	c.target.put(c, now)
	return true
}

// Reusable reports whether the connection may carry another exchange after this one.
func (a *Attempt) Reusable() bool { return a.keep && a.sentAll }

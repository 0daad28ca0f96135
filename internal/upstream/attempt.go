package upstream

import (
	"bytes"
	"sync/atomic"
	"time"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Attempt is one try at one endpoint. The zero value is ready; an exchange reuses its own.
type Attempt struct {
	Evidence fault.Evidence
	Conn     *Conn // set from the moment there is a connection until Keep or Drop
	Whole    Whole // set after Begin

	// Using holds the connection while the attempt owns it. It may be nil. Set after Begin.
	Using *atomic.Pointer[conn.Conn]
	// Stop is closed when the gateway's time to drain is over: whatever the attempt waits for ends then, as Unavailable. Whoever
	// closes it also interrupts the connection that Using holds. It may be nil. Set after Begin.
	Stop <-chan struct{}

	target    *Target
	began     mono.Time // when the present stage began
	uploading bool      // another goroutine sends the request body
	parse     h1.Progress
	limits    h1.Limits
}

// Whole bounds the whole exchange with the upstream, from its first attempt to the last octet of the answer: the moment in
// conn.Now's terms and the setting it comes from. The zero value is no bound.
type Whole struct {
	Until   mono.Time
	Setting time.Duration
}

// cap is the earlier of a moment and the bound; 0 is no moment.
func (w Whole) cap(until mono.Time) mono.Time { return mono.Earlier(until, w.Until) }

// Gap is a deadline for the next octets of a body that may pause for d.
func (w Whole) Gap(d time.Duration) mono.Time {
	if d <= 0 {
		return w.Until
	}
	return w.cap(mono.Now().Add(d))
}

// Fresh says whether an attempt may use a connection that has carried an exchange before.
type Fresh bool

// The two kinds of connection an attempt can ask for.
const (
	AnyConnection   Fresh = false
	FreshConnection Fresh = true
)

// Begin starts an attempt's evidence.
func (a *Attempt) Begin(t *Target, now mono.Time) {
	a.Evidence = fault.Evidence{Stage: fault.Select, Endpoint: t.Text, Declared: -1}
	a.Conn, a.target, a.began, a.Whole = nil, t, now, Whole{}
	a.uploading, a.Using, a.Stop = false, nil, nil
	a.parse.Reset()
	a.limits = h1.Limits{Head: t.HeadMax, Trailers: t.HeadMax}
}

// Ask takes request, a buffer of conn.GetBuffer, and gives it back. It gets a connection, writes what is given of the request
// and, where that is all of it, waits for the first octets of the answer. False means that it failed, and Evidence says how.
//
// hot: once per attempt.
func (a *Attempt) Ask(request []byte, fresh Fresh, gone func() bool) bool {
	t := a.target
	ev := &a.Evidence
	for fresh == AnyConnection {
		c := t.take(a.began)
		if c == nil {
			break
		}
		a.use(c, a.began)
		// However short it was idle: an answer that nobody asked for would be taken for this request's.
		stage, end := a.ask(request, gone, true)
		if stage != fault.Select {
			return a.asked(stage, end)
		}
		// The endpoint had closed it while it was idle, or is out of step: no fault, no byte written, take the next.
		a.letGo().Close()
		ev.Reused, ev.Nth, ev.Idle = false, 0, 0
	}
	if !a.dial(gone) {
		conn.PutBuffer(request)
		return false
	}
	return a.asked(a.ask(request, gone, false))
}

// Open gets a connection and writes the head of a request whose body follows. gone is asked once a second while there is no
// connection yet; it may be nil.
func (a *Attempt) Open(head []byte, fresh Fresh, gone func() bool) bool {
	t := a.target
	for fresh == AnyConnection {
		c := t.take(a.began)
		if c == nil {
			break
		}
		a.use(c, a.began)
		if c.Idle() == fault.Completed {
			return a.writeHead(head)
		}
		a.letGo().Close()
		a.Evidence.Reused, a.Evidence.Nth, a.Evidence.Idle = false, 0, 0
	}
	return a.dial(gone) && a.writeHead(head)
}

// dial makes a new connection the attempt's.
func (a *Attempt) dial(gone func() bool) bool {
	c := a.open(gone)
	if c == nil {
		return false
	}
	a.began = mono.Now()
	a.use(c, a.began)
	return true
}

// use makes c the attempt's connection.
func (a *Attempt) use(c *Conn, now mono.Time) {
	ev := &a.Evidence
	a.Conn = c
	c.nth++
	ev.Nth, ev.Addr = c.nth, c.addr
	if c.nth > 1 {
		ev.Reused, ev.Idle = true, time.Duration(now-c.since)
	}
	c.sent, c.got = c.Sent(), c.Received()
	if a.Using != nil {
		a.Using.Store(c.Conn)
		if a.stopped() { // whoever closed Stop may have looked into Using before
			c.Interrupt()
		}
	}
}

// letGo takes the connection from the attempt.
func (a *Attempt) letGo() *Conn {
	c := a.Conn
	a.Conn = nil
	if a.Using != nil {
		a.Using.Store(nil)
	}
	return c
}

// ask is conn.Ask with the attempt's deadlines.
func (a *Attempt) ask(request []byte, gone func() bool, check bool) (fault.Stage, fault.End) {
	c := a.Conn
	c.SetReadUntil(a.Whole.cap(a.began.Until(a.target.Head)))
	c.boundWrite(a.began, a.Whole)
	c.Watch(gone, a.began)
	return c.Conn.Ask(request, check)
}

// asked notes how far Ask came.
func (a *Attempt) asked(stage fault.Stage, end fault.End) bool {
	ev := &a.Evidence
	now := mono.Now()
	if wrote := a.Conn.Wrote(); wrote > a.began {
		ev.Spent[fault.Write] = time.Duration(wrote - a.began)
		ev.Spent[fault.FirstByte] = time.Duration(now - wrote)
	} else {
		ev.Spent[fault.FirstByte] = time.Duration(now - a.began)
	}
	a.began = now
	ev.Stage = stage
	ev.Sent = a.Conn.Sent() - a.Conn.sent
	if end == fault.Completed {
		return true
	}
	if stage == fault.Write {
		a.writeFailed(end)
	} else {
		a.readFailed(stage, end)
	}
	return false
}

// writeHead writes the head on the attempt's connection.
func (a *Attempt) writeHead(head []byte) bool {
	a.Evidence.Stage = fault.Write
	a.began = mono.Now()
	a.Conn.whole, a.Conn.answered, a.uploading = a.Whole, false, true
	a.Conn.SetReadUntil(a.Whole.Until) // until the request has ended: RequestEnded
	a.Conn.boundWrite(a.began, a.Whole)
	end := a.Conn.Conn.Write(head)
	a.Evidence.Sent = a.Conn.Sent() - a.Conn.sent
	if end != fault.Completed {
		a.writeFailed(end)
		return false
	}
	return true
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

// Write writes more of the request body. It may be called from another goroutine than the reader's, and touches no evidence.
func (c *Conn) Write(p []byte) fault.End {
	c.boundWrite(mono.Now(), c.whole)
	return c.Conn.Write(p)
}

// Write2 is Write of two pieces.
func (c *Conn) Write2(p, q []byte) fault.End {
	c.boundWrite(mono.Now(), c.whole)
	return c.Conn.Write2(p, q)
}

// AnswerSoon tells that a write failed: an answer is waited for no longer than it takes to arrive if it is on its way. A
// peer that stopped reading has not answered either.
func (c *Conn) AnswerSoon(end fault.End) {
	if end == fault.Timeout {
		c.headUntil(mono.Now())
	} else {
		c.headUntil(mono.Now().Add(answerGrace))
	}
}

// RequestEnded tells that the request's last octet was written: the time for the response head begins.
func (c *Conn) RequestEnded() { c.headUntil(c.whole.cap(mono.Now().Until(c.target.Head))) }

// headUntil bounds the wait for the response head, from another goroutine than the reader's. Once that head was read it does
// nothing: the body has a time of its own.
func (c *Conn) headUntil(until mono.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answered {
		c.Hurry(until)
	}
}

// headRead tells that the final response head was read.
func (c *Conn) headRead() {
	c.mu.Lock()
	c.answered = true
	c.mu.Unlock()
}

// Uploaded notes how much of the request was sent, when who sent its body has ended.
func (a *Attempt) Uploaded() { a.Evidence.Sent = a.Conn.Sent() - a.Conn.sent }

// AwaitHead waits for the first octets of an answer while the request body is being sent by another goroutine.
func (a *Attempt) AwaitHead(gone func() bool) bool {
	c := a.Conn
	c.Watch(gone, a.began)
	end := c.Fill()
	a.Evidence.Spent[fault.FirstByte] = time.Duration(mono.Now() - a.began)
	if end != fault.Completed {
		a.readFailed(fault.FirstByte, end)
		return false
	}
	a.Evidence.Stage = fault.Head
	return true
}

// ReadHead reads one response head, interim or final, into res.
//
// hot: once per attempt.
func (a *Attempt) ReadHead(res *httpmsg.Response, method httpmsg.Method) bool {
	c := a.Conn
	ev := &a.Evidence
	ev.Stage = fault.Head
	for {
		if len(c.Buffered()) > 0 {
			n, err := h1.ParseResponse(c.Buffered(), &a.parse, res, method, &a.limits)
			if err != nil {
				a.malformed(err)
				return false
			}
			if n > 0 {
				c.Discard(n)
				a.parse.Reset()
				ev.Got = c.Received() - c.got
				ev.Status = res.Status
				if !a.target.suspicion.answered.Load() { // read first: a write would take the line from other cores
					a.target.suspicion.answered.Store(true)
				}
				if a.uploading && (res.Status >= 200 || res.Status == 101) {
					c.headRead()
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

// malformed notes a rule that the response broke.
func (a *Attempt) malformed(err *h1.Error) {
	ev := &a.Evidence
	ev.Got = a.Conn.Received() - a.Conn.got
	ev.Rule, ev.Offset, ev.Limit, ev.Size, ev.Field = err.Rule, err.Offset, err.Limit, err.Size, err.Field
	ev.End = fault.Malformed
	if err.Rule == fault.RuleHeadSize && err.Field != "" { // the head is too large for the sake of one field
		ev.Rule, ev.Size = fault.RuleFieldSize, fieldSize(a.Conn.Buffered(), err.Field)
	}
	switch err.Rule {
	case fault.RuleHeadSize, fault.RuleFieldSize, fault.RuleFieldCount, fault.RuleTrailerSize, fault.RuleBodySize:
		ev.End = fault.TooLarge
	}
	a.sample()
}

// fieldSize is how many octets a field line takes of a head, as far as that was read.
func fieldSize(head []byte, name string) int64 {
	i := bytes.Index(head, []byte("\n"+name))
	line := head[i+1:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
	}
	return int64(len(line))
}

// Violation notes a rule that the response body broke, of which so many octets had come. declared is its length as
// httpmsg.Response has it.
func (a *Attempt) Violation(err *h1.Error, declared, body int64) {
	a.Evidence.Stage = fault.Body
	a.Evidence.Declared, a.Evidence.Body = max(declared, -1), body
	a.malformed(err)
}

// Violated notes a rule that the response as a whole broke, with the limit it passed, if that is what the rule is about.
func (a *Attempt) Violated(rule fault.Rule, limit, size int64) {
	a.malformed(&h1.Error{Rule: rule, Limit: limit, Size: size})
}

// Target is the endpoint asked.
func (a *Attempt) Target() *Target { return a.target }

// Limits are those of the endpoint's messages.
func (a *Attempt) Limits() *h1.Limits { return &a.limits }

// sample keeps the first octets of what is buffered.
func (a *Attempt) sample() {
	b := a.Conn.Buffered()
	a.Evidence.Sample = append([]byte(nil), b[:min(len(b), fault.SampleMax)]...)
}

// ReadFailed notes how a read of the response body ended.
func (a *Attempt) ReadFailed(end fault.End) { a.readFailed(fault.Body, end) }

func (a *Attempt) readFailed(stage fault.Stage, end fault.End) {
	ev := &a.Evidence
	c := a.Conn
	ev.Stage, ev.End = stage, end
	ev.Got = c.Received() - c.got
	ev.Errno = c.ReadErrno()
	switch end {
	case fault.Timeout:
		switch {
		case ev.Errno != 0: // the kernel gave up: no timer of ours
		case a.stopped():
			ev.End, ev.Rule = fault.Unavailable, fault.RuleDraining
		case a.Whole.Until != 0 && mono.Now() >= a.Whole.Until:
			ev.Timer, ev.After = fault.TimerResponse, a.Whole.Setting
		case stage == fault.Body:
			ev.Timer, ev.After = fault.TimerRead, a.target.Read
		default:
			ev.Timer, ev.After = fault.TimerHead, a.target.Head
		}
	case fault.TooLarge:
		ev.Rule, ev.Limit, ev.Size = fault.RuleHeadSize, int64(a.target.HeadMax), int64(len(c.Buffered()))
		a.sample()
	case fault.Closed:
		if stage == fault.Head {
			ev.Rule = fault.RuleHeadCut
			a.sample()
		}
	case fault.Alert:
		ev.Alert, _ = conn.AlertOf(c.ReadErr())
	case fault.Malformed, fault.Failed:
		ev.Detail = text(c.ReadErr())
		if end == fault.Malformed {
			ev.Rule = fault.RuleTLSRecord // a socket's read says Malformed only of TLS
		}
	}
	if stage == fault.Head && end == fault.Reset {
		a.sample()
	}
}

// WriteFailed notes how a write of the request ended. An answer may have come first: see AnswerAnyway.
func (a *Attempt) WriteFailed(end fault.End) { a.writeFailed(end) }

func (a *Attempt) writeFailed(end fault.End) {
	ev := &a.Evidence
	ev.Stage, ev.End = fault.Write, end
	ev.Sent = a.Conn.Sent() - a.Conn.sent
	ev.Errno = a.Conn.WriteErrno()
	if end != fault.Timeout || ev.Errno != 0 {
		return
	}
	switch {
	case a.stopped():
		ev.End, ev.Rule = fault.Unavailable, fault.RuleDraining
	case a.Whole.Until != 0 && mono.Now() >= a.Whole.Until:
		ev.Timer, ev.After = fault.TimerResponse, a.Whole.Setting
	default:
		ev.Timer, ev.After = fault.TimerWrite, a.target.Write
	}
}

// answerGrace bounds the look for an answer after a failed write. It is on its way already, if there is one.
const answerGrace = 250 * time.Millisecond

// AnswerAnyway looks whether the endpoint had answered before the write failed (RFC 9112, section 9.6: a reset may overtake
// what was sent before it). It is true when octets of an answer are buffered.
func (a *Attempt) AnswerAnyway() bool {
	c := a.Conn
	if c == nil || a.Evidence.End == fault.Timeout || a.Evidence.End == fault.Unavailable {
		return false
	}
	if len(c.Buffered()) > 0 {
		return true
	}
	c.Watch(nil, mono.Now())
	c.SetReadUntil(mono.Now().Add(answerGrace))
	return c.Fill() == fault.Completed
}

// Finish completes the evidence of an attempt whose response ended where it said.
//
// hot: once per exchange.
func (a *Attempt) Finish(now mono.Time) {
	ev := &a.Evidence
	ev.Stage, ev.End = fault.Done, fault.Completed
	ev.Got = a.Conn.Received() - a.Conn.got
	ev.Sent = a.Conn.Sent() - a.Conn.sent
	ev.Spent[fault.Body] = time.Duration(now - a.began)
}

// Keep puts the connection back for another exchange. The caller has seen both messages end where they said; if octets are
// left over the connection is closed instead, and Keep is false: the endpoint is out of step.
func (a *Attempt) Keep(now mono.Time) bool {
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

// Resume undoes an Interrupt of the connection, except one that came with Stop.
func (a *Attempt) Resume() {
	a.Conn.Resume()
	if a.stopped() { // looked at afterwards, so that a cut in between is not undone
		a.Conn.Interrupt()
	}
}

// Drop closes the connection, if there is one.
func (a *Attempt) Drop() {
	if a.Conn != nil {
		a.letGo().Close()
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

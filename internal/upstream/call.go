package upstream

import (
	"sync"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// call is an attempt's stream on a link. Whoever wakes it may do so late, when it is another attempt's.
type call struct {
	read   pause         // where the answer is waited for
	room   pause         // where room for the request's body is
	waiter cancel.Waiter // of the attempt's Cancel
	sender cancel.Waiter // of the upload's own

	exchanged
}

// exchanged is what a call has for one attempt.
type exchanged struct {
	link   *link
	h      h2.Stream
	nth    uint32        // on its link
	idle   time.Duration // how long the link had been without an exchange
	frames []byte        // the request's head, before it is appended
	left   int64         // octets of the request's body to come, or httpmsg.LengthUnknown. The sender's own

	under  *cancel.Cancel // ends sends where it is not nil, instead of the attempt's
	whole  Whole          // bounds sends
	until  mono.Time      // bounds the wait for the head
	lookAt mono.Time      // when the Cancel's watch is asked next
	lookIn time.Duration

	taken []byte // what Next gave out last. The reader's own

	// Guarded by the link's mu.
	res       httpmsg.Response // the head that came last
	head      []byte           // its octets
	interims  []httpmsg.Response
	answered  bool // res is the final one
	headTaken bool // it was read
	in        []byte
	counted   int64       // octets of in that charge was told of, at most so far
	charge    func(int64) // the attempt's Charge
	inEnd     bool        // the answer is complete
	tail      httpmsg.Fields
	tailBuf   []byte
	sent      int64 // octets of ours that were appended
	got       int64 // octets of theirs, fields as they are decoded
	body      int64 // octets of their body
	end       *ending
	sending   bool  // it is among the link's senders
	least     int64 // octets that its own window must have for it to send
	burst     int   // octets that it has sent in its turn
}

// calls keeps what exchanges need for the next ones.
var calls = sync.Pool{New: func() any { return newCall() }}

func newCall() *call {
	c := &call{}
	c.read.woken, c.room.woken = make(chan struct{}, 1), make(chan struct{}, 1)
	c.waiter.Wake = func() {
		c.read.poke()
		c.room.poke()
	}
	c.sender.Wake = c.room.poke
	return c
}

// endOfHead says whether a request is its head alone.
type endOfHead uint8

const (
	bodyFollows endOfHead = iota
	headAlone
)

// keepMax is how large a buffer a call keeps for its next use, in octets.
const keepMax = 16 << 10

// fail ends the stream before its end. The link's mu is held.
func (c *call) fail(e *ending) {
	if c.end == nil {
		c.end = e
	}
	c.read.poke()
	c.room.poke()
}

// beginOn opens the attempt's stream on a link, if that takes one more.
func (c *call) beginOn(a *Attempt, l *link, end endOfHead) bool {
	if !l.begin(c, a.method, end) {
		return false
	}
	a.opened(l)
	c.lookIn, c.lookAt = lookEvery, a.began.Add(lookEvery)
	if a.Cancel != nil {
		a.Cancel.Join(&c.waiter)
	}
	return true
}

// release ends what is left of the stream, and makes the call ready for its next use.
func (c *call) release(a *Attempt, code h2.Code) {
	if l := c.link; l != nil {
		if a.Cancel != nil {
			a.Cancel.Leave(&c.waiter)
		}
		l.mu.Lock()
		if c.h.State() != h2.Closed && l.over == nil {
			l.open()
			l.out = l.h2.Reset(l.out, c.h.ID, code)
		}
		l.leaveSenders(c)
		l.out = l.h2.AppendCredit(l.out, nil)
		l.calls--
		if l.calls == 0 {
			l.since = mono.Now()
			if l.target.Idle == 0 || l.last.Load() {
				l.retired = true
			}
		}
		l.finish()
		l.kick()
		if c.h.State() != h2.Closed { // of a link that is over: its codec has the stream still
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
	keep := func(b []byte) []byte {
		if cap(b) > keepMax {
			return nil
		}
		return b[:0]
	}
	fields, tail := c.res.Fields, c.tail
	fields.Reset(nil)
	tail.Reset(nil)
	c.h.Reset()
	c.exchanged = exchanged{
		frames: keep(c.frames), head: keep(c.head), in: keep(c.in), taken: keep(c.taken), tailBuf: keep(c.tailBuf), tail: tail,
		res: httpmsg.Response{Fields: fields}, interims: c.interims[:0],
	}
	calls.Put(c)
}

// pauseToRead waits for what the link brings, at most until then. Completed is that there may be something.
func (a *Attempt) pauseToRead(until mono.Time) fault.End {
	c := a.call
	if a.Cancel.Reason() != cancel.None {
		return fault.Canceled
	}
	now := mono.Now()
	until = mono.Earlier(until, a.Cancel.Late())
	if until != 0 && now >= until {
		return fault.Timeout
	}
	if a.Cancel.Watched() {
		if now >= c.lookAt {
			c.lookIn = min(2*c.lookIn, lookLast)
			c.lookAt = now.Add(c.lookIn)
			if a.Cancel.Ask() {
				return fault.Canceled
			}
		}
		until = mono.Earlier(until, c.lookAt)
	}
	c.read.wait(until)
	return fault.Completed
}

// lookLast is how seldom a wait asks at last whether its client is there.
const lookLast = 15 * time.Second

// send sends a piece of the request's body, and ends it where end is set.
func (c *call) send(p []byte, end h2End, obeys *cancel.Cancel, whole Whole) fault.End {
	if c.left >= 0 {
		if c.left -= int64(len(p)); c.left < 0 || end == endOfBody && c.left > 0 {
			return fault.Malformed
		}
	}
	l := c.link
	bound := func() mono.Time { return whole.cap(mono.Now().Until(l.target.Options.Write)) }
	until := bound()
	for {
		n, done, over := c.append(p, end)
		switch p = p[n:]; {
		case over != nil:
			return over.end
		case done:
			return fault.Completed
		case n > 0:
			until = bound()
			continue
		case obeys.Reason() != cancel.None:
			c.giveUp()
			return fault.Canceled
		case until != 0 && mono.Now() >= until:
			c.giveUp()
			return fault.Timeout
		}
		c.room.wait(until)
	}
}

// giveUp ends the wait for room.
func (c *call) giveUp() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.leaveSenders(c)
}

// h2End says whether a piece of a body is the last.
type h2End uint8

const (
	moreFollows h2End = iota
	endOfBody
)

// append appends a frame of DATA, as much as windows and the output's bound allow. Less than dataLeast is not worth a frame, unless it
// is all there is.
//
// hot: once per piece of a body.
func (c *call) append(p []byte, end h2End) (n int, done bool, over *ending) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.end != nil {
		l.leaveSenders(c)
		return 0, false, c.end
	}
	n = max(0, int(min(int64(len(p)), l.h2.Room(&c.h), h2.FrameMax, int64(outData-len(l.out)))))
	least := min(len(p), dataLeast, max(1, int(l.h2.Peer().InitialWindow)/2))
	if n < least {
		if !c.sending {
			c.sending, c.least = true, int64(least)
			l.senders = append(l.senders, c)
		}
		return 0, false, nil
	}
	if c.burst += n; c.burst >= sendBurst || n == len(p) {
		c.burst = 0
		l.leaveSenders(c)
	}
	last := n == len(p) && end == endOfBody
	if n > 0 || last {
		l.open()
		before := len(l.out)
		l.out = append(h2.AppendDataHead(l.out, c.h.ID, n, last), p[:n]...)
		l.h2.Spend(&c.h, int64(n))
		c.sent += int64(len(l.out) - before)
		if last {
			l.h2.Ended(&c.h)
		}
		l.kick()
	}
	return n, n == len(p), nil
}

// sendBurst is how many octets one sends before it is the next one's turn.
const sendBurst = 64 << 10

// dataLeast is how much of DATA is worth a frame, in octets.
const dataLeast = 4 << 10

// sendTrailers ends the request with trailers.
func (c *call) sendTrailers(f *httpmsg.Fields) fault.End {
	if c.left > 0 {
		return fault.Malformed
	}
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.end != nil {
		return c.end.end
	}
	l.open()
	at := len(l.out)
	l.out = h2.AppendFields(h2.BeginHeaders(l.out, c.h.ID), f)
	l.out = h2.FinishHeaders(l.out, at, c.h.ID, true)
	c.sent += int64(len(l.out) - at)
	l.h2.Ended(&c.h)
	l.kick()
	return fault.Completed
}

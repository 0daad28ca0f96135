package serve1

import (
	"time"

	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// stream is an exchange's place on a Session's connection: an exchange.Stream. How far it has come is one pair of states, reading
// and writing, which next joins.
type stream struct {
	x    exchange.Exchange
	ss   *Session
	gone func() bool // x.Cancel's watch

	parse    h1.Progress
	body     h1.Decoder
	reading  reading
	pending  int    // octets of conn's buffer that the request's views take: its head, or what Next gave out
	taken    int64  // octets of the request body that were given out
	saved    []byte // the request head, once the body is streamed
	detached bool

	enc     h1.Encoder
	writing writing
	out     []byte // what is to be written next; nil while nothing is, so that a wait holds no buffer
	keep    bool   // the request and our answer let the connection carry another request
	sent    int64  // the connection's counter when the answer began
}

// reading is how far the request has been read.
type reading uint8

const (
	readHead reading = iota // its head is not complete
	readBody                // the head is, the body goes on
	readAll                 // to its end: the next octet is another request's
	readRaw                 // a tunnel's octets, as they come
	readBad                 // no request, or one that broke: where the next one begins is not known
)

// writing is how far the answer has been written.
type writing uint8

const (
	wroteNothing writing = iota // no head yet
	wroteHead                   // the head was appended, the body goes on
	wroteRaw                    // after a 101: octets as they come
	wroteAll                    // End was called
	wroteCut                    // Abort was called, or the client is gone
)

// next is what becomes of the connection.
type next uint8

const (
	nextRequest next = iota // it carries another request
	nextRest                // the same, once the rest of a body that nobody wanted is read; if that is not here already, it ends
	nextLinger              // it ends after a while, so that the client can read the answer first
	nextClose               // it ends now
)

// next joins the two states.
//
//	reading \ writing   all                             nothing, head, cut        raw
//	all                 another request, if both keep   close                     close
//	body                the rest of it first            close                     -
//	head, bad           linger                          close                     -
//	raw                 close                           close                     close
//
// hot: once per request.
func (s *stream) next() next {
	switch {
	case s.writing != wroteAll, s.x.Lost != fault.Completed, s.reading == readRaw:
		return nextClose
	case s.reading == readAll && s.keep && !s.x.Last:
		return nextRequest
	case s.reading == readBody && s.keep && !s.x.Last:
		return nextRest
	}
	return nextLinger
}

func newStream() *stream {
	s := &stream{}
	s.x.Stream = s
	s.gone = func() bool { return s.ss.conn.Gone() } // made once, so that a watch does not allocate
	return s
}

// begin prepares for the next request on a connection.
func (s *stream) begin(ss *Session) {
	x := &s.x
	x.Request.Reset()
	x.Begin(ss.Peer(), &ss.waits, ss.limits.Idle)
	x.Cancel.Reset()
	x.Cancel.Watch(s.gone)
	s.ss = ss
	s.parse.Reset()
	s.reading, s.pending, s.taken, s.detached = readHead, 0, 0, false
	s.free()
	s.writing, s.keep, s.sent = wroteNothing, true, ss.conn.Sent()
}

// release lets go of the connection, and of what a refusal left behind.
func (s *stream) release() {
	s.ss = nil
	s.x.Release()
	s.free()
}

// Left implements exchange.Stream.
func (s *stream) Left() bool { return s.ss.conn.Left() }

// readHead reads the request head. False means that it has been refused and the connection ends.
//
// hot: once per request.
func (s *stream) readHead() bool {
	c := s.ss.conn
	first := true
	for {
		n, err := h1.ParseRequest(c.Buffered(), &s.parse, &s.x.Request, &s.ss.head)
		if n > 0 {
			if !first {
				s.x.Ready = mono.Now()
			}
			return s.headRead(n)
		}
		if err != nil {
			e := broken(err)
			sampleOf(&e, c.Buffered())
			s.refuse(e)
			return false
		}
		if first {
			first = false
			c.SetReadUntil(s.x.Began.Add(s.ss.limits.HeadTime))
		}
		switch end := c.Fill(); end {
		case fault.Completed:
		case fault.Timeout:
			s.refuse(fault.Evidence{Stage: fault.Receive, End: fault.Timeout, Timer: fault.TimerRequest, After: s.ss.limits.HeadTime})
			return false
		case fault.TooLarge:
			s.refuse(fault.Evidence{
				Stage: fault.Receive, End: fault.TooLarge, Rule: fault.RuleHeadSize,
				Limit: int64(s.ss.limits.RequestHead), Size: int64(len(c.Buffered())),
			})
			return false
		default:
			s.x.Broken, s.x.Aborted = true, true
			s.reading, s.writing = readBad, wroteCut
			e := fault.Evidence{Stage: fault.Receive, End: fault.Canceled}
			if s.ss.Drained() {
				e.End, e.Rule = fault.Unavailable, fault.RuleDraining
			}
			s.ss.host.Refuse(&s.x, &e)
			return false
		}
	}
}

// whole reports whether a request is buffered that needs no more of its connection: its head is complete and in order, its
// body is here, and it asks for no other protocol.
//
// hot: once per request.
func (s *stream) whole() bool {
	n, err := h1.ParseRequest(s.ss.conn.Buffered(), &s.parse, &s.x.Request, &s.ss.head)
	if n == 0 || err != nil || s.x.Request.Fields.Has(httpmsg.Upgrade) {
		return false
	}
	if limit := s.ss.limits.RequestBody; limit > 0 && s.x.Request.Length > limit {
		return false
	}
	return s.headRead(n) && (s.x.BodyRead || s.x.BodyHere)
}

// settle ends an exchange if the next request may follow at once. If not it does nothing and is false: finish has to end it.
//
// hot: once per request.
func (s *stream) settle() bool {
	if s.next() != nextRequest {
		return false
	}
	s.over()
	return true
}

// over ends an exchange after which the connection carries another request.
func (s *stream) over() {
	s.ss.conn.Discard(s.pending)
	s.pending = 0
	if s.x.Ended != 0 {
		s.ss.now = s.x.Ended
	} else {
		s.ss.now = mono.Now()
	}
}

// headRead goes on from a complete head: the body's framing, and the limit on its length.
func (s *stream) headRead(n int) bool {
	// The head stays in the buffer while the exchange lasts, since the request's octets are views into it. The body that
	// follows is read into the same buffer, behind it, and the head is discarded when the handler is done with the request.
	x := &s.x
	s.pending = n
	s.keep = x.Request.KeepAlive && !s.ss.host.Draining.Load()
	s.body.Reset(x.Request.Length, &s.ss.head, &x.Request.Trailers)
	if limit := s.ss.limits.RequestBody; limit > 0 && x.Request.Length > limit {
		s.refuseLarge()
		return false
	}
	if s.body.Done() {
		s.reading = readAll
		return true
	}
	s.reading, x.BodyRead = readBody, false
	if rest := s.ss.conn.Buffered()[n:]; x.Request.Length > 0 && int64(len(rest)) >= x.Request.Length {
		x.Body, x.BodyHere = rest[:x.Request.Length], true
	}
	return true
}

// refuseLarge refuses a request whose body is too large, by what it declares. It is not inlined: its evidence would be part of the stack of
// all requests.
//
//go:noinline
func (s *stream) refuseLarge() { s.refuse(s.tooLarge(s.x.Request.Length)) }

func (s *stream) tooLarge(size int64) fault.Evidence {
	return fault.Evidence{
		Stage: fault.Receive, End: fault.TooLarge, Rule: fault.RuleBodySize, Limit: s.ss.limits.RequestBody, Size: size,
	}
}

// broken is the evidence of a request that broke a rule.
func broken(err *h1.Error) fault.Evidence {
	e := fault.Evidence{
		Stage: fault.Receive, End: fault.Malformed, Rule: err.Rule, Offset: err.Offset,
		Limit: err.Limit, Size: err.Size, Field: err.Field,
	}
	switch err.Rule {
	case fault.RuleHeadSize, fault.RuleFieldSize, fault.RuleFieldCount, fault.RuleTargetSize, fault.RuleTrailerSize, fault.RuleBodySize:
		e.End = fault.TooLarge
	}
	return e
}

// refuse has an answer made for what was no request, and ends the connection after it.
func (s *stream) refuse(e fault.Evidence) {
	s.x.Broken = true
	s.reading, s.keep = readBad, false
	s.x.Broke = e
	s.ss.host.Refuse(&s.x, &s.x.Broke)
	if s.writing != wroteCut {
		s.linger()
	}
}

// finish ends the exchange and reports whether the connection may carry another.
//
// hot: once per request that is not answered in place.
func (s *stream) finish() bool {
	if s.next() == nextRest {
		s.drainBody()
	}
	switch s.next() {
	case nextRequest:
		s.over()
		return true
	case nextClose:
		if s.writing == wroteNothing || s.writing == wroteHead {
			s.Abort() // the handler returned without an End: whatever was written is not complete
		}
	default:
		s.linger()
	}
	return false
}

// How much of a request body that nobody wanted is read, to keep the connection or to let the client read the answer.
const (
	drainMax   = 256 << 10
	lingerTime = 2 * time.Second
	awayTime   = 200 * time.Millisecond // for one connection too many
)

// drainBody reads what is buffered of a request body that nobody wanted. If that is not all of it, the connection is not kept.
func (s *stream) drainBody() {
	s.Detach()
	for s.reading == readBody && len(s.ss.conn.Buffered()) > s.pending {
		if _, end := s.Next(); end != fault.Completed {
			break
		}
	}
	if s.reading != readAll {
		s.keep = false
	}
}

// linger closes our side and reads on for a while: a close with octets unread makes the kernel send RST, which may destroy
// the answer before the client has read it (RFC 9112, section 9.6).
func (s *stream) linger() {
	c := s.ss.conn
	if s.reading == readAll && len(c.Buffered()) <= s.pending {
		return
	}
	c.CloseWrite()
	bound := lingerTime
	if s.ss.over {
		bound = awayTime
	}
	c.SetReadUntil(mono.Now().Add(bound))
	for total := 0; total < drainMax; {
		total += len(c.Buffered())
		c.Discard(len(c.Buffered()))
		if c.Fill() != fault.Completed {
			return
		}
	}
}

// sampleOf keeps the first bytes of what cannot be HTTP, so that another protocol is recognised. Those of a request, however
// broken, are not kept: there may be secrets in them.
func sampleOf(e *fault.Evidence, head []byte) {
	if e.Rule == fault.RuleNotHTTP {
		e.Sample = append([]byte(nil), head[:min(len(head), sampleMax)]...)
	}
}

// sampleMax is how many first octets are kept.
const sampleMax = 64

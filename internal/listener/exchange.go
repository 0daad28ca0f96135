package listener

import (
	"net/netip"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Exchange is one request and the way to answer it. It belongs to the connection's goroutine and is used again for
// another request when the handler returns.
type Exchange struct {
	Request httpmsg.Request
	Began   mono.Time      // when the request's first octet was there, on mono's clock
	Ready   mono.Time      // when its head was complete: what comes after is not the client's slowness
	State   any            // the handler's own, kept from one request to the next; nil at first
	Cancel  *cancel.Cancel // ends what the handler waits for on behalf of the exchange
	Broken  bool           // the request head could not be read: there may be no method and no target

	ss        *session
	gone      func() bool
	parse     h1.Progress
	body      h1.Decoder
	pending   int // octets of conn's buffer that the view given out by NextBody takes
	taken     int64
	saved     []byte // the request head, once the body is streamed
	streaming bool

	enc     h1.Encoder
	out     []byte // what is to be written next; nil while nothing is, so that a wait holds no buffer
	status  int
	state   writeState
	keep    bool // the connection may carry another request
	chunked bool
	sent    int64 // the connection's counter when the exchange began
	payload int64 // octets of the response body passed on
	broken  fault.Evidence
	lost    fault.End // how writing to the client failed, Completed while it did not
}

type writeState uint8

const (
	writeNothing writeState = iota // no head yet
	writeBody                      // the head was appended, the body goes on
	writeRaw                       // after 101: octets as they come
	writeEnded                     // End was called
	writeAborted                   // Abort was called, or the client is gone
)

// begin prepares for the next request on a connection.
func (x *Exchange) begin(ss *session) {
	x.Request.Reset()
	x.Began, x.Broken = mono.Now(), false
	x.Ready = x.Began
	x.ss = ss
	if x.gone == nil {
		x.gone = func() bool { return x.ss.conn.Gone() } // made once, so that a watch does not allocate
	}
	x.Cancel = &ss.waits
	x.Cancel.Reset()
	x.Cancel.Watch(x.gone)
	x.parse.Reset()
	x.body.Reset(0, &ss.head, &x.Request.Trailers)
	x.pending, x.taken, x.payload, x.streaming = 0, 0, 0, false
	x.free()
	x.status, x.state, x.keep, x.chunked, x.lost = 0, writeNothing, true, false, fault.Completed
	x.sent = ss.conn.Sent()
}

// release lets go of the connection, and of a buffer that grew beyond the usual.
func (x *Exchange) release() {
	x.ss = nil
	if x.broken.End != fault.Completed { // it is large, and hardly ever used
		x.broken = fault.Evidence{}
	}
	x.free()
}

// Client is the peer's address as text, without its port; empty for a unix socket.
func (x *Exchange) Client() string { return x.ss.client }

// Peer is the peer's address; it is not valid for a unix socket.
func (x *Exchange) Peer() netip.Addr { return x.ss.peer }

// Local is the address the client came to.
func (x *Exchange) Local() string { return x.ss.local }

// Secure reports whether the client came over TLS.
func (x *Exchange) Secure() bool { return x.ss.conn.TLS() != nil }

// Conn is the client's connection, for a tunnel and for splicing.
func (x *Exchange) Conn() *conn.Conn { return x.ss.conn }

// Status is the status of the head that was written, 0 before.
func (x *Exchange) Status() int { return x.status }

// Payload is how many octets of response body were passed on.
func (x *Exchange) Payload() int64 { return x.payload }

// Sent is how many octets of this answer were given to the kernel.
func (x *Exchange) Sent() int64 { return x.ss.conn.Sent() - x.sent }

// Aborted reports whether the answer was cut short, by us or by the client's leaving.
func (x *Exchange) Aborted() bool { return x.state == writeAborted }

// Committed reports whether an octet of the answer may have reached the client: after that there is no other answer.
func (x *Exchange) Committed() bool { return x.Sent() > 0 || x.state == writeAborted }

// Ended notes when the exchange ended, on mono's clock, so that the clock need not be read again.
func (x *Exchange) Ended(now mono.Time) { x.ss.now = now }

// Draining reports whether the server is on its way out.
func (x *Exchange) Draining() bool { return x.ss.server.draining.Load() }

// Left looks, without waiting, whether the client has given the exchange up: it has closed the connection since it sent the
// request. A client that ended its side along with the request still waits for the answer.
func (x *Exchange) Left() bool { return x.ss.conn.Left() }

// readHead reads the request head. False means that it has been refused and the connection ends.
//
// hot: once per request.
func (x *Exchange) readHead() bool {
	c := x.ss.conn
	first := true
	for {
		n, err := h1.ParseRequest(c.Buffered(), &x.parse, &x.Request, &x.ss.head)
		if n > 0 {
			if !first {
				x.Ready = mono.Now()
			}
			return x.headRead(n)
		}
		if err != nil {
			e := broken(err)
			sampleOf(&e, c.Buffered())
			x.refuse(e)
			return false
		}
		if first {
			first = false
			c.SetReadUntil(x.Began.Add(x.ss.limits.HeadTime))
		}
		switch end := c.Fill(); end {
		case fault.Completed:
		case fault.Timeout:
			x.refuse(fault.Evidence{Stage: fault.Receive, End: fault.Timeout, Timer: fault.TimerRequest, After: x.ss.limits.HeadTime})
			return false
		case fault.TooLarge:
			x.refuse(fault.Evidence{
				Stage: fault.Receive, End: fault.TooLarge, Rule: fault.RuleHeadSize,
				Limit: int64(x.ss.limits.RequestHead), Size: int64(len(c.Buffered())),
			})
			return false
		default:
			x.Broken = true
			x.state = writeAborted
			x.ss.server.Refuse(x, &fault.Evidence{Stage: fault.Receive, End: fault.Canceled})
			return false
		}
	}
}

// whole reports whether a request is buffered that needs no more of its connection: its head is complete and in order, its
// body is here, and it asks for no other protocol.
//
// hot: once per request.
func (x *Exchange) whole() bool {
	n, err := h1.ParseRequest(x.ss.conn.Buffered(), &x.parse, &x.Request, &x.ss.head)
	if n == 0 || err != nil || x.Request.Fields.Has(httpmsg.Upgrade) {
		return false
	}
	if limit := x.ss.limits.RequestBody; limit > 0 && x.Request.Length > limit {
		return false
	}
	x.headRead(n)
	_, here := x.WholeBody()
	return here
}

// settle ends an exchange that leaves nothing to do: what is buffered behind it is the next request's. False leaves it to finish.
//
// hot: once per request.
func (x *Exchange) settle() bool {
	if x.state != writeEnded || x.lost != fault.Completed || !x.body.Done() || !x.keep {
		return false
	}
	x.ss.conn.Discard(x.pending)
	x.pending = 0
	return true
}

// headRead goes on from a complete head: the body's framing, and the limit on its length.
func (x *Exchange) headRead(n int) bool {
	// The head stays in the buffer while the exchange lasts, since the request's octets are views into it. The body that
	// follows is read into the same buffer, behind it, and the head is discarded when the handler is done with the request.
	x.pending = n
	x.keep = x.Request.KeepAlive && !x.ss.server.draining.Load()
	x.body.Reset(x.Request.Length, &x.ss.head, &x.Request.Trailers)
	if limit := x.ss.limits.RequestBody; limit > 0 && x.Request.Length > limit {
		x.refuse(x.tooLarge(x.Request.Length))
		return false
	}
	return true
}

func (x *Exchange) tooLarge(size int64) fault.Evidence {
	return fault.Evidence{
		Stage: fault.Receive, End: fault.TooLarge, Rule: fault.RuleBodySize, Limit: x.ss.limits.RequestBody, Size: size,
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
func (x *Exchange) refuse(e fault.Evidence) {
	x.Broken = true
	x.keep = false
	x.broken = e
	x.ss.server.Refuse(x, &x.broken)
	if x.state != writeAborted {
		x.linger()
	}
}

// finish ends the exchange and reports whether the connection may carry another.
//
// hot: once per request.
func (x *Exchange) finish() bool {
	c := x.ss.conn
	switch {
	case x.state == writeRaw:
		return false
	case x.state != writeEnded: // the handler returned without an End: whatever was written is not complete
		x.Abort()
		return false
	case x.lost != fault.Completed:
		return false
	}
	if !x.body.Done() && !x.drainBody() {
		x.linger()
		return false
	}
	c.Discard(x.pending)
	x.pending = 0
	if !x.keep {
		x.linger()
		return false
	}
	return true
}

// How much of a request body that nobody wanted is read, to keep the connection or to let the client read the answer.
const (
	drainMax   = 256 << 10
	lingerTime = 2 * time.Second
	awayTime   = 200 * time.Millisecond // for one connection too many
)

// drainBody reads the rest of a short request body, where the connection is to be kept and the octets are here already.
func (x *Exchange) drainBody() bool {
	x.StreamBody()
	for x.keep && !x.body.Done() && len(x.ss.conn.Buffered()) > x.pending {
		if _, end := x.NextBody(); end != fault.Completed {
			return false
		}
	}
	return x.keep && x.body.Done()
}

// linger closes our side and reads on for a while: a close with octets unread makes the kernel send RST, which may destroy
// the answer before the client has read it (RFC 9112, section 9.6).
func (x *Exchange) linger() {
	c := x.ss.conn
	if x.body.Done() && !x.Broken && len(c.Buffered()) <= x.pending {
		return
	}
	c.CloseWrite()
	bound := lingerTime
	if x.ss.over {
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

package listener

import (
	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/mono"
)

// HasBody reports whether the request has a body that was not read to its end.
func (x *Exchange) HasBody() bool { return !x.body.Done() }

// BodyRead reports whether the request body was read to its end.
func (x *Exchange) BodyRead() bool { return x.body.Done() }

// WholeBody is the request body if it has a length and is here already, without reading: then it need not be streamed,
// and stays where it is for another attempt. A body that was streamed once is not whole any more, even if it has ended.
func (x *Exchange) WholeBody() ([]byte, bool) {
	if x.streaming {
		return nil, false
	}
	if x.body.Done() {
		return nil, true
	}
	n := x.Request.Length
	rest := x.ss.conn.Buffered()[x.pending:]
	if n < 0 || int64(len(rest)) < n {
		return nil, false
	}
	return rest[:n], true
}

// TakeWholeBody uses up what WholeBody returned; it does nothing where that was not the whole body.
func (x *Exchange) TakeWholeBody() {
	if body, whole := x.WholeBody(); whole && len(body) > 0 {
		n := int64(len(body))
		x.pending += len(body)
		x.taken += n
		x.body.Skip(n)
	}
}

// StreamBody prepares for NextBody: the request head, whose octets stand where the body will be read, moves to memory of
// its own.
func (x *Exchange) StreamBody() {
	if x.pending == 0 || x.streaming {
		return
	}
	c := x.ss.conn
	head := x.pending - int(x.taken) // a body that was taken whole stands behind it
	x.saved = append(x.saved[:0], c.Buffered()[:head]...)
	c.Discard(x.pending)
	x.pending, x.streaming = 0, true
	x.parse.Reset()
	if n, err := h1.ParseRequest(x.saved, &x.parse, &x.Request, &x.ss.head); n != len(x.saved) || err != nil {
		panic("BUG: listener: a request head did not parse a second time")
	}
}

// NextBody returns more of the request body: a view that is valid until the next call. An empty view with Completed is the
// end of the body. Any other end means that it is broken, and BodyEvidence says how. StreamBody came first. It may run on
// another goroutine than the one that writes the answer, so it touches nothing of the answer's: a connection is not kept
// after a body that is not Done.
func (x *Exchange) NextBody() ([]byte, fault.End) {
	c := x.ss.conn
	c.Discard(x.pending)
	x.pending = 0
	for !x.body.Done() {
		data, n, err := x.body.Next(c.Buffered())
		if err != nil {
			x.broken = broken(err)
			return nil, x.broken.End
		}
		if len(data) > 0 {
			x.pending = n
			x.taken += int64(len(data))
			if limit := x.ss.limits.RequestBody; limit > 0 && x.taken > limit {
				x.broken = x.tooLarge(x.taken)
				return nil, fault.TooLarge
			}
			return data, fault.Completed
		}
		if n > 0 {
			c.Discard(n)
			continue
		}
		if end := x.fillBody(); end != fault.Completed {
			return nil, end
		}
	}
	return nil, fault.Completed
}

func (x *Exchange) fillBody() fault.End {
	c := x.ss.conn
	c.SetReadUntil(mono.Now().Until(x.ss.limits.Idle))
	if len(c.Buffered()) == 0 && x.taken >= largeBody {
		c.Enlarge()
	}
	end := c.Fill()
	if end == fault.Completed {
		return end
	}
	x.broken = fault.Evidence{Stage: fault.Receive, End: end, Errno: c.ReadErrno()}
	switch end {
	case fault.Timeout:
		x.broken.Timer, x.broken.After = fault.TimerIdle, x.ss.limits.Idle
	case fault.TooLarge:
		x.broken.Rule = fault.RuleTrailerSize
	default:
		x.broken.End = fault.Canceled // the client left in the middle of its own request
		end = fault.Canceled
	}
	return end
}

// largeBody is how many octets of a body make a large buffer worth its memory.
const largeBody = 64 << 10

// BodyEvidence says why NextBody ended.
func (x *Exchange) BodyEvidence() *fault.Evidence { return &x.broken }

// ReadUnder makes NextBody end with another Cancel than what else waits for the client; nil restores that. Nobody may be waiting.
func (x *Exchange) ReadUnder(c *cancel.Cancel) {
	if c == nil {
		c = &x.ss.cut
	}
	x.ss.conn.Obey(c, &x.ss.cut, 0)
}

// NoKeepAlive ends the connection after this exchange.
func (x *Exchange) NoKeepAlive() { x.keep = false }

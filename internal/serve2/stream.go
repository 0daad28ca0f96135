package serve2

import (
	"errors"
	"sync"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
	"github.com/whygate/whygate/internal/mux"
)

// stream is an exchange's place on its connection: an exchange.Stream.
type stream struct {
	x      exchange.Exchange
	st     *mux.Stream
	ss     *Session
	place  int           // in the session's active
	cancel cancel.Cancel // the exchange's
	left   func(error)   // tells cancel that the client has reset the stream, or has gone, or broke a rule

	mu     sync.Mutex     // guards obeys
	obeys  *cancel.Cancel // ends Next too; nil for none
	waiter cancel.Waiter  // of obeys
	late   *time.Timer    // looks when obeys is late; nil before it was ever needed
	taken  int64          // octets of the request body that were given out
	ended  bool           // the last of them were
}

func newStream() *stream {
	s := &stream{}
	s.x.Stream = s
	s.left = func(err error) { // made once, so that a stream does not allocate
		why := cancel.ClientLeft
		if errors.Is(err, mux.ErrBroken) {
			why = cancel.BodyBroke // in the body, if it goes on: Next says so
		}
		s.cancel.Cancel(why)
	}
	s.waiter.Wake = s.wake
	return s
}

// Detach implements exchange.Stream: the request's octets stay where they are for as long as the stream.
func (s *stream) Detach() {}

// Left implements exchange.Stream.
func (s *stream) Left() bool { return s.st.Gone() != nil }

// Obey implements exchange.Stream.
func (s *stream) Obey(c *cancel.Cancel) {
	s.mu.Lock()
	before := s.obeys
	s.obeys = c
	s.mu.Unlock()
	if before != nil {
		before.Leave(&s.waiter)
		s.st.StopReading(false)
	}
	if c != nil {
		c.Join(&s.waiter)
		s.wake()
	}
}

// wake ends Next if what it obeys has a reason. It may come late, when the stream is another exchange's: then there is none.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.obeys.Reason() != cancel.None {
		s.st.StopReading(true)
		return
	}
	if late := s.obeys.Late(); late != 0 {
		left := late.Sub(mono.Now())
		if left <= 0 {
			s.st.StopReading(true)
			return
		}
		if s.late == nil {
			s.late = time.AfterFunc(left, s.wake)
		} else {
			s.late.Reset(left)
		}
	}
}

// Next implements exchange.Stream.
func (s *stream) Next() ([]byte, fault.End) {
	if s.ended {
		s.x.BodyRead, s.x.Request.Trailers = true, *s.st.Trailers()
		return nil, fault.Completed
	}
	data, end, err := s.st.Next()
	if err != nil {
		return nil, s.broke(err)
	}
	s.taken += int64(len(data))
	if limit := s.ss.limits.RequestBody; limit > 0 && s.x.Request.Protocol == nil && s.taken > limit {
		s.x.Broke = tooLarge(limit, s.taken)
		return nil, fault.TooLarge
	}
	if s.ended = end; end {
		s.x.BodyRead, s.x.Request.Trailers = true, *s.st.Trailers()
	}
	return data, fault.Completed
}

// broke notes how the request body ended before its end.
func (s *stream) broke(err error) fault.End {
	e := &s.x.Broke
	*e = fault.Evidence{Stage: fault.Receive, End: fault.Canceled} // the client left in the middle of its own request
	switch {
	case errors.Is(err, mux.ErrSilent):
		e.End, e.Timer, e.After = fault.Timeout, fault.TimerIdle, s.ss.limits.Idle
	case errors.Is(err, mux.ErrBroken):
		e.End = fault.Malformed
	}
	return e.End
}

// Charge counts octets that the handler holds in what clients of HTTP/2 may make us hold.
func (s *stream) Charge(n int64) { s.st.Charge(n) }

// Interim implements exchange.Stream.
func (s *stream) Interim(status int, _ []byte, fields *httpmsg.Fields) fault.End {
	if s.x.Status != 0 {
		return fault.Completed
	}
	return s.wrote(s.st.WriteInterim(status, fields), 0)
}

// Head implements exchange.Stream. HTTP/2 has no reason phrase.
//
// hot: once per request.
func (s *stream) Head(h *exchange.Head) {
	s.x.Status = h.Status
	declare, body := h.Length, h.Length
	if declare < 0 || h.NoBody && (h.Status < 200 || h.Status == 204) {
		declare = httpmsg.LengthUnknown
	}
	switch {
	case h.NoBody || s.x.Request.Method == httpmsg.HEAD:
		body = 0
	case body < 0:
		body = httpmsg.LengthUnknown
	}
	s.st.Head(h.Status, h.Fields, h.Extra, declare, body)
}

// Write implements exchange.Stream.
//
// hot: once per piece of body.
func (s *stream) Write(p []byte) fault.End {
	if len(p) == 0 || s.x.Aborted {
		return s.x.Lost
	}
	s.x.Payload += int64(len(p))
	return s.wrote(s.st.Write(p), int64(len(p)))
}

// Flush implements exchange.Stream.
func (s *stream) Flush() fault.End {
	if s.x.Aborted {
		return s.x.Lost
	}
	s.st.Flush()
	return s.wrote(s.st.Gone(), 0)
}

// End implements exchange.Stream. What was gathered goes out when the handler returns.
//
// hot: once per request.
func (s *stream) End(trailers *httpmsg.Fields) bool {
	if s.x.Aborted {
		return false
	}
	err := s.st.End(trailers)
	if s.x.Request.Protocol != nil {
		s.st.StopReading(true) // half a tunnel is of no use: RFC 8441 has no half-closed ones
	}
	if s.wrote(err, 0); err != nil && s.x.Lost == fault.Completed { // octets are missing: a bug of the caller
		s.x.Aborted = true
		return false
	}
	return true
}

// Abort implements exchange.Stream.
func (s *stream) Abort() {
	if !s.x.Aborted {
		s.x.Aborted = true
		s.st.Abort(h2.InternalError)
	}
}

// wrote notes what has become of a piece of the response, and that the client is gone, once.
func (s *stream) wrote(err error, n int64) fault.End {
	s.x.Sent = s.st.Given()
	if err == nil || s.x.Lost != fault.Completed {
		return s.x.Lost
	}
	switch {
	case errors.Is(err, mux.ErrStalled):
		s.x.Lost = fault.Timeout
	case s.cancel.Reason() == cancel.Drained:
		s.x.Lost = fault.Canceled
	case s.st.Gone() != nil:
		s.x.Lost = fault.Reset
	default: // more octets than the head declared
		s.x.Payload -= n
		return fault.Malformed
	}
	return s.x.Lost
}

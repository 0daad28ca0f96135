package serve1

import (
	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/mono"
)

// take counts a body that is here as read. Nobody needs its octets any more: the answer has begun.
func (s *stream) take() {
	x := &s.x
	if !x.BodyHere {
		return
	}
	n := len(x.Body)
	s.pending += n
	s.taken += int64(n)
	s.body.Skip(int64(n))
	x.Body, x.BodyHere, x.BodyRead = nil, false, true
	s.reading = readAll
}

// Detach implements exchange.Stream: the request head, whose octets stand where the body will be read, moves to memory of its own.
// A body that was here is streamed from then on.
func (s *stream) Detach() {
	if s.pending == 0 || s.detached {
		return
	}
	c := s.ss.conn
	head := s.pending - int(s.taken) // a body that was taken stands behind it
	s.saved = append(s.saved[:0], c.Buffered()[:head]...)
	c.Discard(s.pending)
	s.pending, s.detached = 0, true
	s.x.Body, s.x.BodyHere = nil, false
	s.parse.Reset()
	if n, err := h1.ParseRequest(s.saved, &s.parse, &s.x.Request, &s.ss.head); n != len(s.saved) || err != nil {
		panic("BUG: serve1: a request head did not parse a second time")
	}
}

// Next implements exchange.Stream. It may run on another goroutine than the one that writes the answer, so it does not touch keep and
// the answer's other fields. It need not: next keeps no connection whose request was not read to its end.
func (s *stream) Next() ([]byte, fault.End) {
	c := s.ss.conn
	c.Discard(s.pending)
	s.pending = 0
	if s.reading == readRaw {
		return s.nextRaw()
	}
	for !s.body.Done() {
		data, n, err := s.body.Next(c.Buffered())
		if err != nil {
			s.reading, s.x.Broke = readBad, broken(err)
			return nil, s.x.Broke.End
		}
		if len(data) > 0 {
			s.pending = n
			s.taken += int64(len(data))
			if limit := s.ss.limits.RequestBody; limit > 0 && s.taken > limit {
				s.reading, s.x.Broke = readBad, s.tooLarge(s.taken)
				return nil, fault.TooLarge
			}
			s.bodyDone()
			return data, fault.Completed
		}
		if n > 0 {
			c.Discard(n)
			continue
		}
		if end := s.fillBody(); end != fault.Completed {
			s.reading = readBad
			return nil, end
		}
	}
	s.bodyDone()
	return nil, fault.Completed
}

// bodyDone looks whether the body was read to its end.
func (s *stream) bodyDone() {
	if s.body.Done() {
		s.reading, s.x.BodyRead = readAll, true
	}
}

// nextRaw returns a tunnel's octets as they come, and nothing at the client's FIN. Only its Cancel ends the wait.
func (s *stream) nextRaw() ([]byte, fault.End) {
	c := s.ss.conn
	if len(c.Buffered()) == 0 {
		c.SetReadUntil(0)
		switch end := c.Fill(); end {
		case fault.Completed:
		case fault.Closed:
			return nil, fault.Completed
		default:
			return nil, end
		}
	}
	s.pending = len(c.Buffered())
	return c.Buffered(), fault.Completed
}

func (s *stream) fillBody() fault.End {
	c := s.ss.conn
	c.SetReadUntil(mono.Now().Until(s.ss.limits.Idle))
	if len(c.Buffered()) == 0 && s.taken >= largeBody {
		c.Enlarge()
	}
	end := c.Fill()
	if end == fault.Completed {
		return end
	}
	s.x.Broke = fault.Evidence{Stage: fault.Receive, End: end, Errno: c.ReadErrno()}
	switch end {
	case fault.Timeout:
		s.x.Broke.Timer, s.x.Broke.After = fault.TimerIdle, s.ss.limits.Idle
	case fault.TooLarge:
		s.x.Broke.Rule = fault.RuleTrailerSize
	default:
		s.x.Broke.End = fault.Canceled // the client left in the middle of its own request
		end = fault.Canceled
	}
	return end
}

// largeBody is how many octets of a body make a large buffer worth its memory.
const largeBody = 64 << 10

// Obey implements exchange.Stream.
func (s *stream) Obey(c *cancel.Cancel) {
	if c == nil {
		c = &s.ss.cut
	}
	s.ss.conn.Obey(c, &s.ss.cut, 0)
}

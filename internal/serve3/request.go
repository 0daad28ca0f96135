package serve3

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h3"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// endTime is how long a request whose method has no content waits for its stream to end. Most clients send the end along with the head;
// of some it comes in the next packet, and until then a body might still come.
const endTime = 10 * time.Millisecond

// serve reads a request and has it answered. It runs on a goroutine of the stream's own, and a bug of ours costs one stream.
func (s *stream) serve() {
	ss := s.ss
	host := ss.s.host
	host.Busy.Add(1)
	cost := 0.0
	defer func() {
		reason := recover()
		host.Busy.Add(-1)
		if reason != nil {
			s.abort(h3.InternalError)
		}
		cost += s.close()
		ss.done(s, cost)
		s.release()
		streams.Put(s)
		if reason != nil {
			host.Panicked(reason)
		}
	}()
	err := s.readHead()
	if err != nil {
		cost = s.refuseHead(err)
		return
	}
	if !s.headed {
		return // the client left, or was too slow, and was told of
	}
	x := &s.x
	if limit := ss.limits.RequestBody; limit > 0 && x.Request.Length > limit {
		e := tooLarge(limit, x.Request.Length)
		host.Refuse(x, &e)
		return
	}
	host.Serve(x)
}

// refuseHead answers or resets what is no request, and says what that costs.
func (s *stream) refuseHead(err *h3.Error) float64 {
	ss := s.ss
	switch {
	case err.Fatal:
		ss.fail(err)
		return 0
	case err.TooLarge():
		s.x.Broken = true
		e := brokenRule(err)
		ss.s.host.Refuse(&s.x, &e)
		return costError
	}
	s.abort(err.Code)
	e := brokenRule(err)
	ss.tell(&e)
	return costError
}

// readHead reads the request head, and what else has come with it. Without an Error there is a request if headed says so.
func (s *stream) readHead() *h3.Error {
	ss, r := s.ss, &s.r
	if ss.limits.HeadTime > 0 {
		_ = s.st.SetReadDeadline(time.Now().Add(ss.limits.HeadTime))
	}
	var block []byte
	for block == nil {
		h, there := r.header()
		if !there {
			return s.noHead(len(r.buffered()) > 0)
		}
		part, err := s.order.Frame(h.Type)
		if err != nil {
			return err
		}
		if part == h3.Skipped {
			if err := s.unknown(h.Length); err != nil {
				return err
			}
			if !r.skip(h.Length) {
				return s.noHead(true)
			}
			continue
		}
		limit := ss.headMax()
		if h.Length > uint64(h3.BlockMax(limit)) {
			return h3.TooLong(limit, h.Length)
		}
		n := int(h.Length)
		if n > bufferSize { // it is there until the exchange ends, however little of it comes
			s.charge(int64(n))
		}
		for r.room(n); len(r.buffered()) < n; {
			if !r.fill() {
				return s.noHead(true)
			}
		}
		block = r.buffered()[:n:n]
		r.r += n
	}
	var err *h3.Error
	s.head, err = h3.ReadRequest(block, s.head[:0], &s.x.Request, &h3.Limits{Head: ss.headMax(), Trailers: ss.headMax()})
	if err != nil {
		return err
	}
	s.charge(int64(len(s.head)))
	s.x.Ready = mono.Now()
	return s.begun()
}

// noHead judges a stream that ended before its head did. inside says that it was inside a frame.
func (s *stream) noHead(inside bool) *h3.Error {
	switch {
	case s.r.err == io.EOF:
		if err := s.order.Cut(inside); err != nil {
			return err
		}
		return h3.Incomplete()
	case errors.Is(s.r.err, os.ErrDeadlineExceeded):
		s.abort(h3.RequestRejected) // nothing was done for it
		s.ss.tell(&fault.Evidence{Stage: fault.Receive, End: fault.Timeout, Timer: fault.TimerRequest, After: s.ss.limits.HeadTime})
	default:
		s.gone.Store(true) // a reset of its half alone does not end the stream's context, and costs the same
	}
	return nil
}

// unknown counts the octets of a frame of an unknown type.
func (s *stream) unknown(n uint64) *h3.Error {
	if n > h3.UnknownMax || s.passed+int64(n) > h3.UnknownMax {
		return h3.Unknown(int64(min(n, 1<<40)))
	}
	s.passed += int64(n)
	return nil
}

// begun prepares the exchange of a request that was read, with as much of its body as is here.
func (s *stream) begun() *h3.Error {
	x := &s.x
	x.BodyRead = false
	switch x.Request.Method {
	case httpmsg.GET, httpmsg.HEAD, httpmsg.OPTIONS, httpmsg.DELETE, httpmsg.TRACE:
		if x.Request.Length < 0 && s.r.err == nil && len(s.r.buffered()) == 0 {
			_ = s.st.SetReadDeadline(time.Now().Add(endTime))
			s.r.fill()
			if errors.Is(s.r.err, os.ErrDeadlineExceeded) {
				s.r.err = nil
			}
		}
	}
	_ = s.st.SetReadDeadline(time.Time{})
	if s.r.err == io.EOF {
		if body, whole := s.wholeBody(); whole {
			if err := h3.Ended(&x.Request, int64(len(body))); err != nil {
				return err
			}
			s.ended = true
			x.Body, x.BodyHere, x.BodyRead = body, len(body) > 0, len(body) == 0
		}
	}
	s.headed = true
	return nil
}

// wholeBody is the body where all of it is buffered, without trailers. The octets of several frames are moved together.
func (s *stream) wholeBody() ([]byte, bool) {
	b := s.r.buffered()
	for rest := b; len(rest) > 0; {
		h, n := h3.ParseHeader(rest)
		if n == 0 || h.Type != h3.Data || uint64(len(rest)-n) < h.Length {
			return nil, false
		}
		rest = rest[n+int(h.Length):]
	}
	body := b[:0]
	for rest := b; len(rest) > 0; {
		h, n := h3.ParseHeader(rest)
		if end := n + int(h.Length); len(body) == 0 {
			body, rest = rest[n:end], rest[end:]
		} else {
			body, rest = append(body, rest[n:end]...), rest[end:]
		}
	}
	s.r.r = s.r.w
	return body, true
}

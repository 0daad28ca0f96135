package serve3

import (
	"errors"
	"os"
	"time"

	"github.com/whygate/whygate/internal/cancel"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h3"
	"github.com/whygate/whygate/internal/httpmsg"
)

// gatherMax is up to which size of an answer pieces are held back, so that they go out together, in octets. writeLeast is how much of it
// a client must take within limits.idle.
const (
	gatherMax  = 8 << 10
	writeLeast = 16 << 10
)

// Interim implements exchange.Stream.
func (s *stream) Interim(status int, _ []byte, fields *httpmsg.Fields) fault.End {
	if s.x.Status != 0 || s.x.Aborted {
		return s.x.Lost
	}
	b := h3.AppendStatus(h3.BeginHeaders(nil), status)
	if fields != nil {
		b = h3.AppendFields(b, fields)
	}
	end := s.push(h3.FinishHeaders(b, 0))
	s.gave, s.x.Sent = 0, 0
	return end
}

// Head implements exchange.Stream. HTTP/3 has no reason phrase. A head that was given before is forgotten if nothing of it was written.
//
// hot: once per request.
func (s *stream) Head(h *exchange.Head) {
	s.x.Status = h.Status
	s.answer.Store(true)
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
	s.more = body
	b := h3.AppendStatus(h3.BeginHeaders(s.out[:0]), h.Status)
	if h.Fields != nil {
		b = h3.AppendFields(b, h.Fields)
	}
	if h.Extra != nil {
		b = h3.AppendFields(b, h.Extra)
	}
	s.out = h3.FinishHeaders(h3.AppendLength(b, declare), 0)
}

// Write implements exchange.Stream.
//
// hot: once per piece of body.
func (s *stream) Write(p []byte) fault.End {
	if len(p) == 0 || s.x.Aborted {
		return s.x.Lost
	}
	if s.more >= 0 {
		if int64(len(p)) > s.more {
			return fault.Malformed
		}
		s.more -= int64(len(p))
	}
	s.x.Payload += int64(len(p))
	s.out = h3.AppendHeader(s.out, h3.Data, len(p))
	if len(s.out)+len(p) <= gatherMax {
		s.out = append(s.out, p...)
		return s.x.Lost
	}
	if end := s.Flush(); end != fault.Completed {
		return end
	}
	return s.push(p)
}

// Flush implements exchange.Stream.
func (s *stream) Flush() fault.End {
	if s.x.Aborted || len(s.out) == 0 {
		return s.x.Lost
	}
	end := s.push(s.out)
	s.out = s.out[:0]
	return end
}

// End implements exchange.Stream.
//
// hot: once per request.
func (s *stream) End(trailers *httpmsg.Fields) bool {
	if s.x.Aborted {
		return false
	}
	if s.more > 0 { // octets are missing: a bug of the caller
		s.Abort()
		return false
	}
	if trailers != nil && trailers.Len() > 0 {
		at := len(s.out)
		s.out = h3.FinishHeaders(h3.AppendFields(h3.BeginHeaders(s.out), trailers), at)
	}
	if s.Flush() != fault.Completed {
		return true // the client is gone: Lost says so
	}
	s.closed = true
	_ = s.st.Close()
	return true
}

// Abort implements exchange.Stream.
func (s *stream) Abort() {
	if !s.x.Aborted {
		s.x.Aborted = true
		s.out = s.out[:0]
		if s.closed {
			s.aborted.Store(false) // what was ended may still be taken back
		}
		s.abort(h3.InternalError)
	}
}

// push writes octets of the response.
func (s *stream) push(p []byte) fault.End {
	for len(p) > 0 && s.x.Lost == fault.Completed {
		if idle := s.ss.limits.Idle; idle > 0 {
			_ = s.st.SetWriteDeadline(time.Now().Add(idle))
		}
		n, err := s.st.Write(p[:min(len(p), writeLeast)])
		s.gave += int64(n)
		p = p[n:]
		if err != nil {
			s.lost(err)
		}
	}
	s.x.Sent = s.gave
	return s.x.Lost
}

// lost notes that the client takes no more.
func (s *stream) lost(err error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.x.Lost = fault.Timeout
	case s.cancel.Reason() == cancel.Drained:
		s.x.Lost = fault.Canceled
	default:
		s.x.Lost = fault.Reset
	}
}

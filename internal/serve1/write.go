package serve1

import (
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Interim implements exchange.Stream. HTTP/1.0 clients do not know interim responses (RFC 9110, section 15.2).
func (s *stream) Interim(status int, reason []byte, fields *httpmsg.Fields) fault.End {
	if s.x.Request.Version <= httpmsg.HTTP10 || s.writing != wroteNothing {
		return fault.Completed
	}
	out := h1.AppendStatusLine(conn.GetBuffer(), status, reason)
	out = h1.AppendFields(out, fields)
	s.out = append(out, '\r', '\n')
	end := s.flush()
	s.sent, s.x.Sent = s.ss.conn.Sent(), 0 // an interim answer commits to nothing
	return end
}

// Head implements exchange.Stream.
//
// hot: once per request.
func (s *stream) Head(h *exchange.Head) {
	s.take()
	s.x.Status = h.Status
	s.keep = s.keep && !s.x.Last
	s.writing = wroteHead
	s.free() // a head before this one was not sent
	out := h1.AppendStatusLine(conn.GetBuffer(), h.Status, h.Reason)
	if h.Fields != nil {
		out = h1.AppendFields(out, h.Fields)
	}
	if h.Extra != nil {
		out = h1.AppendFields(out, h.Extra)
	}
	out = s.appendFraming(out, h)
	s.out = append(out, '\r', '\n')
}

// appendFraming decides how the client learns where the body ends: RFC 9112, section 6.3.
func (s *stream) appendFraming(out []byte, h *exchange.Head) []byte {
	length := h.Length
	if h.Status == 101 {
		out = append(out, "Connection: upgrade\r\n"...)
		s.enc.Reset(httpmsg.LengthClose)
		s.writing, s.reading, s.keep = wroteRaw, readRaw, false
		return out
	}
	switch {
	case h.NoBody || s.x.Request.Method == httpmsg.HEAD:
		s.enc.Reset(0)
		if length >= 0 && h.Status >= 200 && h.Status != 204 {
			out = h1.AppendFraming(out, length)
		} else if length == httpmsg.LengthUnknown && h.Status != 204 && h.Status != 304 && s.x.Request.Version > httpmsg.HTTP10 {
			out = h1.AppendFraming(out, length)
		}
	case length >= 0:
		s.enc.Reset(length)
		out = h1.AppendFraming(out, length)
	case s.x.Request.Version > httpmsg.HTTP10:
		s.enc.Reset(httpmsg.LengthUnknown)
		out = h1.AppendFraming(out, httpmsg.LengthUnknown)
	default: // HTTP/1.0 knows no chunks: the connection's end is the body's
		s.enc.Reset(httpmsg.LengthClose)
		s.keep = false
	}
	if s.ss.host.Draining.Load() || s.ss.host.Leaving.Load() {
		s.keep = false
	}
	switch {
	case !s.keep:
		out = append(out, "Connection: close\r\n"...)
	case s.x.Request.Version <= httpmsg.HTTP10:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}

// chunkEnd is room for what ends a chunk and the body.
const chunkEnd = 16

// directMin is the size from which a piece of body is written from where it stands instead of being copied behind the head.
const directMin = 4 << 10

// Write implements exchange.Stream.
//
// hot: once per piece of body.
func (s *stream) Write(p []byte) fault.End {
	if len(p) == 0 || s.writing == wroteCut {
		return s.x.Lost
	}
	s.x.Payload += int64(len(p))
	if s.writing == wroteRaw {
		s.deadline()
		return s.wrote(s.ss.conn.Write(p))
	}
	if s.out == nil {
		s.out = conn.GetBuffer()
	}
	out, ok := s.enc.Begin(s.out, len(p))
	if !ok {
		return fault.Malformed
	}
	s.out = out
	if len(p) < directMin && len(s.out)+len(p)+chunkEnd < cap(s.out) {
		s.out = s.enc.Finish(append(s.out, p...))
		return fault.Completed
	}
	s.deadline()
	end := s.wrote(s.ss.conn.Write2(s.out, p))
	s.out = s.enc.Finish(s.out[:0])
	return end
}

// Flush implements exchange.Stream.
func (s *stream) Flush() fault.End {
	if len(s.out) == 0 || s.writing == wroteCut {
		s.free() // whoever flushes is going to wait
		return s.x.Lost
	}
	return s.flush()
}

func (s *stream) flush() fault.End {
	s.deadline()
	end := s.wrote(s.ss.conn.Write(s.out))
	s.free()
	return end
}

// free gives the buffer of what is to be written back.
func (s *stream) free() {
	if s.out != nil {
		conn.PutBuffer(s.out)
		s.out = nil
	}
}

// deadline bounds the wait for a client that does not read: the same silence that a client may keep elsewhere.
func (s *stream) deadline() {
	now := s.x.Ended // when the answer had come, if that was all there is to write
	if now == 0 {
		now = mono.Now()
	}
	s.ss.conn.SetWriteUntil(now.Until(s.ss.limits.Idle))
}

// wrote notes what was given to the kernel, and that the client is gone, once.
func (s *stream) wrote(end fault.End) fault.End {
	s.x.Sent = s.ss.conn.Sent() - s.sent
	if end != fault.Completed && s.x.Lost == fault.Completed {
		s.x.Lost = end
		s.keep = false
	}
	return end
}

// Splice is exchange.Exchange's.
func (s *stream) Splice(src *conn.Conn, n int64, readGap conn.Gap) (moved int64, read, write fault.End) {
	if end := s.Flush(); end != fault.Completed {
		return 0, fault.Completed, end
	}
	moved, read, write = conn.Splice(s.ss.conn, src, n, readGap, func() mono.Time { return mono.Now().Until(s.ss.limits.Idle) })
	s.enc.Skip(moved)
	s.x.Payload += moved
	return moved, read, s.wrote(write)
}

// CanSplice is exchange.Exchange's.
func (s *stream) CanSplice(src *conn.Conn) bool {
	return s.enc.Left() != 0 && s.writing == wroteHead && conn.CanSplice(s.ss.conn, src)
}

// End implements exchange.Stream.
//
// hot: once per request.
func (s *stream) End(trailers *httpmsg.Fields) bool {
	if s.writing == wroteCut || s.writing == wroteAll {
		return s.writing == wroteAll
	}
	if s.writing == wroteRaw {
		s.writing = wroteAll
		s.ss.conn.CloseWrite()
		return true
	}
	if s.out == nil {
		s.out = conn.GetBuffer()
	}
	out, ok := s.enc.End(s.out, trailers)
	if !ok {
		s.Abort()
		return false
	}
	s.out = out
	s.writing = wroteAll
	if len(s.out) > 0 {
		s.flush()
	}
	return true
}

// Abort implements exchange.Stream. The connection ends with it.
func (s *stream) Abort() {
	if s.writing == wroteCut {
		return
	}
	if len(s.out) > 0 && s.writing == wroteHead && s.x.Lost == fault.Completed {
		s.flush() // what had come is the client's; the end is missing all the same
	}
	reset := s.writing == wroteHead && s.enc.Left() < 0 // the connection's end would look like the body's
	s.writing, s.x.Aborted = wroteCut, true
	if reset {
		s.ss.conn.Abort()
	} else {
		s.ss.conn.End()
	}
}

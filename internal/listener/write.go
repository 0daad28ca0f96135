package listener

import (
	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
	"github.com/whygate/whygate/internal/mono"
)

// Head is a response head to write. Fields that name the framing or the connection are made here: those in Fields and Extra
// must be dropped or absent.
type Head struct {
	Status int
	Reason []byte          // nil for the usual phrase
	Length int64           // octets of the body; LengthUnknown or LengthClose where that is not known
	Fields *httpmsg.Fields // passed on but for those dropped; may be nil
	Extra  *httpmsg.Fields // of our own; may be nil
	NoBody bool            // the answer to HEAD, or a 204 or 304: a Length of 0 or more is declared as it is, but no body follows
}

// WriteInterim writes a 1xx answer at once. HTTP/1.0 clients do not know them (RFC 9110, section 15.2).
func (x *Exchange) WriteInterim(status int, reason []byte, fields *httpmsg.Fields) fault.End {
	if x.Request.Version <= httpmsg.HTTP10 || x.state != writeNothing {
		return fault.Completed
	}
	out := h1.AppendStatusLine(conn.GetBuffer(), status, reason)
	out = h1.AppendFields(out, fields)
	x.out = append(out, '\r', '\n')
	end := x.flush()
	x.sent = x.ss.conn.Sent() // an interim answer commits to nothing
	return end
}

// WriteHead appends a response head. It leaves with the first of the body, at the latest with Flush or End.
//
// hot: once per request.
func (x *Exchange) WriteHead(h *Head) {
	x.status = h.Status
	x.state = writeBody
	x.free() // a head before this one was not sent
	out := h1.AppendStatusLine(conn.GetBuffer(), h.Status, h.Reason)
	if h.Fields != nil {
		out = h1.AppendFields(out, h.Fields)
	}
	if h.Extra != nil {
		out = h1.AppendFields(out, h.Extra)
	}
	out = x.appendFraming(out, h)
	x.out = append(out, '\r', '\n')
}

// appendFraming decides how the client learns where the body ends: RFC 9112, section 6.3.
func (x *Exchange) appendFraming(out []byte, h *Head) []byte {
	length := h.Length
	if h.Status == 101 {
		x.enc.Reset(httpmsg.LengthClose)
		x.state, x.keep = writeRaw, false
		return out
	}
	switch {
	case h.NoBody || x.Request.Method == httpmsg.HEAD:
		x.enc.Reset(0)
		if length >= 0 && h.Status >= 200 && h.Status != 204 {
			out = h1.AppendFraming(out, length)
		} else if length == httpmsg.LengthUnknown && h.Status != 204 && h.Status != 304 && x.Request.Version > httpmsg.HTTP10 {
			out = h1.AppendFraming(out, length)
		}
	case length >= 0:
		x.enc.Reset(length)
		out = h1.AppendFraming(out, length)
	case x.Request.Version > httpmsg.HTTP10:
		x.enc.Reset(httpmsg.LengthUnknown)
		out = h1.AppendFraming(out, httpmsg.LengthUnknown)
	default: // HTTP/1.0 knows no chunks: the connection's end is the body's
		x.enc.Reset(httpmsg.LengthClose)
		x.keep = false
	}
	if x.ss.server.draining.Load() {
		x.keep = false
	}
	switch {
	case !x.keep:
		out = append(out, "Connection: close\r\n"...)
	case x.Request.Version <= httpmsg.HTTP10:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}

// chunkEnd is room for what ends a chunk and the body.
const chunkEnd = 16

// directMin is the size from which a piece of body is written from where it stands instead of being copied behind the head.
const directMin = 4 << 10

// Write passes on a piece of the response body. It is written at once if it is large, else with the next Flush or End.
// It fails only if the client is gone, or if there are more octets than the head declared (Malformed).
//
// hot: once per piece of body.
func (x *Exchange) Write(p []byte) fault.End {
	if len(p) == 0 || x.state == writeAborted {
		return x.lost
	}
	x.payload += int64(len(p))
	if x.state == writeRaw {
		x.deadline()
		return x.wrote(x.ss.conn.Write(p))
	}
	if x.out == nil {
		x.out = conn.GetBuffer()
	}
	out, ok := x.enc.Begin(x.out, len(p))
	if !ok {
		return fault.Malformed
	}
	x.out = out
	if len(p) < directMin && len(x.out)+len(p)+chunkEnd < cap(x.out) {
		x.out = x.enc.Finish(append(x.out, p...))
		return fault.Completed
	}
	x.deadline()
	end := x.wrote(x.ss.conn.Write2(x.out, p))
	x.out = x.enc.Finish(x.out[:0])
	return end
}

// Flush writes what has been appended.
func (x *Exchange) Flush() fault.End {
	if len(x.out) == 0 || x.state == writeAborted {
		x.free() // whoever flushes is going to wait
		return x.lost
	}
	return x.flush()
}

func (x *Exchange) flush() fault.End {
	x.deadline()
	end := x.wrote(x.ss.conn.Write(x.out))
	x.free()
	return end
}

// free gives the buffer of what is to be written back.
func (x *Exchange) free() {
	if x.out != nil {
		conn.PutBuffer(x.out)
		x.out = nil
	}
}

// deadline bounds the wait for a client that does not read: the same silence that a client may keep elsewhere.
func (x *Exchange) deadline() {
	now := x.ss.now // when the answer had come, if that was all there is to write
	if now <= x.Began {
		now = mono.Now()
	}
	x.ss.conn.SetWriteUntil(now.Until(x.ss.limits.Idle))
}

// WriteUntil is the deadline for one more write to the client, on mono's clock.
func (x *Exchange) WriteUntil() mono.Time { return mono.Now().Until(x.ss.limits.Idle) }

// wrote notes that the client is gone, once.
func (x *Exchange) wrote(end fault.End) fault.End {
	if end != fault.Completed && x.lost == fault.Completed {
		x.lost = end
		x.keep = false
	}
	return end
}

// Lost is how writing to the client failed, Completed while it did not.
func (x *Exchange) Lost() fault.End { return x.lost }

// Splice moves n octets of the response body, which has a length, from another connection inside the kernel. It returns
// how each side stands.
func (x *Exchange) Splice(src *conn.Conn, n int64, readGap conn.Gap) (moved int64, read, write fault.End) {
	if end := x.Flush(); end != fault.Completed {
		return 0, fault.Completed, end
	}
	moved, read, write = conn.Splice(x.ss.conn, src, n, readGap, x.WriteUntil)
	x.enc.Skip(moved)
	x.payload += moved
	return moved, read, x.wrote(write)
}

// CanSplice reports whether the next octets of the body may be spliced: they have no framing between them, and both
// connections are sockets in clear.
func (x *Exchange) CanSplice(src *conn.Conn) bool {
	return x.enc.Left() != 0 && x.state == writeBody && conn.CanSplice(x.ss.conn, src)
}

// End completes the answer. Only who has seen the whole body may call it. It is false when octets are missing, which is a
// bug of the caller; the answer is aborted then.
//
// hot: once per request.
func (x *Exchange) End(trailers *httpmsg.Fields) bool {
	if x.state == writeAborted || x.state == writeEnded {
		return x.state == writeEnded
	}
	if x.state == writeRaw {
		x.state = writeEnded
		x.keep = false
		return true
	}
	if x.out == nil {
		x.out = conn.GetBuffer()
	}
	out, ok := x.enc.End(x.out, trailers)
	if !ok {
		x.Abort()
		return false
	}
	x.out = out
	x.state = writeEnded
	if len(x.out) > 0 {
		x.flush()
	}
	return true
}

// Abort ends the connection so that the client sees that the answer is not complete.
func (x *Exchange) Abort() {
	if x.state == writeAborted {
		return
	}
	if len(x.out) > 0 && x.state == writeBody && x.lost == fault.Completed {
		x.flush() // what had come is the client's; the end is missing all the same
	}
	reset := x.state == writeBody && x.enc.Left() < 0 // the connection's end would look like the body's
	x.state = writeAborted
	x.keep = false
	if reset {
		x.ss.conn.Abort()
	} else {
		x.ss.conn.End()
	}
}

package h1

import (
	"strconv"

	"github.com/whygate/whygate/internal/httpmsg"
)

// Encoder writes a body's framing and refuses to lie about a missing octet. It never sees the payload: it is told how many
// octets of it go out. The zero value is a body of no octets.
type Encoder struct {
	left  int64 // payload octets to come, or httpmsg.LengthUnknown for chunks, or httpmsg.LengthClose
	chunk bool  // a chunk has begun and not been finished
	ended bool
}

// Reset prepares for a body of that length: octets, httpmsg.LengthUnknown for a chunked one, or httpmsg.LengthClose.
func (e *Encoder) Reset(length int64) { *e = Encoder{left: length} }

// Begin appends what goes before n payload octets. It is false, and nothing is appended, when so many were not declared.
//
// hot: once per piece of a body.
func (e *Encoder) Begin(dst []byte, n int) ([]byte, bool) {
	switch {
	case e.ended || e.chunk:
		return dst, n == 0
	case e.left >= 0:
		if int64(n) > e.left {
			return dst, false
		}
		e.left -= int64(n)
	case e.left == httpmsg.LengthUnknown && n > 0: // a chunk of no octets would be the last one
		e.chunk = true
		dst = append(strconv.AppendUint(dst, uint64(n), 16), '\r', '\n')
	}
	return dst, true
}

// Finish appends what goes after the payload octets that Begin announced.
func (e *Encoder) Finish(dst []byte) []byte {
	if !e.chunk {
		return dst
	}
	e.chunk = false
	return append(dst, '\r', '\n')
}

// End appends what ends the body. It is false, and nothing is appended, when octets are missing: then the connection must
// end instead. Trailers, which may be nil, are written after chunks and dropped where the framing has no place for them.
func (e *Encoder) End(dst []byte, trailers *httpmsg.Fields) ([]byte, bool) {
	if e.ended {
		return dst, true
	}
	if e.left > 0 || e.chunk {
		return dst, false
	}
	e.ended = true
	if e.left != httpmsg.LengthUnknown {
		return dst, true
	}
	dst = append(dst, "0\r\n"...)
	if trailers != nil {
		dst = AppendFields(dst, trailers)
	}
	return append(dst, '\r', '\n'), true
}

// Skip tells that the owner moved n payload octets that were not announced by Begin, which a chunked body cannot have.
func (e *Encoder) Skip(n int64) {
	switch {
	case e.left == httpmsg.LengthClose:
	case e.left < n:
		panic("BUG: h1: more octets moved than were declared")
	default:
		e.left -= n
	}
}

// Left is how many payload octets may still be moved by Skip: -1 where there is no bound, 0 for a chunked body.
func (e *Encoder) Left() int64 {
	switch e.left {
	case httpmsg.LengthClose:
		return -1
	case httpmsg.LengthUnknown:
		return 0
	}
	return e.left
}

package h1

import (
	"math"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Bounds of what a chunked body may carry beside its payload.
const (
	// sizeDigitsMax bounds leading zeros. Sixteen digits hold every size; some servers write a fixed number of them.
	sizeDigitsMax = 32
	// extensionMax is the largest extension of one chunk. The known use, a signature per chunk, takes about 90 octets.
	extensionMax = 4 << 10
	// extensionsFree is what all extensions of a body may take beyond one octet for each of payload. Without a bound a
	// peer could keep us reading for ever and never send payload that a limit counts.
	extensionsFree = 16 << 10
)

// Decoder finds the end of a body: by length, by chunks, or by the connection's end. The zero value is a body of no octets.
type Decoder struct {
	state      State
	cr         bool  // the CR of a line end has come, its LF has not
	semicolon  bool  // the extension has begun; before it there is only whitespace
	digits     int   // of the chunk size being read
	left       int64 // payload octets to come of the body or the chunk, or httpmsg.LengthClose
	received   int64
	offset     int64 // octets taken, with the framing
	extension  int   // octets of this chunk's extension
	extensions int64 // octets of all extensions
	lim        *Limits
	trailers   *httpmsg.Fields
	section    Progress // in the trailer section
}

// Reset prepares for a body of that length: octets, httpmsg.LengthUnknown for a chunked one, or httpmsg.LengthClose. The
// trailer fields of a chunked body go to trailers, which must not be nil then.
func (d *Decoder) Reset(length int64, lim *Limits, trailers *httpmsg.Fields) {
	d.state, d.cr, d.semicolon, d.digits = AwaitBody, false, false, 0
	d.left, d.received, d.offset, d.extension, d.extensions = length, 0, 0, 0, 0
	d.lim, d.trailers = lim, trailers // section begins with the trailers: few messages have any
	switch length {
	case 0:
		d.state = AwaitEnd
	case httpmsg.LengthUnknown:
		d.state, d.left = AwaitChunkSize, 0
		trailers.Reset(nil)
	}
}

// Next takes octets from the front of src. data is payload, a view into src, and may be empty; n is how many octets of
// src have been used up, framing included. With n of 0, no Error and not Done, more is needed: the same octets and more
// behind them, which happens inside a trailer section only, or when src is empty. The trailer fields are views into the
// src of the call that completed the body.
//
// hot: once per read of a body, and per chunk.
func (d *Decoder) Next(src []byte) (data []byte, n int, err *Error) {
	if d.state != AwaitBody {
		return d.nextChunked(src)
	}
	data = src
	if d.left >= 0 && int64(len(data)) > d.left {
		data = src[:d.left]
	}
	d.Skip(int64(len(data)))
	return data, len(data), nil
}

// Done reports whether the body has ended.
func (d *Decoder) Done() bool { return d.state == AwaitEnd || d.state == AwaitStartLine }

// State is what is awaited.
func (d *Decoder) State() State { return d.state }

// Received is how many payload octets there were so far.
func (d *Decoder) Received() int64 { return d.received }

// Left is how many payload octets come next without framing between them: those of a body with a length, or of the current
// chunk, 0 where framing comes first, and -1 for a body that ends with the connection. A relay may move so many past the
// decoder.
func (d *Decoder) Left() int64 {
	switch {
	case d.left == httpmsg.LengthClose:
		return -1
	case d.state == AwaitBody || d.state == AwaitChunkData:
		return d.left
	}
	return 0 // d.left may be a chunk size that is half read
}

// Skip tells that the owner moved n payload octets, at most Left, past the decoder.
func (d *Decoder) Skip(n int64) {
	d.received += n
	d.offset += n
	if d.left == httpmsg.LengthClose {
		return
	}
	if n > d.Left() {
		panic("BUG: h1: more octets moved than the body or chunk has")
	}
	if d.left -= n; d.left > 0 {
		return
	}
	switch d.state {
	case AwaitBody:
		d.state = AwaitEnd
	case AwaitChunkData:
		d.state = AwaitChunkEnd
	}
}

// EOF tells that the connection was closed here. It returns nil where that is a legal end, and the body is Done then.
func (d *Decoder) EOF() *Error {
	switch {
	case d.Done():
		return nil
	case d.state != AwaitBody: // RFC 9112, section 8: incomplete without its zero-sized chunk, whatever had come
		return d.fail(fault.RuleChunksCut, 0)
	case d.left >= 0:
		e := d.fail(fault.RuleBodyShort, 0)
		e.Limit, e.Size = d.received+d.left, d.received
		return e
	}
	d.state = AwaitEnd
	return nil
}

func (d *Decoder) fail(rule fault.Rule, at int) *Error {
	return &Error{Rule: rule, State: d.state, Offset: d.offset + int64(at)}
}

// nextChunked is Next for the chunked coding: RFC 9112, section 7.1.
//
// hot: a state machine, so that it can stop between any two octets.
func (d *Decoder) nextChunked(src []byte) (data []byte, n int, err *Error) {
	for n < len(src) {
		switch d.state {
		case AwaitChunkSize, AwaitChunkExtension:
			n, err = d.sizeLine(src, n)
		case AwaitChunkData:
			data = src[n:]
			if int64(len(data)) > d.left {
				data = data[:d.left]
			}
			d.offset += int64(n)
			d.Skip(int64(len(data)))
			return data, n + len(data), nil
		case AwaitChunkEnd:
			n, err = d.chunkEnd(src, n)
		case AwaitTrailers:
			if n > 0 && !d.noTrailers(src[n:]) {
				d.offset += int64(n)
				return nil, n, nil // the section must stand at the front of src, which then keeps until it is complete
			}
			var m int
			m, err = d.trailerSection(src[n:])
			if n += m; m == 0 && err == nil {
				return nil, 0, nil
			}
		default:
			d.offset += int64(n)
			return nil, n, nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
	d.offset += int64(n)
	return nil, n, nil
}

// sizeLine reads RFC 9112, section 7.1: chunk-size [ chunk-ext ] CRLF. Extensions mean nothing to us and are not passed on
// (section 7.1.1); a quoted string in one cannot hold a CR or LF, so the line's end is found without knowing quotes.
func (d *Decoder) sizeLine(src []byte, i int) (int, *Error) {
	for ; i < len(src); i++ {
		c := src[i]
		switch {
		case d.cr && c != '\n':
			return 0, d.fail(fault.RuleBareCR, i-1)
		case isLineEnd(c):
			if d.digits == 0 {
				return 0, d.fail(fault.RuleChunkSize, i)
			}
			if d.state == AwaitChunkExtension && !d.semicolon {
				return 0, d.fail(fault.RuleChunkExtension, i)
			}
			if c == '\r' {
				d.cr = true
				continue
			}
			if !d.cr && !d.lim.BareLF {
				return 0, d.fail(fault.RuleBareLF, i)
			}
			d.sizeEnd()
			return i + 1, nil
		case d.state == AwaitChunkExtension:
			if err := d.extensionOctet(c, i); err != nil {
				return 0, err
			}
		case class[c]&hexOctet != 0:
			d.digits++
			if d.digits > sizeDigitsMax {
				return 0, d.fail(fault.RuleChunkSize, i)
			}
			if d.left > math.MaxInt64>>4 {
				return 0, d.fail(fault.RuleChunkSizeOverflow, i)
			}
			d.left = d.left<<4 | int64(hexDigit(c))
		case d.digits > 0 && (c == ';' || isBlank(c)):
			d.state = AwaitChunkExtension
			if err := d.extensionOctet(c, i); err != nil {
				return 0, err
			}
		default:
			return 0, d.fail(fault.RuleChunkSize, i)
		}
	}
	return i, nil
}

func hexDigit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// sizeEnd goes on to the chunk's data, or to the trailer section after the last chunk.
func (d *Decoder) sizeEnd() {
	d.state = AwaitChunkData
	if d.left == 0 {
		d.state = AwaitTrailers
		d.section = Progress{state: AwaitFieldLine}
	}
	d.cr, d.semicolon, d.digits, d.extension = false, false, 0, 0
}

// extensionOctet judges one octet of a chunk extension. Whitespace may precede the semicolon but nothing else may.
func (d *Decoder) extensionOctet(c byte, i int) *Error {
	d.semicolon = d.semicolon || c == ';'
	if class[c]&valueOctet == 0 || !d.semicolon && !isBlank(c) {
		return d.fail(fault.RuleChunkExtension, i)
	}
	d.extension++
	d.extensions++
	limit, size := int64(extensionMax), int64(d.extension)
	if size <= limit {
		limit, size = extensionsFree+d.received, d.extensions
	}
	if size <= limit {
		return nil
	}
	err := d.fail(fault.RuleChunkExtension, i)
	err.Limit, err.Size = limit, size
	return err
}

// chunkEnd reads the CRLF after a chunk's data.
func (d *Decoder) chunkEnd(src []byte, i int) (int, *Error) {
	for ; i < len(src); i++ {
		switch c := src[i]; {
		case c == '\r' && !d.cr:
			d.cr = true
		case c == '\n' && (d.cr || d.lim.BareLF):
			d.cr, d.state = false, AwaitChunkSize
			return i + 1, nil
		case c == '\n':
			return 0, d.fail(fault.RuleBareLF, i)
		default:
			return 0, d.fail(fault.RuleChunkEnd, i)
		}
	}
	return i, nil
}

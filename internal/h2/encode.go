package h2

import (
	"strconv"

	"github.com/whygate/whygate/internal/httpmsg"
)

// The encoder keeps no table and needs none: a field is an index of the static table, or a literal whose name is one. Each block begins
// by setting the peer's table to no size, so that nothing of ours is ever kept there and no setting of the peer's concerns us
// (RFC 7541, section 4.2), and blocks can be made by anybody in any order. Literals are written with incremental indexing, which
// then keeps nothing either, because that form has the shorter index. Strings are not Huffman-coded: it would cost more than
// the octets that it saves.

const (
	tableSizeZero   = 0x20 // section 6.3
	literalIndexing = 0x40 // section 6.2.1
	literalNever    = 0x10 // section 6.2.3
	indexedField    = 0x80 // section 6.1
)

// AppendBlockStart appends what every field block of ours begins with.
func AppendBlockStart(dst []byte) []byte { return append(dst, tableSizeZero) }

// AppendStatus appends :status, of three digits.
//
// hot: once per response.
func AppendStatus(dst []byte, status int) []byte {
	for i := staticStatusFirst; i <= staticStatusLast; i++ {
		if staticStatuses[i-staticStatusFirst] == status {
			return append(dst, byte(indexedField|i))
		}
	}
	return append(dst, literalIndexing|staticStatusFirst, 3, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10))
}

// Indexes of the static table.
const (
	staticAuthority   = 1
	staticMethodGET   = 2
	staticMethodPOST  = 3
	staticPathRoot    = 4
	staticSchemeHTTP  = 6
	staticSchemeHTTPS = 7
	staticStatusFirst = 8
	staticStatusLast  = 14
)

var staticStatuses = [...]int{200, 204, 206, 304, 400, 404, 500}

// RequestLine is what the pseudo-fields of a request say. Those that are nil are not sent.
type RequestLine struct {
	Method, Scheme, Authority, Path, Protocol []byte
	Query                                     []byte // behind Path, with its question mark
}

// AppendRequestLine appends a request's pseudo-fields.
//
// hot: once per request.
func AppendRequestLine(dst []byte, r *RequestLine) []byte {
	switch string(r.Method) {
	case "GET":
		dst = append(dst, indexedField|staticMethodGET)
	case "POST":
		dst = append(dst, indexedField|staticMethodPOST)
	default:
		dst = appendLiteral(dst, staticMethodGET, r.Method)
	}
	switch string(r.Scheme) {
	case "https":
		dst = append(dst, indexedField|staticSchemeHTTPS)
	case "http":
		dst = append(dst, indexedField|staticSchemeHTTP)
	case "":
	default:
		dst = appendLiteral(dst, staticSchemeHTTP, r.Scheme)
	}
	if r.Authority != nil {
		dst = appendLiteral(dst, staticAuthority, r.Authority)
	}
	switch {
	case len(r.Path) == 0:
	case len(r.Path) == 1 && r.Path[0] == '/' && len(r.Query) == 0:
		dst = append(dst, indexedField|staticPathRoot)
	default:
		dst = appendInteger(append(dst, literalIndexing|staticPathRoot), 0, 7, len(r.Path)+len(r.Query))
		dst = append(append(dst, r.Path...), r.Query...)
	}
	if r.Protocol != nil {
		dst = AppendField(dst, []byte(":protocol"), r.Protocol)
	}
	return dst
}

// appendLiteral appends a literal field with a name of the static table.
func appendLiteral(dst []byte, name uint8, value []byte) []byte {
	return appendText(append(dst, literalIndexing|name), value)
}

// AppendField appends one field. The name is written in lower case.
//
// hot: once per field.
func AppendField(dst, name, value []byte) []byte {
	if i := staticName(name); i > 0 {
		return appendLiteral(dst, i, value)
	}
	return appendText(appendName(append(dst, literalIndexing), name), value)
}

// AppendSensitiveField is AppendField for a value that must be in no compression table: RFC 7541, section 6.2.3.
func AppendSensitiveField(dst, name, value []byte) []byte {
	return appendText(appendName(append(dst, literalNever), name), value)
}

// AppendKnownField appends a field of a known name.
func AppendKnownField(dst []byte, id httpmsg.ID, value []byte) []byte {
	if i := staticIDs[id]; i > 0 {
		return appendLiteral(dst, i, value)
	}
	return AppendField(dst, []byte(id.String()), value)
}

// staticIDs has the static table's index of each name that we know.
var staticIDs = func() (t [64]uint8) {
	for i := staticSize; i > 0; i-- {
		if id := static.entries[i].id; id != httpmsg.Other {
			t[id] = uint8(i)
		}
	}
	return t
}()

// notInHTTP2 has a bit for each field that a message must not have on a connection of HTTP/2, where pseudo-fields or frames take its place.
const notInHTTP2 = connectionFields | 1<<httpmsg.Host | 1<<httpmsg.HTTP2Settings

// AppendFields appends all fields except the dropped ones and those that HTTP/2 does not have: an intermediary must take them out (RFC
// 9113, section 8.2.2). Of te only "trailers" is passed on.
//
// hot: once per message.
func AppendFields(dst []byte, f *httpmsg.Fields) []byte {
	for i := range f.Len() {
		id := f.ID(i)
		switch {
		case f.Dropped(i) || notInHTTP2&(1<<id) != 0:
		case id == httpmsg.TE && !httpmsg.EqualFold(f.Value(i), "trailers"):
		case f.Span(i).Sensitive:
			dst = AppendSensitiveField(dst, f.Name(i), f.Value(i))
		case staticIDs[id] > 0:
			dst = appendLiteral(dst, staticIDs[id], f.Value(i))
		default:
			dst = AppendField(dst, f.Name(i), f.Value(i))
		}
	}
	return dst
}

// AppendLength appends content-length for a length that is known, and nothing for another.
func AppendLength(dst []byte, length int64) []byte {
	if length < 0 {
		return dst
	}
	var digits [20]byte
	return appendLiteral(dst, staticIDs[httpmsg.ContentLength], strconv.AppendInt(digits[:0], length, 10))
}

// appendText appends a string without Huffman's code: RFC 7541, section 5.2.
func appendText(dst, text []byte) []byte {
	return append(appendInteger(dst, 0, 7, len(text)), text...)
}

// appendName is appendText in lower case.
func appendName(dst, name []byte) []byte {
	dst = appendText(dst, name)
	lowered := dst[len(dst)-len(name):]
	for i, c := range lowered {
		if 'A' <= c && c <= 'Z' {
			lowered[i] = c | 0x20
		}
	}
	return dst
}

// appendInteger appends RFC 7541, section 5.1.
func appendInteger(dst []byte, first, prefix uint8, n int) []byte {
	mask := 1<<prefix - 1
	if n < mask {
		return append(dst, first|byte(n))
	}
	dst = append(dst, first|byte(mask))
	for n -= mask; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

package h1

import (
	"strconv"

	"github.com/whygate/whygate/internal/httpmsg"
)

// AppendRequestLine appends a request line of HTTP/1.1, the version that we speak whatever the peer's is (RFC 9110, section 2.5).
// The target is in origin-form (RFC 9112, section 3.2.1), and comes as a path and a query with its question mark.
//
// hot: once per attempt.
func AppendRequestLine(dst, method, path, query []byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(append(dst, path...), query...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends a status line of HTTP/1.1 for a status of three digits. A nil reason stands for the usual one.
//
// hot: once per response.
func AppendStatusLine(dst []byte, status int, reason []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10), ' ')
	if reason == nil {
		dst = append(dst, httpmsg.Reason(status)...)
	} else {
		dst = append(dst, reason...)
	}
	return append(dst, '\r', '\n')
}

// AppendField appends one field line.
//
// hot: once per field line.
func AppendField(dst, name, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, '\r', '\n')
}

// AppendKnownField appends a field line under its usual name.
func AppendKnownField(dst []byte, id httpmsg.ID, value []byte) []byte {
	dst = append(dst, id.String()...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, '\r', '\n')
}

// AppendFields appends all field lines except the dropped ones, as they are, without the empty line after them. A section of
// a message that was read must still have its buffer.
func AppendFields(dst []byte, f *httpmsg.Fields) []byte {
	for i := 0; i < f.Len(); {
		raw, next := run(f, i)
		switch {
		case raw != nil:
			dst = append(append(dst, raw...), '\r', '\n')
		case !f.Dropped(i):
			dst = AppendField(dst, f.Name(i), f.Value(i))
		}
		i = next
	}
	return dst
}

// run is the longest run of lines from the i-th on that are passed on, are spelled as AppendField would, and stand one behind
// the other: name, colon, one space, value, CRLF. raw is all of them without the last line end, and can be copied as it is;
// next is the line behind. raw is nil if the i-th line is not like that. Every octet between name, value and name is looked
// at: whitespace before a colon must not be passed on (RFC 9112, section 5.1), and neither may a lone LF.
//
// hot: once or twice per message.
func run(f *httpmsg.Fields, i int) (raw []byte, next int) {
	buf := f.Buffer()
	first := f.Span(i)
	end := first.Name
	for next = i; next < f.Len(); next++ {
		s := f.Span(next)
		if s.Dropped || s.Value != s.NameEnd+2 || buf[s.NameEnd] != ':' || buf[s.NameEnd+1] != ' ' {
			break
		}
		if next > i && (s.Name != end+2 || buf[end] != '\r') {
			break
		}
		end = s.ValueEnd
	}
	if next == i {
		return nil, i + 1
	}
	return buf[first.Name:end], next
}

// AppendFraming appends the field that declares a body of that length as Encoder.Reset takes it: none for
// httpmsg.LengthClose, which the connection's end declares.
func AppendFraming(dst []byte, length int64) []byte {
	switch {
	case length == httpmsg.LengthUnknown:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	case length >= 0:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, length, 10)
		return append(dst, '\r', '\n')
	}
	return dst
}

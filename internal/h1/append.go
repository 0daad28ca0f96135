package h1

import (
	"strconv"

	"github.com/whygate/whygate/internal/httpmsg"
)

// AppendRequestLine appends a request line of HTTP/1.1, the version that we speak whatever the peer's is (RFC 9110, section 2.5).
func AppendRequestLine(dst, method, target []byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends a status line of HTTP/1.1 for a status of three digits. A nil reason stands for the usual one.
//
// hot: once per response.
func AppendStatusLine(dst []byte, status int, reason []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, byte('0'+status/100%10), byte('0'+status/10%10), byte('0'+status%10), ' ')
	if reason == nil {
		dst = append(dst, Reason(status)...)
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

// AppendFields appends all field lines but the dropped ones, as they are, without the empty line after them.
func AppendFields(dst []byte, f *httpmsg.Fields) []byte {
	for i := 0; i < f.Len(); {
		raw, next := f.Run(i)
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

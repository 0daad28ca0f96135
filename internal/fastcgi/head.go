package fastcgi

import (
	"bytes"
	"fmt"
	"strconv"
)

// Limits of an answer's head.
const (
	HeadMax  = 64 << 10 // octets
	linesMax = 200
)

// Field is a header of an answer.
type Field struct{ Name, Value []byte }

// Head is the head of an answer, in the form of CGI (RFC 3875, section 6). Its octets are views.
type Head struct {
	Status int    // 200 where none is said, 302 with a Location alone
	Reason []byte // nil where none is said
	Length int64  // of the body, -1 where it is not said
	Fields []Field
}

// ParseHead reads a head. n is how many octets it has with its empty line, 0 where more are needed. Status and Content-Length are not
// among the fields.
func ParseHead(b []byte) (h Head, n int, err error) {
	h = Head{Length: -1}
	located := false
	for rest := b; ; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			if len(b) >= HeadMax {
				return h, 0, fmt.Errorf("%w: a head of more than %d bytes", ErrHead, HeadMax)
			}
			return h, 0, nil
		}
		line := bytes.TrimSuffix(rest[:end], []byte{'\r'})
		rest = rest[end+1:]
		if len(line) == 0 {
			if h.Status == 0 {
				h.Status = 200
				if located {
					h.Status = 302
				}
			}
			return h, len(b) - len(rest), nil
		}
		if len(h.Fields) == linesMax {
			return h, 0, fmt.Errorf("%w: more than %d headers", ErrHead, linesMax)
		}
		name, value, found := bytes.Cut(line, []byte{':'})
		value = bytes.Trim(value, " \t")
		if !found || !token(name) || bytes.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return h, 0, fmt.Errorf("%w: a line that is no header", ErrHead)
		}
		switch {
		case bytes.EqualFold(name, []byte("status")):
			code, reason, _ := bytes.Cut(value, []byte{' '})
			if h.Status, err = strconv.Atoi(string(code)); err != nil || h.Status < 200 || h.Status > 599 {
				return h, 0, fmt.Errorf("%w: a status that is none", ErrHead)
			}
			h.Reason = reason
		case bytes.EqualFold(name, []byte("content-length")):
			if h.Length, err = strconv.ParseInt(string(value), 10, 63); err != nil || h.Length < 0 {
				return h, 0, fmt.Errorf("%w: a Content-Length that is no number", ErrHead)
			}
		default:
			located = located || bytes.EqualFold(name, []byte("location"))
			h.Fields = append(h.Fields, Field{name, value})
		}
	}
}

// ErrHead is wrapped by the errors of ParseHead.
var ErrHead = fmt.Errorf("not the head of an answer")

// token is RFC 9110, section 5.6.2.
func token(b []byte) bool {
	for _, c := range b {
		letter := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) < 0 {
			return false
		}
	}
	return len(b) > 0
}

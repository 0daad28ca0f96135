package proxy

import (
	"bytes"

	"github.com/whygate/whygate/internal/httpmsg"
)

// optionsMax is how many fields a message's Connection may name. Real ones name one or two; without a bound each name would
// be compared with each field.
const optionsMax = 32

// options are the fields that a message's Connection names as meant for the connection only (RFC 9110, section 7.6.1). They
// are copies: they also decide about trailers, which come after a body that was read over the head.
type options struct {
	text []byte             // the names, one behind the other
	ends [optionsMax]uint32 // where each ends in text
	n    int
}

// collect finds them on any line of Connection, the usual options aside. It is false when there are more than optionsMax.
//
// hot: once per message.
func (o *options) collect(f *httpmsg.Fields) bool {
	o.n, o.text = 0, o.text[:0]
	if !f.Has(httpmsg.Connection) {
		return true
	}
	for i := range f.Len() {
		if f.ID(i) != httpmsg.Connection {
			continue
		}
		for token, rest := httpmsg.NextToken(f.Value(i)); token != nil; token, rest = httpmsg.NextToken(rest) {
			if httpmsg.EqualFold(token, "close") || httpmsg.EqualFold(token, "keep-alive") || httpmsg.EqualFold(token, "upgrade") {
				continue
			}
			if o.n == optionsMax {
				return false
			}
			o.text = append(o.text, token...)
			o.ends[o.n] = uint32(len(o.text))
			o.n++
		}
	}
	return true
}

// has reports whether the field is one of them.
func (o *options) has(name []byte) bool {
	begin := uint32(0)
	for _, end := range o.ends[:o.n] {
		if bytes.EqualFold(o.text[begin:end], name) {
			return true
		}
		begin = end
	}
	return false
}

// edited reports whether an edit sets or removes the field.
func edited(edits []Edit, name []byte) bool {
	for i := range edits {
		if httpmsg.EqualFold(name, edits[i].Name) {
			return true
		}
	}
	return false
}

// vouched has a bit for each field whose value the next hop takes the gateway's word for.
const vouched uint64 = 1<<httpmsg.Forwarded | 1<<httpmsg.XForwardedFor | 1<<httpmsg.XForwardedHost | 1<<httpmsg.XForwardedPort |
	1<<httpmsg.XForwardedProto | 1<<httpmsg.XRealIP | 1<<httpmsg.XRequestID | 1<<httpmsg.Via | 1<<httpmsg.CDNLoop

// shadows reports whether a field becomes one that the gateway vouches for, or that the route sets, when its underscores are
// read as hyphens: CGI, WSGI and PHP do not tell X_Forwarded_For from X-Forwarded-For.
func (s *serving) shadows(name []byte) bool {
	if bytes.IndexByte(name, '_') < 0 {
		return false
	}
	hyphens := bytes.ReplaceAll(name, []byte("_"), []byte("-"))
	return vouched&(1<<httpmsg.Identify(hyphens)) != 0 || edited(s.route.SetRequest, hyphens)
}

// dropTrailers marks the trailers that must not be merged into the head by whoever receives them: those that the head's own
// were left out for, edited, or vouched for.
func dropTrailers(f *httpmsg.Fields, edits []Edit, o *options, ids uint64) {
	for i := range f.Len() {
		if ids&(1<<f.ID(i)) != 0 || edited(edits, f.Name(i)) || o.has(f.Name(i)) {
			f.Drop(i)
		}
	}
}

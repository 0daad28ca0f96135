package upstream

import (
	"github.com/whygate/whygate/internal/h1"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Head is a request head to send, in a message's terms. What concerns the framing, the connection and the authority is made
// from it: such fields in Fields and Extra must be dropped or absent. The octet strings are read before Ask or Open returns.
type Head struct {
	Method     []byte
	Path       []byte          // of the target's origin-form
	Query      []byte          // with its question mark; may be empty
	Authority  []byte          // nil for the endpoint's own
	Fields     *httpmsg.Fields // passed on except those dropped; may be nil
	Extra      *httpmsg.Fields // of our own; may be nil
	Length     int64           // of the body in octets, or httpmsg.LengthUnknown
	SaysLength bool            // a Length of 0 is declared: the client did, or the method expects it
	Upgrade    []byte          // the protocols asked for (RFC 9110, section 7.8); nil for none
	Trailers   bool            // trailers are welcome: TE (RFC 9110, section 10.1.4)
	Close      bool            // the connection ends with the exchange, which HTTP/1.1 says and HTTP/2 has no field for (RFC 9113, section 8.2.2)
}

// appendHead spells a head in HTTP/1.1.
//
// hot: once per attempt.
func appendHead(dst []byte, h *Head, e *Endpoint) []byte {
	dst = h1.AppendRequestLine(dst, h.Method, h.Path, h.Query)
	dst = append(dst, "Host: "...)
	if h.Authority != nil {
		dst = append(dst, h.Authority...)
	} else {
		dst = append(dst, e.Authority()...)
	}
	dst = append(dst, '\r', '\n')
	if h.Fields != nil {
		dst = h1.AppendFields(dst, h.Fields)
	}
	if h.Extra != nil {
		dst = h1.AppendFields(dst, h.Extra)
	}
	if h.Upgrade != nil {
		dst = h1.AppendKnownField(dst, httpmsg.Upgrade, h.Upgrade)
	}
	if h.Trailers {
		dst = append(dst, "TE: trailers\r\n"...)
	}
	dst = appendConnection(dst, h)
	if h.Length != 0 || h.SaysLength {
		dst = h1.AppendFraming(dst, h.Length)
	}
	return append(dst, '\r', '\n')
}

// appendConnection names the fields of this connection (RFC 9110, section 7.6.1), and says where it ends with the exchange.
func appendConnection(dst []byte, h *Head) []byte {
	between := "Connection: "
	if h.Upgrade != nil {
		dst, between = append(append(dst, between...), "upgrade"...), ", "
	}
	if h.Trailers {
		dst, between = append(append(dst, between...), "TE"...), ", "
	}
	if h.Close {
		dst, between = append(append(dst, between...), "close"...), ", "
	}
	if between == ", " {
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// switches reports whether a 101 answers what was asked for: RFC 9110, section 7.8. Several protocols are layers over each other.
func switches(asked []byte, res *httpmsg.Response) bool {
	protocol, rest := httpmsg.NextToken(res.Fields.Get(httpmsg.Upgrade))
	if protocol == nil {
		return false
	}
	for ; protocol != nil; protocol, rest = httpmsg.NextToken(rest) {
		if !httpmsg.HasToken(asked, string(protocol)) {
			return false
		}
	}
	return true
}

package upstream

import (
	"github.com/whygate/whygate/internal/h2"
	"github.com/whygate/whygate/internal/httpmsg"
)

// Schemes, only read.
var schemeHTTP, schemeHTTPS = []byte("http"), []byte("https")

// appendHeadHTTP2 spells a head in HTTP/2, for a stream that is still to be opened.
//
// hot: once per attempt.
func appendHeadHTTP2(dst []byte, h *Head, e *Endpoint, end endOfHead) []byte {
	line := h2.RequestLine{Method: h.Method, Scheme: schemeHTTP, Path: h.Path, Query: h.Query, Authority: h.Authority}
	if e.Secure {
		line.Scheme = schemeHTTPS
	}
	switch {
	case h.Authority == nil:
		line.Authority = []byte(e.Authority())
	case len(h.Authority) == 0: // the request named none: RFC 9113, section 8.3.1
		line.Authority = nil
	}
	dst = h2.AppendRequestLine(h2.BeginHeaders(dst, 0), &line)
	if h.Fields != nil {
		dst = h2.AppendFields(dst, h.Fields)
	}
	if h.Extra != nil {
		dst = h2.AppendFields(dst, h.Extra)
	}
	if h.Trailers {
		dst = h2.AppendKnownField(dst, httpmsg.TE, trailersValue)
	}
	if h.Length > 0 || h.Length == 0 && h.SaysLength {
		dst = h2.AppendLength(dst, h.Length)
	}
	return h2.FinishHeaders(dst, 0, 0, end == headAlone)
}

// trailersValue is only read.
var trailersValue = []byte("trailers")

package h1

import (
	"bytes"
	"math"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

// requestLength is the length of a request's body: RFC 9112, section 6.3, read strictly. What that section lets a
// recipient repair is refused here, because whoever reads the request after us may repair it differently.
//
// hot: once per request.
func requestLength(buf []byte, f *httpmsg.Fields, version httpmsg.Version) (int64, *Error) {
	if f.Has(httpmsg.TransferEncoding) {
		return httpmsg.LengthUnknown, checkEncoding(buf, f, version)
	}
	if !f.Has(httpmsg.ContentLength) {
		return 0, nil
	}
	length, found := int64(0), false
	for i := range f.Len() {
		if f.ID(i) != httpmsg.ContentLength {
			continue
		}
		// Section 6.3, item 5, would allow equal values to be taken as one. No client needs that.
		if found {
			return 0, aboutLineAt(fault.RuleContentLengthConflict, buf, f, i)
		}
		found = true
		n, err := parseLength(buf, f.Value(i))
		if err != nil {
			return 0, err
		}
		length = n
	}
	return length, nil
}

// responseLength is the length of a response's body: RFC 9112, section 6.3, with its items.
//
// hot: once per response.
func responseLength(buf []byte, res *httpmsg.Response, method httpmsg.Method) (int64, *Error) {
	f := &res.Fields
	if res.Status < 200 || res.Status == 204 {
		return 0, checkBodiless(buf, res)
	}
	length := int64(httpmsg.LengthClose) // item 8
	switch {
	case f.Has(httpmsg.TransferEncoding): // items 3 and 4
		if err := checkEncoding(buf, f, res.Version); err != nil {
			return 0, err
		}
		length = httpmsg.LengthUnknown
	case f.Has(httpmsg.ContentLength): // items 5 and 6
		n, err := equalLengths(buf, f)
		if err != nil {
			return 0, err
		}
		length = n
	}
	// Items 1 and 2: the fields say what another request would have had, and are judged all the same since they are passed on.
	if method == httpmsg.HEAD || res.Status == 304 || method == httpmsg.CONNECT && res.Status < 300 {
		return 0, nil
	}
	return length, nil
}

// checkBodiless refuses framing fields where there cannot be a body: RFC 9112, section 6.1, and RFC 9110, section 8.6.
// An upstream that sends a body all the same would have it read as the next response.
func checkBodiless(buf []byte, res *httpmsg.Response) *Error {
	f := &res.Fields
	if !f.Has(httpmsg.TransferEncoding) && !f.Has(httpmsg.ContentLength) {
		return nil
	}
	for i := range f.Len() {
		switch f.ID(i) {
		case httpmsg.TransferEncoding:
			return aboutLineAt(fault.RuleForbiddenFraming, buf, f, i)
		case httpmsg.ContentLength:
			// "Content-Length: 0" on a 204 is forbidden too, but widespread, and says the same as its absence.
			if res.Status != 204 || string(f.Value(i)) != "0" {
				return aboutLineAt(fault.RuleForbiddenFraming, buf, f, i)
			}
		}
	}
	return nil
}

// checkEncoding wants Transfer-Encoding to be "chunked" and nothing else, over all its lines, in HTTP/1.1, without a
// Content-Length beside it. Section 6.3, item 3, has Transfer-Encoding win over Content-Length but calls it an attempt to
// smuggle that ought to be handled as an error.
func checkEncoding(buf []byte, f *httpmsg.Fields, version httpmsg.Version) *Error {
	if version == httpmsg.HTTP10 {
		return aboutLine(fault.RuleTransferEncodingVersion, buf, f, httpmsg.TransferEncoding)
	}
	if f.Has(httpmsg.ContentLength) {
		return aboutLine(fault.RuleLengthAndEncoding, buf, f, httpmsg.ContentLength)
	}
	chunked := false
	for i := range f.Len() {
		if f.ID(i) != httpmsg.TransferEncoding {
			continue
		}
		for rest, more := f.Value(i), true; more; {
			var coding []byte
			coding, rest, more = bytes.Cut(rest, comma)
			coding = trim(coding)
			rule := fault.RuleNone
			switch isChunked := httpmsg.EqualFold(coding, "chunked"); {
			case chunked && isChunked:
				rule = fault.RuleTransferEncodingTwice
			case chunked:
				rule = fault.RuleTransferEncodingLast
			case !isChunked: // an empty list element too: lists of one need none
				rule = fault.RuleTransferEncoding
			}
			if rule != fault.RuleNone {
				return aboutValue(rule, buf, coding, "Transfer-Encoding")
			}
			chunked = true
		}
	}
	return nil
}

// comma is only read.
var comma = []byte(",")

// equalLengths is the value of a response's Content-Length where all lines and all list elements agree. RFC 9112, section
// 6.3, item 5, lets them be taken as one, and whoever passes the response on writes one.
func equalLengths(buf []byte, f *httpmsg.Fields) (int64, *Error) {
	length := int64(-1)
	for i := range f.Len() {
		if f.ID(i) != httpmsg.ContentLength {
			continue
		}
		for rest, more := f.Value(i), true; more; {
			var one []byte
			one, rest, more = bytes.Cut(rest, comma)
			one = trim(one)
			n, err := parseLength(buf, one)
			if err != nil {
				return 0, err
			}
			if length >= 0 && n != length {
				return 0, aboutValue(fault.RuleContentLengthConflict, buf, one, "Content-Length")
			}
			length = n
		}
	}
	return length, nil
}

// parseLength parses 1*DIGIT that 63 bits hold: RFC 9110, section 8.6.
func parseLength(buf, v []byte) (int64, *Error) {
	if len(v) == 0 {
		return 0, aboutValue(fault.RuleContentLength, buf, v, "Content-Length")
	}
	n := int64(0)
	for i, c := range v {
		if class[c]&digitOctet == 0 {
			return 0, aboutValue(fault.RuleContentLength, buf, v[i:], "Content-Length")
		}
		digit := int64(c - '0')
		if n > (math.MaxInt64-digit)/10 {
			return 0, aboutValue(fault.RuleContentLengthOverflow, buf, v[i:], "Content-Length")
		}
		n = n*10 + digit
	}
	return n, nil
}

// keepAlive is RFC 9112, section 9.3: what the sender wants to become of the connection.
//
// hot: once per head.
func keepAlive(f *httpmsg.Fields, version httpmsg.Version) bool {
	if !f.Has(httpmsg.Connection) {
		return version == httpmsg.HTTP11
	}
	keep := version == httpmsg.HTTP11
	for i := range f.Len() {
		if f.ID(i) != httpmsg.Connection {
			continue
		}
		if httpmsg.HasToken(f.Value(i), "close") {
			return false
		}
		keep = keep || httpmsg.HasToken(f.Value(i), "keep-alive")
	}
	return keep
}

package h1

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

func TestResponsesAccepted(t *testing.T) {
	for _, c := range []struct {
		name, octets string
		method       httpmsg.Method
		want         string
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", httpmsg.GET, `38 octets: 200 "OK" 1.1 length=5 keep=true | Content-Length(6)="5"`},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", httpmsg.GET, `length=-1 keep=true`},
		{"until close", "HTTP/1.1 200 OK\r\n\r\n", httpmsg.GET, `length=-2 keep=false`},
		{"until close in spite of keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", httpmsg.GET, `length=-2 keep=false`},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", httpmsg.GET, `1.0 length=5 keep=false`},
		{"HTTP/1.0 kept", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", httpmsg.GET, `length=5 keep=true`},
		{"closed", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", httpmsg.GET, `length=5 keep=false`},
		{"HEAD with a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", httpmsg.HEAD, `length=0 keep=true`},
		{"HEAD with an encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", httpmsg.HEAD, `length=0 keep=true`},
		{"HEAD with neither", "HTTP/1.1 200 OK\r\n\r\n", httpmsg.HEAD, `length=0 keep=true`},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", httpmsg.GET, `length=0 keep=true`},
		{"204 with a length of 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", httpmsg.GET, `length=0 keep=true`},
		{"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", httpmsg.GET, `length=0 keep=true`},
		{"100", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", httpmsg.POST, `25 octets: 100 "Continue" 1.1 length=0 keep=true`},
		{"101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81", httpmsg.GET, `101 "Switching Protocols" 1.1 length=0 keep=false`},
		{"tunnel", "HTTP/1.1 200 OK\r\n\r\n", httpmsg.CONNECT, `length=0`},
		{"no tunnel", "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n", httpmsg.CONNECT, `length=3`},
		{"equal lengths in a list", "HTTP/1.1 200 OK\r\nContent-Length: 5, 05 ,5\r\n\r\n", httpmsg.GET, `length=5`},
		{"equal lengths on two lines", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n", httpmsg.GET, `length=5`},
		{"no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", httpmsg.GET, `200 "" 1.1 length=0`},
		{"no reason and no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", httpmsg.GET, `200 "" 1.1 length=0`},
		{"reason with HTAB and obs-text", "HTTP/1.1 599 a\tb \xe4 \r\n\r\n", httpmsg.HEAD, `599 "a\tb \xe4 " 1.1`},
		{"lowest and highest status", "HTTP/1.1 999 \r\n\r\n", httpmsg.HEAD, `999 ""`},
		{"space before the colon is removed", "HTTP/1.1 200 OK\r\nContent-Length \t: 5\r\nA : b\r\n\r\n", httpmsg.GET, `length=5 keep=true | Content-Length(6)="5" | A(0)="b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := replay(t, responseParser(c.method, &Limits{}), c.octets)
			if !strings.Contains(got, c.want) {
				t.Errorf("%q\n got %s\nwant %s", c.octets, got, c.want)
			}
		})
	}
}

func TestStatusLinesRefused(t *testing.T) {
	for _, c := range []broken{
		{"SSH", "‸SSH-2.0-OpenSSH_9.6\r\n", fault.RuleNotHTTP, ""},
		{"SMTP", "‸220 mail ESMTP\r\n", fault.RuleNotHTTP, ""},
		{"HTML", "‸<html>", fault.RuleNotHTTP, ""},
		{"HTTP/2 SETTINGS", "‸\x00\x00\x12\x04\x00", fault.RuleNotHTTP, ""},
		{"TLS alert", "‸\x15\x03\x01\x00\x02\x02\x46", fault.RuleNotHTTP, ""},
		{"begins like HTTP", "HTT‸X/1.1 200 OK\r\n", fault.RuleNotHTTP, ""},
		{"small letters", "‸http/1.1 200 OK\r\n", fault.RuleNotHTTP, ""},
		{"empty line first", "‸\r\nHTTP/1.1 200 OK\r\n\r\n", fault.RuleNotHTTP, ""},
		{"Icecast", "‸ICY 200 OK\r\n", fault.RuleNotHTTP, ""},
		{"HTTP/2", "HTTP/‸2 200\r\n", fault.RuleVersion, ""},
		{"HTTP/9", "HTTP/‸9 200\r\n", fault.RuleVersion, ""},
		{"HTTP/1.2", "HTTP/1.‸2 200 OK\r\n", fault.RuleVersion, ""},
		{"HTTP/1.x", "HTTP/1.‸x 200 OK\r\n", fault.RuleVersion, ""},
		{"HTTP/1 ", "HTTP/1‸ 200 OK\r\n", fault.RuleVersion, ""},
		{"HTTP/1.10", "HTTP/1.1‸0 200 OK\r\n", fault.RuleStatusLine, ""},
		{"HTAB after the version", "HTTP/1.1‸\t200 OK\r\n", fault.RuleStatusLine, ""},
		{"version alone", "HTTP/1.1‸\r\n", fault.RuleStatusLine, ""},
		{"two spaces", "HTTP/1.1 ‸ 200 OK\r\n", fault.RuleStatusCode, ""},
		{"letter in the status", "HTTP/1.1 2‸x0 OK\r\n", fault.RuleStatusCode, ""},
		{"two digits", "HTTP/1.1 20‸ OK\r\n", fault.RuleStatusCode, ""},
		{"four digits", "HTTP/1.1 200‸0 OK\r\n", fault.RuleStatusCode, ""},
		{"below 100", "HTTP/1.1 ‸099 OK\r\n", fault.RuleStatusCode, ""},
		{"000", "HTTP/1.1 ‸000 \r\n", fault.RuleStatusCode, ""},
		{"signed", "HTTP/1.1 ‸+20 OK\r\n", fault.RuleStatusCode, ""},
		{"no space after the status", "HTTP/1.1 200‸OK\r\n", fault.RuleStatusLine, ""},
		{"HTAB after the status", "HTTP/1.1 200‸\tOK\r\n", fault.RuleStatusLine, ""},
		{"NUL in the reason", "HTTP/1.1 200 O‸\x00K\r\n", fault.RuleStatusLine, ""},
		{"lone LF", "HTTP/1.1 200 OK‸\n\r\n", fault.RuleBareLF, ""},
		{"lone CR", "HTTP/1.1 200 OK‸\rContent-Length: 5\r\n\r\n", fault.RuleBareCR, ""},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, responseParser(httpmsg.GET, &Limits{})) })
	}
}

func TestResponseFieldsRefused(t *testing.T) {
	const line = "HTTP/1.1 200 OK\r\n"
	const te, cl = "Transfer-Encoding", "Content-Length"
	for _, c := range []broken{
		{"no colon", line + "Abc‸\r\n\r\n", fault.RuleMissingColon, "Abc"},
		{"HTML in the head", line + "‸<html>\r\n", fault.RuleFieldName, ""},
		{"space in the name", line + "A‸ b: c\r\n\r\n", fault.RuleFieldName, "A"},
		{"NUL", line + "A: ‸\x00\r\n\r\n", fault.RuleNUL, "A"},
		{"CTL", line + "A: ‸\x01\r\n\r\n", fault.RuleFieldValue, "A"},
		{"lone CR", line + "A: b‸\rc\r\n\r\n", fault.RuleBareCR, "A"},
		{"lone LF", line + "A: b‸\n\r\n", fault.RuleBareLF, "A"},
		{"obs-fold", line + "A: b\r\n‸ c\r\n\r\n", fault.RuleObsFold, "A"},
		{"whitespace first", line + "‸ A: b\r\n\r\n", fault.RuleLeadingSpace, ""},
		{"CL and TE", line + "‸Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", fault.RuleLengthAndEncoding, cl},
		{"TE and CL", line + "Transfer-Encoding: chunked\r\n‸Content-Length: 5\r\n\r\n", fault.RuleLengthAndEncoding, cl},
		{"lengths differ", line + "Content-Length: 5\r\nContent-Length: ‸6\r\n\r\n", fault.RuleContentLengthConflict, cl},
		{"lengths differ in a list", line + "Content-Length: 5, 5,‸6\r\n\r\n", fault.RuleContentLengthConflict, cl},
		{"empty element", line + "Content-Length: 5,‸,5\r\n\r\n", fault.RuleContentLength, cl},
		{"empty last element", line + "Content-Length: 5,‸\r\n\r\n", fault.RuleContentLength, cl},
		{"length is a word", line + "Content-Length: ‸abc\r\n\r\n", fault.RuleContentLength, cl},
		{"negative length", line + "Content-Length: ‸-1\r\n\r\n", fault.RuleContentLength, cl},
		{"64 bits", line + "Content-Length: 922337203685477580‸8\r\n\r\n", fault.RuleContentLengthOverflow, cl},
		{"gzip", line + "Transfer-Encoding: ‸gzip\r\n\r\n", fault.RuleTransferEncoding, te},
		{"gzip, chunked", line + "Transfer-Encoding: ‸gzip, chunked\r\n\r\n", fault.RuleTransferEncoding, te},
		{"chunked, gzip", line + "Transfer-Encoding: chunked, ‸gzip\r\n\r\n", fault.RuleTransferEncodingLast, te},
		{"chunked twice", line + "Transfer-Encoding: chunked, ‸chunked\r\n\r\n", fault.RuleTransferEncodingTwice, te},
		{"TE in HTTP/1.0", "HTTP/1.0 200 OK\r\n‸Transfer-Encoding: chunked\r\n\r\n", fault.RuleTransferEncodingVersion, te},
		{"TE on 204", "HTTP/1.1 204 No Content\r\n‸Transfer-Encoding: chunked\r\n\r\n", fault.RuleForbiddenFraming, te},
		{"CL on 204", "HTTP/1.1 204 No Content\r\n‸Content-Length: 5\r\n\r\n", fault.RuleForbiddenFraming, cl},
		{"TE on 103", "HTTP/1.1 103 Early Hints\r\n‸Transfer-Encoding: chunked\r\n\r\n", fault.RuleForbiddenFraming, te},
		{"CL on 100", "HTTP/1.1 100 Continue\r\n‸Content-Length: 0\r\n\r\n", fault.RuleForbiddenFraming, cl},
		{"CL on 101", "HTTP/1.1 101 Switching Protocols\r\n‸Content-Length: 0\r\n\r\n", fault.RuleForbiddenFraming, cl},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, responseParser(httpmsg.GET, &Limits{})) })
	}
	broken{"invalid length though HEAD has no body", line + "Content-Length: ‸x\r\n\r\n", fault.RuleContentLength, cl}.
		check(t, responseParser(httpmsg.HEAD, &Limits{}))
}

func TestResponseLimits(t *testing.T) {
	const line = "HTTP/1.1 200 OK\r\n"
	for _, c := range []broken{
		{"a reason without end", line[:15] + strings.Repeat("x", 49) + caret, fault.RuleHeadSize, ""},
		{"one field dominates", line + "Set-Cookie: " + strings.Repeat("x", 35) + caret, fault.RuleHeadSize, "Set-Cookie"},
		{"fields without end", line + strings.Repeat("Ab: cdef\r\n", 4) + "Ab: cde" + caret, fault.RuleHeadSize, ""},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, responseParser(httpmsg.GET, &Limits{Head: 64})) })
	}
}

// A response head that is not whole gives nothing out either, and a trailer section neither.
func TestNothingOfHalfAResponse(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nServer: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	var p Progress
	var r httpmsg.Response
	for n := range len(head) {
		if got, err := ParseResponse([]byte(head[:n]), &p, &r, httpmsg.GET, &Limits{}); got != 0 || err != nil {
			t.Fatalf("%d octets: %d, %v", n, got, err)
		}
		if r.Fields.Len() != 0 || r.Fields.Buffer() != nil || r.Fields.Has(httpmsg.TransferEncoding) || r.Reason != nil {
			t.Fatalf("after %d octets there is something: %+v", n, r)
		}
	}
	if n, err := ParseResponse([]byte(head), &p, &r, httpmsg.GET, &Limits{}); n != len(head) || err != nil || r.Fields.Len() != 2 {
		t.Fatalf("the whole head: %d, %v, %+v", n, err, r)
	}
	const end = "0\r\nX-A: 1\r\nX-B: 2\r\n\r\n"
	var d Decoder
	d.Reset(httpmsg.LengthUnknown, &Limits{}, &r.Trailers)
	at := 0
	for n := range len(end) + 1 {
		_, used, err := d.Next([]byte(end[at:n]))
		if at += used; err != nil {
			t.Fatal(err)
		}
		if !d.Done() && (r.Trailers.Len() != 0 || r.Trailers.Buffer() != nil) {
			t.Fatalf("after %d octets there are %d trailers", n, r.Trailers.Len())
		}
	}
	if !d.Done() || r.Trailers.Len() != 2 || string(r.Trailers.Value(1)) != "2" {
		t.Errorf("the whole section: %+v", r.Trailers)
	}
}

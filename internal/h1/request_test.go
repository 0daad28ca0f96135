package h1

// Contrary to house style, longer than 400 lines may be: tables.

import (
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/httpmsg"
)

func TestRequestsAccepted(t *testing.T) {
	for _, c := range []struct{ name, octets, want string }{
		{"origin form", "GET /a/b?c=d?e HTTP/1.1\r\nHost: h\r\n\r\n", `36 octets: GET(1) "/a/b?c=d?e" 1.1 scheme="" authority="h" path="/a/b" query="?c=d?e" length=0 keep=true | Host(12)="h"`},
		{"empty query", "GET /? HTTP/1.1\r\nHost: h\r\n\r\n", `authority="h" path="/" query="?"`},
		{"two slashes are a path", "GET //x HTTP/1.1\r\nHost: h\r\n\r\n", `authority="h" path="//x" query=""`},
		{"absolute form overrides Host", "GET http://a.example:80/x?y HTTP/1.1\r\nHost: b\r\n\r\n", `scheme="http" authority="a.example:80" path="/x" query="?y"`},
		{"absolute form without a path", "GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", `scheme="HTTPS" authority="a" path="/" query=""`},
		{"absolute form with a query only", "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", `authority="a" path="/" query="?q"`},
		{"OPTIONS of a server through a proxy", "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", `authority="a" path="*" query=""`},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", `OPTIONS(7) "*" 1.1 scheme="" authority="h" path="*"`},
		{"authority form", "CONNECT a.example:443 HTTP/1.1\r\nHost: b\r\n\r\n", `CONNECT(6) "a.example:443" 1.1 scheme="" authority="a.example:443" path=""`},
		{"authority form with an address", "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: b\r\n\r\n", `authority="[2001:db8::1]:443"`},
		{"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", `1.0 scheme="" authority="" path="/" query="" length=0 keep=false`},
		{"HTTP/1.0 kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", `keep=true`},
		{"HTTP/1.1 closed", "GET / HTTP/1.1\r\nHost: h\r\nConnection: te, ,CLOSE\r\n\r\n", `keep=false`},
		{"close wins over keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", `keep=false`},
		{"a token that only begins with close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n", `keep=true`},
		{"unknown method", "M-SEARCH /x HTTP/1.1\r\nHost: h\r\n\r\n", `M-SEARCH(0)`},
		{"methods have a case", "get / HTTP/1.1\r\nHost: h\r\n\r\n", `get(0)`},
		{"length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0012\r\n\r\n", `length=12`},
		{"largest length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n", `length=9223372036854775807`},
		{"chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", `length=-1`},
		{"chunked in capitals", "POST / HTTP/1.1\r\nHost: h\r\nTRANSFER-ENCODING: \tCHUNKED \r\n\r\n", `length=-1`},
		{"empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", `31 octets: GET(1) "/"`},
		{"octets of the next message", "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /next", `27 octets: GET(1)`},
		{"no space after the colon", "GET / HTTP/1.1\r\nHost:h\r\nA:\r\nB: \t \r\n\r\n", `| Host(12)="h" | A(0)="" | B(0)=""`},
		{"value with HTAB, obs-text and spaces", "GET / HTTP/1.1\r\nHost: h\r\nX: \t a\tb \x80\xff  c\t \r\n\r\n", `| X(0)="a\tb \x80\xff  c"`},
		{"long value", "GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("0123456789", 9) + "\r\n\r\n", `| X(0)="` + strings.Repeat("0123456789", 9) + `"`},
		{"field name of every kind", "GET / HTTP/1.1\r\nHost: h\r\n!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n", "| !#$%&'*+-.^_`|~09azAZ(0)=\"1\""},
		{"address as host", "GET / HTTP/1.1\r\nHost: [::ffff:192.0.2.1]:8080\r\n\r\n", `authority="[::ffff:192.0.2.1]:8080"`},
		{"host with an empty port", "GET / HTTP/1.1\r\nHost: a_b.example.:\r\n\r\n", `authority="a_b.example.:"`},
		{"host encoded", "GET / HTTP/1.1\r\nHost: %c3%a4.example:65535\r\n\r\n", `authority="%c3%a4.example:65535"`},
		{"target with odd visible octets", "GET /a\"<>\\^`{|}%zz HTTP/1.1\r\nHost: h\r\n\r\n", "path=\"/a\\\"<>\\\\^`{|}%zz\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := replay(t, requestParser(&Limits{}), c.octets)
			if !strings.Contains(got, c.want) {
				t.Errorf("%q\n got %s\nwant %s", c.octets, got, c.want)
			}
		})
	}
}

func TestRequestStartLinesRefused(t *testing.T) {
	for _, c := range []broken{
		{"TLS record", "‸\x16\x03\x01\x02\x00\x01\x00", fault.RuleNotHTTP, ""},
		{"obs-text", "‸\xc3\xa4 / HTTP/1.1\r\n", fault.RuleNotHTTP, ""},
		{"space first", "‸ GET / HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleMethod, ""},
		{"method with a separator", "GE‸(T / HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleMethod, ""},
		{"HTAB after the method", "GET‸\t/ HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleMethod, ""},
		{"method alone", "GET‸\r\nHost: h\r\n\r\n", fault.RuleRequestLine, ""},
		{"two spaces", "GET ‸ / HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleRequestLine, ""},
		{"HTTP/0.9", "GET /‸\r\n", fault.RuleRequestLine, ""},
		{"two spaces before the version", "GET / ‸ HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleRequestLine, ""},
		{"space in the target", "GET /a ‸b HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleRequestLine, ""},
		{"space after the version", "GET / HTTP/1.1‸ \r\nHost: h\r\n\r\n", fault.RuleRequestLine, ""},
		{"empty version", "GET / ‸\r\nHost: h\r\n\r\n", fault.RuleRequestLine, ""},
		{"small letters", "GET / ‸http/1.1\r\nHost: h\r\n\r\n", fault.RuleRequestLine, ""},
		{"HTTP/2 preface", "PRI * HTTP/‸2.0\r\n\r\nSM\r\n\r\n", fault.RuleVersion, ""},
		{"HTTP/1.2", "GET / HTTP/1.‸2\r\nHost: h\r\n\r\n", fault.RuleVersion, ""},
		{"HTTP/1.10", "GET / HTTP/1.1‸0\r\nHost: h\r\n\r\n", fault.RuleVersion, ""},
		{"HTTP/01.1", "GET / HTTP/‸01.1\r\nHost: h\r\n\r\n", fault.RuleVersion, ""},
		{"HTTP/1", "GET / HTTP/1‸\r\nHost: h\r\n\r\n", fault.RuleVersion, ""},
		{"HTTPS/1.1", "GET / HTTP‸S/1.1\r\nHost: h\r\n\r\n", fault.RuleVersion, ""},
		{"lone LF", "GET / HTTP/1.1‸\nHost: h\r\n\r\n", fault.RuleBareLF, ""},
		{"lone CR", "GET / HTTP/1.1‸\rHost: h\r\n\r\n", fault.RuleBareCR, ""},
		{"two CRs", "GET / HTTP/1.1‸\r\r\nHost: h\r\n\r\n", fault.RuleBareCR, ""},
		{"LF first", "‸\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleBareLF, ""},
		{"too many empty lines", "\r\n\r\n\r\n\r\n‸\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleRequestLine, ""},
		{"NUL in the target", "GET /‸\x00 HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"HTAB in the target", "GET /‸\t HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"obs-text in the target", "GET /‸\xe4 HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"DEL in the target", "GET /‸\x7f HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"fragment", "GET /a‸#b HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"relative target", "GET ‸a/b HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"query as target", "GET ‸?a HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"asterisk with GET", "GET ‸* HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"asterisk and more", "OPTIONS ‸*/ HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"authority form with GET", "GET ‸a.example:80 HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"CONNECT to a path", "CONNECT ‸/ HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"CONNECT without a port", "CONNECT ‸a.example HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"CONNECT with an empty port", "CONNECT ‸a.example: HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"CONNECT to an address without a port", "CONNECT ‸[::1] HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"CONNECT with userinfo", "CONNECT ‸u@a.example:443 HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"other scheme", "GET ‸ftp://a/ HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"scheme without an authority", "GET ‸http:///x HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"scheme with one slash", "GET ‸http:/x HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"userinfo", "GET ‸http://u:p@a/ HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
		{"backslash in the authority", "GET ‸http://a\\b/ HTTP/1.1\r\nHost: h\r\n\r\n", fault.RuleTarget, ""},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, requestParser(&Limits{})) })
	}
}

func TestRequestFieldsRefused(t *testing.T) {
	const line = "GET / HTTP/1.1\r\nHost: h\r\n"
	for _, c := range []broken{
		{"space before the colon", line + "A‸ : b\r\n\r\n", fault.RuleSpaceBeforeColon, "A"},
		{"HTAB before the colon", line + "A‸\t: b\r\n\r\n", fault.RuleSpaceBeforeColon, "A"},
		{"space in the name", line + "A‸ b: c\r\n\r\n", fault.RuleFieldName, "A"},
		{"no colon", line + "Abc‸\r\n\r\n", fault.RuleMissingColon, "Abc"},
		{"no colon but a space", line + "Abc ‸\r\n\r\n", fault.RuleMissingColon, "Abc"},
		{"no name", line + "‸: b\r\n\r\n", fault.RuleFieldName, ""},
		{"NUL in the name", line + "A‸\x00: b\r\n\r\n", fault.RuleFieldName, "A"},
		{"obs-text in the name", line + "A‸\xe4: b\r\n\r\n", fault.RuleFieldName, "A"},
		{"name in quotes", line + "‸\"A\": b\r\n\r\n", fault.RuleFieldName, ""},
		{"NUL in the value", line + "A: b‸\x00c\r\n\r\n", fault.RuleNUL, "A"},
		{"DEL in the value", line + "A: b‸\x7fc\r\n\r\n", fault.RuleFieldValue, "A"},
		{"ESC far into the value", line + "A: 0123456789abcdef\t‸\x1b0123456789\r\n\r\n", fault.RuleFieldValue, "A"},
		{"lone CR in the value", line + "A: b‸\rc\r\n\r\n", fault.RuleBareCR, "A"},
		{"lone CR and a smuggled line", line + "A: b‸\rContent-Length: 5\r\n\r\n", fault.RuleBareCR, "A"},
		{"lone LF after the value", line + "A: b‸\nC: d\r\n\r\n", fault.RuleBareLF, "A"},
		{"lone LF as empty line", line + "‸\n", fault.RuleBareLF, ""},
		{"CR CR LF as empty line", line + "‸\r\r\n", fault.RuleBareCR, ""},
		{"obs-fold", line + "A: b\r\n‸ c\r\n\r\n", fault.RuleObsFold, "A"},
		{"obs-fold with HTAB", line + "A: b\r\n‸\tc\r\n\r\n", fault.RuleObsFold, "A"},
		{"line of spaces", line + "‸   \r\n\r\n", fault.RuleObsFold, "Host"},
		{"whitespace first", "GET / HTTP/1.1\r\n‸ Host: h\r\n\r\n", fault.RuleLeadingSpace, ""},
		{"no Host", "GET / HTTP/1.1\r\nA: b\r\n\r\n‸", fault.RuleHostMissing, ""},
		{"two Hosts", line + "‸Host: h\r\n\r\n", fault.RuleHostMultiple, "Host"},
		{"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: h\r\nA: b\r\n‸hOsT: i\r\n\r\n", fault.RuleHostMultiple, "hOsT"},
		{"empty Host", "GET / HTTP/1.1\r\nHost: ‸\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with userinfo", "GET / HTTP/1.1\r\nHost: u‸@h\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with a path", "GET / HTTP/1.1\r\nHost: h‸/x\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with a space", "GET / HTTP/1.1\r\nHost: h‸ i\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with a scheme", "GET / HTTP/1.1\r\nHost: http:‸//h\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host of a port", "GET / HTTP/1.1\r\nHost: ‸:80\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with obs-text", "GET / HTTP/1.1\r\nHost: ‸\xc3\xa4\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with a backslash", "GET / HTTP/1.1\r\nHost: h‸\\i\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with half an encoded octet", "GET / HTTP/1.1\r\nHost: h‸%4\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with a port too large", "GET / HTTP/1.1\r\nHost: h:6553‸6\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with a signed port", "GET / HTTP/1.1\r\nHost: h:‸+80\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with an open bracket", "GET / HTTP/1.1\r\nHost: ‸[::1\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with a zone", "GET / HTTP/1.1\r\nHost: ‸[fe80::1%25eth0]\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with a name in brackets", "GET / HTTP/1.1\r\nHost: ‸[abc]\r\n\r\n", fault.RuleHostInvalid, "Host"},
		{"Host with octets after the bracket", "GET / HTTP/1.1\r\nHost: [::1]‸a\r\n\r\n", fault.RuleHostInvalid, "Host"},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, requestParser(&Limits{})) })
	}
}

// The smuggling corpus: what one implementation reads by length and another by chunks.
func TestRequestFramingRefused(t *testing.T) {
	const line = "POST / HTTP/1.1\r\nHost: h\r\n"
	const te, cl = "Transfer-Encoding", "Content-Length"
	for _, c := range []broken{
		{"CL.TE", line + "‸Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", fault.RuleLengthAndEncoding, cl},
		{"TE.CL", line + "Transfer-Encoding: chunked\r\n‸Content-Length: 5\r\n\r\n", fault.RuleLengthAndEncoding, cl},
		{"CL.TE with an odd coding", line + "‸content-length: 5\r\nTransfer-Encoding: xchunked\r\n\r\n", fault.RuleLengthAndEncoding, "content-length"},
		{"CL and an empty TE", line + "‸Content-Length: 5\r\nTransfer-Encoding:\r\n\r\n", fault.RuleLengthAndEncoding, cl},
		{"CL 0 and TE", line + "‸Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", fault.RuleLengthAndEncoding, cl},
		{"TE.TE", line + "Transfer-Encoding: chunked\r\nTransfer-encoding: ‸cow\r\n\r\n", fault.RuleTransferEncodingLast, te},
		{"TE.TE the other way", line + "Transfer-Encoding: ‸cow\r\nTransfer-encoding: chunked\r\n\r\n", fault.RuleTransferEncoding, te},
		{"chunked on two lines", line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: ‸chunked\r\n\r\n", fault.RuleTransferEncodingTwice, te},
		{"chunked, chunked", line + "Transfer-Encoding: chunked, ‸chunked\r\n\r\n", fault.RuleTransferEncodingTwice, te},
		{"chunked, identity", line + "Transfer-Encoding: chunked, ‸identity\r\n\r\n", fault.RuleTransferEncodingLast, te},
		{"identity, chunked", line + "Transfer-Encoding: ‸identity, chunked\r\n\r\n", fault.RuleTransferEncoding, te},
		{"gzip, chunked", line + "Transfer-Encoding: ‸gzip, chunked\r\n\r\n", fault.RuleTransferEncoding, te},
		{"identity", line + "Transfer-Encoding: ‸identity\r\n\r\n", fault.RuleTransferEncoding, te},
		{"xchunked", line + "Transfer-Encoding: ‸xchunked\r\n\r\n", fault.RuleTransferEncoding, te},
		{"chunked in quotes", line + "Transfer-Encoding: ‸\"chunked\"\r\n\r\n", fault.RuleTransferEncoding, te},
		{"chunked with a parameter", line + "Transfer-Encoding: ‸chunked;q=1\r\n\r\n", fault.RuleTransferEncoding, te},
		{"a comma first", line + "Transfer-Encoding: ‸, chunked\r\n\r\n", fault.RuleTransferEncoding, te},
		{"a comma last", line + "Transfer-Encoding: chunked,‸\r\n\r\n", fault.RuleTransferEncodingLast, te},
		{"empty", line + "Transfer-Encoding:‸\r\n\r\n", fault.RuleTransferEncoding, te},
		{"VT before chunked", line + "Transfer-Encoding: ‸\x0bchunked\r\n\r\n", fault.RuleFieldValue, te},
		{"FF after chunked", line + "Transfer-Encoding: chunked‸\x0c\r\n\r\n", fault.RuleFieldValue, te},
		{"NBSP before chunked", line + "Transfer-Encoding: ‸\xa0chunked\r\n\r\n", fault.RuleTransferEncoding, te},
		{"chunked in Unicode", line + "Transfer-Encoding: ‸chun\xe2\x84\xaaed\r\n\r\n", fault.RuleTransferEncoding, te},
		{"space before the colon", line + "Transfer-Encoding‸ : chunked\r\n\r\n", fault.RuleSpaceBeforeColon, te},
		{"line folded", line + "Transfer-Encoding:\r\n‸ chunked\r\n\r\n", fault.RuleObsFold, te},
		{"lone CR before the field", line + "Foo: bar‸\rTransfer-Encoding: chunked\r\n\r\n", fault.RuleBareCR, "Foo"},
		{"lone LF before the field", line + "Foo: bar‸\nTransfer-Encoding: chunked\r\n\r\n", fault.RuleBareLF, "Foo"},
		{"HTTP/1.0", "POST / HTTP/1.0\r\n‸Transfer-Encoding: chunked\r\n\r\n", fault.RuleTransferEncodingVersion, te},
		{"plus", line + "Content-Length: ‸+5\r\n\r\n", fault.RuleContentLength, cl},
		{"minus", line + "Content-Length: ‸-5\r\n\r\n", fault.RuleContentLength, cl},
		{"hexadecimal", line + "Content-Length: 0‸x5\r\n\r\n", fault.RuleContentLength, cl},
		{"underscore", line + "Content-Length: 1‸_0\r\n\r\n", fault.RuleContentLength, cl},
		{"fraction", line + "Content-Length: 5‸.0\r\n\r\n", fault.RuleContentLength, cl},
		{"space inside", line + "Content-Length: 5‸ 5\r\n\r\n", fault.RuleContentLength, cl},
		{"no number", line + "Content-Length:‸\r\n\r\n", fault.RuleContentLength, cl},
		{"obs-text digits", line + "Content-Length: ‸\xd9\xa5\r\n\r\n", fault.RuleContentLength, cl},
		{"list", line + "Content-Length: 5‸,5\r\n\r\n", fault.RuleContentLength, cl},
		{"list that differs", line + "Content-Length: 5‸, 6\r\n\r\n", fault.RuleContentLength, cl},
		{"twice", line + "Content-Length: 5\r\n‸Content-Length: 5\r\n\r\n", fault.RuleContentLengthConflict, cl},
		{"twice and different", line + "Content-Length: 5\r\nA: b\r\n‸Content-Length: 6\r\n\r\n", fault.RuleContentLengthConflict, cl},
		{"64 bits", line + "Content-Length: 922337203685477580‸8\r\n\r\n", fault.RuleContentLengthOverflow, cl},
		{"wraps around to 5", line + "Content-Length: 1844674407370955162‸1\r\n\r\n", fault.RuleContentLengthOverflow, cl},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, requestParser(&Limits{})) })
	}
}

func TestLoneLFIsAcceptedWhereTold(t *testing.T) {
	lenient := requestParser(&Limits{BareLF: true})
	got := replay(t, lenient, "\nGET / HTTP/1.1\nHost: h\r\nA: b\n\nmore")
	want := `31 octets: GET(1) "/" 1.1 scheme="" authority="h" path="/" query="" length=0 keep=true | Host(12)="h" | A(0)="b"`
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	broken{"lone CR all the same", "GET / HTTP/1.1\nHost: h‸\ri\n\n", fault.RuleBareCR, "Host"}.check(t, lenient)
}

func TestRequestLimits(t *testing.T) {
	parse := func() parser { return requestParser(&Limits{Head: 64}) }
	const line = "GET / HTTP/1.1\r\nHost: h\r\n"
	pad := func(octets string, n int) string { return octets + strings.Repeat("x", n-len(octets)) }
	many := line + strings.Repeat("A: b\r\n", httpmsg.FieldsMax-1)
	fits := pad(line+"A: ", 60) + "\r\n\r\n"
	if got := replay(t, parse(), fits); !strings.HasPrefix(got, "64 octets") {
		t.Errorf("a head of exactly the limit: %s", got)
	}
	for _, c := range []broken{
		{"one octet too many", pad(line+"A: ", 61) + "\r\n\r" + caret + "\n", fault.RuleHeadSize, "A"},
		{"many small fields", pad(line+"A: b\r\nB: c\r\nC: d\r\nD: e\r\nE: f\r\nF: ", 64) + caret, fault.RuleHeadSize, ""},
		{"one dominates", pad(line+"Long: ", 64) + caret + "xxxxxx", fault.RuleHeadSize, "Long"},
		{"a complete one dominates", pad(line+"Long: ", 60) + "\r\nA:" + caret + " b", fault.RuleHeadSize, "Long"},
		{"a name without end", pad(line, 64) + caret, fault.RuleHeadSize, ""},
		{"a target without end", pad("GET /", 64) + caret + "xxx", fault.RuleTargetSize, ""},
		{"a target that leaves no room", pad("GET /", 60) + " HTT" + caret + "P/1.1\r\n", fault.RuleTargetSize, ""},
		{"a method without end", pad("GET", 64) + caret, fault.RuleHeadSize, ""},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, parse()) })
	}
	if got := inSteps(requestParser(&Limits{}), many+"\r\n", len(many)+2); got == needMore || strings.HasPrefix(got, "error") {
		t.Errorf("%d fields: %s", httpmsg.FieldsMax, got)
	}
	broken{"too many fields", many + caret + "A: b\r\n", fault.RuleFieldCount, ""}.check(t, requestParser(&Limits{}))
}

func TestProgressSaysWhatIsAwaited(t *testing.T) {
	for octets, want := range map[string]State{
		"":                                  AwaitStartLine,
		"\r\n":                              AwaitStartLine,
		"GE":                                AwaitMethod,
		"GET ":                              AwaitTarget,
		"GET / H":                           AwaitVersion,
		"GET / HTTP/1.1":                    AwaitLineEnd,
		"GET / HTTP/1.1\r\n":                AwaitFieldLine,
		"GET / HTTP/1.1\r\nHo":              AwaitFieldName,
		"GET / HTTP/1.1\r\nHost ":           AwaitColon,
		"GET / HTTP/1.1\r\nHost:":           AwaitFieldValue,
		"GET / HTTP/1.1\r\nHost: h":         AwaitValueEnd,
		"GET / HTTP/1.1\r\nHost: h\r\n\r":   AwaitHeadEnd,
		"GET / HTTP/1.1\r\nHost: h\r\n\r\n": AwaitStartLine, // of the next message
	} {
		var p Progress
		var req httpmsg.Request
		if _, err := ParseRequest([]byte(octets), &p, &req, &Limits{}); err != nil || p.State() != want {
			t.Errorf("%q: awaits %s, want %s (%v)", octets, p.State(), want, err)
		}
	}
}

// A head that is not whole gives nothing out: its octets may stand elsewhere, or be somebody else's, when the rest comes.
func TestNothingOfHalfAHead(t *testing.T) {
	const head = "POST /p?q HTTP/1.1\r\nHost: a.test\r\nX-Request-ID: 1\r\nContent-Length: 2\r\n\r\n"
	var p Progress
	var q httpmsg.Request
	for n := range len(head) {
		if got, err := ParseRequest([]byte(head[:n]), &p, &q, &Limits{}); got != 0 || err != nil {
			t.Fatalf("%d octets: %d, %v", n, got, err)
		}
		if q.Fields.Len() != 0 || q.Fields.Buffer() != nil || q.Fields.Has(httpmsg.Host) || q.Fields.Get(httpmsg.XRequestID) != nil || q.Name != nil || q.Path != nil {
			t.Fatalf("after %d octets there is something: %+v", n, q)
		}
	}
	if n, err := ParseRequest([]byte(head), &p, &q, &Limits{}); n != len(head) || err != nil {
		t.Fatalf("the whole head: %d, %v", n, err)
	}
	if q.Fields.Len() != 3 || string(q.Fields.Get(httpmsg.XRequestID)) != "1" || q.Length != 2 || string(q.Query) != "?q" {
		t.Errorf("the whole head: %+v", q)
	}
}

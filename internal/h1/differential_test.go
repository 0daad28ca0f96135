package h1

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/httpmsg"
)

// difference is something that we accept and net/http refuses, or reads otherwise, for a reason that we know.
type difference struct {
	name string
	why  string
	// explains is told net/http's error, readOtherwise if there is none, and the head with its fields.
	explains func(err string, head []byte, f *httpmsg.Fields) bool
}

const readOtherwise = "read otherwise"

func says(words ...string) func(string, []byte, *httpmsg.Fields) bool {
	return func(err string, _ []byte, _ *httpmsg.Fields) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(err, w) })
	}
}

var differences = []difference{
	{
		"target", "net/http parses the target into a URL and refuses what it cannot decode; we pass it on as it came, so nobody reads it two ways through us",
		says("invalid URL escape", "invalid URI for request", "invalid character", "invalid port", "invalid host", "invalid IP", "missing ']'", "parse \""),
	},
	{
		"trailer announced", "net/http refuses a Trailer field that announces a forbidden trailer; the field is advice, and such a trailer itself is refused",
		says("bad trailer key"),
	},
	{
		"space before the colon", "RFC 9112, section 5.1: removed from a response; net/http makes it part of a name that nobody knows, or refuses it",
		func(err string, head []byte, f *httpmsg.Fields) bool {
			for i := range f.Len() {
				if end := int(offsetIn(head, f.Name(i))) + len(f.Name(i)); head[end] != ':' {
					return true
				}
			}
			return false
		},
	},
	{
		"equal lengths", "RFC 9112, section 6.3, item 5, lets equal values be taken as one; net/http takes equal lines but no list, nor 5 beside 05",
		says("bad Content-Length", "multiple Content-Length"),
	},
	{
		"long chunk lines", "net/http bounds the size line, the digits and the extensions more tightly",
		says("chunk length too large", "header line too long", "too much non-data"),
	},
	{
		"long trailers", "net/http wants the trailer section inside its 4 KiB buffer",
		says("suspiciously long trailer"),
	},
}

func explained(err string, head []byte, f *httpmsg.Fields) bool {
	return slices.ContainsFunc(differences, func(d difference) bool { return d.explains(err, head, f) })
}

// header is a field section as net/http shows it: without the fields that it takes out for its own use.
func header(f *httpmsg.Fields) http.Header {
	h := http.Header{}
	for i := range f.Len() {
		h.Add(textproto.CanonicalMIMEHeaderKey(string(f.Name(i))), string(f.Value(i)))
	}
	return stripped(h)
}

func stripped(h http.Header) http.Header {
	h = maps.Clone(h)
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer", "Content-Length"} {
		h.Del(name)
	}
	if h.Get("Pragma") == "no-cache" { // net/http adds Cache-Control then
		h.Del("Cache-Control")
	}
	return h
}

func sameHeader(a, b http.Header) bool { return maps.EqualFunc(a, b, slices.Equal[[]string]) }

// sameBody compares the bodies where ours is complete, and wants trailers to be the same.
func sameBody(t *testing.T, buf []byte, n int, length int64, f *httpmsg.Fields, body io.Reader, trailer *http.Header) {
	payload, trailers, ok := decodeAll(buf[n:], length, &Limits{})
	if !ok {
		return
	}
	got, err := io.ReadAll(body)
	if err != nil && explained(err.Error(), buf, f) {
		return
	}
	if err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("%q: our body %q, net/http's %q, %v", buf, payload, got, err)
	}
	theirs := http.Header{}
	for name, values := range *trailer {
		if len(values) > 0 { // announced ones stand there without a value
			theirs[name] = values
		}
	}
	if !sameHeader(header(&trailers), stripped(theirs)) {
		t.Fatalf("%q: our trailers %v, net/http's %v", buf, header(&trailers), theirs)
	}
}

func differRequest(t *testing.T, octets string) {
	var p Progress
	var req httpmsg.Request
	buf := []byte(octets)
	n, err := ParseRequest(buf, &p, &req, &Limits{})
	if err != nil || n == 0 {
		return
	}
	// RFC 9112, section 2.2: empty lines before a request line are skipped by us, net/http's server never did.
	theirs, e := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.TrimLeft(octets, "\r\n"))))
	if e != nil {
		if !explained(e.Error(), buf, &req.Fields) {
			t.Fatalf("%q: we accept, net/http says %v", octets, e)
		}
		return
	}
	length := theirs.ContentLength
	if slices.Equal(theirs.TransferEncoding, []string{"chunked"}) {
		length = httpmsg.LengthUnknown
	}
	authority := theirs.Host
	switch {
	case req.Method == httpmsg.CONNECT:
		authority = theirs.RequestURI // net/http goes by the Host field or the target by turns
	case req.Scheme != nil && bytes.IndexByte(req.Authority, '%') >= 0:
		// Of an absolute-form target net/http shows the decoded host. RFC 3986, section 6.2.2.2, calls the two equivalent, and we
		// pass on what came.
		if host, err := url.PathUnescape(string(req.Authority)); err == nil && host == authority {
			authority = string(req.Authority)
		}
	}
	if theirs.Method != string(req.Name) || theirs.RequestURI != string(req.Target) || theirs.Proto != "HTTP/"+req.Version.String() ||
		length != req.Length || authority != string(req.Authority) || theirs.Close == req.KeepAlive || !sameHeader(header(&req.Fields), stripped(theirs.Header)) {
		t.Fatalf("%q\nours: %s\nnet/http's: %s %q %q length=%d close=%t %v", octets, showRequest(n, &req), theirs.Method, theirs.RequestURI, theirs.Host, length, theirs.Close, theirs.Header)
	}
	sameBody(t, buf, n, req.Length, &req.Fields, theirs.Body, &theirs.Trailer)
}

func differResponse(t *testing.T, octets string, method httpmsg.Method) {
	var p Progress
	var res httpmsg.Response
	buf := []byte(octets)
	n, err := ParseResponse(buf, &p, &res, method, &Limits{})
	if err != nil || n == 0 {
		return
	}
	name := map[httpmsg.Method]string{httpmsg.GET: "GET", httpmsg.HEAD: "HEAD"}[method]
	theirs, e := http.ReadResponse(bufio.NewReader(strings.NewReader(octets)), &http.Request{Method: name})
	if e != nil {
		if !explained(e.Error(), buf, &res.Fields) {
			t.Fatalf("%q: we accept, net/http says %v", octets, e)
		}
		return
	}
	length := theirs.ContentLength
	switch {
	case method == httpmsg.HEAD || res.Status == 304 || res.Status < 200 || res.Status == 204:
		length = 0 // net/http tells what the field said
	case slices.Equal(theirs.TransferEncoding, []string{"chunked"}):
		length = httpmsg.LengthUnknown
	case length < 0:
		length = httpmsg.LengthClose
	}
	closes := theirs.Close || res.Status == 101 // what follows a 101 is not HTTP, which net/http leaves to its caller
	if theirs.StatusCode != res.Status || theirs.Proto != "HTTP/"+res.Version.String() || length != res.Length || closes == res.KeepAlive ||
		!sameHeader(header(&res.Fields), stripped(theirs.Header)) {
		if explained(readOtherwise, buf, &res.Fields) {
			return
		}
		t.Fatalf("%q\nours: %s\nnet/http's: %d length=%d close=%t %v", octets, showResponse(n, &res), theirs.StatusCode, length, theirs.Close, theirs.Header)
	}
	sameBody(t, buf, n, res.Length, &res.Fields, theirs.Body, &theirs.Trailer)
}

// FuzzDifferential: whatever we accept, net/http accepts with the same meaning. CONNECT's responses are left out, which
// net/http reads in its transport, not in ReadResponse.
func FuzzDifferential(f *testing.F) {
	for _, seed := range append(slices.Clone(requestSeeds), responseSeeds...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, octets string) {
		differRequest(t, octets)
		differResponse(t, octets, httpmsg.GET)
		differResponse(t, octets, httpmsg.HEAD)
	})
}

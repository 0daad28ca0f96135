package statuscode

import "github.com/whygate/whygate/internal/fault"

// Contrary to house style, this file is longer than others: it is a table.

// The examples' request and the start of a response.
const (
	get      = "GET /page HTTP/1.1\nHost: www.example.com\n"
	response = "HTTP/1.1 "
)

var entriesInformational = []Entry{
	{
		Code: "100", Title: "Continue", Source: "RFC 9110 section 15.2.1", Earlier: "RFC 7231 section 6.2.1",
		Meaning: "The server has seen the request's head, does not reject it, and wants the body now. It answers a request with Expect: 100-continue; the final response follows.",
		Gateway: "It passes it on, or sends it itself when it reads the body. A client that asked may send the body after a short wait even without it.",
		Related: []string{"417", "413", "101"},
		Request: "PUT /upload HTTP/1.1\nHost: www.example.com\nContent-Length: 1048576\nExpect: 100-continue\n", Response: response + "100 Continue\n",
	},
	{
		Code: "101", Title: "Switching Protocols", Source: "RFC 9110 section 15.2.2", Earlier: "RFC 7231 section 6.2.2",
		Meaning: "The server takes up the Upgrade that the client offered: from the next byte on, the connection speaks that protocol, mostly WebSocket.",
		Gateway: "It passes it on and relays bytes both ways from then on. A 101 that nobody asked for is a fault of the upstream: 502.",
		Causes:  []fault.Cause{fault.CauseUnaskedUpgrade, fault.CauseUpgradeRefused},
		Related: []string{"426", "200", "502"},
		Request: "GET /chat HTTP/1.1\nHost: www.example.com\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n",
		Response: response + "101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket\n" +
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n",
	},
	{
		Code: "102", Title: "Processing", Source: "RFC 2518 section 10.1",
		Meaning: "WebDAV: the server works on the request and it will take a while. RFC 4918, which obsoletes RFC 2518, has left it out, and few servers send it.",
		Gateway: "It passes it on like any interim response, or drops it.",
		Causes:  []fault.Cause{fault.CauseTooManyInterim},
		Related: []string{"100", "103"},
		Request: "PROPFIND /folder/ HTTP/1.1\nHost: dav.example.com\nDepth: infinity\nContent-Length: 0\n", Response: response + "102 Processing\n",
	},
	{
		Code: "103", Title: "Early Hints", Source: "RFC 8297 section 2",
		Meaning: "Headers that the final response will have, sent before it, so that a browser can begin to load what Link names.",
		Gateway: "It passes it on to clients that can have it, or drops it. Ten or more before the final response are a fault.",
		Causes:  []fault.Cause{fault.CauseTooManyInterim, fault.CauseUnaskedInterim},
		Related: []string{"100", "200"},
		Request: get, Response: response + "103 Early Hints\nLink: </style.css>; rel=preload; as=style\n",
	},
	{
		Code: "104", Title: "Upload Resumption Supported", Source: "draft-ietf-httpbis-resumable-upload-05 (a temporary registration, extended in 2025 to 2026-11-13)",
		Meaning: "The server supports resumable uploads, and names in Location where the upload can be taken up again if it breaks off.",
		Gateway: "It passes it on like any interim response. A gateway that drops it takes resumption away.",
		Related: []string{"100", "103"},
		Request: "POST /upload HTTP/1.1\nHost: www.example.com\nUpload-Complete: ?1\nContent-Length: 100000000\n", Response: response + "104 Upload Resumption Supported\nLocation: /upload/b530ce8ff\n",
	},
}

var entriesSuccessful = []Entry{
	{
		Code: "200", Title: "OK", Source: "RFC 9110 section 15.3.1", Earlier: "RFC 7231 section 6.3.1",
		Meaning: "The request was done; the content depends on the method.",
		Gateway: "It passes it on. An error page with 200 hides a fault from monitoring; a body that breaks off after 200 is cut visibly.",
		Causes:  []fault.Cause{fault.CauseBodyShort, fault.CauseBodyReset, fault.CauseChunksCut, fault.CauseBodyStalled},
		Related: []string{"204", "206", "304"},
		Request: get, Response: response + "200 OK\nContent-Type: text/html\nContent-Length: 12\n\n<p>Hello</p>",
	},
	{
		Code: "201", Title: "Created", Source: "RFC 9110 section 15.3.2", Earlier: "RFC 7231 section 6.3.2",
		Meaning: "The request was done and made a new resource, which Location names, or else the request's own URL.",
		Related: []string{"200", "202", "303"},
		Request: "POST /orders HTTP/1.1\nHost: www.example.com\nContent-Type: application/json\nContent-Length: 12\n\n{\"item\": 42}", Response: response + "201 Created\nLocation: /orders/1001\nContent-Length: 0\n",
	},
	{
		Code: "202", Title: "Accepted", Source: "RFC 9110 section 15.3.3", Earlier: "RFC 7231 section 6.3.3",
		Meaning: "The request was taken and is not done yet, and may fail later. It is the right answer to long work, in place of letting the client wait into a 504.",
		Related: []string{"201", "504"},
		Request: "POST /reports HTTP/1.1\nHost: www.example.com\nContent-Length: 0\n", Response: response + "202 Accepted\nLocation: /reports/7/status\nRetry-After: 30\nContent-Length: 0\n",
	},
	{
		Code: "203", Title: "Non-Authoritative Information", Source: "RFC 9110 section 15.3.4", Earlier: "RFC 7231 section 6.3.4",
		Meaning: "As 200, but a proxy that transforms content has changed it on the way.",
		Gateway: "A transforming proxy may send it in place of 200; others pass it on.",
		Related: []string{"200"},
	},
	{
		Code: "204", Title: "No Content", Source: "RFC 9110 section 15.3.5", Earlier: "RFC 7231 section 6.3.5",
		Meaning: "The request was done and there is nothing to send. The response has no body.",
		Gateway: "It passes it on. A body or a length behind it is a fault of the upstream, and its connection is not used again.",
		Causes:  []fault.Cause{fault.CauseFramingNotAllowed, fault.CauseExtraOctets},
		Related: []string{"200", "205", "304"},
		Request: "DELETE /orders/1001 HTTP/1.1\nHost: www.example.com\n", Response: response + "204 No Content\n",
	},
	{
		Code: "205", Title: "Reset Content", Source: "RFC 9110 section 15.3.6", Earlier: "RFC 7231 section 6.3.6",
		Meaning: "The request was done, and the user's form should be cleared for the next input. The response has no content.",
		Related: []string{"204"},
		Request: "POST /form HTTP/1.1\nHost: www.example.com\nContent-Length: 3\n\na=b", Response: response + "205 Reset Content\nContent-Length: 0\n",
	},
	{
		Code: "206", Title: "Partial Content", Source: "RFC 9110 section 15.3.7", Earlier: "RFC 7233 section 4.1",
		Meaning: "Part of the resource, as the request's Range asked, with Content-Range or as multipart/byteranges.",
		Gateway: "It passes it on; a cache may put parts together.",
		Related: []string{"200", "416"},
		Request: "GET /film.mp4 HTTP/1.1\nHost: www.example.com\nRange: bytes=0-1023\n", Response: response + "206 Partial Content\nContent-Range: bytes 0-1023/146515\nContent-Length: 1024\n",
	},
	{
		Code: "207", Title: "Multi-Status", Source: "RFC 4918 section 11.1", Earlier: "RFC 2518 section 10.2",
		Meaning: "WebDAV: the body is XML with a status of its own for each of several resources.",
		Related: []string{"208", "200"},
		Request: "PROPFIND /folder/ HTTP/1.1\nHost: dav.example.com\nDepth: 1\nContent-Length: 0\n", Response: response + "207 Multi-Status\nContent-Type: application/xml\nContent-Length: 412\n",
	},
	{
		Code: "208", Title: "Already Reported", Source: "RFC 5842 section 7.1",
		Meaning: "WebDAV, inside the body of a 207: this resource was told of before, under another binding.",
		Related: []string{"207", "508"},
	},
	{
		Code: "226", Title: "IM Used", Source: "RFC 3229 section 10.4.1",
		Meaning: "The content is a difference to what the client has, made by the instance manipulations that IM names. Almost nobody sends it.",
		Gateway: "It passes it on, and does not store it unless it knows delta encoding.",
		Related: []string{"200", "206"},
		Request: get + "A-IM: vcdiff\nIf-None-Match: \"a1\"\n", Response: response + "226 IM Used\nETag: \"a2\"\nIM: vcdiff\nDelta-Base: \"a1\"\nContent-Length: 120\n",
	},
}

var entriesRedirection = []Entry{
	{
		Code: "300", Title: "Multiple Choices", Source: "RFC 9110 section 15.4.1", Earlier: "RFC 7231 section 6.4.1",
		Meaning: "There are several forms of the resource, each with a URL of its own, and the client or the user is to choose.",
		Retry:   "Nothing to repeat: ask for one of the choices.",
		Related: []string{"406", "506", "302"},
	},
	{
		Code: "301", Title: "Moved Permanently", Source: "RFC 9110 section 15.4.2", Earlier: "RFC 7231 section 6.4.2",
		Meaning: "The resource has a new URL for good: Location. Clients may turn POST into GET; 308 forbids that. Browsers remember it for long.",
		Gateway: "It passes it on, or makes it for its own redirects. A Location with the upstream's inner name or port has to be rewritten.",
		Causes:  []fault.Cause{fault.CauseRedirectLoop},
		Related: []string{"308", "302", "307"},
		Request: "GET / HTTP/1.1\nHost: example.com\n", Response: response + "301 Moved Permanently\nLocation: https://www.example.com/\nContent-Length: 0\n",
	},
	{
		Code: "302", Title: "Found", Source: "RFC 9110 section 15.4.3", Earlier: "RFC 7231 section 6.4.3",
		Meaning: "The resource is at Location for now. Clients may turn POST into GET; 307 forbids that and 303 asks for it.",
		Gateway: "It passes it on. The same Location again and again is a loop, mostly since the upstream does not see that the client used HTTPS.",
		Causes:  []fault.Cause{fault.CauseRedirectLoop},
		Related: []string{"303", "307", "301"},
		Request: "GET /account HTTP/1.1\nHost: www.example.com\n", Response: response + "302 Found\nLocation: /login\nContent-Length: 0\n",
	},
	{
		Code: "303", Title: "See Other", Source: "RFC 9110 section 15.4.4", Earlier: "RFC 7231 section 6.4.4",
		Meaning: "The answer is at Location, to be fetched with GET: what to send after a form, so that reloading does not send it again.",
		Related: []string{"302", "201"},
		Request: "POST /orders HTTP/1.1\nHost: www.example.com\nContent-Length: 6\n\nitem=4", Response: response + "303 See Other\nLocation: /orders/1001\nContent-Length: 0\n",
	},
	{
		Code: "304", Title: "Not Modified", Source: "RFC 9110 section 15.4.5", Earlier: "RFC 7232 section 4.1",
		Meaning: "What the client or cache has is still good: the condition in If-None-Match or If-Modified-Since says so. There is no body.",
		Retry:   "Nothing to repeat: use the stored response.",
		Gateway: "It passes it on, or answers with its stored response. A body behind it is a fault of the upstream.",
		Causes:  []fault.Cause{fault.CauseExtraOctets},
		Related: []string{"200", "412"},
		Request: "GET /logo.png HTTP/1.1\nHost: www.example.com\nIf-None-Match: \"a1\"\n", Response: response + "304 Not Modified\nETag: \"a1\"\n",
	},
	{
		Code: "305", Title: "Use Proxy", Source: "RFC 9110 section 15.4.6", Earlier: "RFC 7231 section 6.4.5",
		Meaning: "Deprecated: it told the client to use a proxy, which is unsafe from a server. Clients ignore it.",
		Retry:   "Nothing to repeat: it is not used any more.",
		Related: []string{"306"},
	},
	{
		Code: "306", Title: "(Unused)", Source: "RFC 9110 section 15.4.7", Earlier: "RFC 7231 section 6.4.6",
		Meaning: "Was used in an early draft and is reserved: it has no meaning any more.",
		Retry:   "Nothing to repeat: it is not used any more.",
		Related: []string{"305"},
	},
	{
		Code: "307", Title: "Temporary Redirect", Source: "RFC 9110 section 15.4.8", Earlier: "RFC 7231 section 6.4.7",
		Meaning: "The resource is at Location for now; the client must repeat the request there with the same method and body. Browsers show it for their own HSTS redirects as well.",
		Related: []string{"302", "308"},
		Request: "POST /orders HTTP/1.1\nHost: www.example.com\nContent-Length: 6\n\nitem=4", Response: response + "307 Temporary Redirect\nLocation: https://eu.example.com/orders\nContent-Length: 0\n",
	},
	{
		Code: "308", Title: "Permanent Redirect", Source: "RFC 9110 section 15.4.9", Earlier: "RFC 7538 section 3",
		Meaning: "The resource has a new URL for good; the client must repeat the request there with the same method and body.",
		Related: []string{"301", "307"},
		Request: "POST /v1/orders HTTP/1.1\nHost: api.example.com\nContent-Length: 6\n\nitem=4", Response: response + "308 Permanent Redirect\nLocation: /v2/orders\nContent-Length: 0\n",
	},
}

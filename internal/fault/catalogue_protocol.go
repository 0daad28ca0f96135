package fault

// entriesProtocol are the causes where the upstream speaks something else than the HTTP/1 response that was due.
var entriesProtocol = []Entry{
	{
		Cause:    CauseWrongService,
		Title:    "Another service listens on that port",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} is not an HTTP server[ but {proto}][: it sent {sample}]",
		Meaning:  "The first bytes are the greeting of another protocol, so the endpoint's port belongs to another service: SSH, mail, FTP, a database, a cache or a message broker.",
		Proof: []string{
			"The sample is that protocol's greeting.",
			"nc HOST PORT shows the same, and ss -lntp on the upstream's host names the process.",
		},
		Advice: []string{
			"Correct the endpoint's port: ss -lntp on the upstream's host shows where the HTTP server listens.",
			"If it is a FastCGI application (php-fpm), put a web server before it that speaks FastCGI: the gateway speaks HTTP only.",
			"In containers, check which inner port is published: docker ps, kubectl get svc.",
		},
		Covers:  []string{"R5", "A13"},
		Related: []Cause{CauseNotHTTP, CausePlainToTLSPort, CauseHTTP2OnHTTP1Port},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseHTTP2OnHTTP1Port,
		Title:    "The upstream speaks HTTP/2 only",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} speaks HTTP/2 only[: it answered an HTTP/1.1 request with {sample}]",
		Meaning:  "The upstream answered with an HTTP/2 SETTINGS frame: it expects HTTP/2 from the first byte (prior knowledge), as gRPC servers do. An HTTP/1.1 request means nothing to it.",
		Proof: []string{
			"The first bytes are a SETTINGS frame: 00 00 xx 04 00 00 00 00 00.",
			"curl --http2-prior-knowledge -v of the URL works, curl --http1.1 does not.",
		},
		Advice: []string{
			"Point the endpoint at a port where the upstream serves HTTP/1.1, or enable HTTP/1.1 on it (in .NET, Kestrel's Protocols: Http1AndHttp2).",
			"A gRPC service needs HTTP/2 from end to end: it cannot be reached by an HTTP/1.1 endpoint.",
		},
		Covers:  []string{"R5", "A13"},
		Related: []Cause{CauseTLSALPN, CauseWrongService},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseProxyProtocolMismatch,
		Title:    "The PROXY protocol is on at one side only",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} and the gateway disagree about the PROXY protocol[: it sent {sample}]",
		Meaning: "One side uses the PROXY protocol's preface and the other does not: the upstream sent one, or waits for one before it talks HTTP. " +
			"A server that waits for it closes, resets or answers 400 to every plain request.",
		Proof: []string{
			"The first bytes are \"PROXY TCP4\", \"PROXY TCP6\" or the signature of version 2 (0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a).",
			"curl --haproxy-protocol -v of the URL at the upstream works, and without the option it fails: then it waits for the preface.",
		},
		Advice: []string{
			"Turn the PROXY protocol off on the upstream's port: remove proxy_protocol from listen in nginx, accept-proxy from bind in HAProxy, proxyProtocol from Traefik's entry point.",
			"Or give the upstream a second port without it, for the gateway; it gets the client's address from X-Forwarded-For.",
		},
		Covers:  []string{"C12"},
		Related: []Cause{CauseClosedBeforeAnswer, CauseTLSHandshakeClosed, CauseWrongService},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseNotHTTP,
		Title:    "The response is not HTTP",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} answered with something that is not HTTP[: {sample}]",
		Meaning: "The first bytes of the answer are no HTTP status line, and no protocol that the gateway knows. " +
			"The port belongs to another service, the application wrote its output straight to the socket, or a response before this one was longer than it said.",
		Proof: []string{
			"The sample has the first bytes, as text and in hexadecimal.",
			"nc HOST PORT, then GET / HTTP/1.0 and an empty line, shows the same.",
			"It comes only on reused connections: then the response before it had extra bytes, see extra-bytes.",
		},
		Advice: []string{
			"Find out what listens on that port: ss -lntp on the upstream's host.",
			"If it is your application, look for output that bypasses the HTTP library: print to the socket, a CGI script without a head.",
		},
		Covers:  []string{"R5", "R7"},
		Related: []Cause{CauseWrongService, CauseNoHead, CauseExtraOctets},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseNoHead,
		Title:    "The response has no head",
		Family:   FamilyApplication,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} sent a page without a response head[: {sample}]",
		Meaning: "The answer begins with HTML at once, without status line and headers, as in HTTP/0.9. " +
			"A script or a small server of one's own forgot the head, or lost it. The gateway does not guess a status.",
		Proof: []string{
			"The first bytes are <!DOCTYPE or <html.",
			"curl -v of the URL at the upstream says: Received HTTP/0.9 when not allowed.",
		},
		Advice: []string{
			"Have the application write a status line, its headers and an empty line before the page: HTTP/1.1 200 OK, Content-Type, Content-Length.",
			"For CGI and similar scripts, look for output that comes before the head is printed.",
		},
		Covers:  []string{"R7"},
		Related: []Cause{CauseNotHTTP, CauseBadStatusLine},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseBadStatusLine,
		Title:    "The status line is malformed",
		Family:   FamilyApplication,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} sent a malformed status line[: {rule}][ ({ref})][, it sent {sample}]",
		Meaning:  "The response begins like HTTP, but its first line is not version, three-digit status code and reason as RFC 9112 section 4 asks. Lenient clients such as curl may accept it, which is why it seems to work without a gateway.",
		Proof: []string{
			"The sample shows the line, and the offset the byte at which it goes wrong.",
			"printf 'GET / HTTP/1.1\\r\\nHost: NAME\\r\\nConnection: close\\r\\n\\r\\n' | nc HOST PORT | head -1 | xxd shows it raw.",
		},
		Advice: []string{
			"Correct what the application writes as status line: HTTP/1.1, a space, three digits, a space, a reason or nothing.",
			"If the code comes from a variable, look for an empty or textual value (status \"undefined\", \"2x0\", \"0\").",
		},
		Covers:  []string{"R6"},
		Related: []Cause{CauseUnsupportedVersion, CauseNotHTTP},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseUnsupportedVersion,
		Title:    "The response has an unknown HTTP version",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} answered in an HTTP version that the gateway did not ask for[: {sample}]",
		Meaning:  "The status line names a version that is neither HTTP/1.1 nor HTTP/1.0. A server may not answer in a higher major version than it was asked in (RFC 9110 section 6.2); RTSP, ICY (Shoutcast) and SIP servers answer much like HTTP, too.",
		Proof: []string{
			"The sample shows the version, for instance HTTP/2.0, HTTP/9, ICY or RTSP/1.0.",
			"curl --http1.1 -v of the URL at the upstream shows the same first line.",
		},
		Advice: []string{
			"Correct the version that the application or its framework writes: an HTTP/1 message says HTTP/1.1.",
			"If it is RTSP, SIP or ICY, the port belongs to another service.",
		},
		Covers:  []string{"R6"},
		Related: []Cause{CauseBadStatusLine, CauseWrongService},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseUnaskedUpgrade,
		Title:    "The upstream switched protocols unasked",
		Family:   FamilyApplication,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} answered 101 Switching Protocols to a protocol that was not asked for",
		Meaning: "The upstream answered 101, but the request asked for no upgrade, or for another protocol (RFC 9110 section 7.8). " +
			"To pass it on would let the client talk through to the upstream past the gateway's rules.",
		Proof: []string{
			"The status is 101, and the request as forwarded had no Upgrade header, or one with another protocol.",
			"curl -v of the URL at the upstream without an Upgrade header gets 101.",
		},
		Advice: []string{
			"Have the application answer 101 only if the request's Upgrade header names the protocol, and 426 otherwise.",
			"If the client did ask, look for a proxy before this gateway that drops Upgrade and Connection.",
		},
		Covers:  []string{"R26"},
		Related: []Cause{CauseUnaskedInterim, CauseNotHTTP},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseUnaskedInterim,
		Title:    "An interim response came where none is allowed",
		Family:   FamilyApplication,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} sent an interim response[ ({status})] to a request that cannot have one",
		Meaning:  "The upstream sent a 1xx response that the request does not allow: an HTTP/1.0 client cannot get one (RFC 9110 section 15.2).",
		Proof: []string{
			"The evidence has the 1xx status and the rule.",
			"curl --http1.0 -v of the URL at the upstream shows it.",
		},
		Advice: []string{
			"Have the application send interim responses (100, 103) to HTTP/1.1 requests only.",
		},
		Covers:  []string{"R28"},
		Related: []Cause{CauseTooManyInterim, CauseUnaskedUpgrade},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseTooManyInterim,
		Title:    "Too many interim responses",
		Family:   FamilyApplication,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} sent too many interim responses[ (more than {limit})] and no final one",
		Meaning:  "The upstream keeps sending 1xx responses (100, 102, 103) and never a final one. The gateway forwards ten of them and then gives up, for an endless row would hold the request for ever.",
		Proof: []string{
			"The number of interim responses passed the limit before a final status came.",
			"curl -v of the URL at the upstream shows them one after the other.",
		},
		Advice: []string{
			"Find the loop that sends 100, 102 or 103 in the application; one 103 Early Hints is what browsers use.",
		},
		Covers:  []string{"R28"},
		Related: []Cause{CauseUnaskedInterim, CauseSlowHead},
		Retry:   retryElsewhere,
	},
}

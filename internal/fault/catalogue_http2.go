package fault

// entriesHTTP2 are the causes that HTTP/2 and gRPC add, between the gateway and the upstream.
var entriesHTTP2 = []Entry{
	{
		Cause:    CauseHTTP2GoAway,
		Title:    "The upstream ended the HTTP/2 connection with GOAWAY",
		Family:   FamilyMaintenance,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} ended the HTTP/2 connection with GOAWAY[ ({code})][ (request {nth} on it)] before it had answered",
		Meaning: "The upstream sent GOAWAY: it takes no new stream on this connection (RFC 9113 section 6.8). With NO_ERROR it drains, for a restart or because the connection has reached its greatest age. " +
			"With another code it complains: ENHANCE_YOUR_CALM \"too_many_pings\" is the commonest. A stream above its last-stream-id was not processed.",
		Proof: []string{
			"The GOAWAY frame has a last-stream-id: compare it with the number of the stream that failed. If ours is greater, the upstream never touched the request.",
			"Its error code and debug data say why: NO_ERROR is a drain, ENHANCE_YOUR_CALM with too_many_pings is our own PING rate.",
			"It comes at a steady age of connections (max_connection_age in gRPC, keepalive_requests in nginx), or all at once with a deploy.",
		},
		Advice: []string{
			"Repeat streams above last-stream-id on another connection, whatever their method: RFC 9113 section 8.7 promises that they were not processed.",
			"Give the upstream time to finish: a grace period after max_connection_age, a preStop sleep, and no more than some of the endpoints restarted at once.",
			"On too_many_pings, send PING no more often than the server allows: gRPC servers want 5 minutes between them unless told otherwise.",
		},
		Covers:  []string{"X1", "X2"},
		Related: []Cause{CauseHTTP2RefusedStream, CauseHTTP2ConnectionDead, CauseKeepaliveRace},
		Retry:   "Safe for every method if the stream is above GOAWAY's last-stream-id (RFC 9113 section 8.7); otherwise for idempotent methods only.",
	},
	{
		Cause:    CauseHTTP2RefusedStream,
		Title:    "The upstream refused the stream",
		Family:   FamilyOverload,
		Type:     TypeDestinationUnavailable,
		sentence: "{peer} refused the stream (REFUSED_STREAM): it did not process the request",
		Meaning: "The upstream reset the stream with REFUSED_STREAM, which promises that nothing of it was processed (RFC 9113 section 8.7). " +
			"It has as many streams as it takes, it is shutting down, or it has no worker for one more.",
		Proof: []string{
			"RST_STREAM with error code 7 on the request's stream, and no byte of a response.",
			"The number of open streams on the connection is near the upstream's SETTINGS_MAX_CONCURRENT_STREAMS, or the upstream is being stopped at that second.",
		},
		Advice: []string{
			"Repeat the request on another connection: every method is safe. nginx does not do it by itself, for it counts this among invalid headers.",
			"If it lasts, raise the upstream's limit of concurrent streams, or add endpoints.",
			"If it comes with deploys, let the upstream send GOAWAY first and end its streams before it stops.",
		},
		Covers:  []string{"X3"},
		Related: []Cause{CauseHTTP2GoAway, CauseHTTP2StreamLimit, CauseHTTP2StreamReset},
		Retry:   "Safe for every method: REFUSED_STREAM promises that the request was not processed (RFC 9113 section 8.7).",
	},
	{
		Cause:    CauseHTTP2StreamReset,
		Title:    "The upstream reset the stream",
		Family:   FamilyApplication,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} reset the HTTP/2 stream[ ({code})] before it had answered[ after {wait}]",
		Meaning: "The upstream ended this one stream with RST_STREAM before a response head. The code tells how it saw it: INTERNAL_ERROR is a failure in the application, CANCEL a timeout or a cancelled call on its side, " +
			"PROTOCOL_ERROR a request that it holds to be malformed, ENHANCE_YOUR_CALM a limit of load.",
		Proof: []string{
			"RST_STREAM on the request's stream, with a code that is not REFUSED_STREAM; other streams of the connection go on.",
			"A round time between request and reset, the same in many incidents: a time limit of the upstream or of a proxy in between.",
			"The upstream's log at that second: a panic, a cancelled context, a rejected header.",
		},
		Advice: []string{
			"Read the upstream's log at that second, and look for the code: INTERNAL_ERROR is its own failure, CANCEL its own time limit.",
			"On PROTOCOL_ERROR, look at the request's headers: Connection, Transfer-Encoding, an upper-case name or a bad :authority must not be sent in HTTP/2.",
			"On ENHANCE_YOUR_CALM, send less at once to this endpoint.",
		},
		Covers:  []string{"X4"},
		Related: []Cause{CauseHTTP2RefusedStream, CauseHTTP2StreamCut, CauseResetBeforeAnswer},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseHTTP2NotWanted,
		Title:    "The upstream wants HTTP/1.1 for this request",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPUpgradeFailed,
		sentence: "{peer} refused to answer over HTTP/2 (HTTP_1_1_REQUIRED)",
		Meaning: "The upstream reset the stream with HTTP_1_1_REQUIRED: what it is to do works over HTTP/1.1 only. " +
			"Mostly it is a resource that needs renegotiated client certificates or NTLM, both bound to the connection.",
		Proof: []string{
			"RST_STREAM or GOAWAY with error code 13 (RFC 9113 section 7).",
			"curl --http1.1 gets an answer from the same URL and curl --http2 does not.",
		},
		Advice: []string{
			"Speak HTTP/1.1 to this pool: an http or https endpoint without h2.",
			"If only one path is meant, give it a route and a pool of its own.",
		},
		Covers:  []string{"X5"},
		Related: []Cause{CauseTLSALPN, CauseHTTP1OnHTTP2Port, CauseTLSClientCertificateRequired},
		Retry:   "Safe for every method over HTTP/1.1: the request was not processed.",
	},
	{
		Cause:    CauseHTTP2NoSettings,
		Title:    "The upstream never began to speak HTTP/2",
		Family:   FamilyMisconfiguration,
		Type:     TypeConnectionReadTimeout,
		sentence: "{peer} accepted the connection and never sent HTTP/2's SETTINGS[ within {after}][ ({timer})]",
		Meaning: "The gateway sent HTTP/2's preface and the upstream sent nothing back, not even the SETTINGS frame that must come first (RFC 9113 section 3.4). " +
			"The port is open, but what listens there waits for something else, or its process hangs behind a full accept queue.",
		Proof: []string{
			"The connection stands, the preface was acknowledged, and 0 bytes came until the timer fired.",
			"ss -lnt on the upstream's host: a Recv-Q equal to Send-Q on that port is a full accept queue.",
			"curl -v --http2-prior-knowledge http://HOST:PORT/ hangs in the same way; curl --http1.1 may not.",
		},
		Advice: []string{
			"Check that the port speaks HTTP/2 without TLS (h2c): many servers speak it over TLS only.",
			"If it should, look whether its process hangs: all workers busy, a stopped container behind a port mapping.",
		},
		Covers:  []string{"X6"},
		Related: []Cause{CauseHeadTimeout, CauseHTTP1OnHTTP2Port, CauseTLSHandshakeTimeout},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseHTTP2ProtocolError,
		Title:    "The upstream broke a rule of HTTP/2",
		Family:   FamilyApplication,
		Type:     TypeHTTPProtocolError,
		sentence: "{peer} broke a rule of HTTP/2[: {rule}][ ({ref})][ at byte {offset}]",
		Meaning: "A frame or a message of the upstream is against RFC 9113: a frame larger than allowed, a window overrun, a header section that HPACK cannot decode, a missing or doubled :status, " +
			"a header that HTTP/2 forbids. Such a response must not be passed on (section 8.1.1), and a broken header section ends the whole connection.",
		Proof: []string{
			"The rule and the frame's first nine bytes are in the evidence or in the proxy's log.",
			"curl --http2 against the upstream itself reports an HTTP/2 framing or PROTOCOL_ERROR as well.",
			"It began with a new version of the upstream, of its HTTP library, or of a proxy before it.",
		},
		Advice: []string{
			"Speak HTTP/1.1 to this pool until it is mended: its messages are parsed by other code.",
			"On a forbidden or malformed header, look for Connection, Keep-Alive, Transfer-Encoding, or an upper-case name that the application sets by hand.",
			"Report it to those who make the upstream's HTTP/2 library, with the rule and the frame.",
		},
		Covers:  []string{"X7", "X8", "X10", "X11"},
		Related: []Cause{CauseHTTP1OnHTTP2Port, CauseHTTP2StreamReset, CauseBadField},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseHTTP1OnHTTP2Port,
		Title:    "HTTP/2 sent to an HTTP/1 server",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPUpgradeFailed,
		sentence: "{peer} answered HTTP/2's preface in HTTP/1: that port does not speak HTTP/2",
		Meaning: "The gateway is told to speak HTTP/2 without TLS to this pool, and the upstream answered in HTTP/1 text, as a rule 400 or 505. " +
			"Read as a frame, \"HTTP/1.1 \" has a length of 4,740,180 bytes, hence the messages about a frame that is too large.",
		Proof: []string{
			"The first bytes of the answer are HTTP/1. (48 54 54 50 2f 31 2e).",
			"The log of another proxy has the number 4740180, or \"the frame header looked like an HTTP/1.1 header\".",
			"curl -v http://HOST:PORT/ works and curl -v --http2-prior-knowledge http://HOST:PORT/ does not.",
		},
		Advice: []string{
			"Speak HTTP/1.1 to this pool: write http:// instead of h2c://, grpc:// or an HTTP/2 option.",
			"If the upstream is a gRPC server, the port is another one: look for its HTTP or metrics port here and its gRPC port beside it.",
			"Or switch HTTP/2 without TLS on in the upstream: http2 on in nginx, h2c in Go and Node.js, server.http2.enabled in Spring Boot.",
		},
		Covers:  []string{"X9"},
		Related: []Cause{CauseHTTP2OnHTTP1Port, CauseHTTP2NotWanted, CauseGRPCOverHTTP1},
		Retry:   retryElsewhere,
	},
	{
		Cause:    CauseHTTP2StreamLimit,
		Title:    "The HTTP/2 connections have no stream left",
		Family:   FamilyOverload,
		Type:     TypeConnectionLimitReached,
		sentence: "each HTTP/2 connection to {peer} has as many streams open as it allows[ ({limit})]",
		Meaning: "The upstream allows so many streams at once on one connection (SETTINGS_MAX_CONCURRENT_STREAMS), all of them are in use, and the gateway may open no further connection. " +
			"Long streams (watches, server push by gRPC, uploads) keep them for ever.",
		Proof: []string{
			"The number of open streams equals the peer's SETTINGS_MAX_CONCURRENT_STREAMS: 100 or 128 in many servers.",
			"The number of connections equals the pool's limit.",
			"The upstream's latency or the number of long-lived streams has grown before it.",
		},
		Advice: []string{
			"Allow more connections to this endpoint, or add endpoints.",
			"Raise the upstream's limit: http2_max_concurrent_streams in nginx, MaxConcurrentStreams in grpc-go, max_concurrent_streams in Envoy.",
			"Look for streams that nobody ends: clients that open a new watch and leave the old one.",
		},
		Covers:  []string{"X12"},
		Related: []Cause{CauseConnectionLimit, CauseHTTP2RefusedStream, CauseQueueFull},
		Retry:   retryLater,
	},
	{
		Cause:    CauseHTTP2ConnectionDead,
		Title:    "The HTTP/2 connection is dead",
		Family:   FamilyNetwork,
		Type:     TypeConnectionTerminated,
		sentence: "{peer} did not answer HTTP/2's PING[ for {after}]: the connection is dead[, after {idle} idle]",
		Meaning: "A PING on the connection was not answered in time, so it was given up with all its streams. " +
			"The host vanished, or a firewall, NAT or load balancer on the way forgot the idle connection and drops its packets without a word.",
		Proof: []string{
			"PING without an answer, no FIN and no RST; packets are retransmitted (ss -tnoi).",
			"The idle time before it has a sharp lower bound: 350 s on AWS NLB, 240 s on Azure, 600 s or 3600 s on many firewalls.",
			"All streams of the connection failed in the same second.",
		},
		Advice: []string{
			"Send PING or TCP keep-alives more often than the shortest idle timeout on the way.",
			"End idle connections before that timeout: pools.NAME.timeouts.idle.",
			"If busy connections die as well, look for a host that disappears, or for large packets that are lost.",
		},
		Covers:  []string{"X13"},
		Related: []Cause{CauseConnectionLost, CauseHTTP2GoAway, CauseHeadTimeout},
		Retry:   retryIdempotent,
	},
	{
		Cause:    CauseHTTP2StreamCut,
		Title:    "The HTTP/2 stream ended too early",
		Family:   FamilyApplication,
		Type:     TypeHTTPResponseIncomplete,
		sentence: "{peer} ended the HTTP/2 stream[ ({code})] before the response was complete[: {body} of {declared} bytes came]",
		Meaning: "The response began and its stream was ended before its end: by RST_STREAM, by the connection's end, or by END_STREAM with fewer bytes than Content-Length said. " +
			"The client sees a broken download, for the status had been sent.",
		Proof: []string{
			"A status was received, and the stream ended without END_STREAM or short of Content-Length.",
			"The upstream's log at that second: an exception while it wrote the body, a restart, a cancelled context.",
			"A round time since the request: a time limit of a proxy in between.",
		},
		Advice: []string{
			"Read the upstream's log at the second when the stream ended, for an error behind the first bytes of the body.",
			"If it ends after a round time, find that limit on the way: a route timeout in Envoy counts the whole response.",
			"If many streams of one connection end together, the connection was ended: see http2-goaway and connection-lost.",
		},
		Covers:  []string{"X14"},
		Related: []Cause{CauseBodyShort, CauseHTTP2StreamReset, CauseGRPCStatusMissing},
		Retry:   retryLate,
	},
	{
		Cause:    CauseGRPCStatusMissing,
		Title:    "The gRPC response has no grpc-status",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPResponseIncomplete,
		sentence: "{peer} ended a gRPC response without grpc-status: its trailers were lost on the way or never sent",
		Meaning: "A gRPC call ends with trailers that carry grpc-status. The stream ended properly and they are not there, so the client reports UNKNOWN or INTERNAL. " +
			"As a rule a hop on the way drops trailers: one that speaks HTTP/1 or that does not know them.",
		Proof: []string{
			"Content-Type is application/grpc, END_STREAM came, and there is no grpc-status in the head or the trailers.",
			"grpcurl straight to the upstream gets the trailers; through the chain it does not.",
			"A hop between speaks HTTP/1.1, or the request lost its header te: trailers.",
		},
		Advice: []string{
			"Ask hop by hop with grpcurl until the trailers are gone: the hop before that one drops them.",
			"Speak HTTP/2 on every hop, and let te: trailers through.",
			"If the upstream itself sends none, it answered with a page of its HTTP framework: look at the body and the path.",
		},
		Covers:  []string{"G2"},
		Related: []Cause{CauseGRPCOverHTTP1, CauseHTTP2StreamCut, CauseBadTrailer},
		Retry:   retryLate,
	},
	{
		Cause:    CauseGRPCDeadline,
		Title:    "The gRPC deadline has passed",
		Family:   FamilyOverload,
		Type:     TypeHTTPResponseTimeout,
		sentence: "{peer} did not end the gRPC call within its deadline[ of {after}]",
		Meaning: "The call's deadline (the header grpc-timeout, or the gateway's own limit) passed before the upstream had ended it. The client gets DEADLINE_EXCEEDED, which is grpc-status 4. " +
			"The upstream is slow, or the deadline was mostly used up by hops and retries before it.",
		Proof: []string{
			"grpc-timeout of the request against the time that the attempt took.",
			"The client's own deadline against grpc-timeout as it reached this hop: what is missing was spent before.",
			"The call alone takes as long: grpcurl -max-time 60 straight to the upstream.",
		},
		Advice: []string{
			"Find what the call waits for in the upstream: its trace, its slow queries, its pool of connections.",
			"Give the call a longer deadline in the client if it is meant to take so long.",
			"Pass the remaining deadline on at each hop, so that nobody works for a caller that has given up.",
		},
		Covers:  []string{"G3"},
		Related: []Cause{CauseHeadTimeout, CauseResponseTooSlow, CauseHTTP2StreamReset},
		Retry:   retrySlow,
	},
	{
		Cause:    CauseGRPCOverHTTP1,
		Title:    "gRPC over HTTP/1.1",
		Family:   FamilyMisconfiguration,
		Type:     TypeHTTPRequestError,
		Status:   505,
		sentence: "a gRPC call came[ to {peer}] over HTTP/1.1: gRPC needs HTTP/2 on every hop",
		Meaning: "A request with Content-Type application/grpc was sent over HTTP/1.1. gRPC needs HTTP/2, for its trailers and for streams in both directions at once. " +
			"A hop on the way speaks HTTP/1.1, or TLS did not agree on h2 by ALPN.",
		Proof: []string{
			"The request's version is HTTP/1.1 and its Content-Type application/grpc. An AWS ALB answers 464 to it.",
			"openssl s_client -alpn h2 -connect HOST:443 shows which protocol was agreed on: No ALPN negotiated means HTTP/1.1.",
		},
		Advice: []string{
			"Speak HTTP/2 on every hop between client and server: TLS with ALPN h2, or h2c on both sides.",
			"If the client is a browser, use gRPC-Web and a gateway that translates it: a browser cannot speak gRPC itself.",
		},
		Covers:  []string{"G5"},
		Related: []Cause{CauseGRPCStatusMissing, CauseHTTP1OnHTTP2Port, CauseTLSALPN},
		Retry:   retryNever,
	},
}

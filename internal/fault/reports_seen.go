package fault

// This file has what programs were seen to do: each was run with an upstream that has one fault, and the status that the client
// got and the words in the log were written down.

// seen is a program with what it did.
type seen struct {
	name, version string
	did           map[Cause]string // the status first, then the log's own words
}

// upstreamGone are the causes for which a proxy sees nothing but a refused connection, silentEnds those for which it sees
// nothing but the end of one.
var (
	upstreamGone = [...]Cause{CauseConnectionRefused, CauseServiceStopped, CauseServiceFailed}
	silentEnds   = [...]Cause{CauseClosedBeforeAnswer, CauseWorkerTimeout, CauseWorkerKilled, CauseWorkerCrashed, CauseOutOfMemory}
)

// seenReports gives what programs did with the cause, in the order of the table.
func seenReports(c Cause) []Report {
	for _, same := range [...][]Cause{upstreamGone[:], silentEnds[:]} {
		for _, o := range same {
			if o == c {
				c = same[0]
			}
		}
	}
	var all []Report
	for i := range seenPrograms {
		if text := seenPrograms[i].did[c]; text != "" {
			all = append(all, Report{seenPrograms[i].name, text, seenPrograms[i].version})
		}
	}
	return all
}

var seenPrograms = [...]seen{
	{"h2o", "2.2.5", map[Cause]string{
		CauseConnectionRefused:  `502 with the body "connection failed": "[lib/core/proxy.c] in request:/URI:connection failed"`,
		CauseClosedBeforeAnswer: `502 with the body "I/O error (head)": "[lib/core/proxy.c] in request:/URI:I/O error (head)"; also for a GET that lost the keep-alive race`,
		CauseResetBeforeAnswer:  `502 with the body "I/O error (head)"`,
		CauseNotHTTP:            `502 with the body "failed to parse the response"`,
		CauseBodyShort:          `200, the body is cut: "[lib/core/proxy.c] in request:/URI:I/O error (body; content-length)"`,
		CauseChunksCut:          "200, complete with a last chunk, and nothing in the log: the client cannot see it",
		CauseHeadTimeout:        `504 with the body "I/O timeout", after 30 s`,
		CausePlainToTLSPort:     `502 with the body "I/O error (head)"`,
		CauseTLSToPlainPort:     `502 with the body "ssl handshake failure"`,
		CauseInvalidLength:      `502: "[lib/core/proxy.c] in request:/URI:invalid response from upstream (malformed content-length)"`,
	}},
	{"lighttpd", "1.4.69", map[Cause]string{
		CauseConnectionRefused:  `503: "(gw_backend.c.274) establishing connection failed: socket: tcp:H:P: Connection refused", then "all handlers for /URI on  are down."`,
		CauseClosedBeforeAnswer: "500, and nothing in the log",
		CauseResetBeforeAnswer:  `500: "(gw_backend.c.2389) response not received, request sent: N on socket: tcp:H:P for /URI, closing connection"`,
		CauseNotHTTP:            "502, and nothing in the log",
		CauseHeadTooLarge:       `502: "(http-header-glue.c.1128) response headers too large for /URI"`,
		CauseBodyShort:          "200, cut, and the connection stays open for its keep-alive time: the client waits",
		CauseChunksCut:          "200, complete, with a Content-Length that it computed: the client cannot see it",
		CauseHeadTimeout:        "nothing for 1,000 s, and nothing in the log",
		CausePlainToTLSPort:     "500, and nothing in the log",
	}},
	{"squid", "5.7", map[Cause]string{
		CauseConnectionRefused:  `503 ERR_CONNECT_FAIL 111, ten times: "TCP connection to H/P failed", then "Detected DEAD Parent: NAME" and 502 ERR_READ_ERROR 0 without asking`,
		CauseClosedBeforeAnswer: `502 ERR_ZERO_SIZE_OBJECT 0`,
		CauseResetBeforeAnswer:  "502 ERR_READ_ERROR 104",
		CauseHeadTooLarge:       "502 ERR_TOO_BIG 0",
		CauseNotHTTP:            "200, with the bytes as its body",
		CauseBodyShort:          "200, cut",
		CauseHeadTimeout:        "504 after 15 minutes (read_timeout)",
		CausePlainToTLSPort:     "502 ERR_READ_ERROR 104",
		CauseNobodyAvailable:    "502 ERR_READ_ERROR 0 with HIER_NONE: all peers are dead, and nobody was asked",
	}},
	{"trafficserver", "9.2", map[Cause]string{
		CauseConnectionRefused:  `502 Connection refused: "CONNECT: attempt fail [CONNECTION_ERROR] to IP:P for host='H' connection_result=Connection refused [111]", four times; ERR_CONNECT_FAIL/502`,
		CauseClosedBeforeAnswer: "502 Malformed Server Response Status: a GET is sent four times, a POST once; nothing in error.log, ERR_CONNECT_FAIL/502 in the transaction log",
		CauseResetBeforeAnswer:  "502 Malformed Server Response Status, as for FIN",
		CauseNotHTTP:            "502, asked four times; nothing in error.log",
		CauseBodyShort:          "200, cut",
		CauseHeadTimeout:        "504 after 121 s (four times 30 s), a POST after 30 s; nothing in error.log",
		CausePlainToTLSPort:     "502, asked four times",
	}},
	{"varnish", "7.1", map[Cause]string{
		CauseConnectionRefused:  `503 Backend fetch failed with Retry-After: 5: "FetchError no backend connection"`,
		CauseClosedBeforeAnswer: `503 Backend fetch failed: "FetchError HTC eof (-1)"; a GET on a reused connection is repeated, a POST is not`,
		CauseResetBeforeAnswer:  `503: "FetchError HTC eof (-1)", as for FIN`,
		CauseBodyShort:          "200 with the head and no byte of the body, then FIN",
		CauseChunksCut:          `200, cut: "FetchError chunked read err"`,
		CauseHeadTimeout:        "503 after 60 s (first_byte_timeout)",
		CausePlainToTLSPort:     "503",
	}},
	{"nghttpx", "1.52", map[Cause]string{
		CauseConnectionRefused:  `502: "Backend connect failed; addr=IP:P: errno=111", then 502 without asking for 1.4 s and longer each time: "Could not connect N times in a row; sleep for N seconds"`,
		CauseClosedBeforeAnswer: "502, and nothing in the log; also for a GET that lost the keep-alive race",
		CauseResetBeforeAnswer:  "502",
		CauseNotHTTP:            "502, and nothing in the log",
		CauseHeadTooLarge:       "502",
		CauseBodyShort:          "200, cut",
		CauseChunksCut:          "200, cut",
		CauseHeadTimeout:        "504 after 60 s",
		CausePlainToTLSPort:     "502",
		CauseTLSToPlainPort:     "502",
	}},
	{"tinyproxy", "1.11", map[Cause]string{
		CauseConnectionRefused:  "500 Unable to connect",
		CauseClosedBeforeAnswer: "the client's connection is closed without an answer",
		CauseResetBeforeAnswer:  `the client's connection is closed without an answer: "process_server_headers failed: Connection reset by peer. host "H" using file descriptor N."`,
		CauseNotHTTP:            `503: "Could not retrieve all the headers from the remote server."`,
		CauseHeadTimeout:        "the client's connection is closed after 608 s",
	}},
	{"oauth2-proxy", "7.15", map[Cause]string{
		CauseConnectionRefused:  `502: "Error proxying to upstream server: dial tcp IP:P: connect: connection refused"`,
		CauseClosedBeforeAnswer: `502: "Error proxying to upstream server: EOF"`,
		CauseResetBeforeAnswer:  `502: "Error proxying to upstream server: read tcp IP:P->IP:P: read: connection reset by peer"`,
		CauseNotHTTP:            `502: "net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH_9.2""`,
		CauseBodyShort:          `closed without a byte, the head is swallowed: "httputil: ReverseProxy read error during body copy: unexpected EOF"`,
		CauseHeadTimeout:        "502 after 30 s, not 504",
		CauseTLSToPlainPort:     `502: "tls: first record does not look like a TLS handshake"`,
	}},
	{"frp", "0.61", map[Cause]string{
		CauseConnectionRefused:  `404 "Faithfully yours, frp." of frps; frpc: "connect to local service [IP:P] error: dial tcp IP:P: connect: connection refused", frps: "do http proxy request [host: H] error: EOF"`,
		CauseClosedBeforeAnswer: "404",
		CauseBodyShort:          "closed without a byte, the head is swallowed",
		CauseHeadTimeout:        "504 after 60 s",
	}},
	{"hitch, stunnel, sniproxy, pen", "1.7, 5.68, 0.6, 0.34", map[Cause]string{
		CauseConnectionRefused: `no byte, FIN (pen: RST), as if the application had hung up; stunnel: "s_connect: connect IP:P: Connection refused (111)", hitch: "{backend} Socket error: Connection refused", sniproxy: "recv(server): Connection refused, closing connection"`,
	}},
	{"vite", "8.4, Angular 22", map[Cause]string{
		CauseConnectionRefused:  `502 without a body (500 in vite 7): "[vite] http proxy error: /URI" and "Error: connect ECONNREFUSED IP:P"`,
		CauseClosedBeforeAnswer: `502 (500 in vite 7): "Error: socket hang up"`,
		CauseResetBeforeAnswer:  `502: "Error: read ECONNRESET"`,
		CauseNotHTTP:            `502: "Parse Error: Expected HTTP/, RTSP/ or ICE/"`,
		CauseHeadTooLarge:       `502: "Parse Error: Header overflow" above 16 KiB`,
		CauseBodyShort:          "200, and nothing ends the wait of the client; nothing is printed",
		CauseChunksCut:          "200, and nothing ends the wait of the client; nothing is printed",
		CauseTLSToPlainPort:     `502: "wrong version number"`,
	}},
	{"http-proxy-middleware", "3.0, 4.2", map[Cause]string{
		CauseConnectionRefused:  `504: "[HPM] Error occurred while proxying request H/URI to URL [ECONNREFUSED]"; nothing is logged by default`,
		CauseClosedBeforeAnswer: `504: "[HPM] Error occurred while proxying request H/URI to URL [ECONNRESET]"`,
		CauseResetBeforeAnswer:  `504: "[HPM] Error occurred while proxying request H/URI to URL [ECONNRESET]"`,
		CauseNotHTTP:            "502",
		CauseHeadTooLarge:       "500",
		CauseTLSToPlainPort:     "500",
		CauseBodyShort:          "200, and nothing ends the wait of the client; cut from version 4 on",
		CauseChunksCut:          "200, and nothing ends the wait of the client; cut from version 4 on",
	}},
	{"fastify-http-proxy", "11.6", map[Cause]string{
		CauseConnectionRefused:  `500: "connect ECONNREFUSED IP:P"`,
		CauseClosedBeforeAnswer: `500 with "code":"UND_ERR_SOCKET": "other side closed"`,
		CauseResetBeforeAnswer:  `500 with "code":"ECONNRESET": "read ECONNRESET"`,
		CauseHeadTooLarge:       `500: "Headers Overflow Error"`,
		CauseBodyShort:          `200, cut`,
		CauseChunksCut:          `200, cut`,
	}},
	{"next", "16.4", map[Cause]string{
		CauseConnectionRefused:  `500, printed twice: "Failed to proxy URL Error: connect ECONNREFUSED IP:P"`,
		CauseClosedBeforeAnswer: `500: "Error: socket hang up"`,
		CauseHeadTimeout:        `500 after 30 s (experimental.proxyTimeout), with the words of an upstream that hung up: "Error: socket hang up"`,
		CauseBodyShort:          "200, cut; nothing is printed",
		CauseChunksCut:          "200, cut; nothing is printed",
	}},
	{"nitro", "2.13, Nuxt", map[Cause]string{
		CauseConnectionRefused:  "502, and nothing is printed, whatever failed",
		CauseClosedBeforeAnswer: "502, and nothing is printed, whatever failed",
		CauseHeadTooLarge:       "502, and nothing is printed, whatever failed",
		CauseBodyShort:          `200 without its length, and the client waits (cut from 3.0 on): "TypeError: terminated"`,
	}},
	{"express-http-proxy", "2.1", map[Cause]string{
		CauseConnectionRefused: `500: "Error: connect ECONNREFUSED IP:P"`, CauseClosedBeforeAnswer: "504 without a body", CauseResetBeforeAnswer: "504 without a body",
	}},
	{"verdaccio", "6.10", map[Cause]string{
		CauseConnectionRefused:  `404 "no such package available": "http --- ERR, req: 'GET URL', error: connect ECONNREFUSED IP:P"`,
		CauseClosedBeforeAnswer: `503: "http --- ERR, req: 'GET URL', error: socket hang up"`,
		CauseUpstreamStatus:     `404 for an uplink's 502: "http --- 502, req: 'GET URL'"`,
	}},
	{"bun, deno, workerd", "1.4, 2.9, 2026", map[Cause]string{
		CauseConnectionRefused: `500; bun: "ECONNREFUSED: Unable to connect. Is the computer able to access the url?", deno: "client error (Connect): tcp connect error: Connection refused (os error 111)", workerd: "Network connection lost."`,
		CauseHeadTooLarge:      "200: a header of 70,000 bytes passes",
	}},
}

//go:build linux

package gateway_test

import (
	"strings"
	"testing"
	"time"
)

// Pools with one short timer. The others are long, so that a busy machine does not make another one fire.
const (
	quickHead  = "timeouts: {head: 300ms}"
	quickRead  = "timeouts: {read: 300ms}"
	quickWrite = "timeouts: {write: 300ms}"
)

// TestHeadFaults has the rows in which the upstream fails before its response head is complete: the client gets a page.
func TestHeadFaults(t *testing.T) {
	t.Parallel()
	run(t, "", []row{
		// The connection ends.
		{
			covers: "R1 closed before an answer", upstream: silent(fin),
			want: want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
		},
		{
			covers: "R1 HEAD", upstream: silent(fin), request: request{method: "HEAD"},
			want: want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
		},
		{
			covers: "R1 HTTP/1.0 client", upstream: silent(fin), request: request{version: "HTTP/1.0"},
			want: want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
		},
		{
			covers: "R3 reset before an answer", upstream: silent(rst),
			want: want{
				status: 502, typ: "connection_terminated", cause: "reset-before-answer", attempts: "1 first_byte reset",
				evidence: map[string]any{"errno_name": "ECONNRESET"},
			},
		},
		{
			covers: "R4 closed inside the head", upstream: says("HTTP/1.1 200 OK\r\nContent-Le", fin),
			want: want{
				status: 502, typ: "http_response_incomplete", cause: "head-cut", attempts: "1 head closed",
				evidence: map[string]any{"got": 27, "rule": "head_cut", "sample": `HTTP/1.1 200 OK\r\nContent-Le`},
			},
		},
		{
			covers: "R4 reset inside the head", upstream: drips("HTTP/1.1 200 OK\r\n", 0+time.Millisecond, rst),
			want: want{status: 502, typ: "connection_terminated", cause: "head-cut", attempts: "1 head reset"},
		},

		// It is not HTTP.
		{
			covers: "R5 SSH", upstream: greets("SSH-2.0-OpenSSH_9.6\r\n", hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "wrong-service", attempts: "1 head malformed",
				evidence: map[string]any{"sample_protocol": "an SSH server", "rule": "not_http"},
			},
		},
		{
			covers: "R5 SMTP", upstream: greets("220 mail.test ESMTP ready\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "wrong-service", attempts: "1 head malformed"},
		},
		{
			covers: "R5 MySQL", upstream: greets("\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "wrong-service", attempts: "1 head malformed"},
		},
		{
			covers: "R5 Redis", upstream: says("-ERR unknown command 'GET'\r\n", fin),
			want: want{status: 502, typ: "http_protocol_error", cause: "wrong-service", attempts: "1 head malformed"},
		},
		{
			covers: "R5 HTTP/2", upstream: greets("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "http2-on-http1-port", attempts: "1 head malformed"},
		},
		{
			covers: "R5 octets of nobody", upstream: says("\xff\xfe\x00\x01\x02\x03", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "not-http", attempts: "1 head malformed"},
		},
		{
			covers: "C12 the upstream speaks PROXY", upstream: says("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "proxy-protocol-mismatch", attempts: "1 head malformed"},
		},
		{
			covers: "R6 no number", upstream: says("HTTP/1.1 2x0 OK\r\n\r\n", hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "bad-status-line", attempts: "1 head malformed",
				evidence: map[string]any{"rule": "status_code", "offset": 10},
			},
		},
		{
			covers: "R6 four digits", upstream: says("HTTP/1.1 2000 OK\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "bad-status-line", attempts: "1 head malformed"},
		},
		{
			covers: "R6 class 0", upstream: says("HTTP/1.1 099 OK\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "bad-status-line", attempts: "1 head malformed"},
		},
		{
			covers: "R6 version 9", upstream: says("HTTP/9.0 200 OK\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "unsupported-version", attempts: "1 head malformed"},
		},
		{
			covers: "R7 a page without a head", upstream: says("<!DOCTYPE html>\n<html><body>hello</body></html>", fin),
			want: want{status: 502, typ: "http_protocol_error", cause: "no-head", attempts: "1 head malformed"},
		},

		// A field line is broken.
		{
			covers: "R8 no colon", upstream: says("HTTP/1.1 200 OK\r\nWarning deprecated\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "bad-field", attempts: "1 head malformed", evidence: map[string]any{"offset": 24}},
		},
		{
			covers: "R8 a line without a name", upstream: says("HTTP/1.1 200 OK\r\n: x\r\n\r\n", hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "bad-field", attempts: "1 head malformed",
				evidence: map[string]any{"rule": "field_name", "offset": 17},
			},
		},
		{
			covers: "R8 NUL", upstream: says("HTTP/1.1 200 OK\r\nX-A: a\x00b\r\n\r\n", hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "bad-field", attempts: "1 head malformed",
				evidence: map[string]any{"rule": "nul", "field": "X-A", "offset": 23},
			},
		},
		{
			covers: "R8 bare CR", upstream: says("HTTP/1.1 200 OK\r\nX-A: a\rb\r\n\r\n", hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "bad-field", attempts: "1 head malformed",
				evidence: map[string]any{"rule": "bare_cr"},
			},
		},
		{
			covers: "R8 a folded line", upstream: says("HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\r\n", hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "bad-field", attempts: "1 head malformed",
				evidence: map[string]any{"rule": "obs_fold"},
			},
		},
		{
			covers: "R8 a space before the colon is removed", upstream: says("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", hold),
			want: want{status: 200, attempts: "1 done", body: "ok"},
		},

		// It is too large.
		{
			covers: "R9 the head", pool: "limits: {response_head: 1KiB}",
			upstream: says("HTTP/1.1 200 OK\r\n"+strings.Repeat("X-A: "+strings.Repeat("a", 95)+"\r\n", 20), hold),
			want: want{
				status: 502, typ: "http_response_header_section_size", cause: "head-too-large", attempts: "1 head too_large",
				evidence: map[string]any{"limit": 1024, "rule": "head_size"},
			},
		},
		{
			covers: "R9 an endless head", upstream: func(p *peer) {
				p.read()
				for _, err := p.Write([]byte("HTTP/1.1 200 OK\r\n")); err == nil; {
					_, err = p.Write([]byte("X-A: a\r\n"))
				}
			},
			want: want{
				status: 502, typ: "http_response_header_section_size", cause: "too-many-fields", attempts: "1 head too_large",
				evidence: map[string]any{"rule": "field_count"},
			},
		},
		{
			covers: "R10 a field line", pool: "limits: {response_head: 1KiB}",
			upstream: says("HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: "+strings.Repeat("a", 2000)+"\r\n\r\n", hold),
			want: want{
				status: 502, typ: "http_response_header_size", cause: "field-too-large", attempts: "1 head too_large",
				params: map[string]any{"header-name": "Set-Cookie"}, evidence: map[string]any{"field": "Set-Cookie", "limit": 1024},
			},
		},
		{
			covers: "R10 an endless field line, the default limit",
			upstream: func(p *peer) {
				p.read()
				for _, err := p.Write([]byte("HTTP/1.1 200 OK\r\nX-A: ")); err == nil; {
					_, err = p.Write([]byte(strings.Repeat("a", 4096)))
				}
			},
			want: want{
				status: 502, typ: "http_response_header_size", cause: "field-too-large", attempts: "1 head too_large",
				evidence: map[string]any{"limit": 64 << 10, "field": "X-A"},
			},
		},
		{
			covers: "R11 too many fields", upstream: says("HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 201)+"\r\n", hold),
			want: want{
				status: 502, typ: "http_response_header_section_size", cause: "too-many-fields", attempts: "1 head too_large",
				evidence: map[string]any{"limit": 200, "size": 201},
			},
		},

		// It takes too long.
		{
			covers: "R12 no answer in time", upstream: silent(hold), pool: quickHead,
			want: want{
				status: 504, typ: "connection_read_timeout", cause: "head-timeout", attempts: "1 first_byte timeout",
				evidence: map[string]any{"timer": "timeouts.head", "after_ms": 300},
			},
		},
		{
			covers: "R12 POST", upstream: silent(hold), pool: quickHead, request: chunked("POST"),
			want: want{
				status: 504, typ: "connection_read_timeout", cause: "head-timeout", attempts: "1 first_byte timeout",
				evidence: map[string]any{"timer": "timeouts.head"},
			},
		},
		{
			covers: "R13 a head in drops", upstream: drips("HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 1000), 20*time.Millisecond, hold), pool: quickHead,
			want: want{
				status: 504, typ: "http_response_timeout", cause: "slow-head", attempts: "1 head timeout",
				evidence: map[string]any{"timer": "timeouts.head", "after_ms": 300},
			},
		},
		{
			covers: "R15 no answer before the deadline", upstream: silent(hold), pool: "timeouts: {response: 1s}",
			want: want{
				status: 504, typ: "http_response_timeout", cause: "response-too-slow", attempts: "1 first_byte timeout",
				evidence: map[string]any{"timer": "timeouts.response", "after_ms": 1000},
			},
		},
		{
			covers: "R15 a head in drops", upstream: drips("HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 1000), 20*time.Millisecond, hold),
			pool: "timeouts: {response: 1s}",
			want: want{
				status: 504, typ: "http_response_timeout", cause: "response-too-slow", attempts: "1 head timeout",
				evidence: map[string]any{"timer": "timeouts.response"},
			},
		},
		{
			covers: "R15 a streamed request", upstream: silent(hold), pool: "timeouts: {response: 1s}", request: chunked("POST"),
			want: want{
				status: 504, typ: "http_response_timeout", cause: "response-too-slow", attempts: "1 first_byte timeout",
				evidence: map[string]any{"timer": "timeouts.response"},
			},
		},

		// Its framing is ambiguous.
		{
			covers: "R20 length and encoding", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "length-and-encoding", attempts: "1 head malformed",
				evidence: map[string]any{"rule": "length_and_encoding", "field": "Content-Length"},
			},
		},
		{
			covers: "R21 lengths that differ", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "conflicting-lengths", attempts: "1 head malformed"},
		},
		{
			covers: "R21 a list of lengths that differ", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "conflicting-lengths", attempts: "1 head malformed"},
		},
		{
			covers: "R21 equal lengths become one", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", hold),
			want: want{status: 200, attempts: "1 done", body: "hello"},
		},
		{
			covers: "R22 a length of letters", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "invalid-length", attempts: "1 head malformed"},
		},
		{
			covers: "R22 a negative length", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "invalid-length", attempts: "1 head malformed"},
		},
		{
			covers: "R22 a length beyond 63 bits", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "invalid-length", attempts: "1 head malformed",
				evidence: map[string]any{"rule": "content_length_overflow"},
			},
		},
		{
			covers: "R23 gzip", upstream: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", hold),
			want: want{status: 502, typ: "http_response_transfer_coding", cause: "unknown-transfer-coding", attempts: "1 head malformed"},
		},
		{
			covers: "R23 gzip, chunked", upstream: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", hold),
			want: want{status: 502, typ: "http_response_transfer_coding", cause: "unknown-transfer-coding", attempts: "1 head malformed"},
		},
		{
			covers: "R23 chunked twice", upstream: says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", hold),
			want: want{status: 502, typ: "http_response_transfer_coding", cause: "unknown-transfer-coding", attempts: "1 head malformed"},
		},
		{
			covers: "R24 an encoding in HTTP/1.0", upstream: says("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "encoding-in-http10", attempts: "1 head malformed"},
		},
		{
			covers: "R36 a 204 with a length", upstream: says("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "framing-not-allowed", attempts: "1 head malformed"},
		},
		{
			covers: "R36 a 103 with an encoding", upstream: says("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "framing-not-allowed", attempts: "1 head malformed"},
		},

		// It answers what was not asked.
		{
			covers: "R26 101 unasked", upstream: says("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "unasked-upgrade", attempts: "1 head malformed"},
		},
		{
			covers:   "R26 101 to another protocol than was asked",
			upstream: says("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", hold),
			request:  request{fields: "Connection: upgrade\r\nUpgrade: websocket\r\n"},
			want:     want{status: 502, typ: "http_protocol_error", cause: "unasked-upgrade", attempts: "1 head malformed"},
		},
		{
			covers: "R27 an upgrade that is declined", upstream: says("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", hold),
			request: request{fields: "Connection: upgrade\r\nUpgrade: websocket\r\n"},
			want:    want{status: 403, attempts: "1 done", body: "no"},
		},
		{
			covers: "R27 an upgrade that is dropped", upstream: silent(fin), request: request{fields: "Connection: upgrade\r\nUpgrade: websocket\r\n"},
			want: want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
		},
		{
			covers: "R28 ten interim answers pass", upstream: says(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 10)+wellText, hold),
			want: want{status: 200, attempts: "1 done", body: wellBody, interim: 10},
		},
		{
			covers: "R28 eleven do not", upstream: says(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 11)+wellText, hold),
			want: want{
				status: 502, typ: "http_protocol_error", cause: "too-many-interim", attempts: "1 head malformed", interim: 10,
				evidence: map[string]any{"rule": "interim_count", "limit": 10, "size": 11},
			},
		},
		{
			covers: "R28 an HTTP/1.0 client sees none", upstream: says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+wellText, hold),
			request: request{version: "HTTP/1.0"},
			want:    want{status: 200, attempts: "1 done", body: wellBody},
		},
		{
			covers: "R1 closed after an interim answer", upstream: says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", fin),
			want: want{status: 502, typ: "http_response_incomplete", cause: "head-cut", attempts: "1 head closed", interim: 1},
		},
		{
			covers: "R12 silent after an interim answer", upstream: says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", hold), pool: quickHead,
			want: want{status: 504, typ: "http_response_timeout", cause: "slow-head", attempts: "1 head timeout", interim: 1},
		},

		// What is no fault of the gateway's.
		{
			covers: "A14 the upstream's own 503", upstream: says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy", hold),
			want: want{status: 503, cause: "upstream-status", attempts: "1 done", noted: true, body: "busy", params: map[string]any{"received-status": int64(503)}},
		},
		{
			covers: "R25 a body that is not gzip passes", upstream: says("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", hold),
			want: want{status: 200, attempts: "1 done", body: "hello"},
		},
	})
}

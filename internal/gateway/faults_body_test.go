//go:build linux

package gateway_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

// Heads of responses whose bodies break.
const (
	sizedHead   = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
	chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	closeHead   = "HTTP/1.1 200 OK\r\n\r\n"
)

// large is the front of a body of 1 MiB that is long enough to go by splice(2).
var large = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat("x", 512<<10)

// committed is the front of a chunked answer of 8 KiB, which the gateway passes on before it reads what follows: a fault in
// that comes late. Without it a fault in the first read is found in time for a page.
var committed = chunkedHead + "2000\r\n" + strings.Repeat("x", 8<<10) + "\r\n"

// old is an HTTP/1.0 client's request: chunks do not reach it, so its body ends with the connection.
var old = request{version: "HTTP/1.0"}

// TestBodyFaults has the rows in which the upstream fails after its head has gone to the client. The status is out; what
// is left is to let the client see that the body is not complete.
func TestBodyFaults(t *testing.T) {
	t.Parallel()
	run(t, "", []row{
		{
			covers: "R14 a sized body stalls", upstream: says(sizedHead+"hello", hold), pool: quickRead,
			want: want{
				status: 200, typ: "connection_read_timeout", cause: "body-stalled", attempts: "1 body timeout", cut: short, body: "hello",
				evidence: map[string]any{"timer": "timeouts.read", "after_ms": 300, "declared": 100, "body": 5},
			},
		},
		{
			covers: "R14 a large body stalls", upstream: says(large, hold), pool: quickRead,
			want: want{
				status: 200, typ: "connection_read_timeout", cause: "body-stalled", attempts: "1 body timeout", cut: short, body: "xxxx",
				evidence: map[string]any{"timer": "timeouts.read", "declared": 1 << 20, "body": 512 << 10},
			},
		},
		{
			covers: "R14 chunks stall", upstream: says(chunkedHead+"5\r\nhello\r\n", hold), pool: quickRead,
			want: want{status: 200, typ: "connection_read_timeout", cause: "body-stalled", attempts: "1 body timeout", cut: short, body: "hello"},
		},
		{
			covers: "R14 a body that ends with the connection stalls", upstream: says(closeHead+"hello", hold), pool: quickRead,
			want: want{status: 200, typ: "connection_read_timeout", cause: "body-stalled", attempts: "1 body timeout", cut: short, body: "hello"},
		},
		{
			covers: "R14 HTTP/1.0 client", upstream: says(closeHead+"hello", hold), pool: quickRead, request: old,
			want: want{status: 200, typ: "connection_read_timeout", cause: "body-stalled", attempts: "1 body timeout", cut: reset},
		},
		{
			covers: "R15 a body in drops", upstream: says(sizedHead, trickles(strings.Repeat("x", 100), 20*time.Millisecond, hold)), pool: "timeouts: {response: 500ms}",
			want: want{
				status: 200, typ: "http_response_timeout", cause: "response-too-slow", attempts: "1 body timeout", cut: short, body: "x",
				evidence: map[string]any{"timer": "timeouts.response", "after_ms": 500},
			},
		},
		{
			covers: "R15 a large body", upstream: says(large, hold), pool: "timeouts: {response: 500ms}",
			want: want{status: 200, typ: "http_response_timeout", cause: "response-too-slow", attempts: "1 body timeout", cut: short, body: "x"},
		},
		{
			covers: "R16 shorter than declared", upstream: says(sizedHead+"hello", fin),
			want: want{
				status: 200, typ: "http_response_incomplete", cause: "body-short", attempts: "1 body closed", cut: short, body: "hello",
				evidence: map[string]any{"rule": "body_short", "declared": 100, "body": 5},
			},
		},
		{
			covers: "R16 a large body", upstream: says(large, fin),
			want: want{
				status: 200, typ: "http_response_incomplete", cause: "body-short", attempts: "1 body closed", cut: short, body: "xxxx",
				evidence: map[string]any{"declared": 1 << 20, "body": 512 << 10},
			},
		},
		{
			covers: "R16 nothing of the body", upstream: says(sizedHead, fin),
			want: want{status: 200, typ: "http_response_incomplete", cause: "body-short", attempts: "1 body closed", cut: short},
		},
		{
			covers: "R16 HTTP/1.0 client", upstream: says(sizedHead+"hello", fin), request: old,
			want: want{status: 200, typ: "http_response_incomplete", cause: "body-short", attempts: "1 body closed", cut: short, body: "hello"},
		},
		{
			covers: "R17 reset in a sized body", upstream: drips(sizedHead+"hello", time.Millisecond, rst),
			want: want{
				status: 200, typ: "connection_terminated", cause: "body-reset", attempts: "1 body reset", cut: short,
				evidence: map[string]any{"errno_name": "ECONNRESET"},
			},
		},
		{
			covers: "R17 reset in a large body", upstream: says(large, func(p *peer) { delivered(p); rst(p) }),
			want: want{
				status: 200, typ: "connection_terminated", cause: "body-reset", attempts: "1 body reset", cut: short, body: "xxxx",
				evidence: map[string]any{"declared": 1 << 20, "body": 512 << 10},
			},
		},
		{
			covers: "R17 reset in chunks", upstream: drips(chunkedHead+"5\r\nhello\r\n", time.Millisecond, rst),
			want: want{status: 200, typ: "connection_terminated", cause: "body-reset", attempts: "1 body reset", cut: short},
		},
		{
			covers: "R17 reset in a body that ends with the connection", upstream: drips(closeHead+"hello", time.Millisecond, rst),
			want: want{status: 200, typ: "connection_terminated", cause: "body-reset", attempts: "1 body reset", cut: short},
		},
		{
			covers: "R17 HTTP/1.0 client", upstream: drips(closeHead+"hello", time.Millisecond, rst), request: old,
			want: want{status: 200, typ: "connection_terminated", cause: "body-reset", attempts: "1 body reset", cut: reset},
		},
		{
			covers: "R18 no last chunk", upstream: says(chunkedHead+"5\r\nhello\r\n", fin),
			want: want{
				status: 200, typ: "http_response_incomplete", cause: "chunks-cut", attempts: "1 body closed", cut: short, body: "hello",
				evidence: map[string]any{"rule": "chunks_cut", "body": 5},
			},
		},
		{
			covers: "R18 inside a chunk", upstream: says(chunkedHead+"ff\r\nhello", fin),
			want: want{status: 200, typ: "http_response_incomplete", cause: "chunks-cut", attempts: "1 body closed", cut: short, body: "hello"},
		},
		{
			covers: "R18 the last chunk without its end", upstream: says(chunkedHead+"5\r\nhello\r\n0\r\n", fin),
			want: want{status: 200, typ: "http_response_incomplete", cause: "chunks-cut", attempts: "1 body closed", cut: short, body: "hello"},
		},
		{
			covers: "R18 HTTP/1.0 client", upstream: says(chunkedHead+"5\r\nhello\r\n", fin), request: old,
			want: want{status: 200, typ: "http_response_incomplete", cause: "chunks-cut", attempts: "1 body closed", cut: reset},
		},
		{
			covers: "R19 a size of letters", upstream: says(committed+"5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n", hold),
			want: want{
				status: 200, typ: "http_response_transfer_coding", cause: "bad-chunk", attempts: "1 body malformed", cut: short,
				evidence: map[string]any{"rule": "chunk_size", "offset": 8210},
			},
		},
		{
			covers: "R19 no line end after a chunk", upstream: says(committed+"5\r\nhelloXX\r\n0\r\n\r\n", hold),
			want: want{
				status: 200, typ: "http_response_transfer_coding", cause: "bad-chunk", attempts: "1 body malformed", cut: short,
				evidence: map[string]any{"rule": "chunk_end", "offset": 8208},
			},
		},
		{
			covers: "R19 a size beyond 63 bits", upstream: says(committed+"8000000000000000\r\nhello", hold),
			want: want{
				status: 200, typ: "http_response_transfer_coding", cause: "bad-chunk", attempts: "1 body malformed", cut: short,
				evidence: map[string]any{"rule": "chunk_size_overflow"},
			},
		},
		{
			covers: "R19 an endless extension", upstream: says(committed+"5;"+strings.Repeat("a", 64<<10), hold),
			want: want{
				status: 200, typ: "http_response_transfer_coding", cause: "bad-chunk", attempts: "1 body malformed", cut: short,
				evidence: map[string]any{"rule": "chunk_extension"},
			},
		},
		{
			covers: "R19 HTTP/1.0 client", upstream: says(committed+"5\r\nhello\r\nzz\r\n", hold), request: old,
			want: want{status: 200, typ: "http_response_transfer_coding", cause: "bad-chunk", attempts: "1 body malformed", cut: reset},
		},
		{
			covers: "R19 in the first read", upstream: says(chunkedHead+"5\r\nhello\r\nzz\r\n", hold),
			want: want{
				status: 502, typ: "http_response_transfer_coding", cause: "bad-chunk", attempts: "1 body malformed",
				params: map[string]any{"coding": httpsfv.Token("chunked"), "received-status": int64(200)}, evidence: map[string]any{"offset": 10},
			},
		},
		{
			covers: "R35 in the first read", upstream: says(chunkedHead+"5\r\nhello\r\n0\r\nChecksum\r\n\r\n", hold),
			want: want{status: 502, typ: "http_protocol_error", cause: "bad-trailer", attempts: "1 body malformed"},
		},
		{
			covers: "R29 octets after the body", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", hold),
			want: want{
				status: 200, typ: "http_protocol_error", cause: "extra-octets", attempts: "1 done malformed", noted: true, body: "hello",
				evidence: map[string]any{"rule": "extra_octets", "size": 9, "sample": " and more"},
			},
		},
		{
			covers: "R29 octets after the last chunk", upstream: says(chunkedHead+"5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", hold),
			want: want{status: 200, typ: "http_protocol_error", cause: "extra-octets", attempts: "1 done malformed", noted: true, body: "hello"},
		},
		{
			covers: "R35 a trailer section too large", pool: "limits: {response_head: 1KiB}",
			upstream: says(committed+"5\r\nhello\r\n0\r\n"+strings.Repeat("X-A: "+strings.Repeat("a", 95)+"\r\n", 20), hold),
			want: want{
				status: 200, typ: "http_response_trailer_section_size", cause: "trailer-too-large", attempts: "1 body too_large", cut: short,
				evidence: map[string]any{"rule": "trailer_size", "limit": 1024},
			},
		},
		{
			covers: "R35 a trailer without a colon", upstream: says(committed+"5\r\nhello\r\n0\r\nChecksum\r\n\r\n", hold),
			want: want{
				status: 200, typ: "http_protocol_error", cause: "bad-trailer", attempts: "1 body malformed", cut: short,
				evidence: map[string]any{"rule": "trailer"},
			},
		},
		{
			covers: "R35 a trailer that must not be one", upstream: says(committed+"5\r\nhello\r\n0\r\nContent-Length: 7\r\n\r\n", hold),
			want: want{
				status: 200, typ: "http_protocol_error", cause: "bad-trailer", attempts: "1 body malformed", cut: short,
				evidence: map[string]any{"field": "Content-Length"},
			},
		},
		{
			covers: "R36 a body after HEAD", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", hold), request: request{method: "HEAD"},
			want: want{status: 200, typ: "http_protocol_error", cause: "extra-octets", attempts: "1 done malformed", noted: true},
		},
		{
			covers: "R36 a body after 204", upstream: says("HTTP/1.1 204 No Content\r\n\r\nhello", hold),
			want: want{status: 204, typ: "http_protocol_error", cause: "extra-octets", attempts: "1 done malformed", noted: true},
		},
		{
			covers: "R36 a body after 304", upstream: says("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", hold),
			want: want{status: 304, typ: "http_protocol_error", cause: "extra-octets", attempts: "1 done malformed", noted: true},
		},
	})
}

// TestExtraOctetsAreNoAnswer sends a request after one whose answer had another answer behind it: the second client must
// not get what the upstream sent unasked (R29).
func TestExtraOctetsAreNoAnswer(t *testing.T) {
	t.Parallel()
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for name, answer := range map[string]string{
		"sized":   "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + wellBody + evil,
		"chunked": chunkedHead + "b\r\n" + wellBody + "\r\n0\r\n\r\n" + evil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := listen(t, first(says(answer, hold)))
			g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address}}})
			c := dial(t, g.address())
			for i := range 3 {
				id := fmt.Sprint("extra-", i)
				if a := c.ask(t, request{path: "/a", id: id}); string(a.body) != wellBody {
					t.Errorf("request %d was answered %q, %v", i, a.body, a.err)
				}
				if l := g.lines.await(t, id); i == 1 && l.attempts() != "1 done" {
					t.Errorf("the second request took %q, want a connection of its own", l.attempts())
				}
			}
		})
	}
}

// TestCompleteBodiesArePassedOn is the other side of the table above: the same framings, not broken.
func TestCompleteBodiesArePassedOn(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("x", 1<<20)
	done := want{status: 200, attempts: "1 done", body: "hello"}
	big := want{status: 200, attempts: "1 done", body: whole}
	path := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, well)
	run(t, "", []row{
		{covers: "over a unix socket", endpoint: "unix:" + path, warm: true, want: want{status: 200, attempts: "2 done", body: wellBody}},
		{covers: "sized", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", hold), want: done},
		{covers: "chunked", upstream: says(chunkedHead+"2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\nX-Sum: 1\r\n\r\n", hold), want: done},
		{covers: "close", upstream: says(closeHead+"hello", fin), want: done},
		{covers: "chunked, HTTP/1.0 client", upstream: says(chunkedHead+"5\r\nhello\r\n0\r\n\r\n", hold), request: old, want: done},
		{covers: "close, HTTP/1.0 client", upstream: says(closeHead+"hello", fin), request: old, want: done},
		{covers: "HTTP/1.0 upstream", upstream: says("HTTP/1.0 200 OK\r\n\r\nhello", fin), want: done},
		{covers: "sized, by splice", upstream: says("HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"+whole, hold), want: big},
		{covers: "chunked, large", upstream: says(chunkedHead+"100000\r\n"+whole+"\r\n0\r\n\r\n", hold), want: big},
		{covers: "close, large", upstream: says(closeHead+whole, fin), want: big},
	})
}

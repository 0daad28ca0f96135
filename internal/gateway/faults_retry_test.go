//go:build linux

package gateway_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestKeepAliveRace is R2: the upstream ends a connection that was used before just as the next request goes out. What may
// be repeated is, on a fresh connection; what may not is not.
func TestKeepAliveRace(t *testing.T) {
	t.Parallel()
	saved := func(ended string) want {
		return want{
			status: 200, typ: "connection_terminated", cause: "keepalive-race", saved: true, body: wellBody,
			attempts: "2 first_byte " + ended + ", 1 done",
		}
	}
	lost := func(ended string) want {
		return want{status: 502, typ: "connection_terminated", cause: "keepalive-race", attempts: "2 first_byte " + ended}
	}
	closes, resets := first(after(silent(fin))), first(after(silent(rst)))
	put := sized("PUT", 5)
	keyed := post(5)
	keyed.fields += "Idempotency-Key: 7\r\n"
	keyedChunks := chunked("POST")
	keyedChunks.fields += "Idempotency-Key: 7\r\n"
	run(t, "", []row{
		{covers: "R2 GET, FIN", upstream: closes, warm: true, want: saved("closed")},
		{covers: "R2 GET, RST", upstream: resets, warm: true, want: saved("reset")},
		{covers: "R2 HEAD", upstream: closes, warm: true, request: request{method: "HEAD"}, want: bodiless(saved("closed"))},
		{covers: "R2 PUT", upstream: closes, warm: true, request: put, want: saved("closed")},
		{covers: "R2 a streamed PUT", upstream: closes, warm: true, request: chunked("PUT"), want: saved("closed")},
		{covers: "R2 a PUT of many reads", upstream: closes, warm: true, request: sized("PUT", 40<<10), want: saved("closed")},
		{covers: "R2 a POST with a key", upstream: closes, warm: true, request: keyed, want: saved("closed")},
		{covers: "R2 a streamed POST with a key", upstream: resets, warm: true, request: keyedChunks, want: saved("reset")},
		{covers: "R2 POST, FIN", upstream: closes, warm: true, request: post(5), want: lost("closed")},
		{covers: "R2 POST, RST", upstream: resets, warm: true, request: post(5), want: lost("reset")},
		{covers: "R2 POST without a body", upstream: closes, warm: true, request: request{method: "POST", fields: "Content-Length: 0\r\n"}, want: lost("closed")},
		{covers: "R2 a streamed POST", upstream: closes, warm: true, request: chunked("POST"), want: lost("closed")},
		{covers: "R2 PATCH", upstream: closes, warm: true, request: sized("PATCH", 5), want: lost("closed")},
		{covers: "R2 a PUT that is not kept", upstream: closes, warm: true, request: sized("PUT", 80<<10), want: lost("closed")},
		{covers: "R2 retries off", upstream: closes, warm: true, pool: "retry: {attempts: 1}", want: lost("closed")},
		{
			covers: "R2 and the fresh connection breaks as well", warm: true,
			upstream: func(p *peer) {
				if p.nth == 1 && p.read() != nil {
					p.say(wellText)
				}
				silent(fin)(p)
			},
			want: want{
				status: 502, typ: "connection_terminated", cause: "closed-before-answer",
				attempts: "2 first_byte closed, 1 first_byte closed",
			},
		},
		{
			covers: "R2 half an answer is no race", warm: true, upstream: first(after(says("HTTP/1.1 2", fin))),
			want: want{status: 502, typ: "http_response_incomplete", cause: "head-cut", attempts: "2 head closed"},
		},
	})
}

func bodiless(w want) want { w.body = ""; return w }

// TestIdleCloseIsSeen has an upstream end an idle connection before the next request: that costs no attempt, and no request
// meets it, whatever its method. R30 is the same with a 408 in front.
func TestIdleCloseIsSeen(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]behaviour{
		"FIN":                   fin,
		"RST":                   rst,
		"R30 408":               func(p *peer) { p.say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"); fin(p) },
		"R29 an answer unasked": func(p *peer) { p.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept, ended := make(chan struct{}), make(chan struct{})
			up := listen(t, first(after(func(p *peer) {
				<-kept
				end(p)
				delivered(p)
				close(ended)
				hold(p)
			})))
			g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address}}})
			c := dial(t, g.address())
			c.ask(t, request{path: "/a", id: "warm"})
			g.lines.await(t, "warm") // the connection is back in the pool
			close(kept)
			<-ended
			a := c.ask(t, sizedTo("/a", "POST", 5))
			w := want{status: 200, attempts: "1 done", body: wellBody}
			w.answered(t, a)
			w.logged(t, g, g.lines.await(t, "one"))
		})
	}
}

func sizedTo(path, method string, n int) request {
	q := sized(method, n)
	q.path, q.id = path, "one"
	return q
}

// delivered waits until the other side's kernel has all that was written.
func delivered(p *peer) {
	raw, err := p.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		unsent := 0
		_ = raw.Control(func(fd uintptr) { unsent = outQueue(fd) })
		if unsent == 0 {
			return
		}
	}
}

// TestOtherEndpoint has one endpoint that fails and one that works: who may be sent again is served.
func TestOtherEndpoint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		bad   behaviour // nil for a closed port
		q     request
		want  want
		other int // how often the good one is asked
	}{
		{
			"C1 GET", nil,
			request{},
			want{status: 200, typ: "connection_refused", cause: "connection-refused", saved: true, attempts: "0 dial refused, 1 done", body: wellBody},
			1,
		},
		{
			"C1 POST", nil, post(5),
			want{status: 200, typ: "connection_refused", cause: "connection-refused", saved: true, attempts: "0 dial refused, 1 done", body: wellBody},
			1,
		},
		{
			"C1 a streamed POST", nil, chunked("POST"),
			want{status: 200, typ: "connection_refused", cause: "connection-refused", saved: true, attempts: "0 dial refused, 1 done", body: wellBody},
			1,
		},
		{
			"R1 GET", silent(fin),
			request{},
			want{status: 200, typ: "connection_terminated", cause: "closed-before-answer", saved: true, attempts: "1 first_byte closed, 1 done", body: wellBody},
			1,
		},
		{
			"R1 POST", silent(fin), post(5),
			want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
			0,
		},
		{
			"R1 a streamed POST", silent(fin), chunked("POST"),
			want{status: 502, typ: "connection_terminated", cause: "closed-before-answer", attempts: "1 first_byte closed"},
			0,
		},
		{
			"R5 GET", says("SSH-2.0-OpenSSH_9.6\r\n", fin),
			request{},
			want{status: 200, typ: "http_protocol_error", cause: "wrong-service", saved: true, attempts: "1 head malformed, 1 done", body: wellBody},
			1,
		},
		{
			"R16 GET", says(sizedHead+"hello", fin),
			request{},
			want{status: 200, typ: "http_response_incomplete", cause: "body-short", cut: short, attempts: "1 body closed", body: "hello"},
			0,
		},
		{
			"R28 GET after an interim answer", says("HTTP/1.1 103 Early Hints\r\n\r\n", fin),
			request{},
			want{
				status: 200, typ: "http_response_incomplete", cause: "head-cut", saved: true, attempts: "1 head closed, 1 done", body: wellBody, interim: 1,
			},
			1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bad := reserved(t)
			if c.bad != nil {
				bad = listen(t, c.bad).address
			}
			good := listen(t, well)
			g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + bad, "http://" + good.address}}})
			c.q.path = "/a"
			// Round robin begins anywhere: ask until the bad one comes first. One request in two meets it.
			for i := range 8 {
				c.q.id = fmt.Sprint("other-", i)
				a := dial(t, g.address()).ask(t, c.q)
				l := g.lines.await(t, c.q.id)
				if l.attempts() == "1 done" || l.attempts() == "2 done" || l.attempts() == "3 done" {
					continue
				}
				c.want.answered(t, a)
				c.want.logged(t, g, l)
				if n := good.asked(c.q.id); n != c.other {
					t.Errorf("the other endpoint was asked %d times, want %d", n, c.other)
				}
				return
			}
			t.Error("the bad endpoint was never asked")
		})
	}
}

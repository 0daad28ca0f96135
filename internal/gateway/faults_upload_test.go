//go:build linux

package gateway_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

// huge is more than the kernel's buffers between two sockets hold.
const huge = 12 << 20

// TestUploadFaults has the rows in which the upstream fails while the request body is on its way. None of them is sent again.
func TestUploadFaults(t *testing.T) {
	t.Parallel()
	// some reads the head and a piece of the body.
	some := func(then behaviour) behaviour {
		return func(p *peer) {
			if q := p.head(); q != nil {
				_, _ = io.CopyN(io.Discard, p.r, 100)
				then(p)
			}
		}
	}
	cut := want{status: 502, typ: "connection_terminated", cause: "upload-cut", evidence: map[string]any{"upload": true}}
	at := func(w want, attempts string) want { w.attempts = attempts; return w }
	run(t, "", []row{
		{covers: "R32 reset in the upload", upstream: some(rst), request: post(huge), want: at(cut, "1 write reset")},
		{covers: "R32 PUT", upstream: some(rst), request: sized("PUT", huge), want: at(cut, "1 write reset")},
		{
			covers: "R33 the upstream does not read", upstream: func(p *peer) {
				p.head()
				_ = p.Conn.(*net.TCPConn).SetReadBuffer(4096)
				<-p.u.over
			},
			pool: quickWrite, request: post(huge),
			want: want{
				status: 504, typ: "connection_write_timeout", cause: "upload-stalled", attempts: "1 write timeout",
				evidence: map[string]any{"timer": "timeouts.write", "after_ms": 300, "upload": true},
			},
		},
		{
			covers: "R31 an answer, then a reset", upstream: some(func(p *peer) {
				p.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
				_ = p.Close() // octets are unread: the kernel resets
			}),
			request: post(huge), want: want{status: 413, attempts: "1 done", body: "no"},
		},
	})
}

// TestEarlyAnswer is R31: the upstream answers while the client has not sent its body, and the client must learn of it then.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer, fields, begin string
		then                        behaviour
	}{
		{"sized", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", "Content-Length: 1000000\r\n", "begin", hold},
		{"chunked", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", "Transfer-Encoding: chunked\r\n", "5\r\nbegin\r\n", hold},
		{"kept", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno", "Content-Length: 1000000\r\n", "begin", hold},
		{"until close", "HTTP/1.1 413 Content Too Large\r\n\r\nno", "Content-Length: 1000000\r\n", "begin", finAndRead},
		{"chunks back", "HTTP/1.1 413 Content Too Large\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", "Content-Length: 1000000\r\n", "begin", hold},
		{"nothing sent", "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno", "Content-Length: 1000000\r\n", "", hold},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			up := listen(t, func(p *peer) {
				if p.head() != nil {
					p.say(c.answer)
					c.then(p)
				}
			})
			g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address}}})
			client := dial(t, g.address())
			_, _ = io.WriteString(client.Conn, request{method: "POST", path: "/a", id: "early", fields: c.fields, body: c.begin}.text())
			a := client.answer("POST")
			w := want{status: 413, attempts: "1 done", body: "no"}
			w.answered(t, a)
			w.logged(t, g, g.lines.await(t, "early"))
			client.ended(t) // what follows would be the rest of the body
			if n := up.asked("early"); n != 1 {
				t.Errorf("the upstream was asked %d times", n)
			}
			g.healthy(t, nil)
		})
	}
}

// TestEarlyAnswerGoesOn has an upstream that answers while it goes on reading: both bodies flow at once, to their ends.
func TestEarlyAnswerGoesOn(t *testing.T) {
	t.Parallel()
	up := listen(t, func(p *peer) {
		q := p.head()
		if q == nil {
			return
		}
		p.say(chunkedHead + "5\r\nhello\r\n")
		n, err := io.Copy(io.Discard, q.Body)
		if n == 1000 && err == nil {
			p.say("5\r\nworld\r\n0\r\n\r\n")
			well(p)
		}
	})
	g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address}}})
	c := dial(t, g.address())
	_, _ = io.WriteString(c.Conn, request{method: "POST", path: "/a", id: "both", fields: "Content-Length: 1000\r\n"}.text())
	if line, err := c.r.ReadString('o'); !strings.HasPrefix(line, "HTTP/1.1 200") && err == nil {
		t.Errorf("the head did not come during the upload: %q", line)
	}
	_, _ = io.WriteString(c.Conn, strings.Repeat("x", 1000))
	rest, err := c.r.ReadString('\x00')
	if err == nil || !strings.Contains(rest, "world") {
		t.Errorf("the rest of the answer is %q, %v", rest, err)
	}
	w := want{status: 200, attempts: "1 done"}
	w.logged(t, g, g.lines.await(t, "both"))
}

// TestClientLeaves is A15: nothing to answer, and nothing against the endpoint.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]request{
		"before the answer": {path: "/a"},
		"in its own body":   {path: "/a", method: "POST", fields: "Content-Length: 1000\r\n", body: "begin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, left := make(chan struct{}), make(chan struct{})
			up := listen(t, first(func(p *peer) {
				p.head()
				close(asked)
				_, err := io.Copy(io.Discard, p.r)
				if err != nil && !errors.Is(err, net.ErrClosed) {
					t.Logf("the upstream's connection ended with %v", err)
				}
				close(left)
			}))
			g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address}}})
			q.id = "left"
			c := dial(t, g.address())
			_, _ = io.WriteString(c.Conn, q.text())
			<-asked
			_ = c.Close()
			<-left // the upstream is not left to work for nobody
			l := g.lines.await(t, "left")
			if l.Status != fault.StatusClientLeft || l.By != "client" || l.Fault == nil || l.Fault.Cause != "client-left" {
				t.Errorf("logged as %+v", l)
			}
			a := dial(t, g.address()).ask(t, request{path: "/a", id: "later"})
			if a.status != 200 {
				t.Errorf("the next request to the same endpoint was answered %d", a.status)
			}
		})
	}
}

// TestClientLeavesTheBody is A15 in the middle of an answer: the endpoint is not blamed, and is not read to the end.
func TestClientLeavesTheBody(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	up := listen(t, first(func(p *peer) {
		p.read()
		p.say(chunkedHead)
		for err := error(nil); err == nil; {
			_, err = io.WriteString(p.Conn, "400\r\n"+strings.Repeat("x", 1024)+"\r\n")
		}
		close(left)
	}))
	g := start(t, "", map[string]route{"a": {endpoints: []string{"http://" + up.address}}})
	c := dial(t, g.address())
	_, _ = io.WriteString(c.Conn, request{path: "/a", id: "left"}.text())
	if _, err := c.r.ReadString('x'); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	<-left
	if l := g.lines.await(t, "left"); l.Status != fault.StatusClientLeft || l.By != "client" || l.Fault == nil || l.Fault.Cause != "client-left" {
		t.Errorf("logged as %+v", l)
	}
	if a := dial(t, g.address()).ask(t, request{path: "/a", id: "later"}); a.status != 200 {
		t.Errorf("the next request to the same endpoint was answered %d", a.status)
	}
}

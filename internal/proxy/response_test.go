package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/whygate/whygate/internal/fault"
)

func TestInterimResponses(t *testing.T) {
	t.Parallel()
	hints := "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: close\r\n\r\n"
	t.Run("forwarded", func(t *testing.T) {
		t.Parallel()
		next := make(chan struct{})
		o := upstreamOf(t, func(p *peer) {
			p.request()
			p.send(hints)
			<-next
			p.send(hints + ok)
			p.gone()
		})
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(get("/"))
		line, lines, err := c.head() // it comes before the final one
		if err != nil || line != "HTTP/1.1 103 Early Hints" || len(lines) != 1 || lines[0] != "Link: </a.css>; rel=preload" {
			t.Errorf("%q %q %v", line, lines, err)
		}
		close(next)
		if m := c.response("GET"); len(m.interim) != 1 || m.status() != 200 || m.body != "ok" {
			t.Errorf("%q %s", m.interim, m.line)
		}
		g.want(200, fault.CauseNone)
		g.idle(0, 1)
	})
	t.Run("not to HTTP/1.0", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, upstreamOf(t, answering(hints+ok)).addr)
		if m := g.ask("GET / HTTP/1.0\r\n\r\n"); m.status() != 200 || len(m.interim) > 0 || m.body != "ok" {
			t.Errorf("%q %s %q", m.interim, m.line, m.body)
		}
	})
	t.Run("ten", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, upstreamOf(t, answering(strings.Repeat(hints, 10)+ok)).addr)
		if m := g.ask(get("/")); m.status() != 200 || len(m.interim) != 10 {
			t.Errorf("%d %s", len(m.interim), m.line)
		}
	})
	t.Run("eleven", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, upstreamOf(t, answering(strings.Repeat(hints, 11)+ok)).addr)
		if m := g.ask(get("/")); m.status() != 502 || len(m.interim) > 10 {
			t.Errorf("%d %s", len(m.interim), m.line)
		}
		g.want(502, fault.CauseTooManyInterim)
	})
	t.Run("with a body's framing", func(t *testing.T) {
		t.Parallel()
		g := start(t, setup{}, upstreamOf(t, answering("HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n"+ok)).addr)
		if m := g.ask(get("/")); m.status() != 502 {
			t.Errorf("%s", m.line)
		}
	})
}

// Answers that have no body, with and without the fields of one.
func TestBodiless(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, head string
		status             int
		length             string
	}{
		{"HEAD with length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "5"},
		{"HEAD without", "HEAD", "HTTP/1.1 200 OK\r\n\r\n", 200, ""},
		{"HEAD with length 0", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"},
		{"HEAD chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, ""},
		{"HEAD of an error", "HEAD", "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n", 404, "5"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"204 with length 0", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, ""},
		{"204 with length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 502, ""},
		{"204 chunked", "GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 502, ""},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, ""},
		{"304 with length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "5"},
		{"205", "GET", "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", 205, "0"},
		{"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, answering(tt.head))
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send(tt.method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			m := c.response(tt.method)
			if m.status() != tt.status {
				t.Fatalf("%s", m.line)
			}
			if m.status() == 502 {
				return
			}
			if m.get("Content-Length") != tt.length || m.has("Transfer-Encoding") && tt.method != "HEAD" || m.has("Connection") {
				t.Errorf("%q, want a length of %q", m.lines, tt.length)
			}
			g.want(tt.status, fault.CauseNone)
			g.idle(0, 1)
			// The connections are in step: the next answer is the next answer.
			c.send(tt.method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
			if m := c.response(tt.method); m.status() != tt.status || o.conns.Load() != 1 {
				t.Errorf("then %s on connection %d", m.line, o.conns.Load())
			}
		})
	}
}

// A body where there cannot be one is never part of another answer.
func TestBodyWhereThereIsNone(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, method, answer string }{
		{"HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\nhello"},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\n\r\nhello"},
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nX"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, answering(tt.answer))
			g := start(t, setup{}, o.addr)
			c := g.dial()
			for i := range 3 {
				c.send(tt.method + " / HTTP/1.1\r\nHost: a.test\r\n\r\n")
				m := c.response(tt.method)
				if m.status()/100 > 3 || !m.complete || m.body != "ok" && m.body != "" || m.has("Connection") {
					t.Fatalf("%s %q %q", m.line, m.lines, m.body)
				}
				r := g.want(m.status(), fault.CauseExtraOctets)
				if r.Incident == "" || r.evidence.Rule != fault.RuleExtraOctets || r.By.String() != "origin" {
					t.Errorf("incident %q, rule %v, by %s", r.Incident, r.evidence.Rule, r.By)
				}
				if n := int(o.conns.Load()); n != i+1 || g.pool.Endpoints[0].Target.IdleCount() != 0 {
					t.Errorf("%d connections after %d answers, %d idle", n, i+1, g.pool.Endpoints[0].Target.IdleCount())
				}
			}
		})
	}
}

// Octets that come while a connection is idle belong to nobody: it is not used again.
func TestOctetsOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	late := make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		for {
			if _, ok := p.request(); !ok {
				return
			}
			p.send(ok)
			if p.nth == 1 {
				<-late
				p.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
				late <- struct{}{}
			}
		}
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.open()
	g.idle(0, 1)
	late <- struct{}{}
	<-late
	c.send(get("/"))
	if m := c.response("GET"); m.body != "ok" || o.conns.Load() != 2 {
		t.Errorf("%s %q on connection %d", m.line, m.body, o.conns.Load())
	}
}

func TestHTTP10Clients(t *testing.T) {
	t.Parallel()
	sized, chunks, closed := ok, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"
	tests := []struct {
		name, line, answer string
		keep               bool
	}{
		{"length", "", sized, false},
		{"length, keep-alive", "Connection: Keep-Alive\r\n", sized, true},
		{"chunks", "", chunks, false},
		{"chunks, keep-alive", "Connection: keep-alive\r\n", chunks, false},
		{"close", "", closed, false},
		{"close, keep-alive", "Connection: keep-alive\r\n", closed, false},
		{"204, keep-alive", "Connection: keep-alive\r\n", "HTTP/1.1 204 No Content\r\n\r\n", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, func(p *peer) {
				for {
					if _, ok := p.request(); !ok {
						return
					}
					p.send(tt.answer)
					if tt.answer == closed {
						return
					}
				}
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			for range 2 {
				c.send("GET / HTTP/1.0\r\n" + tt.line + "\r\n")
				m := c.response("GET")
				if m.status()/100 != 2 || m.status() == 200 && m.body != "ok" || !m.complete || m.has("Transfer-Encoding") {
					t.Errorf("%s %q %q %v", m.line, m.lines, m.body, m.err)
				}
				if got := m.get("Connection"); tt.keep && got != "keep-alive" || !tt.keep && got != "close" {
					t.Errorf("Connection: %s", got)
				}
				if !tt.keep {
					c.ended()
					break
				}
			}
		})
	}
}

func TestHTTP10Upstreams(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, head string
		closes     bool
	}{
		{"close", "HTTP/1.0 200 OK\r\n\r\n", true},
		{"length", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", true},
		{"length, stays open", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n", false},
		{"keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, func(p *peer) {
				for {
					if _, ok := p.request(); !ok {
						return
					}
					p.send(tt.head + "ok")
					if tt.closes {
						return
					}
				}
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			for range 3 {
				c.send(get("/"))
				m := c.response("GET")
				if m.line != "HTTP/1.1 200 OK" || m.body != "ok" || !m.complete || m.has("Connection") {
					t.Errorf("%s %q %q %v", m.line, m.lines, m.body, m.err)
				}
				g.want(200, fault.CauseNone)
			}
			want := int32(3)
			if tt.name == "keep-alive" {
				want = 1
			}
			if n := o.conns.Load(); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
		})
	}
}

func TestPipelining(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 20)
	o := upstreamOf(t, func(p *peer) {
		for {
			q, ok := p.request()
			if !ok {
				return
			}
			requests <- q
			path := strings.Fields(q.line)[1]
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(path)+len(q.body), path, q.body))
		}
	})
	t.Run("in order", func(t *testing.T) {
		g := start(t, setup{}, o.addr)
		c := g.dial()
		var all strings.Builder
		for i := range 10 {
			switch i % 3 {
			case 0:
				all.WriteString(get(fmt.Sprintf("/%d", i)))
			case 1:
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody", i)
			case 2:
				fmt.Fprintf(&all, "POST /%d HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", i)
			}
		}
		c.send(all.String())
		for i := range 10 {
			want := fmt.Sprintf("/%d", i)
			if i%3 > 0 {
				want += "body"
			}
			if m := c.response("GET"); m.body != want {
				t.Errorf("answer %d is %q", i, m.body)
			}
			<-requests
			if r := g.want(200, fault.CauseNone); r.target != fmt.Sprintf("/%d", i) {
				t.Errorf("record %d has target %q", i, r.target)
			}
		}
	})
	t.Run("a broken one in the middle", func(t *testing.T) {
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(get("/1") + get("/2") + "GET /3 HTTP/1.1\r\nHost : a.test\r\n\r\n" + get("/4"))
		for _, want := range []string{"/1", "/2"} {
			if m := c.response("GET"); m.body != want {
				t.Errorf("%s %q", m.line, m.body)
			}
			<-requests
		}
		if m := c.response("GET"); m.status() != 400 || m.get("Connection") != "close" {
			t.Errorf("%s %q", m.line, m.lines)
		}
		c.ended()
		if len(requests) > 0 {
			t.Errorf("the one behind it was forwarded")
		}
	})
	t.Run("a large one in the middle", func(t *testing.T) {
		g := start(t, setup{}, o.addr)
		c := g.dial()
		body := noise(200_000)
		go c.send(get("/1") + fmt.Sprintf("POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body) + get("/3"))
		for _, want := range []string{"/1", "/2" + body, "/3"} {
			same(t, "answer", c.response("GET").body, want)
			<-requests
		}
	})
	t.Run("more than the buffer holds", func(t *testing.T) {
		g := start(t, setup{}, o.addr)
		c := g.dial()
		go c.send(strings.Repeat(get("/x", "X-Fill: "+strings.Repeat("y", 3000)), 40))
		for range 40 {
			if m := c.response("GET"); m.body != "/x" {
				t.Fatalf("%s %q", m.line, m.body)
			}
			<-requests
		}
	})
}

// Several requests on one connection: close is honoured, whoever says it.
func TestConnectionClose(t *testing.T) {
	t.Parallel()
	t.Run("the client says it", func(t *testing.T) {
		t.Parallel()
		o := upstreamOf(t, answering(ok))
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(get("/", "Connection: close"))
		if m := c.response("GET"); m.get("Connection") != "close" || m.body != "ok" {
			t.Errorf("%q", m.lines)
		}
		c.ended()
		g.idle(0, 1) // that is the client's connection only
	})
	t.Run("the upstream says it", func(t *testing.T) {
		t.Parallel()
		o := upstreamOf(t, answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"))
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.open()
		c.open()
		if n := o.conns.Load(); n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

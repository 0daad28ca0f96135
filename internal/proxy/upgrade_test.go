package proxy_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/upstream"
)

const (
	handshake = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// read reads exactly what is wanted.
func (p *peer) want(s string) {
	p.t.Helper()
	b := make([]byte, len(s))
	if n, err := io.ReadFull(p.r, b); err != nil || string(b) != s {
		p.t.Errorf("read %.100q %v, want %.100q", b[:n], err, s)
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	heads := make(chan message, 1)
	o := upstreamOf(t, func(p *peer) {
		line, lines, _ := p.head()
		heads <- message{line: line, lines: lines}
		p.send(switched)
		p.want("ping")
		p.send("pong")
		p.want("ping again")
		p.gone() // the client's end comes through
		p.send("late")
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(handshake)
	m := c.response("GET")
	q := <-heads
	if q.get("Upgrade") != "websocket" || !strings.EqualFold(q.get("Connection"), "upgrade") || q.get("Sec-WebSocket-Key") == "" || q.get("Sec-WebSocket-Version") != "13" {
		t.Errorf("the upstream was asked %q", q.lines)
	}
	if m.line != "HTTP/1.1 101 Switching Protocols" || m.get("Upgrade") != "websocket" || !strings.EqualFold(m.get("Connection"), "upgrade") ||
		m.get("Sec-WebSocket-Accept") == "" || m.has("X-Hop") || m.has("Content-Length") || m.has("Transfer-Encoding") {
		t.Errorf("the client was answered %s %q", m.line, m.lines)
	}
	c.send("ping")
	c.want("pong")
	c.send("ping again")
	c.fin()
	c.want("late") // half-closed: the other direction goes on
	c.ended()
	if r := g.want(101, fault.CauseNone); r.By.String() != "origin" || r.Incident != "" || g.pool.Endpoints[0].Target.IdleCount() != 0 {
		t.Errorf("by %s, incident %q", r.By, r.Incident)
	}
}

// What comes right behind the heads belongs to the tunnel.
func TestUpgradeWithOctetsBehindTheHead(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		p.head()
		p.send(switched + "first")
		p.want("early")
		p.gone()
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(handshake + "early")
	c.response("GET")
	c.want("first")
	c.fin()
	c.ended()
}

func TestUpgradeEndedByTheUpstream(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"fin", "half", "rst"} {
		o := upstreamOf(t, func(p *peer) {
			p.head()
			p.send(switched)
			p.want("go")
			switch how {
			case "half":
				p.send("bye")
				p.fin()
				p.want("after")
				p.gone()
			case "rst":
				p.reset()
			}
		})
		g := start(t, setup{}, o.addr)
		c := g.dial()
		c.send(handshake)
		c.response("GET")
		c.send("go")
		if how == "half" {
			c.want("bye")
			c.send("after")
		}
		if rest, _ := io.ReadAll(c.r); len(rest) > 0 {
			t.Errorf("%s: %q more", how, rest)
		}
		c.Close()
		g.want(101, fault.CauseNone)
	}
}

func TestUpgradeEndedByAResetOfTheClient(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		p.head()
		p.send(switched)
		p.gone()
		close(closed)
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(handshake)
	c.response("GET")
	c.reset()
	select {
	case <-closed:
	case <-time.After(3 * time.Second):
		t.Error("the upstream's connection stays open")
	}
	g.want(101, fault.CauseNone)
}

// Much in both directions at a time, and nothing is lost or mixed.
func TestUpgradeBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	up, down := noise(2<<20), noise(2<<20+7)
	got := make(chan string, 1)
	o := upstreamOf(t, func(p *peer) {
		p.head()
		p.send(switched)
		done := make(chan struct{})
		go func() { defer close(done); p.send(down); p.fin() }()
		b, _ := io.ReadAll(p.r)
		got <- string(b)
		<-done
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(handshake)
	c.response("GET")
	go func() { c.send(up); c.fin() }()
	b, _ := io.ReadAll(c.r)
	same(t, "down", string(b), down)
	same(t, "up", <-got, up)
}

// A tunnel may be silent for longer than any request may.
func TestUpgradeHasNoTimers(t *testing.T) {
	t.Parallel()
	wait := make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		p.head()
		p.send(switched)
		<-wait
		p.send("still here")
		p.gone()
	})
	g := start(t, setup{
		limits: func(l *listener.Limits) { l.Idle, l.HeadTime = 300*time.Millisecond, 300*time.Millisecond },
		options: func(o *upstream.Options) {
			o.Head, o.Read, o.Write = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
		},
	}, o.addr)
	c := g.dial()
	c.send(handshake)
	c.response("GET")
	time.AfterFunc(900*time.Millisecond, func() { close(wait) })
	c.want("still here")
	c.Close()
	g.want(101, fault.CauseNone)
}

// Requests with a body may ask for another protocol too: the tunnel begins behind the body.
func TestUpgradeWithABody(t *testing.T) {
	t.Parallel()
	for name, framed := range map[string]string{
		"at hand": "Content-Length: 5\r\n\r\nhello",
		"chunks":  "Transfer-Encoding: chunked\r\n\r\n" + chunkedBody("hel", "lo"),
		"large":   fmt.Sprintf("Content-Length: 100000\r\n\r\n%s", noise(100_000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bodies := make(chan string, 1)
			o := upstreamOf(t, func(p *peer) {
				q, _ := p.request()
				bodies <- q.body
				p.send(switched)
				p.want("tunnel")
				p.send("tunnel too")
				p.gone()
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			go c.send("POST / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" + framed + "tunnel")
			if m := c.response("POST"); m.status() != 101 {
				t.Fatalf("%s", m.line)
			}
			c.want("tunnel too")
			c.Close()
			if b := <-bodies; b != "hello" && len(b) != 100_000 {
				t.Errorf("body %.20q", b)
			}
			g.want(101, fault.CauseNone)
		})
	}
}

// A 101 before the request has ended cannot be honoured: the rest of the body would be the other protocol's.
func TestUpgradeDuringTheBody(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		p.head()
		p.send(switched)
		p.gone()
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 10\r\n\r\nhello")
	if m := c.response("POST"); m.status() != 502 {
		t.Errorf("%s", m.line)
	}
	g.want(502, fault.CauseUnaskedUpgrade)
}

func TestUpgradeNotAsAsked(t *testing.T) {
	t.Parallel()
	other := strings.Replace(switched, "Upgrade: websocket", "Upgrade: h2c", 1)
	tests := []struct{ name, request, answer string }{
		{"unasked", get("/"), switched},
		{"unasked by HTTP/1.0", strings.Replace(handshake, "HTTP/1.1", "HTTP/1.0", 1), switched},
		{"without Connection: upgrade", get("/", "Upgrade: websocket"), switched},
		{"another protocol", handshake, other},
		{"no protocol", handshake, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n"},
		{"more than one protocol", handshake, strings.Replace(switched, "Upgrade: websocket", "Upgrade: websocket, evil", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, func(p *peer) {
				p.head()
				p.send(tt.answer)
				p.gone()
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send(tt.request)
			m := c.response("GET")
			if tt.name == "more than one protocol" && m.status() == 101 { // they are layers, RFC 9110, section 7.8: all must be asked for
				t.Errorf("%s with %q", m.line, m.lines)
			}
			if m.status() != 502 {
				t.Errorf("%s", m.line)
			}
			if r := g.want(502, fault.CauseUnaskedUpgrade); g.failures(0) != 1 || !strings.Contains(m.get("Proxy-Status"), "error=") {
				t.Errorf("%d failures, %s", g.failures(0), r.Fault.Type)
			}
		})
	}
}

func TestUpgradeDeclined(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		ok, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\n" + ok,
	} {
		o := upstreamOf(t, answering(answer))
		g := start(t, setup{}, o.addr)
		c := g.dial()
		for range 2 { // the connections go on as they were
			c.send(handshake)
			m := c.response("GET")
			if !strings.Contains(answer, m.line) || m.status() == 426 && m.get("Upgrade") != "websocket" {
				t.Errorf("%s %q", m.line, m.lines)
			}
			g.record()
		}
		if o.conns.Load() != 1 {
			t.Errorf("%d connections", o.conns.Load())
		}
	}
}

// The second line of a Connection field counts as the first does.
func TestUpgradeOnTheSecondConnectionLine(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) { p.head(); p.send(switched + "x") })
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(get("/", "Connection: keep-alive", "Connection: upgrade", "Upgrade: websocket"))
	if m := c.response("GET"); m.status() != 101 {
		t.Errorf("%s", m.line)
	}
	c.want("x")
	c.Close()
}

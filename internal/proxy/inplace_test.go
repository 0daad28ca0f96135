package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
)

// A connection's goroutine stays in the poller from one request to the next, and relies on being woken for whatever comes
// meanwhile. These tests have octets and ends come at every moment that could be missed.

// The next request comes while the endpoint thinks about this one.
func TestRequestWhileAnotherIsServed(t *testing.T) {
	t.Parallel()
	reached, next := make(chan struct{}), make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		for {
			q, good := p.request()
			if !good {
				return
			}
			reached <- struct{}{}
			<-next
			path := strings.Fields(q.line)[1]
			p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path))
		}
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(get("/0"))
	for i := range 50 {
		<-reached
		request := get(fmt.Sprintf("/%d", i+1))
		switch i % 3 {
		case 0:
			c.send(request)
		case 1:
			c.send(request[:20]) // the rest comes after the answer
		}
		next <- struct{}{}
		if m := c.response("GET"); m.body != fmt.Sprintf("/%d", i) {
			t.Fatalf("answer %d is %q", i, m.body)
		}
		switch i % 3 {
		case 1:
			c.send(request[20:])
		case 2:
			c.send(request)
		}
	}
	<-reached
	close(next)
	c.response("GET")
}

// A client's end that comes with its request, while it is served, or after it, ends the connection soon.
func TestEndBehindARequest(t *testing.T) {
	t.Parallel()
	reached, next := make(chan struct{}, 1), make(chan struct{}, 1)
	o := upstreamOf(t, func(p *peer) {
		for {
			if _, good := p.request(); !good {
				return
			}
			reached <- struct{}{}
			<-next
			p.send(ok)
		}
	})
	g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = time.Minute }}, o.addr)
	for i := range 90 {
		c := g.dial()
		c.send(get("/"))
		switch i % 3 {
		case 0: // with it
			c.fin()
			<-reached
		case 1: // while it is served
			<-reached
			c.fin()
		case 2: // after it
			<-reached
		}
		next <- struct{}{}
		if m := c.response("GET"); m.status() != 200 {
			t.Fatalf("%s", m.line)
		}
		if i%3 == 2 {
			c.fin()
		}
		began := time.Now()
		c.ended()
		if d := time.Since(began); d > 2500*time.Millisecond { // Each looks again after a second for an end that came with the octets
			t.Errorf("%d: the end was noticed after %v", i, d)
		}
		c.Close()
		g.want(200, fault.CauseNone)
	}
	eventually(t, func() bool { return g.server.Open() == 0 }, "connections stay open")
}

// Requests of every size around that of the read buffer, alone and with another behind.
func TestRequestsOfTheBuffersSize(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering(ok))
	g := start(t, setup{}, o.addr)
	c := g.dial()
	for _, buffer := range []int{13568, 16 << 10} {
		for size := buffer - 3; size <= buffer+3; size++ {
			for _, behind := range []string{"", get("/behind"), get("/behind")[:10]} {
				request := get("/", "X-Fill: ")
				request = get("/", "X-Fill: "+strings.Repeat("x", size-len(request)))
				c.send(request + behind)
				if m := c.response("GET"); m.status() != 200 {
					t.Fatalf("%d octets: %s", size, m.line)
				}
				if behind == "" {
					continue
				}
				c.send(get("/behind")[len(behind):])
				if m := c.response("GET"); m.status() != 200 {
					t.Fatalf("behind %d octets: %s", size, m.line)
				}
			}
			body := fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n", 10_000)
			body = strings.Replace(body, "10000", fmt.Sprint(size-len(body)), 1)
			c.send(body + strings.Repeat("b", size-len(body)))
			if m := c.response("POST"); m.status() != 200 {
				t.Fatalf("a body up to %d octets: %s", size, m.line)
			}
		}
	}
}

// Silence is counted from the last answer, not from the connection's beginning.
func TestIdleIsCountedFromTheLastAnswer(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, answering(ok))
	g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = 3 * time.Second }}, o.addr)
	var c *peer
	for rest := 4; rest > 0; rest-- {
		if rest == 4 {
			c = g.dial()
		}
		c.open()
		answered := time.Now()
		time.Sleep(1200 * time.Millisecond) // the client is silent for a part of what it may
		if time.Since(answered) > 2500*time.Millisecond {
			rest = 5 // this machine stood still: the connection may be gone, so another one is played
		}
	}
	began := time.Now() // before the answer: this side may read it late
	c.open()
	c.ended()
	if d := time.Since(began); d < 2800*time.Millisecond {
		t.Errorf("the connection ended after %v of silence", d)
	}
}

// A drain closes the idle at once, answers what is under way with Connection: close, and takes nothing new.
func TestDrain(t *testing.T) {
	t.Parallel()
	reached, next := make(chan struct{}), make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		for {
			q, good := p.request()
			if !good {
				return
			}
			if strings.Contains(q.line, "/slow") {
				reached <- struct{}{}
				<-next
			}
			p.send(ok)
		}
	})
	g := start(t, setup{}, o.addr)
	fresh, idle, busy, stream := g.dial(), g.dial(), g.dial(), g.dial()
	idle.open()
	busy.open()
	busy.send(get("/slow"))
	<-reached
	stream.send("POST /slow HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("x"))
	<-reached
	done := make(chan bool)
	go func() { done <- g.server.Drain(patience) }()
	idle.ended()
	fresh.ended()
	next <- struct{}{}
	next <- struct{}{}
	for _, c := range []*peer{busy, stream} {
		if m := c.response("GET"); m.status() != 200 || m.get("Connection") != "close" {
			t.Errorf("%s %q", m.line, m.lines)
		}
		c.fin()
		c.ended()
	}
	if !<-done {
		t.Error("the drain did not end in time")
	}
}

// A drain whose time is up cuts what is left, and that looks cut.
func TestDrainCuts(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 3)
	o := upstreamOf(t, func(p *peer) {
		q, _ := p.request()
		switch {
		case strings.Contains(q.line, "/body"):
			p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		case strings.Contains(q.line, "/tunnel"):
			p.send(switched)
		}
		reached <- struct{}{}
		p.gone()
	})
	g := start(t, setup{}, o.addr)
	head, body, tunnel := g.dial(), g.dial(), g.dial()
	head.send(get("/head"))
	body.send(get("/body"))
	tunnel.send(get("/tunnel", "Connection: upgrade", "Upgrade: websocket"))
	for range 3 {
		<-reached
	}
	tunnel.response("GET")
	began := time.Now()
	if g.server.Drain(100 * time.Millisecond) {
		t.Error("the drain had time")
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	if m, err := body.tryResponse("GET"); err == nil && m.complete {
		t.Errorf("%s is complete", m.line)
	}
	head.gone()
	tunnel.gone()
}

// A client may be silent for so long, and an answer may be longer: each write has its own time.
func TestAnswerLongerThanIdle(t *testing.T) {
	t.Parallel()
	const idle, events = 300 * time.Millisecond, 15
	for name, head := range map[string]string{
		"close": "HTTP/1.1 200 OK\r\n\r\n", "length": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 2*events), "spliced": "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, func(p *peer) {
				p.request()
				p.send(head)
				for range events {
					time.Sleep(50 * time.Millisecond) // an event every now and then
					p.send("x\n")
				}
				if name == "spliced" {
					p.send(noise(1_000_000 - 2*events))
				}
			})
			g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = idle }}, o.addr)
			c := g.dial()
			c.send(get("/"))
			m := c.response("GET")
			if !m.complete || !strings.HasPrefix(m.body, strings.Repeat("x\n", events)) {
				t.Errorf("%q complete %t %v", m.body[:min(len(m.body), 50)], m.complete, m.err)
			}
			g.want(200, fault.CauseNone)
		})
	}
}

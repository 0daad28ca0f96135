package proxy_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/resilience"
	"github.com/whygate/whygate/internal/upstream"
)

// primed is a gateway with one idle connection to the endpoint.
func primed(t *testing.T, s setup, requests <-chan message, endpoints ...string) (*gateway, *peer) {
	t.Helper()
	g := start(t, s, endpoints...)
	c := g.dial()
	c.send(get("/first"))
	c.response("GET")
	<-requests
	g.want(200, fault.CauseNone)
	g.idle(0, 1)
	<-time.After(settled)
	return g, c
}

// settled is more than a connection has to rest before a request that cannot be sent again is given to it, where its endpoint has
// not shown yet that it keeps connections open.
const settled = 300 * time.Millisecond

// Design, section 5: a reused connection that ended before a response byte, one row for each kind of request.
func TestRetryAfterReuse(t *testing.T) {
	t.Parallel()
	large := noise(64<<10 + 1)
	small := noise(60 << 10)
	tests := []struct {
		name, request string
		body          string
		again         bool
	}{
		{"GET", get("/x"), "", true},
		{"HEAD", "HEAD /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "", true},
		{"DELETE", "DELETE /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "", true},
		{"OPTIONS", "OPTIONS /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "", true},
		{"PUT with its body at hand", "PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n", "hello", true},
		{"PUT, streamed", "PUT /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", small, true},
		{"PUT, streamed by length", fmt.Sprintf("PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n", len(small)), small, true},
		{"PUT over the replay limit", "PUT /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", large, false},
		{"PUT over the replay limit by length", fmt.Sprintf("PUT /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n", len(large)), large, false},
		{"POST", "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n", "hello", false},
		{"POST, streamed", "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", small, false},
		{"POST without a body", "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", "", false},
		{"PATCH", "PATCH /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n", "hello", false},
		{"unknown method", "FROB /x HTTP/1.1\r\nHost: a.test\r\n\r\n", "", false},
		{"POST with Idempotency-Key", "POST /x HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: \"k\"\r\nContent-Length: 5\r\n\r\n", "hello", true},
		{"POST with Idempotency-Key, streamed", "POST /x HTTP/1.1\r\nHost: a.test\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n", small, true},
	}
	for _, tt := range tests {
		for _, how := range []string{"fin", "rst"} {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				t.Parallel()
				requests := make(chan message, 4)
				o := upstreamOf(t, func(p *peer) {
					q, good := p.request()
					if !good {
						return
					}
					requests <- q
					if strings.HasPrefix(q.line, "HEAD") {
						p.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
					} else {
						p.send(ok)
					}
					if _, good := p.request(); good && how == "rst" {
						p.reset()
					}
				})
				g, c := primed(t, setup{}, requests, o.addr)
				framed := tt.request + tt.body
				if strings.Contains(tt.request, "chunked") {
					framed = tt.request + chunkedBody(tt.body[:len(tt.body)/2], tt.body[len(tt.body)/2:])
				}
				go c.send(framed)
				m := c.response(methodOf(tt.request))
				r := g.record()
				if !tt.again {
					if m.status() != 502 || r.Status != 502 || len(r.Attempts) != 1 || r.Saved || r.Fault.Cause != fault.CauseKeepaliveRace {
						t.Errorf("%s, record %d, cause %s, %d attempts, saved %t", m.line, r.Status, r.Fault.Cause, len(r.Attempts), r.Saved)
					}
					return
				}
				if m.status() != 200 || r.Status != 200 || len(r.Attempts) != 2 || !r.Saved || r.Fault.Cause != fault.CauseKeepaliveRace || r.Incident == "" {
					t.Fatalf("%s, record %d, cause %s, %d attempts, saved %t, incident %q", m.line, r.Status, r.Fault.Cause, len(r.Attempts), r.Saved, r.Incident)
				}
				q := <-requests
				same(t, "the body sent again", q.body, tt.body)
				if a := r.Attempts; !a[0].Reused || a[1].Reused || a[1].Nth != 1 || o.conns.Load() != 2 {
					t.Errorf("reused %t and %t, nth %d, %d connections", a[0].Reused, a[1].Reused, a[1].Nth, o.conns.Load())
				}
				if r.By.String() != "origin" || g.failures(0) > 1 {
					t.Errorf("by %s, %d failures", r.By, g.failures(0))
				}
			})
		}
	}
}

// Once more means once: the fresh connection's failure is the answer.
func TestRetryOnlyOnce(t *testing.T) {
	t.Parallel()
	requests := make(chan message, 4)
	o := upstreamOf(t, func(p *peer) {
		q, good := p.request()
		if !good || p.nth > 1 {
			return
		}
		requests <- q
		p.send(ok)
		p.request()
	})
	g, c := primed(t, setup{pool: func(p *proxy.Pool) { p.Attempts = 5 }}, requests, o.addr)
	c.send(get("/x"))
	if m := c.response("GET"); m.status() != 502 {
		t.Errorf("%s", m.line)
	}
	if r := g.want(502, fault.CauseClosedBeforeAnswer); len(r.Attempts) != 2 || r.Saved || o.conns.Load() != 2 {
		t.Errorf("%d attempts, saved %t, %d connections", len(r.Attempts), r.Saved, o.conns.Load())
	}
}

// A connection that ended while it was idle is no fault: another one is taken, whatever the method.
func TestIdleConnectionClosed(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"fin", "rst"} {
		for _, request := range []string{get("/x"), "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hi")} {
			requests := make(chan message, 4)
			leave := make(chan struct{})
			o := upstreamOf(t, func(p *peer) {
				q, good := p.request()
				if !good {
					return
				}
				requests <- q
				p.send(ok)
				if p.nth > 1 {
					p.gone()
					return
				}
				<-leave
				if how == "rst" {
					p.reset()
				} else {
					p.Close()
				}
				p.arrived()
				leave <- struct{}{}
			})
			g, c := primed(t, setup{}, requests, o.addr)
			leave <- struct{}{}
			<-leave
			c.send(request)
			if m := c.response("GET"); m.status() != 200 {
				t.Errorf("%s %s: %s", how, methodOf(request), m.line)
			}
			if r := g.want(200, fault.CauseNone); len(r.Attempts) != 1 || r.Attempts[0].Reused || r.Saved {
				t.Errorf("%d attempts, reused %t, saved %t", len(r.Attempts), r.Attempts[0].Reused, r.Saved)
			}
		}
	}
}

// Nothing was written: any method goes to another endpoint.
func TestRefusedEndpoint(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"GET":              get("/x"),
		"POST":             "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
		"POST, streamed":   "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hel", "lo"),
		"POST, very large": fmt.Sprintf("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 200000\r\n\r\n%s", noise(200_000)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requests := make(chan message, 4)
			o := upstreamOf(t, capturing(requests, ok))
			g := start(t, setup{}, refusing(t), o.addr)
			c := g.dial()
			go c.send(request)
			if m := c.response("POST"); m.status() != 200 {
				t.Fatalf("%s", m.line)
			}
			q := <-requests
			r := g.record()
			if !r.Saved || r.Fault.Cause != fault.CauseConnectionRefused || len(r.Attempts) != 2 || g.failures(0) != 1 || g.failures(1) != 0 {
				t.Errorf("saved %t, cause %s, %d attempts, failures %d and %d", r.Saved, r.Fault.Cause, len(r.Attempts), g.failures(0), g.failures(1))
			}
			if strings.HasPrefix(request, "POST") && q.body != "hello" && len(q.body) != 200_000 {
				t.Errorf("body %.20q", q.body)
			}
			// The refusing one is tried last now.
			for range 4 {
				go c.send(get("/y"))
				if m := c.response("GET"); m.status() != 200 {
					t.Errorf("%s", m.line)
				}
				<-requests
				if r := g.record(); len(r.Attempts) != 1 {
					t.Errorf("%d attempts", len(r.Attempts))
				}
			}
		})
	}
}

func TestAllRefused(t *testing.T) {
	t.Parallel()
	a, b := refusing(t), refusing(t)
	g := start(t, setup{}, a, b)
	m := g.ask(get("/"))
	if m.status() != 502 || !strings.Contains(m.get("Proxy-Status"), "error=connection_refused") || leaks(m.body+m.get("Proxy-Status"), a, b, "127.0.0.1") != "" {
		t.Errorf("%s %q", m.line, m.lines)
	}
	if r := g.want(502, fault.CauseConnectionRefused); len(r.Attempts) != 2 || r.Saved {
		t.Errorf("%d attempts, saved %t", len(r.Attempts), r.Saved)
	}
}

// A fresh connection that broke after the request was sent: other endpoint for idempotent requests, none for others.
func TestBrokenFreshConnection(t *testing.T) {
	t.Parallel()
	for request, again := range map[string]bool{
		get("/x"): true,
		"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello":                                    false,
		"POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hello"):         false,
		"PUT /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hello", "world"): true,
	} {
		t.Run(methodOf(request), func(t *testing.T) {
			t.Parallel()
			broken := upstreamOf(t, func(p *peer) { p.request() })
			good := upstreamOf(t, answering(ok))
			g := start(t, setup{}, broken.addr, good.addr)
			m := g.ask(request)
			r := g.record()
			if again != (m.status() == 200) || again != r.Saved || again != (good.conns.Load() == 1) || g.failures(0) != 1 {
				t.Errorf("%s, saved %t, %d asked, %d failures", m.line, r.Saved, good.conns.Load(), g.failures(0))
			}
		})
	}
}

// The client's body had only begun when the endpoint went: the rest of it goes to the other one.
func TestUploadGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	for _, framing := range []string{"Content-Length: 10\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"} {
		broken := upstreamOf(t, func(p *peer) {
			if _, _, err := p.head(); err == nil {
				p.r.ReadByte() // some of the body has come
			}
		})
		requests := make(chan message, 1)
		good := upstreamOf(t, capturing(requests, ok))
		g := start(t, setup{}, broken.addr, good.addr)
		c := g.dial()
		c.send("PUT / HTTP/1.1\r\nHost: a.test\r\n" + framing)
		if strings.HasPrefix(framing, "C") {
			c.send("hello")
		} else {
			c.send("5\r\nhello\r\n")
		}
		eventually(t, func() bool { return good.conns.Load() == 1 }, "the other endpoint is not asked")
		if strings.HasPrefix(framing, "C") {
			c.send("world")
		} else {
			c.send("5\r\nworld\r\n0\r\n\r\n")
		}
		m := c.response("PUT")
		if q := <-requests; m.status() != 200 || q.body != "helloworld" {
			t.Errorf("%s %q", m.line, q.body)
		}
		if r := g.record(); !r.Saved || len(r.Attempts) != 2 {
			t.Errorf("saved %t, %d attempts", r.Saved, len(r.Attempts))
		}
		c.send(get("/"))
		if m := c.response("GET"); m.status() != 200 {
			t.Errorf("then %s", m.line)
		}
		<-requests
	}
}

// The time for the answer begins with the end of a request, and with that of each attempt anew: the second endpoint has all of it, however
// long it takes to have the request.
func TestSecondUploadHasItsOwnTime(t *testing.T) {
	t.Parallel()
	const head = time.Second
	broken := upstreamOf(t, func(p *peer) { p.request() })
	good := upstreamOf(t, func(p *peer) {
		if _, err := p.r.Peek(1); err == nil {
			time.Sleep(3 * head / 2) // it reads slowly: more is under way than the buffers between hold
			answering(ok)(p)
		}
	})
	g := start(t, setup{
		options: func(o *upstream.Options) { o.Head = head },
		pool:    func(p *proxy.Pool) { p.ReplayBody = 32 << 20 },
	}, broken.addr, good.addr)
	body := noise(24 << 20)
	m := g.ask(fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	if r := g.record(); m.status() != 200 || !r.Saved || g.failures(1) != 0 {
		t.Errorf("%s, logged as %d, %s, saved %t, %d failures of the second", m.line, r.Status, r.Fault.Cause, r.Saved, g.failures(1))
	}
}

// Malformed answers: not on the same endpoint.
func TestMalformedAnswer(t *testing.T) {
	t.Parallel()
	bad := upstreamOf(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"))
	good := upstreamOf(t, answering(ok))
	g := start(t, setup{}, bad.addr, good.addr)
	if m := g.ask(get("/")); m.status() != 200 {
		t.Errorf("%s", m.line)
	}
	if r := g.record(); !r.Saved || r.Fault.Cause != fault.CauseConflictingLengths {
		t.Errorf("saved %t, cause %s", r.Saved, r.Fault.Cause)
	}
	alone := start(t, setup{}, bad.addr)
	n := bad.conns.Load()
	if m := alone.ask(get("/")); m.status() != 502 || bad.conns.Load() != n+1 {
		t.Errorf("%s after %d connections", m.line, bad.conns.Load()-n)
	}
}

// What timed out is not sent again: it may be at work on it still.
func TestTimeoutIsNotRetried(t *testing.T) {
	t.Parallel()
	silent := upstreamOf(t, func(p *peer) { p.request(); p.gone() })
	good := upstreamOf(t, answering(ok))
	s := fastHead
	g := start(t, s, silent.addr, good.addr)
	if m := g.ask(get("/")); m.status() != 504 || good.conns.Load() != 0 {
		t.Errorf("%s, %d connections to the other", m.line, good.conns.Load())
	}
	g.want(504, fault.CauseHeadTimeout)
}

// An upstream's own 5xx is an answer.
func TestStatusIsNotRetried(t *testing.T) {
	t.Parallel()
	bad := upstreamOf(t, answering("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"))
	good := upstreamOf(t, answering(ok))
	g := start(t, setup{}, bad.addr, good.addr)
	if m := g.ask(get("/")); m.status() != 503 || good.conns.Load() != 0 {
		t.Errorf("%s", m.line)
	}
}

// Never after the first byte of the final response: neither when it reached the client nor when it only reached us.
func TestNoRetryAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"body":          "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
		"body of chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := upstreamOf(t, func(p *peer) { p.request(); p.send(answer) })
			good := upstreamOf(t, answering(ok))
			g := start(t, setup{}, bad.addr, good.addr)
			c := g.dial()
			c.send(get("/"))
			m := c.response("GET")
			if m.complete || m.status() != 200 || good.conns.Load() != 0 {
				t.Errorf("%s complete %t, %d connections to the other", m.line, m.complete, good.conns.Load())
			}
			if r := g.record(); !r.Late || len(r.Attempts) != 1 {
				t.Errorf("late %t, %d attempts", r.Late, len(r.Attempts))
			}
		})
	}
}

// Interim answers commit to nothing.
func TestRetryAfterInterim(t *testing.T) {
	t.Parallel()
	bad := upstreamOf(t, func(p *peer) { p.request(); p.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n") })
	good := upstreamOf(t, answering(ok))
	g := start(t, setup{}, bad.addr, good.addr)
	if m := g.ask(get("/")); m.status() != 200 || len(m.interim) != 1 {
		t.Errorf("%s %q", m.line, m.interim)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]int{1: 1, 2: 2, 3: 3, 99: 5} {
		var all []string
		for range 7 {
			all = append(all, refusing(t))
		}
		g := start(t, setup{pool: func(p *proxy.Pool) { p.Attempts, p.Budget = attempts, resilience.NewBudget(100000) }}, all...)
		g.ask(get("/"))
		if r := g.record(); len(r.Attempts) != want || r.Status != 502 {
			t.Errorf("with %d: %d attempts, status %d", attempts, len(r.Attempts), r.Status)
		}
	}
}

// At most the budget's share of requests is tried again, but for the floor of three.
func TestBudget(t *testing.T) {
	t.Parallel()
	dead := []string{refusing(t), refusing(t)}
	g := start(t, setup{pool: func(p *proxy.Pool) { p.Budget = resilience.NewBudget(20) }}, dead...)
	retries := 0
	for range 30 {
		g.ask(get("/"))
		r := g.record()
		retries += len(r.Attempts) - 1
		if len(r.Attempts) == 1 && r.Retry != string(resilience.BudgetExhausted) {
			t.Errorf("no retry because of %q", r.Retry)
		}
	}
	if retries < 5 || retries > 7 {
		t.Errorf("%d retries of 30 requests with a budget of 20 %%", retries)
	}
}

// No room at one endpoint: the other; no room at all: 503.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	waiting := make(chan struct{}, 2)
	o := upstreamOf(t, func(p *peer) {
		for {
			if _, good := p.request(); !good {
				return
			}
			waiting <- struct{}{}
			<-hold
			p.send(ok)
		}
	})
	g := start(t, setup{pool: func(p *proxy.Pool) {
		for _, e := range p.Endpoints {
			e.Guard.SetLimit(1)
		}
	}}, o.addr, o.addr)
	var clients []*peer
	for range 2 {
		c := g.dial()
		c.send(get("/"))
		clients = append(clients, c)
		<-waiting
	}
	m := g.ask(get("/"))
	if m.status() != 503 || m.get("Retry-After") == "" || !strings.Contains(m.get("Proxy-Status"), "error=connection_limit_reached") {
		t.Errorf("%s %q", m.line, m.lines)
	}
	g.want(503, fault.CauseConnectionLimit)
	close(hold)
	for _, c := range clients {
		if m := c.response("GET"); m.status() != 200 {
			t.Errorf("%s", m.line)
		}
	}
	eventually(t, func() bool { return g.pool.Endpoints[0].Guard.Inside()+g.pool.Endpoints[1].Guard.Inside() == 0 }, "places were not given back")
}

// A client that leaves while the endpoint thinks is noticed; nobody is blamed.
func TestClientLeavesWhileWaiting(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"fin", "rst"} {
		for _, request := range []string{get("/x"), "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hello")} {
			for _, before := range []int{0, 1} { // on a fresh connection, and on a reused one
				t.Run(fmt.Sprint(how, methodOf(request), before), func(t *testing.T) {
					t.Parallel()
					reached, closed := make(chan struct{}), make(chan time.Time, 1)
					o := upstreamOf(t, func(p *peer) {
						for range before {
							p.request()
							p.send(ok)
						}
						p.request()
						close(reached)
						p.gone()
						closed <- time.Now()
					})
					g := start(t, setup{}, o.addr)
					for range before {
						g.ask(get("/"))
						g.record()
						g.idle(0, 1)
						<-time.After(settled)
					}
					c := g.dial()
					c.send(request)
					<-reached
					left := time.Now()
					if how == "rst" {
						c.reset()
					} else {
						c.Close()
					}
					if d := (<-closed).Sub(left); d > 2*time.Second {
						t.Errorf("the endpoint's connection was closed after %v", d)
					}
					if r := g.want(499, fault.CauseClientLeft); r.By.String() != "client" || r.Saved || len(r.Attempts) != 1 {
						t.Errorf("by %s, saved %t, %d attempts", r.By, r.Saved, len(r.Attempts))
					}
					if g.failures(0) != 0 || g.pool.Endpoints[0].Target.IdleCount() != 0 {
						t.Errorf("%d failures, %d idle", g.failures(0), g.pool.Endpoints[0].Target.IdleCount())
					}
				})
			}
		}
	}
}

// The watch on one request does not slow down the one on the next: a connection that has waited long before still
// notices within a second or so.
func TestClientLeavesAfterALongWait(t *testing.T) {
	t.Parallel()
	reached, closed := make(chan struct{}, 1), make(chan time.Time, 1)
	o := upstreamOf(t, func(p *peer) {
		p.request()
		time.Sleep(3500 * time.Millisecond) // the endpoint thinks: the watch has asked twice
		p.send(ok)
		p.request()
		reached <- struct{}{}
		p.gone()
		closed <- time.Now()
	})
	g := start(t, setup{}, o.addr)
	g.ask(get("/"))
	g.idle(0, 1)
	c := g.dial()
	c.send(get("/"))
	<-reached
	left := time.Now()
	c.Close()
	if d := (<-closed).Sub(left); d > 3*time.Second {
		t.Errorf("the endpoint's connection was closed after %v", d)
	}
}

func TestClientLeavesInTheBody(t *testing.T) {
	t.Parallel()
	heads := map[string]string{
		"length": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", int64(1)<<40), // spliced
		"close":  "HTTP/1.1 200 OK\r\n\r\n",
		"events": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
	}
	for name, head := range heads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{})
			o := upstreamOf(t, func(p *peer) {
				defer close(closed)
				p.request()
				p.send(head)
				if name == "events" { // silent after the first
					p.send("data: 1\n\n")
					p.gone()
					return
				}
				body := noise(64 << 10)
				for {
					if _, err := io.WriteString(p.Conn, body); err != nil {
						return
					}
				}
			})
			g := start(t, setup{}, o.addr)
			c := g.dial()
			c.send(get("/"))
			if _, _, err := c.head(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.r.Peek(8); err != nil {
				t.Fatal(err)
			}
			c.Close()
			select {
			case <-closed:
			case <-time.After(3 * time.Second):
				t.Error("the endpoint's connection stays open")
			}
			g.want(499, fault.CauseClientLeft)
			if g.failures(0) != 0 {
				t.Errorf("%d failures", g.failures(0))
			}
		})
	}
}

// The endpoint takes longer than a client may be silent: that is no reason to give the answer up.
func TestSlowEndpointAndShortIdle(t *testing.T) {
	t.Parallel()
	wait := make(chan struct{})
	o := upstreamOf(t, func(p *peer) {
		p.request()
		<-wait
		p.send(ok)
		p.gone()
	})
	g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = 500 * time.Millisecond }}, o.addr)
	c := g.dial()
	c.send(get("/"))
	time.AfterFunc(1100*time.Millisecond, func() { close(wait) })
	if m := c.response("GET"); m.status() != 200 || m.body != "ok" {
		t.Errorf("%s", m.line)
	}
}

package proxy_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/upstream"
)

// postOf is a POST with a body of so many octets.
func postOf(size int) string {
	const piece = 1 << 20
	body := strings.Repeat(noise(piece), size/piece)
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// silentName is an endpoint whose name server never answers.
func silentName(t *testing.T) (endpoint string, resolver func(*upstream.Options)) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return "http://app.test.:80", func(o *upstream.Options) {
		o.Resolver = upstream.NewResolver([]string{c.LocalAddr().String()}, 3*time.Second)
	}
}

// silentTLS is an endpoint that never shakes hands.
func silentTLS(t *testing.T) (endpoint string, options func(*upstream.Options)) {
	t.Helper()
	o := upstreamOf(t, func(p *peer) { p.gone() })
	return "https://" + o.addr, func(o *upstream.Options) { o.TLSConf, o.TLS = clientTLS(), 3*time.Second }
}

// slowStages are endpoints at which an exchange hangs before its request is sent.
var slowStages = []struct {
	name  string
	at    func(*testing.T) (string, func(*upstream.Options))
	stage fault.Stage
}{
	{"resolve", silentName, fault.Resolve}, {"tls", silentTLS, fault.TLS},
}

// timeouts.response bounds the stages before the request is sent as well, and the endpoint is not blamed for it.
func TestTheResponseTimerBoundsEveryStage(t *testing.T) {
	t.Parallel()
	for _, slow := range slowStages {
		t.Run(slow.name, func(t *testing.T) {
			t.Parallel()
			endpoint, options := slow.at(t)
			g := start(t, setup{options: options, pool: func(p *proxy.Pool) { p.Response = 200 * time.Millisecond }}, endpoint)
			began := time.Now()
			if m := g.ask(get("/")); m.status() != 504 || time.Since(began) > 1500*time.Millisecond {
				t.Errorf("%s after %v", m.line, time.Since(began))
			}
			r := g.record()
			if e := r.evidence; e.Stage != slow.stage || e.End != fault.Timeout || e.Timer != fault.TimerResponse || e.After != 200*time.Millisecond {
				t.Errorf("%+v", e)
			}
			if g.failures(0) != 0 {
				t.Error("the endpoint is blamed")
			}
		})
	}
}

// The response timer is named, and the endpoint let be, when it fires in the moment between dialing and writing.
func TestTheResponseTimerOverAnUpload(t *testing.T) { // by itself: its uploads keep a core busy, and others measure time
	hold := make(chan bool)
	defer close(hold)
	o := upstreamOf(t, func(p *peer) { p.head(); <-hold }) // it takes no more than its buffer holds
	g := start(t, setup{pool: func(p *proxy.Pool) { p.Response = 300 * time.Millisecond }}, o.addr)
	c := g.dial()
	go c.send(postOf(32 << 20)) // more than the kernel's buffers hold
	if m := c.response("POST"); m.status() != 504 {
		t.Errorf("%s", m.line)
	}
	if r := g.want(504, fault.CauseResponseTooSlow); r.evidence.Timer != fault.TimerResponse {
		t.Errorf("%+v", r.evidence)
	}
}

// What a drain cuts is no fault of the endpoint, wherever it was; the client is told, and the drain keeps its bound.
func TestACutIsNoFaultOfTheEndpoint(t *testing.T) {
	t.Parallel()
	reached := make(chan bool, 1)
	silent := func(t *testing.T) (string, func(*upstream.Options)) {
		o := upstreamOf(t, func(p *peer) { p.request(); reached <- true; p.gone() })
		return o.addr, func(o *upstream.Options) { o.Head = time.Minute }
	}
	for _, slow := range append(slowStages[:2:2], struct {
		name  string
		at    func(*testing.T) (string, func(*upstream.Options))
		stage fault.Stage
	}{"first byte", silent, fault.FirstByte}) {
		t.Run(slow.name, func(t *testing.T) {
			endpoint, options := slow.at(t)
			g := start(t, setup{options: options}, endpoint)
			c := g.dial()
			c.send(get("/"))
			if slow.stage == fault.FirstByte {
				<-reached
			} else {
				eventually(t, func() bool { return g.server.Busy() == 1 }, "no exchange")
			}
			began := time.Now()
			g.server.Drain(100 * time.Millisecond)
			if d := time.Since(began); d > time.Second {
				t.Errorf("a drain of 100 ms took %v", d)
			}
			if m := c.response("GET"); m.status() != 503 || m.get("Connection") != "close" {
				t.Errorf("%s, Connection: %s", m.line, m.get("Connection"))
			}
			r := g.want(503, fault.CauseShuttingDown)
			if r.evidence.Timer != fault.TimerNone || r.evidence.Stage != slow.stage || g.failures(0) != 0 || len(r.Attempts) != 1 {
				t.Errorf("%s, %d failures, %d attempts: %+v", r.Fault.Sentence(&r.evidence), g.failures(0), len(r.Attempts), r.evidence)
			}
		})
	}
}

// A body that a drain cuts short is visibly short, and nobody's fault.
func TestACutInABody(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		p.gone()
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(get("/"))
	if _, err := c.r.Peek(8); err != nil {
		t.Fatal(err)
	}
	g.server.Drain(100 * time.Millisecond)
	if m := c.response("GET"); m.complete {
		t.Errorf("%s %q is complete", m.line, m.body)
	}
	if r := g.want(200, fault.CauseShuttingDown); !r.Late || g.failures(0) != 0 {
		t.Errorf("late %v, %d failures", r.Late, g.failures(0))
	}
}

// A client that leaves is noticed in every stage, not at the stage's own end.
func TestAClientThatLeavesBeforeTheRequestIsSent(t *testing.T) {
	t.Parallel()
	for _, slow := range slowStages {
		t.Run(slow.name, func(t *testing.T) {
			t.Parallel()
			endpoint, options := slow.at(t)
			g := start(t, setup{options: options}, endpoint)
			c := g.dial()
			c.send(get("/"))
			eventually(t, func() bool { return g.server.Busy() == 1 }, "no exchange")
			began := time.Now()
			c.Close()
			r := g.want(499, fault.CauseClientLeft)
			if time.Since(began) > 2500*time.Millisecond || r.evidence.Stage != slow.stage || g.failures(0) != 0 {
				t.Errorf("after %v, stage %s, %d failures", time.Since(began), r.evidence.Stage, g.failures(0))
			}
		})
	}
}

// One client's leaving does not end the look-up that others wait for.
func TestALookupIsNotItsFirstAskers(t *testing.T) {
	t.Parallel()
	endpoint, options := silentName(t)
	g := start(t, setup{options: options}, endpoint)
	first, second := g.dial(), g.dial()
	first.send(get("/first"))
	eventually(t, func() bool { return g.server.Busy() == 1 }, "no exchange")
	second.send(get("/second"))
	eventually(t, func() bool { return g.server.Busy() == 2 }, "no exchange")
	first.Close()
	g.want(499, fault.CauseClientLeft)
	if m := second.response("GET"); m.status() != 504 {
		t.Errorf("the other client gets %s", m.line)
	}
	if r := g.want(504, fault.CauseDNSTimeout); r.evidence.Timer != fault.TimerResolve {
		t.Errorf("%+v", r.evidence)
	}
}

// A client that left before its endpoint failed is one that left: no page, no second attempt, no 502 in the numbers. One
// that only ended its side, along with its request, gets its answer.
func TestAClientThatLeftBeforeTheEndpointFailed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		leave  func(*peer)
		status int
		cause  fault.Cause
	}{
		{"close", func(p *peer) { time.Sleep(200 * time.Millisecond); p.Close() }, 499, fault.CauseClientLeft},
		{"reset", func(p *peer) { p.reset() }, 499, fault.CauseClientLeft},
		{"half", func(p *peer) { p.fin() }, 502, fault.CauseClosedBeforeAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked, fail := make(chan bool, 4), make(chan bool)
			var attempts atomic.Int32
			serve := func(p *peer) {
				if _, ok := p.request(); ok {
					attempts.Add(1)
					asked <- true
					<-fail
				}
			}
			one, two := upstreamOf(t, serve), upstreamOf(t, serve)
			g := start(t, setup{}, one.addr, two.addr)
			c := g.dial()
			c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi")
			<-asked
			left := time.Now()
			tt.leave(c)
			if tt.status == 499 {
				c.arrived()
			}
			close(fail)
			looked := time.Since(left) > 700*time.Millisecond // the gateway looks after a second whether the client is there
			r := g.want(tt.status, tt.cause)
			if n := attempts.Load(); n != 1 {
				t.Errorf("%d attempts", n)
			}
			if r.Attempts[0].End != fault.Closed && !looked {
				t.Errorf("the attempt's evidence was written over: %s", r.Attempts[0].End)
			}
		})
	}
}

// Half a tunnel goes on as long as something comes: docker and kubectl close their side when their input ends.
func TestHalfATunnelGoesOn(t *testing.T) {
	t.Parallel()
	const n = 13
	o := upstreamOf(t, func(p *peer) {
		p.head()
		p.send(switched)
		p.gone()
		for range n {
			p.send("x")
			time.Sleep(time.Second) // it prints slowly
		}
	})
	g := start(t, setup{pool: func(p *proxy.Pool) { p.Read = time.Second }}, o.addr)
	c := g.dial()
	c.send(handshake)
	c.response("GET")
	c.fin()
	if b, _ := io.ReadAll(c.r); len(b) != n {
		t.Errorf("%d of %d octets", len(b), n)
	}
}

// A pause between two requests that is longer than the last exchange's timer says nothing about a TLS connection.
func TestStreamedRequestsReuseTLS(t *testing.T) {
	t.Parallel()
	o := upstreamOn(t, serverTLS(), answering(ok))
	g := start(t, setup{options: func(o *upstream.Options) { o.TLSConf, o.Head = clientTLS(), 300*time.Millisecond }}, "https://"+o.addr)
	c := g.dial()
	c.send(get("/"))
	c.response("GET")
	g.record()
	g.idle(0, 1)
	time.Sleep(500 * time.Millisecond) // the client thinks
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hello"))
	c.response("POST")
	if r := g.record(); !r.Attempts[0].Reused {
		t.Error("a live idle connection was thrown away")
	}
}

// A retry that ends in a 5xx has saved nobody.
func TestA5xxIsNotSaved(t *testing.T) {
	t.Parallel()
	dead := upstreamOf(t, func(p *peer) { p.request() })
	broken := upstreamOf(t, answering("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"))
	g := start(t, setup{}, dead.addr, broken.addr)
	for range 2 { // round robin begins at either
		g.ask(get("/"))
		if r := g.want(500, fault.CauseUpstreamStatus); r.Saved {
			t.Error("saved, with a 500")
		}
	}
}

// An endpoint that takes an upload slowly, but all the time, has not stalled; one that takes nothing has.
func TestASlowUploadIsNotAStalledOne(t *testing.T) { // by itself: its uploads keep a core busy, and others measure time
	const size = 4 << 20
	options := func(o *upstream.Options) { o.Write = 500 * time.Millisecond }
	o := upstreamOf(t, func(p *peer) {
		_ = p.Conn.(*net.TCPConn).SetReadBuffer(64 << 10) // a large one opens its window in few large steps
		p.head()
		b := make([]byte, 16<<10)
		for left := size; left > 0; {
			n, err := p.r.Read(b)
			if err != nil {
				return
			}
			left -= n
			time.Sleep(10 * time.Millisecond) // it is slow
		}
		p.send(ok)
	})
	g := start(t, setup{options: options}, o.addr)
	c := g.dial()
	go c.send(postOf(size))
	if m := c.response("POST"); m.status() != 200 {
		t.Errorf("%s", m.line)
	}
	g.want(200, fault.CauseNone)

	hold := make(chan bool)
	defer close(hold)
	stalled := upstreamOf(t, func(p *peer) { p.head(); <-hold })
	g = start(t, setup{options: options}, stalled.addr)
	c = g.dial()
	go c.send(postOf(32 << 20)) // more than the kernel's buffers hold
	g.want(504, fault.CauseUploadStalled)
}

// An endpoint that closed an idle connection as a request crossed with it did nothing wrong, also where that request may not
// be sent again.
func TestARaceIsNotHeldAgainstTheEndpoint(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		p.request()
		p.send(ok)
		p.request()
	})
	g := start(t, setup{}, o.addr)
	c := g.dial()
	c.send(get("/"))
	c.response("GET")
	g.record()
	g.idle(0, 1)
	<-time.After(settled)
	c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi")
	c.response("POST")
	if g.want(502, fault.CauseKeepaliveRace); g.failures(0) != 0 {
		t.Errorf("%d failures", g.failures(0))
	}
}

// A bug of ours on a goroutine that dials costs one exchange.
func TestAPanicWhileDialing(t *testing.T) {
	t.Parallel()
	o := upstreamOn(t, serverTLS(), answering(ok))
	conf := clientTLS()
	calls := 0
	conf.Time = func() time.Time {
		if calls++; calls == 1 {
			panic("a bug of ours")
		}
		return time.Now()
	}
	told := make(chan any, 1)
	g := start(t, setup{
		options:  func(o *upstream.Options) { o.TLSConf = conf },
		panicked: func(reason any, _ []byte) { told <- reason },
	}, "https://"+o.addr)
	if m := g.ask(get("/")); m.status() != 500 {
		t.Errorf("%s", m.line)
	}
	g.want(500, fault.CauseInternalError)
	if reason := <-told; reason != "a bug of ours" {
		t.Errorf("told %v", reason)
	}
	if g.failures(0) != 0 {
		t.Error("the endpoint is blamed")
	}
	if m := g.ask(get("/")); m.status() != 200 {
		t.Errorf("the next request gets %s", m.line)
	}
}

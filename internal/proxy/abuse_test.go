package proxy_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/upstream"
)

// idleConnectionMax is what a kept-alive client connection may cost while it is idle, in KiB of resident memory: issue 2.
const idleConnectionMax = 8

// Ten thousand connections that have each done one request and are idle now: others are served, and the memory is bounded.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("opens ten thousand connections")
	}
	n := 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && int(limit.Max)-1000 < n {
		n = max(int(limit.Max)-1000, 100)
		t.Logf("only %d connections: RLIMIT_NOFILE is %d", n, limit.Max)
	}
	if raceEnabled {
		n = min(n, 2000) // it is the same story, and the detector's memory says nothing
	}
	o := upstreamOf(t, answering(ok))
	g := startChild(t, o.addr)
	request, buf := []byte(get("/")), make([]byte, 4096)
	once := func() net.Conn {
		c, err := net.Dial("tcp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(6 * patience))
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if k, err := c.Read(buf); err != nil || !strings.HasPrefix(string(buf[:k]), "HTTP/1.1 200") {
			t.Fatalf("%q %v", buf[:k], err)
		}
		return c
	}
	for range 200 { // what is needed once is there
		once().Close()
	}
	before, _ := g.memory()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = once()
	}
	after, open := g.memory()
	if open < n {
		t.Errorf("%d connections are open, want %d", open, n)
	}
	began := time.Now()
	for range 100 {
		once().Close()
	}
	served := time.Since(began) / 100
	for i := range 100 { // and they are alive
		c := conns[i*n/100]
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range conns {
		c.Close()
	}
	per := float64(after.rss-before.rss) / float64(n)
	t.Logf("%d idle connections: %.2f KiB resident each (heap %.2f, stacks %.2f); others served in %v", n, per,
		float64(after.heap-before.heap)/float64(n), float64(after.stacks-before.stacks)/float64(n), served)
	if per > idleConnectionMax && !raceEnabled {
		t.Errorf("an idle connection costs %.2f KiB, want at most %d", per, idleConnectionMax)
	}
	if served > 50*time.Millisecond {
		t.Errorf("others are served in %v", served)
	}
}

// serving asks for answers until stop is closed, five times at least, and returns the slowest.
func serving(t *testing.T, g *gateway, stop <-chan struct{}) (slowest time.Duration, asked int) {
	for {
		select {
		case <-stop:
			if asked >= 5 { // on a busy machine it may be over before another was asked so often
				return slowest, asked
			}
		default:
		}
		began := time.Now()
		if m := g.ask(get("/healthy")); m.status() != 200 {
			t.Errorf("another client got %s", m.line)
		}
		slowest = max(slowest, time.Since(began))
		asked++
	}
}

// Two hundred heads that drip in octet by octet: each ends with limits.head_time however long it drips, and others are
// served all the while.
func TestSlowloris(t *testing.T) {
	t.Parallel()
	const clients, headTime = 200, 2 * time.Second // time for others on a busy machine, too
	o := upstreamOf(t, answering(ok))
	g := start(t, setup{limits: func(l *listener.Limits) { l.HeadTime = headTime }}, o.addr)
	var all []*peer
	for range clients {
		c := g.dial()
		c.send("G")
		all = append(all, c)
	}
	began := time.Now()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		drip := "ET / HTTP/1.1\r\nHost: a.test\r\nX: " + strings.Repeat("a", 10_000)
		for _, b := range drip {
			select {
			case <-stop:
				return
			default:
			}
			for _, c := range all {
				c.send(string(b))
			}
		}
	})
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		for i, c := range all {
			if m, err := c.tryResponse("GET"); err == nil && m.status() != 408 {
				t.Errorf("client %d got %s", i, m.line)
			}
		}
	})
	slowest, asked := serving(t, g, done)
	if d := time.Since(began); d > headTime+3*time.Second {
		t.Errorf("the last one ended after %v", d)
	}
	close(stop)
	wg.Wait()
	t.Logf("%d others served, the slowest in %v", asked, slowest)
	if slowest > time.Second || asked < 5 {
		t.Errorf("%d others served, the slowest in %v", asked, slowest)
	}
	for _, c := range all {
		c.Close()
	}
	for got := 0; got < clients; {
		if r := g.record(); r.target != "/healthy" {
			if r.Status != 408 || r.Fault.Cause != fault.CauseRequestHeadTimeout {
				t.Errorf("record %d, cause %s", r.Status, r.Fault.Cause)
			}
			got++
		}
	}
	if o.conns.Load() > int32(asked) {
		t.Errorf("%d connections to the upstream for %d requests", o.conns.Load(), asked)
	}
}

// Bodies that drip and then stop: each ends after limits.idle of silence; others are served.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	const clients = 100
	o := upstreamOf(t, answering(ok))
	g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = 500 * time.Millisecond }}, o.addr)
	var all []*peer
	for range clients {
		c := g.dial()
		c.send("POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n")
		all = append(all, c)
	}
	done := make(chan struct{})
	go func() { // ends when all are answered
		defer close(done)
		for range 20 {
			for _, c := range all {
				c.send("x")
			}
		}
		for i, c := range all {
			if m, err := c.tryResponse("POST"); err != nil || m.status() != 408 {
				t.Errorf("client %d got %s %v", i, m.line, err)
			}
		}
	}()
	slowest, asked := serving(t, g, done)
	if slowest > time.Second || asked < 5 {
		t.Errorf("%d others served, the slowest in %v", asked, slowest)
	}
	if g.failures(0) > 0 {
		t.Errorf("the endpoint is blamed %d times", g.failures(0))
	}
}

// endless writes head, and then piece again and again until the connection ends. It returns how much was taken.
func endless(p *peer, head, piece string) (taken int) {
	n, err := io.WriteString(p.Conn, head)
	for taken = n; err == nil && taken < 1<<30; taken += n {
		n, err = io.WriteString(p.Conn, piece)
	}
	return taken
}

// Requests without an end are refused after a bounded number of octets.
func TestEndlessRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, head, piece string
		status            int
	}{
		{"field", "GET / HTTP/1.1\r\nHost: a.test\r\nX: ", strings.Repeat("a", 1000), 431},
		{"fields", "GET / HTTP/1.1\r\nHost: a.test\r\n", strings.Repeat("X: y\r\n", 100), 431},
		{"target", "GET /", strings.Repeat("a", 1000), 414},
		{"method", "", strings.Repeat("A", 1000), 0},
		{"empty lines", "", strings.Repeat("\r\n", 100), 400},
		{"chunk extension", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5;x=", strings.Repeat("a", 1000), 400},
		{"chunk extensions", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", "1;" + strings.Repeat("a", 1000) + "\r\nx\r\n", 400},
		{"chunk size", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("0", 1000), 400},
		{"trailers", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: " + strings.Repeat("a", 1000) + "\r\n", 431},
		{"body", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", "3e8\r\n" + strings.Repeat("a", 1000) + "\r\n", 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := upstreamOf(t, answering(ok))
			g := start(t, setup{limits: func(l *listener.Limits) { l.RequestBody = 1 << 20 }}, o.addr)
			c := g.dial()
			taken := make(chan int, 1)
			go func() { taken <- endless(c, tt.head, tt.piece) }()
			m, err := c.tryResponse("POST")
			if err != nil || tt.status != 0 && m.status() != tt.status || m.status()/100 != 4 || m.get("Connection") != "close" {
				t.Errorf("%s %v", m.line, err)
			}
			c.gone()
			if n := <-taken; n > 20<<20 {
				t.Errorf("%d octets were taken", n)
			}
			r := g.record()
			if r.Status != m.status() || g.failures(0) > 0 {
				t.Errorf("record %d, cause %s, %d failures", r.Status, r.Fault.Cause, g.failures(0))
			}
		})
	}
}

// Answers without an end are refused as bounded.
func TestEndlessAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, head, piece string }{
		{"field", "HTTP/1.1 200 OK\r\nX: ", strings.Repeat("a", 1000)},
		{"fields", "HTTP/1.1 200 OK\r\n", "X: " + strings.Repeat("a", 1000) + "\r\n"},
		{"count of fields", "HTTP/1.1 200 OK\r\n", "X: y\r\n"},
		{"reason", "HTTP/1.1 200 ", strings.Repeat("a", 1000)},
		{"interim", "", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"},
		{"100", "", "HTTP/1.1 100 Continue\r\n\r\n"},
		{"garbage", "", strings.Repeat("a", 1000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			taken := make(chan int, 1)
			o := upstreamOf(t, func(p *peer) {
				p.request()
				taken <- endless(p, tt.head, tt.piece)
			})
			g := start(t, setup{}, o.addr)
			m := g.ask(get("/"))
			if m.status() != 502 || len(m.interim) > 10 {
				t.Errorf("%s after %d interim", m.line, len(m.interim))
			}
			if n := <-taken; n > 20<<20 {
				t.Errorf("%d octets were taken", n)
			}
			if r := g.record(); r.Status != 502 || g.failures(0) != 1 {
				t.Errorf("record %d, cause %s, %d failures", r.Status, r.Fault.Cause, g.failures(0))
			}
		})
	}
}

// A head that drips is bounded by timeouts.head, however often a part of it comes.
func TestDrippingAnswer(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		p.request()
		p.send("HTTP/1.1 200 OK\r\nX: ")
		for {
			if _, err := io.WriteString(p.Conn, "a"); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond) // it drips
		}
	})
	g := start(t, setup{options: func(o *upstream.Options) { o.Head = 300 * time.Millisecond }}, o.addr)
	began := time.Now()
	if m := g.ask(get("/")); m.status() != 504 || time.Since(began) > 3*time.Second {
		t.Errorf("%s after %v", m.line, time.Since(began))
	}
	g.want(504, fault.CauseSlowHead)
}

// Endless chunks to clients that stop reading: nothing is held but the buffers of the sockets, and limits.idle ends it.
func TestEndlessChunksToOneThatStopsReading(t *testing.T) {
	const clients = 30
	var closed sync.WaitGroup
	closed.Add(clients)
	o := upstreamOf(t, func(p *peer) {
		defer closed.Done()
		p.request()
		endless(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "4000\r\n"+strings.Repeat("a", 0x4000)+"\r\n")
	})
	g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = time.Second }}, o.addr)
	var before, during runtime.MemStats
	runtime.GC()
	runtime.GC() // a pool keeps what it has for one collection
	runtime.ReadMemStats(&before)
	for range clients {
		c := g.dial()
		c.send(get("/"))
		if _, _, err := c.head(); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&during)
	closed.Wait()
	per := (int64(during.HeapInuse) - int64(before.HeapInuse)) / clients >> 10
	t.Logf("%d KiB of heap for each such client, with the test's own", per)
	if per > 400 && !raceEnabled {
		t.Errorf("%d KiB of heap for each client that does not read", per)
	}
	for range clients {
		if r := g.record(); r.Status != 499 || r.By.String() != "client" {
			t.Errorf("record %d, cause %s", r.Status, r.Fault.Cause)
		}
	}
	if g.failures(0) > 0 {
		t.Errorf("the endpoint is blamed %d times", g.failures(0))
	}
}

// Many clients at once, each with its own answers: nothing is mixed between them.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	o := upstreamOf(t, func(p *peer) {
		for {
			q, good := p.request()
			if !good {
				return
			}
			answer := strings.Fields(q.line)[1] + " " + q.body
			if len(answer)%2 == 0 {
				p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer))
			} else {
				p.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody(answer[:1], answer[1:]))
			}
			if len(answer)%7 == 0 {
				return // and the connection ends, as connections do
			}
		}
	})
	g := start(t, setup{}, o.addr, o.addr)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			nc, err := net.Dial("tcp", g.addr)
			if err != nil {
				t.Error(err)
				return
			}
			c := newPeer(t, nc)
			defer c.Close()
			for j := range 40 {
				path, body := fmt.Sprintf("/%d/%d", i, j), strings.Repeat(fmt.Sprint(i, ","), 1+j*j*3)
				if j%2 == 0 {
					go c.send(fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body))
				} else {
					go c.send(fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n%s", path, chunkedBody(body[:len(body)/2], body[len(body)/2:])))
				}
				m, err := c.tryResponse("PUT")
				if err != nil || m.status() != 200 || m.body != path+" "+body {
					t.Errorf("%s: %s %v %.50q", path, m.line, err, m.body)
					return
				}
			}
		})
	}
	wg.Wait()
}

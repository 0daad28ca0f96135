package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/telemetry"
)

// definite checks that a record says what became of an exchange, and does not contradict itself.
func definite(t *testing.T, at string, r record) {
	t.Helper()
	switch {
	case r.Status < 200 || r.Status > 599:
		t.Errorf("%s: status %d", at, r.Status)
	case r.By == telemetry.ByGateway && (!r.Fault.Is() || r.Incident == "" || r.Status != r.Fault.Status()):
		t.Errorf("%s: by the gateway with status %d, cause %s, incident %q", at, r.Status, r.Fault.Cause, r.Incident)
	case r.By == telemetry.ByClient && r.Status != 499, r.Status == 499 && r.By != telemetry.ByClient:
		t.Errorf("%s: status %d by %s", at, r.Status, r.By)
	case r.Late && !r.Fault.Is(), r.Late && r.Saved:
		t.Errorf("%s: late %t, saved %t, cause %s", at, r.Late, r.Saved, r.Fault.Cause)
	}
}

// The upstream is cut off after each octet of its answer, by FIN and by RST. The client gets the whole answer or a page,
// or one that is visibly cut; never a part that looks whole.
func TestEveryCutOfAnAnswer(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 10\r\n\r\nhelloworld",
		"chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5;x=y\r\nworld\r\n0\r\nX-T: 1\r\n\r\n",
		"interim": "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhelloworld",
	}
	for name, answer := range answers {
		for _, how := range []string{"fin", "rst"} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				cut := make(chan int, 1)
				o := upstreamOf(t, func(p *peer) {
					if _, good := p.request(); !good {
						return
					}
					p.send(answer[:<-cut])
					if how == "rst" {
						p.reset()
					}
				})
				g := start(t, setup{}, o.addr)
				for i := range answer {
					cut <- i
					c := g.dial()
					c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi")
					m, err := c.tryResponse("POST")
					c.Close()
					r := g.record()
					at := fmt.Sprintf("after %d octets", i)
					definite(t, at, r)
					switch {
					case err != nil:
						t.Errorf("%s: no answer: %v", at, err)
					case m.status() == 502 && m.complete && r.Status == 502 && !r.Late:
					case m.status() == 200 && !m.complete && r.Late && strings.HasPrefix("helloworld", m.body):
					default:
						t.Errorf("%s: %s complete %t %q, record %d late %t", at, m.line, m.complete, m.body, r.Status, r.Late)
					}
				}
				if n := g.pool.Endpoints[0].Target.IdleCount(); n > 0 {
					t.Errorf("%d idle connections", n)
				}
			})
		}
	}
}

// The client is cut off after each octet of its request. The upstream sees a whole request or one that is visibly cut.
func TestEveryCutOfARequest(t *testing.T) {
	t.Parallel()
	requests := map[string]string{
		"length": "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhelloworld",
		"chunks": "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5;x=y\r\nworld\r\n0\r\nX-T: 1\r\n\r\n",
	}
	for name, request := range requests {
		for _, how := range []string{"fin", "rst"} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				var whole atomic.Int32
				o := upstreamOf(t, func(p *peer) {
					for {
						q, good := p.request()
						if !good {
							return
						}
						if q.body != "helloworld" {
							t.Errorf("a part of the body looks whole: %q", q.body)
						}
						whole.Add(1)
						p.send(ok)
					}
				})
				g := start(t, setup{}, o.addr)
				for i := 1; i < len(request); i++ {
					c := g.dial()
					c.send(request[:i])
					if how == "rst" {
						c.reset()
					} else {
						c.Close()
					}
					r := g.record()
					definite(t, fmt.Sprintf("after %d octets", i), r)
					if r.Status != 499 {
						t.Errorf("after %d octets: record %d, cause %s", i, r.Status, r.Fault.Cause)
					}
				}
				if whole.Load() > 0 || g.failures(0) > 0 {
					t.Errorf("%d whole requests, %d failures", whole.Load(), g.failures(0))
				}
			})
		}
	}
}

// faulty is a connection whose nth operation fails, and every one after it. It is no socket, so that conn reads and writes
// it through package net alone.
type faulty struct {
	net.Conn
	left  *atomic.Int64
	err   error
	fired atomic.Bool
}

func (f *faulty) fails() bool {
	if f.left.Add(-1) >= 0 {
		return false
	}
	f.fired.Store(true)
	return true
}

func (f *faulty) Read(p []byte) (int, error) {
	if f.fails() {
		return 0, f.err
	}
	return f.Conn.Read(p)
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.fails() {
		return 0, f.err
	}
	return f.Conn.Write(p)
}

func (f *faulty) CloseWrite() error { return f.Conn.(*net.TCPConn).CloseWrite() }

// faultyListener makes faulty connections of those it accepts.
type faultyListener struct {
	net.Listener
	next     chan *faulty
	accepted chan *faulty
}

func (l *faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	f := <-l.next
	f.Conn = c
	l.accepted <- f
	return f, nil
}

// The client's connection fails at its nth operation, n = 1, 2, 3 ... until nothing fails: each ends in records that say
// what happened, nothing panics or hangs, and nothing is complete that is not.
func TestTheNthOperationFails(t *testing.T) {
	t.Parallel()
	answer := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hello", noise(20_000), "world")
	script := []string{
		get("/1"), "POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
		"POST /3 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hello", noise(20_000)),
		"POST /4 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n" + chunkedBody("x"),
	}
	errs := map[string]error{
		"reset": &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "end": io.EOF, "timeout": os.ErrDeadlineExceeded,
		"closed": net.ErrClosed, "other": errors.New("something else"),
	}
	for name, failure := range errs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &faultyListener{next: make(chan *faulty, 1), accepted: make(chan *faulty, 1)}
			o := upstreamOf(t, answering("HTTP/1.1 103 Early Hints\r\n\r\n"+answer))
			g := start(t, setup{wrap: func(in net.Listener) net.Listener { l.Listener = in; return l }}, o.addr)
			for n := int64(1); ; n++ {
				f := &faulty{left: new(atomic.Int64), err: failure}
				f.left.Store(n - 1)
				l.next <- f
				c := g.dial()
				<-l.accepted
				go func() { // ends when the connection does
					for _, request := range script {
						c.send(request)
					}
					c.fin()
				}()
				whole := 0
				for range script {
					m, err := c.tryResponse("GET")
					if err != nil {
						break
					}
					if m.complete && m.status() == 200 {
						whole++
					}
				}
				c.gone()
				c.Close()
				eventually(t, func() bool { return g.server.Open() == 0 }, "the connection stays open")
				good := 0
				for len(g.records) > 0 {
					r := g.record()
					definite(t, fmt.Sprintf("operation %d", n), r)
					if r.Status == 200 && !r.Late {
						good++
					}
				}
				if whole > good {
					t.Errorf("operation %d: the client has %d whole answers, the records %d", n, whole, good)
				}
				if g.failures(0) > 0 {
					t.Errorf("operation %d: the endpoint is blamed", n)
				}
				if !f.fired.Load() {
					if whole != len(script) || good != len(script) {
						t.Errorf("nothing failed, and %d and %d of %d are good", whole, good, len(script))
					}
					t.Logf("%d operations", n-1)
					return
				}
				if n > 500 {
					t.Fatal("it never succeeds")
				}
			}
		})
	}
}

// An in-memory network: the same over net.Pipe, where a write waits for its reader.
func TestOverAPipe(t *testing.T) {
	t.Parallel()
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	o := upstreamOf(t, answering(ok))
	_ = start(t, setup{wrap: func(in net.Listener) net.Listener { in.Close(); return l }}, o.addr)
	a, b := net.Pipe()
	l.conns <- b
	c := newPeer(t, a)
	for range 3 {
		go c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n" + noise(100_000))
		if m := c.response("POST"); m.status() != 200 || m.body != "ok" {
			t.Errorf("%s %q", m.line, m.body)
		}
	}
	a.Close()
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{} }

// Whatever a client does not read is given up after limits.idle, and its endpoint let go.
func TestClientThatNeverReads(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"spliced": fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", int64(1)<<40), "copied": "HTTP/1.1 200 OK\r\n\r\n",
		"chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{})
			o := upstreamOf(t, func(p *peer) {
				defer close(closed)
				p.request()
				p.send(head)
				piece := noise(64 << 10)
				if name == "chunks" {
					piece = "10000\r\n" + piece + "\r\n"
				}
				for {
					if _, err := io.WriteString(p.Conn, piece); err != nil {
						return
					}
				}
			})
			g := start(t, setup{limits: func(l *listener.Limits) { l.Idle = 300 * time.Millisecond }}, o.addr)
			c := g.dial()
			c.send(get("/"))
			<-closed
			if r := g.record(); r.Status != 499 || g.failures(0) > 0 {
				t.Errorf("record %d, cause %s, %d failures", r.Status, r.Fault.Cause, g.failures(0))
			}
			if rest, _ := io.ReadAll(c.r); strings.HasSuffix(string(rest), "0\r\n\r\n") {
				t.Error("what was given up looks complete")
			}
		})
	}
}

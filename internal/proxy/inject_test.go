//go:build linux && (race || poison)

package proxy_test

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/whygate/whygate/internal/conn"
	"github.com/whygate/whygate/internal/fault"
)

// injection fails the nth system call on the sockets whose peer or own port is one of its own.
type injection struct {
	port  int // of the socket's peer
	left  atomic.Int64
	errno syscall.Errno
	only  func(conn.Op) bool
	fired atomic.Bool
}

// injections are those of the tests under way, since the hook is the process's. mu guards list.
var injections struct {
	mu   sync.Mutex
	list []*injection
}

// inject adds an injection until the test ends.
func inject(t *testing.T, i *injection) {
	t.Helper()
	injections.mu.Lock()
	injections.list = append(injections.list, i)
	injections.mu.Unlock()
	conn.Inject(func(fd uintptr, op conn.Op) syscall.Errno {
		peer, err := syscall.Getpeername(int(fd))
		v4, ok := peer.(*syscall.SockaddrInet4)
		if err != nil || !ok {
			return 0
		}
		injections.mu.Lock()
		defer injections.mu.Unlock()
		for _, i := range injections.list {
			if i.port == v4.Port && (i.only == nil || i.only(op)) && i.left.Add(-1) < 0 {
				i.fired.Store(true)
				return i.errno
			}
		}
		return 0
	})
}

// done takes an injection away.
func (i *injection) done() {
	injections.mu.Lock()
	defer injections.mu.Unlock()
	for k, other := range injections.list {
		if other == i {
			injections.list = append(injections.list[:k], injections.list[k+1:]...)
			return
		}
	}
}

// The nth system call on the client's socket fails, and every later one: the same as TestTheNthOperationFails over the
// transport that ships.
func TestTheNthSystemCallFails(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hello", noise(20_000), "world")
	large := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 300_000, noise(300_000))
	script := []string{
		get("/1"), "POST /2 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
		"POST /3 HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedBody("hello", noise(20_000)),
		get("/large"),
	}
	for name, errno := range map[string]syscall.Errno{"reset": syscall.ECONNRESET, "end": conn.EOF, "pipe": syscall.EPIPE, "timeout": syscall.ETIMEDOUT, "other": syscall.EIO} {
		t.Run(name, func(t *testing.T) {
			o := upstreamOf(t, func(p *peer) {
				for {
					q, ok := p.request()
					if !ok {
						return
					}
					if q.line == "GET /large HTTP/1.1" {
						p.send(large)
					} else {
						p.send("HTTP/1.1 103 Early Hints\r\n\r\n" + answer)
					}
				}
			})
			g := start(t, setup{}, o.addr)
			for n := int64(1); ; n++ {
				if n > 500 {
					t.Fatal("it never succeeds")
				}
				if !nthFails(t, g, script, n, errno) {
					t.Logf("%d system calls", n-1)
					return
				}
			}
		})
	}
}

// nthFails plays the script with the nth system call failing, and reports whether it came so far.
func nthFails(t *testing.T, g *gateway, script []string, n int64, errno syscall.Errno) bool {
	t.Helper()
	c := g.dial()
	defer c.Close()
	i := &injection{port: c.LocalAddr().(*net.TCPAddr).Port, errno: errno}
	i.only = func(op conn.Op) bool { // a read's end is no errno of a write
		return errno != conn.EOF || op == conn.OpRead || op == conn.OpPeek
	}
	i.left.Store(n - 1)
	inject(t, i)
	defer i.done()
	whole := 0
	for _, request := range script { // one after the other, so that the calls are the same in each run
		c.send(request)
		m, err := c.tryResponse("GET")
		if err != nil || !m.complete || m.status() != 200 {
			break
		}
		whole++
	}
	c.Close()
	eventually(t, func() bool { return g.server.Open() == 0 }, "the connection stays open")
	good := 0
	for len(g.records) > 0 {
		r := g.record()
		definite(t, fmt.Sprintf("call %d", n), r)
		if r.Status == 200 && !r.Late {
			good++
		}
	}
	if whole > good {
		t.Errorf("call %d: the client has %d whole answers, the records %d", n, whole, good)
	}
	if g.failures(0) > 0 {
		t.Errorf("call %d: the endpoint is blamed", n)
	}
	return whole < len(script)
}

// A system that refuses splice(2) has bodies copied, whether it says so at the first octet or in the middle.
func TestASystemThatDoesNotSplice(t *testing.T) {
	const size = 3_000_000
	body := noise(size)
	o := upstreamOf(t, answering(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", size, body)))
	for k := range int64(8) {
		n := k / 2
		conn.SpliceAgain()
		g := start(t, setup{}, o.addr)
		c := g.dial()
		i := &injection{port: c.LocalAddr().(*net.TCPAddr).Port, errno: syscall.EINVAL, only: func(op conn.Op) bool { return op == conn.OpSplice }}
		if k%2 == 1 { // into the pipe instead of out of it
			_, port, _ := net.SplitHostPort(o.addr)
			i.port, _ = strconv.Atoi(port)
		}
		i.left.Store(n)
		inject(t, i)
		c.send(get("/"))
		m := c.response("GET")
		i.done()
		if m.status() != 200 || m.body != body {
			t.Errorf("call %d: %s with %d of %d octets", n, m.line, len(m.body), size)
		}
		if r := g.want(200, fault.CauseNone); r.Late || g.failures(0) != 0 {
			t.Errorf("call %d: late %v, %d failures", n, r.Late, g.failures(0))
		}
	}
	conn.SpliceAgain()
}

package proxy_test

import (
	"crypto/tls"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/upstream"
)

// verdict is what the log says of an exchange that ended while it waited, and of whom: 0 for no line at all.
type verdict struct {
	status int
	cause  fault.Cause
}

var (
	nothing  = verdict{}
	left     = verdict{499, fault.CauseClientLeft}
	drained  = verdict{503, fault.CauseShuttingDown}
	late     = verdict{504, fault.CauseResponseTooSlow}
	cutShort = verdict{200, fault.CauseShuttingDown}
)

// waiting is a place where an exchange can wait.
type waiting struct {
	name string
	at   func(*testing.T, setup) (*gateway, *peer) // brings an exchange there
	// What each reason to stop makes of it: the client leaves, the gateway drains, timeouts.response is over, the request body breaks.
	// Where a reason cannot come, it is the zero any.
	left, drained, late, broke any
}

// asks starts a gateway in front of an endpoint, and sends a request to it.
func asks(request string, endpoint func(*testing.T, chan<- bool) (string, func(*upstream.Options))) func(*testing.T, setup) (*gateway, *peer) {
	return func(t *testing.T, s setup) (*gateway, *peer) {
		there := make(chan bool, 4)
		addr, options := endpoint(t, there)
		s.options = options
		g := start(t, s, addr)
		c := g.dial()
		go c.send(request) // it may be more than the buffers hold
		select {
		case <-there:
		case <-time.After(patience):
			t.Fatal("the request never came there")
		}
		return g, c
	}
}

// busy says that an exchange is there as soon as one is under way.
func busy(at func(*testing.T) (string, func(*upstream.Options))) func(*testing.T, setup) (*gateway, *peer) {
	return func(t *testing.T, s setup) (*gateway, *peer) {
		addr, options := at(t)
		s.options = options
		g := start(t, s, addr)
		c := g.dial()
		c.send(get("/"))
		eventually(t, func() bool { return g.server.Busy() == 1 }, "no exchange")
		return g, c
	}
}

// endpoint is one that does as much of its part as serve says.
func endpoint(serve func(*peer)) func(*testing.T, chan<- bool) (string, func(*upstream.Options)) {
	return func(t *testing.T, there chan<- bool) (string, func(*upstream.Options)) {
		hold := make(chan bool)
		o := upstreamOf(t, func(p *peer) {
			serve(p)
			there <- true
			<-hold
		})
		t.Cleanup(func() { close(hold) }) // before the endpoint waits for its connections
		return o.addr, nil
	}
}

// fullQueue is an endpoint whose accept queue is full: its kernel answers no SYN.
func fullQueue(t *testing.T) (string, func(*upstream.Options)) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for { // until one is not answered
		c, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { c.Close() })
	}
	return addr, nil
}

// idles brings a connection to where no exchange is: sent is what came of one.
func idles(front *tls.Config, sent string) func(*testing.T, setup) (*gateway, *peer) {
	return func(t *testing.T, s setup) (*gateway, *peer) {
		s.front = front
		g := start(t, s, upstreamOf(t, answering(ok)).addr)
		c := g.dial()
		c.send(sent)
		if strings.HasSuffix(sent, "\r\n\r\n") {
			c.response("GET")
			g.record()
		}
		eventually(t, func() bool {
			return g.server.Open() == 1 && (sent == "" || strings.HasSuffix(sent, "\r\n\r\n") || g.server.Busy() == 1)
		}, "no connection")
		return g, c
	}
}

const (
	longPost = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhello"
	badPost  = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
)

// waits are the places where an exchange can wait. Whoever adds one adds it here.
var waits = []waiting{
	{name: "between requests", at: idles(nil, get("/")), left: nothing, drained: nothing},
	{name: "TLS handshake with the client", at: idles(serverTLS(), ""), left: nothing, drained: nothing},
	{name: "request head", at: idles(nil, "GET / HTTP/1.1\r\nHost: a.te"), left: left, drained: drained},
	{name: "look-up", at: busy(silentName), left: left, drained: drained, late: verdict{504, fault.CauseDNSTimeout}},
	{name: "dial", at: busy(fullQueue), left: left, drained: drained, late: verdict{504, fault.CauseConnectTimeout}},
	{name: "TLS handshake with the endpoint", at: busy(silentTLS), left: left, drained: drained, late: verdict{504, fault.CauseTLSHandshakeTimeout}},
	{
		name: "room for the request body", at: asks(postOf(32<<20), endpoint(func(p *peer) { p.head() })),
		left: left, drained: drained, late: late,
	},
	{
		name: "request body", at: asks(badPost, endpoint(func(p *peer) { p.head() })),
		left: left, drained: drained, late: late, broke: verdict{400, fault.CauseRequestMalformed},
	},
	{name: "first byte", at: asks(get("/"), endpoint(func(p *peer) { p.request() })), left: left, drained: drained, late: late},
	{
		name: "response head", at: asks(get("/"), endpoint(func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nContent-") })),
		left: left, drained: drained, late: late,
	},
	{
		name: "response body", at: asks(get("/"), endpoint(func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello") })),
		left: left, drained: cutShort, late: verdict{200, fault.CauseResponseTooSlow},
	},
	{
		name: "room for the answer", at: asks(get("/"), endpoint(func(p *peer) {
			p.request()
			go p.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + noise(32<<20)) // ends with the connection
			time.Sleep(500 * time.Millisecond)                                                // until all buffers on the way are full
		})),
		left: left, drained: cutShort,
	},
	{
		name: "tunnel", at: asks(handshake, endpoint(func(p *peer) { p.head(); p.send(switched) })),
		left: verdict{101, fault.CauseNone}, drained: verdict{101, fault.CauseNone},
	},
}

// Every reason to stop ends every wait, soon, and the verdict blames whoever it was: never the endpoint, which did nothing.
func TestEveryReasonEndsEveryWait(t *testing.T) { // by itself: some of them keep a core busy
	if len(waits) != 13 {
		t.Fatalf("%d places", len(waits))
	}
	for _, w := range waits {
		for reason, expected := range map[string]any{"left": w.left, "drained": w.drained, "late": w.late, "broke": w.broke} {
			if expected == nil {
				continue
			}
			t.Run(strings.ReplaceAll(w.name, " ", "-")+"/"+reason, func(t *testing.T) { endsWait(t, w, reason, expected.(verdict)) })
		}
	}
}

func endsWait(t *testing.T, w waiting, reason string, expected verdict) {
	s := setup{limits: func(l *listener.Limits) { l.HeadTime, l.Idle = time.Minute, time.Minute }}
	if reason == "late" {
		s.pool = func(p *proxy.Pool) { p.Response = 300 * time.Millisecond }
	}
	g, c := w.at(t, s)
	began := time.Now()
	switch reason {
	case "left":
		time.Sleep(60 * time.Millisecond) // it waits a little before it gives up: an end that comes with the request is no leaving
		c.reset()
	case "drained":
		g.server.Drain(50 * time.Millisecond)
	case "broke":
		c.send("zz\r\n")
	}
	if expected == nothing {
		eventually(t, func() bool { return g.server.Open() == 0 }, "the connection is still open")
		select {
		case r := <-g.records:
			t.Errorf("a line of status %d, %s", r.Status, r.Fault.Cause)
		default:
		}
	} else {
		r := g.want(expected.status, expected.cause)
		if r.Fault.ByUpstream() && reason != "late" {
			t.Errorf("the endpoint is blamed: %s", r.Fault.Sentence(&r.evidence))
		}
	}
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("it took %v", d)
	}
	if reason != "late" && g.failures(0) != 0 {
		t.Errorf("%d failures of the endpoint", g.failures(0))
	}
}

// The table in docs/connection.md says of each place what this test tries.
func TestWaitsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/connection.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range waits {
		row := "| " + w.name
		for _, v := range []any{w.left, w.drained, w.late, w.broke} {
			row += " | " + cell(v)
		}
		if row += " |\n"; !strings.Contains(string(text), row) {
			t.Errorf("docs/connection.md has no row %s", row)
		}
	}
}

func cell(v any) string {
	switch v := v.(type) {
	case verdict:
		switch {
		case v == nothing:
			return "closed, no line"
		case v.cause == fault.CauseNone:
			return strconv.Itoa(v.status)
		}
		return strconv.Itoa(v.status) + " " + v.cause.String()
	}
	return "–"
}

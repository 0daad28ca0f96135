package proxy_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/whygate/whygate/internal/balance"
	"github.com/whygate/whygate/internal/exchange"
	"github.com/whygate/whygate/internal/fault"
	"github.com/whygate/whygate/internal/health"
	"github.com/whygate/whygate/internal/listener"
	"github.com/whygate/whygate/internal/proxy"
	"github.com/whygate/whygate/internal/resilience"
	"github.com/whygate/whygate/internal/route"
	"github.com/whygate/whygate/internal/telemetry"
	"github.com/whygate/whygate/internal/upstream"
)

// patience bounds every wait of a test: who waits longer hangs.
const patience = 10 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(gatewayEnv) != "" {
		gatewayMain()
		return
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // most of them wait for a timer most of the time
	goleak.VerifyTestMain(m)
}

// setup is what a test changes of a gateway. Each func may be nil.
type setup struct {
	snapshot func(*proxy.Snapshot)
	route    func(*proxy.Route)
	pool     func(*proxy.Pool)
	options  func(*upstream.Options)
	limits   func(*listener.Limits)
	front    *tls.Config                            // the listener speaks TLS
	h2c      bool                                   // the listener speaks HTTP/2 in clear too
	serve    func(*proxy.Proxy, *exchange.Exchange) // instead of Proxy.Serve
	panicked func(reason any, stack []byte)         // of Proxy.Panicked
	observe  func(*telemetry.Record)                // instead of the channel of records
	wrap     func(net.Listener) net.Listener        // what the server accepts from
}

// gateway is a proxy behind a listening socket, and what it observed.
type gateway struct {
	t       testing.TB
	addr    string
	server  *listener.Server
	proxy   *proxy.Proxy
	pool    *proxy.Pool
	records chan record
}

// record is a copy of a telemetry.Record that may be kept.
type record struct {
	telemetry.Record
	id, method, host, target string
	evidence                 fault.Evidence
}

func copyRecord(r *telemetry.Record) record {
	c := record{Record: *r, id: string(r.ID), method: string(r.Method), host: string(r.Host), target: string(r.Target)}
	c.Attempts = nil
	for _, e := range r.Attempts {
		attempt := *e
		c.Attempts = append(c.Attempts, &attempt)
	}
	if r.Evidence != nil {
		c.evidence = *r.Evidence
	}
	c.ID, c.Method, c.Host, c.Target, c.Agent, c.Referer, c.Evidence = nil, nil, nil, nil, nil, nil, nil
	return c
}

// build makes a proxy with one pool of these endpoints and one route to it.
func build(t testing.TB, s setup, endpoints ...string) (*proxy.Proxy, *proxy.Pool) {
	t.Helper()
	o := upstream.Options{
		Connect: patience, TLS: patience, Write: patience, Head: patience, Read: patience, Idle: time.Minute, HeadMax: 64 << 10,
		Resolver: upstream.NewResolver(nil, time.Second),
	}
	if s.options != nil {
		s.options(&o)
	}
	pool := &proxy.Pool{
		Name: "web", Balance: balance.New(len(endpoints), balance.RoundRobin), Budget: resilience.NewBudget(20),
		Attempts: 2, ReplayBody: 64 << 10, Read: o.Read,
	}
	for _, text := range endpoints {
		if !strings.Contains(text, ":/") {
			text = "http://" + text
		}
		e, err := upstream.ParseEndpoint(text)
		if err != nil {
			t.Fatal(err)
		}
		pool.Endpoints = append(pool.Endpoints, proxy.Endpoint{Target: upstream.New(e, o), Guard: resilience.NewGuard(0), Token: []byte(fmt.Sprint("t", len(pool.Endpoints)))})
	}
	pool.Health = health.New(pool.Balance, health.Options{Pool: "web", Names: endpoints})
	if s.pool != nil {
		s.pool(pool)
	}
	table, err := route.New([]route.Rule{{}})
	if err != nil {
		t.Fatal(err)
	}
	snap := &proxy.Snapshot{Name: "whygate", Instance: "abc123", Table: table, Routes: []proxy.Route{{Name: "all", Pool: pool}}}
	if s.route != nil {
		s.route(&snap.Routes[0])
	}
	if s.snapshot != nil {
		s.snapshot(snap)
	}
	p := &proxy.Proxy{}
	p.Use(snap.Prepare())
	return p, pool
}

// start runs a gateway until the test ends.
func start(t testing.TB, s setup, endpoints ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, records: make(chan record, 4096)}
	g.proxy, g.pool = build(t, s, endpoints...)
	g.proxy.Observe = func(r *telemetry.Record) { g.records <- copyRecord(r) }
	g.proxy.Panicked = s.panicked
	if s.observe != nil {
		g.proxy.Observe = s.observe
	}
	limits := listener.Limits{Connections: 20000, RequestHead: 32 << 10, HeadTime: patience, RequestBody: 64 << 20, Idle: patience}
	if s.limits != nil {
		s.limits(&limits)
	}
	g.server = &listener.Server{Serve: g.proxy.Serve, Refuse: g.proxy.Refuse, Limits: func() listener.Limits { return limits }}
	if s.serve != nil {
		g.server.Serve = func(x *exchange.Exchange) { s.serve(g.proxy, x) }
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = l.Addr().String()
	if s.wrap != nil {
		l = s.wrap(l)
	}
	done := make(chan error, 1)
	go func() {
		done <- g.server.Listen(l, func() *tls.Config { return s.front }, func() bool { return s.h2c })
	}() // ends when Drain closes the socket
	t.Cleanup(func() {
		g.server.Drain(0)
		if err := <-done; err != nil {
			t.Errorf("Listen: %v", err)
		}
		for _, e := range g.pool.Endpoints {
			target := e.Target
			target.Close()
		}
	})
	return g
}

// record is the next record.
func (g *gateway) record() record {
	g.t.Helper()
	select {
	case r := <-g.records:
		return r
	case <-time.After(patience):
		g.t.Fatal("no record")
		return record{}
	}
}

// want checks the next record's status and cause.
func (g *gateway) want(status int, cause fault.Cause) record {
	g.t.Helper()
	r := g.record()
	if r.Status != status || r.Fault.Cause != cause {
		g.t.Errorf("record has status %d and cause %s (stage %s, end %s), want %d and %s", r.Status, r.Fault.Cause, r.evidence.Stage, r.evidence.End, status, cause)
	}
	return r
}

// failures is how often the endpoint has been marked as failed.
func (g *gateway) failures(i int) uint64 {
	return g.pool.Balance.Snapshot(nil, 0)[i].Failures
}

// idle waits until the i-th target has n idle connections: they are pooled after the client has its answer.
func (g *gateway) idle(i, n int) {
	g.t.Helper()
	eventually(g.t, func() bool { return g.pool.Endpoints[i].Target.IdleCount() == n }, "%d idle connections, want %d", g.pool.Endpoints[i].Target.IdleCount(), n)
}

// eventually polls for what other goroutines bring about.
func eventually(t testing.TB, f func() bool, format string, args ...any) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf(format, args...)
		}
	}
}

// peer is one end of a raw connection: an upstream's, or a client's.
type peer struct {
	net.Conn
	t   testing.TB
	r   *bufio.Reader
	nth int // of an upstream's connections, from 1
}

func newPeer(t testing.TB, c net.Conn) *peer {
	_ = c.SetDeadline(time.Now().Add(2 * patience))
	return &peer{Conn: c, t: t, r: bufio.NewReader(c)}
}

// origin is an upstream in raw octets.
type origin struct {
	addr  string
	conns atomic.Int32 // accepted so far
	stop  func()       // no connection is accepted any more
}

// upstreamOf runs an upstream whose connections are each served by serve, and closed when it returns.
func upstreamOf(t testing.TB, serve func(*peer)) *origin {
	t.Helper()
	return upstreamOn(t, nil, serve)
}

func upstreamOn(t testing.TB, conf *tls.Config, serve func(*peer)) *origin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{addr: l.Addr().String(), stop: func() { l.Close() }}
	var wg sync.WaitGroup
	var mu sync.Mutex // guards open
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			if conf != nil {
				c = tls.Server(c, conf)
			}
			p := newPeer(t, c)
			p.nth = int(o.conns.Add(1))
			wg.Go(func() {
				defer c.Close()
				serve(p)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return o
}

// refusing is an address that nobody listens at: a socket is bound to it, so that nobody else gets it while the test runs.
func refusing(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", addr.(*syscall.SockaddrInet4).Port)
}

// answering answers every request, its body read, with the same octets.
func answering(answer string) func(*peer) {
	return func(p *peer) {
		for {
			q, ok := p.request()
			if !ok {
				return
			}
			_ = q
			p.send(answer)
		}
	}
}

// capturing is answering that hands on each request.
func capturing(requests chan<- message, answer string) func(*peer) {
	return func(p *peer) {
		for {
			q, ok := p.request()
			if !ok {
				return
			}
			requests <- q
			p.send(answer)
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// dial opens a client's connection.
func (g *gateway) dial() *peer {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return newPeer(g.t, c)
}

// ask sends one request on a connection of its own and reads the answer.
func (g *gateway) ask(request string) message {
	g.t.Helper()
	c := g.dial()
	c.send(request)
	m := c.response(methodOf(request))
	c.Close()
	return m
}

func methodOf(request string) string {
	method, _, _ := strings.Cut(request, " ")
	return method
}

// get is a GET request for a path with these field lines.
func get(path string, lines ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: a.test\r\n" + joined(lines) + "\r\n"
}

func joined(lines []string) string {
	s := ""
	for _, l := range lines {
		s += l + "\r\n"
	}
	return s
}

// send writes octets; that the other side is gone is no failure by itself.
func (p *peer) send(s string) { _, _ = io.WriteString(p.Conn, s) }

// reset closes the connection with RST.
func (p *peer) reset() {
	if c, ok := p.Conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	p.Close()
}

// fin ends this side's octets.
func (p *peer) fin() {
	if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

// arrived waits until what ended the connection has reached the other end: a busy kernel delivers it later than Close
// returns. Only Linux tells; elsewhere it waits a little.
func (p *peer) arrived() {
	port := func(a net.Addr) uint16 { return netip.MustParseAddrPort(a.String()).Port() }
	established := fmt.Sprintf(" 0100007F:%04X 0100007F:%04X 01 ", port(p.RemoteAddr()), port(p.LocalAddr()))
	since := time.Now()
	eventually(p.t, func() bool {
		sockets, err := os.ReadFile("/proc/self/net/tcp")
		if err != nil {
			return time.Since(since) > 50*time.Millisecond
		}
		return !strings.Contains(string(sockets), established)
	}, "the end of the connection never arrived")
}

// gone waits until the other side has closed, whatever it sends before.
func (p *peer) gone() { _, _ = io.Copy(io.Discard, p.r) }

// message is what came over a connection, as it came.
type message struct {
	line     string   // the start line
	lines    []string // the field lines
	body     string
	trailers []string
	chunks   []string // the chunk size lines
	complete bool     // the body ended where its framing says
	err      error    // how reading ended where it did not
	interim  []string // heads of interim responses before it
}

func (m *message) status() int {
	if len(m.line) < 12 {
		return 0
	}
	n, _ := strconv.Atoi(m.line[9:12])
	return n
}

// all are the values of a field, one for each line.
func (m *message) all(name string) []string { return valuesOf(m.lines, name) }

func valuesOf(lines []string, name string) []string {
	var out []string
	for _, l := range lines {
		n, v, _ := strings.Cut(l, ":")
		if strings.EqualFold(n, name) {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

// get is the field's value, empty if it does not occur.
func (m *message) get(name string) string { return strings.Join(m.all(name), " | ") }

func (m *message) has(name string) bool { return len(m.all(name)) > 0 }

// head reads up to the empty line; "" at the connection's end.
func (p *peer) head() (line string, lines []string, err error) {
	for {
		l, err := p.r.ReadString('\n')
		if err != nil {
			return line, lines, fmt.Errorf("in the head, after %q %q %q: %w", line, lines, l, err)
		}
		l = strings.TrimSuffix(l, "\r\n")
		switch {
		case line == "":
			line = l
		case l == "":
			return line, lines, nil
		default:
			lines = append(lines, l)
		}
	}
}

// request reads a request with its body; false at the connection's end.
func (p *peer) request() (message, bool) {
	line, lines, err := p.head()
	if err != nil {
		return message{}, false
	}
	m := message{line: line, lines: lines}
	switch {
	case m.has("Transfer-Encoding"):
		p.chunked(&m)
	case m.has("Content-Length"):
		p.sized(&m, m.get("Content-Length"))
	default:
		m.complete = true
	}
	return m, m.complete
}

// response reads a final response with its body. The test ends if there is no head.
func (p *peer) response(method string) message {
	p.t.Helper()
	m, err := p.tryResponse(method)
	if err != nil {
		p.t.Fatalf("no response: %v", err)
	}
	return m
}

// tryResponse is response where there may be none.
func (p *peer) tryResponse(method string) (message, error) {
	var m message
	for {
		line, lines, err := p.head()
		if err != nil {
			return m, err
		}
		m.line, m.lines = line, lines
		if m.status() >= 200 || m.status() == 101 {
			break
		}
		m.interim = append(m.interim, strings.Join(append([]string{line}, lines...), "\n"))
	}
	switch {
	case method == "HEAD", m.status() == 204, m.status() == 304, m.status() == 101:
		m.complete = true
	case m.has("Transfer-Encoding"):
		p.chunked(&m)
	case m.has("Content-Length"):
		p.sized(&m, m.get("Content-Length"))
	default:
		b, err := io.ReadAll(p.r)
		m.body, m.complete, m.err = string(b), err == nil, err
	}
	return m, nil
}

func (p *peer) sized(m *message, length string) {
	n, err := strconv.ParseInt(length, 10, 64)
	if err != nil {
		m.err = err
		return
	}
	b := make([]byte, n)
	k, err := io.ReadFull(p.r, b)
	m.body, m.complete, m.err = string(b[:k]), err == nil, err
}

func (p *peer) chunked(m *message) {
	var body strings.Builder
	defer func() { m.body = body.String() }()
	for {
		size, err := p.r.ReadString('\n')
		if err != nil {
			m.err = err
			return
		}
		size = strings.TrimSuffix(size, "\r\n")
		m.chunks = append(m.chunks, size)
		digits, _, _ := strings.Cut(size, ";")
		n, err := strconv.ParseInt(digits, 16, 64)
		if err != nil {
			m.err = err
			return
		}
		if n == 0 {
			break
		}
		b := make([]byte, n+2)
		k, err := io.ReadFull(p.r, b)
		body.Write(b[:min(k, int(n))])
		if err != nil {
			m.err = err
			return
		}
	}
	for {
		l, err := p.r.ReadString('\n')
		if err != nil {
			m.err = err
			return
		}
		if l = strings.TrimSuffix(l, "\r\n"); l == "" {
			m.complete = true
			return
		}
		m.trailers = append(m.trailers, l)
	}
}

// ended checks that the gateway closed the connection in order, with nothing more on it.
func (p *peer) ended() {
	p.t.Helper()
	if b, err := io.ReadAll(p.r); err != nil || len(b) > 0 {
		p.t.Errorf("%.100q and then %v, want the connection's end", b, err)
	}
}

// open checks that the connection serves another request.
func (p *peer) open() {
	p.t.Helper()
	p.send(get("/again"))
	if m := p.response("GET"); m.status() != 200 {
		p.t.Errorf("the next request on the connection got %s", m.line)
	}
}

// sentence is a message that would show a leak of what is inside.
func leaks(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" && strings.Contains(s, secret) {
			return secret
		}
	}
	return ""
}

// chunkedBody is octets in the chunked coding.
func chunkedBody(pieces ...string) string {
	var b strings.Builder
	for _, p := range pieces {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(p), p)
	}
	return b.String() + "0\r\n\r\n"
}

func isReset(err error) bool { return errors.Is(err, syscall.ECONNRESET) }

// Settings that several tests want.
var (
	fastHead  = setup{options: func(o *upstream.Options) { o.Head = 200 * time.Millisecond }}
	shortIdle = setup{limits: func(l *listener.Limits) { l.Idle = 100 * time.Millisecond }}
)
